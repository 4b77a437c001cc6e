#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "compose.h"
#include "header.h"
#include "mem.h"

static struct address sender, alice, bob, utf8_user;

static int set_up(void **state)
{
    assert_int_equal(address_parse(span_text("sender@example.org"), &sender, NULL), 0);
    assert_int_equal(address_parse(span_text("alice@\xc3\xbc.example"), &alice, NULL), 0);
    assert_int_equal(address_parse(span_text("\"b ob\"@example.net"), &bob, NULL), 0);
    assert_int_equal(address_parse(span_text("\xc3\xa9@\xc3\xbc.example"), &utf8_user, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    address_clear(&sender);
    address_clear(&alice);
    address_clear(&bob);
    address_clear(&utf8_user);
    return 0;
}

#define MAILBOXES(...)                                                                             \
    (struct compose_mailboxes)                                                                     \
    {                                                                                              \
        (const struct compose_mailbox[]){__VA_ARGS__},                                             \
            sizeof((const struct compose_mailbox[]){__VA_ARGS__}) / sizeof(struct compose_mailbox) \
    }
#define FILES(...)                                                                                 \
    (struct compose_files)                                                                         \
    {                                                                                              \
        (const struct mimepart_file[]){__VA_ARGS__},                                               \
            sizeof((const struct mimepart_file[]){__VA_ARGS__}) / sizeof(struct mimepart_file)     \
    }

static struct compose plain(void)
{
    static struct compose_mailbox from, to;
    from = (struct compose_mailbox){span_text(""), &sender};
    to = (struct compose_mailbox){span_text(""), &alice};
    return (struct compose){
        .from = {&from, 1},
        .to = {&to, 1},
        .subject = span_text("hi"),
        .message_id = span_text("<1@example.org>"),
        .text = span_text("Hello\n"),
        .date_ms = INT64_C(1136239445678),
        .zone_min = -420,
        .hostname = "mail.example.org",
        .user_agent = span_text("test/1"),
    };
}

static void composed_ok(const struct compose *in, struct composed *out)
{
    enum compose_refusal why;
    struct fail f = {""};
    int rc = compose_message(in, out, &why, &f);
    if (rc < 0)
        print_message("refused: %s\n", f.text);
    assert_int_equal(rc, 0);
    /* The whole message takes the place of its frame, for looking at. */
    struct buf whole = {0};
    assert_int_equal(composed_write(out, &whole, &f), 0);
    assert_int_equal(whole.n, out->size);
    buf_free(&out->frame);
    out->frame = whole;
}

static void test_a_plain_message_is_as_simple_as_can_be(void **state)
{
    struct compose in = plain();
    struct composed out;
    composed_ok(&in, &out);
    assert_string_equal(buf_text(&out.frame), "From: <sender@example.org>\r\n"
                                              "To: <alice@xn--tda.example>\r\n"
                                              "Subject: hi\r\n"
                                              "Date: 2 Jan 2006 15:04:05 -0700\r\n"
                                              "Message-Id: <1@example.org>\r\n"
                                              "MIME-Version: 1.0\r\n"
                                              "User-Agent: test/1\r\n"
                                              "Content-Type: text/plain; charset=us-ascii\r\n"
                                              "Content-Transfer-Encoding: 7bit\r\n"
                                              "\r\n"
                                              "Hello\r\n");
    assert_string_equal(out.message_id, "<1@example.org>");
    assert_false(out.has_8bit);
    assert_false(out.needs_smtputf8);
    composed_clear(&out);
    assert_null(out.message_id);
}

static void test_fields_stand_in_their_order(void **state)
{
    static const char *const order[] = {
        "From",    "Reply-To",   "To",         "Cc",           "Subject",
        "Date",    "Message-Id", "References", "In-Reply-To",  "MIME-Version",
        "X-First", "x-second",   "User-Agent", "Content-Type", "Content-Transfer-Encoding"};
    const struct span references[] = {span_text(""), span_text("<a@x>"), span_text("<weird id@x>"),
                                      span_text("<b@x>"), span_text("<gr\xc3\xbcn@x>")};
    const struct compose_field fields[] = {{span_text("X-First"), span_text("1")},
                                           {span_text("x-second"), span_text("")}};
    struct compose in = plain();
    struct composed out;
    struct header_field field;
    in.reply_to = MAILBOXES({span_text("R"), &bob});
    in.cc = MAILBOXES({span_text("\xc3\x89ve"), &alice}, {span_text(""), &bob});
    in.references = references;
    in.n_references = 5;
    in.fields = fields;
    in.n_fields = 2;
    in.user_agent = span_text("");
    composed_ok(&in, &out);
    struct span rest = buf_span(&out.frame);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        assert_true(header_next(&rest, &field));
        assert_true(span_is(field.name, order[i]));
    }
    assert_false(header_next(&rest, &field));
    const char *text = buf_text(&out.frame);
    assert_non_null(strstr(text, "\r\nCc: =?utf-8?q?=C3=89ve?= <alice@xn--tda.example>, "
                                 "<\"b ob\"@example.net>\r\n"));
    assert_non_null(strstr(text, "\r\nReply-To: \"R\" <\"b ob\"@example.net>\r\n"));
    assert_non_null(strstr(text, "\r\nReferences: <a@x>\r\n\t<b@x>\r\nIn-Reply-To: <b@x>\r\n"));
    assert_non_null(strstr(text, "\r\nX-First: 1\r\nx-second: \r\n"));
    assert_non_null(strstr(text, "\r\nUser-Agent: quartermaster/" QM_VERSION "\r\n"));
    composed_clear(&out);
}

/* The message from its first Content-Type on, with boundaries replaced by A, B, C in the order in
 * which they are announced. */
static char *structure(const struct compose *in)
{
    struct composed out;
    struct buf seen = {0};
    char boundaries[3][25] = {{0}};
    size_t known = 0;
    composed_ok(in, &out);
    const char *p = strstr(buf_text(&out.frame), "Content-Type:");
    for (const char *b = p; (b = strstr(b, "boundary=\"")) != NULL && known < 3; known++) {
        b += strlen("boundary=\"");
        memcpy(boundaries[known], b, 24);
    }
    while (*p != '\0') {
        size_t i = 0;
        while (i < known && strncmp(p, boundaries[i], 24) != 0)
            i++;
        buf_putc(&seen, i < known ? 'A' + (int)i : *p);
        p += i < known ? 24 : 1;
    }
    composed_clear(&out);
    return buf_take_text(&seen);
}

static void test_text_and_html_are_alternatives(void **state)
{
    struct compose in = plain();
    in.html = span_text("<p>h\xc3\xa9</p>");
    char *text = structure(&in);
    assert_string_equal(text, "Content-Type: multipart/alternative;\r\n boundary=\"A\"\r\n"
                              "Content-Transfer-Encoding: 8bit\r\n"
                              "\r\n"
                              "--A\r\n"
                              "Content-Type: text/plain; charset=us-ascii\r\n"
                              "Content-Transfer-Encoding: 7bit\r\n\r\n"
                              "Hello\r\n"
                              "\r\n--A\r\n"
                              "Content-Type: text/html; charset=utf-8\r\n"
                              "Content-Transfer-Encoding: 8bit\r\n\r\n"
                              "<p>h\xc3\xa9</p>\r\n"
                              "\r\n--A--\r\n");
    mem_free(&text);
}

#define FILE_PART(disposition)                                                                     \
    "Content-Type: text/csv\r\nContent-Transfer-Encoding: "                                        \
    "base64\r\nContent-Disposition: " disposition "; filename=\"f\"\r\n\r\nYQ==\r\n"

static void test_multiparts_nest_mixed_related_alternative(void **state)
{
    const struct mimepart_file file = {
        .name = span_text("f"), .content_type = span_text("text/csv"), .data = span_text("a")};
    struct compose in = plain();
    in.html = span_text("<p>");
    in.alternative = FILES(file);
    in.inlined = FILES(file);
    in.attached = FILES(file, file);
    char *text = structure(&in);
    assert_string_equal(
        text,
        "Content-Type: multipart/mixed;\r\n boundary=\"A\"\r\n\r\n"
        "--A\r\n"
        "Content-Type: multipart/related; type=\"multipart/alternative\";\r\n"
        " boundary=\"B\"\r\n\r\n"
        "--B\r\n"
        "Content-Type: multipart/alternative;\r\n boundary=\"C\"\r\n\r\n"
        "--C\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n"
        "Content-Transfer-Encoding: 7bit\r\n\r\nHello\r\n"
        "\r\n--C\r\n"
        "Content-Type: text/html; charset=us-ascii\r\n"
        "Content-Transfer-Encoding: 7bit\r\n\r\n<p>\r\n"
        "\r\n--C\r\n" FILE_PART(
            "inline") "\r\n--C--\r\n"
                      "\r\n--B\r\n" FILE_PART(
                          "inline") "\r\n--B--\r\n"
                                    "\r\n--A\r\n" FILE_PART("attachment") "\r\n--A\r\n" FILE_PART(
                                        "attachment") "\r\n"
                                                      "--A--\r\n");
    mem_free(&text);
}

static void test_only_the_levels_that_are_needed_are_there(void **state)
{
    const struct mimepart_file file = {
        .name = span_text("f"), .content_type = span_text("text/csv"), .data = span_text("a")};
    struct compose in = plain();
    in.attached = FILES(file);
    char *text = structure(&in);
    assert_string_equal(text, "Content-Type: multipart/mixed;\r\n boundary=\"A\"\r\n\r\n"
                              "--A\r\n"
                              "Content-Type: text/plain; charset=us-ascii\r\n"
                              "Content-Transfer-Encoding: 7bit\r\n\r\nHello\r\n"
                              "\r\n--A\r\n" FILE_PART("attachment") "\r\n--A--\r\n");
    mem_free(&text);
    in.attached.n = 0;
    in.html = in.text;
    in.text = span_text("");
    in.inlined = FILES(file);
    text = structure(&in);
    assert_non_null(strstr(text, "multipart/related; type=\"text/html\";\r\n boundary=\"A\""));
    assert_null(strstr(text, "multipart/alternative"));
    mem_free(&text);
    in.inlined.n = 0;
    in.alternative = FILES(file);
    text = structure(&in);
    assert_memory_equal(text, "Content-Type: multipart/alternative;", 36);
    mem_free(&text);
}

static void test_an_smtputf8_message_has_a_utf8_header(void **state)
{
    struct compose in = plain();
    struct composed out;
    in.to = MAILBOXES({span_text("\xc3\x89ve"), &utf8_user});
    in.subject = span_text("gr\xc3\xbc\xc3\x9f");
    composed_ok(&in, &out);
    assert_true(out.needs_smtputf8);
    assert_true(out.has_8bit);
    assert_non_null(strstr(buf_text(&out.frame),
                           "\r\nTo: \"\xc3\x89ve\" <\xc3\xa9@\xc3\xbc.example>\r\n"
                           "Subject: gr\xc3\xbc\xc3\x9f\r\n"));
    composed_clear(&out);
    in = plain();
    in.smtputf8 = true; /* for a Bcc recipient */
    composed_ok(&in, &out);
    assert_true(out.needs_smtputf8);
    assert_non_null(strstr(buf_text(&out.frame), "\r\nTo: <alice@\xc3\xbc.example>\r\n"));
    composed_clear(&out);
}

static void test_8bit_content_is_reported(void **state)
{
    struct compose in = plain();
    struct composed out;
    in.text = span_text("gr\xc3\xbc\xc3\x9f\n");
    in.subject = in.text;
    in.subject.n--;
    composed_ok(&in, &out);
    assert_true(out.has_8bit);
    assert_false(out.needs_smtputf8);
    assert_non_null(strstr(buf_text(&out.frame), "Subject: =?utf-8?q?gr=C3=BC=C3=9F?=\r\n"));
    composed_clear(&out);
}

static void test_callers_fields_stay_as_given_or_are_encoded(void **state)
{
    struct buf longest = {0};
    for (int i = 0; i < 400; i++)
        buf_puts(&longest, "word ");
    const struct compose_field fields[] = {
        {span_text("X-A"), span_text("a  b, =?x?= <>")},
        {span_text("X-B"), span_text("gr\xc3\xbc\xc3\x9f")},
        {span_text("X-C"), buf_span(&longest)},
        {span_text("in-reply-to"), span_text("<mine@x>")},
        {span_text("x-mailer"), span_text("mine")},
    };
    const struct span references[] = {span_text("<a@x>")};
    struct compose in = plain();
    struct composed out;
    in.fields = fields;
    in.n_fields = 5;
    in.references = references;
    in.n_references = 1;
    composed_ok(&in, &out);
    const char *text = buf_text(&out.frame);
    assert_non_null(strstr(text, "\r\nX-A: a  b, =?x?= <>\r\nX-B: =?utf-8?q?gr=C3=BC=C3=9F?=\r\n"
                                 "X-C: word word "));
    assert_non_null(strstr(text, " word\r\n word"));
    assert_non_null(strstr(text, "\r\nin-reply-to: <mine@x>\r\n"));
    assert_null(strstr(text, "In-Reply-To:"));
    assert_null(strstr(text, "User-Agent:"));
    composed_clear(&out);
    buf_free(&longest);
}

static void test_a_message_id_is_generated_when_none_is_given(void **state)
{
    struct compose in = plain();
    struct composed out;
    in.message_id = span_text("");
    composed_ok(&in, &out);
    assert_int_equal(strlen(out.message_id), 1 + 22 + strlen("@mail.example.org>"));
    struct buf line = {0};
    buf_putf(&line, "\r\nMessage-Id: %s\r\n", out.message_id);
    assert_non_null(strstr(buf_text(&out.frame), buf_text(&line)));
    buf_free(&line);
    composed_clear(&out);
}

static void refused(const struct compose *in, enum compose_refusal expected)
{
    struct composed out;
    enum compose_refusal why = COMPOSE_TOO_LARGE + 1;
    struct fail f = {""};
    assert_int_equal(compose_message(in, &out, &why, &f), -1);
    assert_int_equal(why, expected);
    assert_true(f.text[0] != '\0');
    assert_int_equal(out.frame.n, 0);
    assert_null(out.message_id);
}

static void test_bodies_and_ids_have_refusals_of_their_own(void **state)
{
    struct compose in = plain();
    in.text = span_text("");
    refused(&in, COMPOSE_NO_BODY);
    in = plain();
    in.message_id = span_text("1@example.org");
    refused(&in, COMPOSE_BAD_MESSAGE_ID);
    in.message_id = span_text("<1@example.org");
    refused(&in, COMPOSE_BAD_MESSAGE_ID);
    in.message_id = span_text("<1@example.org>\r\nBcc: x>");
    refused(&in, COMPOSE_BAD_VALUE);
    in = plain();
    in.max_size = 200;
    refused(&in, COMPOSE_TOO_LARGE);
}

static void test_nothing_can_be_smuggled_into_the_header(void **state)
{
    static const char *const values[] = {"a\r\nBcc: x", "a\nb", "a\rb", "a\tb", "a\x7f", "\xff"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct span value = span_text(values[i]);
        const struct compose_field field = {span_text("X"), value};
        const struct mimepart_file type = {.content_type = value}, id = {.content_id = value};
        struct compose in = plain();
        in.subject = value;
        refused(&in, COMPOSE_BAD_VALUE);
        in = plain();
        in.from = MAILBOXES({value, &sender});
        refused(&in, COMPOSE_BAD_VALUE);
        in = plain();
        in.cc = MAILBOXES({span_text(""), &alice}, {value, &bob});
        refused(&in, COMPOSE_BAD_VALUE);
        in = plain();
        in.fields = &field;
        in.n_fields = 1;
        refused(&in, COMPOSE_BAD_VALUE);
        in = plain();
        in.references = &value;
        in.n_references = 1;
        refused(&in, COMPOSE_BAD_VALUE);
        in = plain();
        in.attached = FILES(type);
        refused(&in, COMPOSE_BAD_VALUE);
        in = plain();
        in.inlined = FILES(id);
        refused(&in, COMPOSE_BAD_VALUE);
        in = plain();
        in.user_agent = value;
        refused(&in, COMPOSE_BAD_VALUE);
    }
    struct compose in = plain();
    in.html = span_text("\xff");
    refused(&in, COMPOSE_BAD_VALUE);
    in = plain();
    in.subject = span_of("a\0b", 3);
    refused(&in, COMPOSE_BAD_VALUE);
}

static void test_fields_that_may_be_there_once_are_not_doubled(void **state)
{
    static const char *const names[] = {"from",
                                        "DATE",
                                        "Message-Id",
                                        "MIME-Version",
                                        "Content-Type",
                                        "content-transfer-encoding",
                                        "Bcc",
                                        "To",
                                        "Subject",
                                        "X\r\nY",
                                        "a b",
                                        "a:",
                                        "",
                                        "caf\xc3\xa9"};
    struct compose in;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct compose_field field = {span_text(names[i]), span_text("x")};
        in = plain();
        in.fields = &field;
        in.n_fields = 1;
        refused(&in, COMPOSE_BAD_VALUE);
    }
    const struct compose_field cc = {span_text("Cc"), span_text("x@example.org")};
    struct composed out;
    in = plain();
    in.fields = &cc;
    in.n_fields = 1;
    composed_ok(&in, &out);
    composed_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_message_is_as_simple_as_can_be),
        cmocka_unit_test(test_fields_stand_in_their_order),
        cmocka_unit_test(test_text_and_html_are_alternatives),
        cmocka_unit_test(test_multiparts_nest_mixed_related_alternative),
        cmocka_unit_test(test_only_the_levels_that_are_needed_are_there),
        cmocka_unit_test(test_an_smtputf8_message_has_a_utf8_header),
        cmocka_unit_test(test_8bit_content_is_reported),
        cmocka_unit_test(test_callers_fields_stay_as_given_or_are_encoded),
        cmocka_unit_test(test_a_message_id_is_generated_when_none_is_given),
        cmocka_unit_test(test_bodies_and_ids_have_refusals_of_their_own),
        cmocka_unit_test(test_nothing_can_be_smuggled_into_the_header),
        cmocka_unit_test(test_fields_that_may_be_there_once_are_not_doubled),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
