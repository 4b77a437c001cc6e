#define OPENSSL_SUPPRESS_DEPRECATED /* RSA_padding_add_PKCS1_type_1 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "clock.h"
#include "peer.h"
#include "tls.h"

static struct identity rsa, ec, p384;

static void assert_says(const struct fail *f, const char *sentence)
{
    if (strstr(f->text, sentence) == NULL)
        fail_msg("said \"%s\" and not \"%s\"", f->text, sentence);
    assert_int_equal(ERR_peek_error(), 0);
}

static EVP_PKEY *open_key(const struct identity *id)
{
    BIO *in = BIO_new_mem_buf(buf_span(&id->key_pem).p, (int)id->key_pem.n);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    BIO_free(in);
    assert_non_null(key);
    return key;
}

static void take_text(BIO *out, struct buf *text)
{
    char *p;
    long n = BIO_get_mem_data(out, &p);
    buf_put(text, p, (size_t)n);
    BIO_free(out);
}

static void test_a_key_is_read_in_every_form_that_tools_write(void **state)
{
    struct identity *ids[] = {&rsa, &ec, &p384};
    for (size_t i = 0; i < 3; i++) {
        struct buf traditional = {0}, with_parameters = {0}, written = {0};
        EVP_PKEY *key = open_key(ids[i]);
        BIO *out = BIO_new(BIO_s_mem());
        assert_int_equal(PEM_write_bio_PrivateKey_traditional(out, key, NULL, NULL, 0, NULL, NULL),
                         1);
        take_text(out, &traditional);
        /* As "openssl ecparam -genkey" writes it. */
        buf_puts(&with_parameters, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                                   "-----END EC PARAMETERS-----\n");
        buf_put_span(&with_parameters, buf_span(&traditional));
        tlskey_write(ids[i]->key, &written);
        struct span forms[] = {buf_span(&ids[i]->key_pem), buf_span(&traditional),
                               buf_span(&with_parameters), buf_span(&written)};
        for (size_t k = 0; k < 4; k++) {
            struct fail f = {""};
            struct tlskey *again = tlskey_load(forms[k], &f);
            if (again == NULL)
                fail_msg("key %zu, form %zu: %s", i, k, f.text);
            assert_int_equal(tlskey_fits(again, buf_span(&ids[i]->chain_pem), NULL), 0);
            tlskey_free(&again);
            assert_null(again);
        }
        assert_true(span_equal(buf_span(&written), buf_span(&ids[i]->key_pem)));
        buf_wipe(&traditional);
        buf_wipe(&with_parameters);
        buf_wipe(&written);
        EVP_PKEY_free(key);
    }
}

static void refuse_key(struct span pem, const char *sentence)
{
    struct fail f = {""};
    assert_null(tlskey_load(pem, &f));
    assert_says(&f, sentence);
}

static void test_what_is_no_usable_key_is_refused(void **state)
{
    static const char *const kinds[][2] = {
        {"ED25519", "kind ED25519"}, {"RSA-1024", "RSA (1024 bits)"}, {"P-521", "EC (secp521r1)"}};
    refuse_key(span_text(""), "has 1 to 65536 octets");
    refuse_key(span_text("what is this\n"), "no private key found");
    refuse_key(buf_span(&ec.chain_pem), "no private key found");
    for (size_t i = 0; i < 3; i++) {
        struct identity id;
        identity_make(&id, kinds[i][0]);
        refuse_key(buf_span(&id.key_pem), kinds[i][1]);
        identity_free(&id);
    }
    struct buf large = {0};
    memset(buf_room(&large, 65537), '\n', 65537);
    buf_grew(&large, 65537);
    refuse_key(buf_span(&large), "has 1 to 65536 octets");
    buf_free(&large);
}

static void test_a_key_with_a_passphrase_is_refused_without_asking_for_it(void **state)
{
    struct buf pkcs8 = {0}, traditional = {0};
    EVP_PKEY *key = open_key(&ec);
    BIO *out = BIO_new(BIO_s_mem());
    unsigned char word[] = "word";
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_256_cbc(), (char *)word, 4, NULL, NULL), 1);
    take_text(out, &pkcs8);
    out = BIO_new(BIO_s_mem());
    assert_int_equal(
        PEM_write_bio_PrivateKey_traditional(out, key, EVP_aes_128_cbc(), word, 4, NULL, NULL), 1);
    take_text(out, &traditional);
    refuse_key(buf_span(&pkcs8), "protected by a passphrase");
    refuse_key(buf_span(&traditional), "protected by a passphrase");
    buf_free(&pkcs8);
    buf_free(&traditional);
    EVP_PKEY_free(key);
}

static void test_a_key_for_another_certificate_is_refused(void **state)
{
    struct fail f = {""};
    struct identity other;
    identity_make(&other, "P-256");
    assert_int_equal(tlskey_fits(other.key, buf_span(&ec.chain_pem), &f), -1);
    assert_says(&f, "the private key does not belong to the certificate for mail.example");
    assert_int_equal(tlskey_fits(rsa.key, buf_span(&ec.chain_pem), &f), -1);
    assert_says(&f, "the private key does not belong to the certificate for mail.example");
    assert_int_equal(tlskey_fits(rsa.key, span_text("x"), &f), -1);
    assert_says(&f, "no certificate found");
    identity_free(&other);
}

