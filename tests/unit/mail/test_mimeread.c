#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "mimeread.h"

/* "type{body}" of a part, "type[child,child]" of one that has any. */
static void show(struct buf *out, const struct mimeread *m, const struct mimeread_part *part)
{
    buf_puts(out, part->type.word);
    if (part->first == 0) {
        buf_putc(out, '{');
        buf_put_span(out, part->body);
        buf_putc(out, '}');
        return;
    }
    buf_putc(out, '[');
    for (const struct mimeread_part *c = mimeread_first(m, part); c != NULL;
         c = mimeread_next(m, c)) {
        if (c != mimeread_first(m, part))
            buf_putc(out, ',');
        show(out, m, c);
    }
    buf_putc(out, ']');
}

static char *tree_of(struct span message)
{
    struct mimeread m;
    struct buf out = {0};
    mimeread_parse(&m, message, NULL);
    show(&out, &m, &m.parts[0]);
    mimeread_clear(&m);
    assert_null(m.parts);
    return buf_take_text(&out);
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\n\n"

static const char *const trees[][2] = {
    {"", "/{}"},
    {"Subject: x\n\nbody\n", "/{body\n}"},
    {"Subject: x", "/{}"},
    {"Content-Type: text\n\nx", "text/plain{x}"},
    {"Content-Type: nonsense\n\nx", "application/octet-stream{x}"},
    {"Content-Type: a/b/c\n\nx", "application/octet-stream{x}"},
    {"Content-Type:\n\nx", "/{x}"},
    {"Content-Type: TEXT/HTML; charset\n\nx", "text/html{x}"},
    {MIXED "preamble\n--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n\n--b--\nepilogue\n",
     "multipart/mixed[/{one},text/html{two\n}]"},
    /* The last delimiter is missing; everything is. */
    {MIXED "--b\n\none\n", "multipart/mixed[/{one\n}]"},
    {MIXED "nothing\n", "multipart/mixed{nothing\n}"},
    {MIXED "--b--\n--b\n\nnot a part\n", "multipart/mixed{--b--\n--b\n\nnot a part\n}"},
    {"Content-Type: multipart/mixed\n\n--b\n\none\n--b--\n",
     "multipart/mixed{--b\n\none\n--b--\n}"},
    {MIXED "--b\n--b\n\n--b\n\n\n--b\nSubject: x\n--b--\n", "multipart/mixed[/{},/{},/{},/{}]"},
    /* White space behind a delimiter; what only looks like one. */
    {MIXED "--b \t\n\none\n--bb\n --b\n--b x\n-b\n--b\t--\n--b-- \n",
     "multipart/mixed[/{one\n--bb\n --b\n--b x\n-b\n--b\t--}]"},
    {MIXED "--b\n\none\n--b", "multipart/mixed[/{one},/{}]"},
    /* An outer delimiter ends what is within. */
    {MIXED
     "--b\nContent-Type: multipart/alternative; boundary=\"b c\"\n\n--b c\n\ndeep\n--b\n\nout\n"
     "--b--\n",
     "multipart/mixed[multipart/alternative[/{deep}],/{out}]"},
    {MIXED
     "--b\nContent-Type: multipart/related; boundary=i\n\n--i\n\n1\n--i--\nep\n--i\n\n--b\n\n2\n"
     "--b--\n",
     "multipart/mixed[multipart/related[/{1}],/{2}]"},
    /* The same boundary within and without: the inner one first. */
    {MIXED "--b\nContent-Type: multipart/x; boundary=b\n\n--b\n\n1\n--b--\n--b\n\n2\n--b--\n",
     "multipart/mixed[multipart/x[/{1}],/{2}]"},
    {MIXED "--b\nContent-Type: message/rfc822\n\n" MIXED "--c\n\nx\n--c--\n--b--\n",
     "multipart/mixed[message/rfc822{" MIXED "--c\n\nx\n--c--}]"},
};

static void test_parts_are_found_as_tolerant_readers_find_them(void **state)
{
    for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
        char *tree = tree_of(span_text(trees[i][0]));
        assert_string_equal(tree, trees[i][1]);
        mem_free(&tree);
    }
}

