#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "rand.h"
#include "window.h"

#define MAX 3

static struct window w;

static int open_window(void **state)
{
    window_init(&w);
    return 0;
}

static int close_window(void **state)
{
    window_clear(&w);
    return w.count == 0 && w.trying == 0 && w.round_n == 0 && window_next(&w) == NULL ? 0 : -1;
}

static struct item *add(const char *name, uint64_t id)
{
    struct destination *d = window_reach(&w, name);
    struct item *i = window_add(&w, d, id, 100 + (int64_t)id);
    window_update(&w, d, MAX);
    return i;
}

static void test_an_item_is_found_by_its_id_and_belongs_to_its_destination(void **state)
{
    struct item *i = add("a.example", 7);
    assert_ptr_equal(window_find(&w, 7), i);
    assert_null(window_find(&w, 8));
    assert_ptr_equal(i->destination, window_destination(&w, "a.example"));
    assert_string_equal(i->destination->name, "a.example");
    assert_true(i->next_ms == 107);
    assert_null(window_destination(&w, "b.example"));
    assert_ptr_equal(add("a.example", 8)->destination, i->destination);
    assert_int_equal(w.count, 2);
    assert_int_equal(i->destination->waiting, 2);
}

static void test_destinations_take_turns(void **state)
{
    static const char *const names[] = {"a", "b", "c"};
    for (uint64_t i = 0; i < 9; i++)
        (void)add(names[i / 3], i);
    assert_int_equal(w.round_n, 3);
    for (int turn = 0; turn < 9; turn++) {
        struct destination *d = window_next(&w);
        assert_string_equal(d->name, names[turn % 3]);
        struct item *i = TAILQ_FIRST(&d->items);
        assert_int_equal(i->id, (turn % 3) * 3 + turn / 3); /* in the order they came */
        window_remove(&w, i);
        window_update(&w, d, MAX);
    }
    assert_null(window_next(&w));
    assert_null(window_destination(&w, "a"));
}

static void test_a_destination_with_enough_in_flight_leaves_the_round(void **state)
{
    struct destination *d = add("a", 1)->destination;
    (void)add("a", 2);
    (void)add("b", 3);
    assert_ptr_equal(window_next(&w), d);
    d->inflight = MAX;
    window_update(&w, d, MAX);
    struct destination *other = window_next(&w);
    assert_string_equal(other->name, "b");
    window_update(&w, other, MAX);
    other = window_next(&w);
    assert_string_equal(other->name, "b"); /* again: a is not in the round */
    window_update(&w, other, MAX);
    d->inflight = MAX - 1;
    window_update(&w, d, MAX);
    assert_int_equal(w.round_n, 2);
    window_update(&w, d, MAX); /* twice is once */
    assert_int_equal(w.round_n, 2);
    d->inflight = 0;
    window_update(&w, d, MAX);
}

static void test_a_destination_lives_as_long_as_it_has_anything(void **state)
{
    struct item *i = add("a", 1);
    struct destination *d = i->destination;
    window_set_trying(&w, i);
    d->inflight++;
    window_update(&w, d, MAX);
    assert_int_equal(w.trying, 1);
    assert_int_equal(w.round_n, 0);
    d->inflight--;
    window_update(&w, d, MAX);
    assert_ptr_equal(window_destination(&w, "a"), d); /* its item is being settled */
    window_note_more(d, 5, 5);
    window_remove(&w, i);
    window_update(&w, d, MAX);
    assert_ptr_equal(window_destination(&w, "a"), d);
    assert_int_equal(w.round_n, 1);
    d->more = false;
    window_update(&w, d, MAX);
    assert_null(window_destination(&w, "a"));
    assert_int_equal(w.round_n, 0);
}

static void test_the_first_place_of_what_is_left_out_is_kept(void **state)
{
    struct destination *d = window_reach(&w, "a");
    window_note_more(d, 100, 7);
    window_note_more(d, 100, 9);
    window_note_more(d, 200, 1);
    assert_true(d->more && d->more_ms == 100 && d->more_id == 7);
    window_note_more(d, 100, 3);
    assert_true(d->more_ms == 100 && d->more_id == 3);
    window_note_more(d, 50, 99);
    assert_true(d->more_ms == 50 && d->more_id == 99);
    d->more = false; /* all were fetched: what comes now is the first */
    window_note_more(d, 300, 1);
    assert_true(d->more_ms == 300 && d->more_id == 1);
    d->more = false;
    window_update(&w, d, MAX);
}

static void test_stuck_items_keep_nobody_else_and_come_back_first(void **state)
{
    struct item *one = add("a", 1), *two = add("a", 2);
    (void)add("a", 3);
    struct destination *d = one->destination;
    window_park(&w, one, "relay", 100);
    window_park(&w, two, "relay", 100);
    window_update(&w, d, MAX);
    assert_int_equal(d->waiting, 1);
    assert_int_equal(d->parked, 2);
    assert_int_equal(w.round_n, 1);
    assert_int_equal(TAILQ_FIRST(&d->items)->id, 3);
    window_remove(&w, TAILQ_FIRST(&d->items));
    window_note_more(d, 1,
                     1); /* not fetched while those before are stuck: they would be stuck, too */
    window_update(&w, d, MAX);
    assert_int_equal(w.round_n, 0);
    (void)add("a", 4);
    window_unstick(&w, SLIST_FIRST(&w.parkings), UINT_MAX, MAX);
    assert_int_equal(d->parked, 0);
    assert_int_equal(d->waiting, 3);
    uint64_t expected[] = {1, 2, 4};
    struct item *i;
    int n = 0;
    TAILQ_FOREACH (i, &d->items, next) {
        assert_int_equal(i->id, expected[n++]);
        assert_int_equal(i->state, ITEM_WAITING);
    }
    assert_int_equal(n, 3);
    window_park(&w, window_find(&w, 2), "relay", 100);
    window_remove(&w, window_find(&w, 2));
    assert_int_equal(d->parked, 0);
}

