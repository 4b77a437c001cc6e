#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto_help.h"
#include "proto_submit.h"

static struct scratch scratch;

static struct submit_envelope *full_envelope(void)
{
    struct submit_envelope *e = submit_envelope_new(SUBMIT_WEBAPI);
    e->flags = SUBMIT_EIGHT_BIT | SUBMIT_REQUIRE_TLS;
    submit_set(&e->account, "billing");
    submit_set(&e->sender, "billing+x@example.org");
    submit_set(&e->envid, "QQ314159");
    submit_set(&e->ret, "HDRS");
    submit_set(&e->message_id, "<1@example.org>");
    submit_set(&e->subject, "Gr\xc3\xbc\xc3\x9f"
                            "e");
    submit_set(&e->client, "192.0.2.1 HTTP");
    e->received_ms = 1732700000123;
    e->not_before_ms = 1732700060000;
    struct submit_recipient *r = submit_add_recipient(e, "a@example.net");
    submit_set(&r->from_id, "f3a9");
    submit_set(&r->orcpt, "rfc822;a+40example.net");
    r->notify = NOTIFY_FAILURE | NOTIFY_DELAY;
    (void)submit_add_recipient(e, "b@example.net");
    (void)submit_add_recipient(e, "no-domain");
    submit_add_extra(e, "order", "4711");
    submit_add_extra(e, "empty", "");
    return e;
}

static int envelope_again(uint16_t type, struct span payload, struct buf *out)
{
    struct wire w = wire_open(payload);
    struct submit_envelope *e = submit_envelope_get(&w);
    int rc = wire_end(&w);
    if (rc == 0)
        submit_envelope_put(out, e);
    submit_envelope_free(&e);
    return rc;
}

static void test_an_envelope_stands_the_battery(void **state)
{
    struct submit_envelope *full = full_envelope(), *bare = submit_envelope_new(SUBMIT_SMTP);
    struct buf b = {0};
    submit_envelope_put(&b, full);
    stand_battery("envelope", 0, buf_span(&b), envelope_again);
    buf_clear(&b);
    submit_envelope_put(&b, bare);
    stand_battery("empty envelope", 0, buf_span(&b), envelope_again);
    buf_free(&b);
    submit_envelope_free(&full);
    submit_envelope_free(&bare);
    submit_envelope_free(&bare);
}

static void test_every_field_of_an_envelope_arrives(void **state)
{
    struct submit_envelope *e = full_envelope();
    struct buf b = {0};
    submit_envelope_put(&b, e);
    struct wire w = wire_open(buf_span(&b));
    struct submit_envelope *got = submit_envelope_get(&w);
    assert_int_equal(wire_end(&w), 0);
    assert_int_equal(got->origin, SUBMIT_WEBAPI);
    assert_int_equal(got->flags, SUBMIT_EIGHT_BIT | SUBMIT_REQUIRE_TLS);
    assert_string_equal(got->account, e->account);
    assert_string_equal(got->sender, e->sender);
    assert_string_equal(got->envid, e->envid);
    assert_string_equal(got->ret, e->ret);
    assert_string_equal(got->message_id, e->message_id);
    assert_string_equal(got->subject, e->subject);
    assert_string_equal(got->client, e->client);
    assert_true(got->received_ms == e->received_ms && got->not_before_ms == e->not_before_ms);
    assert_int_equal(got->recipients_n, 3);
    assert_string_equal(got->recipients[0].from_id, "f3a9");
    assert_string_equal(got->recipients[0].orcpt, "rfc822;a+40example.net");
    assert_int_equal(got->recipients[0].notify, NOTIFY_FAILURE | NOTIFY_DELAY);
    assert_string_equal(got->recipients[2].address, "no-domain");
    assert_int_equal(got->extra_n, 2);
    assert_string_equal(got->extra[0].value, "4711");
    submit_envelope_free(&got);
    submit_envelope_free(&e);
    buf_free(&b);
}

