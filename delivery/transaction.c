#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"
#include "proto_submit.h"
#include "session_impl.h"

/* One message to one server: MAIL, RCPT for each recipient, DATA, the message. Where the server has PIPELINING the first three
 * leave in one go; the replies are counted through all the same. */

#define PIECE 65536 /* of the message at a time */
/* How long the first answer may take on a connection that was idle. Another one is made then, which costs little, while the
 * whole timeout of a command would hold the message up for minutes when the server is gone. */
#define AWAKE_MS 10000

static bool has(const struct session *s, enum submit_flag flag)
{
    return (s->t.job->order->flags & (uint32_t)flag) != 0;
}

static struct job_outcome outcome(const struct session *s, enum deliver_status status, const char *stage)
{
    return (struct job_outcome){.status = status,
                                .stage = stage,
                                .remote_host = s->host,
                                .remote_address = s->address,
                                .tls = s->tls_text};
}

/* A recipient's fate by a reply. temporary: whatever the code says. Only the reply to the dot takes a message: a good one
 * anywhere else is out of turn, and a server that is so far behind has not got it. */
static void settle_by(struct session *s, uint32_t index, const struct reply *r, const char *stage, bool temporary)
{
    struct buf text = {0};
    char enhanced[ENHANCED_SIZE];
    bool good = reply_is_ok(r->code);
    enum deliver_status status = good && s->step == STEP_DOT                 ? DELIVER_DONE
                                 : reply_is_permanent(r->code) && !temporary ? DELIVER_FAILED
                                                                             : DELIVER_DEFERRED;
    struct job_outcome o = outcome(s, status, stage);
    struct enhanced e = r->enhanced.class != 0 ? r->enhanced : enhanced_default(r->code);
    if (status == DELIVER_DEFERRED && e.class == 5)
        e.class = 4;
    if (status == DELIVER_DEFERRED && good) {
        e = (struct enhanced){4, 5, 0};
        o.error = "the server's reply is out of turn";
    }
    reply_text(&text, r, "\n");
    o.code = status == DELIVER_DEFERRED && good ? 0 : r->code;
    o.enhanced = enhanced_format(e, enhanced);
    o.reply = buf_text(&text);
    job_settle(s->t.job, index, &o);
    buf_free(&text);
}

static void settle_rest_by(struct session *s, const struct reply *r, const char *stage)
{
    for (uint32_t i = 0; i < s->t.takers_n; i++) {
        if (!s->t.job->settled[s->t.takers[i].index])
            settle_by(s, s->t.takers[i].index, r, stage, false);
    }
}

static void settle_rest(struct session *s, enum deliver_status status, const char *stage, const char *enhanced,
                        const char *error)
{
    struct job_outcome o = outcome(s, status, stage);
    o.enhanced = enhanced;
    o.error = error;
    for (uint32_t i = 0; i < s->t.takers_n; i++) {
        if (!s->t.job->settled[s->t.takers[i].index])
            job_settle(s->t.job, s->t.takers[i].index, &o);
    }
}

/* ---- sending commands ---- */

static uint32_t commands(const struct transaction *t)
{
    return t->takers_n + 2;
}

static void put_mail(struct session *s)
{
    const struct deliver_job *order = s->t.job->order;
    struct buf *out = conn_output(s->conn);
    buf_putf(out, "MAIL FROM:<%s>", order->sender);
    if (s->ehlo.size)
        buf_putf(out, " SIZE=%llu", (unsigned long long)order->size);
    if (s->ehlo.eightbitmime && has(s, SUBMIT_EIGHT_BIT))
        buf_puts(out, " BODY=8BITMIME");
    if (s->ehlo.smtputf8 && has(s, SUBMIT_SMTPUTF8))
        buf_puts(out, " SMTPUTF8");
    if (s->ehlo.dsn && order->ret[0] != '\0')
        buf_putf(out, " RET=%s", order->ret);
    buf_puts(out, "\r\n");
}

static void put_command(struct session *s, uint32_t n)
{
    if (n == 0)
        put_mail(s);
    else if (n <= s->t.takers_n)
        session_put(s, "RCPT TO:<%s>", s->t.job->order->recipients[s->t.takers[n - 1].index].address);
    else
        session_put(s, "DATA");
}

