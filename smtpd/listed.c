#include "listed.h"

#include "answer.h"
#include "cmd.h"
#include "mem.h"
#include "proto_suppress.h"
#include "transaction.h"

/* The queue answers it, whether the session is still there or not. */
struct listed_question {
    struct session *session; /* NULL: gone, or not interested */
    struct address recipient;
    struct esmtp_rcpt rcpt;
};

bool listed_matters(const struct session *s)
{
    const struct conf_block *account =
        s->account == NULL ? NULL : conf_find(conf_root(s->settings->conf), "account", s->account);
    return account != NULL && conf_bool(account, "suppress-at-send");
}

static void refuse(struct session *s, const char *address)
{
    server_count(s->server, COUNT_RECIPIENTS_REFUSED, 1);
    log_info(&s->log, "recipient refused", LS("rcpt", address),
             LS("from", s->transaction->envelope->sender), LI("code", 550),
             LS("why", "suppressed"));
    answer(s, 550, "5.7.1", "the address is on the suppression list of your account");
}

static void on_answer(void *arg, const struct suppress_answer *a)
{
    struct listed_question *q = arg;
    struct session *s = q->session;
    if (s != NULL) {
        char *text = address_text(&q->recipient);
        s->transaction->question = NULL;
        if (a->result == SUPPRESS_ABSENT)
            cmd_rcpt_take(s, &q->recipient, &q->rcpt);
        else if (a->result == SUPPRESS_DONE)
            refuse(s, text);
        else
            answer(s, 451, "4.3.0", "the queue is not there, try again later");
        mem_free(&text);
    }
    address_clear(&q->recipient);
    mem_free(&q);
    if (s != NULL) {
        session_enter(s, STEP_COMMAND);
        session_run(s);
    }
}

void listed_ask(struct session *s, const struct address *recipient, const struct esmtp_rcpt *rcpt)
{
    if (s->server->queue == NULL) {
        answer(s, 451, "4.3.0", "the queue is not there, try again later");
        return;
    }
    struct listed_question *q = mem_zero(sizeof *q);
    char *text = address_text(recipient);
    q->session = s;
    q->rcpt = *rcpt;
    address_copy(&q->recipient, recipient);
    s->transaction->question = q;
    session_enter(s, STEP_ASK);
    (void)suppress_find(s->server->queue, s->account, text, on_answer, q);
    mem_free(&text);
}

void listed_forget(struct listed_question **q)
{
    if (*q != NULL)
        (*q)->session = NULL;
    *q = NULL;
}
