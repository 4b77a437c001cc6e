#include "site.h"

#include <poll.h>

#include "clock.h"
#include "file.h"
#include "log.h"
#include "mem.h"
#include "proto_secret.h"
#include "tlscert.h"
#include "tlsserver.h"

#define SECURITY_LEVEL 2 /* costs no mail: key exchange and signatures are modern ones anyway */
#define RETRY_MS 1000

struct site {
    char *label;
    struct buf chain; /* PEM */
    struct signing *signing;
    SSL_CTX *ctx;     /* made when first needed */
    int64_t retry_ms; /* monotonic: not before */
    struct fail why;  /* the last attempt failed */
};

/* OpenSSL asks in the middle of a handshake. It knows the key by what arg points to. */
static int sign(void *arg, int key_type, int nid_or_padding, struct span input, struct buf *out,
                struct fail *f)
{
    struct site *s = arg;
    if (s->signing->fd < 0)
        return fail_set(f, "the vault is not there");
    if (secret_tls_sign(s->signing->fd, s->label, (uint32_t)key_type, (uint32_t)nid_or_padding,
                        input, out, f) == 0)
        return 0;
    log_error(NULL, "cannot sign for TLS", LS("listener", s->label), LS("why", f->text));
    return -1;
}

struct site *site_new(const char *label, int fd, struct signing *signing, struct fail *f)
{
    struct site *s = mem_zero(sizeof *s);
    s->label = mem_text(label);
    s->signing = signing;
    if (file_read_fd(fd, TLSCERT_PEM_MAX, &s->chain, f) == 0 &&
        tlscert_check_chain(buf_span(&s->chain), clock_wall_ms(), f) == 0)
        return s;
    (void)fail_prefix(f, "certificate of listener %s", label);
    site_free(&s);
    return NULL;
}

void site_free(struct site **sp)
{
    struct site *s = *sp;
    if (s == NULL)
        return;
    tlsserver_free(&s->ctx);
    buf_free(&s->chain);
    mem_free(&s->label);
    mem_free(sp);
}

const char *site_label(const struct site *s)
{
    return s->label;
}

static SSL_CTX *make_context(struct site *s, struct fail *f)
{
    const struct tls_remote remote = {sign, s};
    const struct tlsserver_options options = {SECURITY_LEVEL, span_text(s->label)};
    SSL_CTX *ctx = tlsserver_new(&options, f);
    if (ctx != NULL && tlsserver_add_certificate(ctx, buf_span(&s->chain), &remote, f) != 0)
        tlsserver_free(&ctx);
    return ctx;
}

/* A vault that has ended shows at once, and the client can be told before it begins a handshake. A
 * signature that came too late may still lie there; the next question passes over it. */
static bool is_there(const struct signing *signing)
{
    struct pollfd p = {.fd = signing->fd, .events = POLLRDHUP};
    return signing->fd >= 0 && poll(&p, 1, 0) == 0;
}

SSL *site_accept(struct site *s, struct fail *f)
{
    int64_t now = clock_mono_ms();
    if (!is_there(s->signing)) {
        (void)fail_set(f, "the vault is not there");
        return NULL;
    }
    if (s->ctx == NULL && now < s->retry_ms) {
        *f = s->why;
        return NULL;
    }
    if (s->ctx == NULL)
        s->ctx = make_context(s, f);
    if (s->ctx == NULL) {
        s->why = *f;
        s->retry_ms = now + RETRY_MS;
        log_error(NULL, "no TLS for now", LS("listener", s->label), LS("why", f->text));
        return NULL;
    }
    return tlsserver_accept(s->ctx);
}
