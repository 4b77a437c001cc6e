#include "mem.h"
#include "proto_admin.h"

static void get_query(struct wire *w, struct admin_query *q)
{
    admin_filter_get(w, &q->filter);
    q->sort = (enum admin_sort)wire_enum(w, ADMIN_SORTS);
    q->descending = wire_bool(w);
    q->after.ms = wire_i64(w);
    q->after.id = wire_u64(w);
    q->limit = wire_u32(w);
    if (q->limit < 1 || q->limit > ADMIN_PAGE_MAX || q->after.ms < -1)
        wire_fail(w);
}

/* Whom an action is for. */
static void get_whom(struct wire *w, struct admin_request *r)
{
    admin_filter_get(w, &r->query.filter);
    r->dry = wire_bool(w);
    r->after = wire_u64(w);
    r->until = wire_u64(w);
}

static enum admin_list list_of(uint16_t type)
{
    return type == MSG_ADMIN_QUEUE_LIST     ? ADMIN_QUEUE
           : type == MSG_ADMIN_RETIRED_LIST ? ADMIN_RETIRED
           : type == MSG_ADMIN_HOOK_LIST    ? ADMIN_HOOKS
                                            : ADMIN_HOOKS_RETIRED;
}

static void get_terms(struct wire *w, enum admin_action action, struct admin_terms *t)
{
    t->ms = wire_i64(w);
    t->transport = wire_text(w, PROTO_NAME_MAX);
    t->tls = (enum admin_tls)wire_enum(w, ADMIN_TLSES);
    if (t->ms > ADMIN_MS_MAX || t->ms < -ADMIN_MS_MAX || (action == ADMIN_SCHEDULE && t->ms <= 0))
        wire_fail(w);
}

/* MSG_ADMIN_QUEUE_LIST, _RETIRED_LIST, _HOOK_LIST, _HOOKRETIRED_LIST: filter, sort u8, descending
 * bool, after (ms i64, id u64), limit u32. MSG_ADMIN_QUEUE_SHOW, _RETIRED_SHOW: id u64.
 * _HOOK_SHOW, _HOOKRETIRED_SHOW: the same. MSG_ADMIN_QUEUE_ACT: action u8, ms i64, transport
 * (text), tls u8, filter, dry bool, after u64, until u64. MSG_ADMIN_HOLD_ADD: account, from_domain,
 * domain (texts). MSG_ADMIN_HOLD_REMOVE: id u64. MSG_ADMIN_HOOK_ACT: action u8, by i64, filter and
 * so on. MSG_ADMIN_HOOK_TEST: account (text), incoming bool, event (text).
 * MSG_ADMIN_PURGE: account (text), dry bool. */
int admin_read(struct ipc_message *m, struct admin_request *r, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *r = (struct admin_request){.type = m->type};
    switch (m->type) {
    case MSG_ADMIN_QUEUE_LIST:
    case MSG_ADMIN_RETIRED_LIST:
    case MSG_ADMIN_HOOK_LIST:
    case MSG_ADMIN_HOOKRETIRED_LIST:
        r->list = list_of(m->type);
        get_query(&w, &r->query);
        break;
    case MSG_ADMIN_QUEUE_SHOW:
    case MSG_ADMIN_RETIRED_SHOW:
    case MSG_ADMIN_HOLD_REMOVE:
    case MSG_ADMIN_HOOK_SHOW:
    case MSG_ADMIN_HOOKRETIRED_SHOW:
        r->id = wire_u64(&w);
        break;
    case MSG_ADMIN_QUEUE_ACT:
        r->action = (enum admin_action)wire_enum(&w, ADMIN_ACTIONS);
        get_terms(&w, r->action, &r->terms);
        get_whom(&w, r);
        break;
    case MSG_ADMIN_HOOK_ACT:
        r->hook_action = (enum admin_hook_action)wire_enum(&w, ADMIN_HOOK_ACTIONS);
        r->by_ms = wire_i64(&w);
        if (r->by_ms < 0 || r->by_ms > ADMIN_DELAY_MAX_MS)
            wire_fail(&w);
        get_whom(&w, r);
        break;
    case MSG_ADMIN_HOLD_ADD:
        r->rule.account = wire_text(&w, PROTO_NAME_MAX);
        r->rule.from_domain = wire_text(&w, PROTO_NAME_MAX);
        r->rule.domain = wire_text(&w, PROTO_NAME_MAX);
        break;
    case MSG_ADMIN_HOOK_TEST:
        r->account = wire_text(&w, PROTO_NAME_MAX);
        r->incoming = wire_bool(&w);
        r->event = wire_text(&w, PROTO_NAME_MAX);
        break;
    case MSG_ADMIN_PURGE:
        r->account = wire_text(&w, PROTO_NAME_MAX);
        r->dry = wire_bool(&w);
        break;
    case MSG_ADMIN_HOLD_LIST:
    case MSG_ADMIN_COUNTS:
        break;
    default:
        wire_fail(&w);
    }
    if (wire_end(&w) == 0)
        return 0;
    admin_request_clear(r);
    return fail_set(f, "malformed request of type 0x%04x", m->type);
}

