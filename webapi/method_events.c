#include "method_events.h"

#include "call.h"
#include "jsonwrite.h"
#include "mem.h"
#include "proto_events.h"

struct request {
    int64_t after, limit, wait;
};

#define LIMIT 100 /* when the client says nothing */

static const char *const text[] = {
    "Whatever happens to a recipient of the account's mail is an event, written down together with "
    "what it is about, and kept for a time (keep-events in the server's configuration). Each has a "
    "Cursor, a number that only ever grows. A program that remembers the last one it has dealt "
    "with "
    "misses nothing, however long it was away: it asks for what came after.",
    "Also as GET: ?after=17&limit=100&wait=30.",
    NULL,
};

static const struct method_field request_fields[] = {
    {"After", "integer", "The cursor behind which to begin; 0 for the oldest event that is kept."},
    {"Limit", "integer", "How many at most, 1 to 1000; without it 100."},
    {"Wait", "integer",
     "While there is no event, the answer waits for one, so many seconds at most, 60 or fewer. "
     "Of an account 100 requests wait at most; the answer to one more comes at once."},
    {NULL, NULL, NULL},
};

static const struct method_field response_fields[] = {
    {"Events", "[event]", "The oldest first."},
    {"Next", "integer", "The After of the next request."},
    {"Gap", "bool",
     "Whether the event of After is not kept any more: then some that came after it may be "
     "missing, too. That alone does not end the waiting."},
    {NULL, NULL, NULL},
};

static const enum code codes[] = {CODE_USER, CODES};

static const char example_response[] =
    "{\n"
    "  \"Events\": [\n"
    "    {\"Cursor\": 18, \"Time\": \"2026-11-27T10:15:00Z\", \"Event\": \"delivered\",\n"
    "     \"DSN\": false, \"Suppressing\": false, \"QueueMsgID\": 10010, \"FromID\": \"\",\n"
    "     \"MessageID\": \"<kVTha0Q-a5Zh1MuTh5rUjg@mail.example.org>\",\n"
    "     \"Subject\": \"Your order 1042\", \"Recipient\": \"alice@example.net\",\n"
    "     \"SMTPCode\": 250, \"SMTPEnhancedCode\": \"2.0.0\", \"Reply\": \"250 2.0.0 queued\",\n"
    "     \"RemoteMTA\": \"mx.example.net\", \"RemoteAddress\": \"192.0.2.25:25\",\n"
    "     \"TLS\": \"TLSv1.3 TLS_AES_256_GCM_SHA384 x25519 verified; policy dane\",\n"
    "     \"TLSName\": \"mx.example.net\", \"TLSPeer\": \"CN=mx.example.net\",\n"
    "     \"TLSRecord\": "
    "\"3 1 1 0b9fa5a59eed715c26c1020c711b4f6ec42d58b0015e14337a39dad301c5afc3\",\n"
    "     \"Extra\": {\"order\": \"1042\"}}\n"
    "  ],\n"
    "  \"Next\": 18,\n"
    "  \"Gap\": false\n"
    "}";

static const struct jsonbind_field fields[] = {
    {"After", JSONBIND_INT64, offsetof(struct request, after)},
    {"Limit", JSONBIND_INT64, offsetof(struct request, limit)},
    {"Wait", JSONBIND_INT64, offsetof(struct request, wait)},
    {0},
};

struct asking {
    uint64_t id;
};

static void end_asking(struct call *c)
{
    struct asking *a = c->work;
    c->work = NULL;
    mem_free(&a);
}

static void on_leave(struct call *c)
{
    const struct asking *a = c->work;
    struct ipc *ch = peers_accounts(c->webapi->peers);
    if (ch != NULL)
        events_forget(ch, a->id);
    end_asking(c);
}

static void put_text(struct jsonwrite *w, const char *key, const char *value)
{
    jsonwrite_key(w, key);
    jsonwrite_text(w, value);
}

