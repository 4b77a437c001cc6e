#include "sm_input.h"

#include <errno.h>
#include <inttypes.h>
#include <sysexits.h>
#include <unistd.h>

#define PIECE 65536

static struct span present_line(const struct sm_input *in)
{
    struct span text = buf_span(&in->text);
    return text.n == 0 ? text : span_of(text.p + in->line_at, text.n - in->line_at);
}

static void end_line(struct sm_input *in)
{
    struct span line = present_line(in);
    in->crs = 0;
    if (!in->ignore_dots && span_is(line, ".")) {
        buf_cut(&in->text, in->line_at);
        in->ended = true;
        return;
    }
    in->body = in->body || line.n == 0;
    buf_puts(&in->text, "\r\n");
    in->line_at = in->text.n;
    in->lines++;
}

/* Text follows the CRs that are waiting: none of them belongs to a line end. */
static void settle_crs(struct sm_input *in)
{
    for (; in->crs > 0; in->crs--)
        buf_puts(&in->text, in->body ? "\r\n" : " ");
}

/* How many octets of s come before the first that is not plain text of a line. */
static size_t plain_run(struct sm_input *in, struct span s)
{
    size_t i = 0;
    unsigned char all = 0;
    while (i < s.n && s.p[i] != '\n' && s.p[i] != '\r' && s.p[i] != '\0')
        all |= s.p[i++];
    in->eight_bit = in->eight_bit || all > 127;
    return i;
}

int sm_input_take(struct sm_input *in, struct span piece, struct fail *f)
{
    while (piece.n > 0 && !in->ended) {
        size_t run = plain_run(in, piece);
        if (run > 0) {
            settle_crs(in);
            buf_put(&in->text, piece.p, run);
        } else if (piece.p[run++] == '\n') {
            end_line(in);
        } else if (piece.p[0] == '\r') {
            in->crs++;
        } else {
            (void)fail_set(f, "the message holds a NUL, in line %" PRIu64 " behind %zu octets",
                           in->lines + 1, present_line(in).n + in->crs);
            return EX_DATAERR;
        }
        if (in->text.n > in->max || in->crs > in->max) {
            (void)fail_set(f, "the message is larger than %zu octets", in->max);
            return EX_DATAERR;
        }
        piece = span_of(piece.p + run, piece.n - run);
    }
    return 0;
}

void sm_input_end(struct sm_input *in)
{
    if (!in->ended && present_line(in).n > 0)
        end_line(in);
}

int sm_input_read(struct sm_input *in, int fd, struct fail *f)
{
    unsigned char piece[PIECE];
    while (!in->ended) {
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            (void)fail_errno(f, "cannot read the message from standard input");
            return EX_IOERR;
        }
        if (got == 0)
            break;
        int code = sm_input_take(in, span_of(piece, (size_t)got), f);
        if (code != 0)
            return code;
    }
    sm_input_end(in);
    return 0;
}
