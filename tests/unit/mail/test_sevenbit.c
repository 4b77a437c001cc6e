#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "sevenbit.h"

#define E "\xc3\xa9"
#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define AS8 "Content-Transfer-Encoding: 8bit\r\n"
#define AS7 "Content-Transfer-Encoding: 7bit\r\n"
#define QP "Content-Transfer-Encoding: quoted-printable\r\n"
#define B64 "Content-Transfer-Encoding: base64\r\n"
#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n"
#define LONG "0123456789012345678901234567890123456789"

static void sink(void *arg, struct span run)
{
    buf_put_span(arg, run);
}

/* Both times through, in pieces of so many octets. Returns whether it could be converted. */
static bool convert(struct span in, size_t piece, struct buf *out, struct fail *f)
{
    struct sevenbit *s = sevenbit_look();
    for (size_t at = 0; at < in.n; at += piece)
        sevenbit_feed(s, span_of(in.p + at, in.n - at < piece ? in.n - at : piece));
    struct sevenbit_plan *plan = sevenbit_looked(&s, f);
    if (plan == NULL)
        return false;
    s = sevenbit_convert(plan, sink, out);
    for (size_t at = 0; at < in.n; at += piece)
        sevenbit_feed(s, span_of(in.p + at, in.n - at < piece ? in.n - at : piece));
    sevenbit_end(&s);
    assert_true(out->n <= sevenbit_size(plan));
    sevenbit_plan_free(&plan);
    return true;
}

static void check(const char *in, const char *want)
{
    for (size_t piece = 1; piece < 5000; piece = piece * 3 + 1) {
        struct buf out = {0};
        struct fail f = {{0}};
        if (!convert(span_text(in), piece, &out, &f))
            fail_msg("%s\nrefused: %s", in, f.text);
        assert_string_equal(buf_text(&out), want);
        buf_free(&out);
    }
}

static void a_text_is_quoted_and_its_label_changed(void **state)
{
    check("Subject: x\r\nMIME-Version: 1.0\r\n" TEXT AS8 "\r\ncaf" E " = \r\nplain\r\n",
          "Subject: x\r\nMIME-Version: 1.0\r\n" TEXT QP "\r\ncaf=C3=A9 =3D=20\r\nplain\r\n");
    /* Folded and said twice, and not the last field. */
    check("MIME-Version: 1.0\r\nContent-transfer-encoding:\r\n 8bit\r\n" AS8 TEXT "\r\nnot much: " E
          "\r\n",
          "MIME-Version: 1.0\r\n" TEXT QP "\r\nnot much: =C3=A9\r\n");
}

static void a_text_in_another_script_goes_as_base64(void **state)
{
    check("MIME-Version: 1.0\r\n" TEXT AS8 "\r\n" E E "\r\n" E E "\r\n",
          "MIME-Version: 1.0\r\n" TEXT B64 "\r\nw6nDqQ0Kw6nDqQ0K\r\n");
}

/* RFC 1428: it has said nothing of its characters. */
static void a_message_that_knows_nothing_of_mime_is_told_of_it(void **state)
{
    check("Subject: x\r\n\r\nnot much: " E "\r\n",
          "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" QP
          "\r\nnot much: =C3=A9\r\n");
}

static void of_a_multipart_only_the_parts_that_need_it_are_changed(void **state)
{
    check("MIME-Version: 1.0\r\n" AS8 MIXED "\r\npr" E "amble\r\n--b\r\n" TEXT AS8
          "\r\nnot much: " E "\r\n--b\r\n" TEXT "\r\nascii=\r\n--b\r\n" TEXT AS8
          "\r\nascii\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: "
          "binary\r\n\r\n" E "\r\n" E "\r\n--b\r\n" B64 "\r\nAAAA\r\n--b\r\n\r\n" E
          " without a header\r\n--b--\r\nend" E "\r\n",
          "MIME-Version: 1.0\r\n" MIXED AS7 "\r\npr??amble\r\n--b\r\n" TEXT QP
          "\r\nnot much: =C3=A9\r\n--b\r\n" TEXT "\r\nascii=\r\n--b\r\n" TEXT AS7
          "\r\nascii\r\n--b\r\nContent-Type: image/png\r\n" B64 "\r\nw6kNCsOp\r\n--b\r\n" B64
          "\r\nAAAA\r\n--b\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" QP
          "\r\n=C3=A9 without a header\r\n--b--\r\nend??\r\n");
}

