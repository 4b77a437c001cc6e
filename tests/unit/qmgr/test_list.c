#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hookrow.h"
#include "listpage.h"
#include "mem.h"
#include "tables.h"

/* Lists against a plain look at each row. The rows are written behind qmgr's back, into the store
 * of a world whose loop does not run. */

#define HOUR 3600000ll
#define MESSAGES 120
#define EACH 5
#define HOOKS 150
#define ROWS (MESSAGES * EACH)

static uint64_t seed;

static unsigned some(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* What the model knows of a row. */
struct known {
    uint64_t id, message;
    bool there, held, success;
    uint16_t attempts;
    int64_t submitted_ms, ms; /* ms: next attempt, or end */
    char account[16], from[40], to[40], transport[16], event[16];
};

static struct model {
    struct known rows[ADMIN_LISTS][ROWS + 50];
    unsigned n[ADMIN_LISTS];
    int64_t now_ms;
} model;

static struct known *add_known(enum admin_list list)
{
    assert_true(model.n[list] < ROWS + 50);
    struct known *k = &model.rows[list][model.n[list]++];
    *k = (struct known){.there = true};
    return k;
}

static struct submit_envelope *envelope_of(unsigned n)
{
    char text[40];
    struct submit_envelope *e = submit_envelope_new(SUBMIT_SMTP);
    (void)snprintf(text, sizeof text, "s%u@From.example", n % 7);
    submit_set(&e->sender, text);
    submit_set(&e->account, n % 3 == 0 ? "" : n % 3 == 1 ? "ann" : "bob");
    e->received_ms = model.now_ms - some(48) * HOUR;
    for (unsigned i = 0; i < EACH; i++) {
        (void)snprintf(text, sizeof text, "r%u@d%u.example", some(1000), some(6));
        (void)submit_add_recipient(e, text);
    }
    return e;
}

static void know_recipient(struct known *k, uint64_t id, const struct submit_envelope *e,
                           const struct rcpt_row *r)
{
    k->id = id;
    k->message = r->message;
    k->held = r->held;
    k->attempts = r->attempts;
    k->submitted_ms = e->received_ms;
    k->ms = r->next_ms;
    (void)snprintf(k->account, sizeof k->account, "%s", e->account);
    (void)snprintf(k->from, sizeof k->from, "%s", e->sender);
    (void)snprintf(k->to, sizeof k->to, "%s", r->address);
    (void)snprintf(k->transport, sizeof k->transport, "%s", r->transport);
}

/* A recipient becomes one of many kinds: due at some time, one of few, so that many are equal;
 * held; or a part of the history. */
static void make_of(struct store_txn *t, struct ledger_message *m, uint64_t id, unsigned kind)
{
    struct ledger *l = &world.queue.ledger;
    struct rcpt_row r, was;
    assert_int_equal(ledger_recipient(t, id, &r), 0);
    was = r;
    r.attempts = (uint16_t)some(4);
    r.again = r.attempts > 0;
    r.held = kind == 1;
    r.next_ms = model.now_ms + (1 + some(5)) * HOUR;
    if (some(4) == 0) {
        mem_free(&r.transport);
        r.transport = mem_text("relay");
    }
    ledger_reschedule(l, t, id, &was, &r);
    struct known *k = add_known(kind == 2 ? ADMIN_RETIRED : ADMIN_QUEUE);
    know_recipient(k, id, m->row.envelope, &r);
    if (kind == 2) {
        k->success = some(2) == 0;
        k->ms = model.now_ms - some(5) * HOUR;
        ledger_retire(l, t, world.queue.settings, m, id, &r, k->success, k->ms);
    }
    rcpt_row_clear(&r);
}

static void add_message(struct store_txn *t, unsigned n)
{
    struct ledger *l = &world.queue.ledger;
    struct ledger_message m;
    uint64_t file;
    struct body_source body = {.type = SOURCE_OCTETS, .octets = span_text("x\r\n"), .size = 3};
    struct submit_envelope *e = envelope_of(n);
    uint64_t id = ledger_stage(l, t, e, &body, NULL, NULL);
    submit_envelope_free(&e);
    assert_int_equal(ledger_message_open(t, id, &m), 0);
    for (unsigned i = 0; i < EACH; i++)
        make_of(t, &m, id + i, some(6) == 0 ? 1 : some(3) == 0 ? 2 : 0);
    ledger_message_close(l, t, &m, &file);
}

static void add_hook(struct store_txn *t, bool retired)
{
    uint64_t id = world.queue.ledger.next_id++;
    bool ann = some(2) == 0, failed = some(2) == 0;
    struct hook_row row = {.recipient = 5,
                           .account = (char *)(ann ? "ann" : "bob"),
                           .url = (char *)"http://192.0.2.1/",
                           .authorization = (char *)"",
                           .event = (char *)(failed ? "failed" : "delivered"),
                           .submitted_ms = model.now_ms - some(48) * HOUR,
                           .next_ms = model.now_ms + (1 + some(5)) * HOUR,
                           .attempts = (uint16_t)some(4),
                           .payload = (char *)"{}",
                           .success = retired && some(2) == 0,
                           .keep_until_ms = retired ? model.now_ms + HOUR : 0};
    struct known *k = add_known(retired ? ADMIN_HOOKS_RETIRED : ADMIN_HOOKS);
    *k = (struct known){.id = id,
                        .there = true,
                        .success = row.success,
                        .attempts = row.attempts,
                        .submitted_ms = row.submitted_ms,
                        .ms = row.next_ms};
    (void)snprintf(k->account, sizeof k->account, "%s", row.account);
    (void)snprintf(k->event, sizeof k->event, "%s", row.event);
    hookrow_insert(t, id, &row);
    if (retired)
        hookrow_retire(t, id, hookrow_due(id, &row), &row, row.next_ms);
}

static void commit(struct store_txn **t)
{
    struct fail f;
    if (store_commit(t, &f) != 0)
        fail_msg("%s", f.text);
}

/* Numbers given out by hand are written down, too, for the check at the end. */
static void fill(void)
{
    memset(&model, 0, sizeof model);
    model.now_ms = clock_wall_ms();
    struct store_txn *t = store_begin(world.queue.store, true);
    for (unsigned i = 0; i < HOOKS; i++)
        add_hook(t, i % 3 == 0);
    for (unsigned i = 0; i < MESSAGES; i++)
        add_message(t, i);
    commit(&t);
}

/* ---- the model's answer ---- */

static bool in_time(int64_t v, int64_t after, int64_t before)
{
    return !(after != 0 && v <= after) && !(before != 0 && v >= before);
}

static bool has_text(const char *whole, const char *part)
{
    return part == NULL || strcasestr(whole, part) != NULL;
}

static bool is_text(const char *value, const char *wanted)
{
    return wanted == NULL || wanted[0] == '\0' || strcmp(value, wanted) == 0;
}

static bool has_id(const struct admin_filter *f, const struct known *k, bool messages)
{
    bool found = f->ids_n == 0;
    for (uint32_t i = 0; i < f->ids_n; i++)
        found = found || f->ids[i] == (messages ? k->message : k->id);
    return found;
}

static bool meant(enum admin_list list, const struct admin_filter *f, const struct known *k)
{
    bool hooks = list >= ADMIN_HOOKS, past = list == ADMIN_RETIRED || list == ADMIN_HOOKS_RETIRED;
    const char *at = strchr(k->to, '@');
    if (!k->there || !has_id(f, k, f->messages && !hooks) || !is_text(k->account, f->account) ||
        k->attempts < f->attempts ||
        !in_time(k->submitted_ms, f->submitted_after_ms, f->submitted_before_ms))
        return false;
    if (list == ADMIN_QUEUE && f->held != ADMIN_HELD_ANY && k->held != (f->held == ADMIN_HELD_YES))
        return false;
    if (k->held && (f->next_after_ms != 0 || f->next_before_ms != 0))
        return false;
    if (!in_time(k->ms, f->next_after_ms, f->next_before_ms))
        return false;
    if (past && f->success != ADMIN_SUCCESS_ANY && k->success != (f->success == ADMIN_SUCCESS_YES))
        return false;
    if (hooks)
        return is_text(k->event, f->event);
    return has_text(k->from, f->from) && has_text(k->to, f->to) &&
           is_text(k->transport, f->transport) && !(f->unrouted && k->transport[0] != '\0') &&
           (f->domain == NULL || strcasecmp(at + 1, f->domain) == 0);
}

static struct {
    bool by_time, descending;
} order;

static int by_order(const void *x, const void *y)
{
    const struct known *a = *(const struct known *const *)x, *b = *(const struct known *const *)y;
    int c = 0;
    if (order.by_time && a->held != b->held)
        return a->held ? 1 : -1;
    if (order.by_time && !a->held)
        c = a->ms < b->ms ? -1 : a->ms > b->ms;
    if (c == 0)
        c = a->id < b->id ? -1 : a->id > b->id;
    return order.descending ? -c : c;
}

static unsigned expected(enum admin_list list, const struct admin_query *q, uint64_t *ids)
{
    const struct known *found[ROWS + 50];
    unsigned n = 0;
    for (unsigned i = 0; i < model.n[list]; i++) {
        if (meant(list, &q->filter, &model.rows[list][i]))
            found[n++] = &model.rows[list][i];
    }
    order.by_time = q->sort == ADMIN_BY_TIME;
    order.descending = q->descending;
    qsort(found, n, sizeof found[0], by_order);
    for (unsigned i = 0; i < n; i++)
        ids[i] = found[i]->id;
    return n;
}

/* ---- the list's ---- */

static void copy_filter(struct admin_filter *to, const struct admin_filter *f)
{
    *to = *f;
    to->ids = f->ids_n == 0 ? NULL : mem_copy(f->ids, f->ids_n * sizeof *f->ids);
    to->account = mem_text(f->account);
    to->from = mem_text(f->from);
    to->to = mem_text(f->to);
    to->domain = mem_text(f->domain);
    to->transport = mem_text(f->transport);
    to->event = mem_text(f->event);
}

/* One page: its ids, and where to go on. */
static unsigned read_page(enum admin_list list, const struct admin_query *q, int64_t us,
                          uint64_t *ids, struct admin_place *next)
{
    struct listpage p = {.list = list, .query = *q, .us = us};
    copy_filter(&p.query.filter, &q->filter);
    listpage_read(&p, world.queue.store, world.queue.ledger.secret);
    bool hooks = list >= ADMIN_HOOKS;
    unsigned n = hooks ? p.hooks.rows_n : p.rows.rows_n;
    assert_true(n <= q->limit);
    for (unsigned i = 0; i < n; i++)
        ids[i] = hooks ? p.hooks.rows[i].id : p.rows.rows[i].id;
    *next = p.next;
    listpage_clear(&p);
    return n;
}

static unsigned read_list(enum admin_list list, struct admin_query q, int64_t us, uint64_t *ids)
{
    unsigned n = 0, pages = 0;
    do {
        n += read_page(list, &q, us, ids + n, &q.after);
        assert_true(n <= ROWS && ++pages < 10 * ROWS);
    } while (q.after.id != 0);
    return n;
}

static void compare(enum admin_list list, const struct admin_query *q, int64_t us, size_t which)
{
    uint64_t wanted[ROWS + 50], got[ROWS + 50 + ADMIN_PAGE_MAX];
    unsigned wanted_n = expected(list, q, wanted), n = read_list(list, *q, us, got);
    if (n != wanted_n || memcmp(wanted, got, n * sizeof got[0]) != 0)
        fail_msg("list %d, filter %zu, sort %d%s, limit %u: %u rows, not %u, or in another order",
                 list, which, q->sort, q->descending ? " descending" : "", q->limit, n, wanted_n);
}

/* Ids of rows that are there, of one that is not, and one twice. */
static void choose_ids(enum admin_list list, bool messages, uint64_t ids[12])
{
    for (unsigned i = 0; i < 12; i++) {
        const struct known *k = &model.rows[list][some(model.n[list])];
        ids[i] = messages ? k->message : k->id;
    }
    ids[3] = 1;
    ids[7] = ids[8];
}

#define TEXT(text) ((char *)(text))

static void test_every_filter_and_sort_gives_what_a_look_at_each_row_gives(void **state)
{
    uint64_t some_ids[12];
    fill();
    int64_t now = model.now_ms;
    const struct admin_filter filters[] = {
        {0},
        {.ids = some_ids, .ids_n = 12},
        {.ids = some_ids, .ids_n = 12, .messages = true},
        {.ids = some_ids, .ids_n = 12, .account = TEXT("ann")},
        {.account = TEXT("ann")},
        {.account = TEXT("an")},
        {.from = TEXT("S3@f")},
        {.from = TEXT("")},
        {.to = TEXT("R1")},
        {.to = TEXT("d5.example")},
        {.from = TEXT("s3"), .to = TEXT("r1")},
        {.domain = TEXT("d2.example")},
        {.domain = TEXT("D2.Example"), .account = TEXT("bob")},
        {.domain = TEXT("2.example")},
        {.domain = TEXT("d2.example"), .held = ADMIN_HELD_YES},
        {.domain = TEXT("d2.example"), .held = ADMIN_HELD_NO},
        {.domain = TEXT("d2.example"), .next_after_ms = now + 2 * HOUR},
        {.held = ADMIN_HELD_YES},
        {.held = ADMIN_HELD_NO},
        {.held = ADMIN_HELD_YES, .account = TEXT("bob"), .to = TEXT("r")},
        {.transport = TEXT("relay")},
        {.transport = TEXT("rela")},
        {.unrouted = true},
        {.attempts = 2},
        {.attempts = 4},
        {.success = ADMIN_SUCCESS_YES},
        {.success = ADMIN_SUCCESS_NO},
        {.event = TEXT("failed")},
        {.event = TEXT("incoming")},
        {.submitted_after_ms = now - 10 * HOUR},
        {.submitted_before_ms = now - 10 * HOUR},
        {.submitted_after_ms = now - 30 * HOUR, .submitted_before_ms = now - 10 * HOUR},
        {.next_after_ms = now + 2 * HOUR},
        {.next_before_ms = now + 2 * HOUR},
        {.next_after_ms = now + HOUR, .next_before_ms = now + 4 * HOUR},
        {.next_after_ms = now - 3 * HOUR, .next_before_ms = now},
        {.next_after_ms = INT64_MAX},
        {.next_before_ms = now, .held = ADMIN_HELD_YES},
    };
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        for (unsigned n = 0; n < ADMIN_LISTS * 2 * 2 * 3; n++) {
            enum admin_list list = (enum admin_list)(n / 12);
            const uint32_t limits[] = {ADMIN_PAGE_MAX, 7, 1};
            choose_ids(list, filters[i].messages && list < ADMIN_HOOKS, some_ids);
            const struct admin_query q = {.filter = filters[i],
                                          .sort = n % 2 == 0 ? ADMIN_BY_TIME : ADMIN_BY_ID,
                                          .descending = n / 2 % 2 == 0,
                                          .limit = limits[n / 4 % 3]};
            compare(list, &q, 1000000, i);
            compare(list, &q, 0, i); /* its time is always over */
        }
    }
}