/* All that may be sent now: everything, or the next one. */
static void send_commands(struct session *s)
{
    struct transaction *t = &s->t;
    uint32_t until = s->ehlo.pipelining ? commands(t) : t->answered + 1;
    while (t->sent < until && t->sent < commands(t))
        put_command(s, t->sent++);
    bool last_is_data = t->answered + 1 == commands(t);
    int64_t patience = last_is_data ? s->transport->timeouts.data_ms : s->transport->timeouts.command_ms;
    conn_deadline(s->conn, s->used && !t->heard && patience > AWAKE_MS ? AWAKE_MS : patience);
    conn_flush(s->conn);
}

/* The recipients still to be settled, as many as the server takes at once. */
static void choose_takers(struct session *s)
{
    struct transaction *t = &s->t;
    const struct deliver_job *order = t->job->order;
    uint32_t max = s->ehlo.rcptmax > 0 ? s->ehlo.rcptmax : UINT32_MAX;
    mem_free(&t->takers);
    t->takers = mem_array(order->recipients_n, sizeof *t->takers);
    t->takers_n = 0;
    for (uint32_t i = 0; i < order->recipients_n && t->takers_n < max; i++) {
        if (!t->job->settled[i])
            t->takers[t->takers_n++].index = i;
    }
}

static void start_one(struct session *s)
{
    struct transaction *t = &s->t;
    choose_takers(s);
    t->sent = t->answered = t->accepted = t->again = 0;
    t->mail_refused = t->discard = false;
    t->at = 0;
    session_enter(s, STEP_TRANSACTION);
    send_commands(s);
}

/* What the server cannot take, it is not asked to. */
static bool is_refused_here(struct session *s)
{
    const struct deliver_job *order = s->t.job->order;
    choose_takers(s);
    if (has(s, SUBMIT_SMTPUTF8) && !s->ehlo.smtputf8)
        settle_rest(s, DELIVER_FAILED, "mail", "5.6.7", "the server does not take SMTPUTF8, which this message needs");
    else if (s->ehlo.size && s->ehlo.size_max > 0 && order->size > s->ehlo.size_max)
        settle_rest(s, DELIVER_FAILED, "mail", "5.3.4", "the message is larger than the server takes");
    else
        return false;
    return true;
}

static void end(struct session *s, bool usable)
{
    s->t.job = NULL;
    s->used = true;
    if (usable) {
        conn_deadline(s->conn, 0);
        session_enter(s, STEP_READY);
    } else {
        session_kill(s);
    }
    s->handler->on_done(s, s->arg, usable);
}

void transaction_begin(struct session *s, struct job *j)
{
    s->t.job = j;
    s->t.heard = s->t.over = false;
    if (is_refused_here(s)) {
        /* Every recipient's fate is the same on this server. */
        while (choose_takers(s), s->t.takers_n > 0)
            (void)is_refused_here(s);
        end(s, true);
        return;
    }
    start_one(s);
}

/* ---- the message ---- */

static void to_output(void *arg, struct span run)
{
    struct session *s = arg;
    buf_put_span(conn_output(s->conn), run);
}

static void send_end(struct session *s)
{
    data_encode_end(&s->t.encoder);
    session_enter(s, STEP_DOT);
    conn_deadline(s->conn, s->transport->timeouts.final_ms);
    conn_flush(s->conn);
}

void transaction_on_drained(struct session *s)
{
    struct transaction *t = &s->t;
    unsigned char *piece = mem_alloc(PIECE);
    ssize_t got = pread(t->job->body, piece, PIECE, (off_t)t->at);
    if (got > 0) {
        t->at += (uint64_t)got;
        data_encode(&t->encoder, span_of(piece, (size_t)got));
        conn_deadline(s->conn, s->transport->timeouts.block_ms);
    }
    mem_free(&piece);
    if (got < 0 || t->at > t->job->order->size) {
        /* Ending in the middle of a message, without its dot, makes the server throw it away. */
        transaction_on_closed(s, "the message cannot be read");
    } else if (got == 0 || t->at == t->job->order->size) {
        send_end(s);
    } else {
        conn_flush(s->conn);
        conn_ask_drained(s->conn);
    }
}

static void send_message(struct session *s)
{
    data_encode_open(&s->t.encoder, to_output, s);
    session_enter(s, STEP_BODY);
    if (s->t.discard)
        send_end(s);
    else
        transaction_on_drained(s);
}

/* ---- replies ---- */

/* A further transaction for those that a limit kept out of this one; the end when there are none. */
static void next_or_end(struct session *s)
{
    choose_takers(s);
    if (s->t.takers_n > 0 && !s->t.over)
        start_one(s);
    else
        end(s, true);
}

