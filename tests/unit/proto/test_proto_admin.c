#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto_admin.h"
#include "proto_help.h"
#include "proto_submit.h"

static struct scratch scratch;

static uint64_t some_ids[] = {1, 0x640000000001, UINT64_MAX};
static const struct admin_filter filter = {
    .ids = some_ids,
    .ids_n = 3,
    .account = (char *)"billing",
    .from = (char *)"@example.org",
    .from_domain = (char *)"example.org",
    .to = (char *)"example.net",
    .domain = (char *)"d.example.net",
    .transport = (char *)"relay",
    .unrouted = true,
    .held = ADMIN_HELD_YES,
    .success = ADMIN_SUCCESS_NO,
    .event = (char *)"delivered",
    .attempts = 3,
    .submitted_after_ms = 1,
    .submitted_before_ms = -2,
    .next_after_ms = 3,
    .next_before_ms = INT64_MAX,
};

static struct admin_row row_of(uint64_t id)
{
    return (struct admin_row){
        .id = id,
        .message = id - 1,
        .held = true,
        .trying = false,
        .success = true,
        .attempts = 4,
        .size = 812,
        .received_ms = 1732700000123,
        .next_ms = 1732700099999,
        .account = (char *)"billing",
        .sender = (char *)"a@example.org",
        .recipient = (char *)"b@example.net",
        .subject = (char *)"Hello",
        .message_id = (char *)"<1@example.org>",
        .transport = (char *)"",
        .last = (char *)"451 4.7.1 try later",
    };
}

/* ---- requests: what a function that asks and waits sends ---- */

static void take_sent(int fd, int other, uint16_t *type, struct buf *out)
{
    struct ipc_message m;
    struct buf storage = {0};
    struct fail f;
    assert_int_equal(record_receive(other, &m, &storage, &f), 0);
    *type = m.type;
    if (out != NULL)
        buf_put_span(out, m.payload);
    buf_free(&storage);
    (void)close(fd);
    (void)close(other);
}

/* Sends the request by the client's function; the answer it gets is of no interest here. */
static uint16_t send_request(const struct admin_request *r, struct buf *out)
{
    struct fail f;
    struct admin_page page;
    struct admin_item item;
    struct admin_hook_page hooks;
    struct admin_counts counts;
    struct admin_hold_rules rules;
    struct admin_acted acted;
    uint64_t id, count;
    struct admin_hook_item hook;
    struct admin_purged purged;
    uint16_t type;
    int other, fd = ready_answer(MSG_ADMIN_REFUSED, span_of("\0\0\0\0", 4), &other);
    switch (r->type) {
    case MSG_ADMIN_QUEUE_LIST:
    case MSG_ADMIN_RETIRED_LIST:
        assert_int_equal(
            admin_ask_list(fd, r->type == MSG_ADMIN_RETIRED_LIST, &r->query, &page, &f), -1);
        break;
    case MSG_ADMIN_QUEUE_SHOW:
    case MSG_ADMIN_RETIRED_SHOW:
        assert_int_equal(admin_ask_show(fd, r->type == MSG_ADMIN_RETIRED_SHOW, r->id, &item, &f),
                         -1);
        break;
    case MSG_ADMIN_QUEUE_ACT:
        acted = (struct admin_acted){0, r->after, r->until};
        assert_int_equal(
            admin_ask_act_part(fd, r->action, &r->terms, &r->query.filter, r->dry, &acted, &f), -1);
        break;
    case MSG_ADMIN_HOOK_LIST:
    case MSG_ADMIN_HOOKRETIRED_LIST:
        assert_int_equal(
            admin_ask_hooks(fd, r->type == MSG_ADMIN_HOOKRETIRED_LIST, &r->query, &hooks, &f), -1);
        break;
    case MSG_ADMIN_HOLD_LIST:
        assert_int_equal(admin_ask_hold_rules(fd, &rules, &f), -1);
        break;
    case MSG_ADMIN_HOLD_ADD:
        assert_int_equal(admin_ask_hold_add(fd, &r->rule, &id, &count, &f), -1);
        break;
    case MSG_ADMIN_HOLD_REMOVE:
        assert_int_equal(admin_ask_hold_remove(fd, r->id, &f), -1);
        break;
    case MSG_ADMIN_HOOK_SHOW:
    case MSG_ADMIN_HOOKRETIRED_SHOW:
        assert_int_equal(
            admin_ask_hook(fd, r->type == MSG_ADMIN_HOOKRETIRED_SHOW, r->id, &hook, &f), -1);
        break;
    case MSG_ADMIN_HOOK_ACT:
        acted = (struct admin_acted){0, r->after, r->until};
        assert_int_equal(admin_ask_hook_act_part(fd, r->hook_action, r->by_ms, &r->query.filter,
                                                 r->dry, &acted, &f),
                         -1);
        break;
    case MSG_ADMIN_HOOK_TEST:
        assert_int_equal(admin_ask_hook_test(fd, r->account, r->incoming, r->event, &hook, &f), -1);
        break;
    case MSG_ADMIN_PURGE:
        assert_int_equal(admin_ask_purge(fd, r->account, r->dry, &purged, &f), -1);
        break;
    default:
        assert_int_equal(admin_ask_counts(fd, &counts, &f), -1);
    }
    take_sent(fd, other, &type, out);
    return type;
}

