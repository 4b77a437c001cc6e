#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "commit.h"
#include "log.h"
#include "mem.h"
#include "worker.h"

static char folder[64];
static struct event_base *base;
static struct store *store;
static struct commit *commit;

static void open_store(uint64_t map_size)
{
    static const char *const names[] = {"one"};
    struct fail f;
    store = store_open(folder, names, 1, map_size, &f);
    assert_non_null(store);
    commit = commit_new(base, store);
}

static int setup(void **state)
{
    (void)snprintf(folder, sizeof folder, "%s/qm-commit-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
    base = event_base_new();
    open_store(64u << 20);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static int teardown(void **state)
{
    commit_free(&commit);
    store_close(&store);
    event_base_free(base);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Puts a row; notes in which order the changes were done, and how. */
struct test_change {
    struct change change;
    unsigned number;
    size_t size; /* of the row */
    int refuse;  /* so many applications fail */
    unsigned applied;
};

#define DONE_MAX 5000
static unsigned done_numbers[DONE_MAX], done_n, done_failed, applied_total;
static char last_why[200];
static unsigned works_ran;
static bool add_in_done;

static struct test_change *make(unsigned number, size_t size);

static void apply(struct change *change, struct store_txn *t)
{
    static const unsigned char octets[4000];
    struct test_change *c = (struct test_change *)change;
    char key[16];
    c->applied++;
    (void)__atomic_add_fetch(&applied_total, 1, __ATOMIC_RELAXED);
    (void)snprintf(key, sizeof key, "%08u", c->number);
    store_put(t, 0, span_text(key), span_of(octets, c->size));
    if (c->refuse-- > 0)
        store_fail(t, "this one cannot be written");
}

static void done(struct change *change, const char *why)
{
    struct test_change *c = (struct test_change *)change;
    done_numbers[done_n++] = c->number;
    done_failed += why != NULL;
    (void)snprintf(last_why, sizeof last_why, "%s", why == NULL ? "" : why);
    mem_free(&c);
    if (add_in_done) {
        add_in_done = false;
        commit_add(commit, &make(999, 10)->change);
        struct test_change *must = make(998, 10);
        must->change.must = true;
        commit_add(commit, &must->change);
    }
}

static struct test_change *make(unsigned number, size_t size)
{
    struct test_change *c = mem_zero(sizeof *c);
    c->change.apply = apply;
    c->change.done = done;
    c->number = number;
    c->size = size;
    return c;
}

static void reset(void)
{
    done_n = done_failed = applied_total = works_ran = 0;
    last_why[0] = '\0';
    add_in_done = false;
}

#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        (void)alarm(30);                                                                           \
        while (!(condition))                                                                       \
            assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);                               \
        (void)alarm(0);                                                                            \
    } while (0)

static void run_until(unsigned n)
{
    WAIT_FOR(done_n >= n);
}

static void test_changes_are_done_in_their_order_when_they_are_in_the_store(void **state)
{
    reset();
    for (unsigned i = 0; i < 1000; i++)
        commit_add(commit, &make(i, 100)->change);
    assert_int_equal(commit_waiting(commit), 1000);
    run_until(1000);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(done_numbers[i], i);
    assert_int_equal(done_failed, 0);
    assert_int_equal(commit_waiting(commit), 0);
    assert_int_equal(store_rows(store, 0), 1000);
    assert_int_equal(applied_total, 1000);
}

static void test_a_change_that_fails_takes_no_other_with_it(void **state)
{
    reset();
    for (unsigned i = 0; i < 100; i++) {
        struct test_change *c = make(i, 100);
        c->refuse = i % 10 == 3 ? 1000 : 0;
        commit_add(commit, &c->change);
    }
    run_until(100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(done_numbers[i], i);
    assert_int_equal(done_failed, 10);
    assert_int_equal(store_rows(store, 0), 90);
}

static void test_what_prevented_a_change_is_said(void **state)
{
    reset();
    struct test_change *c = make(1, 100);
    c->refuse = 1000;
    commit_add(commit, &c->change);
    run_until(1);
    assert_string_equal(last_why, "this one cannot be written");
    assert_int_equal(store_rows(store, 0), 0);
    /* A group may fail for one, who succeeds alone. */
    c = make(2, 100);
    c->refuse = 1;
    commit_add(commit, &make(1, 100)->change);
    commit_add(commit, &c->change);
    run_until(3);
    assert_int_equal(store_rows(store, 0), done_failed == 1 ? 2 : 1);
}

static unsigned rode;

/* In the writing thread: whether the change with this number is in the same transaction. */
static bool is_company(struct store_txn *t, unsigned number)
{
    struct store_txn *reader = store_begin(store, false);
    char key[16];
    struct span value;
    (void)snprintf(key, sizeof key, "%08u", number);
    bool is =
        store_get(t, 0, span_text(key), &value) && !store_get(reader, 0, span_text(key), &value);
    store_abort(&reader);
    return is;
}

static void look_for_company(struct change *change, struct store_txn *t)
{
    rode += is_company(t, ((struct test_change *)change)->number - 1);
    apply(change, t);
}

/* Keeps the thread busy until it is let go. */
static bool let_go;

static void apply_and_wait(struct change *change, struct store_txn *t)
{
    const struct timespec moment = {0, 100000};
    apply(change, t);
    while (!__atomic_load_n(&let_go, __ATOMIC_ACQUIRE))
        (void)nanosleep(&moment, NULL);
}

/* A patient change and then one that somebody waits for come while the thread is busy for so long.
 * Returns whether they were in one transaction; early: whether it was less than the patience. */
static bool ride(int64_t busy_us, bool *early)
{
    static unsigned number;
    const struct timespec moment = {0, 100000};
    struct test_change *busy = make(number, 10), *patient = make(number + 1, 10),
                       *other = make(number + 2, 10);
    reset();
    rode = 0;
    __atomic_store_n(&let_go, false, __ATOMIC_RELEASE);
    busy->change.apply = apply_and_wait;
    patient->change.when = COMMIT_SOON;
    other->change.apply = look_for_company;
    commit_add(commit, &busy->change);
    while (__atomic_load_n(&applied_total, __ATOMIC_RELAXED) == 0)
        (void)nanosleep(&moment, NULL);
    commit_add(commit, &patient->change);
    commit_add(commit, &other->change);
    int64_t began = clock_mono_us();
    while (clock_mono_us() - began < busy_us)
        (void)nanosleep(&moment, NULL);
    __atomic_store_n(&let_go, true, __ATOMIC_RELEASE);
    run_until(3);
    *early = done_numbers[1] == number + 2;
    number += 3;
    return rode > 0;
}

static void
test_a_patient_change_lets_others_pass_for_a_while_and_then_goes_with_the_next(void **state)
{
    unsigned passed = 0;
    bool early;
    /* Often, since on a busy machine the while may be over. */
    for (unsigned i = 0; i < 200 && passed < 20; i++) {
        if (!ride(0, &early) && early)
            passed++;
    }
    assert_int_equal(passed, 20);
    assert_true(ride(COMMIT_PATIENCE_MS * 1000 + 1, &early));
}

static void test_a_patient_change_goes_alone_when_no_other_comes(void **state)
{
    struct test_change *alone = make(500, 10);
    reset();
    alone->change.when = COMMIT_SOON;
    commit_add(commit, &alone->change);
    run_until(1);
    assert_int_equal(done_failed, 0);
}

/* ---- those that stand aside ---- */

static struct test_change *make_aside(unsigned number)
{
    struct test_change *c = make(number, 10);
    c->change.when = COMMIT_ASIDE;
    return c;
}

static void test_what_stands_aside_is_not_in_the_transaction_that_somebody_waits_for(void **state)
{
    reset();
    rode = 0;
    unsigned overtaken = 0;
    /* Often, since on a busy machine the second comes too late now and then. */
    for (unsigned i = 0; i < 20; i++) {
        struct test_change *aside = make_aside(2 * i + 1);
        aside->change.apply = look_for_company;
        commit_add(commit, &aside->change);
        assert_int_equal(commit_aside(commit), 1);
        commit_add(commit, &make(2 * i, 10)->change);
        run_until(2 * i + 2);
        assert_int_equal(commit_aside(commit), 0);
        overtaken += done_numbers[2 * i] == 2 * i;
    }
    assert_true(overtaken > 10);
    assert_true(rode < 10);
    assert_int_equal(store_rows(store, 0), 40);
}

static unsigned group_max;

/* In the writing thread: how many were applied before this one and are not yet in the store. */
static void look_at_group(struct change *change, struct store_txn *t)
{
    const struct test_change *c = (struct test_change *)change;
    unsigned before = c->number - (unsigned)store_rows(store, 0);
    group_max = before + 1 > group_max ? before + 1 : group_max;
    apply(change, t);
}

static void test_so_many_that_stand_aside_are_in_one_transaction_in_their_order(void **state)
{
    reset();
    group_max = 0;
    for (unsigned i = 0; i < 4 * COMMIT_ASIDE_MAX; i++) {
        struct test_change *c = make_aside(i);
        c->change.apply = look_at_group;
        commit_add(commit, &c->change);
    }
    run_until(4 * COMMIT_ASIDE_MAX);
    assert_int_equal(group_max, COMMIT_ASIDE_MAX);
    for (unsigned i = 0; i < done_n; i++)
        assert_int_equal(done_numbers[i], i);
}

static void test_the_more_stand_aside_the_more_are_in_one_transaction(void **state)
{
    reset();
    group_max = 0;
    for (unsigned i = 0; i < 2000; i++) {
        struct test_change *c = make_aside(i);
        c->change.apply = look_at_group;
        commit_add(commit, &c->change);
    }
    run_until(2000);
    assert_true(group_max > 4 * COMMIT_ASIDE_MAX);
    assert_true(group_max <= 500);
}

static void test_what_stands_aside_is_done_a_few_in_each_turn_of_the_loop(void **state)
{
    reset();
    for (unsigned i = 0; i < COMMIT_ASIDE_MAX; i++)
        commit_add(commit, &make_aside(i)->change);
    (void)alarm(30);
    for (unsigned before = 0; done_n < COMMIT_ASIDE_MAX; before = done_n) {
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
        assert_true(done_n - before <= 16);
    }
    (void)alarm(0);
}

static void test_one_that_comes_behind_all_takes_those_that_stand_aside_along(void **state)
{
    reset();
    rode = 0;
    for (unsigned i = 0; i < 3 * COMMIT_ASIDE_MAX; i++)
        commit_add(commit, &make_aside(i)->change);
    struct test_change *behind = make(3 * COMMIT_ASIDE_MAX, 10);
    behind->change.when = COMMIT_BEHIND;
    behind->change.apply = look_for_company;
    commit_add(commit, &behind->change);
    run_until(3 * COMMIT_ASIDE_MAX + 1);
    for (unsigned i = 0; i < done_n; i++)
        assert_int_equal(done_numbers[i], i);
    assert_int_equal(rode, 1);
    assert_int_equal(commit_aside(commit), 0);
    assert_int_equal(store_rows(store, 0), done_n);
}

static unsigned waited_for; /* changes that somebody waits for, one after the other without end */

static unsigned slow; /* the writing thread's: the last of them */

/* Long enough for the loop to add the next one meanwhile, if it is not kept from running. */
static void apply_slowly(struct change *change, struct store_txn *t)
{
    const struct timespec moment = {0, 5000000};
    slow = ((struct test_change *)change)->number;
    apply(change, t);
    (void)nanosleep(&moment, NULL);
}

static void look_for_slow(struct change *change, struct store_txn *t)
{
    rode += is_company(t, slow);
    apply(change, t);
}

static void done_and_next(struct change *change, const char *why)
{
    struct test_change *c = (struct test_change *)change;
    waited_for++;
    if (done_n < 10 * COMMIT_ASIDE_MAX) {
        c->number = 10001 + waited_for;
        commit_add(commit, change);
    } else {
        mem_free(&c);
    }
}

static void test_what_stands_aside_comes_to_its_turn_though_others_never_end(void **state)
{
    reset();
    waited_for = rode = 0;
    for (unsigned i = 0; i < 2; i++) { /* one waits while the other is written */
        struct test_change *c = make(10000 + i, 10);
        c->change.apply = apply_slowly;
        c->change.done = done_and_next;
        commit_add(commit, &c->change);
        while (__atomic_load_n(&applied_total, __ATOMIC_RELAXED) == 0)
            (void)usleep(100);
    }
    for (unsigned i = 0; i < 10 * COMMIT_ASIDE_MAX; i++) {
        struct test_change *c = make_aside(i);
        c->change.apply = look_for_slow;
        commit_add(commit, &c->change);
    }
    run_until(10 * COMMIT_ASIDE_MAX);
    assert_true(waited_for > 2);
    assert_true(rode > 0);
    while (commit_waiting(commit) > 0)
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void test_what_stands_aside_and_must_be_written_is_tried_until_it_is(void **state)
{
    reset();
    struct test_change *c = make_aside(1);
    c->change.must = true;
    c->refuse = 2;
    commit_add(commit, &c->change);
    commit_add(commit, &make(2, 100)->change);
    WAIT_FOR(commit_is_late(commit));
    assert_int_equal(commit_aside(commit), 1);
    run_until(2);
    assert_int_equal(done_failed, 0);
    assert_int_equal(store_rows(store, 0), 2);
    assert_int_equal(commit_aside(commit), 0);
}

static void test_what_must_be_written_is_tried_until_it_is(void **state)
{
    reset();
    struct test_change *c = make(1, 100);
    c->change.must = true;
    c->refuse = 2;
    commit_add(commit, &c->change);
    commit_add(commit, &make(2, 100)->change);
    run_until(1);
    assert_int_equal(done_numbers[0], 2); /* others do not wait for it */
    assert_int_equal(commit_waiting(commit), 1);
    assert_true(commit_is_late(commit));
    run_until(2);
    assert_false(commit_is_late(commit));
    assert_int_equal(done_failed, 0);
    assert_int_equal(store_rows(store, 0), 2);
}

static void test_changes_wait_out_a_full_store_if_they_must(void **state)
{
    reset();
    commit_free(&commit);
    store_close(&store);
    open_store(16u << 20);
    unsigned n = 0;
    while (done_failed == 0) {
        commit_add(commit, &make(n++, 4000)->change);
        run_until(n);
        assert_true(n < DONE_MAX - 10);
    }
    assert_non_null(strstr(last_why, "MDB_MAP_FULL"));
    struct test_change *c = make(n, 4000);
    c->change.must = true;
    commit_add(commit, &c->change);
    while (event_base_loop(base, EVLOOP_NONBLOCK) == 0 &&
           __atomic_load_n(&applied_total, __ATOMIC_RELAXED) < n + 3)
        (void)usleep(1000);
    assert_int_equal(done_n, n);
    /* Room is made behind the back of whoever waits. */
    for (int k = 0; k < 20; k++) {
        struct store_txn *t = store_begin(store, true);
        struct store_cursor cursor = store_cursor(t, 0);
        bool at = store_seek(&cursor, (struct span){0});
        for (int i = 0; at && i < 10; i++)
            at = store_delete_here(&cursor);
        store_cursor_close(&cursor);
        assert_int_equal(store_commit(&t, NULL), 0);
    }
    run_until(n + 1);
    assert_string_equal(last_why, "");
}

/* In a process of its own: LMDB's descriptor for the page that says which transaction is the last
 * takes nothing more. */
static int write_without_meta_page(void)
{
    char link[40], path[200];
    reset();
    for (int fd = 0; fd < 100; fd++) {
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, sizeof path);
        int flags = fcntl(fd, F_GETFL);
        if (n > 9 && memcmp(path + n - 9, "/data.mdb", 9) == 0 && (flags & O_DSYNC) != 0)
            (void)dup2(open("/dev/full", O_RDWR | O_CLOEXEC), fd);
    }
    struct test_change *c = make(1, 100);
    c->change.must = true;
    commit_add(commit, &c->change);
    (void)alarm(20);
    while (done_n == 0)
        (void)event_base_loop(base, EVLOOP_ONCE);
    return 0;
}

static void test_a_store_that_must_be_opened_anew_ends_the_process(void **state)
{
    int status;
    commit_free(&commit);
    store_close(&store);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        base = event_base_new();
        open_store(64u << 20);
        _exit(write_without_meta_page());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EX_IOERR);
    open_store(64u << 20);
    assert_int_equal(store_rows(store, 0), 0);
}

static void test_the_end_writes_what_waits(void **state)
{
    reset();
    for (unsigned i = 0; i < 300; i++) {
        struct test_change *c = make(i, 100);
        c->change.when = i % 2 == 0 ? COMMIT_NOW : COMMIT_ASIDE;
        commit_add(commit, &c->change);
    }
    struct test_change *c = make(300, 100);
    c->change.must = true;
    c->refuse = 1000; /* it will not be written any more: it is told at least */
    commit_add(commit, &c->change);
    commit_free(&commit);
    assert_int_equal(done_n, 301);
    assert_int_equal(done_failed, 1);
    assert_int_equal(store_rows(store, 0), 300);
}

static void test_what_is_added_at_the_end_is_written_if_it_must_be(void **state)
{
    reset();
    add_in_done = true;
    commit_add(commit, &make(1, 100)->change);
    commit_free(&commit);
    assert_int_equal(done_n, 3);
    assert_int_equal(done_failed, 1); /* the one that need not be */
    assert_int_equal(store_rows(store, 0), 2);
}

/* ---- the other thread ---- */

struct test_work {
    struct work work;
    unsigned number;
    bool ran;
};

static struct worker *worker;

static void run_work(struct work *w)
{
    ((struct test_work *)w)->ran = true;
    (void)__atomic_add_fetch(&works_ran, 1, __ATOMIC_RELAXED);
}

static void work_done(struct work *w)
{
    struct test_work *k = (struct test_work *)w;
    assert_true(k->ran);
    done_numbers[done_n++] = k->number;
    if (k->number == 7) { /* one that has more to do */
        struct test_work *more = mem_zero(sizeof *more);
        *more = (struct test_work){{.run = run_work, .done = work_done}, 1000, false};
        worker_add(worker, &more->work);
    }
    mem_free(&k);
}

static void add_works(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct test_work *k = mem_zero(sizeof *k);
        *k = (struct test_work){{.run = run_work, .done = work_done}, i, false};
        worker_add(worker, &k->work);
    }
}

