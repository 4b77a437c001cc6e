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
#include <unistd.h>

#include "mem.h"
#include "rand.h"
#include "store.h"

enum { ONE, TWO, TABLES };
static const char *const names[TABLES] = {"one", "two"};

#define MAP (64u << 20)

static char folder[64];
static struct store *store;

static int make_folder(void **state)
{
    struct fail f;
    /* Thousands of commits: in memory where that can be had. */
    (void)snprintf(folder, sizeof folder, "%s/qm-store-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
    store = store_open(folder, names, TABLES, MAP, &f);
    assert_non_null(store);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static int remove_folder(void **state)
{
    store_close(&store);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void reopen(uint64_t map_size)
{
    struct fail f;
    store_close(&store);
    store = store_open(folder, names, TABLES, map_size, &f);
    assert_non_null(store);
}

/* Keys of four big-endian octets. */
struct k4 {
    unsigned char p[4];
};

static struct k4 k4(uint32_t v)
{
    return (struct k4){{(unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8),
                        (unsigned char)v}};
}

static uint32_t number_of(struct span key)
{
    assert_int_equal(key.n, 4);
    return (uint32_t)key.p[0] << 24 | (uint32_t)key.p[1] << 16 | (uint32_t)key.p[2] << 8 | key.p[3];
}

#define K(v) span_of(k4(v).p, 4)

static void put_numbers(uint32_t n, size_t value_size)
{
    char *value = mem_zero(value_size);
    struct store_txn *t = store_begin(store, true);
    for (uint32_t i = 0; i < n; i++) {
        struct k4 k = k4(i);
        store_append(t, ONE, span_of(k.p, 4), span_of(value, value_size));
    }
    assert_int_equal(store_commit(&t, NULL), 0);
    mem_free(&value);
}

static void commit(struct store_txn **t)
{
    struct fail f = {{0}};
    if (store_commit(t, &f) != 0)
        fail_msg("%s", f.text);
}

static void test_rows_are_there_after_the_commit_and_after_reopening(void **state)
{
    struct span value;
    struct store_txn *t = store_begin(store, true);
    store_put(t, ONE, span_text("a"), span_text("1"));
    store_put(t, ONE, span_text("empty"), (struct span){0});
    store_put(t, TWO, span_text("a"), span_text("2"));
    assert_true(store_get(t, ONE, span_text("a"), &value));
    assert_true(span_is(value, "1"));
    commit(&t);
    assert_null(t);
    reopen(MAP);
    t = store_begin(store, false);
    assert_true(store_get(t, ONE, span_text("a"), &value));
    assert_true(span_is(value, "1"));
    assert_true(store_get(t, TWO, span_text("a"), &value));
    assert_true(span_is(value, "2"));
    assert_true(store_get(t, ONE, span_text("empty"), &value));
    assert_int_equal(value.n, 0);
    assert_false(store_get(t, ONE, span_text("b"), &value));
    assert_int_equal(value.n, 0);
    assert_false(store_failed(t)); /* what is not there is no failure */
    store_abort(&t);
    assert_null(t);
    store_abort(&t);
    assert_int_equal(store_rows(store, ONE), 2);
    assert_int_equal(store_rows(store, TWO), 1);
}

static void test_an_aborted_transaction_leaves_nothing(void **state)
{
    struct span value;
    struct store_txn *t = store_begin(store, true);
    store_put(t, ONE, span_text("a"), span_text("1"));
    store_abort(&t);
    t = store_begin(store, false);
    assert_false(store_get(t, ONE, span_text("a"), &value));
    assert_int_equal(store_commit(&t, NULL), 0);
}

static void test_a_snapshot_does_not_change_under_its_reader(void **state)
{
    struct span value;
    struct store_txn *reader = store_begin(store, false);
    struct store_txn *t = store_begin(store, true);
    store_put(t, ONE, span_text("a"), span_text("1"));
    commit(&t);
    assert_false(store_get(reader, ONE, span_text("a"), &value));
    store_abort(&reader);
    reader = store_begin(store, false);
    assert_true(store_get(reader, ONE, span_text("a"), &value));
    store_abort(&reader);
}

static void test_the_first_error_sticks_and_nothing_is_written(void **state)
{
    char long_key[600];
    struct span value;
    struct fail f = {{0}};
    memset(long_key, 'k', sizeof long_key);
    struct store_txn *t = store_begin(store, true);
    store_put(t, ONE, span_text("before"), span_text("1"));
    store_put(t, ONE, span_of(long_key, sizeof long_key), span_text("too long a key"));
    assert_true(store_failed(t));
    assert_false(store_is_full(t));
    store_fail(t, "this comes second");
    store_put(t, ONE, span_text("after"), span_text("1"));
    assert_false(store_get(t, ONE, span_text("before"), &value));
    assert_false(store_delete(t, ONE, span_text("before")));
    assert_null(store_append_room(t, ONE, span_text("z"), 5));
    struct store_cursor c = store_cursor(t, ONE);
    assert_false(store_seek(&c, (struct span){0}));
    assert_false(store_next(&c));
    assert_false(store_prev(&c));
    assert_false(store_last(&c));
    assert_false(store_delete_here(&c));
    store_cursor_close(&c);
    assert_int_equal(store_commit(&t, &f), -1);
    assert_null(t);
    assert_non_null(strstr(f.text, "cannot write a row"));
    assert_int_equal(store_rows(store, ONE), 0);
}

static void test_a_callers_own_sentence_makes_a_transaction_fail(void **state)
{
    struct fail f = {{0}};
    struct store_txn *t = store_begin(store, true);
    store_put(t, ONE, span_text("a"), span_text("1"));
    store_fail(t, "the message could not be read");
    assert_true(store_failed(t));
    assert_false(store_is_full(t));
    assert_int_equal(store_commit(&t, &f), -1);
    assert_string_equal(f.text, "the message could not be read");
    assert_int_equal(store_rows(store, ONE), 0);
}

static void test_appending_below_the_greatest_key_is_a_failure(void **state)
{
    struct store_txn *t = store_begin(store, true);
    store_append(t, ONE, K(5), span_text("x"));
    store_append(t, ONE, K(6), span_text("x"));
    assert_false(store_failed(t));
    store_append(t, ONE, K(4), span_text("x"));
    assert_true(store_failed(t));
    store_abort(&t);
    t = store_begin(store, true);
    assert_non_null(store_append_room(t, ONE, K(5), 1));
    assert_null(store_append_room(t, ONE, K(4), 1));
    store_abort(&t);
}

static void test_appended_room_is_filled_by_the_caller(void **state)
{
    struct span value;
    struct store_txn *t = store_begin(store, true);
    unsigned char *room = store_append_room(t, ONE, K(1), 4080);
    assert_non_null(room);
    memset(room, 'r', 4080);
    commit(&t);
    t = store_begin(store, false);
    assert_true(store_get(t, ONE, K(1), &value));
    assert_int_equal(value.n, 4080);
    assert_int_equal(value.p[0], 'r');
    assert_int_equal(value.p[4079], 'r');
    store_abort(&t);
}

static void test_a_cursor_finds_the_first_key_not_below(void **state)
{
    put_numbers(10, 3);
    struct store_txn *t = store_begin(store, false);
    struct store_cursor c = store_cursor(t, ONE);
    assert_true(store_seek(&c, (struct span){0}));
    assert_int_equal(number_of(c.key), 0);
    assert_int_equal(c.value.n, 3);
    assert_true(store_seek(&c, K(7)));
    assert_int_equal(number_of(c.key), 7);
    assert_true(store_next(&c));
    assert_int_equal(number_of(c.key), 8);
    assert_true(store_prev(&c));
    assert_int_equal(number_of(c.key), 7);
    assert_true(store_seek(&c, span_of("\0\0\0\x07\0", 5)));
    assert_int_equal(number_of(c.key), 8);
    assert_true(store_last(&c));
    assert_int_equal(number_of(c.key), 9);
    assert_false(store_next(&c));
    assert_false(store_seek(&c, K(10)));
    assert_false(store_failed(t));
    store_cursor_close(&c);
    store_cursor_close(&c);
    c = store_cursor(t, TWO);
    assert_false(store_seek(&c, (struct span){0}));
    assert_false(store_next(&c));
    assert_false(store_last(&c));
    assert_false(store_failed(t));
    store_cursor_close(&c);
    store_abort(&t);
}

/* Walks the table and removes every row that the table of marks says; what is visited must be all,
 * once. */
static void delete_marked(const bool *marked, uint32_t n)
{
    uint32_t seen = 0, next = 0;
    struct store_txn *t = store_begin(store, true);
    struct store_cursor c = store_cursor(t, ONE);
    bool at = store_seek(&c, (struct span){0});
    while (at) {
        uint32_t v = number_of(c.key);
        assert_true(v >= next && v < n);
        next = v + 1;
        seen++;
        at = marked[v] ? store_delete_here(&c) : store_next(&c);
    }
    assert_false(store_next(&c));
    store_cursor_close(&c);
    assert_int_equal(seen, n);
    commit(&t);
}

static void expect_unmarked(const bool *marked, uint32_t n)
{
    struct store_txn *t = store_begin(store, false);
    struct store_cursor c = store_cursor(t, ONE);
    bool at = store_seek(&c, (struct span){0});
    for (uint32_t i = 0; i < n; i++) {
        if (marked[i])
            continue;
        assert_true(at);
        assert_int_equal(number_of(c.key), i);
        at = store_next(&c);
    }
    assert_false(at);
    store_cursor_close(&c);
    store_abort(&t);
}

static void empty_table(void)
{
    struct store_txn *t = store_begin(store, true);
    struct store_cursor c = store_cursor(t, ONE);
    for (bool at = store_seek(&c, (struct span){0}); at;)
        at = store_delete_here(&c);
    store_cursor_close(&c);
    commit(&t);
    assert_int_equal(store_rows(store, ONE), 0);
}

/* Sizes so that a page holds many rows, few, one, and a row needs pages of its own. */
static const size_t value_sizes[] = {0, 8, 100, 700, 1900, 2030, 4080, 9000};
#define SIZES (sizeof value_sizes / sizeof value_sizes[0])

static void test_rows_are_removed_under_a_cursor_whatever_the_pattern(void **state)
{
    enum { ROWS = 500 };
    bool marked[ROWS];
    for (size_t s = 0; s < SIZES; s++) {
        for (int pattern = 0; pattern < 12; pattern++) {
            put_numbers(ROWS, value_sizes[s]);
            for (uint32_t i = 0; i < ROWS; i++) {
                switch (pattern) {
                case 0:
                    marked[i] = true;
                    break;
                case 1:
                    marked[i] = false;
                    break;
                case 2:
                    marked[i] = i % 2 == 0;
                    break;
                case 3:
                    marked[i] = i % 2 == 1;
                    break;
                case 4:
                    marked[i] = i == 0;
                    break;
                case 5:
                    marked[i] = i == ROWS - 1;
                    break;
                case 6:
                    marked[i] = i >= ROWS / 2;
                    break;
                case 7:
                    marked[i] = i < ROWS / 2;
                    break;
                case 8:
                    marked[i] = i % 50 != 0;
                    break;
                case 9:
                    marked[i] = i % 50 == 0;
                    break;
                default:
                    marked[i] = rand_below(2) == 1;
                }
            }
            delete_marked(marked, ROWS);
            expect_unmarked(marked, ROWS);
            empty_table();
        }
    }
}

/* A page at a time from the front, as a queue loses its rows: next stands on the first that is
 * left. */
static void test_the_last_row_of_a_page_is_followed_by_the_first_of_the_next(void **state)
{
    enum { ROWS = 400 };
    for (size_t s = 0; s < SIZES; s++) {
        for (uint32_t one = 0; one < ROWS; one++) {
            if (one == 0)
                put_numbers(ROWS, value_sizes[s]);
            struct store_txn *t = store_begin(store, true);
            struct store_cursor c = store_cursor(t, ONE);
            assert_true(store_seek(&c, K(one)));
            assert_int_equal(number_of(c.key), one);
            bool at = store_delete_here(&c);
            assert_int_equal(at, one + 1 < ROWS);
            if (at)
                assert_int_equal(number_of(c.key), one + 1);
            if (at && one + 2 < ROWS) {
                assert_true(store_next(&c));
                assert_int_equal(number_of(c.key), one + 2);
            }
            store_cursor_close(&c);
            /* Every second one is put back by the abort, then removed without a cursor. */
            if (one % 2 == 0) {
                commit(&t);
            } else {
                store_abort(&t);
                t = store_begin(store, true);
                assert_true(store_delete(t, ONE, K(one)));
                assert_false(store_delete(t, ONE, K(one)));
                commit(&t);
            }
        }
        assert_int_equal(store_rows(store, ONE), 0);
    }
}

/* Random changes, against a table of what should be there. */
static void test_a_long_random_history_ends_with_the_right_rows(void **state)
{
    enum { KEYS = 700 };
    static uint32_t size_of[KEYS];
    static unsigned char octets[6000];
    memset(size_of, 0, sizeof size_of);
    for (int round = 0; round < 300; round++) {
        struct store_txn *t = store_begin(store, true);
        for (int i = 0; i < 40; i++) {
            uint32_t k = (uint32_t)rand_below(KEYS);
            size_t n = (size_t)rand_below(rand_below(8) == 0 ? sizeof octets : 300);
            if (rand_below(3) == 0) {
                assert_int_equal(store_delete(t, ONE, K(k)), size_of[k] != 0);
                size_of[k] = 0;
            } else {
                memset(octets, (int)(k & 0xff), n);
                store_put(t, ONE, K(k), span_of(octets, n));
                size_of[k] = (uint32_t)n + 1;
            }
        }
        struct store_cursor c = store_cursor(t, ONE);
        bool at = store_seek(&c, K(rand_below(KEYS)));
        for (int i = 0; at && i < 20; i++) {
            uint32_t k = number_of(c.key);
            bool drop = rand_below(2) == 1;
            assert_int_equal(c.value.n + 1, size_of[k]);
            size_of[k] = drop ? 0 : size_of[k];
            at = drop ? store_delete_here(&c) : store_next(&c);
        }
        store_cursor_close(&c);
        commit(&t);
    }
    uint32_t rows = 0;
    struct store_txn *t = store_begin(store, false);
    struct store_cursor c = store_cursor(t, ONE);
    for (bool at = store_seek(&c, (struct span){0}); at; at = store_next(&c), rows++) {
        uint32_t k = number_of(c.key);
        assert_int_equal(c.value.n + 1, size_of[k]);
        for (size_t i = 0; i < c.value.n; i++)
            assert_int_equal(c.value.p[i], k & 0xff);
        size_of[k] = 0;
    }
    store_cursor_close(&c);
    store_abort(&t);
    assert_int_equal(store_rows(store, ONE), rows);
    for (int k = 0; k < KEYS; k++)
        assert_int_equal(size_of[k], 0);
}

static void test_space_tells_used_from_free_pages(void **state)
{
    struct store_space empty, full, drained, again;
    struct fail f;
    assert_int_equal(store_space(store, &empty, &f), 0);
    put_numbers(1000, 4080);
    assert_int_equal(store_space(store, &full, &f), 0);
    assert_true(full.file_bytes >= empty.file_bytes + 4096u * 1000);
    assert_true(full.free_bytes < 4096u * 50);
    empty_table();
    assert_int_equal(store_space(store, &drained, &f), 0);
    assert_true(drained.file_bytes >= full.file_bytes);
    assert_true(drained.free_bytes >= 4096u * 1000);
    /* Pages that are free are used before the file grows, from the next but one transaction on. */
    struct store_txn *t = store_begin(store, true);
    store_put(t, TWO, span_text("a"), span_text("1"));
    commit(&t);
    put_numbers(900, 4080);
    assert_int_equal(store_space(store, &again, &f), 0);
    assert_true(again.file_bytes <= drained.file_bytes + 4096u * 100);
    assert_true(again.free_bytes < drained.free_bytes);
}

/* Writes rows of a page until the map is full. Returns how many were written. */
static uint32_t fill(struct fail *f, bool *full)
{
    static unsigned char octets[4080];
    for (uint32_t n = 0;; n += 50) {
        struct store_txn *t = store_begin(store, true);
        for (uint32_t i = n; i < n + 50; i++)
            store_put(t, ONE, K(i), span_of(octets, sizeof octets));
        *full = store_is_full(t);
        if (store_commit(&t, f) != 0)
            return n;
    }
}

static void test_a_full_map_is_reported_and_service_goes_on_after_removals(void **state)
{
    struct fail f = {{0}};
    struct span value;
    bool full;
    reopen(16u << 20);
    uint32_t rows = fill(&f, &full);
    assert_true(full);
    assert_true(rows > 3000);
    assert_non_null(strstr(f.text, "MDB_MAP_FULL"));
    /* All that was committed is there, and readable. */
    assert_int_equal(store_rows(store, ONE), rows);
    struct store_txn *t = store_begin(store, false);
    assert_true(store_get(t, ONE, K(rows - 1), &value));
    assert_int_equal(value.n, 4080);
    store_abort(&t);
    /* A small removal succeeds though the map is full, and makes room. */
    for (uint32_t i = 0; i < 200; i += 10) {
        t = store_begin(store, true);
        for (uint32_t k = i; k < i + 10; k++)
            assert_true(store_delete(t, ONE, K(k)));
        commit(&t);
    }
    t = store_begin(store, true);
    for (uint32_t i = 0; i < 100; i++)
        store_put(t, TWO, K(i), span_text("there is room again"));
    assert_false(store_is_full(t));
    commit(&t);
    assert_int_equal(store_rows(store, TWO), 100);
    assert_int_equal(store_rows(store, ONE), rows - 200);
}

/* All was removed in the last transaction before the map is full: nothing but that is left to use.
 */
static void test_pages_freed_last_are_there_after_an_advance(void **state)
{
    struct fail f = {{0}};
    bool full;
    reopen(16u << 20);
    (void)fill(&f, &full);
    empty_table();
    static unsigned char octets[4080];
    for (int i = 0; i < 2; i++) {
        struct store_txn *t = store_begin(store, true);
        for (uint32_t k = 0; k < 1000; k++)
            store_put(t, ONE, K(k), span_of(octets, sizeof octets));
        assert_int_equal(store_is_full(t), i == 0); /* however often it is tried */
        if (i == 0)
            store_abort(&t);
        else
            commit(&t);
        store_advance(store);
        store_advance(store);
    }
    assert_int_equal(store_rows(store, ONE), 1000);
    assert_int_equal(store_rows(store, TWO), 0);
}

static void test_room_is_kept_to_remove_rows_with(void **state)
{
    static unsigned char octets[4080];
    uint32_t n = 0;
    reopen(16u << 20);
    for (bool room = true; room;) {
        struct store_txn *t = store_begin(store, true);
        for (int i = 0; i < 50 && (room = store_has_room(t, sizeof octets)); i++)
            store_put(t, ONE, K(n++), span_of(octets, sizeof octets));
        commit(&t);
    }
    assert_true(n > 2500 && n < 3900);
    /* All in one transaction, and many after it. */
    empty_table();
    for (uint32_t i = 0; i < n / 2; i++) {
        struct store_txn *t = store_begin(store, true);
        store_put(t, TWO, K(i), span_text("small"));
        commit(&t);
    }
    struct store_txn *t = store_begin(store, true);
    assert_true(store_has_room(t, 10u << 20)); /* in pages that are free */
    assert_false(store_has_room(t, 15u << 20));
    store_abort(&t);
}

static void test_what_cannot_be_opened_is_said(void **state)
{
    struct fail f = {{0}};
    char path[100];
    assert_null(store_open("/nonexistent/folder", names, TABLES, MAP, &f));
    assert_non_null(
        strstr(f.text, "cannot open the store's folder /nonexistent/folder: No such file"));
    (void)snprintf(path, sizeof path, "%s/x", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/x/data.mdb", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < 4096; i++)
        assert_int_equal(write(fd, "no database", 11), 11);
    (void)close(fd);
    (void)snprintf(path, sizeof path, "%s/x", folder);
    assert_null(store_open(path, names, TABLES, MAP, &f));
    assert_non_null(strstr(f.text, "cannot open the store"));
}

static void write_garbage(const char *name)
{
    char path[100];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < 4096; i++)
        assert_int_equal(write(fd, "\0", 1), 1);
    (void)close(fd);
}

/* It is made beside its place, where a first start that was cut off has left a half of one. */
static void test_a_store_that_was_half_made_is_made_anew(void **state)
{
    char path[100];
    store_close(&store);
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/new", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_garbage("new/data.mdb");
    write_garbage("new/lock.mdb");
    reopen(MAP);
    assert_int_equal(access(path, F_OK), -1);
    put_numbers(10, 10);
    reopen(MAP);
    assert_int_equal(store_rows(store, ONE), 10);
}

/* A process that dies in the middle of a transaction leaves nothing of it, and its reader's place
 * is reaped. */
static void test_a_process_killed_in_a_transaction_leaves_the_store_as_it_was(void **state)
{
    struct span value;
    struct fail f;
    int status;
    put_numbers(10, 10);
    store_close(&store);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        store = store_open(folder, names, TABLES, MAP, &f);
        struct store_txn *reader = store_begin(store, false);
        (void)store_get(reader, ONE, K(1), &value);
        struct store_txn *t = store_begin(store, true);
        store_put(t, ONE, K(100), span_text("never committed"));
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    store = store_open(folder, names, TABLES, MAP, &f);
    assert_non_null(store);
    store_reap_readers(store);
    assert_int_equal(store_rows(store, ONE), 10);
    struct store_txn *t = store_begin(store, true);
    store_put(t, ONE, K(100), span_text("committed"));
    commit(&t);
    assert_int_equal(store_rows(store, ONE), 11);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        EACH(test_rows_are_there_after_the_commit_and_after_reopening),
        EACH(test_an_aborted_transaction_leaves_nothing),
        EACH(test_a_snapshot_does_not_change_under_its_reader),
        EACH(test_the_first_error_sticks_and_nothing_is_written),
        EACH(test_a_callers_own_sentence_makes_a_transaction_fail),
        EACH(test_appending_below_the_greatest_key_is_a_failure),
        EACH(test_appended_room_is_filled_by_the_caller),
        EACH(test_a_cursor_finds_the_first_key_not_below),
        EACH(test_rows_are_removed_under_a_cursor_whatever_the_pattern),
        EACH(test_the_last_row_of_a_page_is_followed_by_the_first_of_the_next),
        EACH(test_a_long_random_history_ends_with_the_right_rows),
        EACH(test_space_tells_used_from_free_pages),
        EACH(test_a_full_map_is_reported_and_service_goes_on_after_removals),
        EACH(test_pages_freed_last_are_there_after_an_advance),
        EACH(test_room_is_kept_to_remove_rows_with),
        EACH(test_what_cannot_be_opened_is_said),
        EACH(test_a_store_that_was_half_made_is_made_anew),
        EACH(test_a_process_killed_in_a_transaction_leaves_the_store_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
