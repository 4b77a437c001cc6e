#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>
#include <cmocka.h>

#include "mem.h"
#include "sm_peer.h"
#include "sm_session.h"

#define EHLO "EHLO here.example\r\n"
#define MAIL "MAIL FROM:<a@b.example>"
#define PLAIN "250 peer\r\n"
#define PIPELINING "250-peer\r\n250 PIPELINING\r\n"
#define OK "250 2.0.0 ok\r\n"
#define END "RSET\r\nQUIT\r\n"
#define BYE "250 2.0.0 ok\r\n221 2.0.0 bye\r\n"
#define NOT_QUEUED "the message was not queued\n"

struct play {
    struct sm_envelope envelope;
    struct esmtp_mail mail;
    struct esmtp_rcpt rcpt;
    struct sm_job job;
    struct buf complaints;
    bool busy;
};

static void set_up(struct play *p, char **recipients, size_t n)
{
    *p = (struct play){
        .envelope = {.sender = "a@b.example", .recipients = recipients, .recipients_n = n}};
    p->job = (struct sm_job){.own_name = "here.example",
                             .envelope = &p->envelope,
                             .mail = &p->mail,
                             .rcpt = &p->rcpt,
                             .header = span_text("Subject: x\r\n"),
                             .between = span_text("\r\n"),
                             .body = span_text(".\r\ny\r\n")};
}

/* Plays against the steps; complaints must be exactly those. */
static void play(struct play *p, const struct sm_peer_step *steps, size_t n, bool to_end,
                 int wanted_code, const char *wanted_complaints)
{
    struct sm_link link;
    pid_t pid;
    sm_link_adopt(&link, sm_peer_start(steps, n, to_end, &pid), NULL);
    int code = sm_session_run(&link, &p->job, &p->complaints, &p->busy);
    sm_link_close(&link);
    sm_peer_end(pid);
    assert_string_equal(buf_text(&p->complaints), wanted_complaints);
    assert_int_equal(code, wanted_code);
    buf_free(&p->complaints);
}

#define PLAY(p, to_end, code, complaints, ...)                                                     \
    play((p), (const struct sm_peer_step[]){__VA_ARGS__},                                          \
         sizeof((const struct sm_peer_step[]){__VA_ARGS__}) / sizeof(struct sm_peer_step), to_end, \
         code, complaints)

static char *two[] = {"c@d.example", "e@f.example"};

static void a_message_is_handed_over_step_by_step(void **state)
{
    struct play p;
    set_up(&p, two, 2);
    PLAY(&p, true, EX_OK, "", {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", OK},
         {"RCPT TO:<c@d.example>\r\n", OK}, {"RCPT TO:<e@f.example>\r\n", "251 ok\r\n"},
         {"DATA\r\n", "354 go\r\n"}, {"Subject: x\r\n\r\n..\r\ny\r\n.\r\n", OK},
         {"QUIT\r\n", "221 2.0.0 bye\r\n"});
}

static void commands_go_together_where_the_server_takes_that(void **state)
{
    struct play p;
    set_up(&p, two, 2);
    PLAY(&p, true, EX_OK, "", {"", "220 peer\r\n"}, {EHLO, PIPELINING},
         {MAIL "\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@f.example>\r\n", OK OK OK},
         {"DATA\r\n", "354 go\r\n"}, {"Subject: x\r\n\r\n..\r\ny\r\n.\r\n", OK},
         {"QUIT\r\n", "221 2.0.0 bye\r\n"});
}

static void parameters_are_those_that_the_server_offers(void **state)
{
    struct play p;
    set_up(&p, two, 1);
    p.mail.ret = ESMTP_RET_HDRS;
    p.mail.has_envid = true;
    (void)snprintf(p.mail.envid, sizeof p.mail.envid, "a+b");
    p.rcpt.notify = ESMTP_NOTIFY_NEVER;
    p.job.eight_bit = true;
    PLAY(&p, true, EX_OK, "", {"", "220 peer\r\n"},
         {EHLO, "250-peer\r\n250-8BITMIME\r\n250-SIZE 100\r\n250 DSN\r\n"},
         {MAIL " SIZE=20 BODY=8BITMIME RET=HDRS ENVID=a+2Bb\r\n", OK},
         {"RCPT TO:<c@d.example> NOTIFY=NEVER\r\n", OK}, {"DATA\r\n", "354 go\r\n"},
         {"Subject: x\r\n\r\n..\r\ny\r\n.\r\n", OK}, {"QUIT\r\n", "221 2.0.0 bye\r\n"});
}

static void one_refused_recipient_is_enough_for_nothing_to_be_queued(void **state)
{
    struct play p;
    set_up(&p, two, 2);
    PLAY(&p, true, EX_NOUSER, "<e@f.example>: 550-5.1.1 no 550 5.1.1 such user\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PIPELINING},
         {MAIL "\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@f.example>\r\n",
          OK OK "550-5.1.1 no\r\n550 5.1.1 such user\r\n"},
         {END, BYE});
}

static void every_refusal_is_told_and_a_permanent_one_decides(void **state)
{
    struct play p;
    set_up(&p, two, 2);
    PLAY(&p, true, EX_NOUSER,
         "<c@d.example>: 450 4.2.1 later\n<e@f.example>: 550 5.1.1 no\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", OK},
         {"RCPT TO:<c@d.example>\r\n", "450 4.2.1 later\r\n"},
         {"RCPT TO:<e@f.example>\r\n", "550 5.1.1 no\r\n"}, {END, BYE});
}