static void test_works_are_done_in_their_order(void **state)
{
    reset();
    worker = worker_new(base);
    add_works(100);
    assert_int_equal(worker_waiting(worker), 100);
    run_until(101);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(done_numbers[i], i);
    assert_int_equal(worker_waiting(worker), 0);
    worker_free(&worker);
    assert_null(worker);
    worker_free(&worker);
}

static void test_works_are_done_a_few_in_each_turn_of_the_loop(void **state)
{
    reset();
    worker = worker_new(base);
    add_works(7); /* the next one would add more */
    add_works(7);
    while (__atomic_load_n(&works_ran, __ATOMIC_RELAXED) < 14)
        (void)usleep(100);
    add_works(7);
    add_works(7);
    while (__atomic_load_n(&works_ran, __ATOMIC_RELAXED) < 28)
        (void)usleep(100);
    (void)event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(done_n, 16);
    run_until(28);
    worker_free(&worker);
}

static void test_at_the_end_works_are_done_and_what_they_add(void **state)
{
    reset();
    worker = worker_new(base);
    add_works(50);
    worker_free(&worker);
    assert_int_equal(done_n, 51);
}

static int be_quiet(void **state)
{
    log_open("test", (enum log_level)(LOG_ERROR_ + 1));
    return 0;
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(test_changes_are_done_in_their_order_when_they_are_in_the_store),
        EACH(test_a_change_that_fails_takes_no_other_with_it),
        EACH(test_what_prevented_a_change_is_said),
        EACH(test_a_patient_change_lets_others_pass_for_a_while_and_then_goes_with_the_next),
        EACH(test_a_patient_change_goes_alone_when_no_other_comes),
        EACH(test_what_stands_aside_is_not_in_the_transaction_that_somebody_waits_for),
        EACH(test_so_many_that_stand_aside_are_in_one_transaction_in_their_order),
        EACH(test_the_more_stand_aside_the_more_are_in_one_transaction),
        EACH(test_one_that_comes_behind_all_takes_those_that_stand_aside_along),
        EACH(test_what_stands_aside_is_done_a_few_in_each_turn_of_the_loop),
        EACH(test_what_stands_aside_comes_to_its_turn_though_others_never_end),
        EACH(test_what_stands_aside_and_must_be_written_is_tried_until_it_is),
        EACH(test_what_must_be_written_is_tried_until_it_is),
        EACH(test_changes_wait_out_a_full_store_if_they_must),
        EACH(test_a_store_that_must_be_opened_anew_ends_the_process),
        EACH(test_the_end_writes_what_waits),
        EACH(test_what_is_added_at_the_end_is_written_if_it_must_be),
        EACH(test_works_are_done_in_their_order),
        EACH(test_works_are_done_a_few_in_each_turn_of_the_loop),
        EACH(test_at_the_end_works_are_done_and_what_they_add),
    };
    return cmocka_run_group_tests(tests, be_quiet, NULL);
}
