#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "clock.h"
#include "mem.h"
#include "peer.h"
#include "tls.h"
#include "tlsdane.h"
#include "tlskey.h"

/* A small world of certificates: an authority, an intermediate below it, hosts below that. */

struct made {
    EVP_PKEY *key;
    X509 *cert;
};

static struct made root, middle, host, expired, stranger;
static X509_STORE *roots;

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* issuer NULL: it signs itself. names NULL: an authority. */
static struct made make(const char *cn, const struct made *issuer, const char *names, long from,
                        long to)
{
    struct made m = {EVP_EC_gen("P-256"), X509_new()};
    const struct made *by = issuer == NULL ? &m : issuer;
    X509_NAME *name = X509_get_subject_name(m.cert);
    static long serial = 1;
    assert_int_equal(X509_set_version(m.cert, X509_VERSION_3), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(m.cert), serial++);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(m.cert, X509_get_subject_name(by->cert));
    X509_set_pubkey(m.cert, m.key);
    X509_gmtime_adj(X509_getm_notBefore(m.cert), from);
    X509_gmtime_adj(X509_getm_notAfter(m.cert), to);
    if (names == NULL)
        extend(m.cert, by->cert, NID_basic_constraints, "critical,CA:TRUE");
    else
        extend(m.cert, by->cert, NID_subject_alt_name, names);
    assert_true(X509_sign(m.cert, by->key, EVP_sha256()) > 0);
    return m;
}

static void unmake(struct made *m)
{
    EVP_PKEY_free(m->key);
    X509_free(m->cert);
}

static int set_up(void **state)
{
    root = make("root", NULL, NULL, -60, 3600);
    middle = make("middle", &root, NULL, -60, 3600);
    host = make("host", &middle, "DNS:mx.example,DNS:*.wild.example", -60, 3600);
    expired = make("old", &middle, "DNS:mx.example", -7200, -3600);
    stranger = make("stranger", NULL, "DNS:stranger.example", -60, 3600);
    roots = X509_STORE_new();
    return X509_STORE_add_cert(roots, root.cert) == 1 && tls_init(NULL) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    X509_STORE_free(roots);
    struct made *all[] = {&root, &middle, &host, &expired, &stranger};
    for (size_t i = 0; i < 5; i++)
        unmake(all[i]);
    return 0;
}

/* The record data for a certificate. Free with buf_free. */
static struct buf data_of(const struct made *m, unsigned selector, unsigned matching)
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    int len = selector == TLSA_CERT ? i2d_X509(m->cert, &der) : i2d_PUBKEY(m->key, &der);
    struct buf out = {0};
    assert_true(len > 0);
    if (matching == TLSA_FULL) {
        buf_put(&out, der, (size_t)len);
    } else {
        EVP_Digest(der, (size_t)len, digest, &n,
                   matching == TLSA_SHA2_256 ? EVP_sha256() : EVP_sha512(), NULL);
        buf_put(&out, digest, n);
    }
    OPENSSL_free(der);
    return out;
}

/* A policy with DANE for one record. */
static const struct tlspolicy *dane_policy(const struct made *m, unsigned usage, unsigned selector,
                                           unsigned matching, const char *name,
                                           const struct mtasts_policy *sts)
{
    struct buf data = data_of(m, selector, matching);
    struct tlsa record = {(uint8_t)usage, (uint8_t)selector, (uint8_t)matching, buf_span(&data)};
    struct tlspolicy_facts facts = {.next_hop = "example",
                                    .host = name,
                                    .is_mx = true,
                                    .route_secure = true,
                                    .tlsa = TLSPOLICY_TLSA_FOUND,
                                    .tlsa_base = name,
                                    .usable = &record,
                                    .usable_n = 1,
                                    .sts = sts};
    const struct tlspolicy *p = tlspolicy_new(&facts);
    buf_free(&data);
    return p;
}

