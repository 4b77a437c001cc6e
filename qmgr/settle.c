#include "settle.h"

#include <string.h>

#include "body.h"
#include "arrival.h"
#include "bodies.h"
#include "clock.h"
#include "failure.h"
#include "hookq.h"
#include "log.h"
#include "mailindex.h"
#include "mem.h"
#include "notice.h"
#include "qid.h"
#include "retry.h"
#include "returned.h"
#include "schedule.h"

/* Of the original in a DSN: its header, or all of a message that may go back whole. */
#define HEAD_MAX (128u * 1024)

enum { NOTICE_FAILED, NOTICE_DELAYED, NOTICE_SUCCESS, NOTICES };

struct settle {
    struct change change;
    struct queue *queue;
    struct settings *settings;
    struct settings_retry retry; /* of the transport */
    bool final;                  /* what it delivers is in its mailbox */
    uint64_t message;
    struct deliver_result *results;
    uint32_t results_n;
    int64_t now_ms;
    char *mailbox; /* the account whose it is, or NULL */
    enum settle_how how;
    struct deliver_report report; /* if there was one */
    bool reported;
    struct deliver_incoming incoming; /* the same */
    bool described;
    /* what apply found, for the loop */
    bool message_gone;
    uint64_t unlink_file;
    struct settle_told notices[NOTICES];
    uint32_t delivered, deferred, failed;
    int64_t next_ms; /* the soonest next attempt; 0 when there is none */
    bool look_again; /* not every recipient was there */
    int waited_for;  /* attempts that wait_ms was drawn for; 0: not yet */
    int64_t wait_ms;
    int64_t received_ms;
    char **addresses; /* of the results' recipients; NULL for one that was gone */
};

void settle_lost_clear(struct settle_lost *lost)
{
    for (uint32_t i = 0; i < lost->n; i++)
        rcpt_row_clear(&lost->rows[i]);
    mem_free(&lost->rows);
    lost->n = 0;
}

/* Moves the row into the list. */
static void note_row(struct settle_lost *lost, struct rcpt_row *r)
{
    lost->rows = mem_resize(lost->rows, (lost->n + 1) * sizeof *lost->rows);
    lost->rows[lost->n++] = *r;
    *r = (struct rcpt_row){0};
}

static void give_up(struct queue *q, struct store_txn *t, const struct settings *s,
                    struct ledger_message *m, uint64_t id, struct rcpt_row *r, enum event_type type,
                    int64_t now_ms, struct settle_lost *lost)
{
    const struct submit_envelope *e = m->row.envelope;
    const struct deliver_result *last = r->results_n == 0 ? NULL : &r->results[r->results_n - 1];
    const struct failure_of of = {e->account, r->account, r->address};
    struct news news = {.type = type,
                        .envelope = e,
                        .recipient = id,
                        .address = r->address,
                        .from_id = r->from_id,
                        .account = r->account,
                        .attempts = r->attempts,
                        .last = last};
    if (type == EVENT_FAILED && last != NULL)
        news.suppressing =
            failure_note(&q->ledger, t, s, &of, "queue", last, verdict_of_result(last), now_ms);
    ledger_tell(&q->ledger, t, s, m->id, &news, now_ms);
    ledger_retire(&q->ledger, t, s, m, id, r, false, now_ms);
    if (notice_is_wanted(s, e, r, DSN_FAILED))
        note_row(lost, r);
}

void settle_give_up(struct queue *q, struct store_txn *t, const struct settings *s,
                    struct ledger_message *m, uint64_t id, struct rcpt_row *r, int64_t now_ms,
                    struct settle_lost *lost)
{
    give_up(q, t, s, m, id, r, EVENT_FAILED, now_ms, lost);
}

void settle_told_clear(struct settle_told *told)
{
    for (int i = 0; i < SETTLE_NOTICES; i++) {
        told->id[i] = 0;
        mem_free(&told->to[i]);
    }
}

