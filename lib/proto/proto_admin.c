#include "mem.h"
#include "proto_admin.h"

#define ATTEMPTS_MAX 1000

void admin_filter_clear(struct admin_filter *f)
{
    mem_free(&f->ids);
    mem_free(&f->account);
    mem_free(&f->from);
    mem_free(&f->from_domain);
    mem_free(&f->to);
    mem_free(&f->domain);
    mem_free(&f->transport);
    mem_free(&f->event);
    f->ids_n = 0;
}

/* Filter octets: count u32 of ids u64, messages bool, account, from, from_domain, to, domain,
 * transport (texts), unrouted bool, held u8, success u8, event (text), attempts u16, four times
 * i64. */
void admin_filter_put(struct buf *b, const struct admin_filter *f)
{
    wire_put_u32(b, f->ids_n);
    for (uint32_t i = 0; i < f->ids_n; i++)
        wire_put_u64(b, f->ids[i]);
    wire_put_bool(b, f->messages);
    wire_put_text(b, f->account);
    wire_put_text(b, f->from);
    wire_put_text(b, f->from_domain);
    wire_put_text(b, f->to);
    wire_put_text(b, f->domain);
    wire_put_text(b, f->transport);
    wire_put_bool(b, f->unrouted);
    wire_put_u8(b, (uint8_t)f->held);
    wire_put_u8(b, (uint8_t)f->success);
    wire_put_text(b, f->event);
    wire_put_u16(b, f->attempts);
    wire_put_i64(b, f->submitted_after_ms);
    wire_put_i64(b, f->submitted_before_ms);
    wire_put_i64(b, f->next_after_ms);
    wire_put_i64(b, f->next_before_ms);
}

void admin_filter_get(struct wire *w, struct admin_filter *f)
{
    *f = (struct admin_filter){.ids_n = wire_count(w, ADMIN_IDS_MAX, 8)};
    f->ids = mem_array(f->ids_n, sizeof *f->ids);
    for (uint32_t i = 0; i < f->ids_n; i++)
        f->ids[i] = wire_u64(w);
    f->messages = wire_bool(w);
    f->account = wire_text(w, PROTO_NAME_MAX);
    f->from = wire_text(w, PROTO_ADDRESS_MAX);
    f->from_domain = wire_text(w, PROTO_NAME_MAX);
    f->to = wire_text(w, PROTO_ADDRESS_MAX);
    f->domain = wire_text(w, PROTO_NAME_MAX);
    f->transport = wire_text(w, PROTO_NAME_MAX);
    f->unrouted = wire_bool(w);
    f->held = (enum admin_held)wire_enum(w, ADMIN_HELDS);
    f->success = (enum admin_success)wire_enum(w, ADMIN_SUCCESSES);
    f->event = wire_text(w, PROTO_NAME_MAX);
    f->attempts = wire_u16(w);
    f->submitted_after_ms = wire_i64(w);
    f->submitted_before_ms = wire_i64(w);
    f->next_after_ms = wire_i64(w);
    f->next_before_ms = wire_i64(w);
}

void admin_row_clear(struct admin_row *r)
{
    mem_free(&r->account);
    mem_free(&r->sender);
    mem_free(&r->recipient);
    mem_free(&r->subject);
    mem_free(&r->message_id);
    mem_free(&r->transport);
    mem_free(&r->last);
}

/* Row octets: id u64, message u64, held, trying, success (bools), attempts u16, size u64, received
 * i64, next i64, account, sender, recipient, subject, message_id, transport, last (texts). */
void admin_row_put(struct buf *b, const struct admin_row *r)
{
    wire_put_u64(b, r->id);
    wire_put_u64(b, r->message);
    wire_put_bool(b, r->held);
    wire_put_bool(b, r->trying);
    wire_put_bool(b, r->success);
    wire_put_u16(b, r->attempts);
    wire_put_u64(b, r->size);
    wire_put_i64(b, r->received_ms);
    wire_put_i64(b, r->next_ms);
    wire_put_text(b, r->account);
    wire_put_text(b, r->sender);
    wire_put_text(b, r->recipient);
    wire_put_text(b, r->subject);
    wire_put_text(b, r->message_id);
    wire_put_text(b, r->transport);
    wire_put_text(b, r->last);
}

void admin_row_get(struct wire *w, struct admin_row *r)
{
    *r = (struct admin_row){.id = wire_u64(w)};
    r->message = wire_u64(w);
    r->held = wire_bool(w);
    r->trying = wire_bool(w);
    r->success = wire_bool(w);
    r->attempts = wire_u16(w);
    r->size = wire_u64(w);
    r->received_ms = wire_i64(w);
    r->next_ms = wire_i64(w);
    r->account = wire_text(w, PROTO_NAME_MAX);
    r->sender = wire_text(w, PROTO_ADDRESS_MAX);
    r->recipient = wire_text(w, PROTO_ADDRESS_MAX);
    r->subject = wire_text(w, PROTO_TEXT_MAX);
    r->message_id = wire_text(w, PROTO_TEXT_MAX);
    r->transport = wire_text(w, PROTO_NAME_MAX);
    r->last = wire_text(w, PROTO_TEXT_MAX);
}

