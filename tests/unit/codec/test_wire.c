#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mem.h"
#include "wire.h"

static void test_what_was_put_is_got(void **state)
{
    struct buf b = {0};
    wire_put_u8(&b, 7);
    wire_put_u16(&b, 0x1234);
    wire_put_u32(&b, 0xdeadbeef);
    wire_put_u64(&b, UINT64_MAX);
    wire_put_i64(&b, -5);
    wire_put_bool(&b, true);
    wire_put_text(&b, "hello");
    assert_memory_equal(buf_span(&b).p, "\x07\x12\x34\xde\xad\xbe\xef\xff", 8);
    struct wire w = wire_open(buf_span(&b));
    assert_int_equal(wire_u8(&w), 7);
    assert_int_equal(wire_u16(&w), 0x1234);
    assert_int_equal(wire_u32(&w), 0xdeadbeef);
    assert_true(wire_u64(&w) == UINT64_MAX);
    assert_int_equal(wire_i64(&w), -5);
    assert_true(wire_bool(&w));
    char *text = wire_text(&w, 5);
    assert_string_equal(text, "hello");
    mem_free(&text);
    assert_int_equal(wire_end(&w), 0);
    buf_free(&b);
}

static void test_the_first_error_sticks(void **state)
{
    struct wire w = wire_open(span_of("\x00\x00\x00\x05hi\x01\x02", 8));
    assert_int_equal(wire_span(&w, 100).n, 0);
    assert_int_equal(wire_u8(&w), 0);
    assert_int_equal(wire_end(&w), -1);
}

static void test_left_over_octets_are_an_error(void **state)
{
    struct wire w = wire_open(span_of("\x01\x02", 2));
    assert_int_equal(wire_u8(&w), 1);
    assert_int_equal(wire_end(&w), -1);
}

static void test_values_out_of_range_are_errors(void **state)
{
    struct wire w = wire_open(span_of("\x02", 1));
    assert_false(wire_bool(&w));
    assert_int_equal(wire_end(&w), -1);
    w = wire_open(span_of("\x00\x00\x00\x03"
                          "a\0b",
                          7));
    char *text = wire_text(&w, 10);
    assert_string_equal(text, "");
    mem_free(&text);
    assert_int_equal(wire_end(&w), -1);
    w = wire_open(span_of("\x00\x00\x10\x00"
                          "abcdefgh",
                          12));
    assert_int_equal(wire_count(&w, 5000, 4), 0); /* 4096 things of 4 octets cannot be in 8 */
    assert_int_equal(wire_end(&w), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_put_is_got),
        cmocka_unit_test(test_the_first_error_sticks),
        cmocka_unit_test(test_left_over_octets_are_an_error),
        cmocka_unit_test(test_values_out_of_range_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
