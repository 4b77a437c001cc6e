#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "body.h"
#include "file.h"
#include "mem.h"
#include "rand.h"
#include "tables.h"

static char folder[64];
static struct store *store;
static int dirfd_ = -1;

/* Which call of its kind fails from now on, 0 is none; and how. */
static struct {
    unsigned write, fsync;
    int error;
} failing;

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

static bool fails_now(unsigned *left)
{
    errno = failing.error;
    return *left > 0 && --*left == 0;
}

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
    return fails_now(&failing.write) ? -1 : __real_write(fd, p, n);
}

int __wrap_fsync(int fd)
{
    return fails_now(&failing.fsync) ? -1 : __real_fsync(fd);
}

static int setup(void **state)
{
    struct fail f;
    (void)snprintf(folder, sizeof folder, "%s/qm-body-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
    dirfd_ = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(body_make_folders(dirfd_, &f), 0);
    assert_int_equal(body_make_folders(dirfd_, &f), 0); /* they are there */
    store = store_open(folder, table_names, TABLES, 256u << 20, &f);
    assert_non_null(store);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static int teardown(void **state)
{
    store_close(&store);
    file_close(&dirfd_);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *random_octets(size_t n)
{
    char *p = mem_alloc(n);
    rand_bytes(p, n);
    return p;
}

static void commit(struct store_txn **t)
{
    struct fail f = {{0}};
    if (store_commit(t, &f) != 0)
        fail_msg("%s", f.text);
}

/* What body_load gives, as octets. */
static void expect_loaded(uint64_t id, const struct msg_row *row, struct span octets)
{
    struct buf got = {0};
    struct fail f;
    uint64_t size;
    struct store_txn *t = store_begin(store, false);
    int fd = body_load(t, dirfd_, id, row, &f);
    store_abort(&t);
    assert_true(fd >= 0);
    assert_int_equal(file_check_sealed(fd, UINT64_MAX, &size, &f), 0);
    assert_int_equal(size, octets.n);
    assert_int_equal(file_read_fd(fd, octets.n, &got, &f), 0);
    assert_true(span_equal(buf_span(&got), octets));
    buf_free(&got);
    (void)close(fd);
}

static void expect_head(uint64_t id, const struct msg_row *row, struct span octets)
{
    static const size_t limits[] = {0, 1, 100, BODY_CHUNK - 1, BODY_CHUNK, BODY_CHUNK + 1, 1000000};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct buf got = {0};
        struct fail f;
        struct store_txn *t = store_begin(store, false);
        assert_int_equal(body_head(t, dirfd_, id, row, limits[i], &got, &f), 0);
        store_abort(&t);
        assert_true(span_equal(buf_span(&got),
                               span_of(octets.p, octets.n < limits[i] ? octets.n : limits[i])));
        buf_free(&got);
    }
}

/* Every size from a little below to a little above a number of whole chunks, and no octet at all.
 */
static void test_chunks_of_every_size_come_back_as_they_were(void **state)
{
    uint64_t id = 1;
    for (unsigned chunks = 0; chunks <= 4; chunks++) {
        for (int off = -3; off <= 3; off++) {
            if (chunks == 0 && off < 0)
                continue;
            size_t n = chunks * BODY_CHUNK + (size_t)off;
            char *octets = random_octets(n);
            struct fail f;
            struct msg_row row = {.size = n, .kind = BODY_CHUNKS};
            int fd = file_sealed("m", span_of(octets, n), &f);
            struct store_txn *t = store_begin(store, true);
            uint64_t before = store_rows(store, TABLE_BODY);
            body_put_chunks(t, id, fd, n);
            body_put_octets(t, id + 1, span_of(octets, n));
            commit(&t);
            (void)close(fd);
            assert_int_equal(store_rows(store, TABLE_BODY) - before,
                             2 * ((n + BODY_CHUNK - 1) / BODY_CHUNK));
            expect_loaded(id, &row, span_of(octets, n));
            expect_loaded(id + 1, &row, span_of(octets, n));
            expect_head(id, &row, span_of(octets, n));
            mem_free(&octets);
            id += 2;
        }
    }
}

static void test_removing_one_message_leaves_its_neighbours(void **state)
{
    char *octets = random_octets(5 * BODY_CHUNK);
    struct store_txn *t = store_begin(store, true);
    for (uint64_t id = 1; id <= 9; id++)
        body_put_octets(t, id, span_of(octets, (size_t)(id % 3) * BODY_CHUNK + id));
    commit(&t);
    for (uint64_t id = 2; id <= 9; id += 2) {
        t = store_begin(store, true);
        body_delete_chunks(t, id, (id % 3) * BODY_CHUNK + id);
        commit(&t);
    }
    for (uint64_t id = 1; id <= 9; id++) {
        struct msg_row row = {.size = (id % 3) * BODY_CHUNK + id};
        struct fail f;
        if (id % 2 == 1) {
            expect_loaded(id, &row, span_of(octets, row.size));
        } else {
            t = store_begin(store, false);
            assert_int_equal(body_load(t, dirfd_, id, &row, &f), -1);
            assert_string_equal(f.text, "the message's octets are not all there");
            store_abort(&t);
        }
    }
    /* Of one that is not there, and of no octets. */
    t = store_begin(store, true);
    uint64_t rows = store_rows(store, TABLE_BODY);
    body_delete_chunks(t, 100, 5000);
    body_delete_chunks(t, 1, 0);
    commit(&t);
    assert_int_equal(store_rows(store, TABLE_BODY), rows);
    mem_free(&octets);
}

static void test_a_missing_chunk_is_noticed(void **state)
{
    char *octets = random_octets(4 * BODY_CHUNK);
    struct msg_row row = {.size = 4 * BODY_CHUNK};
    struct fail f;
    struct buf out = {0};
    struct store_txn *t = store_begin(store, true);
    body_put_octets(t, 5, span_of(octets, row.size));
    body_put_octets(t, 6, span_of(octets, row.size));
    struct key k = key_body(5, 3);
    assert_true(store_delete(t, TABLE_BODY, key_span(&k)));
    commit(&t);
    t = store_begin(store, false);
    assert_int_equal(body_load(t, dirfd_, 5, &row, &f), -1);
    assert_int_equal(body_head(t, dirfd_, 5, &row, 4 * BODY_CHUNK, &out, &f), -1);
    buf_clear(&out);
    assert_int_equal(body_head(t, dirfd_, 5, &row, 3 * BODY_CHUNK, &out, &f), 0);
    store_abort(&t);
    buf_free(&out);
    mem_free(&octets);
}

static void test_files_come_back_as_they_were(void **state)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *octets = random_octets(sizes[i]);
        struct fail f;
        uint64_t token = rand_u64();
        struct msg_row row = {.size = sizes[i], .kind = BODY_FILE, .file = token};
        int fd = file_sealed("m", span_of(octets, sizes[i]), &f);
        assert_int_equal(body_put_file(dirfd_, token, fd, sizes[i], &f), 0);
        assert_int_equal(body_put_file(dirfd_, token, fd, sizes[i], &f),
                         -1); /* never over another */
        (void)close(fd);
        expect_loaded(1, &row, span_of(octets, sizes[i]));
        expect_head(1, &row, span_of(octets, sizes[i]));
        body_delete_file(dirfd_, token);
        body_delete_file(dirfd_, token);
        struct store_txn *t = store_begin(store, false);
        assert_int_equal(body_load(t, dirfd_, 1, &row, &f), -1);
        store_abort(&t);
        mem_free(&octets);
    }
}

