#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base64.h"
#include "dkim.h"
#include "mem.h"

static struct dkim *dkim;

static int set_up(void **state)
{
    dkim = dkim_new();
    return 0;
}

static int tear_down(void **state)
{
    dkim_free(&dkim);
    assert_null(dkim);
    dkim_free(&dkim);
    return 0;
}

static void body_hash(enum dkimcanon how, const char *body, unsigned char *digest)
{
    struct dkim_body *b = dkim_body_new(dkim, how);
    dkim_body_update(b, span_text(body));
    dkim_body_final(b, digest);
    dkim_body_free(&b);
    assert_null(b);
}

static void check_body_hash(enum dkimcanon how, const char *body, const char *expected)
{
    unsigned char digest[DKIM_DIGEST];
    struct buf text = {0};
    body_hash(how, body, digest);
    base64_encode(&text, span_of(digest, sizeof digest));
    assert_string_equal(buf_text(&text), expected);
    buf_free(&text);
}

static const char joe[] = "Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n";

static void test_body_hashes_are_those_of_the_rfc(void **state)
{
    /* RFC 6376 3.4.3, 3.4.4 and A.2 */
    check_body_hash(DKIMCANON_SIMPLE, "", "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
    check_body_hash(DKIMCANON_RELAXED, "", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    check_body_hash(DKIMCANON_SIMPLE, joe, "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
    check_body_hash(DKIMCANON_RELAXED, joe, "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

static EVP_PKEY *rsa_public(const char *base64)
{
    struct buf der = {0};
    assert_int_equal(base64_decode(&der, span_text(base64)), 0);
    const unsigned char *p = buf_span(&der).p;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)der.n);
    assert_non_null(key);
    buf_free(&der);
    return key;
}

static EVP_PKEY *ed25519_public(const char *base64)
{
    struct buf raw = {0};
    assert_int_equal(base64_decode(&raw, span_text(base64)), 0);
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, buf_span(&raw).p, raw.n);
    assert_non_null(key);
    buf_free(&raw);
    return key;
}

static bool rsa_verifies(EVP_PKEY *key, struct span signature, const unsigned char *digest)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING), 1);
    assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
    int rc = EVP_PKEY_verify(ctx, signature.p, signature.n, digest, DKIM_DIGEST);
    EVP_PKEY_CTX_free(ctx);
    return rc == 1;
}

static bool ed25519_verifies(EVP_PKEY *key, struct span signature, const unsigned char *digest)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key), 1);
    int rc = EVP_DigestVerify(ctx, signature.p, signature.n, digest, DKIM_DIGEST);
    EVP_MD_CTX_free(ctx);
    return rc == 1;
}

static const struct span names_8463[] = {
    {(const unsigned char *)"from", 4},        {(const unsigned char *)"to", 2},
    {(const unsigned char *)"subject", 7},     {(const unsigned char *)"date", 4},
    {(const unsigned char *)"message-id", 10}, {(const unsigned char *)"from", 4},
    {(const unsigned char *)"subject", 7},     {(const unsigned char *)"date", 4},
};

#define JOE_HEADER                                                                                 \
    "From: Joe SixPack <joe@football.example.com>\r\n"                                             \
    "To: Suzie Q <suzie@shopping.example.net>\r\n"                                                 \
    "Subject: Is dinner ready?\r\n"                                                                \
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"                                              \
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"

static bool verifies(bool rsa, const char *key_text, const char *header, enum dkimcanon how,
                     const struct span *names, size_t n, const char *field, const char *signature)
{
    unsigned char digest[DKIM_DIGEST];
    struct buf raw = {0};
    EVP_PKEY *key = rsa ? rsa_public(key_text) : ed25519_public(key_text);
    assert_int_equal(base64_decode(&raw, span_text(signature)), 0);
    assert_int_equal(
        dkim_header_digest(dkim, how, span_text(header), names, n, span_text(field), digest, NULL),
        0);
    bool ok = rsa ? rsa_verifies(key, buf_span(&raw), digest)
                  : ed25519_verifies(key, buf_span(&raw), digest);
    EVP_PKEY_free(key);
    buf_free(&raw);
    return ok;
}

