#include "returned.h"

#include <string.h>
#include <strings.h>

#include "address.h"
#include "confaddr.h"
#include "failure.h"
#include "fromid.h"
#include "log.h"
#include "mem.h"
#include "proto_submit.h"
#include "qid.h"
#include "tables.h"

/* The recipient that something has come back for: in the queue, or in the history. */
struct original {
    uint64_t id;
    const char *account; /* the settings' */
    bool proven;         /* by the id itself, not by a row alone: it can have been no guess */
    bool queued;
    struct rcpt_row r; /* queued */
    struct msg_row m;
    struct retired_row past; /* not queued */
};

static void clear(struct original *s)
{
    if (s->queued) {
        rcpt_row_clear(&s->r);
        msg_row_clear(&s->m);
    } else {
        retired_row_clear(&s->past);
    }
}

/* What stands behind the separator in an address of ours, and whose it is. */
static bool take_id(const struct settings *s, const char *text, struct address *a, struct span *id,
                    const char **account)
{
    const struct conf_block *block = confaddr_domain(s->conf, span_text(address_domain(text)));
    const char *separator = block == NULL ? "" : conf_text(block, "catchall-separator");
    *a = (struct address){0};
    if (separator[0] == '\0' || strstr(text, separator) == NULL ||
        address_parse(span_text(text), a, NULL) != 0)
        return false;
    struct span local = span_text(a->local), domain = span_text(a->domain);
    size_t base = confaddr_base(s->conf, local, domain);
    const struct conf_block *owner =
        base < local.n ? confaddr_account(s->conf, local, domain, NULL) : NULL;
    if (owner == NULL)
        return false;
    base += strlen(separator);
    *id = span_of(local.p + base, local.n - base);
    *account = conf_label(owner);
    return id->n > 0;
}

static bool is_genuine(const struct ledger *l, struct original *s, struct span id, bool row,
                       const char *account, const char *address)
{
    if (strcmp(account, s->account) != 0)
        return false;
    s->proven = fromid_is_genuine(l, id, s->id, account, address);
    return row || s->proven;
}

static bool find_queued(const struct ledger *l, struct store_txn *t, struct original *s,
                        struct span id, bool row)
{
    struct key k = key_id(s->id);
    struct span value;
    if (!store_get(t, TABLE_RCPT, key_span(&k), &value) || rcpt_row_read(value, &s->r) != 0)
        return false;
    k = key_id(s->r.message);
    if (store_get(t, TABLE_MSG, key_span(&k), &value) && msg_row_read(value, &s->m) == 0) {
        if (is_genuine(l, s, id, row, s->m.envelope->account, s->r.address))
            return true;
        msg_row_clear(&s->m);
    }
    rcpt_row_clear(&s->r);
    return false;
}

static bool find_retired(const struct ledger *l, struct store_txn *t, struct original *s,
                         struct span id, bool row)
{
    struct key k = key_id(s->id);
    struct span value;
    if (!store_get(t, TABLE_RETIRED, key_span(&k), &value) ||
        retired_row_read(value, &s->past) != 0)
        return false;
    if (is_genuine(l, s, id, row, s->past.item.row.account, s->past.item.row.recipient))
        return true;
    retired_row_clear(&s->past);
    return false;
}

static bool find(const struct ledger *l, struct store_txn *t, const struct settings *settings,
                 const char *address, struct original *s)
{
    struct address a;
    struct span id;
    bool row, found = false;
    *s = (struct original){.id = 0};
    if (take_id(settings, address, &a, &id, &s->account) &&
        fromid_find(l, t, s->account, id, &s->id, &row)) {
        s->queued = find_queued(l, t, s, id, row);
        found = s->queued || find_retired(l, t, s, id, row);
    }
    address_clear(&a);
    return found;
}