void admin_request_clear(struct admin_request *r)
{
    admin_filter_clear(&r->query.filter);
    mem_free(&r->terms.transport);
    mem_free(&r->account);
    mem_free(&r->event);
    admin_hold_rule_clear(&r->rule);
}

static void answer(struct ipc *ch, uint16_t type, uint64_t request, struct buf *b)
{
    ipc_reply(ch, type, request, buf_span(b), NULL, 0);
    buf_free(b);
}

static void put_place(struct buf *b, struct admin_place p)
{
    wire_put_i64(b, p.ms);
    wire_put_u64(b, p.id);
}

/* MSG_ADMIN_QUEUE_PAGE: next (ms i64, id u64), count u32 of rows. */
void admin_answer_page(struct ipc *ch, uint64_t request, const struct admin_page *p)
{
    struct buf b = {0};
    put_place(&b, p->next);
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

static void put_acted(struct buf *b, const struct admin_acted *acted)
{
    wire_put_u64(b, acted->count);
    wire_put_u64(b, acted->next);
    wire_put_u64(b, acted->until);
}

/* MSG_ADMIN_ACTED: count, next, until (u64). */
void admin_answer_acted(struct ipc *ch, uint64_t request, const struct admin_acted *acted)
{
    struct buf b = {0};
    put_acted(&b, acted);
    answer(ch, MSG_ADMIN_ACTED, request, &b);
}

static void put_hook(struct buf *b, const struct admin_hook_row *r)
{
    wire_put_u64(b, r->id);
    wire_put_u64(b, r->recipient);
    wire_put_text(b, r->account);
    wire_put_text(b, r->url);
    wire_put_text(b, r->event);
    wire_put_text(b, r->last);
    wire_put_u16(b, r->attempts);
    wire_put_bool(b, r->success);
    wire_put_i64(b, r->submitted_ms);
    wire_put_i64(b, r->next_ms);
}

/* MSG_ADMIN_HOOK_PAGE: next (ms i64, id u64), count u32 of {id u64, recipient u64, account, url,
 * event, last (texts), attempts u16, success bool, submitted i64, next i64}. */
void admin_answer_hooks(struct ipc *ch, uint64_t request, const struct admin_hook_page *p)
{
    struct buf b = {0};
    put_place(&b, p->next);
    wire_put_u32(&b, p->rows_n);
    for (uint32_t i = 0; i < p->rows_n; i++)
        put_hook(&b, &p->rows[i]);
    answer(ch, MSG_ADMIN_HOOK_PAGE, request, &b);
}

/* MSG_ADMIN_HOLD_RULES: count u32 of rules. */
void admin_answer_rules(struct ipc *ch, uint64_t request, const struct admin_hold_rules *r)
{
    struct buf b = {0};
    wire_put_u32(&b, r->rules_n);
    for (uint32_t i = 0; i < r->rules_n; i++)
        admin_hold_rule_put(&b, &r->rules[i]);
    answer(ch, MSG_ADMIN_HOLD_RULES, request, &b);
}

/* MSG_ADMIN_HOLD_ADDED: id, count, next, until (u64). */
void admin_answer_added(struct ipc *ch, uint64_t request, uint64_t id,
                        const struct admin_acted *acted)
{
    struct buf b = {0};
    wire_put_u64(&b, id);
    put_acted(&b, acted);
    answer(ch, MSG_ADMIN_HOLD_ADDED, request, &b);
}

/* MSG_ADMIN_HOLD_REMOVED: nothing more. */
void admin_answer_removed(struct ipc *ch, uint64_t request)
{
    struct buf b = {0};
    answer(ch, MSG_ADMIN_HOLD_REMOVED, request, &b);
}

/* MSG_ADMIN_HOOK_ITEM: a row as in a page, authorization bool, payload (text), superseded by u64,
 * keep until i64, count u32 of {start i64, duration u32 ms, code u16, error, response (texts)}. */
void admin_answer_hook(struct ipc *ch, uint64_t request, const struct admin_hook_item *i)
{
    struct buf b = {0};
    put_hook(&b, &i->row);
    wire_put_bool(&b, i->authorization);
    wire_put_text(&b, i->payload);
    wire_put_u64(&b, i->superseded_by);
    wire_put_i64(&b, i->keep_until_ms);
    wire_put_u32(&b, i->attempts_n);
    for (uint32_t k = 0; k < i->attempts_n; k++) {
        const struct admin_hook_attempt *a = &i->attempts[k];
        wire_put_i64(&b, a->start_ms);
        wire_put_u32(&b, a->duration_ms);
        wire_put_u16(&b, a->code);
        wire_put_text(&b, a->error);
        wire_put_text(&b, a->response);
    }
    answer(ch, MSG_ADMIN_HOOK_ITEM, request, &b);
}

/* MSG_ADMIN_PURGED: the counts, u64 each, in the order of enum admin_kept. */
void admin_answer_purged(struct ipc *ch, uint64_t request, const struct admin_purged *p)
{
    struct buf b = {0};
    for (size_t i = 0; i < ADMIN_KEPTS; i++)
        wire_put_u64(&b, p->kept[i]);
    answer(ch, MSG_ADMIN_PURGED, request, &b);
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
