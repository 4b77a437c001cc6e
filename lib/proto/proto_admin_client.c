#include "mem.h"
#include "proto_admin.h"
#include "proto_hook.h"

#define TIMEOUT_MS 30000
#define LONG_TIMEOUT_MS (3600 * 1000) /* of what may take long; webhooks.timeout is less */
#define HOOK_ATTEMPTS_MAX 1000

/* Asks, and hands the answer's octets on when it is of the wanted type. */
static int ask_for(int fd, uint16_t type, struct buf *b, uint16_t want, int timeout_ms,
                   struct buf *answer, struct fail *f)
{
    uint16_t got;
    int rc = ipc_call(fd, type, buf_span(b), NULL, 0, timeout_ms, &got, answer, f);
    buf_free(b);
    if (rc != 0 || got == want)
        return rc;
    struct wire w = wire_open(buf_span(answer));
    char *why = wire_text(&w, PROTO_TEXT_MAX);
    rc = got == MSG_ADMIN_REFUSED && wire_end(&w) == 0 ? fail_set(f, "%s", why)
                                                       : fail_set(f, "malformed answer from qmgr");
    mem_free(&why);
    return rc;
}

static int ask(int fd, uint16_t type, struct buf *b, uint16_t want, struct buf *answer,
               struct fail *f)
{
    return ask_for(fd, type, b, want, TIMEOUT_MS, answer, f);
}

static int malformed(struct fail *f)
{
    return fail_set(f, "malformed answer from qmgr");
}

static void put_query(struct buf *b, const struct admin_query *q)
{
    admin_filter_put(b, &q->filter);
    wire_put_u8(b, (uint8_t)q->sort);
    wire_put_bool(b, q->descending);
    wire_put_i64(b, q->after.ms);
    wire_put_u64(b, q->after.id);
    wire_put_u32(b, q->limit);
}

static struct admin_place get_place(struct wire *w)
{
    struct admin_place p = {.ms = wire_i64(w)};
    p.id = wire_u64(w);
    return p;
}

int admin_ask_list(int fd, bool retired, const struct admin_query *query, struct admin_page *page,
                   struct fail *f)
{
    struct buf b = {0}, answer = {0};
    *page = (struct admin_page){0};
    put_query(&b, query);
    int rc = ask(fd, retired ? MSG_ADMIN_RETIRED_LIST : MSG_ADMIN_QUEUE_LIST, &b,
                 MSG_ADMIN_QUEUE_PAGE, &answer, f);
    if (rc == 0) {
        struct wire w = wire_open(buf_span(&answer));
        page->next = get_place(&w);
        page->rows_n = wire_count(&w, ADMIN_PAGE_MAX, 73);
        page->rows = mem_array(page->rows_n, sizeof *page->rows);
        for (uint32_t i = 0; i < page->rows_n; i++)
            admin_row_get(&w, &page->rows[i]);
        if (wire_end(&w) != 0) {
            admin_page_clear(page);
            rc = malformed(f);
        }
    }
    buf_free(&answer);
    return rc;
}

int admin_ask_show(int fd, bool retired, uint64_t id, struct admin_item *item, struct fail *f)
{
    struct buf b = {0}, answer = {0};
    *item = (struct admin_item){0};
    wire_put_u64(&b, id);
    int rc = ask(fd, retired ? MSG_ADMIN_RETIRED_SHOW : MSG_ADMIN_QUEUE_SHOW, &b,
                 MSG_ADMIN_QUEUE_ITEM, &answer, f);
    if (rc == 0) {
        struct wire w = wire_open(buf_span(&answer));
        admin_item_get(&w, item);
        if (wire_end(&w) != 0) {
            admin_item_clear(item);
            rc = malformed(f);
        }
    }
    buf_free(&answer);
    return rc;
}

static void get_acted(struct wire *w, struct admin_acted *acted)
{
    acted->count = wire_u64(w);
    acted->next = wire_u64(w);
    acted->until = wire_u64(w);
}

