#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include "rand.h"
#include "sites.h"
#include "window.h"

#define MAX 3

static struct window w;

static int open_window(void **state)
{
    window_init(&w);
    window_limit(&w, MAX, MAX);
    return 0;
}

static int close_window(void **state)
{
    window_clear(&w);
    return w.count == 0 && w.trying == 0 && w.halves[DUE_FIRST].round_n == 0 &&
                   window_next(&w, DUE_FIRST, false) == NULL &&
                   window_next(&w, DUE_AGAIN, false) == NULL
               ? 0
               : -1;
}

/* Hashes are names' octets, so that tests can be read. */
static struct item *add_for(const char *name, uint64_t account, enum due_class class, uint64_t id)
{
    struct stream *s = window_reach(&w, (struct stream_id){(unsigned char)name[0], account}, class);
    struct item *i = window_add(&w, s, id, 100 + (int64_t)id);
    window_update(&w, s);
    return i;
}

static struct item *add(const char *name, uint64_t id)
{
    return add_for(name, 0, DUE_FIRST, id);
}

static struct destination *find(const char *name)
{
    return window_destination(&w, (unsigned char)name[0]);
}

static unsigned round_n(void)
{
    return w.halves[DUE_FIRST].round_n;
}

static void drop(struct item *i)
{
    struct stream *s = i->stream;
    window_remove(&w, i);
    window_update(&w, s);
}

static void test_an_item_is_found_by_its_id_and_belongs_to_its_stream(void **state)
{
    struct item *i = add("a", 7);
    assert_ptr_equal(window_find(&w, 7), i);
    assert_null(window_find(&w, 8));
    assert_ptr_equal(i->stream->destination, find("a"));
    assert_true(i->stream->destination->hash == 'a');
    assert_true(i->next_ms == 107);
    assert_null(find("b"));
    assert_ptr_equal(add("a", 8)->stream, i->stream);
    assert_ptr_not_equal(add_for("a", 1, DUE_FIRST, 9)->stream, i->stream);
    assert_ptr_not_equal(add_for("a", 0, DUE_AGAIN, 10)->stream, i->stream);
    assert_ptr_equal(window_find(&w, 9)->stream->destination, find("a"));
    assert_ptr_equal(window_find(&w, 10)->stream->destination, find("a"));
    assert_int_equal(w.count, 4);
    assert_int_equal(w.halves[DUE_AGAIN].count, 1);
    assert_int_equal(i->stream->waiting, 2);
}

static void test_a_class_has_a_part_and_both_have_one_at_least(void **state)
{
    assert_true(window_part(DUE_FIRST, 1000) == 875 && window_part(DUE_AGAIN, 1000) == 500);
    assert_true(window_part(DUE_FIRST, 1) == 1 && window_part(DUE_AGAIN, 1) == 1);
    assert_true(window_part(DUE_FIRST, 0) == 1 && window_part(DUE_AGAIN, 0) == 1);
    assert_true(window_part_of(DUE_FIRST, 1000, true) == 875 &&
                window_part_of(DUE_FIRST, 1000, false) == 821 &&
                window_part_of(DUE_AGAIN, 1, false) == 1);
}

static void test_destinations_take_turns(void **state)
{
    static const char *const names[] = {"a", "b", "c"};
    for (uint64_t i = 0; i < 9; i++)
        (void)add(names[i / 3], i);
    assert_int_equal(round_n(), 3);
    for (int turn = 0; turn < 9; turn++) {
        struct stream *s = window_next(&w, DUE_FIRST, false);
        assert_true(s->id.destination == (unsigned char)names[turn % 3][0]);
        struct item *i = TAILQ_FIRST(&s->items);
        assert_int_equal(i->id, (turn % 3) * 3 + turn / 3); /* in the order they came */
        drop(i);
    }
    assert_null(window_next(&w, DUE_FIRST, false));
    assert_null(find("a"));
}

static void expect_order(const uint64_t *order, int n)
{
    for (int turn = 0; turn < n; turn++) {
        struct stream *s = window_next(&w, DUE_FIRST, false);
        assert_non_null(s);
        struct item *i = TAILQ_FIRST(&s->items);
        assert_int_equal(i->id, order[turn]);
        drop(i);
    }
}