static int decodes(const struct submit_envelope *e)
{
    struct buf b = {0}, out = {0};
    submit_envelope_put(&b, e);
    int rc = envelope_again(0, buf_span(&b), &out);
    buf_free(&b);
    buf_free(&out);
    return rc;
}

static char *address_with_domain_of(size_t n)
{
    char *domain = repeated('d', n), *address = mem_format("\"a@b\"@%s", domain);
    mem_free(&domain);
    return address;
}

static void test_what_no_field_may_hold_is_refused(void **state)
{
    struct submit_envelope *e = full_envelope();
    char *longest = address_with_domain_of(PROTO_NAME_MAX),
         *longer = address_with_domain_of(PROTO_NAME_MAX + 1);
    assert_int_equal(decodes(e), 0);
    submit_set(&e->sender, longest);
    assert_int_equal(decodes(e), 0);
    submit_set(&e->sender, longer);
    assert_int_equal(decodes(e), -1);
    submit_set(&e->sender, "");
    submit_set(&e->recipients[1].address, longest);
    assert_int_equal(decodes(e), 0);
    submit_set(&e->recipients[1].address, longer);
    assert_int_equal(decodes(e), -1);
    submit_set(&e->recipients[1].address, "");
    assert_int_equal(decodes(e), -1);
    submit_set(&e->recipients[1].address, "b@example.net");
    e->received_ms = -1;
    assert_int_equal(decodes(e), -1);
    e->received_ms = 0;
    e->not_before_ms = -1;
    assert_int_equal(decodes(e), -1);
    e->not_before_ms = INT64_MAX;
    assert_int_equal(decodes(e), 0);
    e->flags = SUBMIT_FLAGS;
    assert_int_equal(decodes(e), 0);
    e->flags = SUBMIT_FLAGS + 1;
    assert_int_equal(decodes(e), -1);
    e->flags = 0;
    e->recipients[0].notify = 16;
    assert_int_equal(decodes(e), -1);
    e->recipients[0].notify = 15;
    e->origin = SUBMIT_ORIGINS;
    assert_int_equal(decodes(e), -1);
    mem_free(&longest);
    mem_free(&longer);
    submit_envelope_free(&e);
}

static void test_extra_is_bounded_in_number_and_in_octets(void **state)
{
    struct submit_envelope *e = full_envelope();
    char *value = repeated('v', PROTO_TEXT_MAX);
    while (e->extra_n < SUBMIT_EXTRA_MAX)
        submit_add_extra(e, "k", "");
    assert_int_equal(decodes(e), 0);
    submit_add_extra(e, "k", "");
    assert_int_equal(decodes(e), -1);
    submit_envelope_free(&e);
    e = full_envelope();
    for (unsigned i = 0; i < SUBMIT_EXTRA_OCTETS / PROTO_TEXT_MAX - 1; i++)
        submit_add_extra(e, "", value);
    assert_int_equal(decodes(e), 0);
    submit_add_extra(e, "", value);
    assert_int_equal(decodes(e), -1);
    mem_free(&value);
    submit_envelope_free(&e);
}

static void test_texts_for_people_are_cut_and_do_not_break_the_channel(void **state)
{
    struct submit_envelope *e = full_envelope();
    char *text = repeated('s', 3 * PROTO_TEXT_MAX);
    struct buf b = {0};
    submit_set(&e->subject, text);
    submit_set(&e->message_id, text);
    submit_set(&e->client, text);
    submit_envelope_put(&b, e);
    struct wire w = wire_open(buf_span(&b));
    struct submit_envelope *got = submit_envelope_get(&w);
    assert_int_equal(wire_end(&w), 0);
    assert_int_equal(strlen(got->subject), PROTO_TEXT_MAX);
    assert_int_equal(strlen(got->message_id), PROTO_TEXT_MAX);
    assert_int_equal(strlen(got->client), PROTO_TEXT_MAX);
    submit_envelope_free(&got);
    submit_envelope_free(&e);
    mem_free(&text);
    buf_free(&b);
}

