#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "peer.h"
#include "tls.h"
#include "tlscert.h"

static struct identity ec;

static void put_chain(struct buf *pem, int count)
{
    for (int i = 0; i < count; i++) {
        buf_puts(pem, "text that openssl x509 -text puts before it\n");
        buf_put_span(pem, buf_span(&ec.chain_pem));
    }
}

static void test_a_chain_has_one_to_ten_certificates(void **state)
{
    for (int count = 0; count <= 12; count++) {
        struct buf pem = {0};
        struct fail f = {""};
        put_chain(&pem, count);
        STACK_OF(X509) *chain = tlscert_parse(buf_span(&pem), &f);
        if (count >= 1 && count <= 10) {
            assert_non_null(chain);
            assert_int_equal(sk_X509_num(chain), count);
        } else {
            assert_null(chain);
            assert_string_equal(f.text, count == 0 ? "no certificate found (a PEM file is expected)"
                                                   : "more than 10 certificates in one chain");
        }
        assert_int_equal(ERR_peek_error(), 0);
        tlscert_free(&chain);
        assert_null(chain);
        buf_free(&pem);
    }
}

static void test_a_key_in_the_same_file_is_passed_over(void **state)
{
    struct buf pem = {0};
    buf_put_span(&pem, buf_span(&ec.key_pem));
    put_chain(&pem, 2);
    STACK_OF(X509) *chain = tlscert_parse(buf_span(&pem), NULL);
    assert_int_equal(sk_X509_num(chain), 2);
    tlscert_free(&chain);
    buf_wipe(&pem);
}

static void test_a_damaged_later_certificate_spoils_the_chain(void **state)
{
    static const char *const tails[] = {
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    };
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        struct buf pem = {0};
        struct fail f = {""};
        put_chain(&pem, 1);
        buf_puts(&pem, tails[i]);
        assert_null(tlscert_parse(buf_span(&pem), &f));
        assert_non_null(strstr(f.text, "cannot read a later certificate of the chain: "));
        buf_free(&pem);
    }
}

static void test_a_file_that_is_too_long_is_refused(void **state)
{
    struct buf pem = {0};
    struct fail f = {""};
    put_chain(&pem, 1);
    size_t more = TLSCERT_PEM_MAX - pem.n;
    memset(buf_room(&pem, more + 1), '\n', more + 1);
    buf_grew(&pem, more);
    STACK_OF(X509) *chain = tlscert_parse(buf_span(&pem), &f);
    assert_non_null(chain);
    tlscert_free(&chain);
    buf_grew(&pem, 1);
    assert_null(tlscert_parse(buf_span(&pem), &f));
    assert_string_equal(f.text, "certificate file is longer than 65536 octets");
    buf_free(&pem);
}

static void test_a_certificate_is_good_from_its_first_to_its_last_second(void **state)
{
    STACK_OF(X509) *chain = tlscert_parse(buf_span(&ec.chain_pem), NULL);
    X509 *cert = sk_X509_value(chain, 0);
    struct fail f = {""};
    /* 2030-01-02 03:04:05 and 2031-01-02 03:04:05 */
    assert_int_equal(ASN1_TIME_set_string(X509_getm_notBefore(cert), "300102030405Z"), 1);
    assert_int_equal(ASN1_TIME_set_string(X509_getm_notAfter(cert), "20310102030405Z"), 1);
    int64_t from = 1893553445000, to = 1925089445000;
    assert_int_equal(tlscert_expires_ms(cert), to);
    assert_int_equal(tlscert_check_dates(cert, from, &f), 0);
    assert_int_equal(tlscert_check_dates(cert, to, &f), 0);
    assert_int_equal(tlscert_check_dates(cert, from - 1, &f), -1);
    assert_string_equal(f.text,
                        "certificate for mail.example is not valid before 2030-01-02 03:04:05 UTC");
    assert_int_equal(tlscert_check_dates(cert, to + 1, &f), -1);
    assert_string_equal(f.text, "certificate for mail.example expired on 2031-01-02 03:04:05 UTC");
    tlscert_free(&chain);
}

static void test_a_name_is_cut_and_printable(void **state)
{
    struct buf pem = {0};
    char name[64], small[8];
    STACK_OF(X509) *chain = tlscert_parse(buf_span(&ec.chain_pem), NULL);
    tlscert_name(sk_X509_value(chain, 0), name, sizeof name);
    assert_string_equal(name, "mail.example");
    /* A DNS name that does not fit is not cut, since it would be another name. */
    tlscert_name(sk_X509_value(chain, 0), small, sizeof small);
    assert_string_equal(small, "CN=mail");
    tlscert_free(&chain);

    /* A DNS name is what its issuer wrote there. */
    static const char hostile[] = "evil\n\x1b[2J\xc3\xa9.example";
    certificate_make(buf_span(&ec.key_pem), 0, 60, &pem);
    chain = tlscert_parse(buf_span(&pem), NULL);
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *dns = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    assert_int_equal(ASN1_STRING_set(text, hostile, -1), 1);
    GENERAL_NAME_set0_value(dns, GEN_DNS, text);
    assert_true(sk_GENERAL_NAME_push(names, dns) > 0);
    assert_int_equal(X509_add1_ext_i2d(sk_X509_value(chain, 0), NID_subject_alt_name, names, 0, 0),
                     1);
    tlscert_name(sk_X509_value(chain, 0), name, sizeof name);
    assert_string_equal(name, "evil??[2J??.example");
    GENERAL_NAMES_free(names);
    tlscert_free(&chain);
    buf_free(&pem);
}

static int set_up(void **state)
{
    int rc = tls_init(NULL);
    identity_make(&ec, "P-256");
    return rc;
}

static int tear_down(void **state)
{
    identity_free(&ec);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_has_one_to_ten_certificates),
        cmocka_unit_test(test_a_key_in_the_same_file_is_passed_over),
        cmocka_unit_test(test_a_damaged_later_certificate_spoils_the_chain),
        cmocka_unit_test(test_a_file_that_is_too_long_is_refused),
        cmocka_unit_test(test_a_certificate_is_good_from_its_first_to_its_last_second),
        cmocka_unit_test(test_a_name_is_cut_and_printable),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
