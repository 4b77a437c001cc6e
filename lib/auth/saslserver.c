#include "saslserver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <gsasl.h>
#include <openssl/crypto.h>

#include "base64.h"
#include "cut.h"
#include "mem.h"
#include "utf8.h"

struct saslserver {
    Gsasl *gsasl;
    struct saslserver_options options;
};

enum state {
    STARTED,
    CHALLENGED, /* SCRAM: the client's proof is awaited */
    PROVED,     /* SCRAM: all is well, and the client is being told our proof */
    OVER,
};

struct mechanism;

struct saslserver_exchange {
    struct saslserver *server;
    const struct mechanism *mechanism;
    enum state state;
    char login[SASLSERVER_LOGIN_MAX + 1];
    bool known; /* login exists and verifier is its own, not a fake */
    struct scram_verifier verifier;
    struct buf binding;     /* base64; empty: none */
    Gsasl_session *session; /* SCRAM only */
};

typedef enum saslserver_result step_fn(struct saslserver_exchange *x, struct span message,
                                       struct buf *reply, struct fail *f);
static step_fn step_plain, step_scram;

/* Best first. libgsasl's own PLAIN is not used: it puts passwords through SASLprep, which would
 * make other texts of them than scram_normalise does. */
static const struct mechanism {
    const char *name;
    bool binding;
    step_fn *step;
} mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", true, step_scram},
    {"SCRAM-SHA-256", false, step_scram},
    {"PLAIN", false, step_plain},
};

static enum saslserver_result refuse(struct fail *f, const char *sentence)
{
    (void)fail_set(f, "%s", sentence);
    return SASLSERVER_FAIL;
}

static bool is_plain_text(struct span s)
{
    if (!utf8_valid(s))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    }
    return true;
}

/* Keeps the login and finds what its password is checked against. Returns 0, or -1 when it cannot
 * be a login at all. */
static int claim(struct saslserver_exchange *x, struct span login)
{
    const struct saslserver_options *options = &x->server->options;
    struct buf canonical = {0};
    if (login.n == 0 || !is_plain_text(login) || span_copy(login, x->login, sizeof x->login) != 0)
        return -1;
    x->known = options->lookup(options->arg, login, &x->verifier, &canonical);
    if (!x->known)
        scram_fake(&x->verifier, span_of(options->fake_key, sizeof options->fake_key),
                   canonical.n > 0 ? buf_span(&canonical) : login, options->fake_iterations);
    buf_free(&canonical);
    return 0;
}

/* ---- PLAIN ---- */

/* message = [authzid] NUL authcid NUL passwd (RFC 4616 section 2) */
static enum saslserver_result step_plain(struct saslserver_exchange *x, struct span message,
                                         struct buf *reply, struct fail *f)
{
    struct span authzid, authcid, password = message;
    if (!cut_at(&password, '\0', &authzid) || !cut_at(&password, '\0', &authcid) ||
        span_find(password, '\0') >= 0)
        return refuse(f, "malformed message");
    if (claim(x, authcid) != 0)
        return refuse(f, "malformed login name");
    bool right = scram_check(&x->verifier, password);
    if (!x->known)
        return refuse(f, "unknown login name");
    if (!right)
        return refuse(f, "wrong password");
    if (authzid.n > 0 && !span_equal(authzid, authcid))
        return refuse(f, "to act as somebody else is not allowed");
    return SASLSERVER_OK;
}

/* ---- SCRAM ---- */

/* RFC 5802 section 5.1: "=" and "," are written =3D and =2C, and no other "=" may stand there. */
static bool escapes_are_right(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        struct span three = span_of(name.p + i, name.n - i < 3 ? name.n - i : 3);
        if (name.p[i] == '=' && !span_is(three, "=2C") && !span_is(three, "=3D"))
            return false;
    }
    return true;
}

/* Whether nothing is left of a name once SASLprep is through with it. libgsasl refuses such a name
 * too, but forgets to free what it made of it. */
static bool vanishes(struct span name)
{
    char *text = span_dup(name), *prepared = NULL;
    bool gone = gsasl_saslprep(text, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) == GSASL_OK &&
                *prepared == '\0';
    gsasl_free(prepared);
    mem_free(&text);
    return gone;
}

