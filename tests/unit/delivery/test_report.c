#include "lab.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "report.h"

static void read_text(struct span text, struct deliver_report *report)
{
    struct fail f;
    struct deliver_job order = {.message = 1, .size = text.n};
    struct job j = {.order = &order, .body = file_sealed("body", text, &f)};
    assert_true(j.body >= 0);
    report_read(&j, report);
    (void)close(j.body);
}

static void read_file(const char *name, struct deliver_report *report)
{
    struct buf text = {0};
    struct fail f;
    char *path = mem_format("tests/fuzz/corpus/dsnread/%s", name);
    assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &text, &f), 0);
    read_text(buf_span(&text), report);
    buf_free(&text);
    mem_free(&path);
}

static void what_programs_send_back_is_understood(void **state)
{
    static const struct {
        const char *name, *final;
        enum deliver_said said;
        enum deliver_action action;
        uint16_t code;
        const char *enhanced;
    } cases[] = {
        {"postfix", "nobody@example.org", DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 550, "5.1.1"},
        {"postfix-delayed", "slow@example.org", DELIVER_SAID_ACTION, DELIVER_ACTION_DELAYED, 400,
         "4.4.1"},
        {"delivered", "ann@example.org", DELIVER_SAID_ACTION, DELIVER_ACTION_DELIVERED, 250,
         "2.1.5"},
        {"relayed", "ann@example.org", DELIVER_SAID_ACTION, DELIVER_ACTION_RELAYED, 250, "2.1.9"},
        {"expanded", "ann@example.org", DELIVER_SAID_ACTION, DELIVER_ACTION_EXPANDED, 0, "2.0.0"},
        {"bogus-action", "", DELIVER_SAID_UNCLEAR, 0, 0, ""},
        {"sendmail-unix", "bob@sm.example.net", DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 500,
         "5.2.0"},
        {"two", "", DELIVER_SAID_UNCLEAR, 0, 0, ""},
        {"vacation", "", DELIVER_SAID_NOTHING, 0, 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct deliver_report r;
        read_file(cases[i].name, &r);
        if (r.said != cases[i].said || r.action != cases[i].action || r.code != cases[i].code)
            fail_msg("%s: %d %d %u", cases[i].name, r.said, r.action, r.code);
        assert_string_equal(r.final, cases[i].final);
        assert_string_equal(r.enhanced, cases[i].enhanced);
        deliver_report_clear(&r);
    }
}

static void anything_else_says_nothing(void **state)
{
    static const char *const texts[] = {"", "\r\n", "Subject: hi\r\n\r\nhello\r\n",
                                        "Content-Type: multipart/report\r\n\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct deliver_report r;
        read_text(span_text(texts[i]), &r);
        assert_int_equal(r.said, DELIVER_SAID_NOTHING);
        deliver_report_clear(&r);
    }
}

static void a_large_original_behind_it_does_not_matter(void **state)
{
    struct buf text = {0};
    struct fail f;
    struct deliver_report r;
    assert_int_equal(file_read(AT_FDCWD, "tests/fuzz/corpus/dsnread/postfix", 1 << 20, &text, &f),
                     0);
    while (text.n < REPORT_OCTETS_MAX + 100000)
        buf_puts(&text, "a line of the original message, which comes back whole\r\n");
    read_text(buf_span(&text), &r);
    assert_int_equal(r.said, DELIVER_SAID_ACTION);
    assert_string_equal(r.final, "nobody@example.org");
    deliver_report_clear(&r);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_programs_send_back_is_understood),
        cmocka_unit_test(anything_else_says_nothing),
        cmocka_unit_test(a_large_original_behind_it_does_not_matter),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
