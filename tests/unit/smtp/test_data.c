#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "data.h"
#include "mem.h"

#define S(text)                                                                                    \
    {                                                                                              \
        (const unsigned char *)(text), sizeof(text) - 1                                            \
    }

static void collect(void *arg, struct span run)
{
    assert_true(run.n > 0);
    buf_put_span(arg, run);
}

static void ignore(void *arg, struct span run)
{
}

/* All that a decoder can tell. */
struct outcome {
    struct buf message;
    bool ended;
    size_t used;
    struct data_decoder d;
};

/* Decodes in, given in three pieces, each in memory of its own. */
static struct outcome decode(struct span in, size_t a, size_t b, uint64_t max)
{
    const size_t cuts[] = {0, a, b, in.n};
    struct outcome o = {0};
    data_open(&o.d, collect, &o.message, max);
    for (size_t i = 0; i < 3 && !o.ended; i++) {
        size_t n = cuts[i + 1] - cuts[i];
        unsigned char *piece = mem_copy(in.p + cuts[i], n);
        struct span rest = span_of(piece, n);
        o.ended = data_decode(&o.d, &rest);
        o.used = cuts[i + 1] - rest.n;
        assert_true(o.ended || rest.n == 0);
        mem_free(&piece);
    }
    return o;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
    return span_equal(buf_span(&a->message), buf_span(&b->message)) && a->ended == b->ended &&
           a->used == b->used && a->d.octets == b->d.octets && a->d.longest == b->d.longest &&
           a->d.has_body == b->d.has_body && a->d.body_at == b->d.body_at &&
           a->d.eight_bit == b->d.eight_bit && a->d.nul == b->d.nul && a->d.over == b->d.over &&
           a->d.refused == b->d.refused;
}

/* Checks one whole input and every way to cut it in three. */
static struct outcome decode_all_ways(struct span in, uint64_t max)
{
    struct outcome whole = decode(in, in.n, in.n, max);
    for (size_t a = 0; a <= in.n; a++) {
        for (size_t b = a; b <= in.n; b++) {
            struct outcome cut = decode(in, a, b, max);
            if (!same(&whole, &cut))
                fail_msg("cut at %zu and %zu of %zu gives another outcome", a, b, in.n);
            buf_free(&cut.message);
        }
    }
    return whole;
}

static const struct {
    struct span in, message;
    size_t rest; /* octets behind the end */
    uint64_t longest, body_at;
    bool has_body, eight_bit, nul;
} good[] = {
    {S(".\r\n"), S(""), 0, 0, 0, false, false, false},
    {S(".\r\nQUIT\r\n"), S(""), 6, 0, 0, false, false, false},
    {S("\r\n.\r\n"), S("\r\n"), 0, 0, 2, true, false, false},
    {S("Subject: x\r\n\r\nhi\r\n.\r\n"), S("Subject: x\r\n\r\nhi\r\n"), 0, 10, 14, true, false,
     false},
    {S("Subject: x\r\n.\r\n"), S("Subject: x\r\n"), 0, 10, 0, false, false, false},
    {S("a\r\n..\r\n.b\r\n...\r\n.\r\n"), S("a\r\n.\r\nb\r\n..\r\n"), 0, 2, 0, false, false, false},
    {S("a.\r\n.\r\n"), S("a.\r\n"), 0, 2, 0, false, false, false},
    {S("..\r\n\r\n.\r\n"), S(".\r\n\r\n"), 0, 1, 5, true, false, false},
    {S("a\r\n.\r\n.\r\n"), S("a\r\n"), 3, 1, 0, false, false, false},
    {S("\xc3\xa9\r\n.\r\n"), S("\xc3\xa9\r\n"), 0, 2, 0, false, true, false},
    {S("\x80\r\n.\r\n"), S("\x80\r\n"), 0, 1, 0, false, true, false},
    {S("a\0b\r\n.\r\n"), S("a\0b\r\n"), 0, 3, 0, false, false, true},
    /* What comes after the end is none of the message's business. */
    {S("a\r\n.\r\n\xff\0\n"), S("a\r\n"), 3, 1, 0, false, false, false},
    {S("0123456789012345678901234567890123456789\xe9\r\n.\r\n"),
     S("0123456789012345678901234567890123456789\xe9\r\n"), 0, 41, 0, false, true, false},
};

static void test_a_message_comes_out_as_it_was_before_stuffing(void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct outcome o = decode_all_ways(good[i].in, 0);
        assert_true(o.ended);
        assert_int_equal(o.d.refused, DATA_FINE);
        assert_true(span_equal(buf_span(&o.message), good[i].message));
        assert_int_equal(good[i].in.n - o.used, good[i].rest);
        assert_int_equal(o.d.octets, good[i].message.n);
        assert_int_equal(o.d.longest, good[i].longest);
        assert_int_equal(o.d.has_body, good[i].has_body);
        assert_int_equal(o.d.body_at, good[i].body_at);
        assert_int_equal(o.d.eight_bit, good[i].eight_bit);
        assert_int_equal(o.d.nul, good[i].nul);
        buf_free(&o.message);
    }
}