static void put_event(struct jsonwrite *w, const struct event_at *at)
{
    const struct event_item *e = &at->item;
    jsonwrite_object(w);
    jsonwrite_key(w, "Cursor");
    jsonwrite_uint64(w, at->cursor);
    jsonwrite_key(w, "Time");
    jsonwrite_time(w, e->when_ms);
    put_text(w, "Event", event_names[e->type]);
    jsonwrite_key(w, "DSN");
    jsonwrite_bool(w, e->dsn);
    jsonwrite_key(w, "Suppressing");
    jsonwrite_bool(w, e->suppressed);
    jsonwrite_key(w, "QueueMsgID");
    jsonwrite_uint64(w, e->recipient);
    put_text(w, "FromID", e->from_id);
    put_text(w, "MessageID", e->message_id);
    put_text(w, "Subject", e->subject);
    put_text(w, "Recipient", e->address);
    jsonwrite_key(w, "SMTPCode");
    jsonwrite_int64(w, e->code);
    put_text(w, "SMTPEnhancedCode", e->enhanced);
    put_text(w, "Reply", e->text);
    put_text(w, "RemoteMTA", e->remote_host);
    put_text(w, "RemoteAddress", e->remote_address);
    put_text(w, "TLS", e->tls);
    put_text(w, "TLSName", e->tls_name);
    put_text(w, "TLSPeer", e->tls_peer);
    put_text(w, "TLSRecord", e->tls_record);
    jsonwrite_key(w, "Extra");
    jsonwrite_object(w);
    for (uint32_t i = 0; i < e->extra_n; i++)
        put_text(w, e->extra[i].key, e->extra[i].value);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

static void write_page(struct buf *out, const struct events_page *p)
{
    struct jsonwrite w;
    jsonwrite_open(&w, out, 0);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "Events");
    jsonwrite_array(&w);
    for (uint32_t i = 0; i < p->events_n; i++)
        put_event(&w, &p->events[i]);
    jsonwrite_array_end(&w);
    jsonwrite_key(&w, "Next");
    jsonwrite_uint64(&w, p->next);
    jsonwrite_key(&w, "Gap");
    jsonwrite_bool(&w, p->gap);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
}

static void refuse_with(struct call *c, enum code code, const char *why)
{
    (void)refuse(&c->refusal, code, "%s", why);
    call_refuse(c, &c->refusal);
}

static void on_page(void *arg, const struct events_page *page)
{
    struct call *c = arg;
    struct buf json = {0};
    end_asking(c);
    if (page == NULL) {
        refuse_with(c, CODE_SERVER, "the queue cannot be asked now; try again");
        return;
    }
    write_page(&json, page);
    call_answer(c, &json);
}

static void run(struct call *c)
{
    const struct request *r = c->parameters;
    struct ipc *ch = peers_accounts(c->webapi->peers);
    int64_t limit = r->limit == 0 ? LIMIT : r->limit;
    if (r->after < 0 || limit < 1 || limit > EVENTS_PAGE_MAX || r->wait < 0 ||
        r->wait > EVENTS_WAIT_MAX_MS / 1000) {
        refuse_with(c, CODE_USER, "After must not be negative, Limit 1 to 1000, and Wait 0 to 60");
        return;
    }
    if (ch == NULL) {
        refuse_with(c, CODE_SERVER, "the queue is not there at the moment; try again");
        return;
    }
    struct asking *a = mem_zero(sizeof *a);
    c->work = a;
    c->cancel = on_leave;
    a->id = events_read(ch, c->visit->account, (uint64_t)r->after, (uint32_t)limit,
                        (uint32_t)r->wait * 1000, on_page, c);
}

const struct method method_events = {
    .name = "events",
    .summary = "Lists what happened to messages, in order, from any point on.",
    .text = text,
    .request = request_fields,
    .response = response_fields,
    .codes = codes,
    .example_request = "{\n  \"After\": 17,\n  \"Wait\": 30\n}",
    .example_response = example_response,
    .example_short = "{\"After\":0}",
    .bind = fields,
    .size = sizeof(struct request),
    .query = true,
    .run = run,
};
