#include "hookrow.h"

#include <stdio.h>
#include <string.h>

#include "jsonwrite.h"
#include "ledger.h"
#include "mem.h"
#include "proto_events.h"
#include "proto_types.h"
#include "tables.h"

static bool wants(const struct conf_block *hook, const char *event)
{
    size_t n;
    const struct conf_value *events = conf_list(hook, "events", &n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(events[i].text, event) == 0)
            return true;
    }
    return n == 0;
}

static void put_extra(struct jsonwrite *w, const struct submit_envelope *e)
{
    jsonwrite_key(w, "Extra");
    jsonwrite_object(w);
    for (uint32_t i = 0; i < e->extra_n; i++) {
        jsonwrite_key(w, e->extra[i].key);
        jsonwrite_text(w, e->extra[i].value);
    }
    jsonwrite_object_end(w);
}

/* What was said of it: the remote's first line behind our own sentence, as clients of the contract
 * know it. A success says nothing, code 0 included; nor does a DSN. */
static char *error_text(const struct news *n)
{
    const struct deliver_result *last = n->last;
    if (n->type == EVENT_CANCELED)
        return mem_text("delivery canceled by admin");
    if (n->dsn || n->type == EVENT_DELIVERED || n->type == EVENT_UNRECOGNIZED || last == NULL)
        return mem_text("");
    if (last->reply[0] == '\0')
        return mem_text(last->error);
    return mem_format("%s%s%s: %.*s", last->error, last->error[0] == '\0' ? "" : ", ",
                      n->type == EVENT_FAILED ? "permanent" : "transient",
                      (int)strcspn(last->reply, "\n"), last->reply);
}

static void put_text(struct jsonwrite *w, const char *key, const char *value)
{
    jsonwrite_key(w, key);
    jsonwrite_text(w, value);
}

static void put_bool(struct jsonwrite *w, const char *key, bool value)
{
    jsonwrite_key(w, key);
    jsonwrite_bool(w, value);
}

/* Whether there is nothing to say of a remote's reply. */
static bool is_quiet(const struct news *n)
{
    return n->last == NULL || n->last->code == 0 || n->type == EVENT_CANCELED ||
           (n->type == EVENT_DELIVERED && !n->dsn);
}

static char *payload(const struct news *n, int64_t now_ms)
{
    struct buf b = {0};
    struct jsonwrite w;
    char *error = error_text(n), said[ENHANCED_SIZE];
    bool quiet = is_quiet(n);
    jsonwrite_open(&w, &b, JSONWRITE_HTML);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "Version");
    jsonwrite_int64(&w, 0);
    put_text(&w, "Event", event_hook_name(n->type));
    put_bool(&w, "DSN", n->dsn);
    put_bool(&w, "Suppressing", n->suppressing);
    jsonwrite_key(&w, "QueueMsgID");
    jsonwrite_uint64(&w, n->recipient);
    put_text(&w, "FromID", n->from_id);
    put_text(&w, "MessageID", n->envelope->message_id);
    put_text(&w, "Subject", n->envelope->subject);
    jsonwrite_key(&w, "WebhookQueued");
    jsonwrite_time(&w, now_ms);
    jsonwrite_key(&w, "SMTPCode");
    jsonwrite_int64(&w, quiet ? 0 : n->last->code);
    put_text(&w, "SMTPEnhancedCode", quiet ? "" : result_said(n->last, said));
    put_text(&w, "Error", error);
    put_extra(&w, n->envelope);
    /* Beyond the contract, which has none of these. */
    put_text(&w, "Recipient", n->address);
    jsonwrite_key(&w, "Attempt");
    jsonwrite_int64(&w, n->attempts);
    jsonwrite_key(&w, "ReplyCode");
    jsonwrite_int64(&w, n->last == NULL ? 0 : n->last->code);
    put_text(&w, "Reply", n->last == NULL ? "" : n->last->reply);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    mem_free(&error);
    return buf_take_text(&b);
}

static struct hook_row new_row(const struct conf_block *hook, const char *account,
                               const char *event, int64_t now_ms)
{
    bool authorization = conf_is_set(hook, "authorization");
    return (struct hook_row){.account = mem_text(account),
                             .url = mem_text(conf_text(hook, "url")),
                             .authorization =
                                 mem_text(authorization ? conf_text(hook, "authorization") : ""),
                             .event = mem_text(event),
                             .submitted_ms = now_ms,
                             .next_ms = now_ms};
}

