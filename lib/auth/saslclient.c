#include "saslclient.h"

#include <assert.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base64.h"
#include "mem.h"
#include "scramclient.h"

#define OFFERED_SHOWN 300 /* octets */
#define MESSAGE_FRAME 512 /* octets of our messages beside names and secrets, amply */
#define MD5_SIZE 16

enum need { NOTHING, PASSWORD, TOKEN };

typedef bool initial_fn(struct saslclient *x, struct buf *out);
typedef int step_fn(struct saslclient *x, struct span challenge, struct buf *out, struct fail *f);

static initial_fn initial_scram, initial_plain, initial_external, initial_oauthbearer,
    initial_xoauth2;
static step_fn step_scram, step_cram_md5, step_login, step_oauthbearer, step_xoauth2, step_none;

/* In the order of the enum. shows: whoever is at the other end can use what he gets to be us. */
static const struct mechanism {
    const char *name;
    enum need need;
    bool shows, binds, sha256;
    initial_fn *initial; /* NULL: the server begins */
    step_fn *step;
} mechanisms[SASLCLIENT_MECHANISMS] = {
    {"SCRAM-SHA-256-PLUS", PASSWORD, false, true, true, initial_scram, step_scram},
    {"SCRAM-SHA-256", PASSWORD, false, false, true, initial_scram, step_scram},
    {"SCRAM-SHA-1-PLUS", PASSWORD, false, true, false, initial_scram, step_scram},
    {"SCRAM-SHA-1", PASSWORD, false, false, false, initial_scram, step_scram},
    {"CRAM-MD5", PASSWORD, false, false, false, NULL, step_cram_md5},
    {"PLAIN", PASSWORD, true, false, false, initial_plain, step_none},
    {"LOGIN", PASSWORD, true, false, false, NULL, step_login},
    {"EXTERNAL", NOTHING, false, false, false, initial_external, step_none},
    {"OAUTHBEARER", TOKEN, true, false, false, initial_oauthbearer, step_oauthbearer},
    {"XOAUTH2", TOKEN, true, false, false, initial_xoauth2, step_xoauth2},
};

struct saslclient {
    const struct mechanism *mechanism;
    struct buf user, secret; /* the password or token */
    char *host;
    uint16_t port;
    struct scramclient *scram;
    unsigned steps;
    bool complete;
};

int saslclient_find(struct span name)
{
    for (int i = 0; i < SASLCLIENT_MECHANISMS; i++) {
        if (span_is_nocase(name, mechanisms[i].name))
            return i;
    }
    return -1;
}

/* ---- the choice ---- */

static bool is_offered(const struct saslclient_server *server, const char *name)
{
    for (size_t i = 0; i < server->offered_n; i++) {
        if (span_is_nocase(span_text(server->offered[i]), name))
            return true;
    }
    return false;
}

/* The binding to use, its name and octets; SASLCLIENT_BIND_NONE when there is none. */
static enum saslclient_binding binding_of(const struct saslclient_identity *identity,
                                          const struct saslclient_server *server, const char **name,
                                          struct span *data)
{
    enum saslclient_binding b = identity->binding;
    if (b == SASLCLIENT_BIND_AUTO) {
        bool exporter =
            server->exporter.n > 0 && (server->exporter_first || server->end_point.n == 0);
        b = exporter ? SASLCLIENT_BIND_EXPORTER : SASLCLIENT_BIND_END_POINT;
    }
    *name = b == SASLCLIENT_BIND_EXPORTER ? "tls-exporter" : "tls-server-end-point";
    *data = b == SASLCLIENT_BIND_EXPORTER    ? server->exporter
            : b == SASLCLIENT_BIND_END_POINT ? server->end_point
                                             : (struct span){0};
    return data->n > 0 ? b : SASLCLIENT_BIND_NONE;
}

static bool can_bind(const struct saslclient_identity *identity,
                     const struct saslclient_server *server)
{
    const char *name;
    struct span data;
    return binding_of(identity, server, &name, &data) != SASLCLIENT_BIND_NONE;
}

static bool is_usable(const struct mechanism *m, const struct saslclient_identity *identity,
                      const struct saslclient_server *server)
{
    bool has = m->need == NOTHING ||
               (identity->user != NULL &&
                (m->need == PASSWORD ? identity->password.n > 0 : identity->token.n > 0));
    return has && (!m->shows || server->verified || identity->unverified) &&
           (!m->binds || can_bind(identity, server));
}

/* The i-th that may be used, or NULL behind the last one. */
static const struct mechanism *allowed(const struct saslclient_identity *identity, size_t i)
{
    if (identity->order_n > 0)
        return i < identity->order_n ? &mechanisms[identity->order[i]] : NULL;
    return i < SASLCLIENT_MECHANISMS ? &mechanisms[i] : NULL;
}