static int request_again(uint16_t type, struct span payload, struct buf *out)
{
    struct ipc_message m = message_of(type, payload);
    struct admin_request r;
    struct fail f = {{0}};
    if (admin_read(&m, &r, &f) != 0) {
        assert_true(f.text[0] != '\0');
        return -1;
    }
    assert_int_equal(send_request(&r, out), type);
    admin_request_clear(&r);
    return 0;
}

static void test_requests_stand_the_battery(void **state)
{
    static const struct admin_request requests[] = {
        {.type = MSG_ADMIN_QUEUE_LIST,
         .query = {.filter = filter,
                   .sort = ADMIN_BY_ID,
                   .descending = true,
                   .after = {0, 77},
                   .limit = ADMIN_PAGE_MAX}},
        {.type = MSG_ADMIN_RETIRED_LIST, .query = {.after = {1732700000123, 5}, .limit = 1}},
        {.type = MSG_ADMIN_QUEUE_SHOW, .id = 5},
        {.type = MSG_ADMIN_RETIRED_SHOW, .id = 6},
        {.type = MSG_ADMIN_QUEUE_ACT,
         .action = ADMIN_DELAY,
         .terms = {-3600000, (char *)"relay", ADMIN_TLS_OPTIONAL},
         .query.filter = filter,
         .dry = true,
         .after = 5,
         .until = UINT64_MAX},
        {.type = MSG_ADMIN_HOOK_LIST, .query = {.after = {0, 1}, .limit = 2}},
        {.type = MSG_ADMIN_HOOKRETIRED_LIST, .query = {.descending = true, .limit = 2}},
        {.type = MSG_ADMIN_HOOK_SHOW, .id = 7},
        {.type = MSG_ADMIN_HOOKRETIRED_SHOW, .id = 8},
        {.type = MSG_ADMIN_HOOK_ACT,
         .hook_action = ADMIN_HOOK_DELAY,
         .by_ms = ADMIN_DELAY_MAX_MS,
         .query.filter = filter,
         .after = 5,
         .until = UINT64_MAX},
        {.type = MSG_ADMIN_HOOK_TEST,
         .account = (char *)"billing",
         .incoming = true,
         .event = (char *)"failed"},
        {.type = MSG_ADMIN_PURGE, .account = (char *)"billing", .dry = true},
        {.type = MSG_ADMIN_COUNTS},
        {.type = MSG_ADMIN_HOLD_LIST},
        {.type = MSG_ADMIN_HOLD_ADD,
         .rule = {.account = (char *)"billing",
                  .from_domain = (char *)"example.org",
                  .domain = (char *)"example.net"}},
        {.type = MSG_ADMIN_HOLD_REMOVE, .id = 7},
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct buf b = {0};
        assert_int_equal(send_request(&requests[i], &b), requests[i].type);
        char *name = mem_format("request 0x%04x", requests[i].type);
        stand_battery(name, requests[i].type, buf_span(&b), request_again);
        mem_free(&name);
        buf_free(&b);
    }
}

