#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>

#include "responder.h"

/* Of lookups of one turn that are asked for at once, so many are under way. */
#define QUERIES_NEW (DNS_QUERIES_MAX - DNS_QUERIES_MAX / 8)
#define QUERIES_AGAIN (DNS_QUERIES_MAX / 2)
#define FEW_DESCRIPTORS 1500 /* lookups may have a fourth of what is left beside 200 */
#define FEW_LOOKUPS 325

struct caller {
    struct responder *r;
    unsigned called;
    enum dns_status last;
    struct dns_lookup *other; /* to be cancelled in the callback */
    unsigned again;           /* lookups to start from the callback, one after the other */
    const struct dns_result *held;
};

static void on_result(const struct dns_result *result, void *arg)
{
    struct caller *c = arg;
    c->called++;
    c->last = result->status;
    dns_cancel(&c->other);
    if (c->again > 0) {
        c->again--;
        (void)dns_lookup(c->r->dns, "a.example", DNS_A, DNS_NEW, on_result, c);
    }
}

static void on_hold(const struct dns_result *result, void *arg)
{
    struct caller *c = arg;
    c->called++;
    c->held = dnsresult_hold(result);
}

static void test_the_callback_comes_after_the_call_has_returned(void **state)
{
    struct caller c = {.r = *state};
    static const char *const names[] = {"a.example", "a.example",
                                        "a..example"}; /* asked, cached, refused */
    static const enum dns_status statuses[] = {DNS_OK, DNS_OK, DNS_BAD};
    for (unsigned i = 0; i < 3; i++) {
        assert_non_null(dns_lookup(c.r->dns, names[i], DNS_A, DNS_NEW, on_result, &c));
        assert_int_equal(c.called, i);
        responder_run(c.r, &c.called, i + 1);
        assert_int_equal(c.last, statuses[i]);
    }
    assert_int_equal(c.r->queries, 1);
}

static void test_a_cancelled_lookup_is_never_called_back(void **state)
{
    struct caller c = {.r = *state}, other = {.r = *state};
    struct dns_lookup *l = dns_lookup(c.r->dns, "a.example", DNS_A, DNS_NEW, on_result, &c);
    dns_cancel(&l); /* before anything was sent back */
    assert_null(l);
    dns_cancel(&l);
    l = dns_lookup(c.r->dns, "b..example", DNS_A, DNS_NEW, on_result, &c);
    dns_cancel(&l); /* when it was finished already */
    l = dns_lookup(c.r->dns, "b.example", DNS_A, DNS_NEW, on_result, &c);
    (void)dns_lookup(c.r->dns, "b.example", DNS_A, DNS_NEW, on_result, &other);
    dns_cancel(&l); /* one of two */
    responder_run(c.r, &other.called, 1);
    assert_int_equal(other.last, DNS_OK);
    assert_int_equal(c.called, 0);
}

static void test_a_lookup_that_nobody_waits_for_is_dropped(void **state)
{
    struct caller c = {.r = *state};
    struct dns_lookup *lookups[QUERIES_NEW + 2];
    char name[32];
    c.r->silent = true;
    for (unsigned i = 0; i < QUERIES_NEW + 2; i++) { /* the last two wait */
        (void)snprintf(name, sizeof name, "n%u.example", i);
        lookups[i] = dns_lookup(c.r->dns, name, DNS_A, DNS_NEW, on_result, &c);
    }
    responder_run(c.r, &c.r->queries, QUERIES_NEW);
    assert_int_equal(dns_counters(c.r->dns).queries, QUERIES_NEW);
    dns_cancel(&lookups[QUERIES_NEW + 1]); /* from among those that wait */
    dns_cancel(&lookups[5]);               /* and one that makes room */
    assert_int_equal(dns_counters(c.r->dns).queries, QUERIES_NEW + 1);
    for (unsigned i = 0; i < QUERIES_NEW + 2; i++)
        dns_cancel(&lookups[i]);
    c.r->silent = false;
    (void)dns_lookup(c.r->dns, "z.example", DNS_A, DNS_NEW, on_result, &c);
    responder_run(c.r, &c.called, 1);
    assert_int_equal(dns_counters(c.r->dns).queries, QUERIES_NEW + 2);
}

