#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto_help.h"
#include "proto_mail.h"

static struct scratch scratch;

static const struct mail_place place = {(char *)"Archive.2026", (char *)"1.M2P3.mail,S=4", 77,
                                        1234};
static char *words[] = {(char *)"$junk", (char *)"blue"};
static const struct mail_words keywords = {words, 2}, none;

static void on_nothing(void *arg, const struct mail_answer *answer)
{
}

/* Sends again what was asked. */
static void ask_again(const struct mail_request *r)
{
    switch (r->type) {
    case MSG_MAIL_GET:
        (void)mail_get(scratch.ch, r->account, r->id, on_nothing, NULL);
        break;
    case MSG_MAIL_NOTE:
        if (r->once_key[0] != '\0')
            (void)mail_note_copy(scratch.ch, r->account, r->seen, r->once_key, on_nothing, NULL);
        else
            (void)mail_note(scratch.ch, r->account, r->seen, r->seen_n, on_nothing, NULL);
        break;
    case MSG_MAIL_KEYWORDS:
        (void)mail_keywords(scratch.ch, r->account, r->id, &r->add, &r->remove, on_nothing, NULL);
        break;
    case MSG_MAIL_MOVED:
        (void)mail_moved(scratch.ch, r->account, r->id, &r->place, &r->add, on_nothing, NULL);
        break;
    default:
        (void)mail_deleted(scratch.ch, r->account, r->id, on_nothing, NULL);
    }
}

static int request_again(uint16_t type, struct span payload, struct buf *out)
{
    struct ipc_message m = message_of(type, payload);
    struct mail_request r;
    struct fail f;
    if (mail_read(&m, &r, &f) != 0)
        return -1;
    assert_true(r.type != MSG_MAIL_NOTE || (r.seen_n >= 1 && r.seen_n <= MAIL_PAGE_MAX));
    ask_again(&r);
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, type);
    buf_put_span(out, scratch.m.payload);
    mail_request_clear(&r);
    return 0;
}

static void stand(const char *name, uint16_t type)
{
    struct buf sample = {0};
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, type);
    buf_put_span(&sample, scratch.m.payload);
    stand_battery(name, type, buf_span(&sample), request_again);
    buf_free(&sample);
}

static void test_every_request_stands_the_battery(void **state)
{
    const struct mail_seen seen[] = {
        {place, 5, 1, (char *)"a@b.example", (char *)"c@d.example", keywords},
        {place, 0, 2, (char *)"", (char *)"", none},
    };
    (void)mail_get(scratch.ch, "billing", 9, on_nothing, NULL);
    stand("get", MSG_MAIL_GET);
    (void)mail_note(scratch.ch, "billing", seen, 2, on_nothing, NULL);
    stand("note", MSG_MAIL_NOTE);
    (void)mail_note_copy(scratch.ch, "billing", seen, "order 1042", on_nothing, NULL);
    stand("note of a copy", MSG_MAIL_NOTE);
    (void)mail_keywords(scratch.ch, "billing", 9, &keywords, &none, on_nothing, NULL);
    stand("keywords", MSG_MAIL_KEYWORDS);
    (void)mail_moved(scratch.ch, "billing", 9, &place, &keywords, on_nothing, NULL);
    stand("moved", MSG_MAIL_MOVED);
    (void)mail_deleted(scratch.ch, "billing", 9, on_nothing, NULL);
    stand("deleted", MSG_MAIL_DELETED);
}

struct heard {
    struct buf *out;
    int rc;
};

static void on_answer(void *arg, const struct mail_answer *answer)
{
    struct heard *h = arg;
    h->rc = answer->result == MAIL_UNAVAILABLE ? -1 : 0;
    mail_reply(scratch.ch, 1, answer);
    scratch_take(&scratch);
    buf_put_span(h->out, scratch.m.payload);
}

static void ask(struct ipc *ch, void *arg)
{
    (void)mail_get(ch, "billing", 9, on_answer, arg);
}

static int answer_again(uint16_t type, struct span payload, struct buf *out)
{
    struct heard h = {.out = out};
    answer_with(ask, &h, type, payload);
    return h.rc;
}

static struct mail_message a_message(void)
{
    return (struct mail_message){.id = 9,
                                 .place = place,
                                 .keywords = keywords,
                                 .mail_from = (char *)"a@b.example",
                                 .rcpt_to = (char *)"c@d.example",
                                 .remote_ip = (char *)"192.0.2.1",
                                 .received_ms = 5,
                                 .checks = {MAIL_PASS, MAIL_UNCHECKED, keywords}};
}

static void test_an_answer_stands_the_battery(void **state)
{
    struct mail_message m = a_message();
    const struct mail_answer answer = {MAIL_DONE, &m, 1};
    struct buf b = {0}, out = {0};
    mail_reply(scratch.ch, 1, &answer);
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("answer", MSG_MAIL_ANSWER, buf_span(&b), answer_again);
    assert_int_equal(answer_again(MSG_MAIL_GET, buf_span(&b), &out), -1);
    buf_free(&b);
    buf_free(&out);
}

static void test_an_answer_has_as_many_messages_as_were_asked_for(void **state)
{
    struct mail_message m[] = {a_message(), a_message()};
    const struct mail_answer answers[] = {
        {MAIL_DONE, m, 2}, {MAIL_DONE, m, 0}, {MAIL_REMOVED, m, 1}};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct buf b = {0}, out = {0};
        mail_reply(scratch.ch, 1, &answers[i]);
        scratch_take(&scratch);
        buf_put_span(&b, scratch.m.payload);
        assert_int_equal(answer_again(MSG_MAIL_ANSWER, buf_span(&b), &out), -1);
        buf_free(&b);
        buf_free(&out);
    }
}

static void test_words_are_compared_without_regard_to_case_and_bounded(void **state)
{
    struct mail_words w = {0};
    char *longest = repeated('x', MAIL_WORD_MAX), *longer = repeated('x', MAIL_WORD_MAX + 1);
    assert_true(mail_words_add(&w, "Blue"));
    assert_true(mail_words_add(&w, "bLUE"));
    assert_int_equal(w.n, 1);
    assert_true(mail_words_has(&w, "BLUE"));
    assert_true(mail_words_add(&w, longest));
    assert_false(mail_words_add(&w, longer));
    assert_true(mail_words_remove(&w, "blue"));
    assert_false(mail_words_remove(&w, "blue"));
    assert_int_equal(w.n, 1);
    for (int i = 1; i < MAIL_WORDS_MAX; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        assert_true(mail_words_add(&w, text));
    }
    assert_false(mail_words_add(&w, "one more"));
    assert_true(mail_words_add(&w, "1")); /* it is there */
    mail_words_clear(&w);
    mem_free(&longest);
    mem_free(&longer);
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
        cmocka_unit_test(test_every_request_stands_the_battery),
        cmocka_unit_test(test_an_answer_stands_the_battery),
        cmocka_unit_test(test_an_answer_has_as_many_messages_as_were_asked_for),
        cmocka_unit_test(test_words_are_compared_without_regard_to_case_and_bounded),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
