#include "mem.h"
#include "proto_hook.h"
#include "rows.h"
#include "wire.h"

#define VERSION 1
#define SUPERSEDED 2
#define PAYLOAD_MAX (24u << 20)
#define ATTEMPTS_MAX 1000

#define EVENT_VERSION 2
#define EVENT_WITH_WAY 4

/* event row: version u8 (2, or 4 of one about an attempt) | the octets of the event
 * (proto_events.c), which begin with type u8 | DSN, suppressed (bools) | when i64 | version 4: of
 * the attempt: host, address, TLS, name sent over it, subject of the certificate, record that it
 * matched (texts). e.g. "\x02" "\x01" "\x00\x00"
 * "\x00\x00\x01\x93\x6f\x1a\x2b\x3c"
 * "\x00\x06\x40\x00\x00\x00\x00\x01" "\x00\x06\x40\x00\x00\x00\x00\x01"
 * "\x00\x00\x00\x07billing" ... "\x00\xfa" "\x00\x00\x00\x052.0.0" "\x00\x00\x00\x02ok"
 * "\x00\x00\x00\x00" */
void event_row_put(struct buf *b, const struct event_item *e)
{
    bool way = event_has_way(e);
    wire_put_u8(b, way ? EVENT_WITH_WAY : EVENT_VERSION);
    event_item_put(b, e);
    if (way)
        event_way_put(b, e);
}

static bool is_event_version(uint8_t version)
{
    return version == EVENT_VERSION || version == EVENT_WITH_WAY;
}

int event_row_read(struct span s, struct event_item *e)
{
    struct wire w = wire_open(s);
    uint8_t version = wire_u8(&w);
    if (!is_event_version(version))
        wire_fail(&w);
    event_item_get(&w, e);
    if (version == EVENT_WITH_WAY)
        event_way_get(&w, e);
    if (version == EVENT_WITH_WAY && !event_has_way(e))
        wire_fail(&w);
    if (wire_end(&w) == 0)
        return 0;
    event_item_clear(e);
    return -1;
}

int event_row_time(struct span s, int64_t *when_ms)
{
    struct wire w = wire_open(s);
    bool good = is_event_version(wire_u8(&w));
    (void)wire_enum(&w, EVENT_TYPES);
    (void)wire_bool(&w);
    (void)wire_bool(&w);
    *when_ms = wire_i64(&w);
    return good && !w.bad ? 0 : -1;
}

/* hook and hookretired row: version u8 (1, or 2 of one that was superseded) | recipient u64 |
 * account, url, authorization, event (texts) | submitted_ms i64 | next_ms i64 | attempts u16 |
 * payload (text) | count u32 of {start_ms i64, duration_ms u32, code u16, error, response} |
 * success bool | keep_until i64 | version 2: superseded_by u64. e.g. "\x01"
 * "\x00\x06\x40\x00\x00\x00\x00\x01" "\x00\x00\x00\x07billing"
 * "\x00\x00\x00\x19https://app.example.org/h" ... */
void hook_row_put(struct buf *b, const struct hook_row *r)
{
    wire_put_u8(b, r->superseded_by != 0 ? SUPERSEDED : VERSION);
    wire_put_u64(b, r->recipient);
    wire_put_text(b, r->account);
    wire_put_text(b, r->url);
    wire_put_text(b, r->authorization);
    wire_put_text(b, r->event);
    wire_put_i64(b, r->submitted_ms);
    wire_put_i64(b, r->next_ms);
    wire_put_u16(b, r->attempts);
    wire_put_text(b, r->payload);
    wire_put_u32(b, r->results_n);
    for (uint32_t i = 0; i < r->results_n; i++) {
        wire_put_i64(b, r->results[i].start_ms);
        wire_put_u32(b, r->results[i].duration_ms);
        wire_put_u16(b, r->results[i].code);
        wire_put_text(b, r->results[i].error);
        wire_put_text(b, r->results[i].response);
    }
    wire_put_bool(b, r->success);
    wire_put_i64(b, r->keep_until_ms);
    if (r->superseded_by != 0)
        wire_put_u64(b, r->superseded_by);
}

