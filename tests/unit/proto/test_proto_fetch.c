#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto_fetch.h"
#include "proto_help.h"

static struct scratch scratch;

static void on_nothing(void *arg, const struct fetched_policy *p)
{
}

static void put_request(const char *domain, struct buf *out)
{
    (void)fetch_policy_ask(scratch.ch, domain, on_nothing, NULL);
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, MSG_FETCH_POLICY);
    buf_put_span(out, scratch.m.payload);
}

static int request_again(uint16_t type, struct span payload, struct buf *out)
{
    struct ipc_message m = message_of(type, payload);
    struct fail f;
    char *domain;
    if (fetch_policy_read(&m, &domain, &f) != 0)
        return -1;
    put_request(domain, out);
    mem_free(&domain);
    return 0;
}

static void test_a_request_stands_the_battery(void **state)
{
    struct buf b = {0};
    put_request("a-very-long-name-for-a-domain.mail.example.com", &b);
    stand_battery("request", MSG_FETCH_POLICY, buf_span(&b), request_again);
    buf_free(&b);
}

static void test_only_a_domain_can_be_asked_for(void **state)
{
    static const char *const cases[] = {
        "", "a..b", "a/b", "a b", "user@a.example", "[192.0.2.1]", "a.example:80", "a.example."};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = {0}, out = {0};
        put_request(cases[i], &b);
        assert_int_equal(request_again(MSG_FETCH_POLICY, buf_span(&b), &out), -1);
        buf_free(&b);
        buf_free(&out);
    }
}

struct heard {
    struct buf *out;
    int calls, rc;
};

static void on_end(void *arg, const struct fetched_policy *p)
{
    struct heard *h = arg;
    h->calls++;
    h->rc = p == NULL ? -1 : 0;
    if (p == NULL)
        return;
    assert_int_equal(p->policy != NULL, p->end == FETCH_POLICY_GOOD);
    fetch_policy_answer(scratch.ch, 1, p);
    scratch_take(&scratch);
    buf_put_span(h->out, scratch.m.payload);
}

static void ask(struct ipc *ch, void *arg)
{
    (void)fetch_policy_ask(ch, "example.com", on_end, arg);
}

static int answer_again(uint16_t type, struct span payload, struct buf *out)
{
    struct heard h = {.out = out};
    answer_with(ask, &h, type, payload);
    assert_int_equal(h.calls, 1);
    return h.rc;
}

static void test_answers_stand_the_battery(void **state)
{
    static char *mx[] = {(char *)"mx.example.com", (char *)"*.example.net"};
    struct mtasts_policy policy = {MTASTS_TESTING, 86400, 2, mx};
    const struct fetched_policy answers[] = {
        {FETCH_POLICY_GOOD, 200, &policy, (char *)"", 12},
        {FETCH_POLICY_FAILED, 404, NULL, (char *)"http-status-404, which is no policy", 12},
        {FETCH_POLICY_UNTRUSTED, 0, NULL, (char *)"certificate has expired", 7},
    };
    struct buf out = {0};
    for (size_t i = 0; i < 3; i++) {
        struct buf b = {0};
        fetch_policy_answer(scratch.ch, 1, &answers[i]);
        scratch_take(&scratch);
        buf_put_span(&b, scratch.m.payload);
        stand_battery("answer", MSG_FETCH_POLICY_IS, buf_span(&b), answer_again);
        assert_int_equal(answer_again(MSG_FETCH_POLICY, buf_span(&b), &out), -1);
        buf_free(&b);
    }
    buf_free(&out);
}

static void test_who_forgets_is_not_called(void **state)
{
    struct heard h = {.calls = 0};
    struct buf out = {0};
    h.out = &out;
    uint64_t id = fetch_policy_ask(scratch.ch, "example.com", on_end, &h);
    scratch_take(&scratch);
    fetch_policy_forget(scratch.ch, id);
    ipc_free(&scratch.ch);
    assert_int_equal(h.calls, 0);
    scratch_close(&scratch);
    scratch_open(&scratch);
    (void)fetch_policy_ask(scratch.ch, "example.com", on_end, &h);
    ipc_free(&scratch.ch);
    assert_int_equal(h.calls, 1);
    assert_int_equal(h.rc, -1);
    scratch_close(&scratch);
    scratch_open(&scratch);
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
        cmocka_unit_test(test_a_request_stands_the_battery),
        cmocka_unit_test(test_only_a_domain_can_be_asked_for),
        cmocka_unit_test(test_answers_stand_the_battery),
        cmocka_unit_test(test_who_forgets_is_not_called),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
