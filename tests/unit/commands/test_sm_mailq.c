#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "mem.h"
#include "sm_mailq.h"

struct row {
    uint64_t message;
    const char *sender, *recipient, *last;
    uint64_t size;
    uint16_t attempts;
    bool held, trying;
};

static void add(struct sm_mailq *q, const struct row *r)
{
    struct admin_row row = {
        .id = r->message,
        .message = r->message,
        .held = r->held,
        .trying = r->trying,
        .attempts = r->attempts,
        .size = r->size,
        .received_ms = 1795797005000, /* Fri Nov 27 16:30:05 2026 UTC */
        .account = mem_text(""),
        .sender = mem_text(r->sender),
        .recipient = mem_text(r->recipient),
        .subject = mem_text(""),
        .message_id = mem_text(""),
        .transport = mem_text(""),
        .last = mem_text(r->last),
    };
    sm_mailq_row(q, &row);
    assert_null(row.sender);
}

static char *list(bool json, const struct row *rows, size_t n)
{
    struct buf out = {0};
    struct sm_mailq q = {.out = &out, .json = json};
    for (size_t i = 0; i < n; i++)
        add(&q, &rows[i]);
    sm_mailq_end(&q);
    return buf_take_text(&out);
}

#define EXPECT(json, rows, wanted)                                                                 \
    do {                                                                                           \
        char *text_ = list(json, rows, sizeof(rows) / sizeof((rows)[0]));                          \
        assert_string_equal(text_, wanted);                                                        \
        mem_free(&text_);                                                                          \
    } while (0)

static void an_empty_queue_says_so(void **state)
{
    char *text = list(false, NULL, 0);
    assert_string_equal(text, "Mail queue is empty\n");
    mem_free(&text);
    text = list(true, NULL, 0);
    assert_string_equal(text, "");
    mem_free(&text);
}

/* Columns, reasons and sums as postqueue -p of Postfix prints them. */
static void the_list_has_the_form_that_programs_know(void **state)
{
    static const struct row rows[] = {
        {1234, "a@b.example", "c@d.example", "", 812, 0, false, true},
        {1240, "", "e@f.example", "connect to mx.f.example[192.0.2.1]:25: Connection refused", 2387,
         3, false, false},
        {1240, "", "g@f.example", "connect to mx.f.example[192.0.2.1]:25: Connection refused", 2387,
         3, false, false},
        {1240, "", "h@i.example", "", 2387, 0, false, false},
        {1883032196743170, "held@b.example", "j@k.example", "", 100, 0, true, false},
    };
    EXPECT(false, rows,
           "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"
           "16J*                   812 Fri Nov 27 16:30:05 a@b.example\n"
           "                                               c@d.example\n"
           "\n"
           "16R                   2387 Fri Nov 27 16:30:05 MAILER-DAEMON\n"
           "                   (connect to mx.f.example[192.0.2.1]:25: Connection refused)\n"
           "                                               e@f.example\n"
           "                                               g@f.example\n"
           "                                                          (reason unavailable)\n"
           "                                               h@i.example\n"
           "\n"
           "1NGKECK0002!           100 Fri Nov 27 16:30:05 held@b.example\n"
           "                                               j@k.example\n"
           "\n"
           "-- 3 Kbytes in 3 Requests.\n");
}

static void one_request_is_singular(void **state)
{
    static const struct row rows[] = {{1, "a@b.example", "c@d.example", "", 1023, 0, false, false}};
    EXPECT(false, rows,
           "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"
           "1                     1023 Fri Nov 27 16:30:05 a@b.example\n"
           "                                               c@d.example\n"
           "\n"
           "-- 0 Kbytes in 1 Request.\n");
}

static void a_long_reason_begins_its_line(void **state)
{
    static const struct row rows[] = {{1, "a", "b",
                                       "0123456789012345678901234567890123456789"
                                       "0123456789012345678901234567890123456789",
                                       1, 1, false, false}};
    char *text = list(false, rows, 1);
    assert_non_null(strstr(text, "\n(01234567890123456789012345678901234567890123456789"
                                 "012345678901234567890123456789)\n"));
    mem_free(&text);
}

static void every_message_has_its_own_reason(void **state)
{
    static const struct row rows[] = {{1, "a", "b", "no route", 1, 1, false, false},
                                      {2, "a", "b", "no route", 1, 1, false, false},
                                      {3, "a", "b", "", 1, 1, false, false}};
    char *text = list(false, rows, 3);
    const char *first = strstr(text, "(no route)\n");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "(no route)\n"));
    assert_null(strstr(text, "(reason unavailable)"));
    mem_free(&text);
}