static void test_a_page_whose_time_is_over_says_where_to_go_on(void **state)
{
    uint64_t ids[ADMIN_PAGE_MAX];
    struct admin_place next;
    struct admin_query q = {.filter = {.to = TEXT("nobody")}, .limit = ADMIN_PAGE_MAX};
    fill();
    assert_int_equal(read_page(ADMIN_QUEUE, &q, 0, ids, &next), 0);
    assert_true(next.id != 0);
    assert_int_equal(read_page(ADMIN_QUEUE, &q, 10000000, ids, &next), 0);
    assert_true(next.id == 0 && next.ms == 0);
    q.filter.to = NULL;
    assert_int_equal(read_page(ADMIN_QUEUE, &q, 0, ids, &next), LISTPAGE_LEAST);
}

/* ---- while rows come and go ---- */

/* A row is removed, moved to another time, held or released, or a new one comes. */
static void disturb(struct store_txn *t, uint8_t *touched)
{
    struct ledger *l = &world.queue.ledger;
    unsigned n = some(model.n[ADMIN_QUEUE]);
    struct known *k = &model.rows[ADMIN_QUEUE][n];
    struct ledger_message m;
    struct rcpt_row r, was;
    uint64_t file;
    if (!k->there || ledger_recipient(t, k->id, &r) != 0)
        return;
    was = r;
    touched[n] = 1;
    assert_int_equal(ledger_message_open(t, k->message, &m), 0);
    if (some(2) == 0) {
        ledger_retire(l, t, world.queue.settings, &m, k->id, &r, true, model.now_ms);
        k->there = false;
    } else {
        r.held = some(3) == 0;
        r.next_ms = model.now_ms + (1 + some(5)) * HOUR;
        ledger_reschedule(l, t, k->id, &was, &r);
        k->held = r.held;
        k->ms = r.next_ms;
    }
    ledger_message_close(l, t, &m, &file);
    rcpt_row_clear(&r);
}

