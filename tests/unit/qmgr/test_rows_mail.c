#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../proto/proto_help.h"
#include "rows.h"

static struct submit_envelope *an_envelope(void)
{
    struct submit_envelope *e = submit_envelope_new(SUBMIT_SUBMISSION);
    submit_set(&e->account, "billing");
    submit_set(&e->sender, "a@b.example");
    submit_set(&e->subject, "Hello");
    submit_add_extra(e, "k", "v");
    return e;
}

static int msg_again(uint16_t type, struct span s, struct buf *out)
{
    struct msg_row r;
    if (msg_row_read(s, &r) != 0) {
        assert_null(r.envelope);
        return -1;
    }
    msg_row_put(out, &r);
    msg_row_clear(&r);
    return 0;
}

static void test_a_message_row_stands_the_battery(void **state)
{
    struct msg_row r = {.envelope = an_envelope(),
                        .recipients = 3,
                        .open = 2,
                        .size = 812,
                        .kind = BODY_FILE,
                        .file = 0xabcdef};
    struct buf b = {0};
    msg_row_put(&b, &r);
    stand_battery("msg", 0, buf_span(&b), msg_again);
    buf_free(&b);
    msg_row_clear(&r);
}

static void test_recipients_have_rows_of_their_own(void **state)
{
    struct msg_row r = {.envelope = an_envelope(), .recipients = 1, .open = 1}, got;
    struct buf b = {0};
    (void)submit_add_recipient(r.envelope, "c@d.example");
    msg_row_put(&b, &r);
    assert_int_equal(r.envelope->recipients_n, 1);
    assert_int_equal(msg_row_read(buf_span(&b), &got), 0);
    assert_int_equal(got.envelope->recipients_n, 0);
    struct submit_peek p;
    assert_int_equal(msg_row_peek(buf_span(&b), &p), 0);
    assert_true(span_is(p.account, got.envelope->account));
    assert_true(span_is(p.sender, got.envelope->sender));
    assert_true(p.received_ms == got.envelope->received_ms);
    assert_int_equal(msg_row_peek(span_of(buf_span(&b).p, 12), &p), -1);
    msg_row_clear(&got);
    msg_row_clear(&r);
    buf_free(&b);
}

static void test_a_message_row_whose_counts_make_no_sense_is_bad(void **state)
{
    static const struct {
        uint32_t recipients, open;
        int rc;
    } cases[] = {
        {1, 1, 0},
        {1, 0, 0},
        {0, 0, -1},
        {1, 2, -1},
        {PROTO_RECIPIENTS_MAX, PROTO_RECIPIENTS_MAX, 0},
        {PROTO_RECIPIENTS_MAX + 1, 1, -1},
        {UINT32_MAX, UINT32_MAX, -1},
    };
    struct msg_row r = {.envelope = an_envelope()};
    struct buf b = {0}, out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        r.recipients = cases[i].recipients;
        r.open = cases[i].open;
        buf_clear(&b);
        msg_row_put(&b, &r);
        assert_int_equal(msg_again(0, buf_span(&b), &out), cases[i].rc);
    }
    buf_clear(&b);
    r.recipients = r.open = 1;
    msg_row_put(&b, &r);
    b.p[b.head] = 2; /* a version to come */
    assert_int_equal(msg_again(0, buf_span(&b), &out), -1);
    msg_row_clear(&r);
    buf_free(&b);
    buf_free(&out);
}

/* A row with n results whose replies have this length. */
static struct rcpt_row a_recipient(uint32_t n, size_t reply_length)
{
    struct rcpt_row r = {
        .message = 0x640000000001,
        .held = true,
        .delay_told = true,
        .again = true,
        .account = 0x99aabbccddeeff00,
        .notify = NOTIFY_DELAY,
        .attempts = (uint16_t)n,
        .next_ms = 1732700000123,
        .address = mem_text("c@d.example"),
        .orcpt = mem_text("rfc822;c@d.example"),
        .from_id = mem_text("f1"),
        .transport = mem_text("relay"),
        .tls = ADMIN_TLS_OPTIONAL,
    };
    for (uint32_t i = 0; i < n; i++) {
        struct deliver_result result = deliver_result_new(0x640000000002, DELIVER_DEFERRED);
        char *reply = repeated((char)('a' + i % 26), reply_length);
        submit_set(&result.reply, reply);
        submit_set(&result.remote_host, "mx.d.example");
        submit_set(&result.stage, "rcpt");
        result.start_ms = i;
        rcpt_row_add_result(&r, &result);
        deliver_result_clear(&result);
        mem_free(&reply);
    }
    return r;
}

