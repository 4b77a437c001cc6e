#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "header.h"
#include "mem.h"

static const struct {
    const char *message;
    size_t end;
} ends[] = {
    {"A: b\r\n\r\nbody", 8},
    {"A: b\n\nbody", 6},
    {"A: b\r\n\nbody", 7},
    {"A: b\r\n c\r\n\r\n", 12},
    {"A: b\r\n \r\n\r\n", 11}, /* a line of white space goes on */
    {"\r\nbody", 2},
    {"\nbody", 1},
    {"A: b\r\n", 6},
    {"A: b", 4},
    {"A: b\r\r\n\r\nx", 9},
    {"A: b\r\n\r\r\nx\r\n\r\n", 14},
    {"", 0},
};

static void test_the_header_ends_with_the_first_empty_line(void **state)
{
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        assert_int_equal(header_end(span_text(ends[i].message)), ends[i].end);
}

static void test_the_end_is_found_however_the_message_is_cut(void **state)
{
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct span m = span_text(ends[i].message);
        for (size_t cut = 0; cut <= m.n; cut++) {
            struct header_scan scan = {0};
            size_t n = header_scan(&scan, span_of(m.p, cut));
            n += header_scan(&scan, span_of(m.p + cut, m.n - cut));
            assert_int_equal(n, ends[i].end);
            assert_int_equal(header_scan(&scan, span_text("x\n")), scan.done ? 0 : 2);
        }
    }
}

static const char message[] = "From someone Mon Jan  1 00:00:00 2024\r\n"
                              "Subject: one\r\n"
                              "subject : two\r\n"
                              "\tthree\r\n"
                              "\t\r\n"
                              "Empty:\r\n"
                              "Bad name: x\r\n"
                              " more of it\r\n"
                              ": no name\r\n"
                              "SUBJECT:four\n"
                              "Last: no line end here";

static const struct {
    const char *name, *value;
} fields[] = {
    {"", "From someone Mon Jan  1 00:00:00 2024"},
    {"Subject", " one"},
    {"subject", " two\r\n\tthree\r\n\t"},
    {"Empty", ""},
    {"", "Bad name: x\r\n more of it"},
    {"", ": no name"},
    {"SUBJECT", "four"},
    {"Last", " no line end here"},
};

static void test_fields_come_in_order_with_their_folding(void **state)
{
    struct span rest = span_text(message);
    struct header_field field;
    size_t total = 0;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        assert_true(header_next(&rest, &field));
        assert_true(span_is(field.name, fields[i].name));
        assert_true(span_is(field.value, fields[i].value));
        assert_ptr_equal(field.whole.p, (const unsigned char *)message + total);
        total += field.whole.n;
    }
    assert_false(header_next(&rest, &field));
    assert_int_equal(total, strlen(message));
}

static void test_iteration_stops_at_the_empty_line(void **state)
{
    struct span rest = span_text("A: b\r\n\r\nC: d\r\n");
    struct header_field field;
    assert_true(header_next(&rest, &field));
    assert_false(header_next(&rest, &field));
    assert_true(span_is(rest, "\r\nC: d\r\n"));
    rest = span_text(" not: a field\r\nA: b\r\n");
    assert_true(header_next(&rest, &field));
    assert_int_equal(field.name.n, 0);
    assert_true(header_next(&rest, &field));
    assert_true(span_is(field.name, "A"));
}

static void test_fields_are_found_by_name_and_place(void **state)
{
    struct header_field field;
    assert_true(header_find(span_text(message), "sUBJECT", 0, &field));
    assert_true(span_is(field.value, " one"));
    assert_true(header_find(span_text(message), "Subject", 2, &field));
    assert_true(span_is(field.value, "four"));
    assert_false(header_find(span_text(message), "Subject", 3, &field));
    assert_int_equal(header_count(span_text(message), "Subject"), 3);
    assert_int_equal(header_count(span_text(message), "Sub"), 0);
}

static void test_values_are_unfolded_and_trimmed(void **state)
{
    struct buf out = {0};
    header_unfold(&out, span_text(" two\r\n\tthree\n  four\r\n\t\r\n "));
    assert_string_equal(buf_text(&out), "two\tthree  four");
    buf_clear(&out);
    header_unfold(&out, span_text("a\rb"));
    assert_string_equal(buf_text(&out), "a\rb");
    buf_clear(&out);
    assert_true(header_value(span_text(message), "Last", 17, &out));
    assert_string_equal(buf_text(&out), "no line end here");
    assert_false(header_value(span_text(message), "Last", 15, &out));
    assert_false(header_value(span_text(message), "None", 100, &out));
    assert_string_equal(buf_text(&out), "no line end here");
    buf_free(&out);
}

static void test_names_are_printable_ascii_without_colon(void **state)
{
    assert_true(header_is_name(span_text("X-!~a")));
    assert_false(header_is_name(span_text("")));
    assert_false(header_is_name(span_text("a:")));
    assert_false(header_is_name(span_text("a b")));
    assert_false(header_is_name(span_text("a\r\nb")));
    assert_false(header_is_name(span_text("\xc3\xa9")));
    assert_false(header_is_name(span_text("a\x7f")));
    char longest[998];
    memset(longest, 'a', sizeof longest);
    assert_true(header_is_name(span_of(longest, 997)));
    assert_false(header_is_name(span_of(longest, 998)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_header_ends_with_the_first_empty_line),
        cmocka_unit_test(test_the_end_is_found_however_the_message_is_cut),
        cmocka_unit_test(test_fields_come_in_order_with_their_folding),
        cmocka_unit_test(test_iteration_stops_at_the_empty_line),
        cmocka_unit_test(test_fields_are_found_by_name_and_place),
        cmocka_unit_test(test_values_are_unfolded_and_trimmed),
        cmocka_unit_test(test_names_are_printable_ascii_without_colon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