static void what_is_within_is_found_and_ends_where_what_is_around_it_does(void **state)
{
    check("MIME-Version: 1.0\r\n" MIXED "\r\n--b\r\nContent-Type: multipart/alternative; "
          "boundary=\"b c\"\r\n\r\n--b c\r\n" TEXT "\r\nnot much: " E "\r\n--b\r\n" TEXT
          "\r\n--b c\r\nnot much: " E "\r\n--b--\r\n",
          "MIME-Version: 1.0\r\n" MIXED "\r\n--b\r\nContent-Type: multipart/alternative; "
          "boundary=\"b c\"\r\n\r\n--b c\r\n" TEXT QP "\r\nnot much: =C3=A9\r\n--b\r\n" TEXT QP
          "\r\n--b c\r\nnot much: =C3=A9\r\n--b--\r\n");
}

static void a_message_within_the_message_is_converted_itself(void **state)
{
    check("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n" AS8
          "\r\nSubject: y\r\n\r\nnot much: " E "\r\n",
          "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n" AS7
          "\r\nSubject: y\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
          "charset=unknown-8bit\r\n" QP "\r\nnot much: =C3=A9\r\n");
    /* RFC 2046 section 5.1.5: in a digest nothing needs to say that it is one. */
    check("MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n"
          "Subject: y\r\nMIME-Version: 1.0\r\n" TEXT "\r\nnot much: " E "\r\n--b--\r\n",
          "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n"
          "Subject: y\r\nMIME-Version: 1.0\r\n" TEXT QP "\r\nnot much: =C3=A9\r\n--b--\r\n");
    check("MIME-Version: 1.0\r\nContent-Type: message/global\r\n" AS8 "\r\nSubject: " E "\r\n\r\n",
          "MIME-Version: 1.0\r\nContent-Type: message/global\r\n" B64
          "\r\nU3ViamVjdDogw6kNCg0K\r\n");
}

static void lines_of_any_length_are_written_in_short_ones(void **state)
{
    struct buf in = {0}, out = {0}, first = {0};
    struct fail f;
    buf_puts(&in, "MIME-Version: 1.0\r\n" TEXT "\r\n" E);
    for (int i = 0; i < 200; i++)
        buf_puts(&in, LONG);
    buf_puts(&in, "\r\n");
    assert_true(convert(buf_span(&in), 70000, &first, &f));
    const char *at = buf_text(&first), *end;
    for (; (end = strstr(at, "\r\n")) != NULL; at = end + 2)
        assert_true(end - at <= 76);
    for (size_t piece = 1; piece < 4100; piece += 1023) {
        assert_true(convert(buf_span(&in), piece, &out, &f));
        assert_true(span_equal(buf_span(&out), buf_span(&first)));
        buf_clear(&out);
    }
    buf_free(&in);
    buf_free(&out);
    buf_free(&first);
}

/* Where a line is broken a dash is quoted; that is not to be so of each that follows it. */
static void dashes_cost_little_more_than_others_do(void **state)
{
    static const size_t lengths[] = {70, 300, SEVENBIT_LINE + 10, 100000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct buf in = {0}, out = {0};
        struct fail f;
        buf_puts(&in, "MIME-Version: 1.0\r\n" TEXT "\r\n" E);
        for (size_t n = 0; n < 200000; n++)
            buf_puts(&in, n % lengths[i] == 0 ? "\r\n" : "-");
        assert_true(convert(buf_span(&in), 70000, &out, &f)); /* and no more than was said */
        assert_true(out.n < in.n + in.n / 10);
        assert_null(strstr(buf_text(&out), "=\r\n-"));
        buf_free(&in);
        buf_free(&out);
    }
}

