#include <string.h>

#include "answer.h"
#include "clock.h"
#include "cmd.h"
#include "offer.h"
#include "pretend.h"
#include "policy.h"
#include "transaction.h"

/* "MAIL FROM:" Reverse-path [ SP Mail-parameters ]   (RFC 5321 section 4.1.1.2) */

/* What has nothing to do with this command's argument. Returns 0; -1 after the reply. */
static int is_possible(struct session *s)
{
    if (s->transaction != NULL)
        answer_mistake(s, 503, "5.5.1", "a transaction is under way");
    else if (session_renew(s) != 0)
        answer_last(s, 421, "4.3.2", "this port is no longer served");
    else if (s->transactions >= s->settings->transactions)
        answer_last(s, 421, "4.7.0", "too many messages over this connection");
    else if (s->server->queue == NULL)
        answer(s, 451, "4.3.0", "the queue is not there, try again later");
    else
        return 0;
    return -1;
}

/* On the machine itself a user's name alone is an address. */
static int read_sender(const struct session *s, const struct path *path, struct address *a,
                       struct path_refusal *why)
{
    struct fail f = {{0}};
    bool bare = s->port->kind == PORT_LOCAL && span_find(path->mailbox, '@') < 0;
    *a = (struct address){0};
    if (path->null)
        return 0;
    int rc = bare ? address_make(path->mailbox, span_text(s->settings->mailname), a, &f)
                  : address_parse(path->mailbox, a, &f);
    return rc == 0 ? 0 : path_refuse(why, 501, "5.1.7", "sender: %s", f.text);
}

static int check_hold(const struct esmtp_mail *mail, struct path_refusal *why)
{
    int64_t now_s = clock_wall_ms() / 1000;
    if (mail->has_hold_for && mail->hold_for_s > OFFER_HOLD_MAX_S)
        return path_refuse(why, 554, "5.7.0", "no message is held for more than %d seconds",
                           OFFER_HOLD_MAX_S);
    if (mail->has_hold_until && mail->hold_until_s > now_s + OFFER_HOLD_MAX_S)
        return path_refuse(why, 554, "5.7.0", "no message is held for more than %d seconds",
                           OFFER_HOLD_MAX_S);
    if (mail->has_hold_until && mail->hold_until_s < now_s)
        return path_refuse(why, 554, "5.7.0", "HOLDUNTIL has passed");
    return 0;
}

static int read_command(const struct session *s, const struct verb_line *line,
                        struct address *sender, struct esmtp_mail *mail, struct path_refusal *why)
{
    struct path path;
    struct ehlo offered;
    offer_fill(s, &offered);
    if (path_parse(PATH_MAIL, line->argument, &path, why) != 0 ||
        esmtp_mail(&path, &offered, mail, why) != 0 ||
        path_check_eight_bit(PATH_MAIL, &path, mail->smtputf8, why) != 0 ||
        check_hold(mail, why) != 0)
        return -1;
    return read_sender(s, &path, sender, why);
}

static bool has_room(const struct session *s, const struct esmtp_mail *mail)
{
    uint64_t wanted = mail->has_size ? mail->size : 0;
    return s->server->memory < s->settings->memory &&
           wanted <= s->settings->memory - s->server->memory;
}

static void begin(struct session *s, const struct address *sender, const struct esmtp_mail *mail)
{
    struct path_refusal why;
    const struct address *given = sender->local == NULL ? NULL : sender;
    if (policy_sender(s->settings, s->port->kind, s->account, given, &why) != 0 ||
        (s->account != NULL && given != NULL &&
         policy_from_id(s->settings, s->account, s->login, given, &why) != 0)) {
        log_info(&s->log, "sender refused", LS("why", why.text),
                 LS("from", given == NULL ? "" : given->local),
                 LS("domain", given == NULL ? "" : given->domain));
        answer_refusal(s, &why);
    } else if (!has_room(s, mail)) {
        answer(s, 452, "4.3.1", "no room for the message, try again later");
    } else if (!pretend(s, SIMULATE_MAIL, given)) {
        transaction_begin(s, given, mail);
        answer_after(s, server_delay_ms(s->server, s->settings), 250, "2.1.0", "sender taken");
    }
}

void cmd_mail(struct session *s, const struct verb_line *line)
{
    struct address sender;
    struct esmtp_mail mail;
    struct path_refusal why;
    if (is_possible(s) != 0)
        return;
    if (read_command(s, line, &sender, &mail, &why) != 0) {
        answer_refusal(s, &why);
        return;
    }
    begin(s, &sender, &mail);
    address_clear(&sender);
}
