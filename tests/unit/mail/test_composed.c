#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base64.h"
#include "composed.h"
#include "file.h"
#include "mem.h"

/* Octets that do not repeat within a line of base64. */
static void fill(struct buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_putc(b, (int)(i * 7 + i / 251) & 0xff);
}

/* Frame "head\r\n", the file, frame "tail\r\n". */
static void put(struct composed *c, const struct mimepart_file *file)
{
    *c = (struct composed){0};
    buf_puts(&c->frame, "head\r\n");
    composed_put_file(c, file);
    buf_puts(&c->frame, "tail\r\n");
    c->size += c->frame.n;
}

/* Reads it in pieces, and compares the whole with what it must be. */
static void check(const struct composed *c, struct span content, size_t skip)
{
    struct buf expected = {0}, got = {0}, piece = {0};
    struct composed_reader r;
    struct fail f = {""};
    int rc;
    buf_puts(&expected, "head\r\n");
    base64_encode_lines(&expected, content);
    buf_puts(&expected, "tail\r\n");
    assert_int_equal(c->size, expected.n);
    buf_drop(&expected, skip);
    composed_open(&r, c, skip);
    while ((rc = composed_next(&r, &piece, &f)) > 0) {
        assert_true(piece.n > 0 && piece.n <= COMPOSED_PIECE);
        buf_put_span(&got, buf_span(&piece));
        buf_clear(&piece);
    }
    composed_close(&r);
    assert_int_equal(rc, 0);
    assert_true(span_equal(buf_span(&got), buf_span(&expected)));
    buf_free(&expected);
    buf_free(&got);
    buf_free(&piece);
}

static const size_t sizes[] = {1,     2,     3,     56,    57,    58,     114,    58367,
                               58368, 58369, 58371, 58424, 58425, 116736, 116737, 1 << 20};

static void test_a_file_in_memory_is_encoded_piece_by_piece(void **state)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buf content = {0};
        struct composed c;
        fill(&content, sizes[i]);
        const struct mimepart_file file = {.data = buf_span(&content)};
        put(&c, &file);
        check(&c, buf_span(&content), 0);
        check(&c, buf_span(&content), 6); /* and again */
        composed_clear(&c);
        buf_free(&content);
    }
}

static void test_a_file_in_a_descriptor_is_read_where_it_stands(void **state)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buf content = {0};
        struct composed c;
        struct fail f;
        fill(&content, sizes[i] + 20);
        int fd = file_sealed("content", buf_span(&content), &f);
        assert_true(fd >= 0);
        const struct mimepart_file file = {
            .form = MIMEPART_RANGE, .fd = fd, .at = 10, .n = sizes[i]};
        put(&c, &file);
        check(&c, span_of(buf_span(&content).p + 10, sizes[i]), 3);
        composed_clear(&c);
        buf_free(&content);
        file_close(&fd);
    }
}

/* The digits of octets in lines of a length of their own, or in none. */
static void encode_in_lines(struct buf *out, struct span octets, size_t columns)
{
    struct buf digits = {0};
    base64_encode(&digits, octets);
    for (size_t i = 0; i < digits.n; i++) {
        buf_putc(out, buf_span(&digits).p[i]);
        if (columns > 0 && i % columns == columns - 1)
            buf_puts(out, i % 2 == 0 ? "\n" : " \r\n");
    }
    buf_free(&digits);
}

static void test_what_is_base64_already_gets_the_lines_of_mime(void **state)
{
    static const size_t columns[] = {0, 1, 4, 75, 76, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buf content = {0}, text = {0};
        struct composed c;
        fill(&content, sizes[i]);
        encode_in_lines(&text, buf_span(&content), columns[i % 6]);
        const struct mimepart_file file = {.data = buf_span(&text), .form = MIMEPART_BASE64};
        put(&c, &file);
        check(&c, buf_span(&content), 0);
        composed_clear(&c);
        buf_free(&content);
        buf_free(&text);
    }
}

static void test_files_that_are_empty_leave_nothing(void **state)
{
    static const struct mimepart_file empty[] = {
        {.form = MIMEPART_OCTETS}, {.form = MIMEPART_RANGE, .fd = -1}, {.form = MIMEPART_BASE64}};
    struct composed c = {0};
    struct buf whole = {0};
    for (size_t i = 0; i < 3; i++)
        composed_put_file(&c, &empty[i]);
    buf_puts(&c.frame, "x");
    assert_int_equal(composed_write(&c, &whole, NULL), 0);
    assert_string_equal(buf_text(&whole), "x");
    buf_free(&whole);
    composed_clear(&c);
    composed_clear(NULL);
}

static void test_a_descriptor_that_holds_too_little_is_a_failure(void **state)
{
    struct fail f = {""};
    struct composed c;
    struct buf whole = {0};
    int fd = file_sealed("content", span_text("short"), &f);
    const struct mimepart_file file = {.form = MIMEPART_RANGE, .fd = fd, .n = 6},
                               closed = {.form = MIMEPART_RANGE, .fd = -1, .n = 6};
    put(&c, &file);
    assert_int_equal(composed_write(&c, &whole, &f), -1);
    assert_string_equal(f.text, "a file is shorter than it was");
    composed_clear(&c);
    put(&c, &closed);
    assert_int_equal(composed_write(&c, &whole, &f), -1);
    composed_clear(&c);
    buf_free(&whole);
    file_close(&fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_in_memory_is_encoded_piece_by_piece),
        cmocka_unit_test(test_a_file_in_a_descriptor_is_read_where_it_stands),
        cmocka_unit_test(test_what_is_base64_already_gets_the_lines_of_mime),
        cmocka_unit_test(test_files_that_are_empty_leave_nothing),
        cmocka_unit_test(test_a_descriptor_that_holds_too_little_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
