#include "proto_events.h"

#include <string.h>

#include "mem.h"

const char *const event_names[EVENT_TYPES] = {
    "accepted",   "delivered", "delayed",  "failed",       "canceled", "held",       "released",
    "suppressed", "relayed",   "expanded", "unrecognized", "received", "complained",
};

const char *event_hook_name(enum event_type type)
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

enum event_type event_of_hook(const char *name)
{
    for (unsigned i = 0; i < EVENT_TYPES; i++) {
        const char *known = event_hook_name((enum event_type)i);
        if (known != NULL && strcmp(known, name) == 0)
            return (enum event_type)i;
    }
    return EVENT_TYPES;
}

void event_put_hook_names(struct buf *b)
{
    const char *between = "";
    for (unsigned i = 0; i < EVENT_TYPES; i++) {
        const char *name = event_hook_name((enum event_type)i);
        if (name == NULL)
            continue;
        buf_putf(b, "%s%s", between, name);
        between = ", ";
    }
}

#define WAY_TEXTS 6

/* What is of the attempt. */
static void way_texts(struct event_item *e, char **texts[WAY_TEXTS])
{
    texts[0] = &e->remote_host;
    texts[1] = &e->remote_address;
    texts[2] = &e->tls;
    texts[3] = &e->tls_name;
    texts[4] = &e->tls_peer;
    texts[5] = &e->tls_record;
}

static void way_clear(struct event_item *e)
{
    char **texts[WAY_TEXTS];
    way_texts(e, texts);
    for (int i = 0; i < WAY_TEXTS; i++)
        mem_free(texts[i]);
}

void event_item_clear(struct event_item *e)
{
    mem_free(&e->account);
    mem_free(&e->address);
    mem_free(&e->message_id);
    mem_free(&e->subject);
    mem_free(&e->from_id);
    mem_free(&e->enhanced);
    mem_free(&e->text);
    way_clear(e);
    submit_extra_free(&e->extra, &e->extra_n);
}

/* Event octets: type u8, DSN, suppressed (bools), when i64, recipient u64, message u64, account,
 * address, message-id, subject, from-id (texts), code u16, enhanced, text (texts), count u32 of
 * extra {key, value (texts)}. */
void event_item_put(struct buf *b, const struct event_item *e)
{
    wire_put_u8(b, (uint8_t)e->type);
    wire_put_bool(b, e->dsn);
    wire_put_bool(b, e->suppressed);
    wire_put_i64(b, e->when_ms);
    wire_put_u64(b, e->recipient);
    wire_put_u64(b, e->message);
    wire_put_text(b, e->account);
    wire_put_text(b, e->address);
    wire_put_text(b, e->message_id);
    wire_put_text(b, e->subject);
    wire_put_text(b, e->from_id);
    wire_put_u16(b, e->code);
    wire_put_text(b, e->enhanced);
    wire_put_text(b, e->text);
    submit_extra_put(b, e->extra, e->extra_n);
}

void event_item_get(struct wire *w, struct event_item *e)
{
    char **texts[WAY_TEXTS];
    *e = (struct event_item){.type = (enum event_type)wire_enum(w, EVENT_TYPES)};
    e->dsn = wire_bool(w);
    e->suppressed = wire_bool(w);
    e->when_ms = wire_i64(w);
    e->recipient = wire_u64(w);
    e->message = wire_u64(w);
    e->account = wire_text(w, PROTO_NAME_MAX);
    e->address = wire_text(w, PROTO_ADDRESS_MAX);
    e->message_id = wire_text(w, PROTO_TEXT_MAX);
    e->subject = wire_text(w, PROTO_TEXT_MAX);
    e->from_id = wire_text(w, PROTO_NAME_MAX);
    e->code = wire_u16(w);
    e->enhanced = wire_text(w, PROTO_NAME_MAX);
    e->text = wire_text(w, PROTO_TEXT_MAX);
    submit_extra_get(w, &e->extra, &e->extra_n);
    way_texts(e, texts);
    for (int i = 0; i < WAY_TEXTS; i++)
        *texts[i] = mem_text("");
}

/* Behind an event's octets: host, address, TLS, name sent over it, subject of the certificate,
 * record that it matched (texts). */
void event_way_put(struct buf *b, const struct event_item *e)
{
    struct event_item alias = *e;
    char **texts[WAY_TEXTS];
    way_texts(&alias, texts);
    for (int i = 0; i < WAY_TEXTS; i++)
        wire_put_text(b, *texts[i] == NULL ? "" : *texts[i]);
}

void event_way_get(struct wire *w, struct event_item *e)
{
    char **texts[WAY_TEXTS];
    way_clear(e);
    way_texts(e, texts);
    for (int i = 0; i < WAY_TEXTS; i++)
        *texts[i] = wire_text(w, PROTO_NAME_MAX);
}

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

bool event_has_way(const struct event_item *e)
{
    return !is_empty(e->remote_host) || !is_empty(e->remote_address) || !is_empty(e->tls);
}

void events_page_clear(struct events_page *p)
{
    for (uint32_t i = 0; i < p->events_n; i++)
        event_item_clear(&p->events[i].item);
    mem_free(&p->events);
    p->events_n = 0;
}
