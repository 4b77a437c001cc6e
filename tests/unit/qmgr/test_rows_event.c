#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../proto/proto_help.h"
#include "proto_hook.h"
#include "rows.h"

static int event_again(uint16_t type, struct span s, struct buf *out)
{
    struct event_item r;
    int64_t when_ms;
    int timed = event_row_time(s, &when_ms);
    if (event_row_read(s, &r) != 0)
        return -1;
    assert_int_equal(timed, 0);
    assert_int_equal(when_ms, r.when_ms);
    event_row_put(out, &r);
    event_item_clear(&r);
    return 0;
}

static void test_an_event_row_stands_the_battery(void **state)
{
    struct submit_extra extra = {(char *)"order", (char *)"1042"};
    struct event_item r = {.type = EVENT_DELIVERED,
                           .dsn = true,
                           .when_ms = 1732700000123,
                           .recipient = 6,
                           .message = 5,
                           .account = (char *)"billing",
                           .address = (char *)"c@d.example",
                           .message_id = (char *)"<1@b.ex>",
                           .subject = (char *)"Hello",
                           .from_id = (char *)"from id",
                           .code = 250,
                           .enhanced = (char *)"2.0.0",
                           .text = (char *)"250 2.0.0 ok",
                           .extra = &extra,
                           .extra_n = 1};
    struct buf b = {0};
    event_row_put(&b, &r);
    stand_battery("event", 0, buf_span(&b), event_again);
    buf_free(&b);
    r.remote_host = (char *)"mx.d.example";
    r.remote_address = (char *)"192.0.2.1:25";
    r.tls = (char *)"TLSv1.3; policy may";
    r.tls_name = (char *)"mx.d.example";
    r.tls_peer = (char *)"CN=mx.d.example";
    r.tls_record = (char *)"3 1 1 0b9f";
    event_row_put(&b, &r);
    stand_battery("event of an attempt", 0, buf_span(&b), event_again);
    buf_free(&b);
}

static void test_every_type_of_event_has_a_name(void **state)
{
    for (int i = 0; i < EVENT_TYPES; i++) {
        struct event_item r = {.type = (enum event_type)i}, got;
        struct buf b = {0};
        assert_true(event_names[i] != NULL && event_names[i][0] != '\0');
        event_row_put(&b, &r);
        assert_int_equal(event_row_read(buf_span(&b), &got), 0);
        assert_int_equal(got.type, i);
        event_item_clear(&got);
        b.p[b.head + 1] = EVENT_TYPES;
        assert_int_equal(event_row_read(buf_span(&b), &got), -1);
        buf_free(&b);
    }
}

static int hook_again(uint16_t type, struct span s, struct buf *out)
{
    struct hook_row r;
    if (hook_row_read(s, &r) != 0)
        return -1;
    char *url = hook_row_url(s);
    assert_string_equal(url, r.url);
    mem_free(&url);
    hook_row_put(out, &r);
    hook_row_clear(&r);
    return 0;
}

static void test_a_webhook_row_stands_the_battery(void **state)
{
    struct admin_hook_attempt attempts[] = {{1, 2, 503, (char *)"busy", (char *)"come back"},
                                            {3, 4, 0, (char *)"no answer", (char *)""}};
    const struct hook_row r = {
        .recipient = 6,
        .account = (char *)"billing",
        .url = (char *)"https://app.example.org/h",
        .authorization = (char *)"Bearer x",
        .event = (char *)"delivered",
        .submitted_ms = 1732700000123,
        .next_ms = 1732700060000,
        .attempts = 2,
        .payload = (char *)"{\"Version\":0}",
        .results = attempts,
        .results_n = 2,
        .success = true,
        .keep_until_ms = 77,
    };
    struct buf b = {0};
    hook_row_put(&b, &r);
    stand_battery("hook", 0, buf_span(&b), hook_again);
    buf_free(&b);
}

static void test_the_longest_answer_of_a_webhook_is_kept(void **state)
{
    char *response = repeated('r', HOOK_RESPONSE_MAX);
    struct admin_hook_attempt attempt = {1, 2, 500, (char *)"", response};
    struct hook_row r = {.next_ms = 1, .results = &attempt, .results_n = 1}, got;
    struct buf b = {0};
    hook_row_put(&b, &r);
    assert_int_equal(hook_row_read(buf_span(&b), &got), 0);
    assert_int_equal(strlen(got.results[0].response), HOOK_RESPONSE_MAX);
    hook_row_clear(&got);
    r.next_ms = -1;
    buf_clear(&b);
    hook_row_put(&b, &r);
    assert_int_equal(hook_row_read(buf_span(&b), &got), -1);
    mem_free(&response);
    buf_free(&b);
}

static void test_the_url_alone_is_read_of_a_good_beginning_only(void **state)
{
    const struct hook_row r = {.account = (char *)"a", .url = (char *)"http://x/", .next_ms = 1};
    struct buf b = {0};
    hook_row_put(&b, &r);
    size_t behind = 1 + 8 + 4 + 1 + 4 + 9;
    for (size_t n = 0; n <= b.n; n++) {
        char *url = hook_row_url(span_of(buf_span(&b).p, n));
        assert_int_equal(url != NULL, n >= behind);
        mem_free(&url);
    }
    b.p[b.head] = 9;
    assert_null(hook_row_url(buf_span(&b)));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_event_row_stands_the_battery),
        cmocka_unit_test(test_every_type_of_event_has_a_name),
        cmocka_unit_test(test_a_webhook_row_stands_the_battery),
        cmocka_unit_test(test_the_longest_answer_of_a_webhook_is_kept),
        cmocka_unit_test(test_the_url_alone_is_read_of_a_good_beginning_only),
    };
    return cmocka_run_group_tests(tests, log_nothing, NULL);
}
