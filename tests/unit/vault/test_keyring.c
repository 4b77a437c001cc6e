#include "vault_help.h"

#include <openssl/pem.h>

#include "proto_secret.h"

static void test_every_key_is_found_by_what_it_is_for(void **state)
{
    struct keyring *k = help_keyring();
    assert_non_null(keyring_tls(k, "public"));
    assert_null(keyring_tls(k, "Public"));
    assert_null(keyring_tls(k, ""));
    const struct keyring_dkim *a = keyring_dkim(k, "example.org", "2026a"),
                              *b = keyring_dkim(k, "example.org", "2026b");
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(a->algorithm, DKIM_RSA_SHA256);
    assert_int_equal(b->algorithm, DKIM_ED25519_SHA256);
    assert_null(keyring_dkim(k, "example.org", "2026c"));
    assert_null(keyring_dkim(k, "example.net", "2026a"));
    keyring_drop(&k);
    keyring_drop(&k);
}

static void test_a_webhook_is_signed_with_each_of_its_keys(void **state)
{
    struct service_hand hands[HANDS + 4];
    struct fail f = {{0}};
    struct buf both = {0}, one = {0};
    size_t n = help_hands(hands);
    hands[n++] =
        help_hand("webhook outgoing box", span_text("whsec_MfKQ9lfCfJoKp/xbGNCeThs7DR9tXs82"));
    hands[n++] =
        help_hand("webhook incoming box", span_text("whsec_AAAQ9lfCfJoKp/xbGNCeThs7DR9tXs82"));
    hands[n++] =
        help_hand("webhook outgoing box", span_text("whsec_BBBQ9lfCfJoKp/xbGNCeThs7DR9tXs82"));
    struct keyring *k = keyring_new(help_conf(), hands, n, &f);
    assert_non_null(k);
    help_close(hands, n);
    assert_int_equal(keyring_sign_hook(k, "outgoing box", span_text("x"), &both), 2);
    assert_int_equal(keyring_sign_hook(k, "incoming box", span_text("x"), &one), 1);
    assert_int_equal(both.n, 2 * HOOKKEY_SIGNATURE);
    assert_int_equal(one.n, HOOKKEY_SIGNATURE);
    assert_memory_not_equal(buf_span(&both).p, buf_span(&both).p + HOOKKEY_SIGNATURE,
                            HOOKKEY_SIGNATURE);
    assert_memory_not_equal(buf_span(&both).p, buf_span(&one).p, HOOKKEY_SIGNATURE);
    assert_int_equal(keyring_sign_hook(k, "incoming none", span_text("x"), &one), 0);
    keyring_drop(&k);
    buf_free(&both);
    buf_free(&one);
}

static void test_a_login_is_any_address_of_the_account(void **state)
{
    static const struct {
        const char *login, *account, *canonical;
    } cases[] = {
        {"box@example.org", "box", NULL},
        {"BOX@Example.ORG", "box", NULL},
        {"second@example.org", "box", NULL},
        {"box+list@example.org", "box", NULL},
        {"none@example.org", NULL, "none@example.org"}, /* an account without a password */
        {"NONE+x@EXAMPLE.org", NULL, "none@example.org"},
        {"unknown@example.org", NULL, "unknown@example.org"},
        {"Unknown+a@example.org", NULL, "unknown@example.org"},
        {"unknown+b@example.org", NULL, "unknown@example.org"},
        {"a+b@elsewhere.example", NULL, "a+b@elsewhere.example"},
        {"box", NULL, "box"},
        {"", NULL, ""},
        {"@", NULL, "@"},
    };
    struct keyring *k = help_keyring();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scram_verifier v;
        struct buf canonical = {0};
        const char *account = NULL;
        bool found = keyring_find_login(k, span_text(cases[i].login), &account, &v, &canonical);
        assert_int_equal(found, cases[i].account != NULL);
        if (found) {
            assert_string_equal(account, cases[i].account);
            assert_true(scram_check(&v, span_text(PASSWORD)));
            scram_wipe(&v);
        } else {
            assert_string_equal(buf_text(&canonical), cases[i].canonical);
        }
        buf_free(&canonical);
        (void)keyring_find_login(k, span_text(cases[i].login), &account, &v, NULL);
    }
    keyring_drop(&k);
}