/* Ends of data that some server or other was seen to take for one, as published by SEC Consult in
 * 2023 and found since. None is CR LF . CR LF; a message in front of each and commands behind it.
 */
static const struct {
    struct span end;
    enum data_refusal refused;
} smuggled[] = {
    {S("\n.\n"), DATA_BARE_LF},
    {S("\n.\r\n"), DATA_BARE_LF},
    {S("\r.\r\n"), DATA_BARE_CR},
    {S("\r.\r"), DATA_BARE_CR},
    {S("\r.\n"), DATA_BARE_CR},
    {S("\n.\r"), DATA_BARE_LF},
    {S("\r\n.\n"), DATA_BARE_LF},
    {S("\r\n.\r"), DATA_BARE_CR},
    {S("\r\n\0.\r\n"), DATA_FINE},
    {S("\r\n.\0\r\n"), DATA_FINE},
    {S("\r\n.\r\0\n"), DATA_BARE_CR},
    {S("\r\0\n.\r\n"), DATA_BARE_CR},
    {S("\r\r\n.\n"), DATA_BARE_CR},
    {S("\r\n.\r\r\n"), DATA_BARE_CR},
    {S("\n\n.\r\n"), DATA_BARE_LF},
    {S("\r\n.\n\r\n"), DATA_BARE_LF},
    {S("\n\r.\n\r"), DATA_BARE_LF},
    {S("\n\r.\r\n"), DATA_BARE_LF},
    {S("\r\n .\r\n"), DATA_FINE},
    {S("\r\n. \r\n"), DATA_FINE},
    {S("\r\n.\t\r\n"), DATA_FINE},
    {S("\r\n..\r\n"), DATA_FINE},
    {S("\x85.\x85"), DATA_FINE},
    {S("\r\n.\xe2\x80\xa8"), DATA_FINE},
    {S("\v.\v"), DATA_FINE},
    {S("\x8d\x8a.\x8d\x8a"), DATA_FINE}, /* CR and LF with the high bit set */
};

static const char smuggled_commands[] = "MAIL FROM:<admin@a.example>\r\nRCPT TO:<v@b.example>\r\n"
                                        "DATA\r\nevil\r\n";

static void test_nothing_but_crlf_dot_crlf_ends_a_message(void **state)
{
    for (size_t i = 0; i < sizeof smuggled / sizeof smuggled[0]; i++) {
        struct buf in = {0};
        buf_puts(&in, "Subject: a\r\n\r\nharmless");
        buf_put_span(&in, smuggled[i].end);
        buf_puts(&in, smuggled_commands);
        buf_puts(&in, ".\r\nQUIT\r\n");
        struct outcome o = decode_all_ways(buf_span(&in), 0);
        if (!o.ended || in.n - o.used != strlen("QUIT\r\n") || o.d.refused != smuggled[i].refused)
            fail_msg("vector %zu: ended %d, %zu left, refused %d", i, o.ended, in.n - o.used,
                     o.d.refused);
        buf_free(&o.message);
        buf_free(&in);
    }
}

static void test_such_an_end_at_the_very_beginning_is_none_either(void **state)
{
    for (size_t i = 0; i < sizeof smuggled / sizeof smuggled[0]; i++) {
        /* Also without the line end before the dot, which DATA's own line end stands for. */
        for (size_t from = 0; from < smuggled[i].end.n && smuggled[i].end.p[from] != '.'; from++) {
            struct buf in = {0};
            buf_put(&in, smuggled[i].end.p + from, smuggled[i].end.n - from);
            buf_puts(&in, "x\r\n.\r\n");
            struct outcome o = decode_all_ways(buf_span(&in), 0);
            assert_true(o.ended);
            assert_int_equal(o.used, in.n);
            buf_free(&o.message);
            buf_free(&in);
        }
    }
}

/* The same by definition: where the first CR LF . CR LF ends, the one behind DATA counted in. */
static size_t end_by_definition(struct span in)
{
    struct buf all = {0};
    buf_puts(&all, "\r\n");
    buf_put_span(&all, in);
    const unsigned char *p = buf_span(&all).p, *at = memmem(p, all.n, "\r\n.\r\n", 5);
    size_t end = at == NULL ? 0 : (size_t)(at - p) + 5 - 2;
    buf_free(&all);
    return end;
}

