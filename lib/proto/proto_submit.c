#include "proto_submit.h"

#include <string.h>

#include "clock.h"
#include "mem.h"
#include "proto_types.h"

/* Envelope octets: origin u8, flags u32, account, sender, envid, ret, message_id, subject, client
 * (texts), received i64, not_before i64, count u32 of recipients {address, from_id, orcpt, notify
 * u8}, count u32 of extra {key, value}. */

struct submit_envelope *submit_envelope_new(enum submit_origin origin)
{
    struct submit_envelope *e = mem_zero(sizeof *e);
    char **const texts[] = {&e->account,    &e->sender,  &e->envid,  &e->ret,
                            &e->message_id, &e->subject, &e->client, &e->once_key};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = mem_text("");
    e->origin = origin;
    e->received_ms = clock_wall_ms();
    return e;
}

void submit_set(char **field, const char *value)
{
    char *copy = mem_text(value == NULL ? "" : value);
    mem_release(*field);
    *field = copy;
}

/* Grows by doubling: n is a power of two exactly when the array is full. */
static void *grown(void *array, uint32_t n, size_t of)
{
    if ((n & (n - 1)) != 0)
        return array;
    return mem_resize(array, (n == 0 ? 1 : 2 * (size_t)n) * of);
}

struct submit_recipient *submit_add_recipient(struct submit_envelope *e, const char *address)
{
    e->recipients = grown(e->recipients, e->recipients_n, sizeof *e->recipients);
    struct submit_recipient *r = &e->recipients[e->recipients_n++];
    *r = (struct submit_recipient){mem_text(address), mem_text(""), mem_text(""), 0};
    return r;
}

void submit_add_extra(struct submit_envelope *e, const char *key, const char *value)
{
    e->extra = grown(e->extra, e->extra_n, sizeof *e->extra);
    e->extra[e->extra_n++] = (struct submit_extra){mem_text(key), mem_text(value)};
}

void submit_extra_free(struct submit_extra **extra, uint32_t *n)
{
    for (uint32_t i = 0; i < *n; i++) {
        mem_free(&(*extra)[i].key);
        mem_free(&(*extra)[i].value);
    }
    mem_free(extra);
    *n = 0;
}

void submit_extra_put(struct buf *b, const struct submit_extra *extra, uint32_t n)
{
    wire_put_u32(b, n);
    for (uint32_t i = 0; i < n; i++) {
        wire_put_text(b, extra[i].key);
        wire_put_text(b, extra[i].value);
    }
}

void submit_envelope_free(struct submit_envelope **ep)
{
    struct submit_envelope *e = *ep;
    if (e == NULL)
        return;
    for (uint32_t i = 0; i < e->recipients_n; i++) {
        mem_free(&e->recipients[i].address);
        mem_free(&e->recipients[i].from_id);
        mem_free(&e->recipients[i].orcpt);
    }
    submit_extra_free(&e->extra, &e->extra_n);
    mem_free(&e->recipients);
    mem_free(&e->account);
    mem_free(&e->sender);
    mem_free(&e->envid);
    mem_free(&e->ret);
    mem_free(&e->message_id);
    mem_free(&e->subject);
    mem_free(&e->client);
    mem_free(&e->once_key);
    mem_free(ep);
}

static void put_cut(struct buf *b, const char *text)
{
    wire_put_span(b, span_of(text, strnlen(text, PROTO_TEXT_MAX)));
}

void submit_envelope_put(struct buf *b, const struct submit_envelope *e)
{
    wire_put_u8(b, (uint8_t)e->origin);
    wire_put_u32(b, e->flags);
    wire_put_text(b, e->account);
    wire_put_text(b, e->sender);
    wire_put_text(b, e->envid);
    wire_put_text(b, e->ret);
    put_cut(b, e->message_id);
    put_cut(b, e->subject);
    put_cut(b, e->client);
    wire_put_i64(b, e->received_ms);
    wire_put_i64(b, e->not_before_ms);
    wire_put_u32(b, e->recipients_n);
    for (uint32_t i = 0; i < e->recipients_n; i++) {
        wire_put_text(b, e->recipients[i].address);
        wire_put_text(b, e->recipients[i].from_id);
        wire_put_text(b, e->recipients[i].orcpt);
        wire_put_u8(b, e->recipients[i].notify);
    }
    submit_extra_put(b, e->extra, e->extra_n);
}