static void expect_once(const uint64_t *ids, unsigned n, unsigned before, const uint8_t *touched,
                        bool by_id)
{
    for (unsigned i = 0; i < before; i++) {
        const struct known *k = &model.rows[ADMIN_QUEUE][i];
        unsigned seen = 0;
        for (unsigned j = 0; j < n; j++)
            seen += ids[j] == k->id;
        if (!touched[i])
            assert_int_equal(seen, 1);
        else if (by_id)
            assert_true(seen <= 1);
    }
}

static void test_what_stays_is_listed_once_while_others_come_and_go(void **state)
{
    for (unsigned n = 0; n < 8; n++) {
        uint64_t ids[2 * ROWS];
        uint8_t touched[ROWS + 50] = {0};
        unsigned got = 0, come = 0;
        if (n > 0) {
            (void)world_teardown(NULL);
            (void)world_setup(NULL);
        }
        fill();
        unsigned before = model.n[ADMIN_QUEUE];
        struct admin_query q = {.sort = n % 2 == 0 ? ADMIN_BY_TIME : ADMIN_BY_ID,
                                .descending = n / 2 % 2 == 0,
                                .limit = 9};
        do {
            got += read_page(ADMIN_QUEUE, &q, n < 4 ? 0 : 1000000, ids + got, &q.after);
            struct store_txn *t = store_begin(world.queue.store, true);
            for (int i = 0; i < 4; i++)
                disturb(t, touched);
            if (come++ < 4)
                add_message(t, come);
            commit(&t);
        } while (q.after.id != 0);
        expect_once(ids, got, before, touched, q.sort == ADMIN_BY_ID);
    }
}

