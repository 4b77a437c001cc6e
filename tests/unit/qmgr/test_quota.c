#include "world.h"

#include <stdio.h>

#include "clock.h"
#include "mem.h"
#include "quota.h"
#include "tables.h"

#define HOUR 3600000ll

static uint64_t send_as(enum submit_origin origin, const char *account, unsigned first, unsigned n)
{
    struct submit_envelope *e = world_envelope("app@example.org", NULL);
    e->origin = origin;
    submit_set(&e->account, account);
    for (unsigned i = first; i < first + n; i++) {
        char address[40];
        (void)snprintf(address, sizeof address, "user%u@d.example", i);
        (void)submit_add_recipient(e, address);
    }
    return world_submit(e, "Subject: x\r\n\r\n");
}

static void open_limited(const char *limits)
{
    char more[300];
    (void)snprintf(more, sizeof more,
                   "account app { address app@example.org  %s }\n"
                   "account free { address free@example.org }\n",
                   limits);
    world_open(more);
    world.direct.on_job = agent_keeps;
}

static void refused_for(enum submit_why why)
{
    assert_false(world_reply.accepted);
    assert_int_equal(world_reply.code, 451);
    assert_int_equal(world_reply.why, why);
}

static void test_messages_of_a_day_whatever_their_way(void **state)
{
    open_limited("messages-per-day 10");
    assert_true(send_as(SUBMIT_WEBAPI, "app", 0, 4) != 0);
    assert_true(send_as(SUBMIT_SUBMISSION, "app", 0, 4) != 0);
    assert_int_equal(send_as(SUBMIT_LOCAL, "app", 0, 3), 0);
    refused_for(SUBMIT_WHY_MESSAGE_LIMIT);
    assert_true(send_as(SUBMIT_LOCAL, "app", 0, 2) != 0);
    assert_int_equal(send_as(SUBMIT_WEBAPI, "app", 0, 1), 0);
    /* What comes from a stranger to the account is not sent by it. */
    assert_true(send_as(SUBMIT_SMTP, "app", 0, 1) != 0);
    assert_true(send_as(SUBMIT_WEBAPI, "free", 0, 100) != 0);
    world_restart(false);
    assert_int_equal(send_as(SUBMIT_WEBAPI, "app", 0, 1), 0);
    clock_step(23 * HOUR);
    assert_int_equal(send_as(SUBMIT_WEBAPI, "app", 0, 1), 0);
    clock_step(3 * HOUR);
    assert_true(send_as(SUBMIT_WEBAPI, "app", 0, 10) != 0);
    assert_int_equal(send_as(SUBMIT_WEBAPI, "app", 0, 1), 0);
}

static void test_recipients_that_are_new(void **state)
{
    open_limited("new-recipients-per-day 5");
    assert_true(send_as(SUBMIT_WEBAPI, "app", 0, 5) != 0);
    assert_true(send_as(SUBMIT_WEBAPI, "app", 0, 5) != 0);
    assert_int_equal(send_as(SUBMIT_WEBAPI, "app", 4, 2), 0);
    refused_for(SUBMIT_WHY_RECIPIENT_LIMIT);
    clock_step(26 * HOUR);
    assert_true(send_as(SUBMIT_WEBAPI, "app", 4, 6) != 0);
    assert_int_equal(send_as(SUBMIT_WEBAPI, "app", 20, 1), 0);
    /* After a year without mail they are new again, and forgotten. */
    clock_step(QUOTA_KNOWN_MS + HOUR);
    assert_true(send_as(SUBMIT_WEBAPI, "app", 0, 5) != 0);
    assert_int_equal(send_as(SUBMIT_WEBAPI, "app", 5, 1), 0);
}

static void test_hours_and_recipients_are_forgotten(void **state)
{
    open_limited("messages-per-day 1000000");
    for (int i = 0; i < 100; i++) {
        assert_true(send_as(SUBMIT_WEBAPI, "app", 0, 1) != 0);
        clock_step(HOUR);
    }
    assert_true(world_rows(TABLE_SENT) <= QUOTA_HOURS + 2 + 1);
    assert_true(send_as(SUBMIT_WEBAPI, "app", 0, 1000) != 0);
    clock_step(QUOTA_KNOWN_MS + HOUR);
    for (int i = 0; i < 60; i++) {
        assert_true(send_as(SUBMIT_WEBAPI, "app", 0, 1) != 0);
        clock_step(HOUR);
    }
    assert_true(world_rows(TABLE_SENT) < 40);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_messages_of_a_day_whatever_their_way),
        BARE_TEST(test_recipients_that_are_new),
        BARE_TEST(test_hours_and_recipients_are_forgotten),
    };
    return WORLD_MAIN(argc, argv, tests);
}