static void a_refused_sender_ends_it_with_replies_unread(void **state)
{
    struct play p;
    set_up(&p, two, 2);
    PLAY(&p, true, EX_NOPERM, "sender <a@b.example>: 550 5.7.1 not you\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PIPELINING},
         {MAIL "\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@f.example>\r\n",
          "550 5.7.1 not you\r\n503 5.5.1 no\r\n503 5.5.1 no\r\n"},
         {END, BYE});
}

static void a_full_disk_is_a_temporary_failure_wherever_it_shows(void **state)
{
    struct play p;
    set_up(&p, two, 1);
    PLAY(&p, true, EX_TEMPFAIL, "sender <a@b.example>: 452 4.3.1 full\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", "452 4.3.1 full\r\n"}, {END, BYE});
    PLAY(&p, true, EX_TEMPFAIL, "the message is refused: 452 4.3.1 full\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", OK}, {"RCPT TO:<c@d.example>\r\n", OK},
         {"DATA\r\n", "354 go\r\n"}, {"Subject: x\r\n\r\n..\r\ny\r\n.\r\n", "452 4.3.1 full\r\n"},
         {END, BYE});
    PLAY(&p, true, EX_TEMPFAIL, "the message is refused: 451 4.3.0 not now\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", OK}, {"RCPT TO:<c@d.example>\r\n", OK},
         {"DATA\r\n", "451 4.3.0 not now\r\n"}, {END, BYE});
}

static void what_may_be_over_in_a_moment_is_told(void **state)
{
    static const struct {
        const char *said; /* to MAIL */
        bool busy;
    } cases[] = {
        {"451 4.3.0 the queue is not there\r\n", true},
        {"452 4.3.1 no room\r\n", true},
        {"451 4.7.1 disabled\r\n", false},
        {"421 4.3.2 stopping\r\n", false},
        {"552 5.3.4 too large\r\n", false},
        {"", true}, /* it goes away */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct sm_peer_step steps[] = {
            {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", cases[i].said}};
        struct play p;
        struct sm_link link;
        pid_t pid;
        set_up(&p, two, 1);
        sm_link_adopt(&link, sm_peer_start(steps, 3, false, &pid), NULL);
        assert_int_not_equal(sm_session_run(&link, &p.job, &p.complaints, &p.busy), EX_OK);
        sm_link_close(&link);
        sm_peer_end(pid);
        assert_int_equal(p.busy, cases[i].busy);
        buf_free(&p.complaints);
    }
}

static void a_server_that_shuts_down_is_left_alone(void **state)
{
    struct play p;
    set_up(&p, two, 2);
    PLAY(&p, true, EX_TEMPFAIL, "the mail system refuses: 421 4.3.2 stopping\n" NOT_QUEUED,
         {"", "421 4.3.2 stopping\r\n"});
    assert_true(p.busy);
    PLAY(&p, true, EX_TEMPFAIL, "<c@d.example>: 421 4.3.2 stopping\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", OK},
         {"RCPT TO:<c@d.example>\r\n", "421 4.3.2 stopping\r\n"});
    assert_false(p.busy);
}

static void a_connection_that_breaks_leaves_nothing_queued(void **state)
{
    struct play p;
    set_up(&p, two, 1);
    PLAY(&p, false, EX_TEMPFAIL, "the mail system closed the connection\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", OK}, {"RCPT TO:<c@d.example>\r\n", ""});
    PLAY(&p, false, EX_TEMPFAIL,
         "line 1 of the reply does not begin with a reply code: \"SSH-2.0-x\"\n" NOT_QUEUED,
         {"", "SSH-2.0-x\r\n"});
}