/* A page is reached anew from the place of its last row, whatever became of that. */
static void test_a_place_stays_one_when_its_row_is_gone(void **state)
{
    uint64_t ids[10], rest[ROWS], again[ROWS];
    struct admin_place next;
    struct ledger_message m;
    struct rcpt_row r;
    uint64_t file;
    fill();
    struct admin_query q = {.limit = 10};
    assert_int_equal(read_page(ADMIN_QUEUE, &q, 1000000, ids, &next), 10);
    q.after = next;
    q.limit = ADMIN_PAGE_MAX;
    unsigned n = read_list(ADMIN_QUEUE, q, 1000000, rest);
    struct store_txn *t = store_begin(world.queue.store, true);
    assert_int_equal(ledger_recipient(t, ids[9], &r), 0);
    assert_int_equal(ledger_message_open(t, r.message, &m), 0);
    ledger_retire(&world.queue.ledger, t, world.queue.settings, &m, ids[9], &r, true, 1);
    ledger_message_close(&world.queue.ledger, t, &m, &file);
    commit(&t);
    rcpt_row_clear(&r);
    assert_int_equal(read_list(ADMIN_QUEUE, q, 1000000, again), n);
    assert_memory_equal(again, rest, n * sizeof rest[0]);
}

/* More of one domain than are gathered and put in order. */
static void test_a_domain_with_very_many_is_listed_in_order_all_the_same(void **state)
{
    const unsigned many = 2 * ADMIN_IDS_MAX + 500;
    struct submit_envelope *e = world_envelope("a@b.example", NULL);
    for (unsigned i = 0; i < many; i++)
        (void)submit_add_recipient(e, i % 100 == 0 ? "x@other.example" : "x@many.example");
    e->not_before_ms = clock_wall_ms() + HOUR;
    uint64_t first = world_submit(e, "Subject: x\r\n\r\n");
    const char *const domains[] = {"many.example", "other.example"};
    for (unsigned n = 0; n < 8; n++) {
        struct admin_query q = {.filter = {.domain = TEXT(domains[n / 4])},
                                .sort = n % 2 == 0 ? ADMIN_BY_TIME : ADMIN_BY_ID,
                                .descending = n / 2 % 2 == 0,
                                .limit = ADMIN_PAGE_MAX};
        uint64_t ids[ADMIN_PAGE_MAX], last = q.descending ? UINT64_MAX : 0;
        unsigned rows = 0;
        do {
            unsigned got = read_page(ADMIN_QUEUE, &q, 1000000, ids, &q.after);
            for (unsigned i = 0; i < got; i++) {
                assert_true(q.descending ? ids[i] < last : ids[i] > last);
                assert_true(((ids[i] - first) % 100 == 0) == (n / 4 == 1));
                last = ids[i];
            }
            rows += got;
        } while (q.after.id != 0);
        assert_int_equal(rows, n / 4 == 1 ? many / 100 : many - many / 100);
    }
}

/* ---- the indices ---- */

int main(int argc, char **argv)
{
    seed = 20261127;
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_every_filter_and_sort_gives_what_a_look_at_each_row_gives),
        WORLD_TEST(test_a_page_whose_time_is_over_says_where_to_go_on),
        WORLD_TEST(test_what_stays_is_listed_once_while_others_come_and_go),
        WORLD_TEST(test_a_place_stays_one_when_its_row_is_gone),
        WORLD_TEST(test_a_domain_with_very_many_is_listed_in_order_all_the_same),
    };
    return WORLD_MAIN(argc, argv, tests);
}
