#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base64.h"
#include "mem.h"
#include "scram.h"

#define SPAN(text) span_of(text, sizeof(text) - 1)
#define TEXT(text)                                                                                 \
    {                                                                                              \
        (const unsigned char *)(text), sizeof(text) - 1                                            \
    }

static void from_base64(const char *text, unsigned char *to, size_t n)
{
    struct buf octets = {0};
    assert_int_equal(base64_decode(&octets, span_text(text)), 0);
    assert_int_equal(octets.n, n);
    memcpy(to, buf_span(&octets).p, n);
    buf_free(&octets);
}

static void hmac(const unsigned char key[32], const char *text, unsigned char out[32])
{
    assert_non_null(
        HMAC(EVP_sha256(), key, 32, (const unsigned char *)text, strlen(text), out, NULL));
}

/* RFC 7677 section 3. */
#define RFC_SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define RFC_NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_AUTH_MESSAGE                                                                           \
    "n=user,r=rOprNGfwEbeRWgbNEkqO,r=" RFC_NONCE ",s=" RFC_SALT ",i=4096,c=biws,r=" RFC_NONCE

static void test_the_exchange_of_rfc_7677_is_proved_by_the_verifier(void **state)
{
    unsigned char salt[16], proof[32], signature[32], client_key[32], stored[32];
    struct scram_verifier v;
    from_base64(RFC_SALT, salt, sizeof salt);
    assert_int_equal(scram_derive(&v, SPAN("pencil"), span_of(salt, 16), 4096, NULL), 0);
    from_base64("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", proof, 32);
    hmac(v.stored_key, RFC_AUTH_MESSAGE, signature);
    for (size_t i = 0; i < 32; i++)
        client_key[i] = proof[i] ^ signature[i];
    assert_non_null(SHA256(client_key, 32, stored));
    assert_memory_equal(stored, v.stored_key, 32);
    from_base64("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", proof, 32);
    hmac(v.server_key, RFC_AUTH_MESSAGE, signature);
    assert_memory_equal(signature, proof, 32);
    assert_int_equal(v.iterations, 4096);
    assert_int_equal(v.salt_size, 16);
}

static void test_a_password_is_checked_against_its_verifier(void **state)
{
    struct scram_verifier v;
    assert_int_equal(scram_make(&v, SPAN("quartermaster"), 5000, NULL), 0);
    assert_int_equal(v.iterations, 5000);
    assert_int_equal(v.salt_size, SCRAM_SALT_SIZE);
    assert_true(scram_check(&v, SPAN("quartermaster")));
    assert_false(scram_check(&v, SPAN("quartermaste")));
    assert_false(scram_check(&v, SPAN("Quartermaster")));
    assert_false(scram_check(&v, SPAN("quartermaster ")));
    assert_false(scram_check(&v, SPAN("")));
    assert_false(scram_check(&v, SPAN("\xff")));
    for (size_t i = 0; i < 32; i++) {
        v.stored_key[i] ^= 1;
        assert_false(scram_check(&v, SPAN("quartermaster")));
        v.stored_key[i] ^= 1;
    }
    scram_wipe(&v);
    assert_int_equal(v.iterations, 0);
}

static void test_every_verifier_has_its_own_salt(void **state)
{
    struct scram_verifier a, b;
    assert_int_equal(scram_make(&a, SPAN("same"), 4096, NULL), 0);
    assert_int_equal(scram_make(&b, SPAN("same"), 4096, NULL), 0);
    assert_memory_not_equal(a.salt, b.salt, SCRAM_SALT_SIZE);
    assert_memory_not_equal(a.stored_key, b.stored_key, 32);
}