static struct buf with_crlf(const char *s)
{
    struct buf out = {0};
    for (; *s != '\0'; s++)
        buf_puts(&out, *s == '\n' ? "\r\n" : (char[]){*s, '\0'});
    return out;
}

static void test_line_ends_may_be_crlf(void **state)
{
    for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
        struct buf message = with_crlf(trees[i][0]), want = with_crlf(trees[i][1]);
        char *tree = tree_of(buf_span(&message));
        assert_string_equal(tree, buf_text(&want));
        mem_free(&tree);
        buf_free(&message);
        buf_free(&want);
    }
}

/* RFC 2046 5.1.1. */
static const char example[] =
    "From: Nathaniel Borenstein <nsb@bellcore.com>\r\nMIME-Version: 1.0\r\n"
    "Content-type: multipart/mixed; boundary=\"simple boundary\"\r\n\r\n"
    "This is the preamble.  It is to be ignored.\r\n"
    "\r\n--simple boundary\r\n\r\n"
    "This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak."
    "\r\n--simple boundary\r\nContent-type: text/plain; charset=us-ascii\r\n\r\n"
    "This is explicitly typed plain US-ASCII text.\r\nIt DOES end with a linebreak.\r\n"
    "\r\n--simple boundary--\r\n\r\nThis is the epilogue.  It is also to be ignored.\r\n";

static void test_the_standard_s_own_example_is_read(void **state)
{
    struct mimeread m;
    mimeread_parse(&m, span_text(example), NULL);
    assert_int_equal(m.n, 3);
    assert_int_equal(m.parts[0].children, 2);
    assert_false(m.cut);
    assert_true(span_is(m.parts[1].header, "\r\n"));
    assert_true(span_is(m.parts[1].body, "This is implicitly typed plain US-ASCII text.\r\n"
                                         "It does NOT end with a linebreak."));
    assert_true(span_is(m.parts[2].body, "This is explicitly typed plain US-ASCII text.\r\n"
                                         "It DOES end with a linebreak.\r\n"));
    assert_string_equal(mimefield_get(&m.parts[2].type, "charset"), "us-ascii");
    assert_ptr_equal(mimeread_at(&m, NULL, 0), &m.parts[0]);
    assert_ptr_equal(mimeread_at(&m, (int64_t[]){1}, 1), &m.parts[2]);
    assert_null(mimeread_at(&m, (int64_t[]){2}, 1));
    assert_null(mimeread_at(&m, (int64_t[]){-1}, 1));
    assert_null(mimeread_at(&m, (int64_t[]){1, 0}, 2));
    mimeread_clear(&m);
}

static const struct {
    const char *header, *id, *disposition, *filename;
    enum mimeread_encoding encoding;
} described[] = {
    {"", "", "", "", MIMEREAD_IDENTITY},
    {"Content-ID: <a@b>\nContent-Transfer-Encoding: BASE64\n", "<a@b>", "", "", MIMEREAD_BASE64},
    {"Content-Id:\n <a@b> \nContent-Transfer-Encoding: Quoted-Printable (why not)\n", "<a@b>", "",
     "", MIMEREAD_QUOTED_PRINTABLE},
    {"Content-Transfer-Encoding: x-uuencode\n", "", "", "", MIMEREAD_IDENTITY},
    {"Content-Disposition: INLINE; filename=a.txt\nContent-Type: text/plain; name=b.txt\n", "",
     "inline", "a.txt", MIMEREAD_IDENTITY},
    {"Content-Disposition: attachment\nContent-Type: text/plain; name=b.txt\n", "", "attachment",
     "b.txt", MIMEREAD_IDENTITY},
    {"Content-Disposition: =?; filename=c.txt\n", "", "", "c.txt", MIMEREAD_IDENTITY},
    {"Content-Disposition: attachment;\n filename*=utf-8''%e2%82%ac.txt\n", "", "attachment",
     "€.txt", MIMEREAD_IDENTITY},
    {"Content-Disposition: attachment; filename=\"=?utf-8?Q?=E2=82=AC?=\"\n", "", "attachment", "€",
     MIMEREAD_IDENTITY},
    {"Content-Type: a/b; name=\"=?koi8-r?B?8NLJ?=\"\n", "", "", "При", MIMEREAD_IDENTITY},
};

