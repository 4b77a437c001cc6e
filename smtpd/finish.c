#include "finish.h"

#include "answer.h"
#include "clock.h"
#include "handover.h"
#include "log.h"
#include "message.h"
#include "pretend.h"
#include "qid.h"
#include "trace.h"
#include "transaction.h"

/* The reply is written: the transaction is over. */
static void end(struct session *s)
{
    transaction_end(s);
    if (s->step != STEP_CLOSE && s->step != STEP_HOLD)
        session_enter(s, STEP_COMMAND);
}

static void refuse(struct session *s, int code, const char *enhanced, const char *text)
{
    const struct submit_envelope *e = s->transaction->envelope;
    server_count(s->server, COUNT_MESSAGES_REFUSED, 1);
    log_info(&s->log, "mail refused", LS("from", e->sender), LU("rcpts", e->recipients_n),
             LI("code", code), LS("why", text));
    answer(s, code, enhanced, "%s", text);
    end(s);
}

/* ---- the queue ---- */

static void accept_message(struct session *s, uint64_t id)
{
    const struct transaction *t = s->transaction;
    const struct submit_envelope *e = t->envelope;
    char qid[QID_SIZE];
    server_count(s->server, COUNT_MESSAGES_ACCEPTED, 1);
    s->transactions++;
    log_info(&s->log, "mail accepted", LS("qid", qid_text(id, qid)), LS("from", e->sender),
             LS("to", e->recipients[0].address), LU("rcpts", e->recipients_n),
             LU("size", message_size(t->message)), LS("msgid", e->message_id));
    answer(s, 250, "2.0.0", "queued as %s", qid);
    end(s);
}

static void on_reply(void *arg, const struct submit_reply *reply)
{
    struct session *s = arg;
    s->transaction->handover = NULL;
    if (reply == NULL)
        refuse(s, 451, "4.3.0", "the queue went away, try again later");
    else if (reply->accepted)
        accept_message(s, reply->id);
    else
        refuse(s, reply->code, reply->enhanced, reply->text);
    session_run(s);
}

static void set_client(struct session *s)
{
    struct buf text = {0};
    trace_client(s, &text);
    submit_set(&s->transaction->envelope->client, buf_text(&text));
    buf_free(&text);
}

static void hand_over(struct session *s)
{
    struct transaction *t = s->transaction;
    struct fail f = {{0}};
    int body = message_seal(t->message, &f);
    if (body < 0) {
        log_error(&s->log, "cannot seal the message", LS("why", f.text));
        refuse(s, 451, "4.3.0", "internal error, try again later");
        return;
    }
    set_client(s);
    session_enter(s, STEP_QUEUE);
    t->handover =
        handover_begin(s->server, t->envelope, body, message_unhold(t->message), on_reply, s);
}

/* ---- signatures ---- */

/* What is wrong with the header itself will be so for ever. */
static void refuse_unsigned(struct session *s, const char *why, bool never)
{
    const char *domain = message_signed_by(s->transaction->message);
    if (never) {
        log_info(&s->log, "cannot sign", LS("domain", domain), LS("why", why));
        refuse(s, 554, "5.6.0", why);
        return;
    }
    log_error(&s->log, "cannot sign", LS("domain", domain), LS("why", why));
    signer_use(s->server->signer, s->server->vault);
    refuse(s, 451, "4.7.0", "the message cannot be signed for now, try again later");
}

static void on_fields(void *arg, struct span fields, const char *why, bool never)
{
    struct session *s = arg;
    struct transaction *t = s->transaction;
    struct fail f = {{0}};
    t->signing = NULL;
    if (why == NULL && fields.n == 0)
        why = "the vault has no key of the domain";
    if (why == NULL && message_prepend(t->message, fields, &f) != 0)
        why = f.text;
    if (why == NULL)
        hand_over(s);
    else
        refuse_unsigned(s, why, never);
    session_run(s);
}

static void sign(struct session *s)
{
    struct transaction *t = s->transaction;
    unsigned char digest[DKIM_DIGEST];
    message_body_hash(t->message, digest);
    session_enter(s, STEP_SIGN);
    t->signing =
        signer_sign(s->server->signer, message_signed_by(t->message), message_header(t->message),
                    digest, clock_wall_ms() / 1000, on_fields, s);
}

static void go_on(struct session *s)
{
    if (message_signed_by(s->transaction->message) != NULL)
        sign(s);
    else
        hand_over(s);
}

void finish_message(struct session *s)
{
    struct transaction *t = s->transaction;
    struct path_refusal why;
    if (message_end(t->message, &why) != 0) {
        refuse(s, why.code, why.enhanced, why.text);
    } else if (pretend_now(s)) {
        server_count(s->server, COUNT_MESSAGES_REFUSED, 1);
        end(s);
    } else if (!pretend_slow(s, go_on)) {
        go_on(s);
    }
}