static void test_a_count_of_recipients_that_cannot_be_there_costs_no_memory(void **state)
{
    struct submit_envelope *e = submit_envelope_new(SUBMIT_SMTP);
    struct buf b = {0};
    submit_envelope_put(&b, e);
    /* The counts of recipients and extra are the last eight octets. */
    memset(b.p + b.head + b.n - 8, 0xff, 4);
    struct wire w = wire_open(buf_span(&b));
    struct submit_envelope *got = submit_envelope_get(&w);
    assert_int_equal(wire_end(&w), -1);
    assert_int_equal(got->recipients_n, 0);
    submit_envelope_free(&got);
    submit_envelope_free(&e);
    buf_free(&b);
}

/* ---- the message with its descriptor ---- */

static int read_with(struct span payload, int fd, uint64_t max, uint64_t *size)
{
    struct ipc_message m = message_of(MSG_SUBMIT_MESSAGE, payload);
    struct submit_envelope *e = NULL;
    struct fail f = {{0}};
    int body = -1;
    m.fd[0] = fd;
    m.fds = fd < 0 ? 0 : 1;
    int rc = submit_read(&m, max, &e, &body, size, &f);
    if (rc == 0) {
        assert_int_equal(body, fd);
        assert_int_equal(m.fd[0], -1);
        assert_non_null(e);
        (void)close(body);
    } else {
        assert_null(e);
        assert_true(f.text[0] != '\0');
    }
    submit_envelope_free(&e);
    record_close_fds(&m);
    return rc;
}

static void no_reply(void *arg, const struct submit_reply *reply)
{
    *(int *)arg += reply == NULL ? 1 : 100;
}

static void test_a_submission_is_read_with_its_message(void **state)
{
    struct submit_envelope *e = full_envelope();
    unsigned before = open_fds();
    uint64_t size = 0;
    static int nulls; /* the reply comes when the channel is freed, after this test */
    int body = sealed_of(5000);
    (void)submit_message(scratch.ch, e, body, no_reply, &nulls);
    assert_true(fcntl(body, F_GETFD) >= 0); /* it stays the caller's */
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, MSG_SUBMIT_MESSAGE);
    assert_int_equal(scratch.m.fds, 1);
    struct span payload = scratch.m.payload;
    assert_int_equal(read_with(payload, fcntl(body, F_DUPFD_CLOEXEC, 0), UINT64_MAX, &size), 0);
    assert_int_equal(size, 5000);
    assert_int_equal(read_with(payload, fcntl(body, F_DUPFD_CLOEXEC, 0), 5000, &size), 0);
    assert_int_equal(read_with(payload, fcntl(body, F_DUPFD_CLOEXEC, 0), 4999, &size), -1);
    assert_int_equal(read_with(payload, -1, UINT64_MAX, &size), -1);
    assert_int_equal(read_with(payload, open("/dev/null", O_RDONLY | O_CLOEXEC), UINT64_MAX, &size),
                     -1);
    assert_int_equal(read_with(span_of(payload.p, payload.n - 1), fcntl(body, F_DUPFD_CLOEXEC, 0),
                               UINT64_MAX, &size),
                     -1);
    (void)close(body);
    submit_envelope_free(&e);
    assert_int_equal(open_fds(), before);
}

static void put_whole(struct buf *b, const struct submit_envelope *e, const char *key,
                      size_t digest_n)
{
    static const unsigned char digest[SUBMIT_DIGEST + 1];
    buf_clear(b);
    submit_envelope_put(b, e);
    wire_put_text(b, key);
    wire_put_span(b, span_of(digest, digest_n));
}

