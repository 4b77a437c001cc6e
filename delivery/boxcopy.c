#include <errno.h>
#include <unistd.h>

#include "boxop.h"
#include "file.h"
#include "mem.h"

#define PIECE 65536
#define PIECES_A_STEP 16

static void convert(struct boxcopy *c, struct buf *out, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (c->to_crlf) {
            if (p[i] == '\n' && !c->after_cr)
                buf_putc(out, '\r');
            buf_putc(out, p[i]);
            c->after_cr = p[i] == '\r';
            continue;
        }
        if (c->after_cr && p[i] != '\n')
            buf_putc(out, '\r');
        c->after_cr = p[i] == '\r';
        if (!c->after_cr)
            buf_putc(out, p[i]);
    }
}

static enum boxcopy_result put(struct boxcopy *c, const struct buf *b)
{
    struct span octets = buf_span(b);
    if (octets.n > c->most - c->written)
        return BOXCOPY_TOO_LARGE;
    c->written += octets.n;
    return file_write_all(c->to, octets.p, octets.n) == 0 ? BOXCOPY_MORE : BOXCOPY_FAILED;
}

enum boxcopy_result boxcopy_put(struct boxcopy *c, struct span octets)
{
    struct buf b = {0};
    convert(c, &b, octets.p, octets.n);
    enum boxcopy_result result = put(c, &b);
    int error = errno;
    buf_free(&b);
    errno = error;
    return result;
}

static enum boxcopy_result copy_piece(struct boxcopy *c, unsigned char *octets, struct buf *b)
{
    ssize_t got = pread(c->from, octets, PIECE, (off_t)c->at);
    if (got < 0)
        return errno == EINTR ? BOXCOPY_MORE : BOXCOPY_FAILED;
    buf_clear(b);
    if (got == 0 && c->after_cr && !c->to_crlf)
        buf_putc(b, '\r');
    convert(c, b, octets, (size_t)got);
    c->at += (uint64_t)got;
    enum boxcopy_result result = put(c, b);
    return result == BOXCOPY_MORE && got == 0 ? BOXCOPY_DONE : result;
}

enum boxcopy_result boxcopy_step(struct boxcopy *c)
{
    enum boxcopy_result result = BOXCOPY_MORE;
    unsigned char *octets = mem_alloc(PIECE);
    struct buf b = {0};
    for (int i = 0; i < PIECES_A_STEP && result == BOXCOPY_MORE; i++)
        result = copy_piece(c, octets, &b);
    int error = errno;
    buf_free(&b);
    mem_free(&octets);
    errno = error;
    return result;
}