static bool is_allowed(const struct saslclient_identity *identity, const struct mechanism *m)
{
    const struct mechanism *each;
    for (size_t i = 0; (each = allowed(identity, i)) != NULL; i++) {
        if (each == m)
            return true;
    }
    return false;
}

static const struct mechanism *choose(const struct saslclient_identity *identity,
                                      const struct saslclient_server *server)
{
    const struct mechanism *m;
    for (size_t i = 0; (m = allowed(identity, i)) != NULL; i++) {
        bool by_name_only = identity->order_n == 0 && m->need == NOTHING;
        if (!by_name_only && is_offered(server, m->name) && is_usable(m, identity, server))
            return m;
    }
    return NULL;
}

/* Why none would do. What was withheld for want of TLS is worth saying. */
static void explain(const struct saslclient_identity *identity,
                    const struct saslclient_server *server, struct fail *f)
{
    struct buf offered = {0};
    bool withheld = false;
    for (size_t i = 0; i < server->offered_n && offered.n < OFFERED_SHOWN; i++) {
        int m = saslclient_find(span_text(server->offered[i]));
        buf_putf(&offered, " %.20s", server->offered[i]);
        withheld = withheld || (m >= 0 && mechanisms[m].shows && !server->verified &&
                                !identity->unverified && is_allowed(identity, &mechanisms[m]));
    }
    if (offered.n == 0)
        (void)fail_set(f, "the server offers no authentication");
    else
        (void)fail_set(
            f, "no mechanism that can be used is among those that the server offers%s:%.*s",
            withheld ? ", as TLS did not prove it to be the host" : "",
            (int)(offered.n < OFFERED_SHOWN ? offered.n : OFFERED_SHOWN), buf_text(&offered));
    buf_free(&offered);
}

/* The -PLUS form of a mechanism without binding, or NULL. */
static const struct mechanism *plus_of(const struct mechanism *m)
{
    return m > mechanisms && m[-1].binds ? m - 1 : NULL;
}

static int begin_scram(struct saslclient *x, const struct saslclient_identity *identity,
                       const struct saslclient_server *server, struct fail *f)
{
    const struct mechanism *m = x->mechanism, *plus = plus_of(m);
    struct scramclient_options o = {.sha256 = m->sha256,
                                    .user = span_text(identity->user),
                                    .password = identity->password,
                                    .iterations = identity->iterations,
                                    .nonce = identity->nonce};
    if (m->binds)
        (void)binding_of(identity, server, &o.binding, &o.data);
    else
        /* A server that did offer -PLUS learns by this "y" that somebody took it away (RFC 5802
         * section 6). */
        o.could_bind = plus != NULL && !is_offered(server, plus->name) &&
                       is_allowed(identity, plus) && can_bind(identity, server);
    x->scram = scramclient_new(&o, f);
    return x->scram != NULL ? 0 : -1;
}

struct saslclient *saslclient_begin(const struct saslclient_identity *identity,
                                    const struct saslclient_server *server, struct fail *f)
{
    const struct mechanism *m = choose(identity, server);
    if (m == NULL) {
        explain(identity, server, f);
        return NULL;
    }
    struct saslclient *x = mem_zero(sizeof *x);
    x->mechanism = m;
    buf_puts(&x->user, identity->user == NULL ? "" : identity->user);
    buf_put_span(&x->secret, m->need == TOKEN ? identity->token : identity->password);
    x->host = mem_text(server->host);
    x->port = server->port;
    if (m->step == step_scram && begin_scram(x, identity, server, f) != 0)
        saslclient_free(&x);
    return x;
}

void saslclient_free(struct saslclient **xp)
{
    struct saslclient *x = *xp;
    if (x == NULL)
        return;
    scramclient_free(&x->scram);
    buf_wipe(&x->user);
    buf_wipe(&x->secret);
    mem_free(&x->host);
    mem_free(xp);
}

const char *saslclient_name(const struct saslclient *x)
{
    return x->mechanism->name;
}

/* So that no copy of a secret stays behind where out lay before it grew. */
static void make_room(const struct saslclient *x, struct buf *out)
{
    (void)buf_room(out, x->secret.n + 3 * x->user.n + strlen(x->host) + MESSAGE_FRAME);
}

bool saslclient_initial(struct saslclient *x, struct buf *out)
{
    make_room(x, out);
    return x->mechanism->initial != NULL && x->mechanism->initial(x, out);
}

int saslclient_step(struct saslclient *x, struct span challenge, struct buf *out, struct fail *f)
{
    if (challenge.n > SASLCLIENT_MESSAGE_MAX)
        return fail_set(f, "the challenge is too long");
    x->steps++;
    make_room(x, out);
    return x->mechanism->step(x, challenge, out, f);
}

bool saslclient_is_complete(const struct saslclient *x)
{
    return x->complete;
}

