#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto_help.h"
#include "proto_learned.h"

static struct scratch scratch;
static char *mx[] = {(char *)"mx.example.com", (char *)"*.example.net"};
static struct mtasts_policy policy = {MTASTS_TESTING, 86400, 2, mx};

static void put_notice(const struct learned *l, struct buf *out)
{
    learned_tell(scratch.ch, l);
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, MSG_DELIVER_LEARNED);
    buf_put_span(out, scratch.m.payload);
}

static int notice_again(uint16_t type, struct span payload, struct buf *out)
{
    struct ipc_message m = message_of(type, payload);
    struct learned l;
    struct fail f;
    if (learned_read(&m, &l, &f) != 0)
        return -1;
    if (l.policies_n + l.results_n == 0)
        buf_put_span(out, payload); /* nobody tells that there is nothing to tell */
    else
        put_notice(&l, out);
    learned_clear(&l);
    return 0;
}

static struct learned sample(void)
{
    struct learned l = {.policies = NULL};
    struct tlsresult *r = tlsresult_new(20000, "mx.example.com", "example.com", true);
    struct tlsresult_detail d = {.type = TLSRESULT_CERTIFICATE_EXPIRED, .sessions = 3};
    d.mx = (char *)"mx.example.com";
    tlsresult_detail_add(tlsresult_entry(r, TLSRESULT_NO_POLICY, NULL, 0), &d);
    learned_add_result(&l, &r);
    assert_null(r);
    learned_add_policy(&l, "example.com", STS_FETCHED, "20160831085700Z", &policy);
    learned_add_policy(&l, "used.example", STS_USED, "1", NULL);
    learned_add_policy(&l, "failed.example", STS_FETCH_FAILED, "2", NULL);
    learned_add_policy(&l, "gone.example", STS_NO_RECORD, NULL, NULL);
    return l;
}

static void test_a_notice_stands_the_battery(void **state)
{
    struct learned l = sample();
    struct buf b = {0}, out = {0};
    put_notice(&l, &b);
    stand_battery("notice", MSG_DELIVER_LEARNED, buf_span(&b), notice_again);
    assert_int_equal(notice_again(MSG_DELIVER_JOB, buf_span(&b), &out), -1);
    learned_clear(&l);
    assert_int_equal(l.policies_n, 0);
    buf_free(&b);
    buf_free(&out);
}

static void test_only_what_can_be_a_domain_is_learned(void **state)
{
    static const char *const cases[] = {"", "a..b", "a/../b", "a b", "[192.0.2.1]"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct learned l = {.policies = NULL};
        struct buf b = {0}, out = {0};
        learned_add_policy(&l, cases[i], STS_USED, "1", NULL);
        put_notice(&l, &b);
        assert_int_equal(notice_again(MSG_DELIVER_LEARNED, buf_span(&b), &out), -1);
        learned_clear(&l);
        struct tlsresult *r = tlsresult_new(1, cases[i], "a.example", false);
        learned_add_result(&l, &r);
        buf_clear(&b);
        put_notice(&l, &b);
        assert_int_equal(notice_again(MSG_DELIVER_LEARNED, buf_span(&b), &out), -1);
        learned_clear(&l);
        buf_free(&b);
        buf_free(&out);
    }
}

static void test_a_notice_holds_so_much_and_no_more(void **state)
{
    struct learned l = {.policies = NULL};
    struct buf b = {0}, out = {0};
    for (int i = 0; i < LEARNED_MAX + 5; i++) {
        struct tlsresult *r = tlsresult_new(1, "a.example", "a.example", false);
        learned_add_policy(&l, "a.example", STS_USED, "1", NULL);
        learned_add_result(&l, &r);
        assert_null(r);
    }
    assert_int_equal(l.policies_n, LEARNED_MAX);
    assert_int_equal(l.results_n, LEARNED_MAX);
    put_notice(&l, &b);
    assert_int_equal(notice_again(MSG_DELIVER_LEARNED, buf_span(&b), &out), 0);
    learned_clear(&l);
    buf_free(&b);
    buf_free(&out);
}

static int known_again(uint16_t type, struct span payload, struct buf *out)
{
    struct wire w = wire_open(payload);
    struct sts_known k;
    sts_known_get(&w, &k);
    int rc = wire_end(&w);
    if (rc == 0)
        sts_known_put(out, &k);
    sts_known_clear(&k);
    return rc;
}

static void test_what_is_known_stands_the_battery(void **state)
{
    struct sts_known k = {"20160831085700Z", &policy, 1700000000000, 1700000300000};
    struct buf b = {0};
    sts_known_put(&b, &k);
    stand_battery("known", 0, buf_span(&b), known_again);
    buf_clear(&b);
    k = (struct sts_known){"", NULL, 0, 1700000300000};
    sts_known_put(&b, &k);
    stand_battery("nothing known", 0, buf_span(&b), known_again);
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
        cmocka_unit_test(test_a_notice_stands_the_battery),
        cmocka_unit_test(test_only_what_can_be_a_domain_is_learned),
        cmocka_unit_test(test_a_notice_holds_so_much_and_no_more),
        cmocka_unit_test(test_what_is_known_stands_the_battery),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