static void test_accounts_take_turns_whatever_their_destinations(void **state)
{
    for (uint64_t i = 0; i < 6; i++)
        (void)add_for("a", 1, DUE_FIRST, i); /* one has many */
    (void)add_for("a", 2, DUE_FIRST, 100);
    (void)add_for("a", 3, DUE_FIRST, 200);
    (void)add_for("b", 1, DUE_FIRST, 300); /* which makes it no more turns */
    static const uint64_t order[] = {0, 100, 200, 300, 1, 2, 3, 4, 5};
    expect_order(order, 9);
}

static void test_many_destinations_of_one_account_are_one_turn(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    for (uint64_t i = 0; i < 6; i++)
        (void)add_for(names[i], 1, DUE_FIRST, i);
    (void)add_for("g", 2, DUE_FIRST, 100);
    (void)add_for("g", 2, DUE_FIRST, 101);
    static const uint64_t order[] = {0, 100, 1, 101, 2, 3, 4, 5};
    expect_order(order, 8);
}

/* Where two wait for a destination, it is the turn of the one that came first, as soon as either
 * may go. */
static void test_at_a_destination_nobody_waits_for_another_s_other_destinations(void **state)
{
    static const char *const names[] = {"b", "c", "d", "e"};
    for (uint64_t i = 0; i < 4; i++)
        (void)add_for(names[i], 1, DUE_FIRST, 10 + i);
    (void)add_for("a", 1, DUE_FIRST, 1);
    (void)add_for("a", 1, DUE_FIRST, 2);
    (void)add_for("a", 2, DUE_FIRST, 100);
    static const uint64_t order[] = {10, 1, 100, 11, 12, 13, 2};
    expect_order(order, 7);
}

static void test_some_turns_are_for_accounts_that_have_nothing_being_tried(void **state)
{
    struct item *one = add_for("a", 1, DUE_FIRST, 1);
    (void)add_for("a", 1, DUE_FIRST, 2);
    (void)add_for("b", 1, DUE_FIRST, 3);
    window_set_trying(&w, one);
    window_update(&w, one->stream);
    assert_null(window_next(&w, DUE_FIRST, true));
    struct stream *s = add_for("a", 2, DUE_FIRST, 100)->stream;
    assert_ptr_equal(window_next(&w, DUE_FIRST, true), s);
    window_update(&w, s);
    /* It is not made to let another go before it, as it is in its turn. */
    assert_ptr_equal(window_next(&w, DUE_FIRST, true), s);
    window_update(&w, s);
    drop(TAILQ_FIRST(&s->items));
    assert_null(window_next(&w, DUE_FIRST, true));
    drop(one);
    s = window_next(&w, DUE_FIRST, true);
    assert_int_equal(s->id.account, 1);
    window_update(&w, s);
}

static void test_the_classes_have_rounds_of_their_own(void **state)
{
    (void)add_for("a", 1, DUE_AGAIN, 1);
    (void)add_for("a", 1, DUE_FIRST, 2);
    struct stream *again = window_next(&w, DUE_AGAIN, false),
                  *first = window_next(&w, DUE_FIRST, false);
    assert_int_equal(TAILQ_FIRST(&again->items)->id, 1);
    assert_int_equal(TAILQ_FIRST(&first->items)->id, 2);
    assert_ptr_equal(again->destination, first->destination);
    assert_null(window_next(&w, DUE_AGAIN, false));
    /* What the destination may have is for both together. */
    again->destination->site.inflight = MAX;
    window_update(&w, again);
    window_update(&w, first);
    assert_null(window_next(&w, DUE_AGAIN, false));
    assert_null(window_next(&w, DUE_FIRST, false));
    again->destination->site.inflight = 0;
    window_update_destination(&w, again->destination);
    assert_ptr_equal(window_next(&w, DUE_AGAIN, false), again);
    assert_ptr_equal(window_next(&w, DUE_FIRST, false), first);
}