static void expect_refused(struct service_hand *hands, size_t n, const char *sentence)
{
    struct conf *conf = help_conf();
    struct fail f = {{0}};
    assert_null(keyring_new(conf, hands, n, &f));
    if (strstr(f.text, sentence) == NULL)
        fail_msg("\"%s\" instead of \"%s\"", f.text, sentence);
    conf_free(&conf); /* it stays ours on failure */
    help_close(hands, n);
}

static void test_what_is_no_key_is_refused_with_its_place(void **state)
{
    struct service_hand hands[HANDS];
    hands[0] = help_credentials();
    hands[1] = help_hand("key public", span_text("this is no key"));
    expect_refused(hands, 2, "key-file of listen public");
    hands[0] = help_credentials();
    hands[1] = help_hand("dkim example.org 2026a", span_text("this is no key"));
    expect_refused(hands, 2, "dkim example.org 2026a");
    hands[0] = help_hand("credentials", span_text("box this is no verifier\n"));
    expect_refused(hands, 1, "credentials: line 1");
    hands[0] = help_hand("dkim nospace", span_text("x"));
    expect_refused(hands, 1, "malformed purpose");
    expect_refused(hands, 0, "no credentials were handed over");
    /* A certificate that belongs to another key. */
    size_t n = help_hands(hands);
    struct service_hand other[HANDS];
    size_t other_n = help_hands(other);
    int swap = hands[0].fd;
    hands[0].fd = other[0].fd;
    other[0].fd = swap;
    expect_refused(hands, n, "listen public");
    help_close(other, other_n);
    /* One that is too long to be a key. */
    char *large = mem_alloc(100001);
    memset(large, 'x', 100000);
    large[100000] = '\0';
    hands[0] = help_credentials();
    hands[1] = help_hand("key public", span_text(large));
    expect_refused(hands, 2, "key public");
    mem_free(&large);
}

static void put_public(enum dkim_algorithm algorithm, struct buf *pem)
{
    struct fail f;
    EVP_PKEY *key = dkimkey_generate(algorithm, &f);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    long n = BIO_get_mem_data(bio, &text);
    buf_put(pem, text, (size_t)n);
    BIO_free(bio);
    EVP_PKEY_free(key);
}

static void test_a_key_that_cannot_sign_is_none(void **state)
{
    static const enum dkim_algorithm algorithms[] = {DKIM_RSA_SHA256, DKIM_ED25519_SHA256};
    for (size_t i = 0; i < 2; i++) {
        struct buf pem = {0};
        struct service_hand hands[2];
        put_public(algorithms[i], &pem);
        hands[0] = help_credentials();
        hands[1] = help_hand("dkim example.org 2026a", buf_span(&pem));
        expect_refused(hands, 2, "dkim example.org 2026a: cannot sign");
        buf_free(&pem);
    }
}

static void test_a_keyring_lives_as_long_as_somebody_holds_it(void **state)
{
    struct keyring *k = help_keyring(), *held = keyring_hold(k);
    keyring_drop(&k);
    assert_null(k);
    assert_non_null(keyring_tls(held, "public"));
    keyring_drop(&held);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_is_found_by_what_it_is_for),
        cmocka_unit_test(test_a_webhook_is_signed_with_each_of_its_keys),
        cmocka_unit_test(test_a_login_is_any_address_of_the_account),
        cmocka_unit_test(test_what_is_no_key_is_refused_with_its_place),
        cmocka_unit_test(test_a_key_that_cannot_sign_is_none),
        cmocka_unit_test(test_a_keyring_lives_as_long_as_somebody_holds_it),
    };
    return help_main(argv, tests, sizeof tests / sizeof tests[0]);
}