static void test_spellings_of_one_text_are_one_password(void **state)
{
    static const struct {
        struct span a, b;
        bool same;
    } cases[] = {
        /* NFD and NFC, and a no-break space */
        {TEXT("te\xcc\x81st 123\xc2\xa0"), TEXT("t\xc3\xa9st 123 "), true},
        /* ideographic space, en quad, ogham space */
        {TEXT("a\xe3\x80\x80z"), TEXT("a z"), true},
        {TEXT("a\xe2\x80\x80z"), TEXT("a\xe1\x9a\x80z"), true},
        /* Hangul from its letters; Angstrom sign; marks in another order */
        {TEXT("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab"), TEXT("\xed\x95\x9c"), true},
        {TEXT("\xe2\x84\xab"), TEXT("A\xcc\x8a"), true},
        {TEXT("e\xcc\xa3\xcc\x81"), TEXT("e\xcc\x81\xcc\xa3"), true},
        /* RFC 8265 section 4.2.1: no mapping of case, width or compatibility */
        {TEXT("\xef\xbc\xa1"), TEXT("A"), false},
        {TEXT("\xef\xac\x81"), TEXT("fi"), false},
        {TEXT("\xc3\x89"), TEXT("\xc3\xa9"), false},
        /* nothing is trimmed or folded */
        {TEXT("a  z"), TEXT("a z"), false},
        {TEXT(" a"), TEXT("a"), false},
        {TEXT("\xc2\xa0 a"), TEXT("  a"), true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf a = {0}, b = {0};
        struct scram_verifier v;
        assert_int_equal(scram_normalise(cases[i].a, &a, NULL), 0);
        assert_int_equal(scram_normalise(cases[i].b, &b, NULL), 0);
        if (span_equal(buf_span(&a), buf_span(&b)) != cases[i].same)
            fail_msg("case %zu", i);
        assert_int_equal(scram_make(&v, cases[i].a, 4096, NULL), 0);
        assert_int_equal(scram_check(&v, cases[i].b), cases[i].same);
        buf_free(&a);
        buf_free(&b);
    }
}

/* What a SCRAM client computes with must be what we compute with, so the form itself matters. */
static void test_the_normal_form_is_the_composed_one(void **state)
{
    struct buf out = {0};
    assert_int_equal(scram_normalise(SPAN("te\xcc\x81st 123\xc2\xa0"), &out, NULL), 0);
    assert_string_equal(buf_text(&out), "t\xc3\xa9st 123 ");
    buf_free(&out);
}

static void test_the_empty_password_is_none_even_where_a_verifier_was_made_of_it(void **state)
{
    unsigned char salted[32], client_key[32];
    struct scram_verifier v = {.iterations = 4096, .salt_size = 8};
    assert_int_equal(PKCS5_PBKDF2_HMAC("", 0, v.salt, 8, 4096, EVP_sha256(), sizeof salted, salted),
                     1);
    hmac(salted, "Client Key", client_key);
    assert_non_null(SHA256(client_key, 32, v.stored_key));
    assert_false(scram_check(&v, SPAN("")));
    assert_false(scram_check(&v, SPAN("\xff")));
}

static void test_what_cannot_be_a_password_is_refused_with_a_reason(void **state)
{
    static const struct {
        struct span text;
        const char *why; /* NULL: it is one */
    } cases[] = {
        {TEXT(""), "a password cannot be empty"},
        {TEXT("a\xff"), "a password must be UTF-8"},
        {TEXT("a\xed\xa0\x80"), "a password must be UTF-8"},
        {TEXT("a\0b"), "a password cannot contain the character U+0000"},
        {TEXT("a\tb"), "a password cannot contain the character U+0009"},
        {TEXT("a\x7f"), "a password cannot contain the character U+007F"},
        {TEXT("a\xc2\x85"), "a password cannot contain the character U+0085"},
        {TEXT("a\xc2\xad"), "a password cannot contain the character U+00AD"},
        {TEXT("a\xee\x80\x80"), "a password cannot contain the character U+E000"},
        {TEXT("a\xf4\x8f\xbf\xbf"), "a password cannot contain the character U+10FFFF"},
        {TEXT("a\xcd\xb8"), "a password cannot contain the character U+0378"},
        {TEXT(" "), NULL},
        {TEXT("\xf0\x9f\x94\x91"), NULL},             /* a key */
        {TEXT("\xd9\x86\xe2\x80\x8c\xd8\xa7"), NULL}, /* Persian with a zero width non-joiner */
        {TEXT("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"
              "1a"),
         NULL}, /* Hebrew and Latin */
        {TEXT("l\xc2\xb7l"), NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = {0};
        struct fail f = {""};
        struct scram_verifier v;
        buf_puts(&out, "x");
        int rc = scram_normalise(cases[i].text, &out, &f);
        assert_int_equal(scram_make(&v, cases[i].text, 4096, NULL), rc);
        if (cases[i].why == NULL) {
            assert_int_equal(rc, 0);
            assert_true(out.n > 1);
        } else {
            assert_int_equal(rc, -1);
            assert_string_equal(f.text, cases[i].why);
            assert_int_equal(out.n, 1);
        }
        buf_free(&out);
    }
}

static void test_a_password_has_at_most_1024_octets(void **state)
{
    char text[1025];
    struct scram_verifier v;
    struct fail f = {""};
    memset(text, 'p', sizeof text);
    assert_int_equal(scram_make(&v, span_of(text, 1024), 4096, &f), 0);
    assert_true(scram_check(&v, span_of(text, 1024)));
    assert_false(scram_check(&v, span_of(text, 1025)));
    assert_int_equal(scram_make(&v, span_of(text, 1025), 4096, &f), -1);
    assert_string_equal(f.text, "a password has at most 1024 octets");
}

#define GOOD_KEYS                                                                                  \
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define GOOD "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" GOOD_KEYS

static void test_the_text_form_is_that_of_the_rfcs_example(void **state)
{
    unsigned char salt[16];
    struct scram_verifier v, again;
    struct buf text = {0};
    from_base64(RFC_SALT, salt, sizeof salt);
    assert_int_equal(scram_derive(&v, SPAN("pencil"), span_of(salt, 16), 4096, NULL), 0);
    scram_text(&v, &text);
    assert_string_equal(buf_text(&text), GOOD);
    assert_int_equal(scram_parse(&again, buf_span(&text), NULL), 0);
    assert_memory_equal(&again, &v, sizeof v);
    assert_true(scram_check(&again, SPAN("pencil")));
    buf_free(&text);
}

static void test_the_longest_text_form_fits(void **state)
{
    unsigned char salt[SCRAM_SALT_MAX] = {1};
    struct scram_verifier v, again;
    struct buf text = {0};
    assert_int_equal(scram_derive(&v, SPAN("p"), span_of(salt, sizeof salt), 65536, NULL), 0);
    scram_text(&v, &text);
    assert_true(text.n <= SCRAM_TEXT_MAX);
    assert_int_equal(scram_parse(&again, buf_span(&text), NULL), 0);
    assert_memory_equal(&again, &v, sizeof v);
    buf_free(&text);
}

static void test_a_text_form_that_is_not_exact_is_refused(void **state)
{
    static const char *const cases[][2] = {
        {"", "not a verifier of SCRAM-SHA-256"},
        {"SCRAM-SHA-256", "not a verifier"},
        {"SCRAM-SHA-1$4096:AAAA$AAAA:AAAA", "not a verifier"},
        {"scram-sha-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" GOOD_KEYS, "not a verifier"},
        {" " GOOD, "not a verifier"},
        {"$6$abc$def", "not a verifier"},
        {"SCRAM-SHA-256$", "the iterations"},
        {"SCRAM-SHA-256$:W22ZaJ0SNY7soEsUEjb6gQ==$" GOOD_KEYS, "the iterations"},
        {"SCRAM-SHA-256$4095:W22ZaJ0SNY7soEsUEjb6gQ==$" GOOD_KEYS, "the iterations"},
        {"SCRAM-SHA-256$65537:W22ZaJ0SNY7soEsUEjb6gQ==$" GOOD_KEYS, "the iterations"},
        {"SCRAM-SHA-256$04096:W22ZaJ0SNY7soEsUEjb6gQ==$" GOOD_KEYS, "the iterations"},
        {"SCRAM-SHA-256$+4096:W22ZaJ0SNY7soEsUEjb6gQ==$" GOOD_KEYS, "the iterations"},
        {"SCRAM-SHA-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$" GOOD_KEYS, "the iterations"},
        {"SCRAM-SHA-256$18446744073709555712:W22ZaJ0SNY7soEsUEjb6gQ==$" GOOD_KEYS,
         "the iterations"},
        {"SCRAM-SHA-256$4096:$" GOOD_KEYS, "the salt"},
        {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ$" GOOD_KEYS, "the salt"},
        {"SCRAM-SHA-256$4096:W22ZaJ0S NY7soEsUEjb6gQ==$" GOOD_KEYS, "the salt"},
        {"SCRAM-SHA-256$4096:AAAAAAAAAA==$" GOOD_KEYS, "the salt"},
        {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==", "the salt"},
        {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$", "the StoredKey"},
        {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$AAAA:AAAA", "the StoredKey"},
        {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" GOOD_KEYS "=", "the ServerKey"},
        {GOOD " ", "the ServerKey"},
        {GOOD "\n", "the ServerKey"},
        {GOOD ":", "the ServerKey"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scram_verifier v = {.iterations = 7};
        struct fail f = {""};
        assert_int_equal(scram_parse(&v, span_text(cases[i][0]), &f), -1);
        if (strstr(f.text, cases[i][1]) == NULL)
            fail_msg("\"%s\": said \"%s\"", cases[i][0], f.text);
        assert_int_equal(v.iterations, 7);
    }
    /* A salt of 67 octets would still fit into the text. */
    char *salt = mem_format("SCRAM-SHA-256$4096:%0*d$" GOOD_KEYS, 88, 0);
    struct fail f = {""};
    struct scram_verifier v;
    assert_int_equal(scram_parse(&v, span_text(salt), &f), -1);
    assert_non_null(strstr(f.text, "the salt is not 8 to 64 octets"));
    mem_free(&salt);
    struct buf large = {0};
    buf_puts(&large, GOOD);
    while (large.n <= SCRAM_TEXT_MAX)
        buf_putc(&large, 'A');
    assert_int_equal(scram_parse(&v, buf_span(&large), &f), -1);
    assert_string_equal(f.text, "longer than a verifier can be");
    buf_free(&large);
}

static void test_a_fake_is_steady_and_depends_on_key_and_login(void **state)
{
    unsigned char key[32] = {1}, other_key[32] = {2};
    struct scram_verifier a, again, other_login, other;
    scram_fake(&a, span_of(key, 32), SPAN("nobody@example"), 4096);
    scram_fake(&again, span_of(key, 32), SPAN("nobody@example"), 4096);
    scram_fake(&other_login, span_of(key, 32), SPAN("noboda@example"), 4096);
    scram_fake(&other, span_of(other_key, 32), SPAN("nobody@example"), 4096);
    assert_memory_equal(&a, &again, sizeof a);
    assert_memory_not_equal(a.salt, other_login.salt, SCRAM_SALT_SIZE);
    assert_memory_not_equal(a.salt, other.salt, SCRAM_SALT_SIZE);
    assert_memory_not_equal(a.stored_key, other_login.stored_key, 32);
    assert_memory_not_equal(a.stored_key, a.server_key, 32);
    assert_memory_not_equal(a.salt, a.stored_key, SCRAM_SALT_SIZE);
    /* In shape it is one of ours. */
    assert_int_equal(a.iterations, 4096);
    assert_int_equal(a.salt_size, SCRAM_SALT_SIZE);
    for (size_t i = SCRAM_SALT_SIZE; i < SCRAM_SALT_MAX; i++)
        assert_int_equal(a.salt[i], 0);
    assert_false(scram_check(&a, SPAN("nobody@example")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_exchange_of_rfc_7677_is_proved_by_the_verifier),
        cmocka_unit_test(test_a_password_is_checked_against_its_verifier),
        cmocka_unit_test(test_every_verifier_has_its_own_salt),
        cmocka_unit_test(test_spellings_of_one_text_are_one_password),
        cmocka_unit_test(test_the_normal_form_is_the_composed_one),
        cmocka_unit_test(test_the_empty_password_is_none_even_where_a_verifier_was_made_of_it),
        cmocka_unit_test(test_what_cannot_be_a_password_is_refused_with_a_reason),
        cmocka_unit_test(test_a_password_has_at_most_1024_octets),
        cmocka_unit_test(test_the_text_form_is_that_of_the_rfcs_example),
        cmocka_unit_test(test_the_longest_text_form_fits),
        cmocka_unit_test(test_a_text_form_that_is_not_exact_is_refused),
        cmocka_unit_test(test_a_fake_is_steady_and_depends_on_key_and_login),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
