#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "draft.h"
#include "mem.h"

static const char config[] =
    "hostname mail.example.org\n"
    "domain example.org { }\n"
    "domain xn--mnchen-3ya.example { catchall-separator \"-\" }\n"
    "domain closed.example { disabled yes }\n"
    "domain bare.example { catchall-separator \"\" }\n"
    "account billing {\n"
    "    address billing@example.org *@xn--mnchen-3ya.example me@closed.example\n"
    "    address me@bare.example  a.name.that.is.too.long.for.an.id.to.follow@example.org\n"
    "    from-id-login billing+ids@example.org\n"
    "    full-name \"Billing\"\n"
    "}\n"
    "account other { address other@example.org }\n";

#define NOW 1700000000000LL /* 2023-11-14T22:13:20Z */

struct fixture {
    struct conf *conf;
    struct draft_context context;
    struct draft draft;
    struct refusal why;
    struct buf message; /* as a whole; its files are the request's until then */
};

static int set_up(void **state)
{
    static struct fixture fx;
    struct conf_errors errors;
    struct buf share = {0};
    struct fail f;
    struct conf *whole = conf_parse("f", span_text(config), &errors);
    assert_non_null(whole);
    conf_errors_free(&errors);
    conf_encode(whole, CONF_WEBAPI, &share);
    conf_free(&whole);
    fx = (struct fixture){.conf = conf_decode(buf_span(&share), CONF_WEBAPI, &f)};
    buf_free(&share);
    assert_non_null(fx.conf);
    fx.context =
        (struct draft_context){.conf = fx.conf,
                               .account = conf_find(conf_root(fx.conf), "account", "billing"),
                               .login = "billing+x@example.org",
                               .hostname = "mail.example.org",
                               .client = "192.0.2.1 HTTP",
                               .max_size = 100000,
                               .max_recipients = 5,
                               .now_ms = NOW,
                               .zone_min = 60};
    *state = &fx;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fx = *state;
    draft_clear(&fx->draft);
    buf_free(&fx->message);
    conf_free(&fx->conf);
    return 0;
}

/* Binds the request, which must be well formed, and makes a draft of it. */
static int make(struct fixture *fx, const char *json)
{
    struct draft_request request = {0};
    struct fail f;
    struct json_doc *doc = jsonbind_parse(span_text(json), NULL, draft_fields, &request, &f);
    if (doc == NULL)
        fail_msg("%s: %s", json, f.text);
    draft_clear(&fx->draft);
    fx->why = (struct refusal){.code = CODES};
    int rc = draft_make(&request, &fx->context, &fx->draft, &fx->why);
    buf_clear(&fx->message);
    assert_int_equal(composed_write(&fx->draft.composed, &fx->message, NULL), 0);
    jsonread_free(&doc);
    return rc;
}

static void must(struct fixture *fx, const char *json)
{
    if (make(fx, json) != 0)
        fail_msg("%s: %s: %s", json, code_name(fx->why.code), fx->why.fail.text);
}

static const char *message(struct fixture *fx)
{
    return buf_text(&fx->message);
}

static void has(struct fixture *fx, const char *part)
{
    if (strstr(message(fx), part) == NULL)
        fail_msg("no \"%s\" in:\n%s", part, message(fx));
}

static void lacks(struct fixture *fx, const char *part)
{
    if (strstr(message(fx), part) != NULL)
        fail_msg("\"%s\" in:\n%s", part, message(fx));
}

static void test_what_is_not_the_request_s_form_is_refused(void **state)
{
    static const char *const cases[] = {
        "[]",
        "\"x\"",
        "{\"to\":{}}",
        "{\"To\":[{\"Address\":5}]}",
        "{\"To\":[\"a@b.example\"]}",
        "{\"Date\":5}",
        "{\"Date\":\"yesterday\"}",
        "{\"FutureRelease\":\"2006-01-02\"}",
        "{\"Extra\":{\"a\":1}}",
        "{\"Extra\":[]}",
        "{\"Headers\":{\"a\":\"b\"}}",
        "{\"Headers\":[\"a\"]}",
        "{\"RequireTLS\":\"yes\"}",
        "{\"SaveSent\":1}",
        "{\"AttachedFiles\":[{\"Content\":\"\"}]}",
        "{\"Bogus\":1}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct draft_request request = {0};
        struct fail f;
        struct json_doc *doc =
            jsonbind_parse(span_text(cases[i]), NULL, draft_fields, &request, &f);
        if (doc != NULL)
            fail_msg("%s was taken", cases[i]);
    }
}

