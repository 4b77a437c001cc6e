#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "socks.h"

static const unsigned char v4[] = {192, 0, 2, 7};
static const struct socks_target target = {SOCKS_IPV4, {v4, 4}, 25};
#define REQUEST "\5\1\0\1\300\0\2\7\0\31"
#define DONE "\5\0\0\1\300\0\2\1\20\0"

/* Gives it all at once, or an octet at a time. */
static enum socks_got feed(struct socks *s, const void *p, size_t n, bool slowly, struct buf *out,
                           size_t *left, struct fail *f)
{
    enum socks_got got = SOCKS_MORE;
    struct span in = span_of(p, slowly ? 0 : n);
    for (size_t given = in.n; given <= n && got == SOCKS_MORE; given++) {
        in.n = given - (size_t)(in.p - (const unsigned char *)p);
        got = socks_feed(s, &in, out, f);
    }
    *left = n - (size_t)(in.p - (const unsigned char *)p);
    return got;
}

static void expect_out(struct buf *out, const char *octets, size_t n)
{
    assert_int_equal(out->n, n);
    assert_memory_equal(buf_span(out).p, octets, n);
    buf_clear(out);
}

static void test_a_proxy_that_asks_for_nothing_is_told_where_to(void **state)
{
    for (int slowly = 0; slowly <= 1; slowly++) {
        struct socks s = {0};
        struct buf out = {0};
        struct fail f = {{0}};
        size_t left;
        socks_begin(&s, &target, false, &out);
        expect_out(&out, "\5\1\0", 3);
        assert_int_equal(feed(&s, "\5\0", 2, slowly, &out, &left, &f), SOCKS_MORE);
        expect_out(&out, REQUEST, 10);
        /* What the server behind it says is left alone. */
        assert_int_equal(feed(&s, DONE "220 ", 14, slowly, &out, &left, &f), SOCKS_DONE);
        assert_int_equal(left, 4);
        assert_int_equal(out.n, 0);
        socks_clear(&s);
        buf_free(&out);
    }
}

static void test_names_and_ipv6_addresses_are_written_as_they_are(void **state)
{
    static const unsigned char v6[16] = {0x20, 1, 0xd, 0xb8};
    const struct {
        struct socks_target target;
        const char *request;
        size_t n;
    } cases[] = {
        {{SOCKS_NAME, span_text("mx.example"), 0x1234}, "\5\1\0\3\12mx.example\22\64", 17},
        {{SOCKS_IPV6, span_of(v6, 16), 25},
         "\5\1\0\4\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\0\0\31",
         22},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct socks s = {0};
        struct buf out = {0};
        size_t left;
        socks_begin(&s, &cases[i].target, false, &out);
        buf_clear(&out);
        assert_int_equal(feed(&s, "\5\0", 2, false, &out, &left, NULL), SOCKS_MORE);
        expect_out(&out, cases[i].request, cases[i].n);
        socks_clear(&s);
        buf_free(&out);
    }
}

static void test_a_password_is_given_where_it_is_asked_for(void **state)
{
    struct socks s = {0};
    struct buf out = {0};
    struct fail f = {{0}};
    size_t left;
    socks_begin(&s, &target, true, &out);
    expect_out(&out, "\5\2\0\2", 4);
    assert_int_equal(feed(&s, "\5\2", 2, false, &out, &left, &f), SOCKS_PASSWORD);
    assert_int_equal(out.n, 0);
    assert_int_equal(feed(&s, "\1\0", 2, true, &out, &left, &f), SOCKS_MORE);
    expect_out(&out, REQUEST, 10);
    /* The address that it connected from may be a name. */
    assert_int_equal(feed(&s, "\5\0\0\3\4name\0\0", 11, true, &out, &left, &f), SOCKS_DONE);
    assert_int_equal(left, 0);
    socks_clear(&s);
    buf_free(&out);
}

static void test_what_is_refused_or_makes_no_sense_is_said(void **state)
{
    static const struct {
        bool can_log_in;
        const char *octets;
        size_t n;
        const char *why;
    } cases[] = {
        {false, "\4\0", 2, "this is not a SOCKS 5 proxy"},
        {false, "HTTP/1.0", 8, "this is not a SOCKS 5 proxy"},
        {false, "\5\377", 2, "the proxy asks for credentials, and none are configured"},
        {true, "\5\377", 2, "the proxy takes no password"},
        {false, "\5\2", 2, "the proxy chose what was not offered"},
        {true, "\5\1", 2, "the proxy chose what was not offered"},
        {false, "\5\0\4\0", 4, "the proxy's reply makes no sense"},
        {false, "\5\0\5\0\0\2", 6, "the proxy's reply makes no sense"},
        {false, "\5\0\5\5", 4, "the proxy cannot connect: the connection was refused"},
        {false, "\5\0\5\1\0\1", 6, "the proxy cannot connect: general failure"},
        {false, "\5\0\5\10", 4, "the proxy cannot connect: it does not take this kind of address"},
        {false, "\5\0\5\11", 4, "the proxy cannot connect: code 9"},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        struct socks s = {0};
        struct buf out = {0};
        struct fail f = {{0}};
        size_t left;
        socks_begin(&s, &target, cases[i / 2].can_log_in, &out);
        assert_int_equal(feed(&s, cases[i / 2].octets, cases[i / 2].n, i % 2, &out, &left, &f),
                         SOCKS_BAD);
        assert_string_equal(f.text, cases[i / 2].why);
        socks_clear(&s);
        buf_free(&out);
    }
    struct socks s = {0};
    struct buf out = {0};
    struct fail f = {{0}};
    size_t left;
    socks_begin(&s, &target, true, &out);
    (void)feed(&s, "\5\2", 2, false, &out, &left, &f);
    assert_int_equal(feed(&s, "\1\1", 2, false, &out, &left, &f), SOCKS_BAD);
    assert_string_equal(f.text, "the proxy refuses user and password");
    socks_clear(&s);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_proxy_that_asks_for_nothing_is_told_where_to),
        cmocka_unit_test(test_names_and_ipv6_addresses_are_written_as_they_are),
        cmocka_unit_test(test_a_password_is_given_where_it_is_asked_for),
        cmocka_unit_test(test_what_is_refused_or_makes_no_sense_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