static const struct tlspolicy *plain_policy(enum tlspolicy_level level, const char *name)
{
    struct tlspolicy_facts facts = {.next_hop = "example", .host = name, .level = level};
    return tlspolicy_new(&facts);
}

/* What a handshake came to. */
struct end {
    bool done, verified, faulty, would;
    enum tlsresult_type type;
    const char *reason;
    char sni[64];
};

static int on_sni(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)snprintf(arg, 64, "%s", name == NULL ? "" : name);
    return SSL_TLSEXT_ERR_OK;
}

/* others: what the server sends with its own certificate. version 0: whatever is best. */
static SSL_CTX *serve(const struct made *server, const struct made *const *others, int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(ctx, server->cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, server->key), 1);
    for (; others != NULL && *others != NULL; others++)
        assert_int_equal(SSL_CTX_add1_chain_cert(ctx, (*others)->cert), 1);
    SSL_CTX_set_max_proto_version(ctx, version);
    if (version != 0 && version < TLS1_2_VERSION) {
        SSL_CTX_set_min_proto_version(ctx, version);
        SSL_CTX_set_security_level(ctx, 0);
    }
    return ctx;
}

/* What is said of the policy after a handshake under one that lets everything pass. */
static bool would_meet(struct tlsdane *d, SSL_CTX *ctx, const struct tlspolicy *policy)
{
    struct fail f = {""};
    struct pair pair;
    const struct tlspolicy *any = plain_policy(TLSPOLICY_MAY, "mx.example");
    SSL *ssl = tlsdane_connect(d, any, NULL, &f), *accept = SSL_new(ctx);
    SSL_set_accept_state(accept);
    pair_open(&pair, accept, ssl);
    assert_int_equal(pair_shake(&pair, &f), 0);
    bool would = tlsdane_would_meet(d, ssl, policy);
    pair_close(&pair);
    tlspolicy_drop(&any);
    return would;
}

static struct end shake(const struct tlspolicy *policy, const struct made *server,
                        const struct made *const *others, int version)
{
    struct end end = {.reason = ""};
    struct fail f = {""};
    struct tlsdane *d = tlsdane_new(roots, 4, &f);
    SSL_CTX *ctx = serve(server, others, version);
    struct pair pair;
    assert_non_null(d);
    bool would = would_meet(d, ctx, policy);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_sni);
    SSL_CTX_set_tlsext_servername_arg(ctx, end.sni);
    SSL *ssl = tlsdane_connect(d, policy, NULL, &f), *accept = SSL_new(ctx);
    if (ssl == NULL)
        fail_msg("%s", f.text);
    SSL_set_accept_state(accept);
    pair_open(&pair, accept, ssl);
    end.done = pair_shake(&pair, &f) == 0 && SSL_is_init_finished(ssl);
    assert_int_equal(would, end.done);
    end.faulty = tlsdane_fault(ssl, &end.type, &end.reason);
    if (end.done) {
        struct tls_info info;
        tls_info_fill(&info, ssl);
        end.verified = info.verified;
        assert_false(info.resumed);
        end.would = tlsdane_would_verify(d, ssl, "mx.example", &end.type, &end.reason);
    }
    pair_close(&pair);
    SSL_CTX_free(ctx);
    tlsdane_free(&d);
    tlspolicy_drop(&policy);
    return end;
}

static const struct made *const chain[] = {&middle, NULL};
static const struct made *const whole[] = {&middle, &root, NULL};

