#include "proto_suppress.h"

#include "mem.h"

void suppression_clear(struct suppression *s)
{
    mem_free(&s->account);
    mem_free(&s->base);
    mem_free(&s->original);
    mem_free(&s->reason);
}

/* Suppression octets: id u64, created i64, expires i64, account, base, original (texts), manual
 * bool, class u8, reason (text). */
void suppression_put(struct buf *b, const struct suppression *s)
{
    wire_put_u64(b, s->id);
    wire_put_i64(b, s->created_ms);
    wire_put_i64(b, s->expires_ms);
    wire_put_text(b, s->account);
    wire_put_text(b, s->base);
    wire_put_text(b, s->original);
    wire_put_bool(b, s->manual);
    wire_put_u8(b, (uint8_t)s->class);
    wire_put_text(b, s->reason);
}

void suppression_get(struct wire *w, struct suppression *s)
{
    *s = (struct suppression){.id = wire_u64(w)};
    s->created_ms = wire_i64(w);
    s->expires_ms = wire_i64(w);
    s->account = wire_text(w, PROTO_NAME_MAX);
    s->base = wire_text(w, PROTO_ADDRESS_MAX);
    s->original = wire_text(w, PROTO_ADDRESS_MAX);
    s->manual = wire_bool(w);
    s->class = (enum suppress_class)wire_enum(w, SUPPRESS_CLASSES);
    s->reason = wire_text(w, PROTO_TEXT_MAX);
}

void suppress_answer_clear(struct suppress_answer *a)
{
    for (uint32_t i = 0; i < a->rows_n; i++)
        suppression_clear(&a->rows[i]);
    mem_free(&a->rows);
    a->rows_n = 0;
}
