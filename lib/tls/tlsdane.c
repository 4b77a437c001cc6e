#include "tlsdane.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "mem.h"
#include "tls.h"
#include "tlsclient.h"
#include "tlsresume.h"

#define SECURITY_LEVEL 1 /* of connections whose certificate is looked at */
#define HOST_FLAGS (X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

struct tlsdane {
    SSL_CTX *any;   /* encrypts with whoever answers */
    SSL_CTX *judge; /* asks on_verify */
    X509_STORE *roots;
    struct tlsresume *sessions;
};

/* What a connection has to meet, and what it did not. */
struct demand {
    const struct tlspolicy *policy;
    X509_STORE *roots;
    struct tlsresume *sessions; /* where its own go, under peer; or NULL */
    char *peer;
    bool offers; /* one from there */
    bool failed, by_dane;
    int error;         /* X509_V_... */
    char subject[256]; /* of the certificate that failed */
};

/* OpenSSL hands out the index under which a connection keeps its demand once in a process. */
static CRYPTO_ONCE index_once = CRYPTO_ONCE_STATIC_INIT;
static int demand_index;

static void free_demand(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
                        void *argp)
{
    struct demand *demand = ptr;
    if (demand == NULL)
        return;
    tlspolicy_drop(&demand->policy);
    X509_STORE_free(demand->roots);
    tlsresume_drop(&demand->sessions);
    mem_free(&demand->peer);
    mem_free(&demand);
}

static void make_index(void)
{
    demand_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_demand);
}

/* ---- judging certificates ---- */

static bool set_name(X509_VERIFY_PARAM *param, const char *name)
{
    X509_VERIFY_PARAM_set_hostflags(param, HOST_FLAGS);
    return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 ||
           X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;
}

/* Whether a trusted authority says that the certificate is for name: X509_V_OK, or why not. */
static int verify_by_roots(X509_STORE *roots, X509 *cert, STACK_OF(X509) * others, const char *name)
{
    int error = X509_V_ERR_UNSPECIFIED;
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (ctx == NULL)
        abort();
    if (X509_STORE_CTX_init(ctx, roots, cert, others) == 1 &&
        X509_STORE_CTX_set_default(ctx, "ssl_server") == 1 &&
        set_name(X509_STORE_CTX_get0_param(ctx), name)) {
        X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), SECURITY_LEVEL);
        int good = X509_verify_cert(ctx);
        error = X509_STORE_CTX_get_error(ctx);
        if (good == 1)
            error = X509_V_OK;
        else if (error == X509_V_OK)
            error = X509_V_ERR_UNSPECIFIED;
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return error;
}

static int refuse(struct demand *demand, X509_STORE_CTX *ctx, bool by_dane, int error)
{
    demand->failed = true;
    demand->by_dane = by_dane;
    demand->error = error;
    tls_subject(X509_STORE_CTX_get0_cert(ctx), demand->subject, sizeof demand->subject);
    X509_STORE_CTX_set_error(ctx, error);
    return 0;
}

/* In place of what OpenSSL would do itself. With DANE, X509_verify_cert goes by the records of the
 * connection and by nothing else; an authority's word is asked for apart from that, since it may be
 * for another name. */
static int on_verify(X509_STORE_CTX *ctx, void *arg)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct demand *demand = SSL_get_ex_data(ssl, demand_index);
    const struct tlspolicy *policy = demand->policy;
    demand->failed = false;
    if (policy->dane && X509_verify_cert(ctx) != 1)
        return refuse(demand, ctx, true, X509_STORE_CTX_get_error(ctx));
    if (policy->pkix) {
        int error = verify_by_roots(demand->roots, X509_STORE_CTX_get0_cert(ctx),
                                    X509_STORE_CTX_get0_untrusted(ctx), policy->pkix_name);
        if (error != X509_V_OK)
            return refuse(demand, ctx, false, error);
    }
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

