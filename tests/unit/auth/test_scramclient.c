#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"
#include "mem.h"
#include "scramclient.h"

/* The example of RFC 7677 section 3. */
#define NONCE_256 "rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE_256 NONCE_256 "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SALT_256 "W22ZaJ0SNY7soEsUEjb6gQ=="
/* And that of RFC 5802 section 5. */
#define NONCE_1 "fyko+d2lbbFgONRv9qkxdawL"
#define SERVER_NONCE_1 NONCE_1 "3rfcNHYJY1ZVvWVs7j"
#define SALT_1 "QSXCR+Q6sek8bf92"

static const struct scramclient_options sha256 = {.sha256 = true,
                                                  .user = {(const unsigned char *)"user", 4},
                                                  .password = {(const unsigned char *)"pencil", 6},
                                                  .iterations = 100000,
                                                  .nonce = NONCE_256},
                                        sha1 = {.user = {(const unsigned char *)"user", 4},
                                                .password = {(const unsigned char *)"pencil", 6},
                                                .iterations = 100000,
                                                .nonce = NONCE_1};

static struct scramclient *begin(const struct scramclient_options *options, const char *first)
{
    struct buf out = {0};
    struct scramclient *s = scramclient_new(options, NULL);
    assert_non_null(s);
    scramclient_first(s, &out);
    assert_string_equal(buf_text(&out), first);
    buf_free(&out);
    return s;
}

/* What the client answers; NULL for a refusal, whose sentence f then has. */
static char *step(struct scramclient *s, const char *message, struct fail *f)
{
    struct buf out = {0};
    if (scramclient_step(s, span_text(message), &out, f) != 0) {
        assert_int_equal(out.n, 0);
        return NULL;
    }
    return out.n == 0 ? mem_text("") : buf_take_text(&out);
}

static void expect_answer(struct scramclient *s, const char *message, const char *answer)
{
    struct fail f = {{0}};
    char *got = step(s, message, &f);
    assert_string_equal(f.text, "");
    assert_string_equal(got, answer);
    mem_free(&got);
}