/* An address whose domain no DNS name can be is none that the queue could ever find a place for. */
static char *get_address(struct wire *w)
{
    char *address = wire_text(w, PROTO_ADDRESS_MAX);
    const char *at = strrchr(address, '@');
    if (at != NULL && strlen(at + 1) > PROTO_NAME_MAX)
        wire_fail(w);
    return address;
}

static void get_recipients(struct wire *w, struct submit_envelope *e)
{
    uint32_t n = wire_count(w, PROTO_RECIPIENTS_MAX, 13);
    e->recipients = mem_array(n, sizeof *e->recipients);
    e->recipients_n = n;
    for (uint32_t i = 0; i < n; i++) {
        struct submit_recipient *r = &e->recipients[i];
        r->address = get_address(w);
        r->from_id = wire_text(w, PROTO_NAME_MAX);
        r->orcpt = wire_text(w, PROTO_ADDRESS_MAX);
        r->notify = wire_enum(w, 16);
        if (r->address[0] == '\0')
            wire_fail(w);
    }
}

void submit_extra_get(struct wire *w, struct submit_extra **extra, uint32_t *n)
{
    size_t total = 0;
    *n = wire_count(w, SUBMIT_EXTRA_MAX, 8);
    *extra = mem_array(*n, sizeof **extra);
    for (uint32_t i = 0; i < *n; i++) {
        struct submit_extra *x = &(*extra)[i];
        x->key = wire_text(w, PROTO_TEXT_MAX);
        x->value = wire_text(w, PROTO_TEXT_MAX);
        total += strlen(x->key) + strlen(x->value);
    }
    if (total > SUBMIT_EXTRA_OCTETS)
        wire_fail(w);
}

void submit_envelope_peek(struct wire *w, struct submit_peek *p)
{
    (void)wire_enum(w, SUBMIT_ORIGINS);
    (void)wire_u32(w);
    p->account = wire_span(w, PROTO_NAME_MAX);
    p->sender = wire_span(w, PROTO_ADDRESS_MAX);
    (void)wire_span(w, PROTO_NAME_MAX); /* envid */
    (void)wire_span(w, 4);              /* ret */
    for (int i = 0; i < 3; i++)
        (void)wire_span(w, PROTO_TEXT_MAX); /* message_id, subject, client */
    p->received_ms = wire_i64(w);
}

struct submit_envelope *submit_envelope_get(struct wire *w)
{
    struct submit_envelope *e = mem_zero(sizeof *e);
    e->origin = (enum submit_origin)wire_enum(w, SUBMIT_ORIGINS);
    e->flags = wire_u32(w);
    if ((e->flags & ~(uint32_t)SUBMIT_FLAGS) != 0)
        wire_fail(w);
    e->account = wire_text(w, PROTO_NAME_MAX);
    e->sender = get_address(w);
    e->envid = wire_text(w, PROTO_NAME_MAX);
    e->ret = wire_text(w, 4);
    e->message_id = wire_text(w, PROTO_TEXT_MAX);
    e->subject = wire_text(w, PROTO_TEXT_MAX);
    e->client = wire_text(w, PROTO_TEXT_MAX);
    e->received_ms = wire_i64(w);
    e->not_before_ms = wire_i64(w);
    if (e->received_ms < 0 || e->not_before_ms < 0)
        wire_fail(w);
    get_recipients(w, e);
    submit_extra_get(w, &e->extra, &e->extra_n);
    e->once_key = mem_text("");
    return e;
}
