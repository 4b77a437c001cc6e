#include "socks.h"

#include <assert.h>

enum { VERSION = 5, LOGIN_VERSION = 1, CONNECT = 1 };
enum { METHOD_NONE = 0, METHOD_PASSWORD = 2, METHOD_REFUSED = 0xff };

/* RFC 1928 section 6, the reply field. */
static const char *const reasons[] = {
    NULL,
    "general failure",
    "not allowed by its rules",
    "the network is unreachable",
    "the host is unreachable",
    "the connection was refused",
    "the time to live is over",
    "it does not take this command",
    "it does not take this kind of address",
};

void socks_begin(struct socks *s, const struct socks_target *target, bool can_log_in,
                 struct buf *out)
{
    size_t n = target->address.n;
    assert(target->kind == SOCKS_NAME ? n >= 1 && n <= 255
                                      : n == (target->kind == SOCKS_IPV4 ? 4 : 16));
    s->state = SOCKS_METHOD;
    s->can_log_in = can_log_in;
    /* VER | NMETHODS | METHODS */
    buf_putc(out, VERSION);
    buf_putc(out, can_log_in ? 2 : 1);
    buf_putc(out, METHOD_NONE);
    if (can_log_in)
        buf_putc(out, METHOD_PASSWORD);
    /* VER | CMD | RSV | ATYP | DST.ADDR | DST.PORT */
    buf_clear(&s->request);
    buf_putc(&s->request, VERSION);
    buf_putc(&s->request, CONNECT);
    buf_putc(&s->request, 0);
    buf_putc(&s->request, target->kind);
    if (target->kind == SOCKS_NAME)
        buf_putc(&s->request, (int)n);
    buf_put_span(&s->request, target->address);
    buf_putc(&s->request, target->port >> 8);
    buf_putc(&s->request, target->port & 0xff);
}

static void take(struct span *in, size_t n)
{
    *in = span_of(in->p + n, in->n - n);
}

static enum socks_got bad(struct socks *s, struct fail *f, const char *sentence)
{
    s->state = SOCKS_OVER;
    (void)fail_set(f, "%s", sentence);
    return SOCKS_BAD;
}

static enum socks_got send_request(struct socks *s, struct buf *out)
{
    s->state = SOCKS_REPLY;
    buf_put_span(out, buf_span(&s->request));
    return SOCKS_MORE;
}

/* VER | METHOD */
static enum socks_got on_method(struct socks *s, struct span *in, struct buf *out, struct fail *f)
{
    if (in->n >= 1 && in->p[0] != VERSION)
        return bad(s, f, "this is not a SOCKS 5 proxy");
    if (in->n < 2)
        return SOCKS_MORE;
    unsigned char method = in->p[1];
    take(in, 2);
    if (method == METHOD_NONE)
        return send_request(s, out);
    if (method == METHOD_PASSWORD && s->can_log_in) {
        s->state = SOCKS_CHECK;
        return SOCKS_PASSWORD;
    }
    return bad(s, f,
               method == METHOD_REFUSED && !s->can_log_in
                   ? "the proxy asks for credentials, and none are configured"
               : method == METHOD_REFUSED ? "the proxy takes no password"
                                          : "the proxy chose what was not offered");
}

/* VER | STATUS */
static enum socks_got on_check(struct socks *s, struct span *in, struct buf *out, struct fail *f)
{
    if (in->n >= 1 && in->p[0] != LOGIN_VERSION)
        return bad(s, f, "the proxy's answer to the password makes no sense");
    if (in->n < 2)
        return SOCKS_MORE;
    unsigned char status = in->p[1];
    take(in, 2);
    return status == 0 ? send_request(s, out) : bad(s, f, "the proxy refuses user and password");
}

/* Octets of BND.ADDR from its first one on; 0 when more has to arrive, -1 for no such kind. */
static int bound_size(struct span in)
{
    switch (in.p[3]) {
    case SOCKS_IPV4:
        return 4;
    case SOCKS_IPV6:
        return 16;
    case SOCKS_NAME:
        return in.n < 5 ? 0 : 1 + in.p[4];
    default:
        return -1;
    }
}

/* VER | REP | RSV | ATYP | BND.ADDR | BND.PORT */
static enum socks_got on_reply(struct socks *s, struct span *in, struct fail *f)
{
    if (in->n >= 1 && in->p[0] != VERSION)
        return bad(s, f, "the proxy's reply makes no sense");
    if (in->n >= 2 && in->p[1] != 0) {
        unsigned char code = in->p[1];
        s->state = SOCKS_OVER;
        if (code < sizeof reasons / sizeof reasons[0])
            (void)fail_set(f, "the proxy cannot connect: %s", reasons[code]);
        else
            (void)fail_set(f, "the proxy cannot connect: code %u", code);
        return SOCKS_BAD;
    }
    if (in->n < 4)
        return SOCKS_MORE;
    int size = bound_size(*in);
    if (size < 0)
        return bad(s, f, "the proxy's reply makes no sense");
    if (size == 0 || in->n < 4 + (size_t)size + 2)
        return SOCKS_MORE;
    take(in, 4 + (size_t)size + 2);
    s->state = SOCKS_OVER;
    return SOCKS_DONE;
}

enum socks_got socks_feed(struct socks *s, struct span *in, struct buf *out, struct fail *f)
{
    enum socks_got got = SOCKS_MORE;
    /* Each turn ends one of its messages. */
    for (int i = 0; i < SOCKS_OVER && got == SOCKS_MORE && in->n > 0; i++) {
        if (s->state == SOCKS_METHOD)
            got = on_method(s, in, out, f);
        else if (s->state == SOCKS_CHECK)
            got = on_check(s, in, out, f);
        else if (s->state == SOCKS_REPLY)
            got = on_reply(s, in, f);
        else
            got = bad(s, f, "the proxy speaks out of turn");
    }
    return got;
}

void socks_clear(struct socks *s)
{
    buf_free(&s->request);
    *s = (struct socks){0};
}