static void test_the_signatures_of_rfc_8463_verify(void **state)
{
    size_t n = sizeof names_8463 / sizeof names_8463[0];
    assert_true(verifies(false, "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", JOE_HEADER,
                         DKIMCANON_RELAXED, names_8463, n,
                         "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
                         " d=football.example.com; i=@football.example.com;\r\n"
                         " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
                         " subject : date : message-id : from : subject : date;\r\n"
                         " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                         " b=",
                         "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnK"
                         "ELq+eXdp1Q1Dw=="));
    assert_true(verifies(
        true,
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi"
        "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZy"
        "VYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
        JOE_HEADER, DKIMCANON_RELAXED, names_8463, n,
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
        " d=football.example.com; i=@football.example.com;\r\n"
        " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
        " date : message-id : from : subject : date;\r\n"
        " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
        " b=",
        "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tF"
        "OeS9mPYQTnGdaSGsgeefOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8="));
}

static void test_the_signature_of_rfc_6376_verifies(void **state)
{
    static const struct span names[] = {
        {(const unsigned char *)"Received", 8}, {(const unsigned char *)"From", 4},
        {(const unsigned char *)"To", 2},       {(const unsigned char *)"Subject", 7},
        {(const unsigned char *)"Date", 4},     {(const unsigned char *)"Message-ID", 10}};
    static const char key[] =
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFC"
        "jxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9"
        "tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB";
    static const char field[] = "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"
                                "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"
                                "      h=Received : From : To : Subject : Date : Message-ID;\r\n"
                                "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                                "      b=;";
    static const char signature[] =
        "AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1Ir"
        "E+NahM6L/LbvaHutKVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV4bmp/YzhwvcubU4=";
#define RECEIVED                                                                                   \
    "Received: from client1.football.example.com  [192.0.2.1]\r\n"                                 \
    "      by submitserver.example.com with SUBMISSION;\r\n"                                       \
    "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n"
    assert_true(
        verifies(true, key, RECEIVED JOE_HEADER, DKIMCANON_SIMPLE, names, 6, field, signature));
    assert_false(
        verifies(true, key, RECEIVED "X" JOE_HEADER, DKIMCANON_SIMPLE, names, 6, field, signature));
}

static struct dkim_signer signer(void)
{
    return (struct dkim_signer){.domain = "example.org",
                                .selector = "2026a",
                                .algorithm = DKIM_ED25519_SHA256,
                                .time = 1528637909};
}

static void test_the_field_is_folded_and_lists_each_name_once_more(void **state)
{
    unsigned char hash[DKIM_DIGEST], signature[64] = {0};
    struct dkim_pending p;
    struct dkim_signer s = signer();
    struct buf out = {0};
    s.expires = 1528724309;
    body_hash(DKIMCANON_RELAXED, joe, hash);
    assert_int_equal(dkim_prepare(dkim, &s, span_text(JOE_HEADER "to: x\r\n"), hash, &p, NULL), 0);
    dkim_finish(&p, span_of(signature, sizeof signature), &out);
    assert_string_equal(
        buf_text(&out),
        "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org;\r\n"
        "\ts=2026a; t=1528637909; x=1528724309;\r\n"
        "\th=From:From:To:To:To:Cc:Subject:Subject:Date:\r\n"
        "\tDate:Message-ID:Message-ID:Reply-To:References:\r\n"
        "\tIn-Reply-To:MIME-Version:Content-Type:Content-Transfer-Encoding;\r\n"
        "\tbh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=AAAAAAAAAAAAAAAAAAAAAAAA\r\n"
        "\tAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\r\n");
    buf_free(&out);
    dkim_pending_clear(&p);
    assert_int_equal(p.field.n, 0);
}

static void digest_of(const char *header, unsigned char *digest)
{
    unsigned char hash[DKIM_DIGEST] = {0};
    struct dkim_signer s = signer();
    struct dkim_pending p;
    assert_int_equal(dkim_prepare(dkim, &s, span_text(header), hash, &p, NULL), 0);
    memcpy(digest, p.digest, DKIM_DIGEST);
    dkim_pending_clear(&p);
}