static void test_every_field_may_be_null_or_spelled_in_any_case(void **state)
{
    struct fixture *fx = *state;
    must(fx,
         "{\"from\":null,\"TO\":[{\"address\":\"a@b.example\",\"name\":null}],\"cc\":null,\"bcc\":"
         "null,"
         "\"replyto\":null,\"messageid\":null,\"references\":null,\"date\":null,\"subject\":null,"
         "\"text\":\"x\","
         "\"html\":null,\"extra\":null,\"headers\":null,\"alternativefiles\":null,\"inlinefiles\":"
         "null,"
         "\"attachedfiles\":null,\"requiretls\":null,\"futurerelease\":null,\"savesent\":null}");
    assert_int_equal(make(fx, "null"), -1);
    assert_int_equal(fx->why.code, CODE_MISSING_BODY);
    must(fx, "{\"To\":[{\"Address\":\"a@b.example\"}],\"Text\":\"x\",\"Extra\":{\"k\":null},"
             "\"References\":[],"
             "\"Headers\":[[\"X-A\"],[\"X-B\",\"b\",\"more\"]]}");
    assert_string_equal(fx->draft.envelope->extra[0].value, "");
    has(fx, "\r\nX-A: \r\nX-B: b\r\n");
    lacks(fx, "more");
}

#define TO "\"To\":[{\"Address\":\"a@b.example\"}]"
#define BASE TO ",\"Text\":\"x\""