static int rcpt_again(uint16_t type, struct span s, struct buf *out)
{
    struct rcpt_row r;
    if (rcpt_row_read(s, &r) != 0) {
        assert_null(r.address);
        assert_int_equal(r.results_n, 0);
        return -1;
    }
    rcpt_row_put(out, &r);
    rcpt_row_clear(&r);
    return 0;
}

static void test_a_recipient_row_stands_the_battery(void **state)
{
    for (uint32_t n = 0; n <= 2; n += 2) {
        struct rcpt_row r = a_recipient(n, 20);
        struct buf b = {0};
        rcpt_row_put(&b, &r);
        stand_battery("rcpt", 0, buf_span(&b), rcpt_again);
        buf_free(&b);
        rcpt_row_clear(&r);
    }
}

static void test_every_field_of_a_recipient_is_kept(void **state)
{
    struct rcpt_row r = a_recipient(2, 20), got;
    struct buf b = {0};
    rcpt_row_put(&b, &r);
    assert_int_equal(rcpt_row_read(buf_span(&b), &got), 0);
    assert_true(got.message == r.message && got.held && got.delay_told && got.next_ms == r.next_ms);
    assert_true(got.again && got.account == r.account);
    assert_int_equal(got.tls, ADMIN_TLS_OPTIONAL);
    struct rcpt_peek p;
    assert_int_equal(rcpt_row_peek(buf_span(&b), &p), 0);
    assert_true(p.message == r.message && p.held && p.account == r.account);
    assert_true(p.next_ms == r.next_ms && span_is(p.address, r.address) &&
                span_is(p.transport, r.transport));
    assert_int_equal(rcpt_row_peek(span_of("\x01", 1), &p), -1);
    assert_int_equal(rcpt_row_peek(span_of(buf_span(&b).p, 40), &p), -1);
    assert_int_equal(got.notify, NOTIFY_DELAY);
    assert_int_equal(got.attempts, 2);
    assert_string_equal(got.address, r.address);
    assert_string_equal(got.orcpt, r.orcpt);
    assert_string_equal(got.from_id, r.from_id);
    assert_string_equal(got.transport, r.transport);
    assert_int_equal(got.results_n, 2);
    assert_string_equal(got.results[1].reply, r.results[1].reply);
    assert_true(got.results[1].start_ms == 1);
    rcpt_row_clear(&got);
    rcpt_row_clear(&r);
    buf_free(&b);
}

static void test_a_recipient_the_queue_could_not_find_again_is_bad(void **state)
{
    struct rcpt_row r = a_recipient(0, 0);
    struct buf b = {0}, out = {0};
    r.next_ms = -1;
    rcpt_row_put(&b, &r);
    assert_int_equal(rcpt_again(0, buf_span(&b), &out), -1);
    r.next_ms = 0;
    for (size_t n = PROTO_NAME_MAX; n <= PROTO_NAME_MAX + 1; n++) {
        char *domain = repeated('d', n);
        mem_free(&r.address);
        r.address = mem_format("c@%s", domain);
        buf_clear(&b);
        rcpt_row_put(&b, &r);
        assert_int_equal(rcpt_again(0, buf_span(&b), &out), n <= PROTO_NAME_MAX ? 0 : -1);
        mem_free(&domain);
    }
    rcpt_row_clear(&r);
    buf_free(&b);
    buf_free(&out);
}

