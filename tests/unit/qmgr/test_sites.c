#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>

#include "proto_submit.h"
#include "sites.h"
#include "world.h"

#define START 5
#define MOST 8
#define PAUSE 60000

static struct window w;
static struct sites sites;
static struct destination *d;
static struct server *server; /* where the deliveries that note_at ends went; NULL: to d itself */
static struct settings *settings;

/* A destination that has something in the window, until drop. */
static struct destination *reach(uint64_t hash)
{
    struct stream *s = window_reach(&w, (struct stream_id){hash, 0}, DUE_FIRST);
    struct destination *its = s->destination;
    window_note_more(s, 1, 1);
    window_update(&w, s);
    return its;
}

static void drop(uint64_t hash)
{
    struct stream *s = window_reach(&w, (struct stream_id){hash, 0}, DUE_FIRST);
    s->more.any = false;
    window_update(&w, s);
}

static int open_sites(void **state)
{
    window_init(&w);
    window_limit(&w, START, MOST);
    sites_init(&sites, &w);
    d = reach(7);
    server = NULL;
    settings =
        world_settings("queue { destination-concurrency-start 5  destination-concurrency 8 }\n"
                       "transport other { submission { host smtp.relay.example  port 587 } }\n"
                       "transport narrow { smtp { host 192.0.2.1  connections 3 } }\n"
                       "transport store { lmtp { socket /run/lmtp } }\n"
                       "transport mx { direct { } }\n"
                       "transport proxy { socks { address 192.0.2.9:1080 } }\n"
                       "transport none { fail { } }\n");
    return 0;
}

static int close_sites(void **state)
{
    sites_clear(&sites);
    window_clear(&w);
    settings_drop(&settings);
    return sites.n == 0 ? 0 : -1;
}

/* One of so many deliveries ended like this. */
static bool note_at(unsigned inflight, enum deliver_status status, const char *stage, uint16_t code,
                    int64_t now_ms)
{
    struct deliver_result r = deliver_result_new(1, status);
    r.code = code;
    submit_set(&r.stage, stage);
    submit_set(&r.enhanced, "4.4.1");
    submit_set(&r.error, "timed out");
    if (code != 0)
        submit_set(&r.reply, "421-4.3.2 too\n421 4.3.2 busy");
    d->site.inflight = inflight - 1;
    if (server != NULL)
        server->site.inflight = server->inflight[DUE_FIRST] = inflight - 1;
    bool suspended = sites_note(&sites, d, server, server != NULL ? server->transport : "direct",
                                DUE_FIRST, &r, 1, now_ms, PAUSE) != NULL;
    deliver_result_clear(&r);
    d->site.inflight = 0;
    if (server != NULL)
        server->site.inflight = server->inflight[DUE_FIRST] = 0;
    window_update_destination(&w, d);
    return suspended;
}

static bool fail_at(int64_t now_ms)
{
    return note_at(d->site.limit, DELIVER_DEFERRED, "connect", 0, now_ms);
}

static void suspend_at(int64_t now_ms)
{
    for (int i = 0; i < 4; i++)
        assert_false(fail_at(now_ms)); /* 5 to 2, 2 to 1, and twice */
    assert_int_equal(d->site.limit, 1);
    assert_true(fail_at(now_ms));
}

static void test_it_grows_by_what_was_in_use_up_to_the_most(void **state)
{
    assert_int_equal(d->site.limit, START);
    (void)note_at(START - 1, DELIVER_DONE, "", 250, 0);
    assert_int_equal(d->site.limit, START);
    for (unsigned expected = START + 1; expected <= MOST; expected++) {
        (void)note_at(d->site.limit, DELIVER_DONE, "", 250, 0);
        assert_int_equal(d->site.limit, expected);
    }
    (void)note_at(MOST, DELIVER_DONE, "", 250, 0);
    assert_int_equal(d->site.limit, MOST);
}

