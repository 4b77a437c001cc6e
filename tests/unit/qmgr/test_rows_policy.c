#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rows.h"

static void test_an_sts_row_comes_back_the_same(void **state)
{
    static char *mx[] = {(char *)"mx.example.com"};
    struct mtasts_policy policy = {MTASTS_ENFORCE, 86400, 1, mx};
    struct sts_row r = {(char *)"example.com",
                        {"7a", &policy, 0x1936f1a2b3c, 0},
                        0x1936a1a2b3c,
                        0x1936a1a2b3c,
                        0},
                   back;
    static const char expected[] =
        "\x01\x00\x00\x00\x0b"
        "example.com\x00\x00\x00\x02"
        "7a\x00\x00\x01\x93\x6f\x1a\x2b\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x00\x01\x51\x80"
        "\x00\x00\x00\x01\x00\x00\x00\x0emx.example.com\x00\x00\x01\x93\x6a\x1a\x2b\x3c\x00\x00\x01"
        "\x93\x6a\x1a\x2b\x3c\x00\x00";
    struct buf b = {0}, again = {0};
    sts_row_put(&b, &r);
    assert_int_equal(b.n, sizeof expected - 1);
    assert_memory_equal(buf_span(&b).p, expected, b.n);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(sts_row_read(span_of(buf_span(&b).p, n), &back), -1);
    assert_int_equal(sts_row_read(buf_span(&b), &back), 0);
    sts_row_put(&again, &back);
    assert_true(span_equal(buf_span(&b), buf_span(&again)));
    sts_row_clear(&back);
    buf_putc(&b, 0);
    assert_int_equal(sts_row_read(buf_span(&b), &back), -1);
    buf_free(&b);
    buf_free(&again);
}

static void test_a_tlsresult_row_comes_back_the_same(void **state)
{
    static const char expected[] =
        "\x01\x00\x00\x4e\x20\x00\x00\x00\x0b"
        "example.com\x00\x00\x00\x0b"
        "example.com\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05"
        "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    struct tlsresult *r = tlsresult_new(20000, "example.com", "example.com", false), *back;
    struct buf b = {0};
    r->is_wanted = true;
    tlsresult_entry(r, TLSRESULT_NO_POLICY, NULL, 0)->success = 5;
    tlsresult_row_put(&b, r);
    assert_int_equal(b.n, sizeof expected - 1);
    assert_memory_equal(buf_span(&b).p, expected, b.n);
    for (size_t n = 0; n < b.n; n++)
        assert_null(tlsresult_row_read(span_of(buf_span(&b).p, n)));
    back = tlsresult_row_read(buf_span(&b));
    assert_int_equal(back->entries[0].success, 5);
    tlsresult_free(&back);
    tlsresult_free(&r);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_sts_row_comes_back_the_same),
        cmocka_unit_test(test_a_tlsresult_row_comes_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
