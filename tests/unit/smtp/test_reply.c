#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "reply.h"

#define S(text)                                                                                    \
    {                                                                                              \
        (const unsigned char *)(text), sizeof(text) - 1                                            \
    }

/* What came out of a stream: "250 2.0.0 [250-a|250 b] " a reply, "!" for the end of all sense. */
static void drain(struct reply_parser *p, struct span in, struct buf *log)
{
    struct fail f;
    enum reply_got got;
    char code[ENHANCED_SIZE];
    while ((got = reply_feed(p, &in, &f)) == REPLY_DONE) {
        buf_putf(log, "%d %s[", p->reply.code, enhanced_format(p->reply.enhanced, code));
        reply_text(log, &p->reply, "|");
        buf_puts(log, "]");
    }
    if (got == REPLY_BAD) {
        assert_true(strlen(f.text) > 10);
        buf_cut(log, log->n > 0 && buf_span(log).p[log->n - 1] == '!' ? log->n - 1 : log->n);
        buf_puts(log, "!");
    } else {
        assert_int_equal(in.n, 0);
    }
}

static void run(struct span in, size_t a, size_t b, struct buf *log)
{
    const size_t cuts[] = {0, a, b, in.n};
    struct reply_parser p;
    reply_open(&p);
    for (size_t i = 0; i < 3; i++) {
        unsigned char *piece = mem_copy(in.p + cuts[i], cuts[i + 1] - cuts[i]);
        drain(&p, span_of(piece, cuts[i + 1] - cuts[i]), log);
        mem_free(&piece);
    }
    reply_close(&p);
}

static const struct {
    struct span in;
    const char *out;
} cases[] = {
    {S("250 ok\r\n"), "250 [250 ok]"},
    {S("250\r\n"), "250 [250]"},
    {S("250 \r\n"), "250 [250 ]"},
    {S("220-a\r\n220-\r\n220 b\r\n"), "220 [220-a|220-|220 b]"},
    {S("250-a\r\n250\r\n"), "250 [250-a|250]"},
    {S("354 go\n250-a\n250 b\n"), "354 [354 go]250 [250-a|250 b]"},
    /* The enhanced code counts if its class fits, and the last line's if several differ. */
    {S("550 5.1.1 no\r\n"), "550 5.1.1[550 5.1.1 no]"},
    {S("550 4.1.1 no\r\n"), "550 [550 4.1.1 no]"},
    {S("550 5.1.1\r\n"), "550 5.1.1[550 5.1.1]"},
    {S("550 5.1.1no\r\n"), "550 [550 5.1.1no]"},
    {S("550-5.7.1 a\r\n550 5.7.26 b\r\n"), "550 5.7.26[550-5.7.1 a|550 5.7.26 b]"},
    {S("550-5.7.1 a\r\n550 b\r\n"), "550 5.7.1[550-5.7.1 a|550 b]"},
    /* A reply leaves nothing behind for the next. */
    {S("550 5.7.1 a\r\n550 b\r\n"), "550 5.7.1[550 5.7.1 a]550 [550 b]"},
    {S("250 a\r\n251 b\r\n452 4.5.3 c\r\n"), "250 [250 a]251 [251 b]452 4.5.3[452 4.5.3 c]"},
    {S("550 \x1b[2J\0\xff \xc3\xa9\r\r\n"), "550 [550 \\x1b[2J\\x00\\xff \xc3\xa9\\x0d]"},
    {S("599 x\r\n"), "599 [599 x]"},
    /* Not SMTP. */
    {S("\r\n"), "!"},
    {S("25\r\n"), "!"},
    {S("25x a\r\n"), "!"},
    {S("250ok\r\n"), "!"},
    {S("2500 ok\r\n"), "!"},
    {S("150 a\r\n"), "!"},
    {S("650 a\r\n"), "!"},
    {S(" 250 a\r\n"), "!"},
    {S("HTTP/1.1 400 Bad Request\r\n250 ok\r\n"), "!"},
    {S("550-a\r\n250 b\r\n"), "!"},
    {S("250-a\r\n550 b\r\n250 c\r\n"), "!"},
    {S("250 a\r\nx\r\n250 b\r\n"), "250 [250 a]!"},
    /* Not all there yet. */
    {S("250-a\r\n"), ""},
    {S("250 a\r"), ""},
};

