#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "esmtp.h"
#include "log.h"
#include "mem.h"
#include "proto_submit.h"
#include "session_impl.h"
#include "simulate.h"
#include "utf8.h"

/* One message to one server: MAIL, RCPT for each recipient, DATA, the message. Where the server has
 * PIPELINING the first three leave in one go; the replies are counted through all the same. */

#define PIECE 65536 /* of the message at a time */
/* How long the first answer may take on a connection that was idle. Another one is made then, which
 * costs little, while the whole timeout of a command would hold the message up for minutes when the
 * server is gone. */
#define AWAKE_MS 10000
/* Each answer may come in time and all of them take days. So a whole transaction, up to its final
 * dot, has the time of two commands, of DATA and of a piece of the message; and of one more for so
 * many recipients, or octets. */
#define TAKERS_A_COMMAND 10
#define OCTETS_A_BLOCK (256u << 10)

static bool has(const struct session *s, enum submit_flag flag)
{
    return (s->t.job->order->flags & (uint32_t)flag) != 0;
}

static bool is_utf8_sender(const struct session *s)
{
    return !utf8_is_ascii(span_text(s->t.job->order->sender));
}

static bool is_utf8_recipient(const struct session *s, uint32_t index)
{
    return !utf8_is_ascii(span_text(s->t.job->order->recipients[index].address));
}

static struct job_outcome outcome(const struct session *s, enum deliver_status status,
                                  const char *stage)
{
    return (struct job_outcome){.status = status,
                                .reports = s->ehlo.dsn,
                                .stage = stage,
                                .remote_host = s->host,
                                .remote_address = s->address,
                                .tls = s->tls_text};
}

/* What a reply can do to a recipient. */
enum effect {
    REFUSES,  /* 5yz for good, anything else for now */
    PUTS_OFF, /* for now, whatever the code */
    DELIVERS, /* 2yz is what was hoped for */
};

/* RFC 3207 section 4: the server insists on the TLS that it offers, and that was tried and failed:
 * another time it may not. */
static bool insists_on_tls(const struct session *s, const struct reply *r)
{
    return r->code == 530 && s->ehlo.starttls && s->clear != SESSION_OFF &&
           !conn_is_secure(s->conn);
}

/* It is us that the server wants something of, and not the sender (RFC 4954 section 6): that is
 * between the operator and a server that he named. */
static bool insists_on_login(const struct session *s, const struct reply *r)
{
    return transport_is_named(s->transport) &&
           (r->code == 530 || r->code == 534 || r->code == 535 || r->code == 538);
}

/* What an application does about a complaint can be tried in a suite for development: the name of
 * the recipient asks for one. */
static bool complains(const struct session *s, uint32_t index)
{
    const char *address = s->t.job->order->recipients[index].address, *at = strrchr(address, '@');
    if (!s->transport->localserve || at == NULL)
        return false;
    struct span localpart = span_of(address, (size_t)(at - address));
    return simulate_at(SIMULATE_DATA, localpart).kind == SIMULATE_COMPLAINT;
}

/* A recipient's fate by a reply. Only the one to the message itself delivers: a 250 that comes
 * anywhere else says nothing of where the message is. */
static void settle_by(struct session *s, uint32_t index, const struct reply *r, const char *stage,
                      enum effect effect)
{
    struct buf text = {0};
    char digits[ENHANCED_SIZE];
    bool refused = reply_is_permanent(r->code) || reply_is_temporary(r->code);
    enum deliver_status status = reply_is_ok(r->code) && effect == DELIVERS ? DELIVER_DONE
                                 : reply_is_permanent(r->code) && effect != PUTS_OFF &&
                                         !insists_on_tls(s, r) && !insists_on_login(s, r)
                                     ? DELIVER_FAILED
                                     : DELIVER_DEFERRED;
    struct job_outcome o = outcome(s, status, stage);
    struct enhanced e = r->enhanced.class != 0 ? r->enhanced : enhanced_default(r->code);
    if (status == DELIVER_DEFERRED)
        e.class = 4;
    reply_text(&text, r, "\n");
    o.complaint = status == DELIVER_DONE && complains(s, index);
    if (o.complaint)
        log_info(NULL, "complaint simulated",
                 LS("rcpt", s->t.job->order->recipients[index].address));
    o.code = r->code;
    o.reply = buf_text(&text);
    if (status == DELIVER_DEFERRED && !refused) {
        o.enhanced = "4.5.0";
        o.error = "the server's answer does not fit what it was asked";
    } else {
        o.enhanced = enhanced_format(e, digits);
    }
    job_settle(s->t.job, index, &o);
    buf_free(&text);
}