/* After a transaction that did not come to its end the server is asked to forget it. */
static void reset(struct session *s)
{
    session_enter(s, STEP_RSET);
    session_put(s, "RSET");
    conn_deadline(s->conn, s->transport->timeouts.command_ms);
    conn_flush(s->conn);
}

/* What is said of the message itself, or of the whole session, holds for those as well whose turn has not come. */
static void settle_everyone_by(struct session *s, const struct reply *r, const char *stage)
{
    s->t.over = true;
    do {
        settle_rest_by(s, r, stage);
        choose_takers(s);
    } while (s->t.takers_n > 0);
}

static void on_rcpt(struct session *s, uint32_t n, const struct reply *r)
{
    struct transaction *t = &s->t;
    struct taker *k = &t->takers[n];
    if (t->mail_refused)
        return;
    if (reply_is_ok(r->code)) {
        k->accepted = true;
        t->accepted++;
    } else if ((r->code == 452 || r->code == 552) && t->accepted > 0) {
        t->again++; /* RFC 5321 4.5.3.1.10: too many at once; settled by a further transaction */
    } else {
        settle_by(s, k->index, r, "rcpt", r->code == 552);
    }
}

static void on_data(struct session *s, const struct reply *r)
{
    struct transaction *t = &s->t;
    if (r->code == 354) {
        t->discard = t->accepted == 0;
        send_message(s);
        return;
    }
    for (uint32_t i = 0; i < t->takers_n; i++) {
        if (t->takers[i].accepted)
            settle_by(s, t->takers[i].index, r, "data", false);
    }
    t->accepted = 0;
    reset(s);
}

static void on_final(struct session *s, const struct reply *r)
{
    struct transaction *t = &s->t;
    for (uint32_t i = 0; i < t->takers_n && !t->discard; i++) {
        if (t->takers[i].accepted)
            settle_by(s, t->takers[i].index, r, "dot", false);
    }
    next_or_end(s);
}

/* Nobody was accepted and DATA has not been sent: it need not be. */
static bool is_hopeless(const struct transaction *t)
{
    return t->answered == t->takers_n + 1 && t->sent == t->answered && t->accepted == 0;
}

/* MAIL was refused. The takers stay as they are, since replies to their RCPT are still to be counted. */
static void refuse_all(struct session *s, const struct reply *r)
{
    struct job *j = s->t.job;
    s->t.over = true;
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (!j->settled[i])
            settle_by(s, i, r, "mail", false);
    }
}

static void on_command_reply(struct session *s, const struct reply *r)
{
    struct transaction *t = &s->t;
    uint32_t n = t->answered++;
    t->heard = true;
    if (n == 0 && !reply_is_ok(r->code)) {
        t->mail_refused = true;
        refuse_all(s, r);
    } else if (n > 0 && n <= t->takers_n) {
        on_rcpt(s, n - 1, r);
    } else if (n > t->takers_n) {
        on_data(s, r);
        return;
    }
    if (t->mail_refused ? t->sent == t->answered : is_hopeless(t)) {
        reset(s);
    } else if (!t->mail_refused) {
        send_commands(s);
    }
}

void transaction_on_reply(struct session *s, const struct reply *r)
{
    /* The service goes away: what it says of this command holds, and the rest gets the same. */
    if (r->code == 421) {
        settle_everyone_by(s, r, s->step == STEP_DOT ? "dot" : "data");
        end(s, false);
        return;
    }
    switch (s->step) {
    case STEP_TRANSACTION:
        on_command_reply(s, r);
        break;
    case STEP_DOT:
        on_final(s, r);
        break;
    case STEP_RSET:
        if (reply_is_ok(r->code))
            next_or_end(s);
        else
            transaction_on_closed(s, "the server refused RSET");
        break;
    default:
        /* A reply in the middle of the message: it will not be taken. */
        settle_everyone_by(s, r, "data");
        end(s, false);
    }
}

void transaction_on_closed(struct session *s, const char *why)
{
    static const char *const stages[STEPS] = {[STEP_TRANSACTION] = "rcpt", [STEP_BODY] = "data", [STEP_DOT] = "dot",
                                              [STEP_RSET] = "rset"};
    struct transaction *t = &s->t;
    if (s->step == STEP_TRANSACTION && !t->heard) {
        /* Nothing was said of this message: another connection may do better at once. */
        t->job = NULL;
        session_fail(s, "mail", NULL, why, false);
        return;
    }
    do {
        settle_rest(s, DELIVER_DEFERRED, stages[s->step], "4.4.2", why);
        choose_takers(s);
    } while (t->takers_n > 0);
    end(s, false);
}