/* Each case is wrong in the way that is named, and in ways that are looked for later. */
static void test_faults_are_told_in_the_order_that_clients_know(void **state)
{
    static const struct {
        const char *json;
        enum code code;
    } cases[] = {
        {"{\"From\":[{\"Address\":\"x\"},{\"Address\":\"y\"}]}", CODE_MISSING_BODY},
        {"{\"Text\":\"x\",\"From\":[{\"Address\":\"x\"},{\"Address\":\"y\"}]}", CODE_MULTIPLE_FROM},
        {"{\"Text\":\"x\",\"From\":[{\"Address\":\"x\"}],\"To\":[{\"Name\":\"a\\tb\"}]}",
         CODE_BAD_ADDRESS},
        {"{\"Text\":\"x\",\"From\":[{\"Name\":\"\\n\",\"Address\":\"x\"}]}", CODE_USER},
        {"{\"Text\":\"x\",\"To\":[{\"Name\":\"a\\tb\",\"Address\":\"x\"}]}", CODE_USER},
        {"{\"Text\":\"x\",\"To\":[{\"Name\":\"a\\u007f\"}],\"CC\":[{}]}", CODE_USER},
        {"{\"Text\":\"x\",\"From\":[{\"Address\":\"other@example.org\"}],\"CC\":[{\"Address\":\"b."
         "example\"}]}",
         CODE_BAD_ADDRESS},
        {"{\"Text\":\"x\",\"From\":[{\"Address\":\"other@example.org\"}],\"BCC\":[{\"Address\":\"<"
         "a@b.example>\"}]}",
         CODE_BAD_ADDRESS},
        {"{\"Text\":\"x\",\"From\":[{\"Address\":\"other@closed.example\"}]}",
         CODE_DOMAIN_DISABLED},
        {"{\"Text\":\"x\",\"From\":[{\"Address\":\"me@closed.example\"}]}", CODE_DOMAIN_DISABLED},
        {"{\"Text\":\"x\",\"From\":[{\"Address\":\"other@example.org\"}]}", CODE_BAD_FROM},
        {"{\"Text\":\"x\",\"From\":[{\"Address\":\"billing@elsewhere.example\"}]}", CODE_BAD_FROM},
        {"{\"Text\":\"x\",\"From\":[{\"Address\":\"postmaster@example.org\"}]}", CODE_BAD_FROM},
        {"{\"Text\":\"x\",\"ReplyTo\":[{\"Address\":\"x\"}]}", CODE_NO_RECIPIENTS},
        {"{\"Text\":\"x\",\"To\":[],\"CC\":[],\"BCC\":[]}", CODE_NO_RECIPIENTS},
        {"{\"Text\":\"x\",\"ReplyTo\":[{\"Address\":\"x\"}],\"To\":[{\"Address\":\"a@b.example\"},"
         "{\"Address\":\"a@b.example\"},{\"Address\":\"a@b.example\"}],\"CC\":[{\"Address\":\"a@b."
         "example\"},"
         "{\"Address\":\"a@b.example\"}],\"BCC\":[{\"Address\":\"a@b.example\"}]}",
         CODE_USER},
        {"{" BASE ",\"ReplyTo\":[{\"Address\":\"x\"}],\"Subject\":\"a\\nb\"}", CODE_BAD_ADDRESS},
        {"{" BASE ",\"Subject\":\"a\\tb\",\"MessageID\":\"x\"}", CODE_USER},
        {"{" BASE ",\"MessageID\":\"x@y\",\"References\":[\"a\\nb\"]}", CODE_MALFORMED_MESSAGE_ID},
        {"{" BASE ",\"MessageID\":\"<x@y\"}", CODE_MALFORMED_MESSAGE_ID},
        {"{" BASE ",\"MessageID\":\"x@y>\"}", CODE_MALFORMED_MESSAGE_ID},
        {"{" BASE ",\"MessageID\":\"<x\\u0001@y>\"}", CODE_USER},
        {"{" BASE ",\"MessageID\":\"x@y\",\"AttachedFiles\":[{\"Data\":\"?\"}]}",
         CODE_MALFORMED_MESSAGE_ID},
        {"{" BASE ",\"References\":[\"<a\\nb>\"]}", CODE_USER},
        {"{" BASE ",\"Headers\":[[\"X-A\",\"a\\r\\nBcc: b@c.example\"]]}", CODE_USER},
        {"{" BASE ",\"Headers\":[[\"X-A:\\r\\nX-B\",\"a\"]]}", CODE_USER},
        {"{" BASE ",\"Headers\":[[\"Bcc\",\"b@c.example\"]]}", CODE_USER},
        {"{" BASE ",\"AttachedFiles\":[{\"Data\":\"YQ=\"}]}", CODE_USER},
        {"{" BASE ",\"InlineFiles\":[{\"Data\":\"YQ==\",\"ContentID\":\"<a>\\r\\nX: y\"}]}",
         CODE_USER},
        {"{" BASE ",\"AlternativeFiles\":[{\"Data\":\"YQ==\",\"ContentType\":\"text/x\\nX: y\"}]}",
         CODE_USER},
        {"{" BASE ",\"FutureRelease\":\"2024-01-13T22:13:21Z\"}", CODE_USER},
    };
    struct fixture *fx = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (make(fx, cases[i].json) == 0)
            fail_msg("%s was taken", cases[i].json);
        if (fx->why.code != cases[i].code)
            fail_msg("%s: %s: %s", cases[i].json, code_name(fx->why.code), fx->why.fail.text);
        assert_true(fx->why.fail.text[0] != '\0');
        assert_null(fx->draft.envelope);
    }
}

static void test_a_login_with_from_ids_asks_for_them(void **state)
{
    static const struct {
        const char *login, *from;
        enum code code;
        bool asks;
    } cases[] = {
        {"billing+ids@Example.ORG", "billing@example.org", CODES, true},
        {"billing+ids@example.org", "billing+x@example.org", CODES, true},
        {"billing+IDs@example.org", "billing@example.org", CODES, false},
        {"billing@example.org", "billing@example.org", CODES, false},
        {"billing@example.org", "me@bare.example", CODES, false},
        {"billing+ids@example.org", "me@bare.example", CODE_USER, false},
        {"billing+ids@example.org", "a.name.that.is.too.long.for.an.id.to.follow@example.org",
         CODE_USER, false},
    };
    struct fixture *fx = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *json = mem_format("{\"From\":[{\"Address\":\"%s\"}],\"To\":[{\"Address\":"
                                "\"a@example.net\"}],\"Text\":\"x\"}",
                                cases[i].from);
        fx->context.login = cases[i].login;
        assert_int_equal(make(fx, json), cases[i].code == CODES ? 0 : -1);
        assert_int_equal(fx->why.code, cases[i].code);
        if (cases[i].code == CODES) {
            assert_int_equal((fx->draft.envelope->flags & SUBMIT_FROM_IDS) != 0, cases[i].asks);
            assert_string_equal(fx->draft.envelope->sender, cases[i].from);
        }
        mem_free(&json);
    }
}