static void test_a_destination_with_enough_in_flight_leaves_the_round(void **state)
{
    struct destination *d = add("a", 1)->stream->destination;
    struct stream *s = add("a", 2)->stream;
    (void)add("b", 3);
    assert_ptr_equal(window_next(&w, DUE_FIRST, false), s);
    d->site.inflight = MAX;
    window_update(&w, s);
    struct stream *other = window_next(&w, DUE_FIRST, false);
    assert_true(other->id.destination == 'b');
    window_update(&w, other);
    assert_ptr_equal(window_next(&w, DUE_FIRST, false), other); /* again: a is not in the round */
    window_update(&w, other);
    d->site.inflight = MAX - 1;
    window_update_destination(&w, d);
    assert_int_equal(round_n(), 2);
    window_update_destination(&w, d); /* twice is once */
    assert_int_equal(round_n(), 2);
    d->site.limit = MAX - 1; /* as many as it takes */
    window_update_destination(&w, d);
    assert_int_equal(round_n(), 1);
    d->site.limit = 100;
    window_limit(&w, 1, MAX - 1); /* as many as any may have */
    window_update_destination(&w, d);
    assert_int_equal(round_n(), 1);
    d->site.inflight = 0;
    window_update_destination(&w, d);
    assert_int_equal(round_n(), 2);
}

static void test_a_destination_lives_as_long_as_it_has_anything(void **state)
{
    struct item *i = add("a", 1);
    struct stream *s = i->stream;
    struct destination *d = s->destination;
    window_set_trying(&w, i);
    d->site.inflight++;
    window_update(&w, s);
    assert_int_equal(w.trying, 1);
    assert_int_equal(round_n(), 0);
    d->site.inflight--;
    window_update_destination(&w, d);
    assert_ptr_equal(find("a"), d); /* its item is being settled */
    window_note_more(s, 5, 5);
    window_remove(&w, i);
    window_update(&w, s);
    assert_ptr_equal(find("a"), d);
    assert_int_equal(round_n(), 1);
    struct pause pause = {.destination = d};
    d->site.pause = &pause;
    s->more.any = false;
    window_update(&w, s);
    assert_int_equal(w.halves[DUE_FIRST].streams, 0);
    assert_ptr_equal(find("a"), d); /* which is suspended */
    d->site.pause = NULL;
    window_update_destination(&w, d);
    assert_null(find("a"));
    assert_int_equal(round_n(), 0);
}

static void test_the_first_place_of_what_is_left_out_is_kept(void **state)
{
    struct stream *s = window_reach(&w, (struct stream_id){'a', 0}, DUE_FIRST);
    window_note_more(s, 100, 7);
    window_note_more(s, 100, 9);
    window_note_more(s, 200, 1);
    assert_true(s->more.any && s->more.next_ms == 100 && s->more.id == 7);
    window_note_more(s, 100, 3);
    assert_true(s->more.next_ms == 100 && s->more.id == 3);
    window_note_more(s, 50, 99);
    assert_true(s->more.next_ms == 50 && s->more.id == 99);
    s->more.any = false; /* all were fetched: what comes now is the first */
    window_note_more(s, 300, 1);
    assert_true(s->more.next_ms == 300 && s->more.id == 1);
    s->more.any = false;
    window_update(&w, s);
}

static void test_stuck_items_keep_nobody_else_and_come_back_first(void **state)
{
    struct item *one = add("a", 1), *two = add("a", 2);
    (void)add("a", 3);
    struct stream *s = one->stream;
    window_park(&w, one, 1, "relay", 100);
    window_park(&w, two, 1, "relay", 100);
    window_update(&w, s);
    assert_int_equal(s->waiting, 1);
    assert_int_equal(s->parked, 2);
    assert_int_equal(round_n(), 1);
    assert_int_equal(TAILQ_FIRST(&s->items)->id, 3);
    window_remove(&w, TAILQ_FIRST(&s->items));
    /* Not fetched while those before are stuck: they would be stuck, too. */
    window_note_more(s, 1, 1);
    window_update(&w, s);
    assert_int_equal(round_n(), 0);
    (void)add("a", 4);
    window_unstick(&w, SLIST_FIRST(&w.parkings), UINT_MAX, NULL, NULL);
    assert_int_equal(s->parked, 0);
    assert_int_equal(s->waiting, 3);
    uint64_t expected[] = {1, 2, 4};
    struct item *i;
    int n = 0;
    TAILQ_FOREACH (i, &s->items, next) {
        assert_int_equal(i->id, expected[n++]);
        assert_int_equal(i->state, ITEM_WAITING);
    }
    assert_int_equal(n, 3);
    window_park(&w, window_find(&w, 2), 1, "relay", 100);
    window_remove(&w, window_find(&w, 2));
    assert_int_equal(s->parked, 0);
}