static void test_a_file_shorter_than_its_row_says_is_noticed(void **state)
{
    struct fail f;
    struct msg_row row = {.size = 101, .kind = BODY_FILE, .file = 64};
    int fd = file_sealed("m", span_of(folder, 50), &f);
    assert_int_equal(body_put_file(dirfd_, 64, fd, 50, &f), 0);
    assert_int_equal(body_put_file(dirfd_, 65, fd, 51, &f), -1); /* nor is it written so */
    (void)close(fd);
    struct store_txn *t = store_begin(store, false);
    assert_int_equal(body_load(t, dirfd_, 1, &row, &f), -1);
    store_abort(&t);
    char path[64];
    (void)snprintf(path, sizeof path, "bodies/%02x/%016x", 65 % BODY_FOLDERS, 65);
    assert_int_equal(faccessat(dirfd_, path, F_OK, 0), -1);
}

static void test_what_the_disk_does_not_take_leaves_no_file(void **state)
{
    static const struct {
        unsigned write, fsync; /* of three, and of the file and its folder */
    } cases[] = {{1, 0}, {2, 0}, {3, 0}, {0, 1}, {0, 2}};
    static const int errors[] = {ENOSPC, EIO, EROFS};
    enum { SIZE = 150000 };
    char *octets = random_octets(SIZE);
    struct fail f;
    int fd = file_sealed("m", span_of(octets, SIZE), &f);
    for (size_t i = 0; i < 3 * sizeof cases / sizeof cases[0]; i++) {
        uint64_t token = 7 + i;
        char wanted[100], path[64];
        failing.write = cases[i / 3].write;
        failing.fsync = cases[i / 3].fsync;
        failing.error = errors[i % 3];
        (void)snprintf(path, sizeof path, "bodies/%02x/%016x", (unsigned)token, (unsigned)token);
        (void)snprintf(wanted, sizeof wanted, "cannot write %s: %s", path, strerror(errors[i % 3]));
        assert_int_equal(body_put_file(dirfd_, token, fd, SIZE, &f), -1);
        assert_string_equal(f.text, wanted);
        assert_int_equal(failing.write + failing.fsync, 0);
        assert_int_equal(faccessat(dirfd_, path, F_OK, 0), -1);
        assert_int_equal(body_put_file(dirfd_, token, fd, SIZE, &f), 0);
    }
    (void)close(fd);
    mem_free(&octets);
}