bool hookrow_make_incoming(const struct settings *s, const char *account, const char *payload_text,
                           int64_t now_ms, struct hook_row *row)
{
    const struct conf_block *hook = settings_incoming(s, account);
    if (hook == NULL)
        return false;
    *row = new_row(hook, account, "incoming", now_ms);
    row->payload = mem_text(payload_text);
    return true;
}

bool hookrow_make(const struct settings *s, const struct news *n, int64_t now_ms,
                  struct hook_row *row)
{
    const char *event = event_hook_name(n->type);
    const struct conf_block *account = settings_account(s, n->envelope->account);
    const struct conf_block *hook =
        event == NULL || account == NULL ? NULL : conf_find(account, "webhook", "outgoing");
    if (hook == NULL || !wants(hook, event))
        return false;
    *row = new_row(hook, n->envelope->account, event, now_ms);
    row->recipient = n->recipient;
    row->payload = payload(n, now_ms);
    return true;
}

/* What a server would have said, where one has a say in it. */
static void say_example(struct deliver_result *r, enum event_type type)
{
    bool failed = type == EVENT_FAILED;
    if (!failed && type != EVENT_DELAYED)
        return;
    r->code = failed ? 550 : 451;
    submit_set(&r->reply, failed ? "550 5.1.1 this is a test" : "451 4.3.0 this is a test");
}

bool hookrow_make_example(const struct settings *s, const char *account, const char *event,
                          int64_t now_ms, struct hook_row *row)
{
    enum event_type type = event_of_hook(event);
    const struct conf_block *of = settings_account(s, account);
    const struct conf_block *hook = of == NULL ? NULL : conf_find(of, "webhook", "outgoing");
    if (hook == NULL || type == EVENT_TYPES)
        return false;
    struct deliver_result result = deliver_result_new(0, DELIVER_DONE);
    struct submit_envelope *e = submit_envelope_new(SUBMIT_WEBAPI);
    submit_set(&e->account, account);
    submit_set(&e->subject, "A test of the webhook");
    submit_set(&e->message_id, "<test@example.org>");
    say_example(&result, type);
    const struct news news = {.type = type,
                              .envelope = e,
                              .address = "test@example.org",
                              .from_id = "",
                              .attempts = 1,
                              .last = &result};
    *row = new_row(hook, account, event, now_ms);
    row->payload = payload(&news, now_ms);
    deliver_result_clear(&result);
    submit_envelope_free(&e);
    return true;
}

static void put_row(struct store_txn *t, unsigned table, uint64_t id, const struct hook_row *row)
{
    struct buf b = {0};
    struct key k = key_id(id);
    hook_row_put(&b, row);
    store_put(t, table, key_span(&k), buf_span(&b));
    buf_wipe(&b);
}

struct due hookrow_due(uint64_t id, const struct hook_row *row)
{
    return (struct due){row->attempts == 0 ? DUE_FIRST : DUE_AGAIN, row->next_ms, id};
}

struct stream_id hookrow_stream(const char *account, const char *url)
{
    static const unsigned char no_secret[16] = {0}; /* names and URLs are the operator's */
    char *both = mem_format("%s\n%s", account, url);
    struct stream_id id = {name_hash(no_secret, both), name_hash(no_secret, account)};
    mem_free(&both);
    return id;
}

void hookrow_insert(struct store_txn *t, uint64_t id, const struct hook_row *row)
{
    struct key due = key_due(hookrow_due(id, row)),
               value = due_value(hookrow_stream(row->account, row->url));
    put_row(t, TABLE_HOOK, id, row);
    store_put(t, TABLE_HOOKDUE, key_span(&due), key_span(&value));
}

void hookrow_reschedule(struct store_txn *t, uint64_t id, struct due was,
                        const struct hook_row *row)
{
    struct key old = key_due(was);
    (void)store_delete(t, TABLE_HOOKDUE, key_span(&old));
    hookrow_insert(t, id, row);
}

/* hooklast: recipient → the queued webhook u64 that the next one supersedes. There is none unless
 * the account wants it so. */