static void test_without_from_it_is_the_account_s_name_and_the_login(void **state)
{
    struct fixture *fx = *state;
    must(fx, "{" BASE "}");
    has(fx, "From: \"Billing\" <billing+x@example.org>\r\n");
    assert_string_equal(fx->draft.envelope->sender, "billing+x@example.org");
    assert_string_equal(fx->draft.domain, "example.org");
}

static void test_every_address_of_the_account_may_stand_in_from(void **state)
{
    static const char *const addresses[][2] = {
        {"billing@example.org", "billing@example.org"},
        {"BILLING+any@Example.ORG", "BILLING+any@example.org"},
        {"anything@xn--mnchen-3ya.example", "anything@xn--mnchen-3ya.example"},
        {"anything@m\u00fcnchen.example", "anything@xn--mnchen-3ya.example"},
        {"\\\"odd one\\\"@m\u00fcnchen.example", "\"odd one\"@xn--mnchen-3ya.example"},
    };
    struct fixture *fx = *state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        char *json = mem_format("{" BASE ",\"From\":[{\"Address\":\"%s\"}]}", addresses[i][0]);
        must(fx, json);
        assert_string_equal(fx->draft.envelope->sender, addresses[i][1]);
        mem_free(&json);
    }
    assert_string_equal(fx->draft.domain, "xn--mnchen-3ya.example");
}

static void test_the_header_has_what_was_given_and_no_bcc(void **state)
{
    struct fixture *fx = *state;
    must(fx, "{\"To\":[{\"Name\":\"A, "
             "B\",\"Address\":\"a@b.example\"}],\"CC\":[{\"Address\":\"c@d.example\"}],"
             "\"BCC\":[{\"Name\":\"Secret\",\"Address\":\"e@f.example\"}],\"ReplyTo\":[{"
             "\"Address\":\"r@s.example\"}],"
             "\"Subject\":\"hello\",\"MessageID\":\"<m@n.example>\",\"References\":[\"<1@x>\",\"<2@"
             "x>\"],"
             "\"Date\":\"2006-01-02T15:04:05+07:00\",\"Text\":\"hi\\nthere\",\"Headers\":[[\"X-"
             "One\",\"1\"],[\"X-One\",\"2\"]]}");
    assert_string_equal(message(fx), "From: \"Billing\" <billing+x@example.org>\r\n"
                                     "Reply-To: <r@s.example>\r\n"
                                     "To: \"A, B\" <a@b.example>\r\n"
                                     "Cc: <c@d.example>\r\n"
                                     "Subject: hello\r\n"
                                     "Date: 2 Jan 2006 15:04:05 +0700\r\n"
                                     "Message-Id: <m@n.example>\r\n"
                                     "References: <1@x>\r\n\t<2@x>\r\n"
                                     "In-Reply-To: <2@x>\r\n"
                                     "MIME-Version: 1.0\r\n"
                                     "X-One: 1\r\nX-One: 2\r\n"
                                     "User-Agent: quartermaster/" QM_VERSION "\r\n"
                                     "Content-Type: text/plain; charset=us-ascii\r\n"
                                     "Content-Transfer-Encoding: 7bit\r\n"
                                     "\r\n"
                                     "hi\r\nthere\r\n");
}