static void a_message_is_marked_by_all_its_recipients(void **state)
{
    static const struct {
        struct row rows[2];
        const char *mark;
    } cases[] = {
        {{{1, "", "a", "", 1, 0, true, false}, {1, "", "b", "", 1, 0, true, false}}, "1! "},
        {{{1, "", "a", "", 1, 0, true, false}, {1, "", "b", "", 1, 0, false, false}}, "1  "},
        {{{1, "", "a", "", 1, 0, true, false}, {1, "", "b", "", 1, 0, false, true}}, "1* "},
        {{{1, "", "a", "", 1, 0, false, true}, {1, "", "b", "", 1, 0, false, false}}, "1* "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = list(false, cases[i].rows, 2), *line = strchr(text, '\n');
        assert_non_null(line);
        assert_memory_equal(line + 1, cases[i].mark, 3);
        mem_free(&text);
    }
}

static void control_characters_of_strangers_are_not_shown(void **state)
{
    static const struct row rows[] = {{1, "a\033[2J", "b\nc", "d\r\ne\x7f", 1, 1, false, false}};
    char *text = list(false, rows, 1);
    assert_non_null(strstr(text, "a?[2J\n"));
    assert_non_null(strstr(text, " b?c\n"));
    assert_non_null(strstr(text, "(d??e?)\n"));
    mem_free(&text);
}

static void json_is_an_object_a_line(void **state)
{
    static const struct row rows[] = {
        {1234, "a@b.example", "c@d.example", "", 812, 0, false, true},
        {1240, "", "e@f.example", "no \"route\"", 2387, 3, false, false},
        {1240, "", "h@i.example", "", 2387, 0, false, false},
        {1241, "", "h@i.example", "", 1, 0, true, false},
        {1242, "", "h@i.example", "", 1, 0, false, false},
    };
    EXPECT(true, rows,
           "{\"queue_name\":\"active\",\"queue_id\":\"16J\",\"arrival_time\":1795797005,"
           "\"message_size\":812,\"forced_expire\":false,\"sender\":\"a@b.example\","
           "\"recipients\":[{\"address\":\"c@d.example\"}]}\n"
           "{\"queue_name\":\"deferred\",\"queue_id\":\"16R\",\"arrival_time\":1795797005,"
           "\"message_size\":2387,\"forced_expire\":false,\"sender\":\"MAILER-DAEMON\","
           "\"recipients\":[{\"address\":\"e@f.example\",\"delay_reason\":\"no \\\"route\\\"\"},"
           "{\"address\":\"h@i.example\"}]}\n"
           "{\"queue_name\":\"hold\",\"queue_id\":\"16S\",\"arrival_time\":1795797005,"
           "\"message_size\":1,\"forced_expire\":false,\"sender\":\"MAILER-DAEMON\","
           "\"recipients\":[{\"address\":\"h@i.example\"}]}\n"
           "{\"queue_name\":\"incoming\",\"queue_id\":\"16T\",\"arrival_time\":1795797005,"
           "\"message_size\":1,\"forced_expire\":false,\"sender\":\"MAILER-DAEMON\","
           "\"recipients\":[{\"address\":\"h@i.example\"}]}\n");
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    while ((text = strstr(text, what)) != NULL) {
        text += strlen(what);
        n++;
    }
    return n;
}

static void a_message_with_many_recipients_is_still_one(void **state)
{
    enum { MANY = 2 * SM_MAILQ_AHEAD + 7 };
    const struct row row = {7, "a@b.example", "c@d.example", "", 4096, 0, false, false};
    for (int json = 0; json <= 1; json++) {
        struct buf out = {0};
        struct sm_mailq q = {.out = &out, .json = json};
        for (int i = 0; i < MANY; i++)
            add(&q, &row);
        sm_mailq_end(&q);
        assert_int_equal(count(buf_text(&out), "c@d.example"), MANY);
        assert_int_equal(count(buf_text(&out), "a@b.example"), 1);
        assert_int_equal(count(buf_text(&out), "]}\n"), json);
        assert_int_equal(count(buf_text(&out), "},{"), json * (MANY - 1));
        assert_int_equal(count(buf_text(&out), "-- 4 Kbytes in 1 Request.\n"), 1 - json);
        buf_free(&out);
    }
}

static int in_utc(void **state)
{
    (void)setenv("TZ", "UTC", 1);
    tzset();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_says_so),
        cmocka_unit_test(the_list_has_the_form_that_programs_know),
        cmocka_unit_test(one_request_is_singular),
        cmocka_unit_test(a_long_reason_begins_its_line),
        cmocka_unit_test(every_message_has_its_own_reason),
        cmocka_unit_test(a_message_is_marked_by_all_its_recipients),
        cmocka_unit_test(control_characters_of_strangers_are_not_shown),
        cmocka_unit_test(json_is_an_object_a_line),
        cmocka_unit_test(a_message_with_many_recipients_is_still_one),
    };
    return cmocka_run_group_tests(tests, in_utc, NULL);
}