static void test_the_number_that_wait_is_bounded(void **state)
{
    struct caller c = {.r = *state};
    char name[32];
    c.r->silent = true;
    for (unsigned i = 0; i <= QUERIES_NEW + DNS_WAITING_MAX; i++) {
        (void)snprintf(name, sizeof name, "n%u.example", i);
        (void)dns_lookup(c.r->dns, name, DNS_A, DNS_NEW, on_result, &c);
    }
    responder_run(c.r, &c.called, 1);
    assert_int_equal(c.last, DNS_TEMPORARY);
    assert_int_equal(event_base_loop(c.r->base, EVLOOP_NONBLOCK), 0);
    assert_int_equal(c.called, 1);
}

static void test_a_callback_may_cancel_what_is_about_to_be_called(void **state)
{
    struct caller first = {.r = *state}, second = {.r = *state};
    (void)dns_lookup(first.r->dns, "a.example", DNS_A, DNS_NEW, on_result, &first);
    first.other = dns_lookup(first.r->dns, "a.example", DNS_A, DNS_NEW, on_result, &second);
    responder_run(first.r, &first.called, 1);
    (void)dns_lookup(first.r->dns, "a.example", DNS_A, DNS_NEW, on_result, &first);
    responder_run(first.r, &first.called, 2);
    assert_int_equal(second.called, 0);
}

struct ticks {
    struct event *event;
    unsigned n;
};

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct ticks *ticks = arg;
    struct timeval at_once = {0, 0};
    ticks->n++;
    event_add(ticks->event, &at_once);
}

static void test_cached_answers_do_not_starve_the_loop(void **state)
{
    struct caller c = {.r = *state, .again = 200};
    struct ticks ticks = {0};
    ticks.event = evtimer_new(c.r->base, on_tick, &ticks);
    on_tick(-1, 0, &ticks);
    (void)dns_lookup(c.r->dns, "a.example", DNS_A, DNS_NEW, on_result, &c);
    responder_run(c.r, &c.called, 201);
    assert_true(ticks.n >= 200); /* a turn of the loop each */
    event_free(ticks.event);
}

static void test_equal_lookups_share_one_query(void **state)
{
    struct caller c = {.r = *state};
    for (int i = 0; i < 20; i++)
        (void)dns_lookup(c.r->dns, i % 2 == 0 ? "a.example" : "A.Example.", DNS_A, DNS_NEW,
                         on_result, &c);
    responder_run(c.r, &c.called, 20);
    assert_int_equal(c.r->queries, 1);
    assert_int_equal(dns_counters(c.r->dns).merged, 19);
}

/* A lookup that ended, as it was told. */
struct ended {
    unsigned n;
    enum dns_type type;
    enum dns_status status;
    int64_t ms;
};

static void on_ended(void *arg, enum dns_type type, enum dns_status status, int64_t ms)
{
    struct ended *e = arg;
    *e = (struct ended){e->n + 1, type, status, ms};
}

/* Of what the cache answers, what is shared and what nobody asked a server for, nothing. */
static void test_each_lookup_at_a_server_is_told_of_when_it_ends(void **state)
{
    struct responder *r = *state;
    struct caller c = {.r = r};
    struct ended ended = {0};
    struct dns_settings settings = {.server_count = 1,
                                    .timeout_ms = 150,
                                    .tries = 1,
                                    .on_ended = on_ended,
                                    .on_ended_arg = &ended};
    struct fail f;
    socklen_t length = sizeof settings.servers[0];
    dns_close(&r->dns);
    assert_int_equal(getsockname(r->fd, (struct sockaddr *)&settings.servers[0], &length), 0);
    r->dns = dns_open(r->base, &settings, &f);
    for (unsigned i = 0; i < 2; i++)
        (void)dns_lookup(r->dns, "a.example", DNS_A, DNS_NEW, on_result, &c);
    responder_run(r, &c.called, 2);
    (void)dns_lookup(r->dns, "a.example", DNS_A, DNS_NEW, on_result, &c);
    (void)dns_lookup(r->dns, "bad..example", DNS_A, DNS_NEW, on_result, &c);
    responder_run(r, &c.called, 4);
    assert_int_equal(ended.n, 1);
    assert_int_equal(ended.type, DNS_A);
    assert_int_equal(ended.status, DNS_OK);
    assert_in_range(ended.ms, 0, 100);
    struct dns_lookup *l = dns_lookup(r->dns, "dead1.example", DNS_A, DNS_NEW, on_result, &c);
    dns_cancel(&l);
    (void)dns_lookup(r->dns, "dead2.example", DNS_MX, DNS_NEW, on_result, &c);
    responder_run(r, &c.called, 5);
    assert_int_equal(ended.n, 2);
    assert_int_equal(ended.type, DNS_MX);
    assert_int_equal(ended.status, DNS_TEMPORARY);
    assert_in_range(ended.ms, 140, 5000);
}