/* What a row that was written has of each result's reply, for rows of n results. */
static void expect_replies(uint32_t n, size_t length, size_t least_of_last)
{
    struct rcpt_row r = a_recipient(n, length), got;
    struct buf b = {0};
    buf_puts(&b, "before"); /* what was there already is not the row's */
    rcpt_row_put(&b, &r);
    assert_true(b.n - 6 <= ROW_MAX);
    assert_int_equal(rcpt_row_read(span_of(buf_span(&b).p + 6, b.n - 6), &got), 0);
    assert_int_equal(got.results_n, n);
    size_t shortest = SIZE_MAX;
    for (uint32_t i = 0; i < n; i++) {
        size_t kept = strlen(got.results[i].reply);
        size_t marked = kept < length && kept > 20 ? strlen(" [...]") : 0;
        assert_true(kept <= length);
        assert_memory_equal(got.results[i].reply, r.results[i].reply, kept - marked);
        assert_string_equal(got.results[i].reply + kept, "");
        if (marked > 0)
            assert_string_equal(got.results[i].reply + kept - marked, " [...]");
        assert_string_equal(got.results[i].remote_host, "mx.d.example");
        assert_string_equal(got.results[i].stage, "rcpt");
        shortest = kept < shortest ? kept : shortest;
    }
    size_t last = strlen(got.results[n - 1].reply);
    assert_true(last >= least_of_last);
    assert_true(last >= shortest);
    assert_int_equal(strlen(r.results[0].reply), length); /* the row in memory is as it was */
    rcpt_row_clear(&got);
    rcpt_row_clear(&r);
    buf_free(&b);
}

static void test_a_row_that_fits_keeps_everything(void **state)
{
    expect_replies(1, 3700, 3700);
    expect_replies(8, 300, 300);
}

static void test_of_a_row_too_long_the_last_reply_is_kept_longest(void **state)
{
    expect_replies(1, 8000, 1280);
    expect_replies(2, 3000, 3000); /* cutting the first is enough */
    expect_replies(4, 2000, 1280);
    expect_replies(8, 8000, 1280);
    expect_replies(20, 500, 500);
    expect_replies(30, 500, 300);
}

static void test_a_text_is_not_cut_within_a_character(void **state)
{
    for (size_t before = 0; before < 4; before++) {
        struct rcpt_row r = a_recipient(1, 0), got;
        struct buf b = {0}, reply = {0};
        buf_put(&reply, "xxxx", before);
        for (int i = 0; i < 2000; i++)
            buf_puts(&reply, "\xe6\x97\xa5");
        submit_set(&r.results[0].reply, buf_text(&reply));
        rcpt_row_put(&b, &r);
        assert_int_equal(rcpt_row_read(buf_span(&b), &got), 0);
        size_t kept = strlen(got.results[0].reply);
        assert_true(kept > 1270 && kept <= 1280);
        assert_string_equal(got.results[0].reply + kept - 6, " [...]");
        assert_int_equal((kept - 6 - before) % 3, 0);
        rcpt_row_clear(&got);
        rcpt_row_clear(&r);
        buf_free(&reply);
        buf_free(&b);
    }
}

static void test_a_row_is_cut_only_as_far_as_it_must(void **state)
{
    for (size_t length = 1900; length < 2100; length++) {
        struct rcpt_row r = a_recipient(2, length), got;
        struct buf b = {0};
        rcpt_row_put(&b, &r);
        assert_int_equal(rcpt_row_read(buf_span(&b), &got), 0);
        if (strlen(got.results[0].reply) < length) {
            /* It did not fit; the one before did. */
            assert_true(b.n <= ROW_MAX);
            assert_int_equal(strlen(got.results[1].reply), length);
        }
        rcpt_row_clear(&got);
        rcpt_row_clear(&r);
        buf_free(&b);
    }
}

static void test_a_hundred_attempts_are_kept_if_not_their_words(void **state)
{
    struct rcpt_row r = a_recipient(100, 8000), got;
    struct buf b = {0};
    rcpt_row_put(&b, &r);
    assert_true(b.n <
                100 * 100); /* no page is large enough, but it is what is left without words */
    assert_int_equal(rcpt_row_read(buf_span(&b), &got), 0);
    assert_int_equal(got.results_n, 100);
    assert_true(got.results[99].start_ms == 99);
    rcpt_row_clear(&got);
    rcpt_row_clear(&r);
    buf_free(&b);
}