/* Of a hook's action too: what it is stands in b already. */
static int ask_part(int fd, uint16_t type, struct buf *b, const struct admin_filter *filter,
                    bool dry, struct admin_acted *acted, struct fail *f)
{
    struct buf answer = {0};
    admin_filter_put(b, filter);
    wire_put_bool(b, dry);
    wire_put_u64(b, acted->next);
    wire_put_u64(b, acted->until);
    int rc = ask(fd, type, b, MSG_ADMIN_ACTED, &answer, f);
    if (rc == 0) {
        struct wire w = wire_open(buf_span(&answer));
        get_acted(&w, acted);
        if (wire_end(&w) != 0)
            rc = malformed(f);
    }
    buf_free(&answer);
    return rc;
}

static void put_action(struct buf *b, enum admin_action action, const struct admin_terms *terms)
{
    static const struct admin_terms none = {0};
    const struct admin_terms *set = terms == NULL ? &none : terms;
    wire_put_u8(b, (uint8_t)action);
    wire_put_i64(b, set->ms);
    wire_put_text(b, set->transport);
    wire_put_u8(b, (uint8_t)set->tls);
}

int admin_ask_act_part(int fd, enum admin_action action, const struct admin_terms *terms,
                       const struct admin_filter *filter, bool dry, struct admin_acted *acted,
                       struct fail *f)
{
    struct buf b = {0};
    put_action(&b, action, terms);
    return ask_part(fd, MSG_ADMIN_QUEUE_ACT, &b, filter, dry, acted, f);
}

int admin_ask_hook_act_part(int fd, enum admin_hook_action action, int64_t by_ms,
                            const struct admin_filter *filter, bool dry, struct admin_acted *acted,
                            struct fail *f)
{
    struct buf b = {0};
    wire_put_u8(&b, (uint8_t)action);
    wire_put_i64(&b, by_ms);
    return ask_part(fd, MSG_ADMIN_HOOK_ACT, &b, filter, dry, acted, f);
}

/* Has it go on from where acted says, to the end; what is done is added to count. */
static int ask_all(int fd, uint16_t type, const struct buf *what, const struct admin_filter *filter,
                   bool dry, struct admin_acted *acted, uint64_t *count, struct fail *f)
{
    int rc;
    do {
        uint64_t after = acted->next;
        struct buf b = {0};
        buf_put_span(&b, buf_span(what));
        rc = ask_part(fd, type, &b, filter, dry, acted, f);
        if (rc == 0 && acted->next != 0 && acted->next <= after)
            rc = malformed(f);
        if (rc == 0)
            *count += acted->count;
    } while (rc == 0 && acted->next != 0);
    return rc;
}

static int act_on(int fd, enum admin_action action, const struct admin_terms *terms,
                  const struct admin_filter *filter, bool dry, struct admin_acted *acted,
                  uint64_t *count, struct fail *f)
{
    struct buf what = {0};
    put_action(&what, action, terms);
    int rc = ask_all(fd, MSG_ADMIN_QUEUE_ACT, &what, filter, dry, acted, count, f);
    buf_free(&what);
    return rc;
}

int admin_ask_act(int fd, enum admin_action action, const struct admin_terms *terms,
                  const struct admin_filter *filter, bool dry, uint64_t *count, struct fail *f)
{
    struct admin_acted acted = {0};
    *count = 0;
    return act_on(fd, action, terms, filter, dry, &acted, count, f);
}

int admin_ask_hold_rules(int fd, struct admin_hold_rules *rules, struct fail *f)
{
    struct buf b = {0}, answer = {0};
    *rules = (struct admin_hold_rules){0};
    int rc = ask(fd, MSG_ADMIN_HOLD_LIST, &b, MSG_ADMIN_HOLD_RULES, &answer, f);
    if (rc == 0) {
        struct wire w = wire_open(buf_span(&answer));
        rules->rules_n = wire_count(&w, ADMIN_HOLD_RULES_MAX, 28);
        rules->rules = mem_array(rules->rules_n, sizeof *rules->rules);
        for (uint32_t i = 0; i < rules->rules_n; i++)
            admin_hold_rule_get(&w, &rules->rules[i]);
        if (wire_end(&w) != 0) {
            admin_hold_rules_clear(rules);
            rc = malformed(f);
        }
    }
    buf_free(&answer);
    return rc;
}