static void test_a_held_result_outlives_the_resolver(void **state)
{
    struct caller c = {.r = *state};
    (void)dns_lookup(c.r->dns, "a.example", DNS_A, DNS_NEW, on_hold, &c);
    responder_run(c.r, &c.called, 1);
    dns_close(&c.r->dns);
    assert_int_equal(c.held->status, DNS_OK);
    assert_in_range(c.held->ttl_seconds, 30, 60); /* it falls while the test runs */
    assert_memory_equal(c.held->records[0].address, "\xc0\0\2\1", 4);
    dnsresult_release(&c.held);
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL)
        n++;
    (void)closedir(dir);
    return n;
}

static void test_closing_drops_everything_under_way(void **state)
{
    struct caller c = {.r = *state};
    unsigned before = open_descriptors();
    c.r->silent = true;
    for (unsigned i = 0; i < QUERIES_NEW + 10; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "n%u.example", i);
        (void)dns_lookup(c.r->dns, name, DNS_A, DNS_NEW, on_result, &c);
        (void)dns_lookup(c.r->dns, name, DNS_A, DNS_NEW, on_result, &c);
    }
    (void)dns_lookup(c.r->dns, "a..b", DNS_A, DNS_NEW, on_result, &c);
    responder_run(c.r, &c.r->queries, 10);
    assert_int_equal(open_descriptors(), before + QUERIES_NEW);
    dns_close(&c.r->dns);
    assert_null(c.r->dns);
    assert_int_equal(open_descriptors(), before);
    assert_true(event_base_loop(c.r->base, EVLOOP_NONBLOCK) >= 0);
    assert_true(c.called <= 1); /* the refusal may have been told */
    dns_close(&c.r->dns);
}

static void look_up_dead(struct caller *c, enum dns_turn turn, unsigned first, unsigned n)
{
    char name[32];
    for (unsigned i = first; i < first + n; i++) {
        (void)snprintf(name, sizeof name, "dead%u.example", i);
        (void)dns_lookup(c->r->dns, name, DNS_A, turn, on_result, c);
    }
}

/* An answer comes without a wait for any of those that get none. */
static void look_up_at_once(struct responder *r, const char *name, enum dns_turn turn)
{
    struct caller c = {.r = r};
    uint64_t before = dns_counters(r->dns).queries;
    (void)dns_lookup(r->dns, name, DNS_A, turn, on_result, &c);
    assert_int_equal(dns_counters(r->dns).queries, before + 1);
    responder_run(r, &c.called, 1);
    assert_int_equal(c.last, DNS_OK);
}

static void test_dead_lookups_again_leave_room_for_new_ones(void **state)
{
    struct caller dead = {.r = *state};
    look_up_dead(&dead, DNS_AGAIN, 0, 600);
    assert_int_equal(dns_counters(dead.r->dns).queries, QUERIES_AGAIN);
    look_up_at_once(dead.r, "a.example", DNS_NEW);
    assert_int_equal(dead.called, 0);
}

static void test_dead_new_lookups_leave_room_for_those_again(void **state)
{
    struct caller dead = {.r = *state};
    look_up_dead(&dead, DNS_NEW, 0, 600);
    assert_int_equal(dns_counters(dead.r->dns).queries, QUERIES_NEW);
    look_up_at_once(dead.r, "a.example", DNS_AGAIN);
    look_up_dead(&dead, DNS_AGAIN, 600, 600);
    assert_int_equal(dns_counters(dead.r->dns).queries, DNS_QUERIES_MAX + 1);
}

static void test_lookups_that_take_long_make_room(void **state)
{
    struct caller dead = {.r = *state}, good = {.r = *state};
    look_up_dead(&dead, DNS_NEW, 0, 300);
    look_up_dead(&dead, DNS_AGAIN, 300, 300);
    (void)dns_lookup(good.r->dns, "a.example", DNS_A, DNS_NEW, on_result, &good);
    assert_int_equal(dns_counters(dead.r->dns).queries, DNS_QUERIES_MAX);
    responder_run(good.r, &good.called, 1);
    assert_int_equal(good.last, DNS_OK);
    responder_run(dead.r, &dead.r->queries, 601);
    look_up_at_once(dead.r, "b.example", DNS_NEW);
    look_up_at_once(dead.r, "c.example", DNS_AGAIN);
    assert_int_equal(dead.called, 0);
    assert_int_equal(dns_counters(dead.r->dns).timeouts, 0);
}