static void test_pages_and_filters_are_bounded(void **state)
{
    static const struct {
        uint32_t limit;
        int rc;
    } limits[] = {{0, -1}, {1, 0}, {ADMIN_PAGE_MAX, 0}, {ADMIN_PAGE_MAX + 1, -1}, {UINT32_MAX, -1}};
    struct admin_request r = {.type = MSG_ADMIN_HOOK_LIST};
    struct buf b = {0}, out = {0};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        r.query.limit = limits[i].limit;
        buf_clear(&b);
        (void)send_request(&r, &b);
        assert_int_equal(request_again(MSG_ADMIN_HOOK_LIST, buf_span(&b), &out), limits[i].rc);
    }
    uint64_t *ids = mem_array(ADMIN_IDS_MAX + 1, sizeof *ids);
    r = (struct admin_request){.type = MSG_ADMIN_QUEUE_ACT, .query.filter = {.ids = ids}};
    for (uint32_t more = 0; more < 2; more++) {
        r.query.filter.ids_n = ADMIN_IDS_MAX + more;
        buf_clear(&b);
        (void)send_request(&r, &b);
        assert_int_equal(request_again(MSG_ADMIN_QUEUE_ACT, buf_span(&b), &out),
                         more == 0 ? 0 : -1);
    }
    mem_free(&ids);
    buf_free(&b);
    buf_free(&out);
}

static void test_only_requests_of_the_protocol_are_read(void **state)
{
    for (unsigned type = 0; type <= 0x0800; type++) {
        struct ipc_message m = message_of((uint16_t)type, (struct span){0});
        struct admin_request r;
        struct fail f;
        assert_int_equal(admin_read(&m, &r, &f) == 0,
                         type == MSG_ADMIN_COUNTS || type == MSG_ADMIN_HOLD_LIST);
    }
}

/* ---- answers ---- */

static int page_again(uint16_t type, struct span payload, struct buf *out)
{
    struct admin_page page;
    struct fail f;
    uint16_t asked;
    int other, fd = ready_answer(type, payload, &other);
    const struct admin_query query = {.filter = filter, .limit = 100};
    int rc = admin_ask_list(fd, false, &query, &page, &f);
    take_sent(fd, other, &asked, NULL);
    if (rc == 0) {
        admin_answer_page(scratch.ch, 1, &page);
        scratch_take(&scratch);
        buf_put_span(out, scratch.m.payload);
    }
    admin_page_clear(&page);
    return rc;
}

static void test_pages_stand_the_battery(void **state)
{
    struct admin_row rows[] = {row_of(5), row_of(0x640000000001)};
    for (uint32_t n = 0; n <= 2; n += 2) {
        const struct admin_page page = {rows, n, {-1, 99}};
        struct buf b = {0};
        admin_answer_page(scratch.ch, 1, &page);
        scratch_take(&scratch);
        buf_put_span(&b, scratch.m.payload);
        stand_battery("page", MSG_ADMIN_QUEUE_PAGE, buf_span(&b), page_again);
        buf_free(&b);
    }
}

static int item_again(uint16_t type, struct span payload, struct buf *out)
{
    struct admin_item item;
    struct fail f;
    uint16_t asked;
    int other, fd = ready_answer(type, payload, &other);
    int rc = admin_ask_show(fd, false, 5, &item, &f);
    take_sent(fd, other, &asked, NULL);
    if (rc == 0) {
        admin_answer_item(scratch.ch, 1, &item);
        scratch_take(&scratch);
        buf_put_span(out, scratch.m.payload);
    }
    admin_item_clear(&item);
    return rc;
}

static void test_an_item_with_its_history_stands_the_battery(void **state)
{
    struct deliver_result attempts[] = {deliver_result_new(5, DELIVER_DEFERRED),
                                        deliver_result_new(5, DELIVER_FAILED)};
    submit_set(&attempts[1].reply, "550-no\n550 such user");
    struct submit_extra extra[] = {{(char *)"order", (char *)"1042"}, {(char *)"x", (char *)""}};
    const struct admin_item item = {
        .row = row_of(5),
        .not_before_ms = 1732700060000,
        .extra = extra,
        .extra_n = 2,
        .orcpt = (char *)"rfc822;x",
        .envid = (char *)"e",
        .from_id = (char *)"f",
        .client = (char *)"192.0.2.1",
        .flags = 3,
        .attempts = attempts,
        .attempts_n = 2,
    };
    struct buf b = {0};
    admin_answer_item(scratch.ch, 1, &item);
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("item", MSG_ADMIN_QUEUE_ITEM, buf_span(&b), item_again);
    buf_free(&b);
    deliver_result_clear(&attempts[0]);
    deliver_result_clear(&attempts[1]);
}