/* The public half of ec around the private half of another key. */
static void graft(const struct identity *other, struct buf *pem)
{
    EVP_PKEY *public_key = open_key(&ec), *private_key = open_key(other), *both = NULL;
    BIGNUM *number = NULL;
    unsigned char point[200];
    size_t n = 0;
    assert_int_equal(EVP_PKEY_get_bn_param(private_key, OSSL_PKEY_PARAM_PRIV_KEY, &number), 1);
    assert_int_equal(EVP_PKEY_get_octet_string_param(public_key, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                     sizeof point, &n),
                     1);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, n);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, number);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &both, EVP_PKEY_KEYPAIR, params), 1);
    BIO *out = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(out, both, NULL, NULL, 0, NULL, NULL), 1);
    take_text(out, pem);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(number);
    EVP_PKEY_free(both);
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(private_key);
}

static void test_a_key_whose_halves_do_not_match_is_refused(void **state)
{
    struct identity other;
    struct buf pem = {0};
    struct fail f = {""};
    identity_make(&other, "P-256");
    graft(&other, &pem);
    struct tlskey *key = tlskey_load(buf_span(&pem), &f);
    assert_non_null(key);
    assert_int_equal(tlskey_fits(key, buf_span(&ec.chain_pem), &f), -1);
    assert_says(&f, "its private half does not match its public half");
    tlskey_free(&key);
    identity_free(&other);
    buf_free(&pem);
}

static void test_the_id_is_the_same_for_key_and_certificate(void **state)
{
    unsigned char of_key[TLSCERT_KEY_ID_SIZE], of_cert[TLSCERT_KEY_ID_SIZE],
        of_other[TLSCERT_KEY_ID_SIZE];
    STACK_OF(X509) *chain = tlscert_parse(buf_span(&rsa.chain_pem), NULL);
    tlskey_id(rsa.key, of_key);
    tlskey_id(ec.key, of_other);
    tlscert_key_id(X509_get0_pubkey(sk_X509_value(chain, 0)), of_cert);
    assert_memory_equal(of_key, of_cert, sizeof of_key);
    assert_memory_not_equal(of_key, of_other, sizeof of_key);
    tlscert_free(&chain);
}

static int try_sign(const struct tlskey *key, int type, int detail, struct span input,
                    struct fail *f)
{
    struct buf out = {0};
    buf_puts(&out, "before");
    int rc = tlskey_sign(key, type, detail, input, &out, f);
    if (rc != 0)
        assert_int_equal(out.n, 6);
    else
        assert_true(out.n > 6 && memcmp(out.p, "before", 6) == 0);
    buf_free(&out);
    return rc;
}

static void test_an_ec_key_signs_digests_and_nothing_else(void **state)
{
    unsigned char input[128] = {1};
    for (size_t n = 0; n <= sizeof input; n++) {
        struct fail f = {""};
        bool fits = n == 32 || n == 48 || n == 64;
        assert_int_equal(try_sign(ec.key, EVP_PKEY_EC, NID_X9_62_prime256v1, span_of(input, n), &f),
                         fits ? 0 : -1);
        if (!fits)
            assert_says(&f, "octets are no digest to be signed");
    }
    struct fail f = {""};
    struct span digest = span_of(input, 32);
    assert_int_equal(try_sign(p384.key, EVP_PKEY_EC, NID_secp384r1, digest, &f), 0);
    assert_int_equal(try_sign(p384.key, EVP_PKEY_EC, NID_X9_62_prime256v1, digest, &f), -1);
    assert_says(&f, "on another curve");
    assert_int_equal(try_sign(ec.key, EVP_PKEY_RSA, RSA_PKCS1_PADDING, digest, &f), -1);
    assert_says(&f, "another kind of key");
    assert_int_equal(try_sign(ec.key, -1, NID_X9_62_prime256v1, digest, &f), -1);
}