static void test_whoever_could_not_use_its_turn_has_the_next_one(void **state)
{
    struct stream *a = add("a", 1)->stream, *b = add("b", 2)->stream;
    window_park(&w, window_find(&w, 1), 1, "relay", 100);
    window_park(&w, window_find(&w, 2), 1, "relay", 100);
    window_update(&w, a);
    window_update(&w, b);
    struct stream *c = add("c", 3)->stream;
    assert_int_equal(round_n(), 1);
    window_unstick(&w, SLIST_FIRST(&w.parkings), UINT_MAX, NULL, NULL);
    assert_int_equal(round_n(), 3);
    assert_ptr_equal(window_next(&w, DUE_FIRST, false), a);
    assert_ptr_equal(window_next(&w, DUE_FIRST, false), b);
    assert_ptr_equal(window_next(&w, DUE_FIRST, false), c);
}

static void test_what_was_put_off_before_is_parked_apart(void **state)
{
    for (uint64_t i = 1; i <= 10; i++)
        window_park(&w, add_for("a", 0, DUE_AGAIN, i), 1, "relay", 4);
    assert_int_equal(w.halves[DUE_AGAIN].parked, 2);
    for (uint64_t i = 11; i <= 20; i++)
        window_park(&w, add_for("a", 0, DUE_FIRST, i), 1, "relay", 40);
    assert_int_equal(w.halves[DUE_FIRST].parked, 10);
    struct parking *p;
    SLIST_FOREACH (p, &w.parkings, next)
        assert_int_equal(p->n, p->class == DUE_AGAIN ? 2 : 10);
}

/* The streams that have items, whose ids are below 300. */
static unsigned streams_of(struct stream *found[300])
{
    unsigned n = 0;
    for (uint64_t id = 0; id < 300; id++) {
        const struct item *i = window_find(&w, id);
        unsigned k = 0;
        while (i != NULL && k < n && found[k] != i->stream)
            k++;
        if (i != NULL && k == n)
            found[n++] = i->stream;
    }
    return n;
}

static void check_owners(struct stream *found[300], unsigned found_n)
{
    unsigned idle[DUE_CLASSES] = {0}, here[DUE_CLASSES] = {0};
    const struct owner *o;
    for (uint64_t account = 0; account < 3; account++) {
        for (int k = 0; k < DUE_CLASSES; k++) {
            unsigned count = 0, streams = 0, trying = 0, turns = 0;
            for (unsigned f = 0; f < found_n; f++) {
                const struct stream *s = found[f];
                bool its = s->id.account == account && s->class == (enum due_class)k;
                count += its ? s->waiting + s->parked + s->lacking + s->trying : 0;
                streams += its;
                trying += its ? s->trying : 0;
                turns += its && s->waiting > 0;
            }
            if ((o = window_owner(&w, account, (enum due_class)k)) == NULL) {
                assert_int_equal(streams, 0);
                continue;
            }
            assert_int_equal(o->count, count);
            assert_int_equal(o->streams, streams);
            assert_int_equal(o->trying, trying);
            assert_int_equal(o->in_round, turns > 0);
            assert_true(streams > 0 || o->more.any);
            idle[k] += o->in_round && trying == 0;
            here[k] += o->in_round;
        }
    }
    for (int k = 0; k < DUE_CLASSES; k++) {
        assert_int_equal(w.halves[k].idle_n, idle[k]);
        TAILQ_FOREACH (o, &w.halves[k].round, round)
            here[k]--;
        assert_int_equal(here[k], 0);
    }
}

