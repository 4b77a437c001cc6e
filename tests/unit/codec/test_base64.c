#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base64.h"

/* RFC 4648 section 10. */
static const char *const vectors[][2] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void test_rfc_vectors(void **state)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct buf out = {0};
        base64_encode(&out, span_text(vectors[i][0]));
        assert_string_equal(buf_text(&out), vectors[i][1]);
        struct buf back = {0};
        assert_int_equal(base64_decode(&back, buf_span(&out)), 0);
        assert_string_equal(buf_text(&back), vectors[i][0]);
        buf_free(&out);
        buf_free(&back);
    }
}

/* RFC 4648 section 10, without padding and in lower case. */
static void test_base32_vectors(void **state)
{
    static const char *const folded[][2] = {
        {"", ""},
        {"f", "my"},
        {"fo", "mzxq"},
        {"foo", "mzxw6"},
        {"foob", "mzxw6yq"},
        {"fooba", "mzxw6ytb"},
        {"foobar", "mzxw6ytboi"},
    };
    for (size_t i = 0; i < sizeof folded / sizeof folded[0]; i++) {
        struct buf out = {0}, back = {0};
        base32_encode(&out, span_text(folded[i][0]));
        assert_string_equal(buf_text(&out), folded[i][1]);
        assert_int_equal(base32_decode(&back, buf_span(&out)), 0);
        assert_string_equal(buf_text(&back), folded[i][0]);
        buf_free(&out);
        buf_free(&back);
    }
}

static void test_base32_is_read_in_either_case_and_one_spelling(void **state)
{
    static const char *const bad[] = {"m", "mz", "mzx", "mzxw6y", "my======", "m1", "m8", "m y"};
    struct buf out = {0};
    assert_int_equal(base32_decode(&out, span_text("MzXw6YtBoI")), 0);
    assert_string_equal(buf_text(&out), "foobar");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(base32_decode(&out, span_text(bad[i])), -1);
        assert_string_equal(buf_text(&out), "foobar");
    }
    buf_free(&out);
}

static void test_only_one_spelling_is_taken(void **state)
{
    static const char *const bad[] = {"Zg",       "Zg=",   "Zg===", "Zh==", "Zm9=",  "Z",
                                      "Zg==Zg==", "Zm9v ", "=",     "Z=g=", "Zm\n8="};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf out = {0};
        buf_puts(&out, "x");
        assert_int_equal(base64_decode(&out, span_text(bad[i])), -1);
        assert_string_equal(buf_text(&out), "x");
        buf_free(&out);
    }
}

static void test_loose_passes_over_white_space(void **state)
{
    struct buf out = {0};
    assert_int_equal(base64_decode_loose(&out, span_text("Zm9v\r\n Ym Fy\r\n")), 0);
    assert_string_equal(buf_text(&out), "foobar");
    buf_clear(&out);
    assert_int_equal(base64_decode_loose(&out, span_text("Zg==\r\n")), 0);
    assert_string_equal(buf_text(&out), "f");
    buf_free(&out);
}

static void test_a_check_takes_what_can_be_decoded_and_nothing_else(void **state)
{
    static const char *const texts[] = {"",  "Zg==", " Z g = = \r\n", "Zm9v", "Zm9vYg==", "Zg=",
                                        "Z", "Zh==", "Zg==Zg==",      "Zm9?", "Zg= =x"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buf out = {0};
        assert_int_equal(base64_check_loose(span_text(texts[i])),
                         base64_decode_loose(&out, span_text(texts[i])));
        assert_int_equal(base64_check_loose(span_text(texts[i])), i < 5 ? 0 : -1);
        buf_free(&out);
    }
}

static void test_lines_are_76_columns(void **state)
{
    unsigned char zero[60] = {0};
    struct buf out = {0};
    base64_encode_lines(&out, span_of(zero, sizeof zero));
    assert_int_equal(out.n, 76 + 2 + 4 + 2);
    assert_memory_equal(buf_span(&out).p + 76, "\r\nAAAA\r\n", 8);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_vectors),
        cmocka_unit_test(test_base32_vectors),
        cmocka_unit_test(test_base32_is_read_in_either_case_and_one_spelling),
        cmocka_unit_test(test_only_one_spelling_is_taken),
        cmocka_unit_test(test_loose_passes_over_white_space),
        cmocka_unit_test(test_a_check_takes_what_can_be_decoded_and_nothing_else),
        cmocka_unit_test(test_lines_are_76_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