static void get_attempts(struct wire *w, struct hook_row *r)
{
    r->results_n = wire_count(w, ATTEMPTS_MAX, 22);
    r->results = mem_array(r->results_n, sizeof *r->results);
    for (uint32_t i = 0; i < r->results_n; i++) {
        r->results[i].start_ms = wire_i64(w);
        r->results[i].duration_ms = wire_u32(w);
        r->results[i].code = wire_u16(w);
        r->results[i].error = wire_text(w, PROTO_TEXT_MAX);
        r->results[i].response = wire_text(w, HOOK_RESPONSE_MAX);
    }
}

int hook_row_read(struct span s, struct hook_row *r)
{
    struct wire w = wire_open(s);
    *r = (struct hook_row){0};
    uint8_t version = wire_u8(&w);
    if (version != VERSION && version != SUPERSEDED)
        wire_fail(&w);
    r->recipient = wire_u64(&w);
    r->account = wire_text(&w, PROTO_NAME_MAX);
    r->url = wire_text(&w, PROTO_TEXT_MAX);
    r->authorization = wire_text(&w, PROTO_TEXT_MAX);
    r->event = wire_text(&w, PROTO_NAME_MAX);
    r->submitted_ms = wire_i64(&w);
    r->next_ms = wire_i64(&w);
    r->attempts = wire_u16(&w);
    r->payload = wire_text(&w, PAYLOAD_MAX);
    get_attempts(&w, r);
    r->success = wire_bool(&w);
    r->keep_until_ms = wire_i64(&w);
    if (version == SUPERSEDED)
        r->superseded_by = wire_u64(&w);
    if (r->next_ms < 0 || (version == SUPERSEDED && r->superseded_by == 0))
        wire_fail(&w);
    if (wire_end(&w) == 0)
        return 0;
    hook_row_clear(r);
    return -1;
}

void hook_row_clear(struct hook_row *r)
{
    for (uint32_t i = 0; i < r->results_n; i++) {
        mem_free(&r->results[i].error);
        mem_free(&r->results[i].response);
    }
    mem_free(&r->results);
    mem_free(&r->account);
    mem_free(&r->url);
    mem_free(&r->authorization);
    mem_free(&r->event);
    mem_free(&r->payload);
    r->results_n = 0;
}

int hook_row_peek(struct span s, struct hook_peek *r)
{
    struct wire w = wire_open(s);
    uint8_t version = wire_u8(&w);
    /* success, keep_until_ms, superseded_by are the last of a row */
    const size_t tail = version == SUPERSEDED ? 17 : 9;
    if ((version != VERSION && version != SUPERSEDED) || s.n < tail)
        wire_fail(&w);
    r->recipient = wire_u64(&w);
    r->account = wire_span(&w, PROTO_NAME_MAX);
    (void)wire_span(&w, PROTO_TEXT_MAX); /* url, authorization */
    (void)wire_span(&w, PROTO_TEXT_MAX);
    r->event = wire_span(&w, PROTO_NAME_MAX);
    r->submitted_ms = wire_i64(&w);
    r->next_ms = wire_i64(&w);
    r->attempts = wire_u16(&w);
    r->success = !w.bad && s.p[s.n - tail] != 0;
    return w.bad ? -1 : 0;
}

char *hook_row_url(struct span s)
{
    struct wire w = wire_open(s);
    uint8_t version = wire_u8(&w);
    if (version != VERSION && version != SUPERSEDED)
        wire_fail(&w);
    (void)wire_u64(&w);
    (void)wire_span(&w, PROTO_NAME_MAX);
    char *url = wire_text(&w, PROTO_TEXT_MAX);
    if (w.bad)
        mem_free(&url);
    return url;
}