static void test_every_selector_and_matching_type_of_both_usages(void **state)
{
    for (unsigned selector = 0; selector <= 1; selector++) {
        for (unsigned matching = 0; matching <= 2; matching++) {
            struct end e =
                shake(dane_policy(&host, TLSA_DANE_EE, selector, matching, "mx.example", NULL),
                      &host, chain, 0);
            assert_true(e.done && e.verified && !e.faulty);
            assert_string_equal(e.sni, "mx.example");
            e = shake(dane_policy(&stranger, TLSA_DANE_EE, selector, matching, "mx.example", NULL),
                      &host, chain, 0);
            assert_true(!e.done && e.faulty);
            assert_int_equal(e.type, TLSRESULT_VALIDATION_FAILURE);
            assert_string_equal(e.reason, "dane-no-match");
            e = shake(dane_policy(&middle, TLSA_DANE_TA, selector, matching, "mx.example", NULL),
                      &host, chain, 0);
            assert_true(e.done && e.verified);
            e = shake(dane_policy(&root, TLSA_DANE_TA, selector, matching, "mx.example", NULL),
                      &host, whole, 0);
            assert_true(e.done);
            e = shake(dane_policy(&stranger, TLSA_DANE_TA, selector, matching, "mx.example", NULL),
                      &host, whole, 0);
            assert_true(!e.done && e.faulty);
            assert_string_equal(e.reason, "dane-no-match");
        }
    }
}

static void test_an_anchor_in_full_need_not_be_sent_by_the_server(void **state)
{
    for (unsigned selector = 0; selector <= 1; selector++)
        assert_true(
            shake(dane_policy(&middle, TLSA_DANE_TA, selector, TLSA_FULL, "mx.example", NULL),
                  &host, NULL, 0)
                .done);
    /* Of a digest nobody can make the anchor. */
    assert_false(
        shake(dane_policy(&middle, TLSA_DANE_TA, TLSA_SPKI, TLSA_SHA2_256, "mx.example", NULL),
              &host, NULL, 0)
            .done);
}

static void test_names_and_dates_count_for_an_anchor_and_not_for_a_host_key(void **state)
{
    static const struct {
        const struct made *server;
        unsigned usage;
        const char *name;
        bool done;
        enum tlsresult_type type;
    } cases[] = {
        {&expired, TLSA_DANE_EE, "mx.example", true, 0},
        {&expired, TLSA_DANE_EE, "other.example", true, 0},
        {&host, TLSA_DANE_EE, "other.example", true, 0},
        {&stranger, TLSA_DANE_EE, "mx.example", true, 0},
        {&expired, TLSA_DANE_TA, "mx.example", false, TLSRESULT_CERTIFICATE_EXPIRED},
        {&host, TLSA_DANE_TA, "other.example", false, TLSRESULT_CERTIFICATE_HOST_MISMATCH},
        {&host, TLSA_DANE_TA, "a.wild.example", true, 0},
        {&host, TLSA_DANE_TA, "a.b.wild.example", false, TLSRESULT_CERTIFICATE_HOST_MISMATCH},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct made *of = cases[i].usage == TLSA_DANE_TA ? &middle : cases[i].server;
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            struct end e = shake(
                dane_policy(of, cases[i].usage, TLSA_SPKI, TLSA_SHA2_256, cases[i].name, NULL),
                cases[i].server, chain, version);
            if (e.done != cases[i].done || (!e.done && e.type != cases[i].type))
                fail_msg("case %zu: done %d, type %d, %s", i, e.done, e.type, e.reason);
        }
    }
}

static void test_any_of_the_names_will_do_for_an_anchor(void **state)
{
    struct buf data = data_of(&middle, TLSA_SPKI, TLSA_SHA2_256);
    struct tlsa record = {TLSA_DANE_TA, TLSA_SPKI, TLSA_SHA2_256, buf_span(&data)};
    static const char *const names[][3] = {
        {"mx.example", "h.example", "d.example"}, /* base, host, next hop */
        {"b.example", "mx.example", "d.example"},
        {"b.example", "h.example", "mx.example"},
        {"b.example", "h.example", "d.example"},
    };
    for (size_t i = 0; i < 4; i++) {
        struct tlspolicy_facts facts = {.next_hop = names[i][2],
                                        .host = names[i][1],
                                        .is_mx = true,
                                        .route_secure = true,
                                        .tlsa = TLSPOLICY_TLSA_FOUND,
                                        .tlsa_base = names[i][0],
                                        .usable = &record,
                                        .usable_n = 1};
        struct end e = shake(tlspolicy_new(&facts), &host, chain, 0);
        assert_int_equal(e.done, i < 3);
        assert_string_equal(e.sni, names[i][0]);
    }
    buf_free(&data);
}