static void test_the_list_has_each_file_of_ours(void **state)
{
    struct fail f;
    uint64_t *tokens, sum = 0;
    size_t n;
    assert_int_equal(body_list(dirfd_, &tokens, &n, &f), 0);
    assert_int_equal(n, 0);
    mem_free(&tokens);
    int fd = file_sealed("m", span_text("x"), &f);
    for (uint64_t token = 0; token < 300; token++)
        assert_int_equal(body_put_file(dirfd_, token, fd, 1, &f), 0);
    (void)close(fd);
    int other =
        openat(dirfd_, "bodies/00/README", O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* not ours */
    (void)close(other);
    assert_true(body_delete_file(dirfd_, 299));
    assert_false(body_delete_file(dirfd_, 299));
    assert_int_equal(body_list(dirfd_, &tokens, &n, &f), 0);
    assert_int_equal(n, 299);
    for (size_t i = 0; i < n; i++)
        sum += tokens[i];
    assert_int_equal(sum, 298 * 299 / 2);
    mem_free(&tokens);
    assert_int_equal(unlinkat(dirfd_, "bodies/3f", AT_REMOVEDIR), -1); /* it is not empty */
    assert_int_equal(renameat(dirfd_, "bodies/3f", dirfd_, "elsewhere"), 0);
    assert_int_equal(body_list(dirfd_, &tokens, &n, &f), -1);
    assert_string_equal(f.text, "cannot open bodies/3f: No such file or directory");
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(test_chunks_of_every_size_come_back_as_they_were),
        EACH(test_removing_one_message_leaves_its_neighbours),
        EACH(test_a_missing_chunk_is_noticed),
        EACH(test_files_come_back_as_they_were),
        EACH(test_a_file_shorter_than_its_row_says_is_noticed),
        EACH(test_what_the_disk_does_not_take_leaves_no_file),
        EACH(test_the_list_has_each_file_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