/* Random changes; every count must be what counting gives. */
static void test_counts_hold_through_a_long_random_history(void **state)
{
    struct parking *p;
    for (int step = 0; step < 20000; step++) {
        char name[2] = {(char)('a' + rand_below(8)), '\0'};
        enum due_class class = (enum due_class)rand_below(DUE_CLASSES);
        uint64_t id = rand_below(300);
        struct item *i = window_find(&w, id);
        struct stream *s = i != NULL ? i->stream : NULL;
        switch (rand_below(6)) {
        case 0:
        case 1:
            if (i == NULL)
                s = add_for(name, rand_below(3), class, id)->stream;
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
            if (i != NULL && i->state == ITEM_WAITING && rand_below(3) == 0)
                window_park_for_memory(&w, i, id / 4, rand_below(2) == 0, 80);
            else if (i != NULL && i->state == ITEM_WAITING)
                window_park(&w, i, id / 4, rand_below(2) == 0 ? "relay" : "direct", 80);
            break;
        default:
            if ((p = SLIST_FIRST(&w.parkings)) != NULL && rand_below(10) == 0)
                window_unstick(&w,
                               rand_below(2) == 0    ? p
                               : SLIST_NEXT(p, next) ? SLIST_NEXT(p, next)
                                                     : p,
                               (unsigned)rand_below(30), rand_below(2) == 0 ? window_is_idle : NULL,
                               NULL);
        }
        if (s != NULL)
            window_update(&w, s);
        if (step % 100 != 0)
            continue;
        struct half counted[DUE_CLASSES] = {{.count = 0}, {.count = 0}};
        struct stream *found[300];
        unsigned count = 0, trying = 0, streams = 0, found_n = streams_of(found);
        for (unsigned f = 0; f < found_n; f++) {
            s = found[f];
            unsigned waiting = 0, parked = 0, lacking = 0;
            TAILQ_FOREACH (i, &s->items, next)
                waiting++;
            SLIST_FOREACH (p, &w.parkings, next) {
                struct line *l;
                unsigned idle = 0;
                TAILQ_FOREACH (l, &p->lines, turn) {
                    idle += l->owner->trying == 0;
                    TAILQ_FOREACH (i, &l->items, next) {
                        unsigned *n = p->need == NEED_TRANSPORT ? &parked : &lacking;
                        *n += i->stream == s;
                    }
                }
                assert_int_equal(p->idle_n, idle);
            }
            assert_int_equal(waiting, s->waiting);
            assert_int_equal(parked, s->parked);
            assert_int_equal(lacking, s->lacking);
            parked += lacking;
            assert_int_equal(s->in_turns, waiting > 0);
            assert_true(waiting + parked + s->trying > 0);
            count += waiting + parked + s->trying;
            trying += s->trying;
            counted[s->class].count += waiting + parked + s->trying;
            counted[s->class].parked += parked;
            counted[s->class].streams++;
            assert_int_equal(s->in_own_turns, waiting > 0);
            counted[s->class].round_n += waiting > 0;
        }
        check_owners(found, found_n);
        for (char c = 'a'; c < 'a' + 8; c++) {
            struct destination *d = window_destination(&w, (unsigned char)c);
            for (int k = 0; d != NULL && k < DUE_CLASSES; k++) {
                unsigned waiting = 0, parked = 0;
                for (unsigned f = 0; f < found_n; f++) {
                    s = found[f];
                    bool its = s->destination == d && s->class == (enum due_class)k;
                    waiting += its ? s->waiting : 0;
                    parked += its ? s->parked : 0;
                }
                assert_int_equal(d->sides[k].waiting, waiting);
                assert_int_equal(d->sides[k].parked, parked);
                assert_true(d->sides[k].may);
            }
            streams += d != NULL ? d->streams : 0;
        }
        assert_int_equal(w.count, count);
        assert_int_equal(w.trying, trying);
        assert_int_equal(streams, found_n);
        for (int k = 0; k < DUE_CLASSES; k++) {
            assert_int_equal(w.halves[k].count, counted[k].count);
            assert_int_equal(w.halves[k].parked, counted[k].parked);
            assert_int_equal(w.halves[k].streams, counted[k].streams);
            assert_int_equal(w.halves[k].round_n, counted[k].round_n);
            assert_true(counted[k].parked <= 81);
        }
    }
}

