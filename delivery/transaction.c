#include <assert.h>
#include <string.h>

#include "clock.h"
#include "esmtp.h"
#include "hostlimits.h"
#include "log.h"
#include "mem.h"
#include "session_impl.h"
#include "simulate.h"

/* One message to one server: MAIL, RCPT for each recipient, DATA, the message. Where the server has
 * PIPELINING the first three leave in one go; the replies are counted through all the same. */

/* How long the first answer may take on a connection that was idle. Another one is made then, which
 * costs little, while the whole timeout of a command would hold the message up for minutes when the
 * server is gone. */
#define AWAKE_MS 10000
/* Each answer may come in time and all of them take days. So a whole transaction, up to its final
 * dot, has the time of two commands, of DATA and of a piece of the message; and of one more for so
 * many recipients, or octets. */
#define TAKERS_A_COMMAND 10
#define OCTETS_A_BLOCK (256u << 10)

bool transaction_has(const struct session *s, enum submit_flag flag)
{
    return (s->t.job->order->flags & (uint32_t)flag) != 0;
}

static struct job_outcome outcome(const struct session *s, enum deliver_status status,
                                  const char *stage)
{
    return (struct job_outcome){.status = status,
                                .reports = s->ehlo.dsn,
                                .stage = stage,
                                .remote_host = s->host,
                                .remote_address = s->address,
                                .tls = session_tls(s),
                                .octets = s->t.octets,
                                .late = s->late};
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
    return t->takers_n + (t->chunking ? 1 : 2);
}

static enum esmtp_ret ret_of(const struct deliver_job *order)
{
    return strcmp(order->ret, "FULL") == 0   ? ESMTP_RET_FULL
           : strcmp(order->ret, "HDRS") == 0 ? ESMTP_RET_HDRS
                                             : ESMTP_RET_NONE;
}

static void put_mail(struct session *s)
{
    const struct deliver_job *order = s->t.job->order;
    bool hidden = takers_hide_sender(s);
    struct buf *out = conn_output(s->conn);
    struct esmtp_mail mail = {
        .has_size = true,
        .size = content_size(s),
        .body = transaction_has(s, SUBMIT_EIGHT_BIT) ? ESMTP_BODY_8BITMIME : ESMTP_BODY_NONE,
        .smtputf8 = takers_need_smtputf8(s),
        .requiretls = transaction_has(s, SUBMIT_REQUIRE_TLS) && conn_is_secure(s->conn),
        .ret = ret_of(order)};
    mail.has_envid = order->envid[0] != '\0' &&
                     span_copy(span_text(order->envid), mail.envid, sizeof mail.envid) == 0;
    buf_putf(out, "MAIL FROM:<%s>", hidden ? "" : order->sender);
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
    int64_t blocks = (int64_t)(content_size(s) / OCTETS_A_BLOCK);
    return (2 + takers / TAKERS_A_COMMAND) * t->command_ms + t->data_ms +
           (1 + blocks) * t->block_ms;
}