/* Random changes; every count must be what counting gives. */
static void test_counts_hold_through_a_long_random_history(void **state)
{
    struct parking *p;
    for (int step = 0; step < 20000; step++) {
        char name[8];
        (void)snprintf(name, sizeof name, "d%d", (int)rand_below(20));
        uint64_t id = rand_below(300);
        struct item *i = window_find(&w, id);
        struct destination *d = i != NULL ? i->destination : NULL;
        switch (rand_below(6)) {
        case 0:
        case 1:
            if (i == NULL)
                d = add(name, id)->destination;
            break;
        case 2:
            if (i != NULL)
                window_remove(&w, i);
            break;
        case 3:
            if (i != NULL && i->state == ITEM_WAITING)
                window_set_trying(&w, i);
            break;
        case 4:
            if (i != NULL && i->state == ITEM_WAITING)
                window_park(&w, i, rand_below(2) == 0 ? "relay" : "direct", 80);
            break;
        default:
            if ((p = SLIST_FIRST(&w.parkings)) != NULL && rand_below(10) == 0)
                window_unstick(&w,
                               rand_below(2) == 0    ? p
                               : SLIST_NEXT(p, next) ? SLIST_NEXT(p, next)
                                                     : p,
                               (unsigned)rand_below(30), MAX);
        }
        if (d != NULL)
            window_update(&w, d, MAX);
        if (step % 100 != 0)
            continue;
        unsigned count = 0, trying = 0, round = 0;
        for (int k = 0; k < 20; k++) {
            unsigned waiting = 0, parked = 0;
            (void)snprintf(name, sizeof name, "d%d", k);
            if ((d = window_destination(&w, name)) == NULL)
                continue;
            TAILQ_FOREACH (i, &d->items, next)
                waiting++;
            SLIST_FOREACH (p, &w.parkings, next) {
                TAILQ_FOREACH (i, &p->items, next)
                    parked += i->destination == d;
            }
            assert_int_equal(waiting, d->waiting);
            assert_int_equal(parked, d->parked);
            assert_int_equal(d->in_round, waiting > 0);
            assert_true(waiting + parked + d->trying > 0);
            count += waiting + parked + d->trying;
            trying += d->trying;
            round += d->in_round;
        }
        assert_int_equal(w.count, count);
        assert_int_equal(w.trying, trying);
        assert_int_equal(w.round_n, round);
        count = 0;
        SLIST_FOREACH (p, &w.parkings, next)
            count += (unsigned)p->n;
        assert_int_equal(w.parked, count);
        assert_true(count <= 81);
    }
}

static unsigned waiting_of(const char *name)
{
    const struct destination *d = window_destination(&w, name);
    return d == NULL ? 0 : d->waiting;
}

static void test_runs_of_one_destination_leave_the_parking_together(void **state)
{
    static const char *const names[] = {"a", "a", "b", "b", "a", "c"};
    for (uint64_t i = 0; i < 6; i++)
        window_park(&w, add(names[i], i + 1), "relay", 100);
    struct parking *p = SLIST_FIRST(&w.parkings);
    assert_int_equal(p->n, 6);
    window_unstick(&w, p, 0, MAX);
    assert_int_equal(p->n, 6);
    window_unstick(&w, p, 2, MAX);
    assert_int_equal(waiting_of("a"), 2);
    assert_int_equal(waiting_of("b"), 2);
    assert_int_equal(p->n, 2);
    window_unstick(&w, p, 7, MAX);
    assert_int_equal(p->n, 0);
    assert_int_equal(waiting_of("a") + waiting_of("b") + waiting_of("c"), 6);
}

static void test_what_waits_for_one_thing_leaves_places_for_another(void **state)
{
    for (uint64_t i = 1; i <= 100; i++) {
        struct item *one = add("a", i);
        one->next_ms = (int64_t)(1000 - i);
        window_park(&w, one, "dead", 40);
        window_update(&w, window_reach(&w, "a"), MAX);
    }
    struct parking *dead = SLIST_FIRST(&w.parkings);
    assert_int_equal(dead->n, 20);
    assert_int_equal(w.count, 20);
    assert_true(dead->more && dead->more_ms == 900 && dead->more_id == 100);
    for (uint64_t i = 201; i <= 300; i++)
        window_park(&w, add("b", i), "slow", 40);
    assert_int_equal(SLIST_FIRST(&w.parkings)->n, 10);
    window_park(&w, add("c", 301), "third", 0); /* one at least */
    assert_int_equal(w.parked, 31);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, open_window, close_window)
    const struct CMUnitTest tests[] = {
        EACH(test_an_item_is_found_by_its_id_and_belongs_to_its_destination),
        EACH(test_destinations_take_turns),
        EACH(test_a_destination_with_enough_in_flight_leaves_the_round),
        EACH(test_a_destination_lives_as_long_as_it_has_anything),
        EACH(test_the_first_place_of_what_is_left_out_is_kept),
        EACH(test_stuck_items_keep_nobody_else_and_come_back_first),
        EACH(test_runs_of_one_destination_leave_the_parking_together),
        EACH(test_what_waits_for_one_thing_leaves_places_for_another),
        EACH(test_counts_hold_through_a_long_random_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