void settle_tell(struct queue *q, struct store_txn *t, const struct settings *s,
                 struct ledger_message *m, struct settle_lost *lost, enum dsn_action action,
                 int64_t now_ms, struct settle_told *told)
{
    struct buf head = {0};
    struct fail f = {{0}};
    *told = (struct settle_told){0};
    if (lost->n == 0 || store_failed(t))
        return;
    if (body_head(t, q->dirfd, m->id, &m->row, HEAD_MAX, &head, &f) != 0)
        log_error(NULL, "cannot read a message's header for its notice", LU("id", m->id),
                  LS("why", f.text));
    const struct rcpt_row **rows = mem_array(lost->n, sizeof *rows);
    for (uint32_t i = 0; i < lost->n; i++)
        rows[i] = &lost->rows[i];
    struct notice n = {action, false, now_ms, rows, lost->n};
    told->id[0] = notice_stage(&q->ledger, t, s, m, &n, buf_span(&head), &told->to[0]);
    n.copy = notice_is_copied(s, m->row.envelope, action);
    if (n.copy)
        told->id[1] = notice_stage(&q->ledger, t, s, m, &n, buf_span(&head), &told->to[1]);
    mem_free(&rows);
    buf_free(&head);
}

/* One for all recipients of an attempt, so that they stay together in the next one. */
static int64_t wait_after(struct settle *c, int attempts)
{
    if (c->waited_for != attempts)
        c->wait_ms = retry_wait_ms(&c->retry, attempts);
    c->waited_for = attempts;
    return c->wait_ms;
}

static void put_off(struct settle *c, struct store_txn *t, struct ledger_message *m,
                    const struct deliver_result *result, const struct rcpt_row *was,
                    struct rcpt_row *r, struct settle_lost *late)
{
    bool tell = r->attempts == c->retry.delay_notice_attempt && !r->delay_told &&
                notice_is_wanted(c->settings, m->row.envelope, r, DSN_DELAYED);
    r->again = true;
    r->next_ms = c->now_ms + wait_after(c, r->attempts);
    r->delay_told = r->delay_told || tell;
    if (c->next_ms == 0 || r->next_ms < c->next_ms)
        c->next_ms = r->next_ms;
    ledger_reschedule(&c->queue->ledger, t, result->id, was, r);
    ledger_event(&c->queue->ledger, t, c->settings, m, result->id, r, EVENT_DELAYED, result,
                 c->now_ms);
    c->deferred++;
    if (tell)
        note_row(late, r);
}

static bool is_expired(const struct settle *c, const struct ledger_message *m,
                       const struct rcpt_row *r)
{
    return retry_is_over(&c->retry, r->attempts) ||
           retry_is_too_old(&c->retry, retry_since_ms(m->row.envelope), c->now_ms);
}

static enum dsn_action success_of(const struct settle *c)
{
    return c->how == SETTLE_NEXT_HOP && !c->final ? DSN_RELAYED : DSN_DELIVERED;
}

/* Whoever asked for it hears of a delivery, or of a relay that will not tell it (RFC 3461 section
 * 5.2.2). */
static bool is_told_of_success(const struct settle *c, const struct ledger_message *m,
                               const struct rcpt_row *r, const struct deliver_result *result)
{
    return !result->reports && notice_is_wanted(c->settings, m->row.envelope, r, success_of(c));
}

/* It is no report that can be consumed: it is to go wherever it would have gone without one. */
static void send_on(struct settle *c, struct store_txn *t, uint64_t id, const struct rcpt_row *was,
                    struct rcpt_row *r)
{
    r->attempts = was->attempts;
    r->is_ordinary = true;
    r->next_ms = c->now_ms;
    c->next_ms = c->now_ms;
    ledger_reschedule(&c->queue->ledger, t, id, was, r);
}

/* What is known of the sender of a message that comes into a mailbox, for the index (MessageGet)
 * and for the webhook: senders are not verified here, so nothing is said to be valid. */
static const struct mail_checks unchecked = {MAIL_UNCHECKED, MAIL_UNCHECKED, {0}};