bool returned_is_ours(const struct ledger *l, struct store_txn *t, const struct settings *settings,
                      const char *address, const char **account)
{
    struct original s;
    if (!find(l, t, settings, address, &s))
        return false;
    *account = s.account;
    clear(&s);
    return true;
}

/* ---- what it says ---- */

/* Hosts on the way may have changed the case of a local part. */
static bool is_same_address(const char *said, const char *address)
{
    struct address a, b;
    bool both = address_parse(span_text(said), &a, NULL) == 0 &&
                address_parse(span_text(address), &b, NULL) == 0;
    bool same = both && strcasecmp(a.local, b.local) == 0 && strcmp(a.domain, b.domain) == 0;
    address_clear(&a);
    if (both)
        address_clear(&b);
    return same;
}

/* A report that names recipients must name ours: as the one it is about, or as the one that it was
 * before the mail was forwarded. */
static bool is_about(const struct deliver_report *report, const char *address)
{
    if (report->said != DELIVER_SAID_ACTION || report->final[0] == '\0')
        return true;
    return is_same_address(report->final, address) || is_same_address(report->original, address);
}

static enum event_type event_of(const struct deliver_report *report)
{
    static const enum event_type events[DELIVER_ACTIONS] = {
        [DELIVER_ACTION_FAILED] = EVENT_FAILED,       [DELIVER_ACTION_DELAYED] = EVENT_DELAYED,
        [DELIVER_ACTION_DELIVERED] = EVENT_DELIVERED, [DELIVER_ACTION_RELAYED] = EVENT_RELAYED,
        [DELIVER_ACTION_EXPANDED] = EVENT_EXPANDED,
    };
    return report->said == DELIVER_SAID_ACTION ? events[report->action] : EVENT_UNRECOGNIZED;
}

static struct deliver_result result_of(const struct deliver_report *report, uint64_t id,
                                       int64_t now_ms)
{
    static const char *const words[DELIVER_SAIDS] = {
        [DELIVER_SAID_NOTHING] = "incoming message not a dsn",
        [DELIVER_SAID_UNCLEAR] = "incoming message is a dsn that is not understood",
        [DELIVER_SAID_ACTION] = "incoming message",
    };
    bool action = report->said == DELIVER_SAID_ACTION;
    enum deliver_status status = !action || report->action == DELIVER_ACTION_FAILED ? DELIVER_FAILED
                                 : report->action == DELIVER_ACTION_DELAYED ? DELIVER_DEFERRED
                                                                            : DELIVER_DONE;
    struct deliver_result r = deliver_result_new(id, status);
    r.code = action ? report->code : 0;
    submit_set(&r.enhanced, action ? report->enhanced : "");
    submit_set(&r.reply, report->diagnostic);
    submit_set(&r.error, words[report->said]);
    submit_set(&r.remote_host, report->reporter);
    submit_set(&r.stage, RESULT_OF_REPORT);
    r.start_ms = now_ms;
    return r;
}

static uint32_t reports_before(const struct deliver_result *results, uint32_t n)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++)
        count += strcmp(results[i].stage, RESULT_OF_REPORT) == 0;
    return count;
}

/* ---- writing it down ---- */

static void write_queued(struct ledger *l, struct store_txn *t, struct original *s,
                         const struct deliver_result *result)
{
    const struct rcpt_row was = s->r;
    rcpt_row_add_result(&s->r, result);
    ledger_reschedule(l, t, s->id, &was, &s->r);
}

static void write_retired(struct store_txn *t, struct original *s,
                          const struct deliver_result *result)
{
    struct admin_item *i = &s->past.item;
    struct key k = key_id(s->id), was = key_ended(i->row.next_ms, s->id),
               is = key_ended(result->start_ms, s->id);
    struct buf b = {0};
    i->attempts = mem_resize(i->attempts, (i->attempts_n + 1) * sizeof *i->attempts);
    deliver_result_copy(&i->attempts[i->attempts_n++], result);
    char *last = result_line(result);
    mem_free(&i->row.last);
    i->row.last = last;
    i->row.next_ms = result->start_ms;
    retired_row_put(&b, &s->past);
    store_put(t, TABLE_RETIRED, key_span(&k), buf_span(&b));
    (void)store_delete(t, TABLE_ENDED, key_span(&was));
    store_put(t, TABLE_ENDED, key_span(&is), (struct span){0});
    buf_free(&b);
}