/* A line that is broken in two, and the second half reads as the delimiter. */
static void no_delimiter_comes_into_being(void **state)
{
    struct fail f;
    for (size_t before = 60; before < 100; before++) {
        for (size_t long_line = 0; long_line <= SEVENBIT_LINE - 90;
             long_line += SEVENBIT_LINE - 90) {
            struct buf in = {0}, out = {0};
            buf_puts(&in,
                     "MIME-Version: 1.0\r\n" MIXED "\r\n--b\r\n" TEXT "\r\nnot much: " E "\r\n");
            for (size_t i = 0; i < before + long_line; i++)
                buf_putc(&in, 'x');
            buf_puts(&in, "--b\r\n--b--\r\n");
            assert_true(convert(buf_span(&in), 70000, &out, &f));
            const char *first = strstr(buf_text(&out), "\r\n--b\r\n");
            assert_non_null(first);
            assert_null(strstr(first + 2, "\r\n--b\r\n"));
            buf_free(&in);
            buf_free(&out);
        }
    }
}

static void check_binary(const char *label, struct span content, const char *type)
{
    struct buf in = {0}, out = {0};
    struct fail f;
    buf_putf(&in, "MIME-Version: 1.0\r\n" TEXT "%s\r\n", label);
    buf_put_span(&in, content);
    assert_true(convert(buf_span(&in), 1000, &out, &f));
    if (strstr(buf_text(&out), type) == NULL)
        fail_msg("%s\ninstead of %s", buf_text(&out), type);
    buf_free(&in);
    buf_free(&out);
}

/* RFC 2045 section 2.7: it has no NUL and no line of more than 998 octets. */
static void what_is_binary_without_such_octets_is_no_7bit_either(void **state)
{
    static const char binary[] = "Content-Transfer-Encoding: binary\r\n";
    char text[3000];
    memset(text, 'x', sizeof text);
    check_binary(binary, span_of("a\0b\r\n", 5), QP);
    check_binary(binary, span_of(text, sizeof text), QP);
    check_binary(binary, span_of(text, 999), QP);
    check_binary(binary, span_of(text, 998), AS7);
    check_binary(binary, span_of("\0\0\0\r\n", 5), B64);
    check_binary("", span_of(text, 999), TEXT "\r\nxxx"); /* which has said nothing of it */
}

static void a_header_that_ends_with_the_message_is_ended(void **state)
{
    check("MIME-Version: 1.0\r\n" MIXED "\r\n--b\r\n" TEXT "\r\nnot much: " E "\r\n--b\r\n" AS8
          "X-Last: field",
          "MIME-Version: 1.0\r\n" MIXED "\r\n--b\r\n" TEXT QP
          "\r\nnot much: =C3=A9\r\n--b\r\nX-Last: field\r\n" AS7);
}