static void test_one_record_that_matches_is_enough(void **state)
{
    struct buf wrong = data_of(&stranger, TLSA_SPKI, TLSA_SHA2_256);
    struct buf right = data_of(&host, TLSA_SPKI, TLSA_SHA2_256);
    struct tlsa records[] = {{TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA2_256, buf_span(&wrong)},
                             {TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA2_256, buf_span(&right)}};
    struct tlspolicy_facts facts = {.next_hop = "example",
                                    .host = "mx.example",
                                    .is_mx = true,
                                    .route_secure = true,
                                    .tlsa = TLSPOLICY_TLSA_FOUND,
                                    .tlsa_base = "mx.example",
                                    .usable = records,
                                    .usable_n = 2};
    assert_true(shake(tlspolicy_new(&facts), &host, NULL, 0).done);
    buf_free(&wrong);
    buf_free(&right);
}

static void test_with_mta_sts_an_authority_has_to_agree(void **state)
{
    static char *listed[] = {(char *)"*.example", (char *)"other.test"};
    static const struct mtasts_policy enforce = {MTASTS_ENFORCE, 86400, 2, listed};
    static const struct {
        const struct made *server;
        const char *name;
        bool done;
        enum tlsresult_type type;
    } cases[] = {
        {&host, "mx.example", true, 0},
        {&host, "other.test", false, TLSRESULT_CERTIFICATE_HOST_MISMATCH},
        {&expired, "mx.example", false, TLSRESULT_CERTIFICATE_EXPIRED},
        {&stranger, "stranger.example", false, TLSRESULT_CERTIFICATE_NOT_TRUSTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct end e = shake(dane_policy(cases[i].server, TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA2_256,
                                         cases[i].name, &enforce),
                             cases[i].server, chain, 0);
        if (e.done != cases[i].done || (!e.done && e.type != cases[i].type))
            fail_msg("case %zu: done %d, type %d, %s", i, e.done, e.type, e.reason);
    }
    /* and the record, too */
    assert_false(shake(dane_policy(&stranger, TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA2_256, "mx.example",
                                   &enforce),
                       &host, chain, 0)
                     .done);
}

static void test_without_dane_an_authority_alone_decides(void **state)
{
    struct end e = shake(plain_policy(TLSPOLICY_VERIFY, "mx.example"), &host, chain, 0);
    assert_true(e.done && e.verified);
    assert_string_equal(e.sni, "mx.example");
    e = shake(plain_policy(TLSPOLICY_VERIFY, "mx2.example"), &host, chain, 0);
    assert_true(!e.done && e.type == TLSRESULT_CERTIFICATE_HOST_MISMATCH);
    e = shake(plain_policy(TLSPOLICY_VERIFY, "mx.example"), &host, NULL, 0);
    assert_true(!e.done && e.type == TLSRESULT_CERTIFICATE_NOT_TRUSTED);
    e = shake(plain_policy(TLSPOLICY_VERIFY, "stranger.example"), &stranger, NULL, 0);
    assert_true(!e.done && e.type == TLSRESULT_CERTIFICATE_NOT_TRUSTED);
    assert_string_equal(e.reason, "self-signed");
}

static void test_what_demands_nothing_takes_any_certificate_and_can_tell_what_it_was_worth(void **s)
{
    struct end e = shake(plain_policy(TLSPOLICY_PUBLISHED, "mx.example"), &host, chain, 0);
    assert_true(e.done && !e.verified && !e.faulty && e.would);
    e = shake(plain_policy(TLSPOLICY_ENCRYPT, "mx.example"), &stranger, NULL, 0);
    assert_true(e.done && !e.verified && !e.would);
    assert_int_equal(e.type, TLSRESULT_CERTIFICATE_NOT_TRUSTED);
    e = shake(plain_policy(TLSPOLICY_MAY, "mx.example"), &expired, chain, 0);
    assert_true(e.done && !e.would);
    assert_int_equal(e.type, TLSRESULT_CERTIFICATE_EXPIRED);
}

static void test_a_fingerprint_pins_certificate_or_key_also_of_an_address(void **state)
{
    for (unsigned selector = 0; selector <= 1; selector++) {
        for (int right = 0; right <= 1; right++) {
            unsigned char prints[1][TLSPOLICY_DIGEST];
            struct buf data = data_of(right ? &host : &stranger, selector, TLSA_SHA2_256);
            memcpy(prints[0], buf_span(&data).p, TLSPOLICY_DIGEST);
            struct tlspolicy_facts facts = {.next_hop = "192.0.2.1",
                                            .host = "192.0.2.1",
                                            .is_address = true,
                                            .level = TLSPOLICY_FINGERPRINT,
                                            .fingerprints =
                                                (const unsigned char(*)[TLSPOLICY_DIGEST])prints,
                                            .fingerprints_n = 1};
            struct end e = shake(tlspolicy_new(&facts), &host, NULL, 0);
            assert_int_equal(e.done, right);
            assert_string_equal(e.sni, "");
            buf_free(&data);
        }
    }
}

/* TLSA records that cannot be used ask for TLS all the same (RFC 7672 section 2.2). */
static const struct tlspolicy *unusable_policy(const char *name)
{
    struct tlspolicy_facts facts = {.next_hop = "example",
                                    .host = name,
                                    .is_mx = true,
                                    .route_secure = true,
                                    .tlsa = TLSPOLICY_TLSA_FOUND,
                                    .tlsa_base = name};
    return tlspolicy_new(&facts);
}

static void test_old_protocols_are_for_those_that_demand_nothing(void **state)
{
    static const struct {
        enum tlspolicy_level level;
        bool unusable, takes_old;
    } cases[] = {
        {TLSPOLICY_PUBLISHED, false, true}, {TLSPOLICY_MAY, false, true},
        {TLSPOLICY_PUBLISHED, true, false}, {TLSPOLICY_ENCRYPT, false, false},
        {TLSPOLICY_VERIFY, false, false},
    };
    static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t v = 0; v < 3; v++) {
            struct end e = shake(cases[i].unusable ? unusable_policy("mx.example")
                                                   : plain_policy(cases[i].level, "mx.example"),
                                 &host, chain, versions[v]);
            if (e.done != (cases[i].takes_old || versions[v] == TLS1_2_VERSION))
                fail_msg("case %zu with %#x", i, (unsigned)versions[v]);
            assert_false(e.faulty); /* not the certificate's fault */
        }
    }
}