static void test_a_key_for_once_comes_with_its_digest_and_an_account(void **state)
{
    static const struct {
        const char *account, *key;
        size_t digest;
        int rc;
    } cases[] = {
        {"", "", 0, 0},    {"a", "", 0, 0},     {"a", "key", 32, 0},  {"", "key", 32, -1},
        {"a", "", 32, -1}, {"a", "key", 0, -1}, {"a", "key", 31, -1}, {"a", "key", 33, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct submit_envelope *e = submit_envelope_new(SUBMIT_WEBAPI);
        struct buf b = {0};
        uint64_t size;
        submit_set(&e->account, cases[i].account);
        (void)submit_add_recipient(e, "a@b.example");
        put_whole(&b, e, cases[i].key, cases[i].digest);
        if (read_with(buf_span(&b), sealed_of(10), UINT64_MAX, &size) != cases[i].rc)
            fail_msg("case %zu", i);
        submit_envelope_free(&e);
        buf_free(&b);
    }
}

static void test_a_submission_without_recipients_is_refused(void **state)
{
    struct submit_envelope *e = submit_envelope_new(SUBMIT_SMTP);
    struct buf b = {0};
    uint64_t size;
    put_whole(&b, e, "", 0);
    assert_int_equal(read_with(buf_span(&b), sealed_of(10), UINT64_MAX, &size), -1);
    (void)submit_add_recipient(e, "a@b.example");
    put_whole(&b, e, "", 0);
    assert_int_equal(read_with(buf_span(&b), sealed_of(10), UINT64_MAX, &size), 0);
    submit_envelope_free(&e);
    buf_free(&b);
}

static void test_a_forgotten_submission_is_not_heard_of(void **state)
{
    struct scratch s;
    struct submit_envelope *e = full_envelope();
    int calls = 0, body = sealed_of(10);
    scratch_open(&s);
    uint64_t id = submit_message(s.ch, e, body, no_reply, &calls);
    submit_forget(s.ch, id);
    submit_forget(s.ch, id);
    (void)submit_message(s.ch, e, body, no_reply, &calls);
    scratch_close(&s);
    assert_int_equal(calls, 1); /* the other one: NULL, at the end of the channel */
    (void)close(body);
    submit_envelope_free(&e);
}

/* ---- the answers ---- */

struct heard {
    struct buf *out;
    int calls, rc;
};

static void on_reply(void *arg, const struct submit_reply *r)
{
    struct heard *h = arg;
    h->calls++;
    h->rc = r == NULL ? -1 : 0;
    if (r == NULL)
        return;
    if (r->accepted)
        submit_accept_as(scratch.ch, 1, r);
    else
        submit_refuse(scratch.ch, 1, r->code, r->enhanced, r->why, r->text);
    scratch_take(&scratch);
    buf_put_span(h->out, scratch.m.payload);
}

static void ask(struct ipc *ch, void *arg)
{
    struct submit_envelope *e = full_envelope();
    int body = sealed_of(10);
    (void)submit_message(ch, e, body, on_reply, arg);
    (void)close(body);
    submit_envelope_free(&e);
}

static int reply_again(uint16_t type, struct span payload, struct buf *out)
{
    struct heard h = {.out = out};
    answer_with(ask, &h, type, payload);
    assert_int_equal(h.calls, 1);
    return h.rc;
}

static void test_answers_stand_the_battery(void **state)
{
    struct buf sample = {0};
    submit_accept(scratch.ch, 1, 0x0006400000000001);
    scratch_take(&scratch);
    buf_put_span(&sample, scratch.m.payload);
    stand_battery("accepted", MSG_SUBMIT_ACCEPTED, buf_span(&sample), reply_again);
    buf_clear(&sample);
    const struct submit_reply before = {.id = 0x0006400000000001,
                                        .message_id = (char *)"<a@b.example>",
                                        .taken_ms = 1764280277000,
                                        .copied = true};
    submit_accept_as(scratch.ch, 1, &before);
    scratch_take(&scratch);
    buf_put_span(&sample, scratch.m.payload);
    stand_battery("accepted again", MSG_SUBMIT_ACCEPTED, buf_span(&sample), reply_again);
    buf_clear(&sample);
    char *ids[] = {(char *)"one", (char *)"", (char *)"three"};
    const struct submit_reply with = {.id = 0x0006400000000001, .from_ids = ids, .from_ids_n = 3};
    submit_accept_as(scratch.ch, 1, &with);
    scratch_take(&scratch);
    buf_put_span(&sample, scratch.m.payload);
    stand_battery("accepted with ids", MSG_SUBMIT_ACCEPTED, buf_span(&sample), reply_again);
    buf_clear(&sample);
    submit_refuse(scratch.ch, 1, 452, "4.3.1", SUBMIT_WHY_CONFLICT, "insufficient system storage");
    scratch_take(&scratch);
    buf_put_span(&sample, scratch.m.payload);
    stand_battery("refused", MSG_SUBMIT_REFUSED, buf_span(&sample), reply_again);
    struct buf out = {0};
    assert_int_equal(reply_again(MSG_SUBMIT_MESSAGE, buf_span(&sample), &out), -1);
    buf_free(&sample);
    buf_free(&out);
}

static void test_a_refusal_whose_codes_do_not_agree_is_none(void **state)
{
    static const struct {
        uint16_t code;
        const char *enhanced;
        int rc;
    } cases[] = {
        {452, "4.3.1", 0},   {554, "5.7.1", 0},     {421, "4.3.2", 0},     {550, "4.3.1", -1},
        {450, "5.1.1", -1},  {250, "2.0.0", -1},    {354, "4.0.0", -1},    {0, "4.3.1", -1},
        {600, "6.0.0", -1},  {999, "5.0.0", -1},    {550, "", -1},         {550, "5.1", -1},
        {550, "5.1.1 ", -1}, {550, "5.1.1000", -1}, {550, "nonsense", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = {0}, sample = {0};
        submit_refuse(scratch.ch, 1, cases[i].code, cases[i].enhanced, SUBMIT_WHY_OTHER, "no");
        scratch_take(&scratch);
        buf_put_span(&sample, scratch.m.payload);
        if (reply_again(MSG_SUBMIT_REFUSED, buf_span(&sample), &out) != cases[i].rc)
            fail_msg("%u %s", cases[i].code, cases[i].enhanced);
        buf_free(&out);
        buf_free(&sample);
    }
}

static void test_a_long_refusal_is_cut(void **state)
{
    char *text = repeated('x', 3 * PROTO_NAME_MAX);
    struct buf out = {0}, sample = {0};
    submit_refuse(scratch.ch, 1, 550, "5.1.1", SUBMIT_WHY_OTHER, text);
    scratch_take(&scratch);
    buf_put_span(&sample, scratch.m.payload);
    assert_int_equal(reply_again(MSG_SUBMIT_REFUSED, buf_span(&sample), &out), 0);
    mem_free(&text);
    buf_free(&out);
    buf_free(&sample);
}

static int open_group(void **state)
{
    scratch_open(&scratch);
    return log_nothing(state);
}

static int close_group(void **state)
{
    scratch_close(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_envelope_stands_the_battery),
        cmocka_unit_test(test_every_field_of_an_envelope_arrives),
        cmocka_unit_test(test_what_no_field_may_hold_is_refused),
        cmocka_unit_test(test_extra_is_bounded_in_number_and_in_octets),
        cmocka_unit_test(test_texts_for_people_are_cut_and_do_not_break_the_channel),
        cmocka_unit_test(test_a_count_of_recipients_that_cannot_be_there_costs_no_memory),
        cmocka_unit_test(test_a_submission_is_read_with_its_message),
        cmocka_unit_test(test_a_key_for_once_comes_with_its_digest_and_an_account),
        cmocka_unit_test(test_a_submission_without_recipients_is_refused),
        cmocka_unit_test(test_a_forgotten_submission_is_not_heard_of),
        cmocka_unit_test(test_answers_stand_the_battery),
        cmocka_unit_test(test_a_refusal_whose_codes_do_not_agree_is_none),
        cmocka_unit_test(test_a_long_refusal_is_cut),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