static enum data_refusal refusal_by_definition(struct span in)
{
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r'))
            return DATA_BARE_LF;
        if (in.p[i] == '\r' && i + 1 < in.n && in.p[i + 1] != '\n')
            return DATA_BARE_CR;
    }
    return DATA_FINE;
}

static void unstuff_by_definition(struct buf *out, struct span in)
{
    for (size_t i = 0; i < in.n; i++) {
        bool line_start = i == 0 || (i > 1 && in.p[i - 1] == '\n' && in.p[i - 2] == '\r');
        if (!line_start || in.p[i] != '.')
            buf_putc(out, in.p[i]);
    }
}

static void check_against_definition(struct span in, size_t a, size_t b)
{
    struct outcome o = decode(in, a, b, 0);
    size_t end = end_by_definition(in);
    struct span seen = span_of(in.p, end > 0 ? end : in.n);
    assert_int_equal(o.ended, end > 0);
    assert_int_equal(o.used, seen.n);
    assert_int_equal(o.d.refused, refusal_by_definition(seen));
    if (o.ended && o.d.refused == DATA_FINE) {
        struct buf want = {0};
        unstuff_by_definition(&want, span_of(seen.p, seen.n - 3));
        assert_true(span_equal(buf_span(&o.message), buf_span(&want)));
        buf_free(&want);
    }
    buf_free(&o.message);
}

static void test_every_short_stream_is_read_as_the_definition_says(void **state)
{
    static const char letters[] = {'a', '.', '\r', '\n', '\0'};
    unsigned char in[8];
    for (size_t n = 0; n <= sizeof in; n++) {
        size_t all = 1;
        for (size_t i = 0; i < n; i++)
            all *= sizeof letters;
        for (size_t k = 0; k < all; k++) {
            for (size_t i = 0, v = k; i < n; i++, v /= sizeof letters)
                in[i] = (unsigned char)letters[v % sizeof letters];
            check_against_definition(span_of(in, n), n, n);
            for (size_t a = 1; a < n && n < 7; a++)
                check_against_definition(span_of(in, n), a, a + 1);
        }
    }
}

static void test_what_is_over_the_limit_is_counted_but_not_passed_on(void **state)
{
    struct span in = span_text("12345678\r\n..abc\r\n.\r\nQUIT\r\n");
    for (uint64_t max = 1; max < 20; max++) {
        struct outcome o = decode_all_ways(in, max);
        assert_true(o.ended);
        assert_int_equal(o.d.octets, 16);
        assert_int_equal(o.d.over, max < 16);
        assert_int_equal(o.message.n, max < 16 ? max : 16);
        assert_memory_equal(buf_span(&o.message).p, "12345678\r\n.abc\r\n", o.message.n);
        assert_int_equal(in.n - o.used, strlen("QUIT\r\n"));
        buf_free(&o.message);
    }
}

static void count(void *arg, struct span run)
{
    ++*(size_t *)arg;
}

static void test_ordinary_mail_is_passed_on_in_one_run(void **state)
{
    struct buf in = {0};
    struct data_decoder d;
    struct data_encoder e;
    size_t runs = 0;
    for (int i = 0; i < 1000; i++)
        buf_puts(&in, "An ordinary line of an ordinary message.\r\n");
    struct span rest = buf_span(&in);
    data_open(&d, count, &runs, 0);
    assert_false(data_decode(&d, &rest));
    assert_int_equal(runs, 1);
    runs = 0;
    data_encode_open(&e, count, &runs);
    data_encode(&e, buf_span(&in));
    assert_int_equal(runs, 1);
    buf_free(&in);
}

/* Any mixture of CR, LF and dots must cost no more than the same number of letters: the square of
 * this length would run into the test's time limit many times over. */
static void test_no_mixture_of_line_ends_is_slow(void **state)
{
    static const char *const patterns[] = {"\r",     "\n",     ".",   "\r\n", "\n\r",  ".\r\n.",
                                           "\r\r\n", "..\r\n", "a\r", "a\n",  "\r.\n", "\n.\r"};
    enum { N = 10 * 1000 * 1000 };
    for (size_t k = 0; k < sizeof patterns / sizeof patterns[0]; k++) {
        struct buf in = {0};
        struct data_decoder d;
        struct data_encoder e;
        size_t n = strlen(patterns[k]);
        buf_puts(&in, "a");
        for (size_t i = 0; i < N / n; i++)
            buf_put(&in, patterns[k], n);
        struct span rest = buf_span(&in);
        data_open(&d, ignore, NULL, 0);
        (void)data_decode(&d, &rest);
        data_encode_open(&e, ignore, NULL);
        data_encode(&e, buf_span(&in));
        data_encode_end(&e);
        assert_true(e.octets >= N);
        buf_free(&in);
    }
}