static void test_records_that_cannot_be_used_are_told_apart(void **state)
{
    struct buf spki = data_of(&host, TLSA_SPKI, TLSA_FULL),
               cert = data_of(&host, TLSA_CERT, TLSA_FULL);
    unsigned char digest[64] = {1};
    const struct {
        unsigned usage, selector, matching;
        struct span data;
        bool usable;
    } cases[] = {
        {3, 1, 1, span_of(digest, 32), true},
        {3, 0, 2, span_of(digest, 64), true},
        {2, 0, 1, span_of(digest, 32), true},
        {2, 1, 0, buf_span(&spki), true},
        {3, 0, 0, buf_span(&cert), true},
        {0, 1, 1, span_of(digest, 32), false}, /* PKIX-TA, PKIX-EE: not for SMTP */
        {1, 1, 1, span_of(digest, 32), false},
        {4, 1, 1, span_of(digest, 32), false},
        {255, 1, 1, span_of(digest, 32), false},
        {3, 2, 1, span_of(digest, 32), false},
        {3, 1, 3, span_of(digest, 32), false},
        {3, 1, 1, span_of(digest, 31), false},
        {3, 1, 1, span_of(digest, 33), false},
        {3, 1, 2, span_of(digest, 32), false},
        {3, 1, 1, span_of(digest, 0), false},
        {3, 1, 0, buf_span(&cert), false},
        {3, 0, 0, buf_span(&spki), false},
        {3, 0, 0, span_of(digest, 64), false},
    };
    enum { N = sizeof cases / sizeof cases[0] };
    struct tlsdane *d = tlsdane_new(NULL, 4, NULL);
    struct tlsa all[N], out[N];
    size_t usable = 0;
    for (size_t i = 0; i < N; i++) {
        all[i] = (struct tlsa){(uint8_t)cases[i].usage, (uint8_t)cases[i].selector,
                               (uint8_t)cases[i].matching, cases[i].data};
        if (tlsdane_usable(d, &all[i], 1, out) != (size_t)cases[i].usable)
            fail_msg("case %zu", i);
        usable += cases[i].usable;
    }
    assert_int_equal(tlsdane_usable(d, all, N, out), usable);
    assert_int_equal(out[0].usage, 3);
    assert_int_equal(tlsdane_usable(d, NULL, 0, out), 0);
    tlsdane_free(&d);
    assert_null(d);
    buf_free(&spki);
    buf_free(&cert);
}