static void succeed(struct settle *c, struct store_txn *t, struct ledger_message *m,
                    const struct deliver_result *result, const struct rcpt_row *was,
                    struct rcpt_row *r, struct settle_lost *told)
{
    struct ledger *l = &c->queue->ledger;
    const struct submit_envelope *e = m->row.envelope;
    const struct failure_of of = {e->account, r->account, r->address};
    bool noted = c->reported && e->origin == SUBMIT_SMTP &&
                 returned_note(l, t, c->settings, r->address, &c->report, c->now_ms);
    if (!noted && c->how == SETTLE_CONSUMED) {
        send_on(c, t, result->id, was, r);
        return;
    }
    failure_succeed(l, t, &of, c->now_ms);
    ledger_event(l, t, c->settings, m, result->id, r, EVENT_DELIVERED, result, c->now_ms);
    if (result->complaint)
        ledger_event(l, t, c->settings, m, result->id, r, EVENT_COMPLAINED, NULL, c->now_ms);
    ledger_retire(l, t, c->settings, m, result->id, r, true, c->now_ms);
    if (c->mailbox != NULL)
        mailindex_stored(l, t, c->mailbox, e, r->address, result, &unchecked);
    if (c->mailbox != NULL && !noted && e->origin != SUBMIT_DSN) {
        const struct arrival a = {c->mailbox, e,      m->id,
                                  r->address, result, c->described ? &c->incoming : NULL,
                                  &unchecked};
        arrival_note(l, t, c->settings, &a, c->now_ms);
    }
    c->delivered++;
    if (is_told_of_success(c, m, r, result))
        note_row(told, r);
}

static void apply_result(struct settle *c, struct store_txn *t, struct ledger_message *m,
                         const struct deliver_result *result, struct settle_lost told[NOTICES])
{
    struct rcpt_row r;
    if (ledger_recipient(t, result->id, &r) != 0) {
        c->look_again = true; /* the operator was faster, or the row is damaged */
        return;
    }
    const struct rcpt_row was = r;
    r.attempts++; /* a suppressed one's, too: that is what this one came to */
    submit_set(&c->addresses[result - c->results], r.address);
    rcpt_row_add_result(&r, result);
    if (result->status == DELIVER_DONE) {
        succeed(c, t, m, result, &was, &r, &told[NOTICE_SUCCESS]);
    } else if (result->status == DELIVER_FAILED || is_expired(c, m, &r)) {
        give_up(c->queue, t, c->settings, m, result->id, &r,
                c->how == SETTLE_SUPPRESSED ? EVENT_SUPPRESSED : EVENT_FAILED, c->now_ms,
                &told[NOTICE_FAILED]);
        c->failed++;
    } else {
        put_off(c, t, m, result, &was, &r, &told[NOTICE_DELAYED]);
    }
    rcpt_row_clear(&r);
}

/* Forgets what apply found when it ran before. */
static void begin_anew(struct settle *c)
{
    c->delivered = c->deferred = c->failed = 0;
    c->next_ms = 0;
    c->look_again = false;
    c->message_gone = true;
    c->unlink_file = 0;
    for (int i = 0; i < NOTICES; i++)
        settle_told_clear(&c->notices[i]);
}

static void apply(struct change *change, struct store_txn *t)
{
    struct settle *c = (struct settle *)change;
    const enum dsn_action actions[NOTICES] = {[NOTICE_FAILED] = DSN_FAILED,
                                              [NOTICE_DELAYED] = DSN_DELAYED,
                                              [NOTICE_SUCCESS] = success_of(c)};
    struct ledger_message m;
    struct settle_lost told[NOTICES] = {{0}};
    begin_anew(c);
    if (ledger_message_open(t, c->message, &m) != 0) {
        c->look_again = true; /* its recipients, if there are any, are to be set aside */
        return;
    }
    c->received_ms = m.row.envelope->received_ms;
    for (uint32_t i = 0; i < c->results_n; i++)
        apply_result(c, t, &m, &c->results[i], told);
    for (int i = 0; i < NOTICES; i++) {
        settle_tell(c->queue, t, c->settings, &m, &told[i], actions[i], c->now_ms, &c->notices[i]);
        settle_lost_clear(&told[i]);
    }
    c->message_gone = m.gone >= m.row.open;
    ledger_message_close(&c->queue->ledger, t, &m, &c->unlink_file);
}

static void log_result(const struct settle *c, const struct deliver_result *r, const char *address)
{
    static const char *const names[] = {"delivered", "deferred", "failed"};
    char id[QID_SIZE];
    /* Where there was no TLS the list ends before what that was like. */
    const struct log_kv name =
        r->tls_name[0] == '\0' ? (struct log_kv){0} : LS("tls_name", r->tls_name);
    log_info(NULL, names[r->status], LS("qid", qid_text(c->message, id)), LS("rcpt", address),
             LS("relay", r->remote_host), LS("address", r->remote_address), LU("code", r->code),
             LS("dsn", r->enhanced), LI("delay_ms", c->now_ms - c->received_ms),
             LU("ms", r->duration_ms), LU("octets", r->octets), LS("transport", r->transport),
             LS("stage", r->stage), LS("reply", r->reply), LS("why", r->error), LS("tls", r->tls),
             name, LS("tls_peer", r->tls_peer), LS("tls_record", r->tls_record));
}