/* What libgsasl lets pass in a client's first message (RFC 5802 section 7):
 *
 *     (n / y / p=<binding>) "," [a=<authzid>] "," n=<login> "," r=<nonce> [...]
 *
 * octets that are not text, false escapes, and a binding where the mechanism has none. */
static bool first_message_is_sound(const struct saslserver_exchange *x, struct span message)
{
    struct span rest = message, flag, authzid, login;
    if (!is_plain_text(message) || !cut_at(&rest, ',', &flag) || !cut_at(&rest, ',', &authzid) ||
        !cut_at(&rest, ',', &login) || login.n < 2)
        return false;
    bool binds = flag.n > 0 && flag.p[0] == 'p';
    struct span name = span_of(login.p + 2, login.n - 2);
    size_t skip = authzid.n < 2 ? authzid.n : 2;
    return binds == x->mechanism->binding && escapes_are_right(name) && !vanishes(name) &&
           escapes_are_right(span_of(authzid.p + skip, authzid.n - skip));
}

static void set_verifier(Gsasl_session *session, const struct scram_verifier *v)
{
    const struct {
        Gsasl_property property;
        struct span value;
    } octets[] = {
        {GSASL_SCRAM_SALT, span_of(v->salt, v->salt_size)},
        {GSASL_SCRAM_STOREDKEY, span_of(v->stored_key, SCRAM_KEY_SIZE)},
        {GSASL_SCRAM_SERVERKEY, span_of(v->server_key, SCRAM_KEY_SIZE)},
    };
    struct buf text = {0};
    buf_putf(&text, "%u", (unsigned)v->iterations);
    if (gsasl_property_set(session, GSASL_SCRAM_ITER, buf_text(&text)) != GSASL_OK)
        abort();
    for (size_t i = 0; i < sizeof octets / sizeof octets[0]; i++) {
        buf_clear(&text);
        base64_encode(&text, octets[i].value);
        if (gsasl_property_set(session, octets[i].property, buf_text(&text)) != GSASL_OK)
            abort();
    }
    buf_wipe(&text);
}

/* libgsasl asks here for what it has not been told yet. It knows the login when it asks for the
 * iterations, which is the first question about a verifier. */
static int on_question(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
    struct saslserver_exchange *x = gsasl_session_hook_get(session);
    const char *login;
    switch (property) {
    case GSASL_CB_TLS_EXPORTER:
        /* Also in SCRAM-SHA-256: so it is noticed when a client that could bind has been made to
         * believe that we could not (RFC 5802 section 6). */
        if (x->binding.n == 0)
            return GSASL_NO_CALLBACK;
        return gsasl_property_set(session, property, buf_text(&x->binding));
    case GSASL_SCRAM_ITER:
        login = gsasl_property_fast(session, GSASL_AUTHID);
        if (login == NULL || claim(x, span_text(login)) != 0)
            return GSASL_NO_CALLBACK;
        set_verifier(session, &x->verifier);
        return GSASL_OK;
    default:
        return GSASL_NO_CALLBACK;
    }
}

static enum saslserver_result scram_failed(const struct saslserver_exchange *x, int why,
                                           struct fail *f)
{
    if (why != GSASL_AUTHENTICATION_ERROR)
        return refuse(f, gsasl_strerror(why));
    if (x->state == STARTED)
        return refuse(f, "channel binding or login name refused");
    return refuse(f, x->known ? "wrong password or channel binding" : "unknown login name");
}

static enum saslserver_result check_identity(const struct saslserver_exchange *x, struct fail *f)
{
    const char *authzid = gsasl_property_fast(x->session, GSASL_AUTHZID);
    if (!x->known)
        return refuse(f, "unknown login name");
    if (authzid != NULL && *authzid != '\0' && strcmp(authzid, x->login) != 0)
        return refuse(f, "to act as somebody else is not allowed");
    return SASLSERVER_OK;
}