static unsigned waiting_of(const char *name)
{
    const struct destination *d = find(name);
    return d == NULL ? 0 : d->sides[DUE_FIRST].waiting;
}

static void test_runs_of_one_stream_and_message_leave_the_parking_together(void **state)
{
    static const char *const names[] = {"a", "a", "a", "b", "b", "a", "c"};
    for (uint64_t i = 0; i < 7; i++)
        window_park(&w, add(names[i], i + 1), i == 2 ? 8 : 7, "relay", 100);
    struct parking *p = SLIST_FIRST(&w.parkings);
    assert_int_equal(p->n, 7);
    window_unstick(&w, p, 0, NULL, NULL);
    assert_int_equal(p->n, 7);
    window_unstick(&w, p, 3, NULL, NULL);
    assert_int_equal(waiting_of("a"), 3);
    assert_int_equal(waiting_of("b"), 2);
    assert_int_equal(p->n, 2);
    assert_int_equal(p->rights, 3);
    window_unstick(&w, p, 7, NULL, NULL);
    assert_int_equal(p->n, 0);
    assert_int_equal(waiting_of("a") + waiting_of("b") + waiting_of("c"), 7);
}

static void test_a_stream_has_as_many_rights_as_runs(void **state)
{
    for (uint64_t i = 1; i <= 3; i++)
        window_park(&w, add("a", i), i, "relay", 100);
    struct parking *p = SLIST_FIRST(&w.parkings);
    struct stream *a = window_find(&w, 1)->stream, *b = add("b", 4)->stream;
    window_unstick(&w, p, 3, NULL, NULL);
    for (int i = 3; i > 0; i--) {
        assert_false(window_is_behind(&w, a, "relay"));
        assert_true(window_is_behind(&w, b, "relay"));
        window_use_right(a);
    }
    assert_false(window_is_behind(&w, b, "relay"));
    window_park(&w, window_find(&w, 4), 4, "relay", 100);
    assert_true(window_is_behind(&w, a, "relay"));
    window_unstick(&w, p, 1, NULL, NULL);
    window_park(&w, window_find(&w, 4), 4, "relay", 100); /* which drops them */
    assert_int_equal(p->rights, 0);
}

static void test_those_that_wait_for_memory_keep_no_others_of_the_stream_out(void **state)
{
    struct stream *a = add("a", 1)->stream;
    window_park_for_memory(&w, window_find(&w, 1), 1, false, 100);
    window_update(&w, a);
    assert_int_equal(round_n(), 0); /* nobody looks at it */
    assert_int_equal(a->lacking, 1);
    assert_int_equal(a->parked, 0);
    window_note_more(a, 200, 2);
    window_update(&w, a);
    assert_int_equal(round_n(), 1);
    a->more.any = false;
    window_update(&w, a);
    assert_int_equal(round_n(), 0);
    assert_false(window_is_behind(&w, add("b", 3)->stream, ""));
    drop(window_find(&w, 1));
    assert_null(find("a"));
}

static bool is_third(const void *arg, const struct owner *o)
{
    return o->account == *(const uint64_t *)arg;
}

static void test_all_of_one_message_leave_the_wait_for_memory_together(void **state)
{
    static const char *const names[] = {"a", "b", "b", "c", "a", "c"};
    const uint64_t third = 3;
    for (uint64_t i = 0; i < 6; i++)
        window_park_for_memory(&w, add(names[i], i + 1), i < 4 ? 7 : 8, false, 100);
    window_park_for_memory(&w, add("d", 7), 9, true, 100);
    window_park_for_memory(&w, add_for("e", 3, DUE_FIRST, 8), 10, false, 100);
    window_park_for_memory(&w, add_for("e", 3, DUE_AGAIN, 9), 11, false, 100);
    struct parking *p = SLIST_FIRST(&w.parkings);
    while (p->class != DUE_FIRST || p->need != NEED_MEMORY)
        p = SLIST_NEXT(p, next);
    assert_int_equal(p->n, 7);
    window_unstick(&w, p, UINT_MAX, is_third, &third);
    assert_int_equal(p->n, 6);
    assert_int_equal(waiting_of("e"), 1);
    window_unstick(&w, p, 1, NULL, NULL);
    assert_int_equal(p->n, 2);
    assert_int_equal(p->rights, 0); /* to no transport */
    static const uint64_t order[] = {1, 8, 2, 4};
    drop(window_find(&w, 3));
    expect_order(order, 4);
}