static void digest_by(const char *header, size_t n, unsigned char *digest)
{
    const struct span names[] = {span_text("to"), span_text("to"), span_text("to")};
    assert_int_equal(dkim_header_digest(dkim, DKIMCANON_RELAXED, span_text(header), names, n,
                                        span_text("DKIM-Signature: b="), digest, NULL),
                     0);
}

static void test_the_same_name_again_means_the_next_field_from_below(void **state)
{
    unsigned char a[DKIM_DIGEST], b[DKIM_DIGEST];
    digest_by("To: 1\r\nTo: 2\r\n", 1, a);
    digest_by("To: 2\r\n", 1, b);
    assert_memory_equal(a, b, DKIM_DIGEST);
    digest_by("To: 1\r\nTo: 2\r\n", 2, a);
    assert_memory_not_equal(a, b, DKIM_DIGEST);
    digest_by("To: 1\r\nTo: 2\r\n", 3, b);
    assert_memory_equal(a, b, DKIM_DIGEST);
}

static void test_fields_are_signed_from_below_and_others_do_not_matter(void **state)
{
    unsigned char a[DKIM_DIGEST], b[DKIM_DIGEST];
    digest_of("From: x\r\nTo: 1\r\nTo: 2\r\n", a);
    digest_of("X: y\r\nTo: 1\r\nFROM :  x \r\nReceived: z\r\nTo:\r\n 2\r\nnot a field\r\n", b);
    assert_memory_equal(a, b, DKIM_DIGEST);
    digest_of("From: x\r\nTo: 2\r\nTo: 1\r\n", b);
    assert_memory_not_equal(a, b, DKIM_DIGEST);
    digest_of("From: x\r\nTo: 1\r\nTo: 2\r\nMIME-Version: 1.0\r\n", b);
    assert_memory_not_equal(a, b, DKIM_DIGEST);
}

static void test_a_header_that_cannot_be_signed_is_refused(void **state)
{
    unsigned char hash[DKIM_DIGEST] = {0};
    struct dkim_signer s = signer();
    struct dkim_pending p;
    struct buf header = {0};
    assert_int_equal(dkim_prepare(dkim, &s, span_text("To: x\r\n"), hash, &p, NULL), -1);
    buf_puts(&header, "From: x\r\n");
    for (int i = 0; i < DKIM_SAME_MAX; i++)
        buf_puts(&header, "Cc: x\r\n");
    assert_int_equal(dkim_prepare(dkim, &s, buf_span(&header), hash, &p, NULL), 0);
    dkim_pending_clear(&p);
    size_t n = header.n;
    buf_puts(&header, "Cc: x\r\n");
    assert_int_equal(dkim_prepare(dkim, &s, buf_span(&header), hash, &p, NULL), -1);
    buf_cut(&header, n);
    for (int i = DKIM_SAME_MAX + 1; i < DKIM_FIELDS_MAX; i++)
        buf_puts(&header, "X: x\r\n");
    assert_int_equal(dkim_prepare(dkim, &s, buf_span(&header), hash, &p, NULL), 0);
    dkim_pending_clear(&p);
    buf_puts(&header, "X: x\r\n");
    assert_int_equal(dkim_prepare(dkim, &s, buf_span(&header), hash, &p, NULL), -1);
    assert_int_equal(p.field.n, 0);
    buf_free(&header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_hashes_are_those_of_the_rfc),
        cmocka_unit_test(test_the_signatures_of_rfc_8463_verify),
        cmocka_unit_test(test_the_signature_of_rfc_6376_verifies),
        cmocka_unit_test(test_the_field_is_folded_and_lists_each_name_once_more),
        cmocka_unit_test(test_the_same_name_again_means_the_next_field_from_below),
        cmocka_unit_test(test_fields_are_signed_from_below_and_others_do_not_matter),
        cmocka_unit_test(test_a_header_that_cannot_be_signed_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