static int hooks_again(uint16_t type, struct span payload, struct buf *out)
{
    struct admin_hook_page page;
    struct fail f;
    uint16_t asked;
    int other, fd = ready_answer(type, payload, &other);
    const struct admin_query query = {.limit = 100};
    int rc = admin_ask_hooks(fd, false, &query, &page, &f);
    take_sent(fd, other, &asked, NULL);
    if (rc == 0) {
        admin_answer_hooks(scratch.ch, 1, &page);
        scratch_take(&scratch);
        buf_put_span(out, scratch.m.payload);
    }
    admin_hook_page_clear(&page);
    return rc;
}

static void test_a_page_of_webhooks_stands_the_battery(void **state)
{
    struct admin_hook_row rows[] = {
        {5, 6, (char *)"billing", (char *)"https://app.example.org/h", (char *)"failed", (char *)"",
         3, false, 1, 2},
        {7, 8, (char *)"other", (char *)"https://b.example.org/h", (char *)"delivered", (char *)"x",
         0, true, 3, 4},
    };
    const struct admin_hook_page page = {rows, 2, {3, 7}};
    struct buf b = {0};
    admin_answer_hooks(scratch.ch, 1, &page);
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("webhooks", MSG_ADMIN_HOOK_PAGE, buf_span(&b), hooks_again);
    buf_free(&b);
}

static int rules_again(uint16_t type, struct span payload, struct buf *out)
{
    struct admin_hold_rules rules;
    struct fail f;
    uint16_t asked;
    int other, fd = ready_answer(type, payload, &other);
    int rc = admin_ask_hold_rules(fd, &rules, &f);
    take_sent(fd, other, &asked, NULL);
    if (rc == 0) {
        admin_answer_rules(scratch.ch, 1, &rules);
        scratch_take(&scratch);
        buf_put_span(out, scratch.m.payload);
    }
    admin_hold_rules_clear(&rules);
    return rc;
}

static void test_hold_rules_stand_the_battery(void **state)
{
    struct admin_hold_rule some[] = {
        {1, 1732700000123, (char *)"billing", (char *)"example.org", (char *)"example.net"},
        {UINT64_MAX, 0, (char *)"", (char *)"", (char *)""},
    };
    const struct admin_hold_rules rules = {some, 2};
    struct buf b = {0};
    admin_answer_rules(scratch.ch, 1, &rules);
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("rules", MSG_ADMIN_HOLD_RULES, buf_span(&b), rules_again);
    buf_free(&b);
}

static int added_again(uint16_t type, struct span payload, struct buf *out)
{
    const struct admin_hold_rule rule = {.account = (char *)"billing"};
    struct fail f;
    uint64_t id, count;
    uint16_t asked;
    int other, fd = ready_answer(type, payload, &other);
    int rc = admin_ask_hold_add(fd, &rule, &id, &count, &f);
    take_sent(fd, other, &asked, NULL);
    if (rc == 0) {
        admin_answer_added(scratch.ch, 1, id, &(struct admin_acted){count, 0, 9});
        scratch_take(&scratch);
        buf_put_span(out, scratch.m.payload);
    }
    return rc;
}

static void test_a_new_hold_rule_is_told_with_what_it_held(void **state)
{
    struct buf b = {0}, again = {0};
    admin_answer_added(scratch.ch, 1, 3, &(struct admin_acted){1000, 0, 9});
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    assert_int_equal(added_again(MSG_ADMIN_HOLD_ADDED, buf_span(&b), &again), 0);
    assert_true(span_equal(buf_span(&b), buf_span(&again)));
    assert_int_equal(added_again(MSG_ADMIN_HOLD_ADDED, span_of(b.p, b.n - 1), &again), -1);
    assert_int_equal(added_again(MSG_ADMIN_HOLD_REMOVED, buf_span(&b), &again), -1);
    buf_free(&b);
    buf_free(&again);
}

