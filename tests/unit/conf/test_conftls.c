#include "conf_help.h"

#include "conftls.h"

#include <string.h>

static void the_first_policy_that_fits_holds(void **state)
{
    static const struct {
        const char *name;
        int level; /* -1: there is none */
    } cases[] = {
        {"a.example", CONF_TLS_LEVEL_VERIFY},
        {"x.a.example", CONF_TLS_LEVEL_MAY},
        {"b.example", CONF_TLS_LEVEL_DANE_ONLY},
        {"X.Y.B.Example", CONF_TLS_LEVEL_DANE_ONLY},
        {"other.example", -1},
        {"mx.c.example", CONF_TLS_LEVEL_NONE},
        {"d.example", CONF_TLS_LEVEL_FINGERPRINT},
    };
    struct conf *c =
        parse_right("hostname a.example\n"
                    "tls-policy { to a.example  level verify }\n"
                    "tls-policy { to a.example .a.example  level may }\n"
                    "tls-policy { to .b.example  level dane-only }\n"
                    "tls-policy { to mx.c.example  level none }\n"
                    "tls-policy { to d.example  level fingerprint  fingerprint "
                    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff }\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct conf_block *b = conftls_policy(c, cases[i].name);
        assert_int_equal(b == NULL ? -1 : conf_word(b, "level"), cases[i].level);
    }
    conf_free(&c);
}

static void a_fingerprint_is_written_with_or_without_colons(void **state)
{
    static const char *const wrong[] = {
        "",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeef",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefg",
        "00:112233445566778899aabbccddeeff00112233445566778899aabbccddeef",
        "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:"
        "ee-ff",
    };
    unsigned char one[CONFTLS_FINGERPRINT], two[CONFTLS_FINGERPRINT];
    assert_int_equal(conftls_fingerprint(
                         "00112233445566778899aabbccddeeFF00112233445566778899AABBccddeeff", one),
                     0);
    assert_int_equal(
        conftls_fingerprint("00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:"
                            "77:88:99:aa:bb:cc:dd:ee:ff",
                            two),
        0);
    assert_memory_equal(one, two, sizeof one);
    assert_int_equal(one[15], 0xff);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(conftls_fingerprint(wrong[i], one), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_policy_that_fits_holds),
        cmocka_unit_test(a_fingerprint_is_written_with_or_without_colons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