static void a_lost_last_reply_is_told_as_what_it_is(void **state)
{
    struct play p;
    set_up(&p, two, 1);
    PLAY(&p, false, EX_TEMPFAIL,
         "the mail system closed the connection\n"
         "it is not known whether the message was queued\n",
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", OK}, {"RCPT TO:<c@d.example>\r\n", OK},
         {"DATA\r\n", "354 go\r\n"}, {"Subject: x\r\n\r\n..\r\ny\r\n.\r\n", ""});
    assert_false(p.busy); /* to try again could send it twice */
    PLAY(&p, false, EX_TEMPFAIL,
         "the message is refused: 451 4.3.0 the queue went away\n"
         "it is not known whether the message was queued\n",
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", OK}, {"RCPT TO:<c@d.example>\r\n", OK},
         {"DATA\r\n", "354 go\r\n"},
         {"Subject: x\r\n\r\n..\r\ny\r\n.\r\n", "451 4.3.0 the queue went away\r\n"});
    assert_false(p.busy);
}

static void what_is_queued_stays_queued_though_the_server_is_rude_then(void **state)
{
    struct play p;
    set_up(&p, two, 1);
    PLAY(&p, false, EX_OK, "", {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", OK},
         {"RCPT TO:<c@d.example>\r\n", OK}, {"DATA\r\n", "354 go\r\n"},
         {"Subject: x\r\n\r\n..\r\ny\r\n.\r\n", OK});
}

static void a_server_that_gives_up_amid_the_message_is_heard(void **state)
{
    enum { LARGE = 8 << 20 };
    struct play p;
    unsigned char *large = mem_alloc(LARGE);
    memset(large, 'x', LARGE);
    set_up(&p, two, 1);
    p.job.body = span_of(large, LARGE);
    PLAY(&p, false, EX_UNAVAILABLE, "the message is refused: 552 5.3.4 too large\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", OK}, {"RCPT TO:<c@d.example>\r\n", OK},
         {"DATA\r\n", "354 go\r\n"}, {"Subject: x\r\n", "552 5.3.4 too large\r\n"});
    PLAY(&p, false, EX_PROTOCOL, "the message is refused: 250 2.0.0 ok\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {MAIL "\r\n", OK}, {"RCPT TO:<c@d.example>\r\n", OK},
         {"DATA\r\n", "354 go\r\n"}, {"Subject: x\r\n", OK});
    mem_free(&large);
}