static void test_terms_are_bounded(void **state)
{
    static const struct {
        enum admin_action action;
        int64_t ms;
        int rc;
    } cases[] = {
        {ADMIN_SCHEDULE, 1, 0},
        {ADMIN_SCHEDULE, 0, -1},
        {ADMIN_SCHEDULE, -1, -1},
        {ADMIN_SCHEDULE, ADMIN_MS_MAX, 0},
        {ADMIN_SCHEDULE, ADMIN_MS_MAX + 1, -1},
        {ADMIN_DELAY, -ADMIN_MS_MAX, 0},
        {ADMIN_DELAY, -ADMIN_MS_MAX - 1, -1},
        {ADMIN_DELAY, INT64_MIN, -1},
        {ADMIN_HOLD, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct admin_request r = {
            .type = MSG_ADMIN_QUEUE_ACT, .action = cases[i].action, .terms = {.ms = cases[i].ms}};
        struct buf b = {0}, out = {0};
        (void)send_request(&r, &b);
        assert_int_equal(request_again(MSG_ADMIN_QUEUE_ACT, buf_span(&b), &out), cases[i].rc);
        buf_free(&b);
        buf_free(&out);
    }
}

static int counts_again(uint16_t type, struct span payload, struct buf *out)
{
    struct admin_counts counts;
    struct fail f;
    uint16_t asked;
    int other, fd = ready_answer(type, payload, &other);
    int rc = admin_ask_counts(fd, &counts, &f);
    take_sent(fd, other, &asked, NULL);
    if (rc == 0) {
        admin_answer_counts(scratch.ch, 1, &counts);
        scratch_take(&scratch);
        buf_put_span(out, scratch.m.payload);
    }
    return rc;
}

static int acted_again(uint16_t type, struct span payload, struct buf *out)
{
    struct admin_acted acted = {0};
    struct fail f;
    uint16_t asked;
    int other, fd = ready_answer(type, payload, &other);
    int rc = admin_ask_act_part(fd, ADMIN_KICK, NULL, &filter, false, &acted, &f);
    take_sent(fd, other, &asked, NULL);
    if (rc == 0) {
        admin_answer_acted(scratch.ch, 1, &acted);
        scratch_take(&scratch);
        buf_put_span(out, scratch.m.payload);
    }
    return rc;
}

static void test_counts_stand_the_battery(void **state)
{
    const struct admin_counts counts = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    struct buf b = {0};
    admin_answer_counts(scratch.ch, 1, &counts);
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("counts", MSG_ADMIN_COUNTS_ARE, buf_span(&b), counts_again);
    buf_clear(&b);
    admin_answer_acted(scratch.ch, 1, &(struct admin_acted){500, 6, 7});
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("acted", MSG_ADMIN_ACTED, buf_span(&b), acted_again);
    buf_free(&b);
}

static void test_a_refusal_is_told_in_its_own_words(void **state)
{
    struct admin_counts counts;
    struct fail f;
    uint16_t asked;
    struct buf b = {0};
    int other, fd;
    admin_refuse(scratch.ch, 1, "permission denied");
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    fd = ready_answer(MSG_ADMIN_REFUSED, buf_span(&b), &other);
    assert_int_equal(admin_ask_counts(fd, &counts, &f), -1);
    assert_string_equal(f.text, "permission denied");
    take_sent(fd, other, &asked, NULL);
    buf_putc(&b, 'x');
    fd = ready_answer(MSG_ADMIN_REFUSED, buf_span(&b), &other);
    assert_int_equal(admin_ask_counts(fd, &counts, &f), -1);
    assert_string_equal(f.text, "malformed answer from qmgr");
    take_sent(fd, other, &asked, NULL);
    fd = ready_answer(MSG_ADMIN_ACTED, buf_span(&b), &other);
    assert_int_equal(admin_ask_counts(fd, &counts, &f), -1);
    assert_string_equal(f.text, "malformed answer from qmgr");
    take_sent(fd, other, &asked, NULL);
    buf_free(&b);
}

static int open_group(void **state)
{
    scratch_open(&scratch);
    return log_nothing(state);
}

static int close_group(void **state)
{
    scratch_close(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_stand_the_battery),
        cmocka_unit_test(test_pages_and_filters_are_bounded),
        cmocka_unit_test(test_only_requests_of_the_protocol_are_read),
        cmocka_unit_test(test_pages_stand_the_battery),
        cmocka_unit_test(test_an_item_with_its_history_stands_the_battery),
        cmocka_unit_test(test_a_page_of_webhooks_stands_the_battery),
        cmocka_unit_test(test_hold_rules_stand_the_battery),
        cmocka_unit_test(test_a_new_hold_rule_is_told_with_what_it_held),
        cmocka_unit_test(test_terms_are_bounded),
        cmocka_unit_test(test_counts_stand_the_battery),
        cmocka_unit_test(test_a_refusal_is_told_in_its_own_words),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
