#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base64.h"
#include "dkimkey.h"

/* RFC 8463 A.2, which is RFC 8032 7.1 test 1. */
static const char ed25519_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";

static EVP_PKEY *read_key(const char *pem)
{
    struct fail f = {""};
    EVP_PKEY *key = dkimkey_read_pem(span_text(pem), &f);
    if (key == NULL)
        print_message("%s\n", f.text);
    return key;
}

static void test_the_rfcs_key_has_the_rfcs_record(void **state)
{
    struct buf out = {0};
    EVP_PKEY *key = read_key(ed25519_pem);
    assert_non_null(key);
    assert_int_equal(dkimkey_algorithm(key), DKIM_ED25519_SHA256);
    dkimkey_record(key, &out);
    assert_string_equal(buf_text(&out), "v=DKIM1; h=sha256; k=ed25519; "
                                        "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    buf_clear(&out);
    dkimkey_record_quoted(key, &out);
    assert_string_equal(buf_text(&out), "\"v=DKIM1; h=sha256; k=ed25519; "
                                        "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"");
    buf_free(&out);
    EVP_PKEY_free(key);
}

static void test_keys_are_made_written_and_read_back(void **state)
{
    for (enum dkim_algorithm a = DKIM_RSA_SHA256; a <= DKIM_ED25519_SHA256; a++) {
        struct buf pem = {0}, record = {0}, again = {0};
        EVP_PKEY *key = dkimkey_generate(a, NULL);
        assert_non_null(key);
        assert_int_equal(dkimkey_algorithm(key), a);
        dkimkey_write_pem(key, &pem);
        assert_memory_equal(buf_text(&pem), "-----BEGIN PRIVATE KEY-----\n", 28);
        EVP_PKEY *back = read_key(buf_text(&pem));
        assert_int_equal(EVP_PKEY_eq(key, back), 1);
        dkimkey_record(key, &record);
        dkimkey_record(back, &again);
        assert_true(span_equal(buf_span(&record), buf_span(&again)));
        EVP_PKEY_free(back);
        EVP_PKEY_free(key);
        buf_wipe(&pem);
        buf_free(&record);
        buf_free(&again);
    }
}

static void test_an_rsa_record_is_cut_into_strings_of_255(void **state)
{
    struct buf record = {0}, quoted = {0};
    EVP_PKEY *key = dkimkey_generate(DKIM_RSA_SHA256, NULL);
    assert_non_null(key);
    dkimkey_record(key, &record);
    assert_memory_equal(buf_text(&record), "v=DKIM1; h=sha256; k=rsa; p=MIIBIjAN", 36);
    dkimkey_record_quoted(key, &quoted);
    assert_int_equal(quoted.n, record.n + 2 + 3);
    assert_memory_equal(buf_text(&quoted) + 1, buf_text(&record), 255);
    assert_memory_equal(buf_text(&quoted) + 256, "\" \"", 3);
    assert_memory_equal(buf_text(&quoted) + 259, buf_text(&record) + 255, record.n - 255);
    EVP_PKEY_free(key);
    buf_free(&record);
    buf_free(&quoted);
}

static void test_ed25519_signs_as_in_the_rfc(void **state)
{
    /* The digest of RFC 8463 A.3's message, as test_dkim.c has it. */
    static const char header[] = "From: Joe SixPack <joe@football.example.com>\r\n"
                                 "To: Suzie Q <suzie@shopping.example.net>\r\n"
                                 "Subject: Is dinner ready?\r\n"
                                 "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
                                 "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n";
    static const char field[] = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
                                " d=football.example.com; i=@football.example.com;\r\n"
                                " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
                                " subject : date : message-id : from : subject : date;\r\n"
                                " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                                " b=";
    struct span names[8];
    static const char *const order[] = {"from",       "to",   "subject", "date",
                                        "message-id", "from", "subject", "date"};
    for (size_t i = 0; i < 8; i++)
        names[i] = span_text(order[i]);
    unsigned char digest[DKIM_DIGEST];
    struct buf signature = {0}, text = {0};
    struct dkim *dkim = dkim_new();
    EVP_PKEY *key = read_key(ed25519_pem);
    assert_int_equal(dkim_header_digest(dkim, DKIMCANON_RELAXED, span_text(header), names, 8,
                                        span_text(field), digest, NULL),
                     0);
    assert_int_equal(dkimkey_sign(key, DKIM_ED25519_SHA256, digest, &signature, NULL), 0);
    base64_encode(&text, buf_span(&signature));
    assert_string_equal(buf_text(&text), "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus"
                                         "Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==");
    EVP_PKEY_free(key);
    dkim_free(&dkim);
    buf_free(&signature);
    buf_free(&text);
}

static void test_rsa_signatures_verify(void **state)
{
    unsigned char digest[DKIM_DIGEST] = {1, 2, 3};
    struct buf signature = {0};
    EVP_PKEY *key = dkimkey_generate(DKIM_RSA_SHA256, NULL);
    assert_int_equal(dkimkey_sign(key, DKIM_RSA_SHA256, digest, &signature, NULL), 0);
    assert_int_equal(signature.n, 256);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING), 1);
    assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
    assert_int_equal(
        EVP_PKEY_verify(ctx, buf_span(&signature).p, signature.n, digest, sizeof digest), 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    buf_free(&signature);
}

static void test_what_cannot_sign_is_refused(void **state)
{
    static const char public_pem[] =
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
        "-----END PUBLIC KEY-----\n";
    unsigned char digest[DKIM_DIGEST] = {0};
    struct buf out = {0};
    struct fail f = {""};
    EVP_PKEY *key = read_key(public_pem);
    assert_non_null(key);
    dkimkey_record(key, &out);
    assert_non_null(strstr(buf_text(&out), "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="));
    buf_clear(&out);
    assert_int_equal(dkimkey_sign(key, DKIM_ED25519_SHA256, digest, &out, &f), -1);
    assert_true(f.text[0] != '\0');
    assert_int_equal(dkimkey_sign(key, DKIM_RSA_SHA256, digest, &out, &f), -1);
    assert_int_equal(out.n, 0);
    EVP_PKEY_free(key);
    key = read_key(ed25519_pem);
    assert_int_equal(dkimkey_sign(key, DKIM_RSA_SHA256, digest, &out, &f), -1);
    assert_string_equal(f.text, "key is not for rsa-sha256");
    EVP_PKEY_free(key);
    buf_free(&out);
}

static const struct {
    const char *pem, *reason;
} useless[] = {
    {"-----BEGIN PUBLIC KEY-----\n"
     "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmkY/0wgoQ+s7z3eTOpZbAv206O09\n"
     "RJ/YZmVum7H6kVUAtk+9niKhi0YzLSXVsFJbzMHrlq8tbgsX/j8SHR67DA==\n"
     "-----END PUBLIC KEY-----\n",
     "key is neither RSA nor Ed25519"},
    {"-----BEGIN PUBLIC KEY-----\n"
     "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKSNMDkEfwCa9jd3U0hJkPOcym94JTbI\n"
     "zZDzVMY9nqHaPFwFHY8Reugl5NUvJr/HLhhTo/JxtxDIQSIYi7FJLkUCAwEAAQ==\n"
     "-----END PUBLIC KEY-----\n",
     "RSA key has 512 bits, not 1024 to 4096"},
    {"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
     "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg2Xf6uiXL6DgICCAAw\n"
     "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEB5YgSYpWrhoavSSvwJw/oUEQLT5\n"
     "WGo1zHtEi6qGjKjAhnhzkCd3GorNTQoAu74uUpWhxmwPtT26SlEGeX3ms4pMGdVK\n"
     "SUqjmpzfUPQvgZ5CIGY=\n"
     "-----END ENCRYPTED PRIVATE KEY-----\n",
     "cannot read a key in PEM: "},
    {"", "cannot read a key in PEM: "},
    {"no key", "cannot read a key in PEM: "},
};

static void test_keys_that_dkim_has_no_use_for_are_refused(void **state)
{
    for (size_t i = 0; i < sizeof useless / sizeof useless[0]; i++) {
        struct fail f = {""};
        assert_null(dkimkey_read_pem(span_text(useless[i].pem), &f));
        assert_memory_equal(f.text, useless[i].reason, strlen(useless[i].reason));
    }
    char longest[16385] = {0};
    struct fail f = {""};
    assert_null(dkimkey_read_pem(span_of(longest, sizeof longest), &f));
    assert_string_equal(f.text, "key file is longer than 16384 octets");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_rfcs_key_has_the_rfcs_record),
        cmocka_unit_test(test_keys_are_made_written_and_read_back),
        cmocka_unit_test(test_an_rsa_record_is_cut_into_strings_of_255),
        cmocka_unit_test(test_ed25519_signs_as_in_the_rfc),
        cmocka_unit_test(test_rsa_signatures_verify),
        cmocka_unit_test(test_what_cannot_sign_is_refused),
        cmocka_unit_test(test_keys_that_dkim_has_no_use_for_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