static uint64_t last_of(struct store_txn *t, uint64_t recipient)
{
    struct key k = key_id(recipient);
    struct span value;
    uint64_t id = 0;
    if (recipient == 0 || !store_get(t, TABLE_HOOKLAST, key_span(&k), &value) ||
        key_read_id(value, &id) != 0)
        return 0;
    return id;
}

void hookrow_add(struct store_txn *t, const struct settings *s, uint64_t id,
                 const struct hook_row *row, int64_t now_ms)
{
    const struct conf_block *account = settings_account(s, row->account);
    const struct conf_block *hook =
        account == NULL ? NULL : conf_find(account, "webhook", "outgoing");
    struct hook_row before;
    hookrow_insert(t, id, row);
    if (row->recipient == 0 || hook == NULL || !conf_bool(hook, "supersede"))
        return;
    uint64_t last = last_of(t, row->recipient);
    if (last != 0 && hookrow_get(t, last, &before) == 0) {
        int64_t keep = settings_keep_webhooks_ms(s, row->account);
        struct due was = hookrow_due(last, &before);
        before.superseded_by = id;
        before.keep_until_ms = keep > 0 ? now_ms + keep : 0;
        hookrow_retire(t, last, was, &before, now_ms);
        hook_row_clear(&before);
    }
    struct key k = key_id(row->recipient), value = key_id(id);
    store_put(t, TABLE_HOOKLAST, key_span(&k), key_span(&value));
}

void hookrow_put_retired(struct store_txn *t, uint64_t id, const struct hook_row *row)
{
    struct key ended = key_ended(row->next_ms, id);
    put_row(t, TABLE_HOOKRETIRED, id, row);
    store_put(t, TABLE_HOOKENDED, key_span(&ended), (struct span){0});
}

void hookrow_unindex_retired(struct store_txn *t, uint64_t id, struct span value)
{
    struct hook_peek r;
    if (hook_row_peek(value, &r) != 0)
        return;
    struct key k = key_ended(r.next_ms, id);
    (void)store_delete(t, TABLE_HOOKENDED, key_span(&k));
}

void hookrow_retire(struct store_txn *t, uint64_t id, struct due was, const struct hook_row *row,
                    int64_t now_ms)
{
    struct key old = key_due(was), k = key_id(id);
    (void)store_delete(t, TABLE_HOOKDUE, key_span(&old));
    (void)store_delete(t, TABLE_HOOK, key_span(&k));
    if (last_of(t, row->recipient) == id) {
        k = key_id(row->recipient);
        (void)store_delete(t, TABLE_HOOKLAST, key_span(&k));
    }
    struct hook_row past = *row;
    past.next_ms = now_ms;
    if (row->keep_until_ms > 0)
        hookrow_put_retired(t, id, &past);
}

void hookrow_add_attempt(struct hook_row *row, const struct admin_hook_attempt *a)
{
    row->results = mem_resize(row->results, (row->results_n + 1) * sizeof *row->results);
    row->results[row->results_n++] = (struct admin_hook_attempt){
        a->start_ms, a->duration_ms, a->code, mem_text(a->error), mem_text(a->response)};
    row->attempts++;
}

void hookrow_late(struct store_txn *t, uint64_t id, const struct admin_hook_attempt *a)
{
    struct key k = key_id(id);
    struct span value;
    struct hook_row row;
    if (!store_get(t, TABLE_HOOKRETIRED, key_span(&k), &value) || hook_row_read(value, &row) != 0)
        return;
    struct admin_hook_attempt late = *a;
    /* The row can be read again only if this is no longer than PROTO_TEXT_MAX. */
    late.error =
        mem_format("%.*s%s(%s)", PROTO_TEXT_MAX - 20, a->error, a->error[0] == '\0' ? "" : " ",
                   row.superseded_by != 0 ? "superseded" : "canceled");
    hookrow_add_attempt(&row, &late);
    put_row(t, TABLE_HOOKRETIRED, id, &row);
    mem_free(&late.error);
    hook_row_clear(&row);
}

int hookrow_get(struct store_txn *t, uint64_t id, struct hook_row *row)
{
    struct key k = key_id(id);
    struct span value;
    if (!store_get(t, TABLE_HOOK, key_span(&k), &value))
        return -1;
    if (hook_row_read(value, row) == 0)
        return 0;
    ledger_quarantine(t, TABLE_HOOK, key_span(&k), value);
    return -1;
}