/* Every recipient of the job that has no outcome yet, whether its turn had come or not. */
static void settle_rest_by(struct session *s, const struct reply *r, const char *stage)
{
    struct job *j = s->t.job;
    s->t.over = true;
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (!j->settled[i])
            settle_by(s, i, r, stage, REFUSES);
    }
}

static void defer_rest(struct session *s, const char *stage, const char *enhanced,
                       const char *error)
{
    struct job_outcome o = outcome(s, DELIVER_DEFERRED, stage);
    o.enhanced = enhanced;
    o.error = error;
    s->t.over = true;
    job_settle_rest(s->t.job, &o);
}

/* ---- sending commands ---- */

static uint32_t commands(const struct transaction *t)
{
    return t->takers_n + 2;
}

static enum esmtp_ret ret_of(const struct deliver_job *order)
{
    return strcmp(order->ret, "FULL") == 0   ? ESMTP_RET_FULL
           : strcmp(order->ret, "HDRS") == 0 ? ESMTP_RET_HDRS
                                             : ESMTP_RET_NONE;
}

/* RFC 6531 section 3.4: said where something needs it, whatever the client said of the message. */
static bool says_smtputf8(const struct session *s)
{
    bool utf8 = has(s, SUBMIT_UTF8_HEADER) || is_utf8_sender(s);
    for (uint32_t i = 0; i < s->t.takers_n && !utf8; i++)
        utf8 = is_utf8_recipient(s, s->t.takers[i].index);
    return utf8;
}

static void put_mail(struct session *s)
{
    const struct deliver_job *order = s->t.job->order;
    struct buf *out = conn_output(s->conn);
    struct esmtp_mail mail = {.has_size = true,
                              .size = order->size,
                              .body =
                                  has(s, SUBMIT_EIGHT_BIT) ? ESMTP_BODY_8BITMIME : ESMTP_BODY_NONE,
                              .smtputf8 = says_smtputf8(s),
                              .requiretls = has(s, SUBMIT_REQUIRE_TLS) && conn_is_secure(s->conn),
                              .ret = ret_of(order)};
    mail.has_envid = order->envid[0] != '\0' &&
                     span_copy(span_text(order->envid), mail.envid, sizeof mail.envid) == 0;
    buf_putf(out, "MAIL FROM:<%s>", order->sender);
    esmtp_mail_write(out, &mail, &s->ehlo);
    buf_puts(out, "\r\n");
}

static void put_rcpt(struct session *s, const struct deliver_recipient *r)
{
    static const struct {
        unsigned ours, theirs;
    } notifies[] = {{NOTIFY_NEVER, ESMTP_NOTIFY_NEVER},
                    {NOTIFY_SUCCESS, ESMTP_NOTIFY_SUCCESS},
                    {NOTIFY_FAILURE, ESMTP_NOTIFY_FAILURE},
                    {NOTIFY_DELAY, ESMTP_NOTIFY_DELAY}};
    struct buf *out = conn_output(s->conn);
    struct esmtp_rcpt rcpt = {0};
    struct span orcpt = span_text(r->orcpt);
    ssize_t semicolon = span_find(orcpt, ';');
    for (size_t i = 0; i < sizeof notifies / sizeof notifies[0]; i++)
        rcpt.notify |= (r->notify & notifies[i].ours) != 0 ? notifies[i].theirs : 0;
    if (semicolon > 0) {
        struct span type = span_of(orcpt.p, (size_t)semicolon);
        struct span address = span_of(type.p + type.n + 1, orcpt.n - type.n - 1);
        rcpt.has_orcpt = address.n > 0 &&
                         span_copy(type, rcpt.orcpt_type, sizeof rcpt.orcpt_type) == 0 &&
                         span_copy(address, rcpt.orcpt, sizeof rcpt.orcpt) == 0;
    }
    buf_putf(out, "RCPT TO:<%s>", r->address);
    esmtp_rcpt_write(out, &rcpt, &s->ehlo);
    buf_puts(out, "\r\n");
}

static void put_command(struct session *s, uint32_t n)
{
    if (n == 0)
        put_mail(s);
    else if (n <= s->t.takers_n)
        put_rcpt(s, &s->t.job->order->recipients[s->t.takers[n - 1].index]);
    else
        session_put(s, "DATA");
}