static void test_what_a_result_says_of_the_destination(void **state)
{
    static const struct {
        enum deliver_status status;
        const char *stage;
        uint16_t code;
        unsigned limit; /* afterwards */
    } cases[] = {
        {DELIVER_DONE, "", 250, START + 1},
        {DELIVER_DONE, "", 0, START + 1},
        {DELIVER_FAILED, "rcpt", 550, START + 1},
        {DELIVER_DEFERRED, "rcpt", 451, START + 1},
        {DELIVER_DEFERRED, "dot", 452, START + 1},
        {DELIVER_DEFERRED, "dns", 0, START / 2},
        {DELIVER_DEFERRED, "connect", 0, START / 2},
        {DELIVER_DEFERRED, "greeting", 0, START / 2},
        {DELIVER_DEFERRED, "greeting", 450, START / 2},
        {DELIVER_DEFERRED, "ehlo", 0, START / 2},
        {DELIVER_DEFERRED, "starttls", 0, START / 2},
        {DELIVER_DEFERRED, "mail", 421, START / 2},
        {DELIVER_DEFERRED, "rcpt", 421, START / 2},
        {DELIVER_FAILED, "dns", 0, START},     /* no such domain */
        {DELIVER_DEFERRED, "data", 0, START},  /* broken off: it may have been anything */
        {DELIVER_DEFERRED, "agent", 0, START}, /* our own trouble */
        {DELIVER_DEFERRED, "maildir", 0, START},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        d->site.limit = START;
        (void)note_at(START, cases[i].status, cases[i].stage, cases[i].code, 0);
        if (d->site.limit != cases[i].limit)
            fail_msg("case %zu: %u", i, d->site.limit);
    }
}

static void test_of_several_recipients_one_that_was_heard_counts(void **state)
{
    struct deliver_result r[3];
    for (int i = 0; i < 3; i++)
        r[i] = deliver_result_new((uint64_t)i, DELIVER_DEFERRED);
    r[1].status = DELIVER_DONE;
    submit_set(&r[0].stage, "connect");
    submit_set(&r[2].stage, "connect");
    d->site.inflight = START - 1;
    (void)sites_note(&sites, d, NULL, "direct", DUE_FIRST, r, 3, 0, PAUSE);
    assert_int_equal(d->site.limit, START + 1);
    (void)sites_note(&sites, d, NULL, "direct", DUE_FIRST, &r[2], 1, 0, PAUSE);
    assert_int_equal(d->site.limit, (START + 1) / 2);
    (void)sites_note(&sites, d, NULL, "direct", DUE_FIRST, r, 0, 0, PAUSE);
    assert_int_equal(d->site.limit, (START + 1) / 2);
    d->site.inflight = 0;
    for (int i = 0; i < 3; i++)
        deliver_result_clear(&r[i]);
}

static void test_several_failures_in_a_row_at_one_suspend_it(void **state)
{
    suspend_at(1000);
    const struct pause *p = sites_pause(d, NULL, "direct", 1000 + PAUSE - 1);
    assert_non_null(p);
    assert_string_equal(p->why, "delivery temporarily suspended: timed out");
    assert_string_equal(p->enhanced, "4.4.1");
    assert_string_equal(p->stage, "connect");
    assert_null(sites_pause(d, NULL, "relay", 1000));
    assert_null(sites_pause(d, NULL, "direct", 1000 + PAUSE));
    assert_null(sites_pause(d, NULL, "direct", 999)); /* the clock was set back */
    /* It was tried again with one, which failed. */
    sites_expire(&sites, 1000 + PAUSE);
    assert_null(d->site.pause);
    assert_true(fail_at(1000 + PAUSE));
    assert_int_equal(sites.n, 1);
    /* Or did not, as one that was still under way: it begins anew. */
    (void)note_at(1, DELIVER_DONE, "", 250, 1000 + PAUSE);
    assert_null(d->site.pause);
    assert_int_equal(d->site.limit, 2);
    assert_false(fail_at(2000 + PAUSE));
    assert_false(fail_at(2000 + PAUSE));
    assert_false(fail_at(2000 + PAUSE));
    assert_true(fail_at(2000 + PAUSE));
}

