#include "lab.h"

#include <string.h>

#include "mem.h"
#include "pool.h"

/* Connections that are used again, and how many there are at once. */

#define DELIVERED "delivered 250 2.0.0 dot [250 2.0.0 queued]"
#define FIRST                                                                                      \
    "1 EHLO us.test\n1 MAIL FROM:<from@us.test> SIZE=22\n1 RCPT TO:<r0@example.net>\n1 DATA\n"
#define AGAIN(n) n " MAIL FROM:<from@us.test> SIZE=22\n" n " RCPT TO:<r0@example.net>\n" n " DATA\n"

static int setup(void **state)
{
    lab_open_direct("idle-timeout 1m");
    names_add(&lab.names, "example.net", "A", "127.0.0.1");
    names_add(&lab.names, "example.org", "A", "127.0.0.1");
    names_add(&lab.names, "example.com", "A", "127.0.0.1");
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

static void deliver_to(const char *destination)
{
    struct order o = {.destination = destination};
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    order_free(&o);
}

static void deliver(void)
{
    deliver_to("example.net");
}

static void the_next_message_goes_over_the_same_connection(void **state)
{
    deliver();
    deliver();
    deliver();
    assert_commands(&lab.peer, FIRST AGAIN("1") AGAIN("1"));
    assert_int_equal(lab.counters[COUNT_REUSED], 2);
    assert_int_equal(lab_connections(), 1);
    assert_int_equal(lab.counters[GAUGE_SESSIONS], 1);
}

static void another_destination_has_its_own(void **state)
{
    deliver_to("example.net");
    deliver_to("example.org");
    deliver_to("example.net");
    assert_int_equal(lab.peer.opened, 2);
    assert_int_equal(lab.counters[COUNT_REUSED], 1);
}

static void over_a_smarthost_all_destinations_share_it(void **state)
{
    lab.agent.label = "relay";
    lab_reload("transport relay { smtp { host 127.0.0.1  port %d  tls none  idle-timeout 1m } }\n",
               lab.peer.port);
    deliver_to("example.net");
    deliver_to("example.org");
    assert_int_equal(lab.peer.opened, 1);
    assert_int_equal(lab.counters[COUNT_REUSED], 1);
}

/* RFC 9422: it goes on serving the domain it has served. */
static void a_smarthost_that_counts_domains_has_a_connection_for_each(void **state)
{
    lab.agent.label = "relay";
    lab.peer.extensions = "PIPELINING\nLIMITS RCPTDOMAINMAX=1";
    lab_reload("transport relay { smtp { host 127.0.0.1  port %d  tls none  idle-timeout 1m } }\n",
               lab.peer.port);
    deliver_to("example.net");
    deliver_to("example.org");
    deliver_to("example.net");
    deliver_to("example.org");
    assert_int_equal(lab.peer.opened, 2);
    assert_int_equal(lab.counters[COUNT_REUSED], 2);
}

static void pass(const char *destination)
{
    struct order o = {.destination = destination};
    order_run(&o);
    order_free(&o);
}

/* Each of these is a place of its own, whatever address they lead to: another domain on the same
 * host, the host's address as a literal, and a domain whose name has the other as its beginning. */
static void no_two_destinations_share_one(void **state)
{
    static const char *const all[] = {"example.net", "example.org", "[127.0.0.1]", "example.ne"};
    enum { ALL = sizeof all / sizeof all[0] };
    names_add(&lab.names, "example.ne", "A", "127.0.0.1");
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ALL; i++)
            pass(all[i]);
        assert_int_equal(lab.peer.opened, ALL);
        assert_int_equal(lab.counters[COUNT_REUSED], round * ALL);
    }
}

/* What the new one asks for is what counts, the source address too. */
static void another_source_address_is_another_connection(void **state)
{
    lab_reload_direct("idle-timeout 1m  source-address 127.0.0.2");
    deliver();
    assert_string_equal(lab.peer.last_client, "127.0.0.2");
    lab_reload_direct("idle-timeout 1m  source-address 127.0.0.3");
    deliver();
    assert_string_equal(lab.peer.last_client, "127.0.0.3");
    deliver();
    assert_int_equal(lab.peer.opened, 2);
    assert_int_equal(lab.counters[COUNT_REUSED], 1);
}

static void it_is_used_after_refusals_too(void **state)
{
    struct order o = {0};
    peer_say(&lab.peer, SAY_RCPT, "550 5.1.1 no", "250 ok", NULL);
    peer_say(&lab.peer, SAY_DATA, "503 5.5.1 no", "354 go", NULL);
    order_run(&o);
    assert_outcome(&o, 0, "failed 550 5.1.1 rcpt [550 5.1.1 no]");
    deliver();
    assert_int_equal(lab.peer.opened, 1);
    order_free(&o);
}