static void test_the_examples_of_the_rfcs_come_out(void **state)
{
    struct scramclient *s = begin(&sha256, "n,,n=user,r=" NONCE_256);
    expect_answer(s, "r=" SERVER_NONCE_256 ",s=" SALT_256 ",i=4096",
                  "c=biws,r=" SERVER_NONCE_256 ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    assert_false(scramclient_is_proved(s));
    expect_answer(s, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "");
    assert_true(scramclient_is_proved(s));
    scramclient_free(&s);
    s = begin(&sha1, "n,,n=user,r=" NONCE_1);
    expect_answer(s, "r=" SERVER_NONCE_1 ",s=" SALT_1 ",i=4096",
                  "c=biws,r=" SERVER_NONCE_1 ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    expect_answer(s, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", "");
    assert_true(scramclient_is_proved(s));
    scramclient_free(&s);
}

static void test_names_and_bindings_are_written_as_the_grammar_has_them(void **state)
{
    struct scramclient_options o = sha256;
    o.user = span_text("a,b=c");
    o.could_bind = true;
    struct scramclient *s = begin(&o, "y,,n=a=2Cb=3Dc,r=" NONCE_256);
    scramclient_free(&s);
    o.could_bind = false;
    o.binding = "tls-exporter";
    o.data = span_text("octets");
    s = begin(&o, "p=tls-exporter,,n=a=2Cb=3Dc,r=" NONCE_256);
    struct fail f = {{0}};
    char *got = step(s, "r=" SERVER_NONCE_256 ",s=" SALT_256 ",i=4096", &f);
    struct buf header = {0};
    buf_puts(&header, "c=");
    base64_encode(&header, span_text("p=tls-exporter,,octets"));
    buf_puts(&header, ",r=");
    assert_memory_equal(got, buf_text(&header), header.n);
    buf_free(&header);
    mem_free(&got);
    scramclient_free(&s);
}

static void test_a_name_is_told_in_one_form_however_it_was_typed(void **state)
{
    static const struct {
        const char *user, *told; /* NULL: it cannot be one */
    } cases[] = {
        {"jos\xc3\xa9", "jos\xc3\xa9"},
        {"jose\xcc\x81", "jos\xc3\xa9"},                          /* e, combining acute accent */
        {"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"}, /* jamo */
        {"\xe2\x84\xab", "\xc3\x85"},                             /* the sign of the angstrom */
        {"Tim", "Tim"},                                           /* its case stays */
        {"\xef\xac\x81", "\xef\xac\x81"},                         /* fi: alike is not the same */
        {"jos\xe9", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scramclient_options o = sha256;
        struct fail f = {{0}};
        o.user = span_text(cases[i].user);
        if (cases[i].told == NULL) {
            assert_null(scramclient_new(&o, &f));
            assert_string_equal(f.text, "a user name must be UTF-8");
            continue;
        }
        char *first = mem_format("n,,n=%s,r=" NONCE_256, cases[i].told);
        struct scramclient *s = begin(&o, first);
        scramclient_free(&s);
        mem_free(&first);
    }
}

static void test_nonces_differ(void **state)
{
    struct scramclient_options o = sha256;
    struct buf one = {0}, two = {0};
    o.nonce = NULL;
    struct scramclient *a = scramclient_new(&o, NULL), *b = scramclient_new(&o, NULL);
    scramclient_first(a, &one);
    scramclient_first(b, &two);
    assert_int_equal(one.n, strlen("n,,n=user,r=") + 24);
    assert_false(span_equal(buf_span(&one), buf_span(&two)));
    buf_free(&one);
    buf_free(&two);
    scramclient_free(&a);
    scramclient_free(&b);
}

static void test_first_messages_that_are_not_sound_are_refused(void **state)
{
    static const struct {
        const char *message, *why;
    } cases[] = {
        {"", "malformed first message"},
        {"nonsense", "malformed first message"},
        {"m=ext,r=" SERVER_NONCE_256 ",s=" SALT_256 ",i=4096", "malformed first message"},
        {"r=" SERVER_NONCE_256 ",s=" SALT_256, "malformed first message"},
        {"r=" SERVER_NONCE_256 ",i=4096,s=" SALT_256, "malformed first message"},
        {"r=" NONCE_256 ",s=" SALT_256 ",i=4096", "the server's nonce is not made of ours"},
        {"r=" NONCE_256 "1234567,s=" SALT_256 ",i=4096", "the server's nonce is not made of ours"},
        {"r=X" SERVER_NONCE_256 ",s=" SALT_256 ",i=4096", "the server's nonce is not made of ours"},
        {"r=" SERVER_NONCE_256 " x,s=" SALT_256 ",i=4096", "malformed nonce"},
        {"r=" SERVER_NONCE_256 ",s=W22ZaJ0,i=4096", "malformed or short salt"},
        {"r=" SERVER_NONCE_256 ",s=c2hvcnQ=,i=4096", "malformed or short salt"},
        {"r=" SERVER_NONCE_256 ",s=" SALT_256 ",i=many", "malformed iteration count"},
        {"r=" SERVER_NONCE_256 ",s=" SALT_256 ",i=99999999999", "malformed iteration count"},
        {"r=" SERVER_NONCE_256 ",s=" SALT_256 ",i=4095",
         "the server asks for 4095 iterations, which are too few"},
        {"r=" SERVER_NONCE_256 ",s=" SALT_256 ",i=100001",
         "the server asks for 100001 iterations, of which 100000 are allowed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fail f = {{0}};
        struct scramclient *s = begin(&sha256, "n,,n=user,r=" NONCE_256);
        assert_null(step(s, cases[i].message, &f));
        assert_string_equal(f.text, cases[i].why);
        assert_null(step(s, "r=" SERVER_NONCE_256 ",s=" SALT_256 ",i=4096", &f)); /* it is over */
        scramclient_free(&s);
    }
}

static void test_a_server_that_does_not_know_the_password_is_found_out(void **state)
{
    static const struct {
        const char *message, *why;
    } cases[] = {
        {"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "the server does not know the password"},
        {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95A==", "the server does not know the password"},
        {"v=", "the server does not know the password"},
        {"v=%%", "malformed last message"},
        {"", "malformed last message"},
        {"e=invalid-proof", "the server refuses: invalid-proof"},
        {"e=\r\n", "the server refuses: ?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fail f = {{0}};
        struct scramclient *s = begin(&sha256, "n,,n=user,r=" NONCE_256);
        char *proof = step(s, "r=" SERVER_NONCE_256 ",s=" SALT_256 ",i=4096", &f);
        assert_non_null(proof);
        mem_free(&proof);
        assert_null(step(s, cases[i].message, &f));
        assert_string_equal(f.text, cases[i].why);
        assert_false(scramclient_is_proved(s));
        scramclient_free(&s);
    }
}

static void test_a_server_that_goes_on_is_refused(void **state)
{
    struct fail f = {{0}};
    struct scramclient *s = begin(&sha1, "n,,n=user,r=" NONCE_1);
    char *proof = step(s, "r=" SERVER_NONCE_1 ",s=" SALT_1 ",i=4096", &f);
    mem_free(&proof);
    expect_answer(s, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", "");
    assert_null(step(s, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", &f));
    assert_false(scramclient_is_proved(s));
    scramclient_free(&s);
}

static void test_what_cannot_be_a_password_is_refused_at_once(void **state)
{
    struct scramclient_options o = sha256;
    struct fail f = {{0}};
    o.password = span_text("bell\a");
    assert_null(scramclient_new(&o, &f));
    assert_string_not_equal(f.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_examples_of_the_rfcs_come_out),
        cmocka_unit_test(test_names_and_bindings_are_written_as_the_grammar_has_them),
        cmocka_unit_test(test_a_name_is_told_in_one_form_however_it_was_typed),
        cmocka_unit_test(test_nonces_differ),
        cmocka_unit_test(test_first_messages_that_are_not_sound_are_refused),
        cmocka_unit_test(test_a_server_that_does_not_know_the_password_is_found_out),
        cmocka_unit_test(test_a_server_that_goes_on_is_refused),
        cmocka_unit_test(test_what_cannot_be_a_password_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