static void test_what_waits_for_one_thing_leaves_places_for_another(void **state)
{
    for (uint64_t i = 1; i <= 100; i++) {
        struct item *one = add("a", i);
        struct stream *s = one->stream;
        one->next_ms = (int64_t)(1000 - i);
        window_park(&w, one, 1, "dead", 40);
        window_update(&w, s);
    }
    struct parking *dead = SLIST_FIRST(&w.parkings);
    assert_int_equal(dead->n, 20); /* as many as it leaves to other accounts */
    assert_int_equal(w.count, 20);
    const struct more *more = &TAILQ_FIRST(&dead->lines)->more;
    assert_true(more->any && more->next_ms == 900 && more->id == 100);
    for (uint64_t i = 201; i <= 300; i++)
        window_park(&w, add("b", i), 1, "slow", 40);
    assert_int_equal(SLIST_FIRST(&w.parkings)->n, 10);
    window_park(&w, add("c", 301), 1, "third", 0); /* one at least */
    assert_int_equal(w.halves[DUE_FIRST].parked, 31);
}

static void test_accounts_take_turns_to_leave_a_parking(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    for (uint64_t i = 0; i < 4; i++)
        window_park(&w, add_for(names[i], 1, DUE_FIRST, i), 1, "relay", 100);
    window_park(&w, add_for("a", 2, DUE_FIRST, 100), 1, "relay", 100);
    window_park(&w, add_for("e", 3, DUE_FIRST, 200), 1, "relay", 100);
    window_park(&w, add_for("e", 3, DUE_FIRST, 201), 1, "relay", 100);
    struct parking *p = SLIST_FIRST(&w.parkings);
    window_unstick(&w, p, 3, NULL, NULL);
    static const uint64_t first[] = {0, 100, 200};
    expect_order(first, 3);
    drop(window_find(&w, 201)); /* which had left along with its neighbour */
    window_unstick(&w, p, 1, NULL, NULL);
    window_unstick(&w, p, 1, NULL, NULL);
    assert_int_equal(p->n, 1);
    drop(window_find(&w, 1));
    drop(window_find(&w, 2));
    window_unstick(&w, p, UINT_MAX, NULL, NULL);
    assert_int_equal(p->n, 0);
    static const uint64_t last[] = {3};
    expect_order(last, 1);
}

static void test_some_leave_a_parking_since_their_account_has_nothing_being_tried(void **state)
{
    struct item *one = add_for("a", 1, DUE_FIRST, 1);
    window_set_trying(&w, one);
    window_update(&w, one->stream);
    for (uint64_t i = 2; i < 5; i++)
        window_park(&w, add_for("b", 1, DUE_FIRST, i), 1, "relay", 100);
    struct parking *p = SLIST_FIRST(&w.parkings);
    window_unstick(&w, p, UINT_MAX, window_is_idle, NULL);
    assert_int_equal(p->n, 3);
    window_park(&w, add_for("b", 2, DUE_FIRST, 100), 1, "relay", 100);
    window_unstick(&w, p, UINT_MAX, window_is_idle, NULL);
    assert_int_equal(p->n, 3);
    assert_int_equal(window_find(&w, 100)->state, ITEM_WAITING);
    drop(one);
    window_unstick(&w, p, UINT_MAX, window_is_idle, NULL);
    assert_int_equal(p->n, 0);
}