static void test_a_policy_none_of_whose_records_can_be_used_gets_no_connection(void **state)
{
    unsigned char digest[31] = {1};
    struct tlsa record = {TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA2_256, span_of(digest, sizeof digest)};
    struct tlspolicy_facts facts = {.next_hop = "example",
                                    .host = "mx.example",
                                    .tlsa = TLSPOLICY_TLSA_FOUND,
                                    .tlsa_base = "mx.example",
                                    .usable = &record,
                                    .usable_n = 1};
    const struct tlspolicy *p = tlspolicy_new(&facts);
    struct tlsdane *d = tlsdane_new(NULL, 4, NULL);
    struct fail f;
    assert_null(tlsdane_connect(d, p, NULL, &f));
    assert_string_equal(f.text, "no TLSA record can be used");
    tlsdane_free(&d);
    tlspolicy_drop(&p);
}

/* ---- sessions that are resumed ---- */

/* A server that gives out tickets, and a client that keeps so many of them. */
static struct {
    SSL_CTX *ctx;
    struct tlsdane *d;
} parties;

static void open_parties(unsigned sessions, int version)
{
    parties.ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(parties.ctx, host.cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(parties.ctx, host.key), 1);
    assert_int_equal(SSL_CTX_add1_chain_cert(parties.ctx, middle.cert), 1);
    SSL_CTX_set_max_proto_version(parties.ctx, version);
    parties.d = tlsdane_new(roots, sessions, NULL);
    assert_non_null(parties.d);
}

static void close_parties(void)
{
    tlsdane_free(&parties.d);
    SSL_CTX_free(parties.ctx);
}

/* One connection. Whether it resumed a session; the handshake must be as good as the policy asks.
 */
static bool resumes(const struct tlspolicy *policy, const char *peer)
{
    struct fail f = {""};
    struct tls_info info;
    struct pair pair;
    SSL *ssl = tlsdane_connect(parties.d, policy, peer, &f), *accept = SSL_new(parties.ctx);
    assert_non_null(ssl);
    SSL_set_accept_state(accept);
    pair_open(&pair, accept, ssl);
    if (pair_shake(&pair, &f) != 0)
        fail_msg("%s", f.text);
    assert_int_equal(pair_deliver(&pair), 0);
    tls_info_fill(&info, ssl);
    assert_int_equal(info.verified, policy->dane || policy->pkix);
    assert_int_equal(tlsdane_offers_session(ssl), info.resumed);
    pair_close(&pair);
    return info.resumed;
}

