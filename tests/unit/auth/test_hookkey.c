#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base64.h"
#include "hookkey.h"

static void test_a_signature_is_as_the_specification_has_it(void **state)
{
    /* HMAC-SHA256 by another program: printf 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test":
     * 2432232314}' | openssl dgst -sha256 -mac HMAC -macopt
     * hexkey:31f290f657c27c9a0aa7fc5b18d09e4e1b3b0d1f6d5ecf36 -binary | base64 */
    static const char input[] = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
    struct hookkey key;
    struct fail f;
    unsigned char signature[HOOKKEY_SIGNATURE];
    struct buf text = {0};
    assert_int_equal(
        hookkey_parse(span_text(" whsec_MfKQ9lfCfJoKp/xbGNCeThs7DR9tXs82\r\n"), &key, &f), 0);
    assert_int_equal(key.n, 24);
    hookkey_sign(&key, span_text(input), signature);
    base64_encode(&text, span_of(signature, sizeof signature));
    assert_string_equal(buf_text(&text), "vn1U5/TJ4ACb4LiGPtZRO6PHNrvia4ptTta60OL5lw0=");
    hookkey_wipe(&key);
    assert_int_equal(key.n, 0);
    buf_free(&text);
}

static void test_what_is_no_key_is_refused_without_showing_it(void **state)
{
    static const char *const bad[] = {
        "",
        "whsec_",
        "MfKQ9lfCfJoKp/xbGNCeThs7DR9tXs82",
        "WHSEC_MfKQ9lfCfJoKp/xbGNCeThs7DR9tXs82",
        "whsec_MfKQ9lfCfJoKp/xbGNCeThs7DR9tXs8",
        "whsec_MfKQ9lfCfJoKp/xbGNCeThs7DR9tXs82\nwhsec_x",
        "whsec_c2hvcnQ=",
        "whsec_"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AA",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hookkey key;
        struct fail f = {{0}};
        if (hookkey_parse(span_text(bad[i]), &key, &f) != -1)
            fail_msg("%s", bad[i]);
        assert_true(f.text[0] != '\0');
        assert_null(strstr(f.text, "MfKQ"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_signature_is_as_the_specification_has_it),
        cmocka_unit_test(test_what_is_no_key_is_refused_without_showing_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