static const struct fault {
    int error;
    enum tlsresult_type type;
    const char *reason;
} faults[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, TLSRESULT_CERTIFICATE_EXPIRED, ""},
    {X509_V_ERR_CERT_NOT_YET_VALID, TLSRESULT_CERTIFICATE_EXPIRED, "not-yet-valid"},
    {X509_V_ERR_HOSTNAME_MISMATCH, TLSRESULT_CERTIFICATE_HOST_MISMATCH, ""},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, TLSRESULT_CERTIFICATE_HOST_MISMATCH, ""},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TLSRESULT_CERTIFICATE_NOT_TRUSTED, ""},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TLSRESULT_CERTIFICATE_NOT_TRUSTED, ""},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, TLSRESULT_CERTIFICATE_NOT_TRUSTED, ""},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, TLSRESULT_CERTIFICATE_NOT_TRUSTED, "self-signed"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, TLSRESULT_CERTIFICATE_NOT_TRUSTED, ""},
    {X509_V_ERR_CERT_UNTRUSTED, TLSRESULT_CERTIFICATE_NOT_TRUSTED, ""},
    {X509_V_ERR_CERT_REJECTED, TLSRESULT_CERTIFICATE_NOT_TRUSTED, ""},
    {X509_V_ERR_INVALID_CA, TLSRESULT_CERTIFICATE_NOT_TRUSTED, "not-authorized-to-sign"},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED, TLSRESULT_CERTIFICATE_NOT_TRUSTED, "too-many-intermediates"},
    {X509_V_ERR_CERT_CHAIN_TOO_LONG, TLSRESULT_CERTIFICATE_NOT_TRUSTED, "too-many-intermediates"},
    {X509_V_ERR_PERMITTED_VIOLATION, TLSRESULT_CERTIFICATE_NOT_TRUSTED, "name-constraint"},
    {X509_V_ERR_EXCLUDED_VIOLATION, TLSRESULT_CERTIFICATE_NOT_TRUSTED, "name-constraint"},
    {X509_V_ERR_INVALID_PURPOSE, TLSRESULT_CERTIFICATE_NOT_TRUSTED, "not-for-servers"},
    {X509_V_ERR_DANE_NO_MATCH, TLSRESULT_VALIDATION_FAILURE, "dane-no-match"},
};

static void tell(int error, enum tlsresult_type *type, const char **reason)
{
    *type = TLSRESULT_VALIDATION_FAILURE;
    *reason = "certificate-not-good";
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (faults[i].error == error) {
            *type = faults[i].type;
            *reason = faults[i].reason;
        }
    }
}

bool tlsdane_fault(const SSL *ssl, enum tlsresult_type *type, const char **reason)
{
    const struct demand *demand = SSL_get_ex_data(ssl, demand_index);
    if (demand == NULL || !demand->failed)
        return false;
    tell(demand->error, type, reason);
    /* Without a record that matches, OpenSSL may say that no authority is trusted. */
    if (demand->by_dane && *type == TLSRESULT_CERTIFICATE_NOT_TRUSTED) {
        *type = TLSRESULT_VALIDATION_FAILURE;
        *reason = "dane-no-match";
    }
    return true;
}

const char *tlsdane_refused(const SSL *ssl)
{
    const struct demand *demand = SSL_get_ex_data(ssl, demand_index);
    return demand != NULL && demand->failed ? demand->subject : "";
}

bool tlsdane_matched(const SSL *ssl, char *out, size_t size)
{
    struct tlsa r = {0};
    struct buf text = {0};
    out[0] = '\0';
    if (SSL_get0_dane_tlsa((SSL *)ssl, &r.usage, &r.selector, &r.matching, &r.data.p, &r.data.n) <
        0)
        return false;
    tlsa_text(&r, &text);
    (void)snprintf(out, size, "%s", buf_text(&text));
    buf_free(&text);
    return true;
}

bool tlsdane_would_verify(struct tlsdane *d, SSL *ssl, const char *name, enum tlsresult_type *type,
                          const char **reason)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    assert(d->roots != NULL && SSL_is_init_finished(ssl));
    int error = cert == NULL ? X509_V_ERR_UNSPECIFIED
                             : verify_by_roots(d->roots, cert, SSL_get_peer_cert_chain(ssl), name);
    if (error == X509_V_OK)
        return true;
    tell(error, type, reason);
    return false;
}

/* ---- contexts and connections ---- */