static void test_a_session_is_resumed_with_the_same_peer_under_the_same_policy(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        const struct tlspolicy *policies[] = {
            plain_policy(TLSPOLICY_MAY, "mx.example"),
            plain_policy(TLSPOLICY_VERIFY, "mx.example"),
            dane_policy(&host, TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA2_256, "mx.example", NULL),
        };
        for (size_t k = 0; k < 3; k++) {
            open_parties(4, versions[i]);
            assert_false(resumes(policies[k], "mx at 1"));
            assert_true(resumes(policies[k], "mx at 1"));
            assert_false(resumes(policies[k], "mx at 2"));
            assert_false(resumes(policies[k], NULL));
            assert_true(resumes(policies[k], "mx at 2"));
            close_parties();
            tlspolicy_drop(&policies[k]);
        }
    }
}

static void test_a_session_made_under_another_policy_is_not_resumed(void **state)
{
    const struct tlspolicy *policies[] = {
        plain_policy(TLSPOLICY_MAY, "mx.example"),
        plain_policy(TLSPOLICY_VERIFY, "mx.example"),
        plain_policy(TLSPOLICY_MAY, "a.wild.example"),
        dane_policy(&host, TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA2_256, "mx.example", NULL),
        dane_policy(&host, TLSA_DANE_EE, TLSA_CERT, TLSA_SHA2_256, "mx.example", NULL),
    };
    enum { N = sizeof policies / sizeof policies[0] };
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < N; k++) {
            open_parties(4, TLS1_3_VERSION);
            assert_false(resumes(policies[i], "mx"));
            assert_int_equal(resumes(policies[k], "mx"), i == k);
            assert_true(resumes(policies[k], "mx")); /* the last one is that which is kept */
            close_parties();
        }
    }
    for (size_t i = 0; i < N; i++)
        tlspolicy_drop(&policies[i]);
}

static void test_a_changed_record_is_looked_at_though_there_is_a_session(void **state)
{
    struct fail f = {""};
    struct pair pair;
    const struct tlspolicy *good = dane_policy(&host, TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA2_256,
                                               "mx.example", NULL),
                           *bad = dane_policy(&stranger, TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA2_256,
                                              "mx.example", NULL);
    open_parties(4, TLS1_3_VERSION);
    assert_false(resumes(good, "mx"));
    SSL *ssl = tlsdane_connect(parties.d, bad, "mx", &f), *accept = SSL_new(parties.ctx);
    SSL_set_accept_state(accept);
    pair_open(&pair, accept, ssl);
    assert_int_equal(pair_shake(&pair, &f), -1);
    pair_close(&pair);
    assert_false(resumes(good, "mx"));
    close_parties();
    tlspolicy_drop(&good);
    tlspolicy_drop(&bad);
}

static void test_sessions_are_few_and_do_not_last(void **state)
{
    const struct tlspolicy *policy = plain_policy(TLSPOLICY_MAY, "mx.example");
    static const char *const peers[] = {"1", "2", "3", "4", "5"};
    open_parties(4, TLS1_3_VERSION);
    for (size_t i = 0; i < 5; i++)
        assert_false(resumes(policy, peers[i]));
    assert_true(resumes(policy, "2"));
    assert_false(resumes(policy, "1"));
    clock_step(59 * 60 * 1000);
    assert_true(resumes(policy, "5"));
    clock_step(61 * 60 * 1000);
    assert_false(resumes(policy, "5"));
    close_parties();
    open_parties(0, TLS1_3_VERSION);
    assert_false(resumes(policy, "1"));
    assert_false(resumes(policy, "1"));
    close_parties();
    tlspolicy_drop(&policy);
}

/* ---- our own certificate ---- */

static int take_any(int good, X509_STORE_CTX *ctx)
{
    return 1;
}