static void one_that_ended_while_it_idled_is_missed_by_nobody(void **state)
{
    deliver();
    peer_hang_up(&lab.peer);
    deliver();
    assert_int_equal(lab.peer.opened, 2);
    peer_hang_up(&lab.peer);
    lab_settle();
    assert_int_equal(lab.counters[GAUGE_SESSIONS], 0);
    deliver();
    assert_int_equal(lab.peer.opened, 3);
    assert_int_equal(lab.counters[COUNT_SESSIONS_FAILED], 0);
}

static void one_that_ends_as_we_speak_is_made_anew(void **state)
{
    static const char *const ends[] = {"!", "#", "!421 4.4.2 idle for too long", "rubbish"};
    for (size_t i = 0; i < 4; i++) {
        peer_reset(&lab.peer);
        peer_say(&lab.peer, SAY_MAIL, "250 ok", ends[i], "250 ok", NULL);
        deliver();
        deliver();
        assert_int_equal(lab.peer.opened, 2);
        assert_int_equal(lab.peer.messages, 2);
        peer_hang_up(&lab.peer);
        lab_settle();
    }
    assert_int_equal(lab.counters[COUNT_SESSIONS_FAILED], 0);
}

static void one_that_ends_later_on_is_not(void **state)
{
    struct order o = {0};
    peer_say(&lab.peer, SAY_RCPT, "250 ok", "!", NULL);
    deliver();
    order_run(&o);
    assert_outcome(&o, 0, "deferred 0 4.4.2 rcpt (closed by the peer)");
    assert_int_equal(lab.peer.opened, 1);
    order_free(&o);
}

static void nothing_said_in_between_counts_as_an_answer(void **state)
{
    static const char *const words[] = {"250 2.0.0 queued", "421 4.4.2 bye", "!421 4.4.2 bye",
                                        "354 go"};
    for (size_t i = 0; i < 4; i++) {
        struct order o = {0};
        peer_reset(&lab.peer);
        deliver();
        /* Behind the order, so that it lies unread in the socket; a refusal is the true answer. */
        peer_say(&lab.peer, SAY_MAIL, "550 5.7.1 no", NULL);
        order_send(&o);
        peer_interject(&lab.peer, words[i]);
        RUN_UNTIL(o.done);
        assert_outcome(&o, 0, "failed 550 5.7.1 mail [550 5.7.1 no]");
        assert_int_equal(lab.peer.opened, 2);
        order_free(&o);
        peer_hang_up(&lab.peer);
        lab_settle();
    }
}

static void who_says_more_than_it_was_asked_is_not_used_again(void **state)
{
    peer_say(&lab.peer, SAY_DOT, "250 2.0.0 queued\n250 2.1.0 sender ok", NULL);
    peer_say(&lab.peer, SAY_MAIL, "250 ok", "550 5.7.1 no", NULL);
    deliver();
    struct order o = {0};
    order_run(&o);
    assert_outcome(&o, 0, "failed 550 5.7.1 mail [550 5.7.1 no]");
    assert_int_equal(lab.peer.opened, 2);
    order_free(&o);
}

static void nor_when_the_next_one_waits_already(void **state)
{
    struct order first = {0}, second = {0};
    lab_reload_direct("connections 1");
    peer_say(&lab.peer, SAY_DOT, "* 250 2.0.0 queued\n250 2.1.0 sender ok", "250 2.0.0 none", NULL);
    peer_say(&lab.peer, SAY_MAIL, "250 ok", "550 5.7.1 no", NULL);
    order_send(&first);
    RUN_UNTIL(lab.peer.held == 1);
    order_send(&second);
    RUN_UNTIL(lab.agent.jobs == 2);
    peer_release(&lab.peer);
    RUN_UNTIL(first.done && second.done);
    assert_outcome(&first, 0, DELIVERED);
    assert_outcome(&second, 0, "failed 550 5.7.1 mail [550 5.7.1 no]");
    order_free(&first);
    order_free(&second);
}

static void the_one_after_a_spent_one_is_a_fresh_one(void **state)
{
    struct order o = {.n = 2};
    lab.peer.extensions = "PIPELINING\nLIMITS RCPTMAX=1 MAILMAX=2";
    peer_say(&lab.peer, SAY_GREETING, "220 hi", "!421 4.3.2 busy", NULL);
    deliver();
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_outcome(&o, 1,
                   "deferred 421 4.3.2 greeting [421 4.3.2 busy] (the server does not greet)");
    assert_int_equal(lab.peer.opened, 2);
    order_free(&o);
}