static struct rlimit descriptors;

static int open_with_few_descriptors(void **state)
{
    if (getrlimit(RLIMIT_NOFILE, &descriptors) < 0)
        return -1;
    struct rlimit few = {FEW_DESCRIPTORS, descriptors.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &few) < 0 ? -1 : responder_open(state);
}

static int close_with_few_descriptors(void **state)
{
    (void)setrlimit(RLIMIT_NOFILE, &descriptors);
    return responder_close(state);
}

static void test_the_limit_of_descriptors_bounds_those_that_take_long(void **state)
{
    const unsigned again = FEW_LOOKUPS / 8, new = FEW_LOOKUPS - again;
    const struct timeval soon = {0, 100000};
    struct caller dead = {.r = *state};
    unsigned before = open_descriptors();
    look_up_dead(&dead, DNS_NEW, 0, 600);
    responder_run(dead.r, &dead.r->queries, new);
    (void)event_base_loopexit(dead.r->base, &soon); /* the others of the first ones grow old */
    (void)event_base_dispatch(dead.r->base);
    assert_int_equal(dns_counters(dead.r->dns).queries, new);
    look_up_at_once(dead.r, "a.example", DNS_AGAIN);
    look_up_dead(&dead, DNS_AGAIN, 600, 600);
    assert_int_equal(dns_counters(dead.r->dns).queries, FEW_LOOKUPS + 1);
    assert_int_equal(open_descriptors(), before + FEW_LOOKUPS);
}

static void test_one_that_waits_gets_the_better_turn(void **state)
{
    struct caller dead = {.r = *state}, good = {.r = *state};
    look_up_dead(&dead, DNS_AGAIN, 0, 600);
    (void)dns_lookup(good.r->dns, "a.example", DNS_A, DNS_AGAIN, on_result, &good);
    look_up_at_once(good.r, "a.example", DNS_NEW);
    assert_int_equal(good.called, 1);
    look_up_dead(&dead, DNS_NEW, 0, 1); /* one under way stays as it is */
    dns_close(&dead.r->dns);
}

static void test_settings_without_servers_are_refused(void **state)
{
    struct responder *r = *state;
    struct dns_settings settings = {0};
    struct fail f = {""};
    assert_null(dns_open(r->base, &settings, &f));
    assert_string_equal(f.text, "0 DNS servers instead of 1 to 8");
    settings.server_count = 1;
    assert_null(dns_open(r->base, &settings, &f));
    assert_string_equal(f.text, "DNS server 1 has no address");
}

int main(void)
{
#define WITH_RESPONDER(f) cmocka_unit_test_setup_teardown(f, responder_open, responder_close)
    const struct CMUnitTest tests[] = {
        WITH_RESPONDER(test_the_callback_comes_after_the_call_has_returned),
        WITH_RESPONDER(test_a_cancelled_lookup_is_never_called_back),
        WITH_RESPONDER(test_a_lookup_that_nobody_waits_for_is_dropped),
        WITH_RESPONDER(test_the_number_that_wait_is_bounded),
        WITH_RESPONDER(test_a_callback_may_cancel_what_is_about_to_be_called),
        WITH_RESPONDER(test_cached_answers_do_not_starve_the_loop),
        WITH_RESPONDER(test_equal_lookups_share_one_query),
        WITH_RESPONDER(test_each_lookup_at_a_server_is_told_of_when_it_ends),
        WITH_RESPONDER(test_a_held_result_outlives_the_resolver),
        WITH_RESPONDER(test_closing_drops_everything_under_way),
        WITH_RESPONDER(test_dead_lookups_again_leave_room_for_new_ones),
        WITH_RESPONDER(test_dead_new_lookups_leave_room_for_those_again),
        WITH_RESPONDER(test_lookups_that_take_long_make_room),
        cmocka_unit_test_setup_teardown(test_the_limit_of_descriptors_bounds_those_that_take_long,
                                        open_with_few_descriptors, close_with_few_descriptors),
        WITH_RESPONDER(test_one_that_waits_gets_the_better_turn),
        WITH_RESPONDER(test_settings_without_servers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
