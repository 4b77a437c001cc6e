#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "mimefield.h"

/* "word; name=value; ..." of what was read. */
static char *shown(const char *value, const struct mailcharset *charsets)
{
    struct mimefield field;
    struct buf out = {0};
    mimefield_parse(&field, span_text(value), charsets);
    buf_puts(&out, field.word);
    for (size_t i = 0; i < field.n; i++)
        buf_putf(&out, "|%s=%s", field.params[i].name, field.params[i].value);
    mimefield_clear(&field);
    return buf_take_text(&out);
}

static const char *const fields[][2] = {
    {"text/plain", "text/plain"},
    {"", ""},
    {" Text/Plain ; Charset=UTF-8", "text/plain|charset=UTF-8"},
    {"text/plain; charset=us-ascii (Plain text)", "text/plain|charset=us-ascii"}, /* RFC 2045 5.1 */
    {"text/plain (a (nested) one); charset=\"us-ascii\"", "text/plain|charset=us-ascii"},
    {"text / html;charset=x", "text/html|charset=x"},
    {"multipart/mixed; boundary=\"gc0pJq0M:08jU534c0p\"",
     "multipart/mixed|boundary=gc0pJq0M:08jU534c0p"},
    {"multipart/mixed;\r\n\tboundary=\"a\r\n b\"", "multipart/mixed|boundary=a b"},
    {"attachment; filename=\"a \\\"b\\\" \\\\ c\"", "attachment|filename=a \"b\" \\ c"},
    {"attachment; filename=\"C:\\dir\\new.txt\"", "attachment|filename=C:\\dir\\new.txt"},
    {"attachment; filename=my own file (1).pdf; size=3",
     "attachment|filename=my own file (1).pdf|size=3"},
    {"attachment; filename=file(1).pdf", "attachment|filename=file(1).pdf"},
    {"attachment filename=x", "attachment|filename=x"},
    {"text/plain charset=utf-8", "text/plain|charset=utf-8"},
    {"text/plain; charset=\"utf-8\" format=flowed", "text/plain|charset=utf-8|format=flowed"},
    {"text/plain;; ;charset = utf-8;", "text/plain|charset=utf-8"},
    {"text/plain; charset=a; CHARSET=b", "text/plain|charset=a"},
    {"text/plain; charset; =x; a b=c; name=\"open", "text/plain|name=open"},
    {"; name=x", "|name=x"},
    {"attachment; filename=\"tab\there\x01\"", "attachment|filename=tab here "},
    /* RFC 2231 3, 4, 4.1 */
    {"message/external-body; access-type=URL; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub/x.tar\"",
     "message/external-body|access-type=URL|url=ftp://cs.utk.edu/pub/x.tar"},
    {"application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
     "application/x-stuff|title=This is ***fun***"},
    {"application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20;"
     " title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
     "application/x-stuff|title=This is even more ***fun*** isn't it!"},
    /* Sections in another order, one missing, a character cut in two. */
    {"a; f*1=b; f*0=a; f*3=d", "a|f=ab"},
    {"a; f*1=b", "a"},
    {"a; f*0*=utf-8''%e2%82; f*1*=%ac", "a|f=€"},
    {"a; filename=plain; filename*=UTF-8''%e2%82%ac", "a|filename=€"},
    {"a; f*=iso-8859-1''%e9%zz", "a|f=é%zz"},
    {"a; f*=no-charset%20here", "a|f=no-charset here"},
    {"a; f*=x-unknown''%e9", "a|f=\xef\xbf\xbd"},
    {"a; f*=koi8-r''%f0%d2", "a|f=Пр"},
    {"a; f*=utf-8''a%0d%0ab%00c", "a|f=a  b c"},
    {"a; *=x; **=x; f*x=y; f*99999=z", "a|f*x=y|f*99999=z"},
};

static void test_fields_of_many_a_writer_are_read(void **state)
{
    struct mailcharset *charsets = mailcharset_open();
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char *text = shown(fields[i][0], charsets);
        assert_string_equal(text, fields[i][1]);
        mem_free(&text);
    }
    mailcharset_close(&charsets);
}

static void test_parameters_are_found_by_name(void **state)
{
    struct mimefield field;
    mimefield_parse(&field, span_text("x; Name=\"\"; other=b"), NULL);
    assert_string_equal(mimefield_get(&field, "name"), "");
    assert_string_equal(mimefield_get(&field, "other"), "b");
    assert_null(mimefield_get(&field, "charset"));
    mimefield_clear(&field);
    assert_null(field.word);
    mimefield_clear(&field);
}

static void test_a_field_without_bounds_is_bounded(void **state)
{
    struct buf long_name = {0}, many = {0}, sections = {0};
    struct mimefield field;
    buf_puts(&long_name, "x; name=\"a");
    buf_puts(&many, "x");
    buf_puts(&sections, "x");
    for (int i = 0; i < 2000; i++) {
        buf_puts(&long_name, "é");
        buf_putf(&many, "; p%d=%d", i, i);
        buf_putf(&sections, "; n*%d=0123456789", i);
    }
    mimefield_parse(&field, buf_span(&long_name), NULL);
    assert_int_equal(strlen(field.params[0].value), MIMEFIELD_VALUE_MAX - 1); /* no half é */
    mimefield_clear(&field);
    mimefield_parse(&field, buf_span(&many), NULL);
    assert_int_equal(field.n, MIMEFIELD_PARAMS);
    mimefield_clear(&field);
    mimefield_parse(&field, buf_span(&sections), NULL);
    assert_int_equal(field.n, 1);
    assert_int_equal(strlen(field.params[0].value), 10 * MIMEFIELD_SECTIONS);
    mimefield_clear(&field);
    buf_free(&long_name);
    buf_free(&many);
    buf_free(&sections);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_many_a_writer_are_read),
        cmocka_unit_test(test_parameters_are_found_by_name),
        cmocka_unit_test(test_a_field_without_bounds_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