static void test_no_part_goes_beyond_the_one_it_is_in(void **state)
{
    struct mimeread m;
    mimeread_parse(
        &m, span_text(MIXED "--b\nContent-Type: multipart/x; boundary=c\n\n--c\n\n--b--\n"), NULL);
    assert_int_equal(m.n, 3);
    assert_int_equal(m.parts[2].body.n, 0);
    assert_ptr_equal(m.parts[2].body.p, m.parts[1].body.p + m.parts[1].body.n);
    mimeread_clear(&m);
}

static void test_a_part_is_described_by_its_fields(void **state)
{
    struct mailcharset *charsets = mailcharset_open();
    for (size_t i = 0; i < sizeof described / sizeof described[0]; i++) {
        struct mimeread m;
        struct buf message = {0};
        buf_putf(&message, "%s\nbody", described[i].header);
        mimeread_parse(&m, buf_span(&message), charsets);
        assert_string_equal(m.parts[0].content_id, described[i].id);
        assert_string_equal(m.parts[0].disposition, described[i].disposition);
        assert_string_equal(m.parts[0].filename, described[i].filename);
        assert_int_equal(m.parts[0].encoding, described[i].encoding);
        assert_true(span_is(m.parts[0].body, "body"));
        mimeread_clear(&m);
        buf_free(&message);
    }
    mailcharset_close(&charsets);
}

static const struct {
    const char *message, *text, *html;
} shown[] = {
    {"\n1", "1", NULL},
    {"Content-Type: text/plain\n\n1", "1", NULL},
    {"Content-Type: text/html\n\n1", NULL, "1"},
    {"Content-Type: image/png\n\n1", NULL, NULL},
    {MIXED "--b\nContent-Type: image/png\n\n0\n--b\nContent-Type: text/html\n\n1\n--b\n\n2\n--b--",
     NULL, "1"},
    {"Content-Type: multipart/alternative; boundary=b\n\n--b\n\n1\n"
     "--b\nContent-Type: text/html\n\n2\n--b\n\n3\n--b--",
     "1", "2"},
    {MIXED "--b\nContent-Disposition: attachment\n\n1\n--b\n\n2\n--b--", "1", NULL},
    /* Its own children go before what is deeper. */
    {MIXED "--b\nContent-Type: multipart/x; boundary=c\n\n--c\n\n1\n--c--\n--b\n\n2\n--b--", "2",
     NULL},
    {MIXED "--b\nContent-Type: a/b\n\n--b\nContent-Type: multipart/x; boundary=c\n\n--c\n"
           "Content-Type: a/b\n\n0\n--c--\n"
           "--b\nContent-Type: multipart/alternative; boundary=d\n\n--d\n\n1\n--d\n"
           "Content-Type: text/html\n\n2\n--d--\n"
           "--b\nContent-Type: multipart/x; boundary=e\n\n--e\n\n3\n--b--",
     "1", "2"},
    /* As Apple Mail and Outlook write it; and what is no alternative stays where it is. */
    {"Content-Type: multipart/alternative; boundary=b\n\n--b\n\n1\n"
     "--b\nContent-Type: multipart/related; boundary=c\n\n--c\nContent-Type: text/html\n\n2\n"
     "--c\nContent-Type: image/png\n\n0\n--c--\n--b--",
     "1", "2"},
    {MIXED "--b\n\n1\n--b\nContent-Type: multipart/related; boundary=c\n\n--c\n"
           "Content-Type: text/html\n\n2\n--c--\n--b--",
     "1", NULL},
};

