#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto_help.h"
#include "proto_hook.h"

static struct scratch scratch;

static void on_nothing(void *arg, const struct hook_result *r)
{
}

static void put_call(const struct hook_call *call, struct buf *out)
{
    hook_ask(scratch.ch, call, on_nothing, NULL);
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, MSG_HOOK_CALL);
    buf_put_span(out, scratch.m.payload);
}

static int call_again(uint16_t type, struct span payload, struct buf *out)
{
    struct ipc_message m = message_of(type, payload);
    struct hook_call call;
    struct fail f;
    if (hook_read(&m, &call, &f) != 0)
        return -1;
    put_call(&call, out);
    hook_call_clear(&call);
    return 0;
}

static const struct hook_call call = {
    .id = 0x640000000009,
    .attempt = 3,
    .account = (char *)"billing",
    .url = (char *)"https://app.example.org/hook",
    .authorization = (char *)"Bearer x",
    .payload = {(const unsigned char *)"{\"Version\":0}", 13},
};

static void test_a_call_stands_the_battery(void **state)
{
    struct buf b = {0};
    put_call(&call, &b);
    stand_battery("call", MSG_HOOK_CALL, buf_span(&b), call_again);
    buf_free(&b);
}

static void test_a_large_payload_goes_over(void **state)
{
    struct hook_call large = call;
    struct buf b = {0}, out = {0};
    char *json = repeated('j', 5u << 20);
    large.payload = span_text(json);
    put_call(&large, &b);
    assert_int_equal(call_again(MSG_HOOK_CALL, buf_span(&b), &out), 0);
    assert_true(span_equal(buf_span(&b), buf_span(&out)));
    mem_free(&json);
    buf_free(&b);
    buf_free(&out);
}

struct heard {
    struct buf *out;
    int calls, rc;
    size_t error, response;
};

static void on_result(void *arg, const struct hook_result *r)
{
    struct heard *h = arg;
    h->calls++;
    h->rc = r == NULL ? -1 : 0;
    if (r == NULL)
        return;
    h->error = strlen(r->error);
    h->response = strlen(r->response);
    hook_answer(scratch.ch, 1, r);
    scratch_take(&scratch);
    buf_put_span(h->out, scratch.m.payload);
}

static void ask(struct ipc *ch, void *arg)
{
    hook_ask(ch, &call, on_result, arg);
}

static int result_again(uint16_t type, struct span payload, struct buf *out)
{
    struct heard h = {.out = out};
    answer_with(ask, &h, type, payload);
    assert_int_equal(h.calls, 1);
    return h.rc;
}

static void test_a_result_stands_the_battery(void **state)
{
    const struct hook_result r = {false,          503, (char *)"http status \"503\", expected 2xx",
                                  (char *)"busy", 120, 30};
    struct buf b = {0}, out = {0};
    hook_answer(scratch.ch, 1, &r);
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("result", MSG_HOOK_RESULT, buf_span(&b), result_again);
    assert_int_equal(result_again(MSG_HOOK_CALL, buf_span(&b), &out), -1);
    buf_free(&b);
    buf_free(&out);
}

static void test_the_longest_answer_that_may_be_kept_arrives_and_a_longer_one_is_cut(void **state)
{
    static const size_t lengths[][2] = {{HOOK_RESPONSE_MAX, HOOK_RESPONSE_MAX},
                                        {200000, HOOK_RESPONSE_MAX}};
    for (int i = 0; i < 2; i++) {
        struct buf out = {0}, b = {0};
        struct heard h = {.out = &out};
        char *text = repeated('r', lengths[i][0]);
        const struct hook_result r = {true, 200, text, text, 1, 0};
        hook_answer(scratch.ch, 1, &r);
        scratch_take(&scratch);
        buf_put_span(&b, scratch.m.payload);
        answer_with(ask, &h, MSG_HOOK_RESULT, buf_span(&b));
        assert_int_equal(h.rc, 0);
        assert_int_equal(h.response, lengths[i][1]);
        assert_int_equal(h.error, PROTO_TEXT_MAX);
        mem_free(&text);
        buf_free(&out);
        buf_free(&b);
    }
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
        cmocka_unit_test(test_a_call_stands_the_battery),
        cmocka_unit_test(test_a_large_payload_goes_over),
        cmocka_unit_test(test_a_result_stands_the_battery),
        cmocka_unit_test(test_the_longest_answer_that_may_be_kept_arrives_and_a_longer_one_is_cut),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
