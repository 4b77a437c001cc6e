#include "composed.h"

#include <assert.h>
#include <unistd.h>

#include "ascii.h"
#include "base64.h"
#include "mem.h"

enum {
    LINE_OCTETS = 57, /* RFC 2045 section 6.8: 76 characters, of these */
    LINE_DIGITS = 76,
    LINES = 1024, /* of a piece */
};

static_assert(LINES * (LINE_DIGITS + 2) <= COMPOSED_PIECE, "a piece is too long");

void composed_clear(struct composed *c)
{
    if (c == NULL)
        return;
    buf_free(&c->frame);
    mem_free(&c->gaps);
    mem_free(&c->message_id);
    *c = (struct composed){0};
}

static size_t count_digits(struct span base64)
{
    size_t n = 0;
    for (size_t i = 0; i < base64.n; i++)
        n += !ascii_is_space(base64.p[i]);
    return n;
}

/* In lines, each with its CR LF. */
static uint64_t encoded_size(const struct mimepart_file *file)
{
    uint64_t digits = file->form == MIMEPART_BASE64  ? count_digits(file->data)
                      : file->form == MIMEPART_RANGE ? (file->n + 2) / 3 * 4
                                                     : ((uint64_t)file->data.n + 2) / 3 * 4;
    return digits + (digits + LINE_DIGITS - 1) / LINE_DIGITS * 2;
}

void composed_put_file(struct composed *c, const struct mimepart_file *file)
{
    c->gaps = mem_resize(c->gaps, (c->gaps_n + 1) * sizeof *c->gaps);
    c->gaps[c->gaps_n++] = (struct composed_gap){c->frame.n, *file};
    c->size += encoded_size(file);
}

/* ---- reading ---- */

void composed_open(struct composed_reader *r, const struct composed *c, size_t skip)
{
    assert(skip <= (c->gaps_n > 0 ? c->gaps[0].at : c->frame.n));
    *r = (struct composed_reader){.of = c, .at = skip};
}

void composed_close(struct composed_reader *r)
{
    buf_free(&r->octets);
}

/* Each appends the next piece of a file. Returns 1, or 0 when it has been given as a whole. */

static int next_octets(struct composed_reader *r, const struct mimepart_file *file, struct buf *out,
                       struct fail *f)
{
    size_t left = file->data.n - r->done,
           n = left < LINES * LINE_OCTETS ? left : LINES * LINE_OCTETS;
    base64_encode_lines(out, span_of(file->data.p + r->done, n));
    r->done += n;
    return n > 0;
}

static int next_range(struct composed_reader *r, const struct mimepart_file *file, struct buf *out,
                      struct fail *f)
{
    uint64_t left = file->n - r->done;
    size_t n = left < LINES * LINE_OCTETS ? (size_t)left : LINES * LINE_OCTETS;
    buf_clear(&r->octets);
    while (r->octets.n < n) {
        size_t wanted = n - r->octets.n;
        ssize_t got = pread(file->fd, buf_room(&r->octets, wanted), wanted,
                            (off_t)(file->at + r->done + r->octets.n));
        if (got < 0)
            return fail_errno(f, "cannot read a file");
        if (got == 0)
            return fail_set(f, "a file is shorter than it was");
        buf_grew(&r->octets, (size_t)got);
    }
    base64_encode_lines(out, buf_span(&r->octets));
    r->done += n;
    return n > 0;
}

/* The digits are right as they are; their lines may be of any length. */
static int next_base64(struct composed_reader *r, const struct mimepart_file *file, struct buf *out,
                       struct fail *f)
{
    struct span in = file->data;
    size_t end =
        in.n - r->done < LINES * LINE_DIGITS ? in.n : (size_t)r->done + LINES * LINE_DIGITS;
    if (r->done == in.n)
        return 0;
    for (size_t i = (size_t)r->done; i < end; i++) {
        if (ascii_is_space(in.p[i]))
            continue;
        buf_putc(out, in.p[i]);
        if (++r->column == LINE_DIGITS)
            buf_puts(out, "\r\n");
        r->column %= LINE_DIGITS;
    }
    r->done = end;
    if (end == in.n && r->column > 0)
        buf_puts(out, "\r\n");
    return 1;
}

static int next_of_file(struct composed_reader *r, struct buf *out, struct fail *f)
{
    static int (*const by_form[])(struct composed_reader * r, const struct mimepart_file *file,
                                  struct buf *out, struct fail *f) = {
        [MIMEPART_OCTETS] = next_octets,
        [MIMEPART_BASE64] = next_base64,
        [MIMEPART_RANGE] = next_range,
    };
    const struct mimepart_file *file = &r->of->gaps[r->gap].file;
    int rc = by_form[file->form](r, file, out, f);
    if (rc == 0) {
        r->gap++;
        r->done = r->column = 0;
    }
    return rc;
}

int composed_next(struct composed_reader *r, struct buf *out, struct fail *f)
{
    for (;;) {
        bool in_frame = r->gap == r->of->gaps_n;
        size_t end = in_frame ? r->of->frame.n : r->of->gaps[r->gap].at;
        if (r->at < end) {
            buf_put(out, buf_span(&r->of->frame).p + r->at, end - r->at);
            r->at = end;
            return 1;
        }
        if (in_frame)
            return 0;
        int rc = next_of_file(r, out, f);
        if (rc != 0)
            return rc;
    }
}

int composed_write(const struct composed *c, struct buf *out, struct fail *f)
{
    struct composed_reader r;
    int rc;
    composed_open(&r, c, 0);
    do {
        rc = composed_next(&r, out, f);
    } while (rc > 0);
    composed_close(&r);
    return rc;
}
