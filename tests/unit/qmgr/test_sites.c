#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto_submit.h"
#include "sites.h"

#define START 5
#define MOST 8
#define PAUSE 60000

static struct window w;
static struct sites sites;
static struct destination *d;

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
    s->more = false;
    window_update(&w, s);
}

static int open_sites(void **state)
{
    window_init(&w);
    window_limit(&w, START, MOST);
    sites_init(&sites, &w);
    d = reach(7);
    return 0;
}

static int close_sites(void **state)
{
    sites_clear(&sites);
    window_clear(&w);
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
    d->inflight = inflight - 1;
    bool suspended = sites_note(&sites, d, "direct", &r, 1, now_ms, PAUSE);
    deliver_result_clear(&r);
    d->inflight = 0;
    window_update_destination(&w, d);
    return suspended;
}

static bool fail_at(int64_t now_ms)
{
    return note_at(d->limit, DELIVER_DEFERRED, "connect", 0, now_ms);
}

static void suspend_at(int64_t now_ms)
{
    for (int i = 0; i < 4; i++)
        assert_false(fail_at(now_ms)); /* 5 to 2, 2 to 1, and twice */
    assert_int_equal(d->limit, 1);
    assert_true(fail_at(now_ms));
}

static void test_it_grows_by_what_was_in_use_up_to_the_most(void **state)
{
    assert_int_equal(d->limit, START);
    (void)note_at(START - 1, DELIVER_DONE, "", 250, 0);
    assert_int_equal(d->limit, START);
    for (unsigned expected = START + 1; expected <= MOST; expected++) {
        (void)note_at(d->limit, DELIVER_DONE, "", 250, 0);
        assert_int_equal(d->limit, expected);
    }
    (void)note_at(MOST, DELIVER_DONE, "", 250, 0);
    assert_int_equal(d->limit, MOST);
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
        d->limit = START;
        (void)note_at(START, cases[i].status, cases[i].stage, cases[i].code, 0);
        if (d->limit != cases[i].limit)
            fail_msg("case %zu: %u", i, d->limit);
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
    d->inflight = START - 1;
    (void)sites_note(&sites, d, "direct", r, 3, 0, PAUSE);
    assert_int_equal(d->limit, START + 1);
    (void)sites_note(&sites, d, "direct", &r[2], 1, 0, PAUSE);
    assert_int_equal(d->limit, (START + 1) / 2);
    (void)sites_note(&sites, d, "direct", r, 0, 0, PAUSE);
    assert_int_equal(d->limit, (START + 1) / 2);
    d->inflight = 0;
    for (int i = 0; i < 3; i++)
        deliver_result_clear(&r[i]);
}

static void test_several_failures_in_a_row_at_one_suspend_it(void **state)
{
    suspend_at(1000);
    const struct pause *p = sites_pause(d, "direct", 1000 + PAUSE - 1);
    assert_non_null(p);
    assert_string_equal(p->why, "delivery temporarily suspended: timed out");
    assert_string_equal(p->enhanced, "4.4.1");
    assert_string_equal(p->stage, "connect");
    assert_null(sites_pause(d, "relay", 1000));
    assert_null(sites_pause(d, "direct", 1000 + PAUSE));
    assert_null(sites_pause(d, "direct", 999)); /* the clock was set back */
    /* It was tried again with one, which failed. */
    sites_expire(&sites, 1000 + PAUSE);
    assert_null(d->pause);
    assert_true(fail_at(1000 + PAUSE));
    assert_int_equal(sites.n, 1);
    /* Or did not, as one that was still under way: it begins anew. */
    (void)note_at(1, DELIVER_DONE, "", 250, 1000 + PAUSE);
    assert_null(d->pause);
    assert_int_equal(d->limit, 2);
    assert_false(fail_at(2000 + PAUSE));
    assert_false(fail_at(2000 + PAUSE));
    assert_false(fail_at(2000 + PAUSE));
    assert_true(fail_at(2000 + PAUSE));
}

static void test_the_reason_of_a_server_is_its_first_line(void **state)
{
    d->limit = 1;
    for (int i = 0; i < 3; i++)
        (void)note_at(1, DELIVER_DEFERRED, "greeting", 421, 0);
    assert_string_equal(sites_pause(d, "direct", 0)->why,
                        "delivery temporarily suspended: 421-4.3.2 too");
}

static void test_without_a_time_nothing_is_suspended(void **state)
{
    struct deliver_result r = deliver_result_new(1, DELIVER_DEFERRED);
    submit_set(&r.stage, "connect");
    for (int i = 0; i < 100; i++)
        assert_false(sites_note(&sites, d, "direct", &r, 1, 0, 0));
    assert_int_equal(d->limit, 1);
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
    assert_int_equal(d->limit, START);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
