#include "mem.h"
#include "proto_admin.h"

/* MSG_ADMIN_QUEUE_LIST, _RETIRED_LIST: filter, after u64, limit u32. MSG_ADMIN_QUEUE_SHOW,
 * _RETIRED_SHOW: id u64. MSG_ADMIN_QUEUE_ACT: action u8, filter, dry bool. MSG_ADMIN_HOOK_LIST:
 * after u64, limit u32. */
int admin_read(struct ipc_message *m, struct admin_request *r, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *r = (struct admin_request){.type = m->type, .limit = 1};
    switch (m->type) {
    case MSG_ADMIN_QUEUE_LIST:
    case MSG_ADMIN_RETIRED_LIST:
        admin_filter_get(&w, &r->filter);
        r->after = wire_u64(&w);
        r->limit = wire_u32(&w);
        break;
    case MSG_ADMIN_HOOK_LIST:
        r->after = wire_u64(&w);
        r->limit = wire_u32(&w);
        break;
    case MSG_ADMIN_QUEUE_SHOW:
    case MSG_ADMIN_RETIRED_SHOW:
        r->id = wire_u64(&w);
        break;
    case MSG_ADMIN_QUEUE_ACT:
        r->action = (enum admin_action)wire_enum(&w, ADMIN_ACTIONS);
        admin_filter_get(&w, &r->filter);
        r->dry = wire_bool(&w);
        break;
    case MSG_ADMIN_COUNTS:
        break;
    default:
        wire_fail(&w);
    }
    if (r->limit < 1 || r->limit > ADMIN_PAGE_MAX)
        wire_fail(&w);
    if (wire_end(&w) == 0)
        return 0;
    admin_request_clear(r);
    return fail_set(f, "malformed request of type 0x%04x", m->type);
}

void admin_request_clear(struct admin_request *r)
{
    admin_filter_clear(&r->filter);
}

static void answer(struct ipc *ch, uint16_t type, uint64_t request, struct buf *b)
{
    ipc_reply(ch, type, request, buf_span(b), NULL, 0);
    buf_free(b);
}

/* MSG_ADMIN_QUEUE_PAGE: next u64, count u32 of rows. */
void admin_answer_page(struct ipc *ch, uint64_t request, const struct admin_page *p)
{
    struct buf b = {0};
    wire_put_u64(&b, p->next);
    wire_put_u32(&b, p->rows_n);
    for (uint32_t i = 0; i < p->rows_n; i++)
        admin_row_put(&b, &p->rows[i]);
    answer(ch, MSG_ADMIN_QUEUE_PAGE, request, &b);
}

void admin_answer_item(struct ipc *ch, uint64_t request, const struct admin_item *i)
{
    struct buf b = {0};
    admin_item_put(&b, i);
    answer(ch, MSG_ADMIN_QUEUE_ITEM, request, &b);
}

/* MSG_ADMIN_ACTED: count u64. */
void admin_answer_acted(struct ipc *ch, uint64_t request, uint64_t count)
{
    struct buf b = {0};
    wire_put_u64(&b, count);
    answer(ch, MSG_ADMIN_ACTED, request, &b);
}

/* MSG_ADMIN_HOOK_PAGE: next u64, count u32 of {id u64, recipient u64, account, url, event, last
 * (texts), attempts u16, submitted i64, next i64}. */
void admin_answer_hooks(struct ipc *ch, uint64_t request, const struct admin_hook_page *p)
{
    struct buf b = {0};
    wire_put_u64(&b, p->next);
    wire_put_u32(&b, p->rows_n);
    for (uint32_t i = 0; i < p->rows_n; i++) {
        const struct admin_hook_row *r = &p->rows[i];
        wire_put_u64(&b, r->id);
        wire_put_u64(&b, r->recipient);
        wire_put_text(&b, r->account);
        wire_put_text(&b, r->url);
        wire_put_text(&b, r->event);
        wire_put_text(&b, r->last);
        wire_put_u16(&b, r->attempts);
        wire_put_i64(&b, r->submitted_ms);
        wire_put_i64(&b, r->next_ms);
    }
    answer(ch, MSG_ADMIN_HOOK_PAGE, request, &b);
}

/* MSG_ADMIN_COUNTS_ARE: the ten counts, u64 each, in the order of struct admin_counts. */
void admin_answer_counts(struct ipc *ch, uint64_t request, const struct admin_counts *c)
{
    struct buf b = {0};
    const uint64_t counts[] = {c->messages, c->recipients, c->held,   c->trying,     c->due,
                               c->retired,  c->hooks,      c->events, c->bytes_used, c->bytes_free};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        wire_put_u64(&b, counts[i]);
    answer(ch, MSG_ADMIN_COUNTS_ARE, request, &b);
}

/* MSG_ADMIN_REFUSED: why (text). */
void admin_refuse(struct ipc *ch, uint64_t request, const char *why)
{
    struct buf b = {0};
    wire_put_text(&b, why);
    answer(ch, MSG_ADMIN_REFUSED, request, &b);
}
