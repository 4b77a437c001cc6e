#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "line.h"
#include "mem.h"

#define S(text)                                                                                    \
    {                                                                                              \
        (const unsigned char *)(text), sizeof(text) - 1                                            \
    }

/* What came out, one letter and the text a line: "=EHLO x|L|=QUIT|". */
static void drain(struct line_reader *r, struct span in, struct buf *log)
{
    static const char letters[] = {[LINE_OK] = '=',
                                   [LINE_TOO_LONG] = 'L',
                                   [LINE_BARE_LF] = 'n',
                                   [LINE_BARE_CR] = 'r',
                                   [LINE_NUL] = '0'};
    struct span line;
    enum line_kind kind;
    while ((kind = line_next(r, &in, &line)) != LINE_MORE) {
        buf_putc(log, letters[kind]);
        buf_put_span(log, line);
        buf_putc(log, '|');
    }
    assert_int_equal(in.n, 0);
}

/* Feeds in up to a, then up to b, then the rest; each from memory of its own, so that reading
 * beyond a piece is seen. Adds "?" and the pending offence, and what is pending. */
static void run(struct span in, size_t a, size_t b, bool loose, struct buf *log)
{
    const size_t cuts[] = {0, a, b, in.n};
    struct line_reader r;
    line_open(&r, 10, loose);
    for (size_t i = 0; i < 3; i++) {
        unsigned char *piece = mem_copy(in.p + cuts[i], cuts[i + 1] - cuts[i]);
        drain(&r, span_of(piece, cuts[i + 1] - cuts[i]), log);
        mem_free(&piece);
    }
    buf_putf(log, "?%d,%d", line_trouble(&r), (int)line_pending(&r));
    line_close(&r);
}

static const struct {
    struct span in;
    bool loose;
    const char *out;
} cases[] = {
    {S(""), false, "?0,0"},
    {S("\r\n"), false, "=|?0,0"},
    {S("EHLO x\r\nQUIT\r\n"), false, "=EHLO x|=QUIT|?0,0"},
    {S("RSET\r\nRSE"), false, "=RSET|?0,3"},
    {S("RSET\r"), false, "?0,5"},
    /* Ten octets fit, eleven do not; the CR LF does not count. */
    {S("0123456789\r\nA\r\n"), false, "=0123456789|=A|?0,0"},
    {S("0123456789a\r\nA\r\n"), false, "L|=A|?0,0"},
    {S("0123456789abcdefghij"), false, "?2,20"},
    {S("0123456789\r"), false, "?0,11"},
    {S("0123456789\ra\r\nA\r\n"), false, "r|=A|?0,0"},
    /* A LF alone ends nothing; the line goes on to CR LF. */
    {S("RSET\nQUIT\r\nA\r\n"), false, "n|=A|?0,0"},
    {S("\n\r\nA\r\n"), false, "n|=A|?0,0"},
    {S("RSET\n"), false, "?3,5"},
    {S("\r\nA\n\r\n"), false, "=|n|?0,0"},
    /* Nor does a CR alone. */
    {S("RSET\rQUIT\r\nA\r\n"), false, "r|=A|?0,0"},
    {S("RSET\r\r\nA\r\n"), false, "r|=A|?0,0"},
    {S("\r\r"), false, "?4,2"},
    {S("A\0B\r\nA\r\n"), false, "0|=A|?0,0"},
    {S("\0\r\n\0\n\r\n"), false, "0|0|?0,0"},
    /* The first offence is the one that counts. */
    {S("a\nb\rc\0d0123456789\r\nA\r\n"), false, "n|=A|?0,0"},
    {S("0123456789abc\n\r\n"), false, "L|?0,0"},
    /* Replies are read loosely. */
    {S("250 ok\n250 ok\r\n"), true, "=250 ok|=250 ok|?0,0"},
    {S("a\rb\r\r\n"), true, "=a\rb\r|?0,0"},
    {S("a\r\r"), true, "?0,3"},
    {S("0123456789a\nA\n"), true, "L|=A|?0,0"},
    {S("012345678\rA\n"), true, "L|?0,0"},
    {S("\r\r\r\r\r\r\r\r\r\r\r\n"), true, "=\r\r\r\r\r\r\r\r\r\r|?0,0"},
    {S("\n\n\r\n"), true, "=|=|=|?0,0"},
};