/* The words of servers are worth more than what TLS was like long ago. */
static void test_details_of_tls_go_before_replies_do(void **state)
{
    struct rcpt_row r = a_recipient(12, 200), got;
    struct buf b = {0};
    char *record = mem_format("3 1 1 %064d", 0);
    for (uint32_t i = 0; i < r.results_n; i++) {
        submit_set(&r.results[i].tls_peer, "CN=mx.d.example");
        submit_set(&r.results[i].tls_record, record);
    }
    rcpt_row_put(&b, &r);
    assert_true(b.n <= ROW_MAX);
    assert_int_equal(rcpt_row_read(buf_span(&b), &got), 0);
    for (uint32_t i = 0; i < got.results_n; i++)
        assert_int_equal(strlen(got.results[i].reply), 200);
    assert_string_equal(got.results[0].tls_peer, "");
    assert_string_equal(got.results[11].tls_peer, "CN=mx.d.example");
    assert_string_equal(got.results[11].tls_record, record);
    mem_free(&record);
    rcpt_row_clear(&got);
    rcpt_row_clear(&r);
    buf_free(&b);
}

static void expect_last_line(const char *reply, const char *error, const char *line)
{
    struct rcpt_row r = a_recipient(1, 5);
    submit_set(&r.results[0].reply, reply);
    submit_set(&r.results[0].error, error);
    char *got = rcpt_row_last_line(&r);
    assert_string_equal(got, line);
    mem_free(&got);
    rcpt_row_clear(&r);
}

static void test_the_last_line_is_the_first_of_the_last_reply(void **state)
{
    struct rcpt_row none = a_recipient(0, 0);
    char *got = rcpt_row_last_line(&none);
    assert_string_equal(got, "");
    mem_free(&got);
    rcpt_row_clear(&none);
    expect_last_line("550-no\n550 such user", "x", "550-no");
    expect_last_line("", "no route to host", "no route to host");
    expect_last_line("", "two\nlines", "two");
    expect_last_line("", "", "");
}

static void test_the_domain_is_what_follows_the_last_at(void **state)
{
    assert_string_equal(address_domain("a@b.example"), "b.example");
    assert_string_equal(address_domain("\"a@b\"@c.example"), "c.example");
    assert_string_equal(address_domain("a@[192.0.2.1]"), "[192.0.2.1]");
    assert_string_equal(address_domain("root"), "");
    assert_string_equal(address_domain("root@"), "");
    assert_string_equal(address_domain(""), "");
}

static int retired_again(uint16_t type, struct span s, struct buf *out)
{
    struct retired_row r;
    if (retired_row_read(s, &r) != 0)
        return -1;
    retired_row_put(out, &r);
    retired_row_clear(&r);
    return 0;
}

static void test_a_retired_row_stands_the_battery(void **state)
{
    struct deliver_result attempt = deliver_result_new(5, DELIVER_FAILED);
    struct submit_extra extra = {(char *)"order", (char *)"1042"};
    struct retired_row r = {
        .keep_until_ms = 1732700000123,
        .item = {.row = {.id = 5,
                         .message = 4,
                         .success = true,
                         .attempts = 1,
                         .account = (char *)"billing",
                         .sender = (char *)"a@b.example",
                         .recipient = (char *)"c@d.example",
                         .subject = (char *)"Hello",
                         .message_id = (char *)"<1@b.example>",
                         .transport = (char *)"",
                         .last = (char *)"250 ok"},
                 .orcpt = (char *)"",
                 .envid = (char *)"e",
                 .from_id = (char *)"f",
                 .client = (char *)"192.0.2.1",
                 .not_before_ms = 1732700060000,
                 .extra = &extra,
                 .extra_n = 1,
                 .attempts = &attempt,
                 .attempts_n = 1},
    };
    struct buf b = {0};
    retired_row_put(&b, &r);
    stand_battery("retired", 0, buf_span(&b), retired_again);
    struct admin_peek peek;
    assert_int_equal(retired_row_peek(buf_span(&b), &peek), 0);
    assert_int_equal(peek.id, 5);
    deliver_result_clear(&attempt);
    buf_free(&b);
}

