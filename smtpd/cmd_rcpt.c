#include "answer.h"
#include "cmd.h"
#include "listed.h"
#include "offer.h"
#include "policy.h"
#include "pretend.h"
#include "transaction.h"

/* "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [ SP Rcpt-parameters ]
 * (RFC 5321 section 4.1.1.3) */

static int read_recipient(const struct session *s, const struct path *path, struct address *a,
                          struct path_refusal *why)
{
    struct fail f = {{0}};
    *a = (struct address){0};
    if (path->postmaster)
        return 0;
    bool bare = s->port->kind == PORT_LOCAL && span_find(path->mailbox, '@') < 0;
    int rc = bare ? address_make(path->mailbox, span_text(s->settings->mailname), a, &f)
                  : address_parse(path->mailbox, a, &f);
    return rc == 0 ? 0 : path_refuse(why, 501, "5.1.3", "recipient: %s", f.text);
}

static int read_command(const struct session *s, const struct path *path, struct esmtp_rcpt *rcpt,
                        struct address *a, struct path_refusal *why)
{
    struct ehlo offered;
    offer_fill(s, &offered);
    if (esmtp_rcpt(path, &offered, rcpt, why) != 0 ||
        path_check_eight_bit(PATH_RCPT, path, s->transaction->mail.smtputf8, why) != 0)
        return -1;
    return read_recipient(s, path, a, why);
}

/* Strangers who guess addresses are stopped after so many. */
static void refuse(struct session *s, const struct path *path, const struct path_refusal *why)
{
    server_count(s->server, COUNT_RECIPIENTS_REFUSED, 1);
    log_info(&s->log, "recipient refused", LSPAN("rcpt", path->mailbox),
             LS("from", s->transaction->envelope->sender), LI("code", why->code),
             LS("why", why->text));
    if (s->account == NULL && s->port->kind == PORT_SMTP && answer_enough(s))
        return;
    answer(s, why->code, why->enhanced, "%s", why->text);
}

void cmd_rcpt_take(struct session *s, const struct address *a, const struct esmtp_rcpt *rcpt)
{
    pretend_later(s, a);
    transaction_add(s, a, rcpt);
    s->idle_commands = 0;
    server_count(s->server, COUNT_RECIPIENTS_ACCEPTED, 1);
    answer(s, 250, "2.1.5", "recipient taken");
}

static void add(struct session *s, const struct path *path, struct address *a,
                const struct esmtp_rcpt *rcpt)
{
    struct path_refusal why;
    if (policy_recipient(s->settings, s->port->kind, path, a, &why) != 0) {
        refuse(s, path, &why);
        return;
    }
    if (pretend(s, SIMULATE_RCPT, a))
        return;
    if (listed_matters(s))
        listed_ask(s, a, rcpt);
    else
        cmd_rcpt_take(s, a, rcpt);
}

/* An id for bounces that the client made itself is for one recipient. */
static bool is_full(struct session *s)
{
    const struct transaction *t = s->transaction;
    if (t->from_id != NULL && t->envelope->recipients_n > 0) {
        answer(s, 554, "5.5.3", "a sender with an id of its own is for one recipient");
        return true;
    }
    if (t->envelope->recipients_n >= settings_recipients(s->settings, s->port->kind) ||
        !transaction_has_place(s)) {
        answer(s, 452, "4.5.3", "too many recipients, send to the others in another message");
        return true;
    }
    if (!transaction_has_memory(s)) {
        answer(s, 452, "4.3.1", "no room for another recipient, try again later");
        return true;
    }
    return false;
}

void cmd_rcpt(struct session *s, const struct verb_line *line)
{
    struct path path;
    struct esmtp_rcpt rcpt;
    struct address a = {0};
    struct path_refusal why;
    if (path_parse(PATH_RCPT, line->argument, &path, &why) != 0) {
        answer_refusal(s, &why);
        return;
    }
    if (is_full(s))
        return;
    if (read_command(s, &path, &rcpt, &a, &why) == 0)
        add(s, &path, &a, &rcpt);
    else
        answer_refusal(s, &why);
    address_clear(&a);
}
