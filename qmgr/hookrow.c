#include "hookrow.h"

#include <stdio.h>
#include <string.h>

#include "jsonwrite.h"
#include "ledger.h"
#include "mem.h"
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

/* Which of our events are webhooks of the contract, and under what name. */
static const char *hook_event(enum event_type type)
{
    switch (type) {
    case EVENT_DELIVERED:
    case EVENT_DELAYED:
    case EVENT_FAILED:
    case EVENT_CANCELED:
    case EVENT_SUPPRESSED:
    case EVENT_RELAYED:
    case EVENT_EXPANDED:
    case EVENT_UNRECOGNIZED:
        return event_names[type];
    default:
        return NULL;
    }
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
    char *error = error_text(n);
    bool quiet = is_quiet(n);
    jsonwrite_open(&w, &b, JSONWRITE_HTML);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "Version");
    jsonwrite_int64(&w, 0);
    put_text(&w, "Event", hook_event(n->type));
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
    put_text(&w, "SMTPEnhancedCode", quiet ? "" : n->last->enhanced);
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

bool hookrow_make(const struct settings *s, const struct news *n, int64_t now_ms,
                  struct hook_row *row)
{
    const char *event = hook_event(n->type);
    const struct conf_block *account = settings_account(s, n->envelope->account);
    const struct conf_block *hook =
        event == NULL || account == NULL ? NULL : conf_find(account, "webhook", "outgoing");
    if (hook == NULL || !wants(hook, event))
        return false;
    *row = (struct hook_row){
        .recipient = n->recipient,
        .account = mem_text(n->envelope->account),
        .url = mem_text(conf_text(hook, "url")),
        .authorization =
            mem_text(conf_is_set(hook, "authorization") ? conf_text(hook, "authorization") : ""),
        .event = mem_text(event),
        .submitted_ms = now_ms,
        .next_ms = now_ms,
        .payload = payload(n, now_ms)};
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

struct stream_id hookrow_stream(const char *url)
{
    static const unsigned char no_secret[16] = {0}; /* URLs are the operator's */
    return (struct stream_id){name_hash(no_secret, url), 0};
}

void hookrow_insert(struct store_txn *t, uint64_t id, const struct hook_row *row)
{
    struct key due = key_due(hookrow_due(id, row)), value = due_value(hookrow_stream(row->url));
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

void hookrow_retire(struct store_txn *t, uint64_t id, struct due was, const struct hook_row *row)
{
    struct key old = key_due(was), k = key_id(id);
    (void)store_delete(t, TABLE_HOOKDUE, key_span(&old));
    (void)store_delete(t, TABLE_HOOK, key_span(&k));
    if (row->keep_until_ms > 0)
        put_row(t, TABLE_HOOKRETIRED, id, row);
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