int transaction_give_time(struct session *s, int64_t ms)
{
    int64_t left = s->t.until_ms - clock_mono_ms();
    s->t.last_chance = left < ms;
    if (left <= 0) {
        s->late = true;
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
    bool last_is_data = !t->chunking && t->answered + 1 == commands(t);
    int64_t patience =
        last_is_data ? s->transport->timeouts.data_ms : s->transport->timeouts.command_ms;
    /* Who answers twice would have the next recipient get the answer that is not for him. */
    if (!s->ehlo.pipelining && session_has_unread(s)) {
        transaction_on_closed(s, "4.5.0", "the server speaks out of turn");
        return;
    }
    if (transaction_give_time(s, s->used && !t->heard && patience > AWAKE_MS ? AWAKE_MS
                                                                             : patience) != 0)
        return;
    while (t->sent < until && t->sent < commands(t))
        put_command(s, t->sent++);
    conn_flush(s->conn);
}

/* With the takers that were chosen. */
static void start_one(struct session *s)
{
    struct transaction *t = &s->t;
    s->transactions++;
    t->chunking =
        s->ehlo.chunking && !hostlimits_no_chunking(s->agent->limits, s->host, clock_mono_ms());
    t->sent = t->answered = t->accepted = 0;
    t->mail_refused = t->discard = t->full = t->refused = false;
    t->told = 0;
    t->octets = 0;
    t->until_ms = clock_mono_ms() + time_for(s, t->takers_n);
    session_enter(s, STEP_TRANSACTION);
    send_commands(s);
}

/* RFC 9422: so many transactions over one connection, and no more. */
static bool is_spent(const struct session *s)
{
    return s->ehlo.mailmax > 0 && s->transactions >= s->ehlo.mailmax;
}

static void end(struct session *s, bool usable)
{
    content_clear(s);
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

static void leave_untouched(struct session *s, const struct reply *r, const char *enhanced,
                            const char *why)
{
    content_clear(s);
    s->t.job = NULL;
    session_fail(s, "mail", r, enhanced, why);
}

void transaction_go_on(struct session *s)
{
    const char *enhanced, *why;
    takers_choose(s);
    if (takers_refused(s, &enhanced, &why))
        leave_untouched(s, NULL, enhanced, why);
    else if (s->t.takers_n == 0)
        leave_untouched(s, NULL, "4.5.3", "the server takes no more domains over one connection");
    else if (!content_is_known(s))
        content_look(s);
    else
        start_one(s);
}

void transaction_begin(struct session *s, struct job *j)
{
    s->t.job = j;
    content_settle_begin(s, j);
    /* A server that takes few recipients at once gets as much time for all of them. */
    if (j->until_ms == 0)
        j->until_ms =
            clock_mono_ms() + time_for(s, j->order->recipients_n) + s->transport->timeouts.final_ms;
    s->t.heard = s->t.over = false;
    transaction_go_on(s);
}

/* ---- replies ---- */

/* A further transaction for those that a limit kept out of this one; the end when there are none.
 */
static void next_or_end(struct session *s)
{
    takers_choose(s);
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
void transaction_reset(struct session *s)
{
    session_enter(s, STEP_RSET);
    session_put(s, "RSET");
    conn_deadline(s->conn, s->transport->timeouts.command_ms);
    conn_flush(s->conn);
}

/* RFC 3463: too many recipients. */
static bool says_too_many(const struct reply *r)
{
    return r->enhanced.subject == 5 && r->enhanced.detail == 3;
}

/* RFC 5321 section 4.5.3.1.10: too many at once; some say it by the enhanced code alone (RFC 3463,
 * X.5.3). A mailbox may be full as well. */
static bool may_be_too_many(const struct reply *r)
{
    return (r->code == 452 || r->code == 552 || says_too_many(r)) && r->enhanced.subject != 2;
}

/* Of the first one it cannot be true, nor where nobody before was told anything else: it may be so
 * of everybody then, and asking for each anew does not help. A server may count those it refused.
 */
static bool is_one_too_many(const struct transaction *t, const struct reply *r)
{
    return may_be_too_many(r) && (t->accepted > 0 || t->refused);
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
        t->refused = t->refused || !may_be_too_many(r);
        settle_by(s, k->index, r, "rcpt", r->code == 552 ? PUTS_OFF : REFUSES);
    }
}

/* Some refuse a message that had one recipient too many for all of them, after they have accepted
 * some, and do not say more of it (recipients_max_reject of Exim). Within the limit, which is known
 * now, it may be taken. */
static bool is_over_limit(const struct session *s, const struct reply *r)
{
    return s->t.full && reply_is_permanent(r->code) && !s->transport->lmtp &&
           (r->enhanced.class == 0 || says_too_many(r));
}

void transaction_refuse(struct session *s, const struct reply *r)
{
    struct transaction *t = &s->t;
    for (uint32_t i = 0; i < t->takers_n; i++) {
        if (t->takers[i].accepted && !is_over_limit(s, r))
            settle_by(s, t->takers[i].index, r, "data", REFUSES);
    }
    t->accepted = 0;
}

void transaction_put_off(struct session *s, const struct reply *r)
{
    struct job *j = s->t.job;
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (!j->settled[i])
            settle_by(s, i, r, "data", PUTS_OFF);
    }
    end(s, false);
}

static void on_data(struct session *s, const struct reply *r)
{
    struct transaction *t = &s->t;
    takers_learn(s);
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
        content_begin(s);
        return;
    }
    transaction_refuse(s, r);
    transaction_reset(s);
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
    if (content_is_unknown(s, r)) {
        transaction_put_off(s, r);
        return;
    }
    if (s->transport->lmtp) {
        on_final_of_one(s, r);
        return;
    }
    for (uint32_t i = 0; i < t->takers_n && !t->discard; i++) {
        if (t->takers[i].accepted && !is_over_limit(s, r))
            settle_by(s, t->takers[i].index, r, "dot", DELIVERS);
    }
    next_or_end(s);
}

/* RFC 3030 section 4.2: chunks follow once it is known that somebody is to get them. */
static void begin_chunks(struct session *s)
{
    takers_learn(s);
    if (session_has_unread(s))
        transaction_on_closed(s, "4.5.0", "the server speaks out of turn");
    else
        content_begin(s);
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
        transaction_reset(s);
    } else if (!t->mail_refused && t->chunking && t->answered == commands(t)) {
        begin_chunks(s);
    } else if (!t->mail_refused) {
        send_commands(s);
    }
}

enum delivery_command transaction_command(const struct session *s)
{
    const struct transaction *t = &s->t;
    return t->answered == 0             ? COMMAND_MAIL
           : t->answered <= t->takers_n ? COMMAND_RCPT
                                        : COMMAND_DATA;
}

/* What the server was asked last and has not answered. */
static const char *stage(const struct session *s)
{
    const struct transaction *t = &s->t;
    switch (s->step) {
    case STEP_LOOK:
        return "mail";
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
    return s->step == STEP_LOOK || (s->step == STEP_TRANSACTION && !s->t.heard);
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

static void on_reply_in_body(struct session *s, const struct reply *r)
{
    if (s->t.chunking) {
        content_on_reply(s, r);
        return;
    }
    /* In the middle of the message: it will not be taken. */
    settle_rest_by(s, r, "data");
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
    case STEP_LOOK:
        transaction_on_closed(s, "4.5.0", "the server speaks out of turn");
        break;
    case STEP_TRANSACTION:
        on_command_reply(s, r);
        break;
    case STEP_BODY:
        on_reply_in_body(s, r);
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
        assert(false);
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