static enum saslserver_result step_scram(struct saslserver_exchange *x, struct span message,
                                         struct buf *reply, struct fail *f)
{
    char *output = NULL;
    size_t n = 0;
    if (x->state == PROVED)
        return message.n == 0 ? SASLSERVER_OK : refuse(f, "malformed message");
    if (x->state == STARTED ? !first_message_is_sound(x, message) : !is_plain_text(message))
        return refuse(f, "malformed message");
    int rc = gsasl_step(x->session, (const char *)message.p, message.n, &output, &n);
    if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE)
        buf_put(reply, output, n);
    gsasl_free(output);
    if (x->login[0] == '\0')
        return rc == GSASL_NEEDS_MORE || rc == GSASL_OK ? refuse(f, "malformed login name")
                                                        : scram_failed(x, rc, f);
    if (rc == GSASL_NEEDS_MORE && x->state == STARTED) {
        x->state = CHALLENGED;
        return SASLSERVER_CONTINUE;
    }
    if (rc != GSASL_OK || x->state != CHALLENGED)
        return scram_failed(x, rc, f);
    x->state = PROVED;
    enum saslserver_result result = check_identity(x, f);
    return result == SASLSERVER_OK ? SASLSERVER_CONTINUE : result;
}

/* ---- both ---- */

struct saslserver *saslserver_new(const struct saslserver_options *options, struct fail *f)
{
    assert(options->lookup != NULL && options->fake_iterations >= SCRAM_ITERATIONS_MIN &&
           options->fake_iterations <= SCRAM_ITERATIONS_MAX);
    Gsasl *gsasl = NULL;
    /* Passwords are hashed by OpenSSL, which would read its configuration when it first does. */
    if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) != 1) {
        (void)fail_set(f, "cannot start OpenSSL");
        return NULL;
    }
    int rc = gsasl_init(&gsasl);
    if (rc != GSASL_OK) {
        (void)fail_set(f, "cannot start libgsasl: %s", gsasl_strerror(rc));
        return NULL;
    }
    gsasl_callback_set(gsasl, on_question);
    struct saslserver *s = mem_zero(sizeof *s);
    s->gsasl = gsasl;
    s->options = *options;
    return s;
}

void saslserver_free(struct saslserver **s)
{
    if (*s == NULL)
        return;
    gsasl_done((*s)->gsasl);
    mem_wipe(*s, sizeof **s);
    mem_free(s);
}

const char *saslserver_mechanisms(bool encrypted, bool binding)
{
    if (!encrypted)
        return "SCRAM-SHA-256";
    return binding ? "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN" : "SCRAM-SHA-256 PLAIN";
}

struct saslserver_exchange *saslserver_begin(struct saslserver *s, struct span mechanism,
                                             struct span binding, struct fail *f)
{
    const struct mechanism *m = NULL;
    Gsasl_session *session = NULL;
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0] && m == NULL; i++) {
        if (span_is_nocase(mechanism, mechanisms[i].name))
            m = &mechanisms[i];
    }
    if (m == NULL || (m->binding && binding.n == 0) || binding.n > SASLSERVER_BINDING_MAX) {
        (void)fail_set(f, m == NULL        ? "no such mechanism"
                          : binding.n == 0 ? "there is no channel to bind to"
                                           : "the channel binding is too long");
        return NULL;
    }
    if (m->step == step_scram) {
        int rc = gsasl_server_start(s->gsasl, m->name, &session);
        if (rc != GSASL_OK) {
            (void)fail_set(f, "cannot start %s: %s", m->name, gsasl_strerror(rc));
            return NULL;
        }
    }
    struct saslserver_exchange *x = mem_zero(sizeof *x);
    x->server = s;
    x->mechanism = m;
    x->session = session;
    base64_encode(&x->binding, binding);
    if (session != NULL)
        gsasl_session_hook_set(session, x);
    return x;
}

enum saslserver_result saslserver_step(struct saslserver_exchange *x, struct span message,
                                       struct buf *reply, struct fail *f)
{
    enum saslserver_result result;
    buf_clear(reply);
    if (x->state == OVER)
        result = refuse(f, "the exchange is over");
    else if (message.n > SASLSERVER_MESSAGE_MAX)
        result = refuse(f, "message too long");
    else
        result = x->mechanism->step(x, message, reply, f);
    if (result != SASLSERVER_CONTINUE) {
        x->state = OVER;
        buf_clear(reply);
    }
    return result;
}

const char *saslserver_login(const struct saslserver_exchange *x)
{
    return x->login;
}

void saslserver_end(struct saslserver_exchange **x)
{
    if (*x == NULL)
        return;
    if ((*x)->session != NULL)
        gsasl_finish((*x)->session);
    buf_wipe(&(*x)->binding);
    mem_wipe(*x, sizeof **x);
    mem_free(x);
}