int admin_ask_hold_add(int fd, const struct admin_hold_rule *rule, uint64_t *id, uint64_t *count,
                       struct fail *f)
{
    struct buf b = {0}, answer = {0};
    struct admin_acted acted = {0};
    *id = *count = 0;
    wire_put_text(&b, rule->account);
    wire_put_text(&b, rule->from_domain);
    wire_put_text(&b, rule->domain);
    int rc = ask(fd, MSG_ADMIN_HOLD_ADD, &b, MSG_ADMIN_HOLD_ADDED, &answer, f);
    if (rc == 0) {
        struct wire w = wire_open(buf_span(&answer));
        *id = wire_u64(&w);
        get_acted(&w, &acted);
        rc = wire_end(&w) == 0 ? 0 : malformed(f);
    }
    buf_free(&answer);
    if (rc != 0)
        return -1;
    *count = acted.count;
    if (acted.next == 0)
        return 0;
    struct admin_filter filter = admin_hold_filter(rule);
    rc = act_on(fd, ADMIN_HOLD, NULL, &filter, false, &acted, count, f);
    admin_filter_clear(&filter);
    return rc;
}

int admin_ask_hold_remove(int fd, uint64_t id, struct fail *f)
{
    struct buf b = {0}, answer = {0};
    wire_put_u64(&b, id);
    int rc = ask(fd, MSG_ADMIN_HOLD_REMOVE, &b, MSG_ADMIN_HOLD_REMOVED, &answer, f);
    buf_free(&answer);
    return rc;
}

int admin_ask_hook_act(int fd, enum admin_hook_action action, int64_t by_ms,
                       const struct admin_filter *filter, bool dry, uint64_t *count, struct fail *f)
{
    struct buf what = {0};
    struct admin_acted acted = {0};
    wire_put_u8(&what, (uint8_t)action);
    wire_put_i64(&what, by_ms);
    *count = 0;
    int rc = ask_all(fd, MSG_ADMIN_HOOK_ACT, &what, filter, dry, &acted, count, f);
    buf_free(&what);
    return rc;
}

static void get_hook(struct wire *w, struct admin_hook_row *r)
{
    r->id = wire_u64(w);
    r->recipient = wire_u64(w);
    r->account = wire_text(w, PROTO_NAME_MAX);
    r->url = wire_text(w, PROTO_TEXT_MAX);
    r->event = wire_text(w, PROTO_NAME_MAX);
    r->last = wire_text(w, PROTO_TEXT_MAX);
    r->attempts = wire_u16(w);
    r->success = wire_bool(w);
    r->submitted_ms = wire_i64(w);
    r->next_ms = wire_i64(w);
}

int admin_ask_hooks(int fd, bool retired, const struct admin_query *query,
                    struct admin_hook_page *page, struct fail *f)
{
    struct buf b = {0}, answer = {0};
    *page = (struct admin_hook_page){0};
    put_query(&b, query);
    int rc = ask(fd, retired ? MSG_ADMIN_HOOKRETIRED_LIST : MSG_ADMIN_HOOK_LIST, &b,
                 MSG_ADMIN_HOOK_PAGE, &answer, f);
    if (rc == 0) {
        struct wire w = wire_open(buf_span(&answer));
        page->next = get_place(&w);
        page->rows_n = wire_count(&w, ADMIN_PAGE_MAX, 51);
        page->rows = mem_array(page->rows_n, sizeof *page->rows);
        for (uint32_t i = 0; i < page->rows_n; i++)
            get_hook(&w, &page->rows[i]);
        if (wire_end(&w) != 0) {
            admin_hook_page_clear(page);
            rc = malformed(f);
        }
    }
    buf_free(&answer);
    return rc;
}