static void test_an_rsa_key_refuses_tampered_input(void **state)
{
    static const int paddings[] = {
        0, 2, RSA_PKCS1_OAEP_PADDING, RSA_X931_PADDING, RSA_PKCS1_PSS_PADDING, -1, 1 << 30};
    unsigned char info[51] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                              0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    struct fail f = {""};
    struct span good = span_of(info, sizeof info);
    assert_int_equal(try_sign(rsa.key, EVP_PKEY_RSA, RSA_PKCS1_PADDING, good, &f), 0);
    assert_int_equal(try_sign(rsa.key, EVP_PKEY_RSA, RSA_PKCS1_PADDING, span_of(info, 50), &f), -1);
    assert_says(&f, "not a DigestInfo");
    assert_int_equal(try_sign(rsa.key, EVP_PKEY_RSA, RSA_PKCS1_PADDING, span_of(NULL, 0), &f), -1);
    for (size_t i = 0; i < 19; i++) {
        info[i] ^= 1;
        assert_int_equal(try_sign(rsa.key, EVP_PKEY_RSA, RSA_PKCS1_PADDING, good, &f), -1);
        info[i] ^= 1;
    }
    assert_int_equal(try_sign(rsa.key, EVP_PKEY_RSA, RSA_NO_PADDING, good, &f), -1);
    assert_says(&f, "not a block that is PSS-encoded");
    /* What RSA_PKCS1_PADDING would make of a DigestInfo, as a block, is no PSS block either. */
    unsigned char block[256];
    assert_int_equal(RSA_padding_add_PKCS1_type_1(block, sizeof block, info, sizeof info), 1);
    assert_int_equal(
        try_sign(rsa.key, EVP_PKEY_RSA, RSA_NO_PADDING, span_of(block, sizeof block), &f), -1);
    memset(block, 0x5a, sizeof block);
    block[255] = 0xbc;
    assert_int_equal(
        try_sign(rsa.key, EVP_PKEY_RSA, RSA_NO_PADDING, span_of(block, sizeof block), &f), -1);
    for (size_t i = 0; i < sizeof paddings / sizeof paddings[0]; i++) {
        assert_int_equal(try_sign(rsa.key, EVP_PKEY_RSA, paddings[i], good, &f), -1);
        assert_says(&f, "no such padding");
    }
}

static X509 *sign_self(const struct tlskey *key, const char *const *names, size_t n, int days)
{
    struct buf pem = {0};
    assert_int_equal(tlskey_self_sign(key, names, n, days, &pem, NULL), 0);
    assert_int_equal(tlskey_fits(key, buf_span(&pem), NULL), 0);
    BIO *in = BIO_new_mem_buf(buf_span(&pem).p, (int)pem.n);
    X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
    BIO_free(in);
    buf_free(&pem);
    assert_non_null(cert);
    return cert;
}

static void test_a_self_signed_certificate_is_for_each_of_its_names_and_ten_years(void **state)
{
    static const char *const names[] = {"mail.example", "localhost", "127.0.0.1", "::1"};
    struct tlskey *key = tlskey_generate();
    X509 *cert = sign_self(key, names, 4, 3650);
    X509 *other = sign_self(key, names, 4, 3650);
    assert_int_equal(X509_verify(cert, X509_get0_pubkey(cert)), 1);
    assert_int_equal(X509_check_host(cert, "mail.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "other.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.2", 0), 0);
    assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0), 1);
    assert_int_equal(X509_check_ca(cert), 0);
    assert_int_not_equal(X509_cmp(cert, other), 0);
    int64_t now = clock_wall_ms(), day = 86400000;
    assert_int_equal(tlscert_check_dates(cert, now, NULL), 0);
    assert_in_range(tlscert_expires_ms(cert), now + 3650 * day - day / 24, now + 3650 * day);
    X509_free(cert);
    X509_free(other);
    tlskey_free(&key);
}

static void test_a_name_that_is_none_gets_no_certificate(void **state)
{
    static const char *const bad[] = {
        "", "two words", "a,b", "DNS:x", "caf\xc3\xa9.example", "1.2.3.4/8", "::1%lo"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *const names[] = {"good.example", bad[i]};
        struct fail f = {""};
        struct buf pem = {0};
        assert_int_equal(tlskey_self_sign(ec.key, names, 2, 1, &pem, &f), -1);
        assert_says(&f, "neither a domain name nor an address");
        assert_int_equal(pem.n, 0);
        buf_free(&pem);
    }
    char name[254];
    memset(name, 'a', sizeof name - 1);
    name[253] = '\0';
    name[63] = name[127] = name[191] = '.';
    const char *const names[] = {name};
    X509 *cert = sign_self(ec.key, names, 1, 1);
    assert_int_equal(X509_check_host(cert, name, 0, 0, NULL), 1);
    X509_free(cert);
}

static int set_up(void **state)
{
    if (tls_init(NULL) != 0)
        return -1;
    identity_make(&rsa, "RSA-2048");
    identity_make(&ec, "P-256");
    identity_make(&p384, "P-384");
    return 0;
}

static int tear_down(void **state)
{
    identity_free(&rsa);
    identity_free(&ec);
    identity_free(&p384);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_is_read_in_every_form_that_tools_write),
        cmocka_unit_test(test_what_is_no_usable_key_is_refused),
        cmocka_unit_test(test_a_key_with_a_passphrase_is_refused_without_asking_for_it),
        cmocka_unit_test(test_a_key_for_another_certificate_is_refused),
        cmocka_unit_test(test_a_key_whose_halves_do_not_match_is_refused),
        cmocka_unit_test(test_the_id_is_the_same_for_key_and_certificate),
        cmocka_unit_test(test_an_ec_key_signs_digests_and_nothing_else),
        cmocka_unit_test(test_an_rsa_key_refuses_tampered_input),
        cmocka_unit_test(test_a_self_signed_certificate_is_for_each_of_its_names_and_ten_years),
        cmocka_unit_test(test_a_name_that_is_none_gets_no_certificate),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
