#include "vault_help.h"

static bool check(struct password_cache *c, const struct keyring *k, const char *login,
                  const char *password)
{
    const char *account = NULL;
    bool right = password_check(c, k, span_text(login), span_text(password), &account);
    if (right)
        assert_string_equal(account, "box");
    return right;
}

static void test_only_the_right_password_is_right(void **state)
{
    struct keyring *k = help_keyring();
    struct password_cache *c = password_cache_new();
    for (int round = 0; round < 3; round++) { /* from the second on the right one is remembered */
        assert_true(check(c, k, "box@example.org", PASSWORD));
        assert_true(check(c, k, "BOX+x@example.org", PASSWORD));
        assert_false(check(c, k, "box@example.org", "correct hors"));
        assert_false(check(c, k, "box@example.org", "correct horse "));
        assert_false(check(c, k, "box@example.org", ""));
        assert_false(check(c, k, "unknown@example.org", PASSWORD));
        assert_false(check(c, k, "none@example.org", PASSWORD));
        assert_false(check(c, k, "", PASSWORD));
        /* The same octets, cut elsewhere. */
        assert_false(check(c, k, "box@example.orgc", "orrect horse"));
        assert_false(check(c, k, "box@example.or", "gcorrect horse"));
    }
    password_cache_free(&c);
    password_cache_free(&c);
    keyring_drop(&k);
}

static void test_wrong_passwords_change_nothing_for_the_right_one(void **state)
{
    struct keyring *k = help_keyring();
    struct password_cache *c = password_cache_new();
    /* Wrong ones are never taken in: they cannot push the right one out, nor be taken for it. */
    assert_true(check(c, k, "box@example.org", PASSWORD));
    for (int i = 0; i < 50; i++) {
        char wrong[40];
        (void)snprintf(wrong, sizeof wrong, "wrong password %d", i);
        assert_false(check(c, k, "box@example.org", wrong));
        assert_true(check(c, k, "box@example.org", PASSWORD));
    }
    password_cache_clear(c);
    assert_true(check(c, k, "box@example.org", PASSWORD));
    password_cache_free(&c);
    keyring_drop(&k);
}

static void test_what_was_right_is_wrong_with_new_credentials(void **state)
{
    struct keyring *k = help_keyring(), *without;
    struct password_cache *c = password_cache_new();
    struct fail f;
    assert_true(check(c, k, "box@example.org", PASSWORD));
    /* The account has lost its password: that alone is enough, whatever is remembered. */
    struct service_hand hand = help_hand("credentials", span_text("# nobody\n"));
    without = keyring_new(help_conf(), &hand, 1, &f);
    assert_non_null(without);
    assert_false(check(c, without, "box@example.org", PASSWORD));
    help_close(&hand, 1);
    keyring_drop(&without);
    keyring_drop(&k);
    password_cache_free(&c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_right_password_is_right),
        cmocka_unit_test(test_wrong_passwords_change_nothing_for_the_right_one),
        cmocka_unit_test(test_what_was_right_is_wrong_with_new_credentials),
    };
    return help_main(argv, tests, sizeof tests / sizeof tests[0]);
}