static void test_the_operators_word_of_tls_stands_in_place_of_the_senders(void **state)
{
    static const struct {
        enum admin_tls tls;
        uint32_t flags, wanted;
    } cases[] = {
        {ADMIN_TLS_DEFAULT, SUBMIT_REQUIRE_TLS, SUBMIT_REQUIRE_TLS},
        {ADMIN_TLS_DEFAULT, SUBMIT_TLS_OPTIONAL | SUBMIT_UTF8_HEADER,
         SUBMIT_TLS_OPTIONAL | SUBMIT_UTF8_HEADER},
        {ADMIN_TLS_REQUIRED, SUBMIT_TLS_OPTIONAL | SUBMIT_UTF8_HEADER,
         SUBMIT_REQUIRE_TLS | SUBMIT_UTF8_HEADER},
        {ADMIN_TLS_REQUIRED, 0, SUBMIT_REQUIRE_TLS},
        {ADMIN_TLS_OPTIONAL, SUBMIT_REQUIRE_TLS | SUBMIT_EIGHT_BIT,
         SUBMIT_TLS_OPTIONAL | SUBMIT_EIGHT_BIT},
        {ADMIN_TLS_OPTIONAL, SUBMIT_HOLD_FOR, SUBMIT_TLS_OPTIONAL | SUBMIT_HOLD_FOR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct rcpt_row r = {.tls = cases[i].tls};
        assert_int_equal(rcpt_row_flags(&r, cases[i].flags), cases[i].wanted);
    }
}

static void test_a_row_with_two_words_of_tls_is_bad(void **state)
{
    enum { FLAGS = 9 };
    struct rcpt_row r = a_recipient(0, 0);
    struct rcpt_peek p;
    struct buf b = {0}, out = {0};
    rcpt_row_put(&b, &r);
    assert_int_equal(rcpt_again(0, buf_span(&b), &out), 0);
    assert_int_equal(rcpt_row_peek(buf_span(&b), &p), 0);
    b.p[b.head + FLAGS] |= 0x30;
    assert_int_equal(rcpt_again(0, buf_span(&b), &out), -1);
    assert_int_equal(rcpt_row_peek(buf_span(&b), &p), -1);
    rcpt_row_clear(&r);
    buf_free(&b);
    buf_free(&out);
}

static int hold_again(uint16_t type, struct span s, struct buf *out)
{
    struct admin_hold_rule r;
    if (hold_row_read(s, &r) != 0) {
        assert_null(r.account);
        return -1;
    }
    hold_row_put(out, &r);
    admin_hold_rule_clear(&r);
    return 0;
}

static void test_a_hold_row_stands_the_battery(void **state)
{
    const struct admin_hold_rule r = {7, 1732700000123, (char *)"billing", (char *)"",
                                      (char *)"d.example"};
    struct buf b = {0};
    hold_row_put(&b, &r);
    stand_battery("hold", 0, buf_span(&b), hold_again);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_row_stands_the_battery),
        cmocka_unit_test(test_recipients_have_rows_of_their_own),
        cmocka_unit_test(test_a_message_row_whose_counts_make_no_sense_is_bad),
        cmocka_unit_test(test_a_recipient_row_stands_the_battery),
        cmocka_unit_test(test_every_field_of_a_recipient_is_kept),
        cmocka_unit_test(test_a_recipient_the_queue_could_not_find_again_is_bad),
        cmocka_unit_test(test_a_row_that_fits_keeps_everything),
        cmocka_unit_test(test_of_a_row_too_long_the_last_reply_is_kept_longest),
        cmocka_unit_test(test_a_text_is_not_cut_within_a_character),
        cmocka_unit_test(test_a_row_is_cut_only_as_far_as_it_must),
        cmocka_unit_test(test_a_hundred_attempts_are_kept_if_not_their_words),
        cmocka_unit_test(test_details_of_tls_go_before_replies_do),
        cmocka_unit_test(test_the_last_line_is_the_first_of_the_last_reply),
        cmocka_unit_test(test_the_domain_is_what_follows_the_last_at),
        cmocka_unit_test(test_a_retired_row_stands_the_battery),
        cmocka_unit_test(test_the_operators_word_of_tls_stands_in_place_of_the_senders),
        cmocka_unit_test(test_a_row_with_two_words_of_tls_is_bad),
        cmocka_unit_test(test_a_hold_row_stands_the_battery),
    };
    return cmocka_run_group_tests(tests, log_nothing, NULL);
}