void admin_row_peek(struct wire *w, struct admin_peek *p)
{
    p->id = wire_u64(w);
    p->message = wire_u64(w);
    (void)wire_u16(w); /* held, trying */
    p->success = wire_u8(w) != 0;
    p->attempts = wire_u16(w);
    (void)wire_u64(w);
    p->received_ms = wire_i64(w);
    p->next_ms = wire_i64(w);
    p->account = wire_span(w, PROTO_NAME_MAX);
    p->sender = wire_span(w, PROTO_ADDRESS_MAX);
    p->recipient = wire_span(w, PROTO_ADDRESS_MAX);
    (void)wire_span(w, PROTO_TEXT_MAX); /* subject, message_id */
    (void)wire_span(w, PROTO_TEXT_MAX);
    p->transport = wire_span(w, PROTO_NAME_MAX);
}

void admin_page_clear(struct admin_page *p)
{
    for (uint32_t i = 0; i < p->rows_n; i++)
        admin_row_clear(&p->rows[i]);
    mem_free(&p->rows);
    p->rows_n = 0;
}

void admin_item_clear(struct admin_item *i)
{
    admin_row_clear(&i->row);
    for (uint32_t k = 0; k < i->attempts_n; k++)
        deliver_result_clear(&i->attempts[k]);
    mem_free(&i->attempts);
    mem_free(&i->orcpt);
    mem_free(&i->envid);
    mem_free(&i->from_id);
    mem_free(&i->client);
    i->attempts_n = 0;
    submit_extra_free(&i->extra, &i->extra_n);
}

/* Item octets: a row, orcpt, envid, from_id, client (texts), flags u32, not_before i64, count u32
 * of extra {key, value (texts)}, count u32 of results. */
void admin_item_put(struct buf *b, const struct admin_item *i)
{
    admin_row_put(b, &i->row);
    wire_put_text(b, i->orcpt);
    wire_put_text(b, i->envid);
    wire_put_text(b, i->from_id);
    wire_put_text(b, i->client);
    wire_put_u32(b, i->flags);
    wire_put_i64(b, i->not_before_ms);
    submit_extra_put(b, i->extra, i->extra_n);
    wire_put_u32(b, i->attempts_n);
    for (uint32_t k = 0; k < i->attempts_n; k++)
        deliver_result_put(b, &i->attempts[k]);
}

void admin_item_get(struct wire *w, struct admin_item *i)
{
    *i = (struct admin_item){0};
    admin_row_get(w, &i->row);
    i->orcpt = wire_text(w, PROTO_ADDRESS_MAX);
    i->envid = wire_text(w, PROTO_NAME_MAX);
    i->from_id = wire_text(w, PROTO_NAME_MAX);
    i->client = wire_text(w, PROTO_TEXT_MAX);
    i->flags = wire_u32(w);
    i->not_before_ms = wire_i64(w);
    submit_extra_get(w, &i->extra, &i->extra_n);
    i->attempts_n = wire_count(w, ATTEMPTS_MAX, 51);
    i->attempts = mem_array(i->attempts_n, sizeof *i->attempts);
    for (uint32_t k = 0; k < i->attempts_n; k++)
        deliver_result_get(w, &i->attempts[k]);
}

void admin_hook_page_clear(struct admin_hook_page *p)
{
    for (uint32_t i = 0; i < p->rows_n; i++) {
        mem_free(&p->rows[i].account);
        mem_free(&p->rows[i].url);
        mem_free(&p->rows[i].event);
        mem_free(&p->rows[i].last);
    }
    mem_free(&p->rows);
    p->rows_n = 0;
}

void admin_hold_rule_clear(struct admin_hold_rule *r)
{
    mem_free(&r->account);
    mem_free(&r->from_domain);
    mem_free(&r->domain);
}

/* Rule octets: id u64, created i64, account, from_domain, domain (texts). */
void admin_hold_rule_put(struct buf *b, const struct admin_hold_rule *r)
{
    wire_put_u64(b, r->id);
    wire_put_i64(b, r->created_ms);
    wire_put_text(b, r->account);
    wire_put_text(b, r->from_domain);
    wire_put_text(b, r->domain);
}

void admin_hold_rule_get(struct wire *w, struct admin_hold_rule *r)
{
    *r = (struct admin_hold_rule){.id = wire_u64(w)};
    r->created_ms = wire_i64(w);
    r->account = wire_text(w, PROTO_NAME_MAX);
    r->from_domain = wire_text(w, PROTO_NAME_MAX);
    r->domain = wire_text(w, PROTO_NAME_MAX);
}

void admin_hold_rules_clear(struct admin_hold_rules *r)
{
    for (uint32_t i = 0; i < r->rules_n; i++)
        admin_hold_rule_clear(&r->rules[i]);
    mem_free(&r->rules);
    r->rules_n = 0;
}

struct admin_filter admin_hold_filter(const struct admin_hold_rule *r)
{
    return (struct admin_filter){.account = mem_text(r->account),
                                 .from_domain = mem_text(r->from_domain),
                                 .domain = mem_text(r->domain)};
}
