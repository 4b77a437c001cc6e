#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include <cmocka.h>

#include "mem.h"
#include "sm_input.h"

#define MAX 1000
#define T(text)                                                                                    \
    {                                                                                              \
        (const unsigned char *)(text), sizeof(text) - 1                                            \
    }

/* Gives the input in two pieces. Each is a copy of its own, so that a read beyond it is seen. */
static int take(struct sm_input *in, struct span text, size_t cut, struct fail *f)
{
    unsigned char *first = mem_copy(text.p, cut), *second = mem_copy(text.p + cut, text.n - cut);
    int code = sm_input_take(in, span_of(first, cut), f);
    if (code == 0)
        code = sm_input_take(in, span_of(second, text.n - cut), f);
    if (code == 0)
        sm_input_end(in);
    mem_free(&first);
    mem_free(&second);
    return code;
}

static void expect(struct span text, bool ignore_dots, const char *wanted, bool eight_bit)
{
    for (size_t cut = 0; cut <= text.n; cut++) {
        struct sm_input in = {.ignore_dots = ignore_dots, .max = MAX};
        struct fail f;
        assert_int_equal(take(&in, text, cut, &f), 0);
        assert_string_equal(buf_text(&in.text), wanted);
        assert_int_equal(in.eight_bit, eight_bit);
        buf_free(&in.text);
    }
}

static void all_line_ends_become_crlf(void **state)
{
    static const struct {
        struct span text;
        const char *wanted;
    } cases[] = {
        {T(""), ""},
        {T("a\nb\n"), "a\r\nb\r\n"},
        {T("a\r\nb\r\n"), "a\r\nb\r\n"},
        {T("a\nb"), "a\r\nb\r\n"},
        {T("a\r\r\nb\n"), "a\r\nb\r\n"},
        {T("\n\n"), "\r\n\r\n"},
        {T("a\r"), "a\r\n"},
        {T("\r"), ""},
        /* a CR inside a line: a space in the header, a line end behind it */
        {T("S: a\rBcc: b\n\nc\rd\n"), "S: a Bcc: b\r\n\r\nc\r\nd\r\n"},
        {T("S: a\r\rb\n\nc\r\rd\n"), "S: a  b\r\n\r\nc\r\n\r\nd\r\n"},
        {T("\n\rx\n"), "\r\n\r\nx\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(cases[i].text, false, cases[i].wanted, false);
}

static void a_line_with_one_dot_ends_the_message_unless_dots_are_ignored(void **state)
{
    struct span text = T("S: a\n\nb\n.\nc\n"), at_end = T("b\n."), crlf = T("b\r\n.\r\nc\r\n");
    expect(text, false, "S: a\r\n\r\nb\r\n", false);
    expect(text, true, "S: a\r\n\r\nb\r\n.\r\nc\r\n", false);
    expect(at_end, false, "b\r\n", false);
    expect(at_end, true, "b\r\n.\r\n", false);
    expect(crlf, false, "b\r\n", false);
}

static void a_dot_is_the_end_only_where_it_is_a_line_by_itself(void **state)
{
    struct span more = T("..\n. \na.\n"), behind_cr = T("\na\r.\nb\n"), first = T(".\na\n");
    expect(more, false, "..\r\n. \r\na.\r\n", false);
    expect(behind_cr, false, "\r\na\r\n.\r\nb\r\n", false);
    expect(first, false, "", false);
}

static void octets_above_127_are_noticed(void **state)
{
    struct span text = T("a\nb\xc3\xa9\n"), behind_the_end = T("a\n.\n\xff\n");
    expect(text, false, "a\r\nb\xc3\xa9\r\n", true);
    expect(behind_the_end, false, "a\r\n", false);
}

static void a_nul_is_refused_with_its_place(void **state)
{
    struct span text = T("a\nbc\0d\n"), behind_the_end = T("a\n.\nb\0");
    for (size_t cut = 0; cut <= text.n; cut++) {
        struct sm_input in = {.max = MAX};
        struct fail f;
        assert_int_equal(take(&in, text, cut, &f), EX_DATAERR);
        assert_string_equal(f.text, "the message holds a NUL, in line 2 behind 2 octets");
        buf_free(&in.text);
    }
    expect(behind_the_end, false, "a\r\n", false);
}

static void a_message_that_is_too_large_is_refused(void **state)
{
    unsigned char octets[MAX + 1];
    struct fail f;
    struct sm_input in = {.max = MAX}, crs = {.max = MAX};
    memset(octets, 'a', sizeof octets);
    assert_int_equal(sm_input_take(&in, span_of(octets, MAX), &f), 0);
    assert_int_equal(sm_input_take(&in, span_of(octets, 1), &f), EX_DATAERR);
    assert_string_equal(f.text, "the message is larger than 1000 octets");
    buf_free(&in.text);
    memset(octets, '\r', sizeof octets);
    assert_int_equal(sm_input_take(&crs, span_of(octets, sizeof octets), &f), EX_DATAERR);
    buf_free(&crs.text);
}

static void a_pipe_is_read_to_its_end(void **state)
{
    enum { LINES = 2000 };
    struct sm_input in = {.max = 100000};
    struct fail f;
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    for (int i = 0; i < LINES; i++)
        assert_int_equal(write(fd[1], "0123456789\n", 11), 11);
    assert_int_equal(close(fd[1]), 0);
    assert_int_equal(sm_input_read(&in, fd[0], &f), 0);
    assert_int_equal(in.text.n, 12 * LINES);
    assert_int_equal(close(fd[0]), 0);
    buf_free(&in.text);
}

static void an_input_that_cannot_be_read_is_told(void **state)
{
    struct sm_input in = {.max = MAX};
    struct fail f;
    assert_int_equal(sm_input_read(&in, -1, &f), EX_IOERR);
    assert_non_null(strstr(f.text, "cannot read the message from standard input: "));
    buf_free(&in.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_line_ends_become_crlf),
        cmocka_unit_test(a_line_with_one_dot_ends_the_message_unless_dots_are_ignored),
        cmocka_unit_test(a_dot_is_the_end_only_where_it_is_a_line_by_itself),
        cmocka_unit_test(octets_above_127_are_noticed),
        cmocka_unit_test(a_nul_is_refused_with_its_place),
        cmocka_unit_test(a_message_that_is_too_large_is_refused),
        cmocka_unit_test(a_pipe_is_read_to_its_end),
        cmocka_unit_test(an_input_that_cannot_be_read_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