static int64_t time_for(const struct session *s, uint32_t takers)
{
    const struct transport_timeouts *t = &s->transport->timeouts;
    int64_t blocks = (int64_t)(s->t.job->order->size / OCTETS_A_BLOCK);
    return (2 + takers / TAKERS_A_COMMAND) * t->command_ms + t->data_ms +
           (1 + blocks) * t->block_ms;
}

/* Gives the server so long for its next step, as far as the transaction has time left. Returns 0,
 * or -1 when it has none: then it is over. */
static int give_time(struct session *s, int64_t ms)
{
    int64_t left = s->t.until_ms - clock_mono_ms();
    s->t.last_chance = left < ms;
    if (left <= 0) {
        transaction_on_closed(s, "4.4.2", transaction_lateness(s));
        return -1;
    }
    conn_deadline(s->conn, left < ms ? left : ms);
    return 0;
}

const char *transaction_lateness(const struct session *s)
{
    bool overall = (s->step == STEP_TRANSACTION || s->step == STEP_BODY) && s->t.last_chance;
    return overall ? "the server takes too long for the whole of it" : "timed out";
}

/* All that may be sent now: everything, or the next one. */
static void send_commands(struct session *s)
{
    struct transaction *t = &s->t;
    uint32_t until = s->ehlo.pipelining ? commands(t) : t->answered + 1;
    bool last_is_data = t->answered + 1 == commands(t);
    int64_t patience =
        last_is_data ? s->transport->timeouts.data_ms : s->transport->timeouts.command_ms;
    /* Who answers twice would have the next recipient get the answer that is not for him. */
    if (!s->ehlo.pipelining && session_has_unread(s)) {
        transaction_on_closed(s, "4.5.0", "the server speaks out of turn");
        return;
    }
    if (give_time(s, s->used && !t->heard && patience > AWAKE_MS ? AWAKE_MS : patience) != 0)
        return;
    while (t->sent < until && t->sent < commands(t))
        put_command(s, t->sent++);
    conn_flush(s->conn);
}

static uint32_t takers_max(const struct session *s)
{
    uint32_t announced = s->ehlo.rcptmax > 0 ? s->ehlo.rcptmax : UINT32_MAX;
    return s->most_takers > 0 && s->most_takers < announced ? s->most_takers : announced;
}

/* Whether the recipient is yet to be sent to, and can be here. One whose address this server cannot
 * take is left for another one. */
static bool is_eligible(const struct session *s, uint32_t index)
{
    return !s->t.job->settled[index] && (s->ehlo.smtputf8 || !is_utf8_recipient(s, index));
}

/* Those recipients, as many as the server takes at once. */
static void choose_takers(struct session *s)
{
    struct transaction *t = &s->t;
    const struct deliver_job *order = t->job->order;
    uint32_t max = takers_max(s);
    mem_free(&t->takers);
    t->takers = mem_array(order->recipients_n, sizeof *t->takers);
    t->takers_n = 0;
    for (uint32_t i = 0; i < order->recipients_n && t->takers_n < max; i++) {
        if (is_eligible(s, i))
            t->takers[t->takers_n++].index = i;
    }
}

static void start_one(struct session *s)
{
    struct transaction *t = &s->t;
    choose_takers(s);
    s->transactions++;
    t->sent = t->answered = t->accepted = 0;
    t->mail_refused = t->discard = t->full = false;
    t->at = 0;
    t->told = 0;
    t->until_ms = clock_mono_ms() + time_for(s, t->takers_n);
    session_enter(s, STEP_TRANSACTION);
    send_commands(s);
}

static bool has_eligible(const struct session *s)
{
    for (uint32_t i = 0; i < s->t.job->order->recipients_n; i++) {
        if (is_eligible(s, i))
            return true;
    }
    return false;
}