static void get_hook_item(struct wire *w, struct admin_hook_item *i)
{
    get_hook(w, &i->row);
    i->authorization = wire_bool(w);
    i->payload = wire_text(w, IPC_PAYLOAD_MAX);
    i->superseded_by = wire_u64(w);
    i->keep_until_ms = wire_i64(w);
    i->attempts_n = wire_count(w, HOOK_ATTEMPTS_MAX, 22);
    i->attempts = mem_array(i->attempts_n, sizeof *i->attempts);
    for (uint32_t k = 0; k < i->attempts_n; k++) {
        struct admin_hook_attempt *a = &i->attempts[k];
        a->start_ms = wire_i64(w);
        a->duration_ms = wire_u32(w);
        a->code = wire_u16(w);
        a->error = wire_text(w, PROTO_TEXT_MAX);
        a->response = wire_text(w, HOOK_RESPONSE_MAX);
    }
}

static int ask_item(int fd, uint16_t type, struct buf *b, int timeout_ms,
                    struct admin_hook_item *item, struct fail *f)
{
    struct buf answer = {0};
    *item = (struct admin_hook_item){0};
    int rc = ask_for(fd, type, b, MSG_ADMIN_HOOK_ITEM, timeout_ms, &answer, f);
    if (rc == 0) {
        struct wire w = wire_open(buf_span(&answer));
        get_hook_item(&w, item);
        if (wire_end(&w) != 0) {
            admin_hook_item_clear(item);
            rc = malformed(f);
        }
    }
    buf_free(&answer);
    return rc;
}

int admin_ask_hook(int fd, bool retired, uint64_t id, struct admin_hook_item *item, struct fail *f)
{
    struct buf b = {0};
    wire_put_u64(&b, id);
    return ask_item(fd, retired ? MSG_ADMIN_HOOKRETIRED_SHOW : MSG_ADMIN_HOOK_SHOW, &b, TIMEOUT_MS,
                    item, f);
}

int admin_ask_hook_test(int fd, const char *account, bool incoming, const char *event,
                        struct admin_hook_item *item, struct fail *f)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_bool(&b, incoming);
    wire_put_text(&b, event);
    return ask_item(fd, MSG_ADMIN_HOOK_TEST, &b, LONG_TIMEOUT_MS, item, f);
}

int admin_ask_purge(int fd, const char *account, bool dry, struct admin_purged *purged,
                    struct fail *f)
{
    struct buf b = {0}, answer = {0};
    wire_put_text(&b, account);
    wire_put_bool(&b, dry);
    int rc = ask_for(fd, MSG_ADMIN_PURGE, &b, MSG_ADMIN_PURGED, LONG_TIMEOUT_MS, &answer, f);
    if (rc == 0) {
        struct wire w = wire_open(buf_span(&answer));
        for (size_t i = 0; i < ADMIN_KEPTS; i++)
            purged->kept[i] = wire_u64(&w);
        if (wire_end(&w) != 0)
            rc = malformed(f);
    }
    buf_free(&answer);
    return rc;
}

static uint64_t *count_at(struct admin_counts *c, int i)
{
    uint64_t *const fields[] = {&c->messages,   &c->recipients, &c->held,  &c->trying,
                                &c->due,        &c->retired,    &c->hooks, &c->events,
                                &c->bytes_used, &c->bytes_free};
    return i < (int)(sizeof fields / sizeof fields[0]) ? fields[i] : NULL;
}

int admin_ask_counts(int fd, struct admin_counts *counts, struct fail *f)
{
    struct buf b = {0}, answer = {0};
    uint64_t *field;
    int rc = ask(fd, MSG_ADMIN_COUNTS, &b, MSG_ADMIN_COUNTS_ARE, &answer, f);
    if (rc == 0) {
        struct wire w = wire_open(buf_span(&answer));
        for (int i = 0; (field = count_at(counts, i)) != NULL; i++)
            *field = wire_u64(&w);
        if (wire_end(&w) != 0)
            rc = malformed(f);
    }
    buf_free(&answer);
    return rc;
}