static void after_a_while_of_idleness_it_says_goodbye(void **state)
{
    lab_reload_direct("idle-timeout 10m");
    deliver();
    assert_int_equal(lab.counters[GAUGE_SESSIONS], 1);
    assert_true(lab_expire(10));
    RUN_UNTIL(lab.peer.closed == 1);
    assert_commands(&lab.peer, FIRST "1 QUIT\n");
    assert_int_equal(lab.counters[GAUGE_SESSIONS], 0);
}

static void an_idle_one_of_the_configuration_before_says_goodbye(void **state)
{
    deliver();
    lab_reload_direct("idle-timeout 1m");
    RUN_UNTIL(lab.peer.closed == 1);
    assert_commands(&lab.peer, FIRST "1 QUIT\n");
    deliver();
    assert_int_equal(lab.peer.opened, 2);
}

static void one_begun_under_the_configuration_before_is_not_kept(void **state)
{
    struct order o = {0};
    peer_say(&lab.peer, SAY_DOT, "* 250 2.0.0 queued", NULL);
    order_send(&o);
    RUN_UNTIL(lab.peer.held == 1);
    lab_reload_direct("idle-timeout 1m");
    peer_release(&lab.peer);
    RUN_UNTIL(o.done && lab.peer.closed == 1);
    assert_outcome(&o, 0, DELIVERED);
    assert_commands(&lab.peer, FIRST "1 QUIT\n");
    order_free(&o);
}

static void who_does_not_answer_quit_is_left_after_a_while(void **state)
{
    lab_reload_direct("idle-timeout 0  quit-timeout 20m");
    peer_say(&lab.peer, SAY_QUIT, "~", NULL);
    deliver();
    RUN_UNTIL(lab.peer.silent == 1);
    assert_true(lab_expire(20));
    RUN_UNTIL(lab.peer.closed == 1);
}

static void no_more_than_the_limit_are_open_at_once(void **state)
{
    enum { JOBS = 40 };
    struct order o[JOBS] = {{0}};
    lab_reload_direct("idle-timeout 1m  connections 3");
    peer_say(&lab.peer, SAY_DOT, "@5 250 2.0.0 queued", NULL);
    for (int i = 0; i < JOBS; i++) {
        o[i].destination = i % 2 == 0 ? "example.net" : "example.org";
        order_send(&o[i]);
    }
    for (int i = 0; i < JOBS; i++) {
        RUN_UNTIL(o[i].done);
        assert_outcome(&o[i], 0, DELIVERED);
        order_free(&o[i]);
    }
    assert_int_equal(lab.peer.messages, JOBS);
    /* One that says QUIT makes room at once. */
    assert_true(lab.peer.most >= 3 && lab.peer.most <= 6);
    assert_true(lab.counters[GAUGE_SESSIONS] <= 3);
}

static void an_idle_one_makes_room_for_another_destination(void **state)
{
    lab_reload_direct("idle-timeout 1m  connections 2");
    deliver_to("example.net");
    deliver_to("example.org");
    deliver_to("example.com");
    assert_int_equal(lab.counters[GAUGE_SESSIONS], 2);
    RUN_UNTIL(lab.peer.closed == 1);
    assert_non_null(strstr(buf_text(&lab.peer.commands), "1 QUIT\n"));
    /* The youngest are kept. */
    deliver_to("example.com");
    deliver_to("example.org");
    assert_int_equal(lab.peer.opened, 3);
}

/* Jobs wait behind one whose server is silent. */
static void wait_behind_a_silent_one(struct order *first, struct order *rest, size_t n)
{
    peer_say(&lab.peer, SAY_MAIL, "~", "250 ok", NULL);
    order_send(first);
    RUN_UNTIL(strstr(buf_text(&lab.peer.commands), "MAIL") != NULL);
    for (size_t i = 0; i < n; i++)
        order_send(&rest[i]);
    lab_settle();
    assert_false(rest[0].done);
}

static void a_reload_that_allows_more_lets_those_in_who_wait(void **state)
{
    struct order first = {0}, rest[5] = {{0}};
    lab_reload_direct("connections 1");
    wait_behind_a_silent_one(&first, rest, 5);
    lab_reload_direct("connections 10");
    for (size_t i = 0; i < 5; i++) {
        RUN_UNTIL(rest[i].done);
        assert_outcome(&rest[i], 0, DELIVERED);
        order_free(&rest[i]);
    }
    assert_false(first.done);
    peer_hang_up(&lab.peer);
    RUN_UNTIL(first.done);
    order_free(&first);
}