/* The envelope as far as events and webhooks tell of it. Nothing of it is owned. */
static struct submit_envelope envelope_of(const struct original *s)
{
    if (s->queued)
        return *s->m.envelope;
    return (struct submit_envelope){.account = s->past.item.row.account,
                                    .message_id = s->past.item.row.message_id,
                                    .subject = s->past.item.row.subject,
                                    .extra = s->past.item.extra,
                                    .extra_n = s->past.item.extra_n};
}

/* Whether the list of those that get no mail may change for it. An id that a client made up is a
 * name, such as of an order, that others may guess: it says which recipient a report is about and
 * no more, unless the account wants plain ids, which are all of that kind. */
static bool may_suppress(const struct settings *settings, const struct original *s)
{
    return s->proven || settings_from_id_plain(settings, s->account);
}

static void write_down(struct ledger *l, struct store_txn *t, const struct settings *settings,
                       struct original *s, const struct deliver_report *report, int64_t now_ms)
{
    const struct submit_envelope envelope = envelope_of(s);
    struct deliver_result result = result_of(report, s->id, now_ms);
    uint64_t of_hash = name_hash(l->secret, s->account);
    uint64_t message = s->queued ? s->r.message : s->past.item.row.message;
    struct news news = {.type = event_of(report),
                        .envelope = &envelope,
                        .recipient = s->id,
                        .address = s->queued ? s->r.address : s->past.item.row.recipient,
                        .from_id = s->queued ? s->r.from_id : s->past.item.from_id,
                        .account = of_hash,
                        .attempts = s->queued ? s->r.attempts : s->past.item.row.attempts,
                        .last = &result,
                        .dsn = report->said != DELIVER_SAID_NOTHING};
    const struct failure_of of = {s->account, of_hash, news.address};
    char id[QID_SIZE];
    if (news.type == EVENT_FAILED && may_suppress(settings, s))
        news.suppressing = failure_note(
            l, t, settings, &of, "DSN", &result,
            verdict_of_report(report->code, report->enhanced, report->diagnostic), now_ms);
    if (s->queued)
        write_queued(l, t, s, &result);
    else
        write_retired(t, s, &result);
    ledger_tell(l, t, settings, message, &news, now_ms);
    log_info(NULL, "came back", LS("qid", qid_text(s->id, id)), LS("rcpt", news.address),
             LS("event", event_names[news.type]), LU("code", result.code),
             LS("dsn", result.enhanced), LS("by", result.remote_host), LS("reply", result.reply));
    deliver_result_clear(&result);
}

bool returned_note(struct ledger *l, struct store_txn *t, const struct settings *settings,
                   const char *address, const struct deliver_report *report, int64_t now_ms)
{
    struct original s;
    char id[QID_SIZE];
    if (!find(l, t, settings, address, &s))
        return false;
    bool ours = is_about(report, s.queued ? s.r.address : s.past.item.row.recipient);
    uint32_t before = s.queued ? reports_before(s.r.results, s.r.results_n)
                               : reports_before(s.past.item.attempts, s.past.item.attempts_n);
    if (!ours)
        log_info(NULL, "came back for another recipient", LS("qid", qid_text(s.id, id)),
                 LS("final", report->final));
    else if (before >= RETURNED_MAX)
        log_info(NULL, "came back too often", LS("qid", qid_text(s.id, id)));
    else
        write_down(l, t, settings, &s, report, now_ms);
    clear(&s);
    return ours;
}