static void send_notices(const struct settle *c, const struct settle_told *told)
{
    struct queue *q = c->queue;
    for (int i = 0; i < SETTLE_NOTICES; i++) {
        if (told->id[i] == 0)
            continue;
        service_count(q->service, COUNT_DSN, 1);
        if (told->to[i] != NULL) /* a hold rule may have it */
            schedule_add(q->schedule, told->id[i], c->now_ms, address_domain(told->to[i]), "");
    }
}

static void done(struct change *change, const char *why)
{
    struct settle *c = (struct settle *)change;
    struct queue *q = c->queue;
    if (why == NULL) {
        for (uint32_t i = 0; i < c->results_n; i++) {
            log_result(c, &c->results[i], c->addresses[i]);
            if (deliver_was_tried(&c->results[i]))
                queue_count_attempt(q, c->results[i].status, c->results[i].duration_ms);
        }
        service_count(q->service, COUNT_DELIVERED, c->delivered);
        service_count(q->service, COUNT_DEFERRED, c->deferred);
        service_count(q->service, COUNT_FAILED, c->failed);
        service_count(q->service, COUNT_ATTEMPTS, c->how == SETTLE_SUPPRESSED ? 0 : c->results_n);
        if (c->message_gone)
            bodies_forget(q->bodies, c->message);
        if (c->unlink_file != 0)
            queue_unlink_later(q, c->unlink_file);
    }
    for (uint32_t i = 0; i < c->results_n; i++)
        schedule_settled(q->schedule, c->results[i].id);
    if (why == NULL && (c->next_ms != 0 || c->look_again))
        schedule_look_at(q->schedule, c->look_again ? 0 : c->next_ms);
    for (int i = 0; i < NOTICES; i++) {
        if (why == NULL)
            send_notices(c, &c->notices[i]);
        settle_told_clear(&c->notices[i]);
    }
    hookq_poke(q->hookq, c->now_ms);
    for (uint32_t i = 0; i < c->results_n; i++) {
        deliver_result_clear(&c->results[i]);
        mem_free(&c->addresses[i]);
    }
    mem_free(&c->mailbox);
    mem_free(&c->addresses);
    mem_free(&c->results);
    if (c->reported)
        deliver_report_clear(&c->report);
    mem_free(&c->incoming.members);
    settings_drop(&c->settings);
    mem_free(&c);
}

/* An attempt that came to nothing may be made again. What was done must not be, so it is written
 * down soon. */
static enum commit_when when_to_write(const struct deliver_result *results, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (results[i].status != DELIVER_DEFERRED)
            return COMMIT_SOON;
    }
    return COMMIT_ASIDE;
}

void settle_results(struct queue *q, const struct settle_attempt *attempt,
                    const struct deliver_result *results, uint32_t n)
{
    struct settle *c = mem_zero(sizeof *c);
    c->change.apply = apply;
    c->change.done = done;
    c->change.must = true;
    c->change.when = when_to_write(results, n);
    c->queue = q;
    c->settings = settings_hold(q->settings);
    c->message = attempt->message;
    c->results = mem_array(n, sizeof *c->results);
    c->addresses = mem_array(n, sizeof *c->addresses);
    c->results_n = n;
    for (uint32_t i = 0; i < n; i++) {
        deliver_result_copy(&c->results[i], &results[i]);
        submit_set(&c->results[i].transport, attempt->transport);
    }
    c->now_ms = clock_wall_ms();
    c->how = attempt->how;
    c->retry = settings_retry(c->settings, attempt->transport);
    c->final = settings_is_final(c->settings, attempt->transport);
    c->mailbox = attempt->mailbox == NULL ? NULL : mem_text(attempt->mailbox);
    c->reported = attempt->said.report != NULL;
    if (c->reported)
        deliver_report_copy(&c->report, attempt->said.report);
    c->described = attempt->said.incoming != NULL;
    if (c->described)
        c->incoming = (struct deliver_incoming){mem_text(attempt->said.incoming->members),
                                                attempt->said.incoming->automated};
    commit_add(q->commit, &c->change);
}