static void encode(struct buf *out, struct span in, size_t a, size_t b, struct data_encoder *e)
{
    const size_t cuts[] = {0, a, b, in.n};
    data_encode_open(e, collect, out);
    for (size_t i = 0; i < 3; i++) {
        unsigned char *piece = mem_copy(in.p + cuts[i], cuts[i + 1] - cuts[i]);
        data_encode(e, span_of(piece, cuts[i + 1] - cuts[i]));
        mem_free(&piece);
    }
    data_encode_end(e);
    assert_int_equal(e->octets, out->n);
}

static const struct {
    struct span in;
    const char *out;
    bool mended;
} encoded[] = {
    {S(""), ".\r\n", false},
    {S("a"), "a\r\n.\r\n", false},
    {S("a\r\n"), "a\r\n.\r\n", false},
    {S("."), "..\r\n.\r\n", false},
    {S(".\r\n"), "..\r\n.\r\n", false},
    {S("a\r\n.\r\n.b\r\nc.\r\n..\r\n"), "a\r\n..\r\n..b\r\nc.\r\n...\r\n.\r\n", false},
    {S("\r\n\r\n"), "\r\n\r\n.\r\n", false},
    {S("a\nb"), "a\r\nb\r\n.\r\n", true},
    {S("a\n"), "a\r\n.\r\n", true},
    {S("a\r"), "a\r\n.\r\n", true},
    {S("a\rb"), "a\r\nb\r\n.\r\n", true},
    {S("a\n.\n"), "a\r\n..\r\n.\r\n", true},
    {S("a\r.\r\n"), "a\r\n..\r\n.\r\n", true},
    {S("a\r\r\n"), "a\r\n\r\n.\r\n", true},
    {S("\n\r"), "\r\n\r\n.\r\n", true},
};

static void test_a_message_is_stuffed_and_ended(void **state)
{
    for (size_t i = 0; i < sizeof encoded / sizeof encoded[0]; i++) {
        for (size_t a = 0; a <= encoded[i].in.n; a++) {
            for (size_t b = a; b <= encoded[i].in.n; b++) {
                struct buf out = {0};
                struct data_encoder e;
                encode(&out, encoded[i].in, a, b, &e);
                assert_string_equal(buf_text(&out), encoded[i].out);
                assert_int_equal(e.mended, encoded[i].mended);
                buf_free(&out);
            }
        }
    }
}

static void normalise_by_definition(struct buf *out, struct span in)
{
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n' && i > 0 && in.p[i - 1] == '\r')
            continue;
        if (in.p[i] == '\r' || in.p[i] == '\n')
            buf_puts(out, "\r\n");
        else
            buf_putc(out, in.p[i]);
    }
    if (out->n > 0 && buf_span(out).p[out->n - 1] != '\n')
        buf_puts(out, "\r\n");
}

static void check_there_and_back(struct span in, size_t a, size_t b)
{
    struct buf wire = {0}, want = {0};
    struct data_encoder e;
    encode(&wire, in, a, b, &e);
    normalise_by_definition(&want, in);
    struct outcome o = decode(buf_span(&wire), wire.n, wire.n, 0);
    assert_true(o.ended && o.d.refused == DATA_FINE && o.used == wire.n);
    assert_true(span_equal(buf_span(&o.message), buf_span(&want)));
    assert_int_equal(o.d.octets, want.n);
    buf_free(&o.message);
    buf_free(&wire);
    buf_free(&want);
}

static void test_every_short_message_arrives_with_its_lines_intact(void **state)
{
    static const char letters[] = {'a', '.', '\r', '\n'};
    unsigned char in[7];
    for (size_t n = 0; n <= sizeof in; n++) {
        for (size_t k = 0; k < (size_t)1 << 2 * n; k++) {
            for (size_t i = 0; i < n; i++)
                in[i] = (unsigned char)letters[k >> 2 * i & 3];
            for (size_t a = 0; a < n || a == 0; a++)
                check_there_and_back(span_of(in, n), a, n);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_comes_out_as_it_was_before_stuffing),
        cmocka_unit_test(test_nothing_but_crlf_dot_crlf_ends_a_message),
        cmocka_unit_test(test_such_an_end_at_the_very_beginning_is_none_either),
        cmocka_unit_test(test_every_short_stream_is_read_as_the_definition_says),
        cmocka_unit_test(test_what_is_over_the_limit_is_counted_but_not_passed_on),
        cmocka_unit_test(test_ordinary_mail_is_passed_on_in_one_run),
        cmocka_unit_test(test_no_mixture_of_line_ends_is_slow),
        cmocka_unit_test(test_a_message_is_stuffed_and_ended),
        cmocka_unit_test(test_every_short_message_arrives_with_its_lines_intact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