static void test_the_reason_of_a_server_is_its_first_line(void **state)
{
    d->site.limit = 1;
    for (int i = 0; i < 3; i++)
        (void)note_at(1, DELIVER_DEFERRED, "greeting", 421, 0);
    assert_string_equal(sites_pause(d, NULL, "direct", 0)->why,
                        "delivery temporarily suspended: 421-4.3.2 too");
}

static void test_without_a_time_nothing_is_suspended(void **state)
{
    struct deliver_result r = deliver_result_new(1, DELIVER_DEFERRED);
    submit_set(&r.stage, "connect");
    for (int i = 0; i < 100; i++)
        assert_null(sites_note(&sites, d, NULL, "direct", DUE_FIRST, &r, 1, 0, 0));
    assert_int_equal(d->site.limit, 1);
    deliver_result_clear(&r);
}

static void test_only_a_suspended_destination_is_remembered_without_work(void **state)
{
    suspend_at(0);
    drop(7);
    assert_ptr_equal(window_destination(&w, 7), d);
    sites_expire(&sites, PAUSE - 1);
    assert_ptr_equal(window_destination(&w, 7), d);
    sites_expire(&sites, PAUSE);
    assert_null(window_destination(&w, 7));
    d = reach(7);
    assert_int_equal(d->site.limit, START);
    suspend_at(0);
    drop(7);
    sites_forgive(&sites);
    assert_null(window_destination(&w, 7));
}

static void test_so_many_are_remembered_and_the_oldest_is_forgotten(void **state)
{
    for (uint64_t hash = 100; hash < 100 + 5000; hash++) {
        d = reach(hash);
        suspend_at((int64_t)hash);
        drop(hash);
    }
    assert_int_equal(sites.n, 4096);
    assert_null(window_destination(&w, 100));
    assert_null(window_destination(&w, 5099 - 4096));
    assert_non_null(window_destination(&w, 5100 - 4096));
    assert_non_null(window_destination(&w, 5099));
}

/* ---- the one server of a transport ---- */

static struct server *server_of(const char *transport)
{
    return sites_server(&sites, settings, transport);
}

static void test_a_transport_to_one_server_has_a_place_of_its_own(void **state)
{
    static const char *const others[] = {"direct", "local", "mx", "proxy", "none", "no such"};
    struct server *relay = server_of("relay");
    assert_non_null(relay);
    assert_string_equal(relay->host, "smtp.relay.example");
    assert_int_equal(relay->port, 587);
    assert_int_equal(relay->most, 100);
    assert_int_equal(relay->site.limit, START);
    assert_ptr_equal(server_of("relay"), relay);
    assert_ptr_not_equal(server_of("other"), relay); /* the same host, by another way */
    assert_string_equal(server_of("store")->host, "");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_null(server_of(others[i]));
}

static void test_destinations_of_a_server_that_is_down_are_suspended_together(void **state)
{
    struct server *relay = server = server_of("relay");
    for (uint64_t hash = 10; hash < 14; hash++) {
        d = reach(hash);
        assert_false(note_at(5, DELIVER_DEFERRED, "connect", 0, 1000));
        assert_int_equal(d->site.limit, START); /* nothing was learned of the destination */
    }
    d = reach(14);
    assert_true(note_at(1, DELIVER_DEFERRED, "connect", 0, 1000));
    d = reach(15); /* which was not tried at all */
    const struct pause *p = sites_pause(d, relay, "relay", 1000);
    assert_non_null(p);
    assert_string_equal(p->why, "delivery temporarily suspended: timed out");
    assert_null(sites_pause(d, NULL, "direct", 1000));
    assert_null(sites_pause(d, server_of("other"), "other", 1000));
    assert_int_equal(sites_room(relay, DUE_FIRST, true), 1);
    /* When the time is over one is tried, whoever it is for. */
    sites_expire(&sites, 1000 + PAUSE);
    assert_null(sites_pause(d, relay, "relay", 1000 + PAUSE));
    assert_int_equal(sites_room(relay, DUE_FIRST, true), 1);
    assert_true(note_at(1, DELIVER_DEFERRED, "greeting", 0, 1000 + PAUSE));
    assert_non_null(sites_pause(reach(10), relay, "relay", 1000 + PAUSE));
    (void)note_at(1, DELIVER_DONE, "", 250, 1000 + PAUSE);
    assert_null(sites_pause(d, relay, "relay", 1000 + PAUSE));
    assert_int_equal(sites_room(relay, DUE_FIRST, true), 2);
}