static void test_the_envelope_tells_the_queue_all_it_needs(void **state)
{
    struct fixture *fx = *state;
    must(fx, "{\"To\":[{\"Address\":\"a@B.example\"},{\"Address\":\"a@b.example\"}],\"CC\":[{"
             "\"Address\":\"c@m\u00fcnchen.example\"}],"
             "\"BCC\":[{\"Address\":\"e@f.example\"}],\"Subject\":\"\u263a\",\"Text\":\"x\","
             "\"MessageID\":\"<m@n>\","
             "\"Extra\":{\"Order Nr\":\"10\",\"order "
             "nr\":\"\"},\"FutureRelease\":\"2023-11-15T00:00:00Z\"}");
    const struct submit_envelope *e = fx->draft.envelope;
    assert_int_equal(e->origin, SUBMIT_WEBAPI);
    assert_int_equal(e->flags, 0);
    assert_string_equal(e->account, "billing");
    assert_string_equal(e->client, "192.0.2.1 HTTP");
    assert_string_equal(e->message_id, "<m@n>");
    assert_string_equal(e->subject, "\u263a");
    assert_int_equal(e->received_ms, NOW);
    assert_int_equal(e->not_before_ms, 1700006400000LL);
    assert_int_equal(e->recipients_n, 4); /* one that is named twice is two */
    assert_string_equal(e->recipients[0].address, "a@b.example");
    assert_string_equal(e->recipients[1].address, "a@b.example");
    assert_string_equal(e->recipients[2].address, "c@xn--mnchen-3ya.example");
    assert_string_equal(e->recipients[3].address, "e@f.example");
    assert_int_equal(e->extra_n, 2);
    assert_string_equal(e->extra[0].key, "Order Nr");
    assert_string_equal(e->extra[1].key, "order nr");
    assert_null(fx->draft.recipient.local);
    must(fx, "{\"BCC\":[{\"Address\":\"only@b.example\"}],\"HTML\":\"x\"}");
    assert_string_equal(fx->draft.recipient.local, "only");
}

static void test_flags_follow_tls_and_characters(void **state)
{
    static const struct {
        const char *json;
        uint32_t flags;
    } cases[] = {
        {"{" BASE ",\"RequireTLS\":true}", SUBMIT_REQUIRE_TLS},
        {"{" BASE ",\"RequireTLS\":false}", SUBMIT_TLS_OPTIONAL},
        {"{" TO ",\"Text\":\"\u00e9\"}", SUBMIT_EIGHT_BIT},
        {"{\"To\":[{\"Address\":\"\u00e9@b.example\"}],\"Text\":\"x\"}",
         SUBMIT_EIGHT_BIT | SUBMIT_UTF8_HEADER},
        /* In the envelope alone, of which it is seen there. */
        {"{\"BCC\":[{\"Address\":\"\u00e9@b.example\"}],\"Text\":\"x\"}", 0},
        {"{" BASE ",\"Subject\":\"\u00e9\"}", 0},
    };
    struct fixture *fx = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        must(fx, cases[i].json);
        if (fx->draft.envelope->flags != cases[i].flags)
            fail_msg("%s: flags %u", cases[i].json, fx->draft.envelope->flags);
    }
}

/* RFC 8689 section 5: the wish goes along to every host on the way. */
static void test_a_message_that_can_do_without_tls_says_so(void **state)
{
    static const struct {
        const char *json;
        unsigned fields; /* TLS-Required: No */
    } cases[] = {
        {"{" BASE ",\"RequireTLS\":false}", 1},
        {"{" BASE ",\"RequireTLS\":true}", 0},
        {"{" BASE "}", 0},
        {"{" BASE ",\"RequireTLS\":false,\"Headers\":[[\"X-A\",\"b\"]]}", 1},
        {"{" BASE ",\"RequireTLS\":false,\"Headers\":[[\"tls-required\",\"no\"]]}", 0},
        {"{" BASE ",\"RequireTLS\":true,\"Headers\":[[\"X-A\",\"b\"]]}", 0},
    };
    struct fixture *fx = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        must(fx, cases[i].json);
        unsigned n = 0;
        for (const char *p = message(fx); (p = strstr(p, "\r\nTLS-Required: No\r\n")) != NULL; p++)
            n++;
        if (n != cases[i].fields)
            fail_msg("%s: %u fields", cases[i].json, n);
    }
    must(fx, cases[4].json);
    has(fx, "\r\ntls-required: no\r\n");
}

static void test_a_release_in_the_past_is_now_and_one_in_sixty_days_is_taken(void **state)
{
    struct fixture *fx = *state;
    must(fx, "{" BASE ",\"FutureRelease\":\"2001-01-01T00:00:00+02:00\"}");
    assert_int_equal(fx->draft.envelope->not_before_ms, 0);
    must(fx, "{" BASE ",\"FutureRelease\":\"2024-01-13T22:13:20Z\"}");
    assert_int_equal(fx->draft.envelope->not_before_ms, NOW + 60 * 86400000LL);
}

