#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base64.h"
#include "httpbasic.h"

static void test_user_and_password_are_split_at_the_first_colon(void **state)
{
    static const char *const cases[][3] = {
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"}, /* RFC 7617 section 2 */
        {"Basic dGVzdDoxMjPCow==", "test", "123\xc2\xa3"},                /* section 2.1 */
        {"basic  Og==", "", ""},
        {" BASIC YTpiOmM= ", "a", "b:c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct httpbasic c;
        assert_int_equal(httpbasic_parse(span_text(cases[i][0]), &c), HTTPBASIC_OK);
        assert_true(span_is(c.user, cases[i][1]));
        assert_true(span_is(c.password, cases[i][2]));
        httpbasic_wipe(&c);
        assert_null(c.octets.p);
        assert_null(c.user.p);
    }
}

static void test_missing_is_told_from_malformed(void **state)
{
    static const struct {
        const char *field;
        enum httpbasic_result want;
    } cases[] = {
        {"", HTTPBASIC_MISSING},
        {"Bearer abc", HTTPBASIC_MISSING},
        {"Basically YTpi", HTTPBASIC_MISSING},
        {"Bas", HTTPBASIC_MISSING},
        {"Basic", HTTPBASIC_MALFORMED},
        {"Basic ", HTTPBASIC_MALFORMED},
        {"Basic YQ==", HTTPBASIC_MALFORMED}, /* no colon */
        {"Basic YTpi YTpi", HTTPBASIC_MALFORMED},
        {"Basic YTpiOmM", HTTPBASIC_MALFORMED}, /* no padding */
        {"Basic !!!!", HTTPBASIC_MALFORMED},
        {"Basic YQA6Yg==", HTTPBASIC_MALFORMED}, /* "a\0:b" */
        {"Basic YTpiCg==", HTTPBASIC_MALFORMED}, /* "a:b\n" */
        {"Basic YTpifw==", HTTPBASIC_MALFORMED}, /* DEL */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct httpbasic c;
        assert_int_equal(httpbasic_parse(span_text(cases[i].field), &c), cases[i].want);
        assert_null(c.octets.p);
        assert_int_equal(c.user.n + c.password.n, 0);
    }
}

static void test_the_octets_never_move(void **state)
{
    struct buf field = {0};
    unsigned char text[1000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i == 10 ? ':' : 'x';
    buf_puts(&field, "Basic ");
    base64_encode(&field, span_of(text, sizeof text));
    struct httpbasic c;
    assert_int_equal(httpbasic_parse(buf_span(&field), &c), HTTPBASIC_OK);
    assert_int_equal(c.user.n, 10);
    assert_int_equal(c.password.n, sizeof text - 11);
    assert_true(c.octets.cap > 1336); /* the room that was asked for before the first octet */
    httpbasic_wipe(&c);
    buf_free(&field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user_and_password_are_split_at_the_first_colon),
        cmocka_unit_test(test_missing_is_told_from_malformed),
        cmocka_unit_test(test_the_octets_never_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