static int over(struct fail *f)
{
    return fail_set(f, "the server goes on when all has been said");
}

/* ---- SCRAM ---- */

static bool initial_scram(struct saslclient *x, struct buf *out)
{
    scramclient_first(x->scram, out);
    return true;
}

static int step_scram(struct saslclient *x, struct span challenge, struct buf *out, struct fail *f)
{
    int rc = scramclient_step(x->scram, challenge, out, f);
    x->complete = scramclient_is_proved(x->scram);
    return rc;
}

/* ---- CRAM-MD5 ---- */

/* "<" something "@" host ">", with nothing in it that does not show: RFC 2195 section 2 has it so,
 * and digits and a time in front, which servers do not keep to. Of other octets, chosen by whoever
 * answers, MD5 could tell something of the password. */
static bool is_message_id(struct span s)
{
    ssize_t at = span_find(s, '@');
    if (s.n < 5 || s.p[0] != '<' || s.p[s.n - 1] != '>' || at < 2 || (size_t)at + 2 >= s.n)
        return false;
    for (size_t i = 1; i + 1 < s.n; i++) {
        bool parts = s.p[i] == '<' || s.p[i] == '>' || (s.p[i] == '@' && i != (size_t)at);
        if (s.p[i] <= ' ' || s.p[i] > '~' || parts)
            return false;
    }
    return true;
}

/* response = user SP hex(HMAC-MD5(password, challenge)) */
static int step_cram_md5(struct saslclient *x, struct span challenge, struct buf *out,
                         struct fail *f)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    struct span password = buf_span(&x->secret);
    if (x->complete)
        return over(f);
    if (!is_message_id(challenge))
        return fail_set(f, "the challenge is none of CRAM-MD5");
    if (HMAC(EVP_md5(), password.p, (int)password.n, challenge.p, challenge.n, digest, &n) ==
            NULL ||
        n != MD5_SIZE)
        return fail_set(f, "MD5 cannot be had on this system");
    buf_put_span(out, buf_span(&x->user));
    buf_putc(out, ' ');
    hex_encode(out, span_of(digest, n));
    x->complete = true;
    return 0;
}

/* ---- mechanisms of one message ---- */

static int step_none(struct saslclient *x, struct span challenge, struct buf *out, struct fail *f)
{
    return over(f);
}

/* message = NUL authcid NUL passwd: to act as oneself (RFC 4616 section 2) */
static bool initial_plain(struct saslclient *x, struct buf *out)
{
    buf_putc(out, '\0');
    buf_put_span(out, buf_span(&x->user));
    buf_putc(out, '\0');
    buf_put_span(out, buf_span(&x->secret));
    x->complete = true;
    return true;
}

/* Empty: to act as who one was found to be. */
static bool initial_external(struct saslclient *x, struct buf *out)
{
    buf_put_span(out, buf_span(&x->user));
    x->complete = true;
    return true;
}

/* What the questions are is not looked at: servers differ in it, and some leave them empty. */
static int step_login(struct saslclient *x, struct span challenge, struct buf *out, struct fail *f)
{
    if (x->steps > 2)
        return over(f);
    buf_put_span(out, buf_span(x->steps == 1 ? &x->user : &x->secret));
    x->complete = x->steps == 2;
    return 0;
}

/* ---- OAuth 2.0 ---- */

/* RFC 7628 section 3.1. */
static bool initial_oauthbearer(struct saslclient *x, struct buf *out)
{
    buf_puts(out, "n,a=");
    scramclient_name(out, buf_span(&x->user));
    buf_putf(out, ",\001host=%s\001port=%u\001auth=Bearer ", x->host, (unsigned)x->port);
    buf_put_span(out, buf_span(&x->secret));
    buf_puts(out, "\001\001");
    x->complete = true;
    return true;
}

static bool initial_xoauth2(struct saslclient *x, struct buf *out)
{
    buf_puts(out, "user=");
    buf_put_span(out, buf_span(&x->user));
    buf_puts(out, "\001auth=Bearer ");
    buf_put_span(out, buf_span(&x->secret));
    buf_puts(out, "\001\001");
    x->complete = true;
    return true;
}

/* The server says why it refuses, and wants an answer before it says so by a code. */
static int acknowledge(struct saslclient *x, struct buf *out, const char *answer, struct fail *f)
{
    if (x->steps > 1)
        return over(f);
    x->complete = false;
    buf_puts(out, answer);
    return 0;
}

static int step_oauthbearer(struct saslclient *x, struct span challenge, struct buf *out,
                            struct fail *f)
{
    return acknowledge(x, out, "\001", f);
}

static int step_xoauth2(struct saslclient *x, struct span challenge, struct buf *out,
                        struct fail *f)
{
    return acknowledge(x, out, "", f);
}