static void test_what_had_no_place_counts_as_passed_over_when_the_line_is_empty(void **state)
{
    for (uint64_t i = 0; i < 10; i++) {
        struct item *one = add_for("a", 1, DUE_FIRST, i);
        struct stream *s = one->stream;
        window_park(&w, one, 1, "relay", 6);
        window_update(&w, s);
    }
    struct owner *o = window_owner(&w, 1, DUE_FIRST);
    assert_int_equal(o->count, 3);
    assert_int_equal(o->turned_away, 7);
    window_forget_turned_away(&w);
    assert_int_equal(o->turned_away, 0);
    window_park(&w, add_for("b", 2, DUE_FIRST, 100), 1, "relay", 9); /* another's line */
    struct parking *p = SLIST_FIRST(&w.parkings);
    drop(window_find(&w, 0));
    drop(window_find(&w, 1));
    assert_false(o->more.any);
    window_unstick(&w, p, 1, NULL, NULL);
    assert_true(o->more.any && o->more.next_ms == 103 && o->more.id == 3);
    assert_ptr_equal(TAILQ_FIRST(&w.halves[DUE_FIRST].behind), o);
    window_unstick(&w, p, 1, NULL, NULL);
    drop(window_find(&w, 2));
    drop(window_find(&w, 100));
    assert_ptr_equal(window_owner(&w, 1, DUE_FIRST), o); /* as long as more of it is known */
    window_catch_up(&w, o);
    window_update_owner(&w, o);
    assert_null(window_owner(&w, 1, DUE_FIRST));
    assert_true(TAILQ_EMPTY(&w.halves[DUE_FIRST].behind));
}

static void test_what_is_passed_over_is_known_by_its_account(void **state)
{
    window_pass_over(&w, 1, DUE_FIRST, 200, 5);
    window_pass_over(&w, 2, DUE_FIRST, 300, 6);
    window_pass_over(&w, 1, DUE_FIRST, 100, 9);
    window_pass_over(&w, 1, DUE_AGAIN, 50, 1);
    struct owner *one = window_owner(&w, 1, DUE_FIRST);
    assert_true(one->more.any && one->more.next_ms == 100 && one->more.id == 9);
    assert_ptr_equal(TAILQ_FIRST(&w.halves[DUE_FIRST].behind), one);
    window_catch_up(&w, one);
    window_pass_over(&w, 1, DUE_FIRST, 150, 9); /* it goes on from there, after the others */
    assert_true(one->more.next_ms == 150);
    assert_ptr_equal(TAILQ_LAST(&w.halves[DUE_FIRST].behind, owners), one);
    (void)add_for("a", 1, DUE_FIRST, 1);
    window_catch_up(&w, one);
    window_update_owner(&w, one);
    drop(window_find(&w, 1));
    assert_null(window_owner(&w, 1, DUE_FIRST));
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, open_window, close_window)
    const struct CMUnitTest tests[] = {
        EACH(test_an_item_is_found_by_its_id_and_belongs_to_its_stream),
        EACH(test_a_class_has_a_part_and_both_have_one_at_least),
        EACH(test_destinations_take_turns),
        EACH(test_accounts_take_turns_whatever_their_destinations),
        EACH(test_many_destinations_of_one_account_are_one_turn),
        EACH(test_at_a_destination_nobody_waits_for_another_s_other_destinations),
        EACH(test_some_turns_are_for_accounts_that_have_nothing_being_tried),
        EACH(test_the_classes_have_rounds_of_their_own),
        EACH(test_a_destination_with_enough_in_flight_leaves_the_round),
        EACH(test_a_destination_lives_as_long_as_it_has_anything),
        EACH(test_the_first_place_of_what_is_left_out_is_kept),
        EACH(test_stuck_items_keep_nobody_else_and_come_back_first),
        EACH(test_whoever_could_not_use_its_turn_has_the_next_one),
        EACH(test_what_was_put_off_before_is_parked_apart),
        EACH(test_runs_of_one_stream_and_message_leave_the_parking_together),
        EACH(test_a_stream_has_as_many_rights_as_runs),
        EACH(test_those_that_wait_for_memory_keep_no_others_of_the_stream_out),
        EACH(test_all_of_one_message_leave_the_wait_for_memory_together),
        EACH(test_what_waits_for_one_thing_leaves_places_for_another),
        EACH(test_accounts_take_turns_to_leave_a_parking),
        EACH(test_some_leave_a_parking_since_their_account_has_nothing_being_tried),
        EACH(test_what_had_no_place_counts_as_passed_over_when_the_line_is_empty),
        EACH(test_what_is_passed_over_is_known_by_its_account),
        EACH(test_counts_hold_through_a_long_random_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