static void what_has_no_such_octets_stays_as_it_is(void **state)
{
    static const char *const messages[] = {
        "",
        "x",
        "\r\n",
        "Subject: x",
        "Subject: x\r\n\r\nx",
        "Subject: x\r\n\r\nx\r\n",
        "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n" TEXT AS8
        "\r\nx \r\n--b\r\nContent-Type: x/y\r\n\r\ns\r\n--b--\r\n",
        MIXED "\r\n--b\r\n" TEXT QP "\r\n=C3=A9\r\n--b--",
        MIXED,
        MIXED "\r\n--b",
        "--b\r\n--b\r\n",
        "Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        check(messages[i], messages[i]);
}

static void what_cannot_be_converted_is_said_to_be_so(void **state)
{
#define HEADER "8-bit octets in a header"
#define SEALED "8-bit octets in a part that is signed or encrypted as it stands"
#define FIXED "8-bit octets in a part that cannot be encoded"
#define ENCODED "8-bit octets in a part that is said to be encoded"
    static const struct {
        const char *message, *why;
    } cases[] = {
        {"Subject: " E "\r\n\r\nx\r\n", HEADER},
        {MIXED "\r\n--b\r\nContent-Description: " E "\r\n\r\nx\r\n--b--\r\n", HEADER},
        {"Content-Type: message/rfc822\r\n\r\nSubject: " E "\r\n\r\nx\r\n", HEADER},
        {"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n" TEXT AS8 "\r\n" E
         "\r\n--b--\r\n",
         SEALED},
        {"Content-Type: Multipart/Encrypted; boundary=b\r\n\r\n--b\r\n\r\n" E "\r\n--b--\r\n",
         SEALED},
        {"Content-Type: multipart/signed; boundary=a\r\n\r\n--a\r\n" MIXED "\r\n--b\r\n\r\n" E
         "\r\n--b--\r\n--a--\r\n",
         SEALED},
        {"Content-Type: multipart/signed; boundary=a\r\n\r\n--a\r\n" MIXED "\r\n--b\r\n\r\nx"
         "\r\n--b--\r\n" E "\r\n--a--\r\n",
         SEALED},
        {"Content-Type: multipart/signed; boundary=a\r\n\r\n--a\r\nContent-Type: "
         "message/rfc822\r\n\r\n\r\n" E "\r\n--a--\r\n",
         SEALED},
        {"Content-Type: message/delivery-status\r\n\r\n" E "\r\n", FIXED},
        {"Content-Type: message/partial\r\n\r\n" E "\r\n", FIXED},
        {"Content-Type: multipart/mixed\r\n\r\n" E "\r\n", FIXED},
        {MIXED "\r\n" E "\r\n", "8-bit octets in a multipart without parts"},
        {MIXED B64 "\r\n--b\r\n\r\n" E "\r\n--b--\r\n", FIXED},
        {TEXT B64 "\r\n" E "\r\n", ENCODED},
        {TEXT QP "\r\n" E "\r\n", ENCODED},
        {TEXT "Content-Transfer-Encoding: x-uue\r\n\r\n" E "\r\n", ENCODED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = {0};
        struct fail f = {{0}};
        if (convert(span_text(cases[i].message), 1000, &out, &f) ||
            strcmp(f.text, cases[i].why) != 0)
            fail_msg("%s\ninstead of: %s\n%s%s", cases[i].message, cases[i].why, f.text,
                     buf_text(&out));
        buf_free(&out);
    }
}

static void nothing_grows_without_bounds(void **state)
{
    struct buf many = {0}, deep = {0}, out = {0};
    struct fail f;
    buf_puts(&many, MIXED "\r\n");
    for (int i = 0; i < SEVENBIT_PARTS_MAX; i++)
        buf_puts(&many, "--b\r\n\r\nx\r\n");
    assert_false(convert(buf_span(&many), 1000, &out, &f));
    assert_string_equal(f.text, "too many parts");
    /* A delimiter with more white space behind it than is looked at together. */
    buf_clear(&many);
    buf_puts(&many, MIXED "\r\n--b");
    for (int i = 0; i < SEVENBIT_LINE; i++)
        buf_putc(&many, ' ');
    buf_puts(&many, "\r\n\r\n" E "\r\n--b--\r\n");
    assert_false(convert(buf_span(&many), 1000, &out, &f));
    assert_string_equal(f.text, "a delimiter that is too long");
    for (int i = 0; i < SEVENBIT_DEPTH_MAX + 1; i++)
        buf_putf(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
    assert_true(convert(buf_span(&deep), 1000, &out, &f));
    buf_puts(&deep, "\r\n" E "\r\n");
    assert_false(convert(buf_span(&deep), 1000, &out, &f));
    buf_free(&many);
    buf_free(&deep);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_quoted_and_its_label_changed),
        cmocka_unit_test(a_text_in_another_script_goes_as_base64),
        cmocka_unit_test(a_message_that_knows_nothing_of_mime_is_told_of_it),
        cmocka_unit_test(of_a_multipart_only_the_parts_that_need_it_are_changed),
        cmocka_unit_test(what_is_within_is_found_and_ends_where_what_is_around_it_does),
        cmocka_unit_test(a_message_within_the_message_is_converted_itself),
        cmocka_unit_test(lines_of_any_length_are_written_in_short_ones),
        cmocka_unit_test(dashes_cost_little_more_than_others_do),
        cmocka_unit_test(no_delimiter_comes_into_being),
        cmocka_unit_test(what_is_binary_without_such_octets_is_no_7bit_either),
        cmocka_unit_test(a_header_that_ends_with_the_message_is_ended),
        cmocka_unit_test(what_has_no_such_octets_stays_as_it_is),
        cmocka_unit_test(what_cannot_be_converted_is_said_to_be_so),
        cmocka_unit_test(nothing_grows_without_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