static void test_lines_come_out_the_same_however_they_arrive(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t a = 0; a <= cases[i].in.n; a++) {
            for (size_t b = a; b <= cases[i].in.n; b++) {
                struct buf log = {0};
                run(cases[i].in, a, b, cases[i].loose, &log);
                if (strcmp(buf_text(&log), cases[i].out) != 0)
                    fail_msg("case %zu cut at %zu and %zu: %s, not %s", i, a, b, buf_text(&log),
                             cases[i].out);
                buf_free(&log);
            }
        }
    }
}

static void test_octet_by_octet_is_the_same(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct line_reader r;
        struct buf log = {0};
        line_open(&r, 10, cases[i].loose);
        for (size_t k = 0; k < cases[i].in.n; k++)
            drain(&r, span_of(cases[i].in.p + k, 1), &log);
        buf_putf(&log, "?%d,%d", line_trouble(&r), (int)line_pending(&r));
        assert_string_equal(buf_text(&log), cases[i].out);
        buf_free(&log);
        line_close(&r);
    }
}

static void test_a_line_of_ten_million_octets_takes_no_memory(void **state)
{
    enum { N = 10 * 1000 * 1000 };
    unsigned char *big = mem_alloc(N);
    struct span in, line;
    struct line_reader r;
    memset(big, 'x', N);
    line_open(&r, 512, false);
    for (int pieces = 1; pieces <= 10000; pieces *= 100) {
        for (int i = 0; i < pieces; i++) {
            in = span_of(big, N / (size_t)pieces);
            assert_int_equal(line_next(&r, &in, &line), LINE_MORE);
            assert_true(r.held.cap <= 4096);
        }
        assert_int_equal(line_trouble(&r), LINE_TOO_LONG);
        assert_int_equal(line_pending(&r), N);
        in = span_text("\r\nNOOP\r\n");
        assert_int_equal(line_next(&r, &in, &line), LINE_TOO_LONG);
        assert_int_equal(line_next(&r, &in, &line), LINE_OK);
        assert_true(span_is(line, "NOOP"));
    }
    line_close(&r);
    mem_free(&big);
}

static void test_nothing_is_held_of_a_line_that_is_swallowed(void **state)
{
    struct line_reader r;
    struct span in = span_text("12345678"), line;
    line_open(&r, 10, false);
    assert_int_equal(line_next(&r, &in, &line), LINE_MORE);
    assert_int_equal(r.held.n, 8);
    in = span_text("901");
    assert_int_equal(line_next(&r, &in, &line), LINE_MORE);
    assert_int_equal(r.held.n, 0);
    line_close(&r);
}

static void test_a_whole_line_is_not_copied(void **state)
{
    struct line_reader r;
    struct span in = span_text("NOOP\r\nQUIT\r\n"), line;
    const unsigned char *p = in.p;
    line_open(&r, 10, false);
    assert_int_equal(line_next(&r, &in, &line), LINE_OK);
    assert_ptr_equal(line.p, p);
    assert_int_equal(line_next(&r, &in, &line), LINE_OK);
    assert_ptr_equal(line.p, p + 6);
    line_close(&r);
}

static void test_reset_forgets_the_beginning_of_a_line(void **state)
{
    struct line_reader r;
    struct span in = span_text("INJECTED\n"), line;
    line_open(&r, 10, false);
    assert_int_equal(line_next(&r, &in, &line), LINE_MORE);
    line_reset(&r);
    assert_int_equal(line_pending(&r), 0);
    in = span_text("EHLO x\r\n");
    assert_int_equal(line_next(&r, &in, &line), LINE_OK);
    assert_true(span_is(line, "EHLO x"));
    line_close(&r);
}

static void test_a_bare_lf_in_a_reply_is_noticed(void **state)
{
    struct line_reader r;
    struct span in = span_text("a\r\nb\n"), line;
    line_open(&r, 10, true);
    assert_int_equal(line_next(&r, &in, &line), LINE_OK);
    assert_false(r.bare_lf);
    assert_int_equal(line_next(&r, &in, &line), LINE_OK);
    assert_true(r.bare_lf);
    line_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_come_out_the_same_however_they_arrive),
        cmocka_unit_test(test_octet_by_octet_is_the_same),
        cmocka_unit_test(test_a_line_of_ten_million_octets_takes_no_memory),
        cmocka_unit_test(test_nothing_is_held_of_a_line_that_is_swallowed),
        cmocka_unit_test(test_a_whole_line_is_not_copied),
        cmocka_unit_test(test_reset_forgets_the_beginning_of_a_line),
        cmocka_unit_test(test_a_bare_lf_in_a_reply_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