static SSL_CTX *make_judge(struct fail *f)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, 0) != 1 ||
        SSL_CTX_set_cipher_list(ctx, OSSL_default_cipher_list()) != 1 ||
        SSL_CTX_dane_enable(ctx) != 1) {
        (void)tls_error(f, NULL, "cannot make a TLS client context");
        SSL_CTX_free(ctx);
        return NULL;
    }
    tls_context_defaults(ctx);
    SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
    /* RFC 7672 section 3.1.1: the record names the key, and the names in the certificate, like its
     * dates, mean nothing. */
    (void)SSL_CTX_dane_set_flags(ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, on_verify, NULL);
    return ctx;
}

/* A session that is resumed is not verified again, whatever the records say by then: which one may
 * be is not OpenSSL's to decide, but tlsresume's. The handshake was good, or there were none. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct demand *demand = SSL_get_ex_data(ssl, demand_index);
    if (demand == NULL || demand->sessions == NULL)
        return 0;
    tlsresume_put(demand->sessions, demand->peer, demand->policy, session);
    return 1;
}

static void keep_sessions(SSL_CTX *ctx)
{
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
}

struct tlsdane *tlsdane_new(X509_STORE *roots, unsigned sessions, struct fail *f)
{
    const struct tlsclient_options options = {.mode = TLSCLIENT_OPPORTUNISTIC};
    if (CRYPTO_THREAD_run_once(&index_once, make_index) != 1 || demand_index < 0)
        abort();
    struct tlsdane *d = mem_zero(sizeof *d);
    d->any = tlsclient_new(&options, f);
    d->judge = d->any == NULL ? NULL : make_judge(f);
    if (d->judge == NULL) {
        tlsdane_free(&d);
        return NULL;
    }
    d->sessions = tlsresume_new(sessions);
    keep_sessions(d->any);
    keep_sessions(d->judge);
    if (roots != NULL && X509_STORE_up_ref(roots) == 1)
        d->roots = roots;
    return d;
}

int tlsdane_identify(struct tlsdane *d, struct span pem, const struct tls_remote *remote,
                     struct fail *f)
{
    return tlsremote_use(d->any, pem, remote, f) == 0 ? tlsremote_use(d->judge, pem, remote, f)
                                                      : -1;
}

void tlsdane_free(struct tlsdane **d)
{
    if (*d == NULL)
        return;
    tlsclient_free(&(*d)->any);
    tlsclient_free(&(*d)->judge);
    X509_STORE_free((*d)->roots);
    tlsresume_drop(&(*d)->sessions);
    mem_free(d);
}

/* 1 taken, 0 of no use. */
static int add_record(SSL *ssl, const struct tlsa *r)
{
    bool known = (r->usage == TLSA_DANE_TA || r->usage == TLSA_DANE_EE) &&
                 r->selector <= TLSA_SPKI && r->matching <= TLSA_SHA2_512;
    int rc = known
                 ? SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching, r->data.p, r->data.n)
                 : 0;
    ERR_clear_error();
    return rc == 1;
}

size_t tlsdane_usable(struct tlsdane *d, const struct tlsa *list, size_t n, struct tlsa *out)
{
    size_t usable = 0;
    SSL *ssl = SSL_new(d->judge); /* which talks to nobody */
    if (ssl == NULL || SSL_dane_enable(ssl, "records.invalid") != 1)
        abort();
    for (size_t i = 0; i < n && usable < TLSDANE_RECORDS_MAX; i++) {
        if (add_record(ssl, &list[i]))
            out[usable++] = list[i];
    }
    SSL_free(ssl);
    return usable;
}

static int set_dane(SSL *ssl, const struct tlspolicy *policy, struct fail *f)
{
    size_t taken = 0;
    if (SSL_dane_enable(ssl, policy->sni) != 1)
        return tls_error(f, NULL, "cannot use DANE");
    SSL_set_hostflags(ssl, HOST_FLAGS);
    for (size_t i = 1; i < policy->names_n && policy->sni != NULL; i++) {
        if (SSL_add1_host(ssl, policy->names[i]) != 1)
            return tls_error(f, NULL, "cannot name the server");
    }
    for (size_t i = 0; i < policy->tlsa.n; i++)
        taken += (size_t)add_record(ssl, &policy->tlsa.list[i]);
    return taken > 0 ? 0 : fail_set(f, "no TLSA record can be used");
}