/* Who the server takes us for: the subject of what it was shown, "" for nothing. */
static void show(struct tlsdane *d, const struct tlspolicy *policy, int version, bool asks,
                 char subject[256])
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct fail f = {""};
    struct pair pair;
    struct tls_info info;
    assert_int_equal(SSL_CTX_use_certificate(ctx, host.cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, host.key), 1);
    assert_int_equal(SSL_CTX_add1_chain_cert(ctx, middle.cert), 1);
    SSL_CTX_set_max_proto_version(ctx, version);
    if (version != 0 && version < TLS1_2_VERSION) {
        SSL_CTX_set_min_proto_version(ctx, version);
        SSL_CTX_set_security_level(ctx, 0);
    }
    if (asks)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, take_any);
    SSL *ssl = tlsdane_connect(d, policy, NULL, &f), *accept = SSL_new(ctx);
    assert_non_null(ssl);
    SSL_set_accept_state(accept);
    pair_open(&pair, accept, ssl);
    assert_int_equal(pair_shake(&pair, &f), 0);
    tls_info_fill(&info, accept);
    (void)snprintf(subject, 256, "%s", info.peer);
    pair_close(&pair);
    SSL_CTX_free(ctx);
    tlspolicy_drop(&policy);
}

static void test_our_certificate_is_shown_to_who_asks_for_it(void **state)
{
    static const char *const names[] = {"us.example"};
    struct tlskey *key = tlskey_generate(), *other = tlskey_generate();
    const struct tls_remote right = {sign_here, key}, wrong = {sign_here, other};
    struct buf pem = {0};
    struct fail f = {""};
    struct tlsdane *d = tlsdane_new(roots, 4, &f);
    char subject[256];
    assert_int_equal(tlskey_self_sign(key, names, 1, 10, &pem, &f), 0);
    assert_int_equal(tlsdane_identify(d, buf_span(&pem), &wrong, &f), -1);
    assert_int_equal(tlsdane_identify(d, buf_span(&pem), &right, &f), 0);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        show(d, plain_policy(TLSPOLICY_MAY, "mx.example"), version, true, subject);
        assert_string_equal(subject, "CN=us.example");
        show(d, plain_policy(TLSPOLICY_VERIFY, "mx.example"), version, true, subject);
        assert_string_equal(subject, "CN=us.example");
        show(d, plain_policy(TLSPOLICY_VERIFY, "mx.example"), version, false, subject);
        assert_string_equal(subject, "");
    }
    tlsdane_free(&d);
    tlskey_free(&key);
    tlskey_free(&other);
    buf_free(&pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_selector_and_matching_type_of_both_usages),
        cmocka_unit_test(test_an_anchor_in_full_need_not_be_sent_by_the_server),
        cmocka_unit_test(test_names_and_dates_count_for_an_anchor_and_not_for_a_host_key),
        cmocka_unit_test(test_any_of_the_names_will_do_for_an_anchor),
        cmocka_unit_test(test_one_record_that_matches_is_enough),
        cmocka_unit_test(test_with_mta_sts_an_authority_has_to_agree),
        cmocka_unit_test(test_without_dane_an_authority_alone_decides),
        cmocka_unit_test(
            test_what_demands_nothing_takes_any_certificate_and_can_tell_what_it_was_worth),
        cmocka_unit_test(test_a_fingerprint_pins_certificate_or_key_also_of_an_address),
        cmocka_unit_test(test_old_protocols_are_for_those_that_demand_nothing),
        cmocka_unit_test(test_records_that_cannot_be_used_are_told_apart),
        cmocka_unit_test(test_a_policy_none_of_whose_records_can_be_used_gets_no_connection),
        cmocka_unit_test(test_a_session_is_resumed_with_the_same_peer_under_the_same_policy),
        cmocka_unit_test(test_a_session_made_under_another_policy_is_not_resumed),
        cmocka_unit_test(test_a_changed_record_is_looked_at_though_there_is_a_session),
        cmocka_unit_test(test_sessions_are_few_and_do_not_last),
        cmocka_unit_test(test_our_certificate_is_shown_to_who_asks_for_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