static void test_uploads_come_behind_the_files_of_the_request(void **state)
{
    struct fixture *fx = *state;
    const struct mimepart_file uploads[] = {{.name = span_text("two.txt"),
                                             .content_type = span_text("text/plain"),
                                             .content_id = span_text("<two>"),
                                             .data = span_text("2")}};
    fx->context.attached = (struct compose_files){uploads, 1};
    must(fx, "{" BASE ",\"AttachedFiles\":[{\"Name\":\"one.pdf\",\"Data\":\"JVBE\\nRi0=\"}]}");
    const char *one = strstr(message(fx), "filename=\"one.pdf\""),
               *two = strstr(message(fx), "filename=\"two.txt\"");
    assert_non_null(one);
    assert_true(two > one);
    has(fx, "Content-Type: application/pdf");
    has(fx, "JVBERi0=\r\n");
    has(fx, "Content-ID: <two>\r\n");
}

static void test_what_is_too_large_or_too_many_is_refused(void **state)
{
    struct fixture *fx = *state;
    struct buf json = {0};
    buf_puts(&json, "{" TO ",\"Text\":\"");
    for (int i = 0; i < 100000; i++)
        buf_putc(&json, 'x');
    buf_puts(&json, "\"}");
    assert_int_equal(make(fx, buf_text(&json)), -1);
    assert_int_equal(fx->why.code, CODE_MESSAGE_TOO_LARGE);
    buf_clear(&json);
    buf_puts(&json, "{" BASE ",\"Headers\":[");
    for (int i = 0; i < DRAFT_HEADERS_MAX; i++)
        buf_puts(&json, "[\"X-A\",\"b\"],");
    size_t mark = json.n;
    buf_cut(&json, mark - 1);
    buf_puts(&json, "]}");
    must(fx, buf_text(&json));
    buf_cut(&json, mark - 1);
    buf_puts(&json, ",[\"X-A\",\"b\"]]}");
    assert_int_equal(make(fx, buf_text(&json)), -1);
    assert_int_equal(fx->why.code, CODE_USER);
    buf_clear(&json);
    buf_puts(&json, "{" BASE ",\"Extra\":{\"k\":\"");
    for (int i = 0; i <= PROTO_TEXT_MAX; i++)
        buf_putc(&json, 'x');
    buf_puts(&json, "\"}}");
    assert_int_equal(make(fx, buf_text(&json)), -1);
    assert_int_equal(fx->why.code, CODE_USER);
    buf_free(&json);
}

static void test_a_long_subject_is_cut_between_characters_for_the_envelope(void **state)
{
    struct fixture *fx = *state;
    struct buf json = {0};
    buf_puts(&json, "{" BASE ",\"Subject\":\"a");
    for (int i = 0; i < 4200; i++)
        buf_puts(&json, "\u00e9");
    buf_puts(&json, "\"}");
    must(fx, buf_text(&json));
    assert_int_equal(strlen(fx->draft.envelope->subject), PROTO_TEXT_MAX - 1);
    buf_free(&json);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_the_request_s_form_is_refused),
        TEST(test_every_field_may_be_null_or_spelled_in_any_case),
        TEST(test_faults_are_told_in_the_order_that_clients_know),
        TEST(test_a_login_with_from_ids_asks_for_them),
        TEST(test_without_from_it_is_the_account_s_name_and_the_login),
        TEST(test_every_address_of_the_account_may_stand_in_from),
        TEST(test_the_header_has_what_was_given_and_no_bcc),
        TEST(test_the_envelope_tells_the_queue_all_it_needs),
        TEST(test_flags_follow_tls_and_characters),
        TEST(test_a_message_that_can_do_without_tls_says_so),
        TEST(test_a_release_in_the_past_is_now_and_one_in_sixty_days_is_taken),
        TEST(test_uploads_come_behind_the_files_of_the_request),
        TEST(test_what_is_too_large_or_too_many_is_refused),
        TEST(test_a_long_subject_is_cut_between_characters_for_the_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