static void a_reload_to_another_kind_of_transport_leaves_nobody_waiting(void **state)
{
    struct order first = {0}, rest[5] = {{0}};
    lab_reload_direct("connections 1");
    wait_behind_a_silent_one(&first, rest, 5);
    lab.agent.label = "block";
    lab_reload("transport block { fail { } }\n");
    peer_hang_up(&lab.peer);
    for (size_t i = 0; i < 5; i++) {
        RUN_UNTIL(rest[i].done);
        assert_outcome(&rest[i], 0, DELIVERED);
        order_free(&rest[i]);
    }
    RUN_UNTIL(first.done);
    order_free(&first);
}

static void a_limit_made_smaller_is_kept_in_time(void **state)
{
    struct order o[12] = {{0}};
    lab_reload_direct("connections 6");
    peer_say(&lab.peer, SAY_DOT, "* 250 2.0.0 queued", "* 250 2.0.0 queued", "* 250 2.0.0 queued",
             "* 250 2.0.0 queued", "* 250 2.0.0 queued", "* 250 2.0.0 queued", "250 2.0.0 queued",
             NULL);
    for (int i = 0; i < 12; i++)
        order_send(&o[i]);
    RUN_UNTIL(lab.peer.held == 6);
    lab_reload_direct("connections 1");
    peer_release(&lab.peer);
    for (int i = 0; i < 12; i++) {
        RUN_UNTIL(o[i].done);
        assert_outcome(&o[i], 0, DELIVERED);
        order_free(&o[i]);
    }
}

/* Somebody whose turn is over as soon as it comes. */
struct brief {
    struct pool_wait wait; /* the first member */
    unsigned *turns;
};

static void on_brief_turn(struct pool_wait *w)
{
    static unsigned depth;
    struct brief *b = (struct brief *)w;
    (*b->turns)++;
    depth++;
    pool_leave(lab.agent.pool);
    assert_int_equal(depth, 1);
    depth--;
}

static void turns_that_end_at_once_do_not_end_inside_each_other(void **state)
{
    enum { MANY_TURNS = 200000 };
    struct brief *all = mem_array(MANY_TURNS, sizeof *all);
    unsigned turns = 0;
    struct order first = {0};
    lab_reload_direct("connections 1");
    peer_say(&lab.peer, SAY_MAIL, "~", NULL);
    order_send(&first);
    RUN_UNTIL(lab.peer.opened == 1);
    for (int i = 0; i < MANY_TURNS; i++) {
        all[i] = (struct brief){.wait = {.on_turn = on_brief_turn}, .turns = &turns};
        pool_enter(lab.agent.pool, &all[i].wait);
    }
    assert_int_equal(turns, 0);
    pool_cancel(lab.agent.pool, &all[0].wait);
    pool_cancel(lab.agent.pool, &all[MANY_TURNS / 2].wait);
    pool_cancel(lab.agent.pool, &all[MANY_TURNS - 1].wait);
    pool_cancel(lab.agent.pool, &all[MANY_TURNS - 1].wait);
    RUN_UNTIL(lab.peer.commands.n > 20);
    peer_hang_up(&lab.peer);
    RUN_UNTIL(turns == MANY_TURNS - 3);
    RUN_UNTIL(first.done);
    order_free(&first);
    mem_free(&all);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_next_message_goes_over_the_same_connection),
        TEST(another_destination_has_its_own),
        TEST(over_a_smarthost_all_destinations_share_it),
        TEST(a_smarthost_that_counts_domains_has_a_connection_for_each),
        TEST(no_two_destinations_share_one),
        TEST(another_source_address_is_another_connection),
        TEST(it_is_used_after_refusals_too),
        TEST(one_that_ended_while_it_idled_is_missed_by_nobody),
        TEST(one_that_ends_as_we_speak_is_made_anew),
        TEST(one_that_ends_later_on_is_not),
        TEST(nothing_said_in_between_counts_as_an_answer),
        TEST(who_says_more_than_it_was_asked_is_not_used_again),
        TEST(nor_when_the_next_one_waits_already),
        TEST(the_one_after_a_spent_one_is_a_fresh_one),
        TEST(after_a_while_of_idleness_it_says_goodbye),
        TEST(an_idle_one_of_the_configuration_before_says_goodbye),
        TEST(one_begun_under_the_configuration_before_is_not_kept),
        TEST(who_does_not_answer_quit_is_left_after_a_while),
        TEST(no_more_than_the_limit_are_open_at_once),
        TEST(an_idle_one_makes_room_for_another_destination),
        TEST(a_reload_that_allows_more_lets_those_in_who_wait),
        TEST(a_reload_to_another_kind_of_transport_leaves_nobody_waiting),
        TEST(a_limit_made_smaller_is_kept_in_time),
        TEST(turns_that_end_at_once_do_not_end_inside_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