static void test_a_server_has_more_up_to_its_connections_and_a_destination_to_its_own(void **state)
{
    server = server_of("relay");
    for (unsigned expected = START + 1; expected <= 100; expected++) {
        (void)note_at(server->site.limit, DELIVER_DONE, "", 250, 0);
        assert_int_equal(server->site.limit, expected);
        assert_int_equal(d->site.limit, expected < MOST ? expected : MOST);
    }
    (void)note_at(100, DELIVER_DONE, "", 250, 0);
    assert_int_equal(server->site.limit, 100);
    server->site.inflight = 98;
    assert_int_equal(sites_room(server, DUE_FIRST, true), 2);
    server->site.inflight = 0;
    assert_int_equal(sites_room(server_of("narrow"), DUE_FIRST, true),
                     3); /* before it is known, too */
    assert_int_equal(sites_room(NULL, DUE_FIRST, true), UINT_MAX);
}

static void test_a_destination_keeps_what_is_known_of_its_own_hosts(void **state)
{
    suspend_at(0); /* directly */
    server = server_of("relay");
    (void)note_at(1, DELIVER_DONE, "", 250, 0);
    assert_non_null(sites_pause(d, NULL, "direct", 0));
    assert_null(sites_pause(d, server, "relay", 0));
}

static void test_servers_are_forgotten_when_nothing_is_on_its_way_to_them(void **state)
{
    struct server *relay = server = server_of("relay"), *other = server_of("other");
    server->site.limit = 1;
    for (int i = 0; i < 3; i++)
        (void)note_at(1, DELIVER_DEFERRED, "connect", 0, 0);
    assert_non_null(relay->site.pause);
    other->site.limit = 3;
    other->site.inflight = 1;
    sites_forgive(&sites);
    server = server_of("relay");
    assert_null(server->site.pause);
    assert_int_equal(server->site.limit, START);
    assert_ptr_equal(server_of("other"), other);
    assert_int_equal(other->site.limit, 3);
    other->site.inflight = 0;
}

static void test_a_server_stays_suspended_however_many_destinations_are(void **state)
{
    struct server *relay = server = server_of("relay");
    relay->site.limit = 1;
    for (int i = 0; i < 3; i++)
        (void)note_at(1, DELIVER_DEFERRED, "connect", 0, 0);
    server = NULL;
    for (uint64_t hash = 100; hash < 100 + 5000; hash++) {
        d = reach(hash);
        suspend_at(1);
        drop(hash);
    }
    assert_int_equal(sites.n, 4096);
    assert_non_null(sites_pause(d, relay, "relay", 1));
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, open_sites, close_sites)
    const struct CMUnitTest tests[] = {
        EACH(test_it_grows_by_what_was_in_use_up_to_the_most),
        EACH(test_what_a_result_says_of_the_destination),
        EACH(test_of_several_recipients_one_that_was_heard_counts),
        EACH(test_several_failures_in_a_row_at_one_suspend_it),
        EACH(test_the_reason_of_a_server_is_its_first_line),
        EACH(test_without_a_time_nothing_is_suspended),
        EACH(test_only_a_suspended_destination_is_remembered_without_work),
        EACH(test_so_many_are_remembered_and_the_oldest_is_forgotten),
        EACH(test_a_transport_to_one_server_has_a_place_of_its_own),
        EACH(test_destinations_of_a_server_that_is_down_are_suspended_together),
        EACH(test_a_server_has_more_up_to_its_connections_and_a_destination_to_its_own),
        EACH(test_a_destination_keeps_what_is_known_of_its_own_hosts),
        EACH(test_servers_are_forgotten_when_nothing_is_on_its_way_to_them),
        EACH(test_a_server_stays_suspended_however_many_destinations_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