static void test_replies_come_out_the_same_however_they_arrive(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t a = 0; a <= cases[i].in.n; a++) {
            for (size_t b = a; b <= cases[i].in.n; b++) {
                struct buf log = {0};
                run(cases[i].in, a, b, &log);
                if (strcmp(buf_text(&log), cases[i].out) != 0)
                    fail_msg("case %zu cut at %zu and %zu: %s, not %s", i, a, b, buf_text(&log),
                             cases[i].out);
                buf_free(&log);
            }
        }
    }
}

static void test_the_sentence_says_what_is_wrong(void **state)
{
    static const struct {
        const char *in, *says;
    } bad[] = {
        {"250-a\r\nhello \x1b\r\n",
         "line 2 of the reply does not begin with a reply code: \"hello \\x1b\""},
        {"250-a\r\n550 b\r\n",
         "line 2 of the reply has code 550, but the lines before it have 250"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct reply_parser p;
        struct span in = span_text(bad[i].in);
        struct fail f;
        reply_open(&p);
        assert_int_equal(reply_feed(&p, &in, &f), REPLY_BAD);
        assert_string_equal(f.text, bad[i].says);
        /* It stays so. */
        in = span_text("250 ok\r\n");
        assert_int_equal(reply_feed(&p, &in, &f), REPLY_BAD);
        reply_close(&p);
    }
}

static void put_reply(struct buf *b, int lines, size_t length)
{
    for (int i = 1; i <= lines; i++) {
        buf_puts(b, i < lines ? "550-" : "550 ");
        for (size_t k = 4; k < length; k++)
            buf_putc(b, 'a' + i % 26);
        buf_puts(b, "\r\n");
    }
}

static enum reply_got feed(struct reply_parser *p, int lines, size_t length)
{
    struct buf in = {0};
    struct fail f;
    put_reply(&in, lines, length);
    struct span rest = buf_span(&in);
    enum reply_got got = reply_feed(p, &rest, &f);
    buf_free(&in);
    return got;
}

static void test_a_long_reply_is_kept_in_part_and_marked(void **state)
{
    static const struct {
        int lines;
        size_t length, kept, octets;
        bool cut;
    } sizes[] = {
        {16, 100, 16, 1600, false}, {17, 100, 16, 1600, true}, {1000, 2048, 4, 8192, true},
        {4, 2048, 4, 8192, false},  {5, 2000, 5, 8192, true},  {5, 2048, 4, 8192, true},
        {16, 512, 16, 8192, false}, {1, 2048, 1, 2048, false},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct reply_parser p;
        struct buf text = {0};
        reply_open(&p);
        assert_int_equal(feed(&p, sizes[i].lines, sizes[i].length), REPLY_DONE);
        assert_int_equal(p.reply.lines, sizes[i].lines);
        assert_int_equal(p.reply.kept, sizes[i].kept);
        assert_int_equal(p.reply.cut, sizes[i].cut);
        reply_text(&text, &p.reply, "");
        assert_int_equal(text.n, sizes[i].octets + (sizes[i].cut ? strlen(" [...]") : 0));
        assert_int_equal(strcmp(buf_text(&text) + text.n - 5, "[...]") == 0, sizes[i].cut);
        buf_free(&text);
        reply_close(&p);
    }
}

static void test_the_enhanced_code_of_the_last_line_counts_though_it_is_not_kept(void **state)
{
    struct reply_parser p;
    struct buf in = {0};
    struct fail f;
    put_reply(&in, 100, 50);
    buf_cut(&in, in.n - 52);
    buf_puts(&in, "550 5.7.26 end\r\n");
    struct span rest = buf_span(&in);
    reply_open(&p);
    assert_int_equal(reply_feed(&p, &rest, &f), REPLY_DONE);
    assert_int_equal(p.reply.enhanced.detail, 26);
    reply_close(&p);
    buf_free(&in);
}

static void test_there_is_an_end_to_what_is_read(void **state)
{
    struct reply_parser p;
    reply_open(&p);
    assert_int_equal(feed(&p, 1000, 10), REPLY_DONE);
    assert_int_equal(feed(&p, 1001, 10), REPLY_BAD);
    reply_close(&p);
    reply_open(&p);
    assert_int_equal(feed(&p, 1, 2049), REPLY_BAD);
    reply_close(&p);
}

static void test_an_endless_line_is_refused_before_its_end(void **state)
{
    struct reply_parser p;
    struct fail f;
    unsigned char x[2049];
    memset(x, '2', sizeof x);
    struct span in = span_of(x, 2048);
    reply_open(&p);
    assert_int_equal(reply_feed(&p, &in, &f), REPLY_MORE);
    in = span_of(x, 1);
    assert_int_equal(reply_feed(&p, &in, &f), REPLY_BAD);
    assert_string_equal(f.text, "line 1 of the reply has more than 2048 octets");
    reply_close(&p);
}

static void join(void *arg, struct span text)
{
    buf_put_span(arg, text);
    buf_putc(arg, '|');
}

static void test_every_line_is_shown_as_it_arrives(void **state)
{
    struct buf log = {0};
    struct reply_parser p;
    struct fail f;
    struct span in = span_text("250-mx.example\r\n250-SIZE 10\r\n250\r\n");
    reply_open(&p);
    p.each = join;
    p.arg = &log;
    assert_int_equal(reply_feed(&p, &in, &f), REPLY_DONE);
    assert_string_equal(buf_text(&log), "mx.example|SIZE 10||");
    buf_clear(&log);
    assert_int_equal(feed(&p, 500, 10), REPLY_DONE);
    assert_int_equal(log.n, 500 * 7);
    buf_free(&log);
    reply_close(&p);
}

static void test_a_reply_can_be_kept(void **state)
{
    struct reply_parser p;
    struct fail f;
    struct span in = span_text("250-a\r\n250 2.0.0 queued as 1\r\n550 no\r\n");
    reply_open(&p);
    assert_int_equal(reply_feed(&p, &in, &f), REPLY_DONE);
    struct reply r = reply_take(&p);
    assert_int_equal(reply_feed(&p, &in, &f), REPLY_DONE);
    assert_int_equal(p.reply.code, 550);
    assert_int_equal(r.code, 250);
    assert_int_equal(r.kept, 2);
    assert_true(span_is(reply_line(&r, 0), "250-a"));
    assert_true(span_is(reply_line_text(&r, 0), "a"));
    assert_true(span_is(reply_line(&r, 1), "250 2.0.0 queued as 1"));
    assert_true(span_is(reply_line_text(&r, 1), "2.0.0 queued as 1"));
    reply_free(&r);
    reply_close(&p);
}

static void test_what_came_before_tls_is_forgotten(void **state)
{
    struct reply_parser p;
    struct fail f;
    struct span in = span_text("250-injected\r\n250-more");
    reply_open(&p);
    assert_int_equal(reply_feed(&p, &in, &f), REPLY_MORE);
    reply_reset(&p);
    in = span_text("250 ok\r\n");
    assert_int_equal(reply_feed(&p, &in, &f), REPLY_DONE);
    assert_int_equal(p.reply.lines, 1);
    assert_true(span_is(reply_line(&p.reply, 0), "250 ok"));
    reply_close(&p);
}

static void test_escaped_text_is_safe_to_keep(void **state)
{
    static const struct {
        struct span in;
        const char *out;
    } texts[] = {
        {S("plain \\ text"), "plain \\ text"},
        {S("a\r\nb\tc\0"), "a\\x0d\\x0ab\\x09c\\x00"},
        {S("\x1b[31m\x7f"), "\\x1b[31m\\x7f"},
        {S("J\xc3\xbcri \xe6\x97\xa5 \xf0\x9f\x93\xa7"),
         "J\xc3\xbcri \xe6\x97\xa5 \xf0\x9f\x93\xa7"},
        {S("\xc3"), "\\xc3"},
        {S("\xe6\x97x"), "\\xe6\\x97x"},
        {S("\xc0\xaf\xed\xa0\x80"), "\\xc0\\xaf\\xed\\xa0\\x80"},
        {S("\xc2\x9b"
           "2J \xc2\xa0"),
         "\\xc2\\x9b2J \xc2\xa0"}, /* C1 controls a terminal, too */
        {S("\x80\xff"), "\\x80\\xff"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buf once = {0}, twice = {0};
        reply_escape(&once, texts[i].in);
        assert_string_equal(buf_text(&once), texts[i].out);
        reply_escape(&twice, buf_span(&once));
        assert_string_equal(buf_text(&twice), texts[i].out);
        buf_free(&once);
        buf_free(&twice);
    }
}

static void test_classes_of_codes(void **state)
{
    assert_true(reply_is_ok(250) && reply_is_ok(252) && !reply_is_ok(354));
    assert_true(reply_is_intermediate(354) && !reply_is_intermediate(250));
    assert_true(reply_is_temporary(421) && !reply_is_temporary(550));
    assert_true(reply_is_permanent(554) && !reply_is_permanent(451));
}

static void test_a_server_writes_replies(void **state)
{
    static const struct {
        int code;
        const char *enhanced, *text, *out;
    } replies[] = {
        {250, "2.1.0", "sender ok", "250 2.1.0 sender ok\r\n"},
        {220, NULL, "mx.example ESMTP", "220 mx.example ESMTP\r\n"},
        {354, NULL, "go on", "354 go on\r\n"},
        {550, "5.7.1", "one\ntwo\r\nthree",
         "550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three\r\n"},
        {550, NULL, "one\n\ntwo\n", "550-one\r\n550-\r\n550 two\r\n"},
        {250, "2.0.0", "", "250 2.0.0 \r\n"},
        {550, "5.1.1", "no \x1b[2J\tJ\xc3\xbcri \xff\r x",
         "550 5.1.1 no \\x1b[2J\\x09J\\xc3\\xbcri \\xff\\x0d x\r\n"},
    };
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        struct buf out = {0};
        buf_puts(&out, "before");
        buf_drop(&out, 3);
        reply_write(&out, replies[i].code, replies[i].enhanced, span_text(replies[i].text));
        assert_memory_equal(buf_text(&out), "ore", 3);
        assert_string_equal(buf_text(&out) + 3, replies[i].out);
        buf_free(&out);
    }
    struct buf out = {0};
    reply_write_utf8(&out, 550, "5.1.1", span_text("J\xc3\xbcri \xff"));
    assert_string_equal(buf_text(&out), "550 5.1.1 J\xc3\xbcri \\xff\r\n");
    buf_free(&out);
}

/* Reads what was written back and checks each line. */
static size_t check_written(struct span in, int code)
{
    size_t lines = 0;
    struct span rest = in;
    while (rest.n > 0) {
        ssize_t lf = span_find(rest, '\n');
        assert_true(lf > 3 && lf + 1 <= REPLY_WRITE_LINE && rest.p[lf - 1] == '\r');
        assert_int_equal(rest.p[3], (size_t)lf + 1 == rest.n ? ' ' : '-');
        rest = span_of(rest.p + lf + 1, rest.n - (size_t)lf - 1);
        lines++;
    }
    struct reply_parser p;
    struct fail f;
    reply_open(&p);
    assert_int_equal(reply_feed(&p, &in, &f), REPLY_DONE);
    assert_int_equal(in.n, 0);
    assert_int_equal(p.reply.code, code);
    assert_int_equal(p.reply.lines, lines);
    reply_close(&p);
    return lines;
}

static void test_long_text_is_wrapped(void **state)
{
    struct buf text = {0}, out = {0};
    for (int i = 0; i < 150; i++)
        buf_putf(&text, "word%03d ", i);
    reply_write(&out, 550, "5.7.1", buf_span(&text));
    assert_int_equal(check_written(buf_span(&out), 550), 3);
    /* Wrapped at a space, which the line end replaces. */
    assert_memory_equal(buf_text(&out) + 502, "061\r\n550-5.7.1 word062", 22);
    buf_free(&text);
    buf_free(&out);
}

static void test_no_length_of_text_makes_a_line_too_long(void **state)
{
    struct buf text = {0}, out = {0};
    for (int n = 0; n < 1600; n++) {
        buf_clear(&out);
        reply_write(&out, 451, n % 2 == 0 ? "4.3.0" : NULL, buf_span(&text));
        (void)check_written(buf_span(&out), 451);
        buf_clear(&out);
        reply_write_utf8(&out, 451, n % 2 == 0 ? "4.3.0" : NULL, buf_span(&text));
        (void)check_written(buf_span(&out), 451);
        buf_puts(&text, n % 3 == 0 ? "\xe6\x97\xa5" : "x");
    }
    buf_free(&text);
    buf_free(&out);
}

static void test_a_character_is_never_cut_in_two(void **state)
{
    struct buf text = {0}, out = {0};
    buf_puts(&text, "x");
    for (int i = 0; i < 400; i++)
        buf_puts(&text, "\xe6\x97\xa5");
    reply_write_utf8(&out, 550, "5.7.1", buf_span(&text));
    assert_null(strstr(buf_text(&out), "\\x"));
    struct buf escaped = {0};
    reply_escape(&escaped, buf_span(&out));
    assert_null(strstr(buf_text(&escaped), "\\xe6"));
    buf_free(&escaped);
    buf_free(&text);
    buf_free(&out);
}

static void test_a_stranger_s_text_cannot_make_a_reply_without_end(void **state)
{
    static const char *const patterns[] = {"\n", "x", "\r\n", "y ", "\x01"};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        struct buf text = {0}, out = {0};
        for (int k = 0; k < 1000000; k++)
            buf_puts(&text, patterns[i]);
        reply_write(&out, 550, "5.7.1", buf_span(&text));
        assert_int_equal(check_written(buf_span(&out), 550), REPLY_WRITE_LINES);
        assert_string_equal(buf_text(&out) + out.n - 17, "550 5.7.1 [...]\r\n");
        buf_free(&text);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies_come_out_the_same_however_they_arrive),
        cmocka_unit_test(test_the_sentence_says_what_is_wrong),
        cmocka_unit_test(test_a_long_reply_is_kept_in_part_and_marked),
        cmocka_unit_test(test_the_enhanced_code_of_the_last_line_counts_though_it_is_not_kept),
        cmocka_unit_test(test_there_is_an_end_to_what_is_read),
        cmocka_unit_test(test_an_endless_line_is_refused_before_its_end),
        cmocka_unit_test(test_every_line_is_shown_as_it_arrives),
        cmocka_unit_test(test_a_reply_can_be_kept),
        cmocka_unit_test(test_what_came_before_tls_is_forgotten),
        cmocka_unit_test(test_escaped_text_is_safe_to_keep),
        cmocka_unit_test(test_classes_of_codes),
        cmocka_unit_test(test_a_server_writes_replies),
        cmocka_unit_test(test_long_text_is_wrapped),
        cmocka_unit_test(test_no_length_of_text_makes_a_line_too_long),
        cmocka_unit_test(test_a_character_is_never_cut_in_two),
        cmocka_unit_test(test_a_stranger_s_text_cannot_make_a_reply_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
