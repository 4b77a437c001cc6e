#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "log.h"

static void check(const char *want, const struct log_ctx *ctx, const char *msg, struct log_kv kv)
{
    struct buf line = {0};
    log_format(&line, LOG_INFO_, ctx, msg, (const struct log_kv[]){kv, {0}});
    assert_string_equal(buf_text(&line), want);
    buf_free(&line);
}

static void test_a_plain_value_stands_bare(void **state)
{
    check("l=info p=quartermaster m=\"delivered\" rcpt=a@b.example\n", NULL, "delivered",
          LS("rcpt", "a@b.example"));
    check("l=info p=quartermaster m=\"delivered\" n=-3\n", NULL, "delivered", LI("n", -3));
    check("l=info p=quartermaster m=\"x\" n=-9223372036854775808\n", NULL, "x", LI("n", INT64_MIN));
    check("l=info p=quartermaster m=\"x\" n=18446744073709551615\n", NULL, "x",
          LU("n", UINT64_MAX));
    check("l=info p=quartermaster m=\"x\" n=0\n", NULL, "x", LU("n", 0));
}

static void test_a_stranger_cannot_start_a_line(void **state)
{
    check("l=info p=quartermaster m=\"x\" v=\"a\\nl=error\\r\\x1b[2J \\\"q\\\"\"\n", NULL, "x",
          LS("v", "a\nl=error\r\x1b[2J \"q\""));
    check("l=info p=quartermaster m=\"x\" v=\"\\x00\\xff\\x80\"\n", NULL, "x",
          LSPAN("v", span_of("\0\xff\x80", 3)));
    /* C1 control characters are two well-formed octets and still control a terminal. */
    check("l=info p=quartermaster m=\"x\" v=\"\\xc2\\x9b2J\"\n", NULL, "x",
          LS("v", "\xc2\x9b"
                  "2J"));
    check("l=info p=quartermaster m=\"x\" v=\"\xc3\xa9\"\n", NULL, "x", LS("v", "\xc3\xa9"));
    check("l=info p=quartermaster m=\"x\" v=\"\"\n", NULL, "x", LS("v", NULL));
}

static void test_the_object_comes_before_the_rest(void **state)
{
    struct log_ctx ctx = {{0}};
    log_ctx_add(&ctx, "cid", "5f");
    log_ctx_add(&ctx, "qid", "a b");
    check("l=info p=quartermaster m=\"x\" cid=5f qid=\"a b\" n=1\n", &ctx, "x", LU("n", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_value_stands_bare),
        cmocka_unit_test(test_a_stranger_cannot_start_a_line),
        cmocka_unit_test(test_the_object_comes_before_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