/* What the server cannot take, it is not asked to. Another one may. */
static bool is_refused_here(struct session *s, const char **enhanced, const char **why)
{
    uint64_t size = s->t.job->order->size, max = s->ehlo.size ? s->ehlo.size_max : 0;
    const struct {
        bool is;
        const char *enhanced, *why;
    } refusals[] = {
        {!tlsstep_lets_pass(s), "5.7.30",
         "the server does not take REQUIRETLS, which this message asks for"},
        {(is_utf8_sender(s) && !s->ehlo.smtputf8) || !has_eligible(s), "5.6.7",
         "the server does not take SMTPUTF8, which an address needs"},
        {has(s, SUBMIT_UTF8_HEADER) && !s->ehlo.smtputf8, "5.6.9",
         "the server does not take SMTPUTF8, which this message needs"},
        {max > 0 && size > max, "5.3.4", "the message is larger than the server takes"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        *enhanced = refusals[i].enhanced;
        *why = refusals[i].why;
        if (refusals[i].is)
            return true;
    }
    return false;
}

/* RFC 9422: so many transactions over one connection, and no more. */
static bool is_spent(const struct session *s)
{
    return s->ehlo.mailmax > 0 && s->transactions >= s->ehlo.mailmax;
}

static void end(struct session *s, bool usable)
{
    s->t.job = NULL;
    s->used = true;
    if (usable && !session_has_unread(s)) {
        conn_deadline(s->conn, 0);
        session_enter(s, STEP_READY);
        usable = !is_spent(s);
    } else {
        usable = false;
        session_kill(s);
    }
    s->handler->on_done(s, s->arg, usable);
}

void transaction_begin(struct session *s, struct job *j)
{
    const char *enhanced, *why;
    s->t.job = j;
    /* A server that takes few recipients at once gets as much time for all of them. */
    if (j->until_ms == 0)
        j->until_ms =
            clock_mono_ms() + time_for(s, j->order->recipients_n) + s->transport->timeouts.final_ms;
    s->t.heard = s->t.over = false;
    if (is_refused_here(s, &enhanced, &why)) {
        s->t.job = NULL;
        session_fail(s, "mail", NULL, enhanced, why);
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
    if (give_time(s, s->transport->timeouts.block_ms) != 0)
        return;
    unsigned char *piece = mem_alloc(PIECE);
    ssize_t got = pread(t->job->body, piece, PIECE, (off_t)t->at);
    if (got > 0) {
        t->at += (uint64_t)got;
        data_encode(&t->encoder, span_of(piece, (size_t)got));
    }
    mem_free(&piece);
    if (got < 0 || t->at > t->job->order->size) {
        /* Ending in the middle of a message, without its dot, makes the server throw it away. */
        transaction_on_closed(s, "4.3.0", "the message cannot be read");
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

/* A further transaction for those that a limit kept out of this one; the end when there are none.
 */
static void next_or_end(struct session *s)
{
    choose_takers(s);
    if (s->t.takers_n > 0 && !s->t.over && clock_mono_ms() > s->t.job->until_ms)
        defer_rest(s, "mail", "4.4.2", JOB_TOO_LONG);
    if (s->t.takers_n == 0 || s->t.over || is_spent(s))
        end(s, true);
    else if (session_has_unread(s))
        transaction_on_closed(s, "4.5.0", "the server speaks out of turn");
    else
        start_one(s);
}

/* After a transaction that did not come to its end the server is asked to forget it. */
static void reset(struct session *s)
{
    session_enter(s, STEP_RSET);
    session_put(s, "RSET");
    conn_deadline(s->conn, s->transport->timeouts.command_ms);
    conn_flush(s->conn);
}

/* RFC 5321 section 4.5.3.1.10: too many at once. Of the first one it cannot be true, and a mailbox
 * may be full as well. */
static bool is_one_too_many(const struct transaction *t, const struct reply *r)
{
    return (r->code == 452 || r->code == 552) && t->accepted > 0 && r->enhanced.subject != 2;
}

/* Both are kept: this one, and what becomes of the message. */
static void note_taken(struct session *s, uint32_t index, const struct reply *r)
{
    struct buf text = {0};
    reply_text(&text, r, "\n");
    job_note_taken(s->t.job, index, buf_text(&text));
    buf_free(&text);
}

static void on_rcpt(struct session *s, uint32_t n, const struct reply *r)
{
    struct transaction *t = &s->t;
    struct taker *k = &t->takers[n];
    if (t->mail_refused)
        return;
    job_note_taken(t->job, k->index, NULL);
    if (reply_is_ok(r->code)) {
        note_taken(s, k->index, r);
        k->accepted = true;
        t->accepted++;
        t->full = false;
    } else if (is_one_too_many(t, r)) {
        /* Left for a further transaction; and so are those that need not be asked for any more. */
        t->full = true;
        if (t->sent == t->answered)
            t->takers_n = n + 1;
    } else {
        settle_by(s, k->index, r, "rcpt", r->code == 552 ? PUTS_OFF : REFUSES);
    }
}

/* All recipients have been asked for. */
static void learn_limit(struct session *s)
{
    if (s->t.full)
        s->most_takers = s->t.accepted;
}

static void on_data(struct session *s, const struct reply *r)
{
    struct transaction *t = &s->t;
    learn_limit(s);
    if (r->code == 354 && session_has_unread(s)) {
        /* Whatever it is, it must not count as the answer to a message that is yet to be sent. */
        transaction_on_closed(s, "4.5.0", "the server speaks out of turn");
        return;
    }
    if (r->code == 354 && s->transport->lmtp && t->accepted == 0) {
        /* RFC 2033 section 4.2: it has to say 503. No answer would come to the dot. */
        transaction_on_closed(s, "4.5.0", "the server takes a message for nobody");
        return;
    }
    if (r->code == 354) {
        t->discard = t->accepted == 0;
        send_message(s);
        return;
    }
    for (uint32_t i = 0; i < t->takers_n; i++) {
        if (t->takers[i].accepted)
            settle_by(s, t->takers[i].index, r, "data", REFUSES);
    }
    t->accepted = 0;
    reset(s);
}

/* RFC 2033 section 4.2: an answer for each recipient that was accepted, in their order. */
static void on_final_of_one(struct session *s, const struct reply *r)
{
    struct transaction *t = &s->t;
    while (t->told < t->takers_n && !t->takers[t->told].accepted)
        t->told++;
    if (t->told < t->takers_n)
        settle_by(s, t->takers[t->told++].index, r, "dot", DELIVERS);
    if (--t->accepted > 0)
        conn_deadline(s->conn, s->transport->timeouts.final_ms);
    else
        next_or_end(s);
}

static void on_final(struct session *s, const struct reply *r)
{
    struct transaction *t = &s->t;
    if (s->transport->lmtp) {
        on_final_of_one(s, r);
        return;
    }
    for (uint32_t i = 0; i < t->takers_n && !t->discard; i++) {
        if (t->takers[i].accepted)
            settle_by(s, t->takers[i].index, r, "dot", DELIVERS);
    }
    next_or_end(s);
}

/* Nobody was accepted and DATA has not been sent: it need not be. */
static bool is_hopeless(const struct transaction *t)
{
    return t->answered == t->takers_n + 1 && t->sent == t->answered && t->accepted == 0;
}

static void on_command_reply(struct session *s, const struct reply *r)
{
    struct transaction *t = &s->t;
    uint32_t n = t->answered++;
    t->heard = true;
    if (n == 0 && !reply_is_ok(r->code)) {
        /* The takers stay as they are, since replies to their RCPT are still to be counted. */
        t->mail_refused = true;
        if (insists_on_login(s, r))
            auth_alarm(s, r, "the server takes no mail from us as we are");
        settle_rest_by(s, r, "mail");
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

/* What the server was asked last and has not answered. */
static const char *stage(const struct session *s)
{
    const struct transaction *t = &s->t;
    switch (s->step) {
    case STEP_TRANSACTION:
        return t->answered == 0 ? "mail" : t->answered <= t->takers_n ? "rcpt" : "data";
    case STEP_DOT:
        return "dot";
    case STEP_RSET:
        return "rset";
    default:
        return "data";
    }
}

/* Nothing was said of this message: another connection may do better at once. */
static bool is_untouched(const struct session *s)
{
    return s->step == STEP_TRANSACTION && !s->t.heard;
}

static void leave_untouched(struct session *s, const struct reply *r, const char *enhanced,
                            const char *why)
{
    s->t.job = NULL;
    session_fail(s, "mail", r, enhanced, why);
}

/* The service goes away: what it says of this command holds, and the rest gets the same. */
static void on_goodbye(struct session *s, const struct reply *r)
{
    if (is_untouched(s)) {
        leave_untouched(s, r, "4.3.2", "the server goes away");
        return;
    }
    settle_rest_by(s, r, stage(s));
    end(s, false);
}

void transaction_on_reply(struct session *s, const struct reply *r)
{
    /* Over LMTP the answers for the others may still come, and may say that they have it. */
    if (r->code == 421 && !(s->step == STEP_DOT && s->transport->lmtp)) {
        on_goodbye(s, r);
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
            transaction_on_closed(s, "4.5.0", "the server refused RSET");
        break;
    default:
        /* A reply in the middle of the message: it will not be taken. */
        settle_rest_by(s, r, "data");
        end(s, false);
    }
}

void transaction_on_closed(struct session *s, const char *enhanced, const char *why)
{
    if (is_untouched(s)) {
        leave_untouched(s, NULL, enhanced, why);
        return;
    }
    defer_rest(s, stage(s), enhanced, why);
    end(s, false);
}