static int set_up(SSL *ssl, const struct tlspolicy *policy, struct fail *f)
{
    if (policy->sni != NULL && SSL_set_tlsext_host_name(ssl, policy->sni) != 1)
        return tls_error(f, NULL, "cannot name the server");
    /* Where mail would not go out in clear anyway, an old protocol saves nothing (RFC 8996). */
    if (policy->tls == TLSPOLICY_ALWAYS && SSL_set_min_proto_version(ssl, TLS1_2_VERSION) != 1)
        return tls_error(f, NULL, "cannot leave out old protocols");
    return policy->dane ? set_dane(ssl, policy, f) : 0;
}

/* Offers a session that there is for the peer, and has those that come kept. */
static void resume(struct tlsdane *d, SSL *ssl, struct demand *demand, const char *peer)
{
    demand->sessions = tlsresume_hold(d->sessions);
    demand->peer = mem_text(peer);
    SSL_SESSION *session = tlsresume_take(d->sessions, peer, demand->policy);
    demand->offers = session != NULL && SSL_set_session(ssl, session) == 1;
    SSL_SESSION_free(session);
}

bool tlsdane_offers_session(const SSL *ssl)
{
    const struct demand *demand = SSL_get_ex_data(ssl, demand_index);
    return demand != NULL && demand->offers;
}

SSL *tlsdane_connect(struct tlsdane *d, const struct tlspolicy *policy, const char *peer,
                     struct fail *f)
{
    bool judged = policy->dane || policy->pkix;
    assert(policy->verdict == TLSPOLICY_TRY && policy->tls != TLSPOLICY_CLEAR);
    assert(!policy->pkix || d->roots != NULL);
    ERR_clear_error();
    SSL *ssl = SSL_new(judged ? d->judge : d->any);
    struct demand *demand = mem_zero(sizeof *demand);
    demand->policy = tlspolicy_hold(policy);
    if (d->roots != NULL && X509_STORE_up_ref(d->roots) == 1)
        demand->roots = d->roots;
    if (ssl == NULL || SSL_set_ex_data(ssl, demand_index, demand) != 1)
        abort();
    if (set_up(ssl, policy, f) != 0) {
        SSL_free(ssl);
        return NULL;
    }
    if (peer != NULL)
        resume(d, ssl, demand, peer);
    SSL_set_connect_state(ssl);
    return ssl;
}

/* ---- judging afterwards ---- */

/* As OpenSSL itself begins to verify, with the records and names of another connection. */
static bool verify_by_records(X509 *cert, STACK_OF(X509) * others, SSL *asks)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(asks));
    if (ctx == NULL)
        abort();
    bool good = X509_STORE_CTX_init(ctx, store, cert, others) == 1;
    if (good) {
        X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), SECURITY_LEVEL);
        X509_STORE_CTX_set0_dane(ctx, SSL_get0_dane(asks));
        good = X509_STORE_CTX_set_default(ctx, "ssl_server") == 1 &&
               X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(ctx), SSL_get0_param(asks)) == 1 &&
               X509_verify_cert(ctx) == 1;
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

bool tlsdane_would_meet(struct tlsdane *d, SSL *ssl, const struct tlspolicy *policy)
{
    struct fail f;
    X509 *cert = SSL_get0_peer_certificate(ssl);
    STACK_OF(X509) *others = SSL_get_peer_cert_chain(ssl);
    assert(SSL_is_init_finished(ssl));
    if (policy->tls == TLSPOLICY_ALWAYS && SSL_version(ssl) < TLS1_2_VERSION)
        return false;
    if (!policy->dane && !policy->pkix)
        return true;
    if (cert == NULL ||
        (policy->pkix && verify_by_roots(d->roots, cert, others, policy->pkix_name) != X509_V_OK))
        return false;
    SSL *asks = policy->dane ? tlsdane_connect(d, policy, NULL, &f) : NULL;
    bool good = !policy->dane || (asks != NULL && verify_by_records(cert, others, asks));
    SSL_free(asks);
    return good;
}