static void what_the_server_lacks_is_found_before_anything_is_sent(void **state)
{
    struct play p;
    set_up(&p, two, 1);
    p.mail.requiretls = true;
    PLAY(&p, true, EX_UNAVAILABLE, "the mail system does not offer REQUIRETLS\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {END, BYE});
    set_up(&p, two, 1);
    p.mail.has_hold_until = true;
    PLAY(&p, true, EX_UNAVAILABLE, "the mail system does not offer to hold messages\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {END, BYE});
    set_up(&p, two, 1);
    p.envelope.utf8 = true;
    PLAY(&p, true, EX_UNAVAILABLE, "the mail system does not take addresses in UTF-8\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, PLAIN}, {END, BYE});
    set_up(&p, two, 1);
    PLAY(&p, true, EX_UNAVAILABLE, "the message is larger than the mail system takes\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, "250-peer\r\n250 SIZE 19\r\n"}, {END, BYE});
    set_up(&p, two, 2);
    PLAY(&p, true, EX_UNAVAILABLE,
         "there are more recipients than the mail system takes with one message\n" NOT_QUEUED,
         {"", "220 peer\r\n"}, {EHLO, "250-peer\r\n250 LIMITS RCPTMAX=1\r\n"}, {END, BYE});
}

static void smtputf8_is_asked_for_where_an_address_needs_it(void **state)
{
    struct play p;
    set_up(&p, two, 1);
    p.envelope.utf8 = true;
    PLAY(&p, true, EX_NOUSER, "<c@d.example>: 550 5.1.1 no\n" NOT_QUEUED, {"", "220 peer\r\n"},
         {EHLO, "250-peer\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"},
         {MAIL " BODY=8BITMIME SMTPUTF8\r\n", OK},
         {"RCPT TO:<c@d.example>\r\n", "550 5.1.1 no\r\n"}, {END, BYE});
    set_up(&p, two, 1);
    p.envelope.utf8 = p.job.smtputf8_off = true;
    PLAY(&p, true, EX_NOUSER, "<c@d.example>: 550 5.1.1 no\n" NOT_QUEUED, {"", "220 peer\r\n"},
         {EHLO, "250-peer\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"}, {MAIL "\r\n", OK},
         {"RCPT TO:<c@d.example>\r\n", "550 5.1.1 no\r\n"}, {END, BYE});
}

/* More recipients than go at once, all refused: complaints and time stay bounded. */
static void thousands_of_refusals_are_counted_rather_than_shown(void **state)
{
    enum { MANY = 1000 };
    struct play p;
    struct buf commands = {0}, replies = {0};
    char **recipients = mem_array(MANY, sizeof *recipients);
    struct sm_link link;
    pid_t pid;
    for (size_t i = 0; i < MANY; i++) {
        recipients[i] = mem_format("%zu@d.example", i);
        if (i == 500) { /* the first group ends */
            buf_putc(&commands, '\0');
            buf_putc(&replies, '\0');
        }
        buf_putf(&commands, "RCPT TO:<%zu@d.example>\r\n", i);
        buf_puts(&replies, "550 5.1.1 there is nobody here of that name, nor ever was\r\n");
    }
    set_up(&p, recipients, MANY);
    const char *first = buf_text(&commands), *first_replies = buf_text(&replies);
    const struct sm_peer_step steps[] = {
        {"", "220 peer\r\n"},
        {EHLO, PIPELINING},
        {MAIL "\r\n", OK},
        {first, first_replies},
        {first + strlen(first) + 1, first_replies + strlen(first_replies) + 1},
        {END, BYE}};
    sm_link_adopt(&link, sm_peer_start(steps, 6, 1, &pid), NULL);
    assert_int_equal(sm_session_run(&link, &p.job, &p.complaints, &p.busy), EX_NOUSER);
    sm_link_close(&link);
    sm_peer_end(pid);
    assert_in_range(p.complaints.n, 60000, 70000);
    assert_non_null(strstr(buf_text(&p.complaints), " more are refused\n" NOT_QUEUED));
    for (size_t i = 0; i < MANY; i++)
        mem_free(&recipients[i]);
    mem_free(&recipients);
    buf_free(&commands);
    buf_free(&replies);
    buf_free(&p.complaints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_handed_over_step_by_step),
        cmocka_unit_test(commands_go_together_where_the_server_takes_that),
        cmocka_unit_test(parameters_are_those_that_the_server_offers),
        cmocka_unit_test(one_refused_recipient_is_enough_for_nothing_to_be_queued),
        cmocka_unit_test(every_refusal_is_told_and_a_permanent_one_decides),
        cmocka_unit_test(a_refused_sender_ends_it_with_replies_unread),
        cmocka_unit_test(a_full_disk_is_a_temporary_failure_wherever_it_shows),
        cmocka_unit_test(what_may_be_over_in_a_moment_is_told),
        cmocka_unit_test(a_server_that_shuts_down_is_left_alone),
        cmocka_unit_test(a_connection_that_breaks_leaves_nothing_queued),
        cmocka_unit_test(a_lost_last_reply_is_told_as_what_it_is),
        cmocka_unit_test(what_is_queued_stays_queued_though_the_server_is_rude_then),
        cmocka_unit_test(a_server_that_gives_up_amid_the_message_is_heard),
        cmocka_unit_test(what_the_server_lacks_is_found_before_anything_is_sent),
        cmocka_unit_test(smtputf8_is_asked_for_where_an_address_needs_it),
        cmocka_unit_test(thousands_of_refusals_are_counted_rather_than_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
