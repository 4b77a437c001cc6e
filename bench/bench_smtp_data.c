/* How fast messages pass through the DATA decoder and encoder, beside two measures of the same
 * machine in the same run: copying the octets, and a decoder that looks at one octet at a time.
 * Each line is the best of several rounds. The sink copies, as every real one does. */

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "data.h"
#include "mem.h"

enum { TOTAL = 64 * 1024 * 1024, PIECE = 16 * 1024, ROUNDS = 7 };

struct area {
    unsigned char *p;
    size_t n;
};

static void copy(void *arg, struct span run)
{
    struct area *to = arg;
    memcpy(to->p + to->n, run.p, run.n);
    to->n += run.n;
}

/* A message of this kind, CR LF dot CR LF at its end. */
static void text_mail(struct buf *b)
{
    static const char *const lines[] = {
        "Hello,\r\n",
        "\r\n",
        "the parts that you asked for were sent this morning and should arrive on Friday.\r\n",
        "Please tell us if anything is missing.\r\n",
        "..this line began with a dot\r\n",
        "Yours,\r\n",
    };
    buf_puts(b, "From: a@example.org\r\nTo: b@example.net\r\nSubject: parts\r\n\r\n");
    for (size_t i = 0; b->n < TOTAL - 200; i++)
        buf_puts(b, lines[i % (sizeof lines / sizeof lines[0])]);
    buf_puts(b, ".\r\n");
}

static void base64_mail(struct buf *b)
{
    static const char line[] =
        "TWFuIGlzIGRpc3Rpbmd1aXNoZWQsIG5vdCBvbmx5IGJ5IGhpcyByZWFzb24sIGJ1dCBieSB0aGlz\r\n";
    while (b->n < TOTAL - 200)
        buf_puts(b, line);
    buf_puts(b, ".\r\n");
}

static void long_lines_mail(struct buf *b)
{
    while (b->n < TOTAL - 2000) {
        for (int i = 0; i < 998; i++)
            buf_putc(b, 'a' + i % 26);
        buf_puts(b, "\r\n");
    }
    buf_puts(b, ".\r\n");
}

static void run_decoder(struct span in, struct area *out)
{
    struct data_decoder d;
    data_open(&d, copy, out, 0);
    for (size_t i = 0; i < in.n; i += PIECE) {
        struct span piece = span_of(in.p + i, in.n - i < PIECE ? in.n - i : PIECE);
        (void)data_decode(&d, &piece);
    }
}

static void run_encoder(struct span in, struct area *out)
{
    struct data_encoder e;
    data_encode_open(&e, copy, out);
    for (size_t i = 0; i < in.n; i += PIECE)
        data_encode(&e, span_of(in.p + i, in.n - i < PIECE ? in.n - i : PIECE));
    data_encode_end(&e);
}

static void run_copy(struct span in, struct area *out)
{
    for (size_t i = 0; i < in.n; i += PIECE)
        copy(out, span_of(in.p + i, in.n - i < PIECE ? in.n - i : PIECE));
}

/* What a plain state machine costs; it checks as much as ours does of the line ends, and nothing
 * else. */
static void run_octets(struct span in, struct area *out)
{
    enum { START, DOT, DOT_CR, TEXT, CR } state = START;
    unsigned char *to = out->p;
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = in.p[i];
        switch (state) {
        case START:
            state = c == '.' ? DOT : c == '\r' ? CR : TEXT;
            if (c != '.')
                *to++ = c;
            break;
        case DOT:
            state = c == '\r' ? DOT_CR : TEXT;
            if (c != '\r')
                *to++ = c;
            break;
        case DOT_CR:
            out->n = (size_t)(to - out->p);
            return;
        case TEXT:
            state = c == '\r' ? CR : TEXT;
            *to++ = c;
            break;
        case CR:
            state = c == '\n' ? START : TEXT;
            *to++ = c;
            break;
        }
    }
}

static void measure(const char *what, void (*run)(struct span in, struct area *out), struct span in,
                    struct area *out)
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = clock_mono_us();
        out->n = 0;
        run(in, out);
        int64_t took = clock_mono_us() - start;
        best = took < best ? took : best;
    }
    printf("  %-20s %8.0f MB/s\n", what, (double)in.n / (double)(best > 0 ? best : 1));
}

int main(void)
{
    static const struct {
        const char *name;
        void (*make)(struct buf *b);
    } kinds[] = {
        {"text, short lines", text_mail},
        {"base64, lines of 76", base64_mail},
        {"lines of 998", long_lines_mail},
    };
    struct area out = {mem_alloc(2 * TOTAL), 0};
    memset(out.p, 1, 2 * TOTAL);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct buf in = {0};
        kinds[i].make(&in);
        printf("%s, %zu octets in pieces of %d\n", kinds[i].name, in.n, PIECE);
        measure("decode", run_decoder, buf_span(&in), &out);
        measure("encode", run_encoder, span_of(buf_span(&in).p, in.n - 3), &out);
        measure("octet by octet", run_octets, buf_span(&in), &out);
        measure("copy", run_copy, buf_span(&in), &out);
        buf_free(&in);
    }
    mem_free(&out.p);
    return 0;
}
