#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dkimcanon.h"

static void collect(void *arg, struct span octets)
{
    buf_put_span(arg, octets);
}

static const struct {
    const char *body, *simple, *relaxed;
} bodies[] = {
    /* RFC 6376 3.4.5 */
    {" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
    {"", "\r\n", ""},
    {"\r\n", "\r\n", ""},
    {"\r\n\r\n\r\n", "\r\n", ""},
    {" \t\r\n", " \t\r\n", ""},
    {" \r\n\r\n", " \r\n", ""},
    {" ", " \r\n", ""},
    {"a", "a\r\n", "a\r\n"},
    {"a ", "a \r\n", "a\r\n"},
    {"a\r\n", "a\r\n", "a\r\n"},
    {"\r\n\r\na\r\n", "\r\n\r\na\r\n", "\r\n\r\na\r\n"},
    {"a\r\n \r\n\t\r\nb\r\n \r\n", "a\r\n \r\n\t\r\nb\r\n \r\n", "a\r\n\r\n\r\nb\r\n"},
    {"a\nb\n\n", "a\r\nb\r\n", "a\r\nb\r\n"},
    {"a\rb \r c\r", "a\rb \r c\r\r\n", "a\rb \r c\r\r\n"},
    {"\r", "\r\r\n", "\r\r\n"},
    {"a\r\r\n", "a\r\r\n", "a\r\r\n"},
    {"\xc3\xa9\xff \x01\r\n", "\xc3\xa9\xff \x01\r\n", "\xc3\xa9\xff \x01\r\n"},
};

static void canon(struct buf *out, enum dkimcanon how, const char *body, size_t first,
                  size_t second)
{
    struct dkimcanon_body b;
    struct span s = span_text(body);
    dkimcanon_body_begin(&b, how, collect, out);
    dkimcanon_body_update(&b, span_of(s.p, first));
    dkimcanon_body_update(&b, span_of(s.p + first, second - first));
    dkimcanon_body_update(&b, span_of(s.p + second, s.n - second));
    dkimcanon_body_end(&b);
}

static void test_bodies_come_out_the_same_however_they_are_cut(void **state)
{
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        size_t n = strlen(bodies[i].body);
        for (size_t first = 0; first <= n; first++) {
            for (size_t second = first; second <= n; second++) {
                struct buf out = {0};
                canon(&out, DKIMCANON_SIMPLE, bodies[i].body, first, second);
                assert_string_equal(buf_text(&out), bodies[i].simple);
                buf_clear(&out);
                canon(&out, DKIMCANON_RELAXED, bodies[i].body, first, second);
                assert_string_equal(buf_text(&out), bodies[i].relaxed);
                buf_free(&out);
            }
        }
    }
}

static void test_long_bodies_pass_whole(void **state)
{
    struct buf body = {0}, out = {0};
    struct dkimcanon_body b;
    for (int i = 0; i < 3000; i++)
        buf_puts(&body, i % 7 == 0 ? "line\r\n" : "\r\n");
    for (int i = 0; i < 10000; i++)
        buf_putc(&body, 'x');
    buf_puts(&body, "\r\n");
    dkimcanon_body_begin(&b, DKIMCANON_RELAXED, collect, &out);
    dkimcanon_body_update(&b, buf_span(&body));
    dkimcanon_body_end(&b);
    assert_true(span_equal(buf_span(&out), buf_span(&body)));
    buf_free(&body);
    buf_free(&out);
}

static const struct {
    const char *field, *simple, *relaxed;
} fields[] = {
    /* RFC 6376 3.4.5 */
    {"A: X\r\n", "A: X\r\n", "a:X\r\n"},
    {"B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
    {"SUBJect:\t AbC\r\n", "SUBJect:\t AbC\r\n", "subject:AbC\r\n"},
    {"A:\r\n", "A:\r\n", "a:\r\n"},
    {"A: \r\n \t\r\n", "A: \r\n \t\r\n", "a:\r\n"},
    {"A: x\n y\n", "A: x\r\n y\r\n", "a:x y\r\n"},
    {"A: x", "A: x\r\n", "a:x\r\n"},
    {"A: x\r y\r\n", "A: x\r y\r\n", "a:x\r y\r\n"},
};

static void test_fields_come_out_in_both_forms(void **state)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct span rest = span_text(fields[i].field);
        struct header_field field;
        struct buf out = {0};
        assert_true(header_next(&rest, &field));
        dkimcanon_field(&out, DKIMCANON_SIMPLE, &field);
        assert_string_equal(buf_text(&out), fields[i].simple);
        buf_clear(&out);
        dkimcanon_field(&out, DKIMCANON_RELAXED, &field);
        assert_string_equal(buf_text(&out), fields[i].relaxed);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies_come_out_the_same_however_they_are_cut),
        cmocka_unit_test(test_long_bodies_pass_whole),
        cmocka_unit_test(test_fields_come_out_in_both_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