static void test_the_texts_to_show_are_chosen_as_the_contract_says(void **state)
{
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        struct mimeread m;
        const struct mimeread_part *text, *html;
        mimeread_parse(&m, span_text(shown[i].message), NULL);
        mimeread_texts(&m, &text, &html);
        assert_int_equal(text != NULL, shown[i].text != NULL);
        assert_int_equal(html != NULL, shown[i].html != NULL);
        if (text != NULL)
            assert_true(span_is(text->body, shown[i].text));
        if (html != NULL)
            assert_true(span_is(html->body, shown[i].html));
        mimeread_clear(&m);
    }
}

static void test_no_more_levels_are_looked_into_than_can_be_shown(void **state)
{
    struct buf message = {0};
    struct mimeread m;
    for (int i = 0; i < 50; i++)
        buf_putf(&message, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
    mimeread_parse(&m, buf_span(&message), NULL);
    assert_int_equal(m.n, MIMEREAD_DEPTH_MAX + 1);
    assert_true(m.cut);
    assert_string_equal(m.parts[m.n - 1].type.word, "multipart/mixed");
    mimeread_clear(&m);
    buf_free(&message);
}

static void test_no_more_parts_and_texts_are_kept_than_can_be_shown(void **state)
{
    struct buf message = {0};
    struct mimeread m;
    size_t texts = 0;
    buf_puts(&message, MIXED);
    for (int i = 0; i < 2000; i++) {
        buf_puts(&message, "--b\nContent-Type: text/plain; name=\"");
        for (int k = 0; k < 500; k++)
            buf_putc(&message, 'x');
        buf_puts(&message, "\"\n\nbody\n");
    }
    buf_puts(&message, "--b--\n");
    mimeread_parse(&m, buf_span(&message), NULL);
    assert_int_equal(m.n, MIMEREAD_PARTS_MAX);
    assert_true(m.cut);
    for (size_t i = 0; i < m.n; i++)
        texts += 2 * strlen(m.parts[i].filename); /* as the name and as a parameter */
    assert_in_range(texts, MIMEREAD_TEXTS_MAX - 10000, MIMEREAD_TEXTS_MAX);
    assert_string_equal(m.parts[m.n - 1].type.word, "text/plain");
    mimeread_clear(&m);
    buf_free(&message);
}

static void test_fields_behind_the_end_of_a_huge_header_are_not_looked_for(void **state)
{
    struct buf message = {0};
    struct mimeread m;
    while (message.n < MIMEREAD_HEADER_MAX)
        buf_puts(&message, "X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
    buf_puts(&message, "Content-Type: text/html\n\nbody");
    mimeread_parse(&m, buf_span(&message), NULL);
    assert_string_equal(m.parts[0].type.word, "/");
    assert_true(span_is(m.parts[0].body, "body"));
    assert_true(m.cut);
    mimeread_clear(&m);
    buf_free(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_are_found_as_tolerant_readers_find_them),
        cmocka_unit_test(test_line_ends_may_be_crlf),
        cmocka_unit_test(test_the_standard_s_own_example_is_read),
        cmocka_unit_test(test_no_part_goes_beyond_the_one_it_is_in),
        cmocka_unit_test(test_a_part_is_described_by_its_fields),
        cmocka_unit_test(test_the_texts_to_show_are_chosen_as_the_contract_says),
        cmocka_unit_test(test_no_more_levels_are_looked_into_than_can_be_shown),
        cmocka_unit_test(test_no_more_parts_and_texts_are_kept_than_can_be_shown),
        cmocka_unit_test(test_fields_behind_the_end_of_a_huge_header_are_not_looked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
