#include "store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"

#define TABLES_MAX 32
#define READERS 16
#define PAGE 4096
#define DATA "data.mdb" /* LMDB names its files so */
#define LOCK "lock.mdb" /* with a page it has places for some more readers than ours */
#define RESERVE_PART 16 /* of the map is kept for removals, */
#define RESERVE_MAX (64u << 20)
#define DISK_RESERVE (4u << 20) /* of the disk, for the same */
#define NO_LIMIT UINT64_MAX

struct store {
    MDB_env *env;
    uint64_t disk; /* where the part of the file ends that has its place on the disk for certain */
    MDB_dbi tables[TABLES_MAX];
    unsigned tables_n;
};

struct store_txn {
    struct store *store;
    MDB_txn *txn;
    int rc;        /* first LMDB error */
    char why[160]; /* first error as a sentence */
    bool failed, write;
    uint64_t written; /* octets of values */
};

/* Why LMDB did not. Its own errors are below 0, the system's are errno's. */
static int lmdb_failed(struct fail *f, int rc)
{
    (void)fail_set(f, "%s", mdb_strerror(rc));
    if (f != NULL && rc > 0)
        f->error = rc;
    return -1;
}

static int open_tables(struct store *s, const char *const *tables, unsigned n, struct fail *f)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->env, NULL, 0, &txn);
    if (rc != 0) {
        (void)lmdb_failed(f, rc);
        return fail_prefix(f, "cannot begin");
    }
    for (unsigned i = 0; i < n; i++) {
        rc = mdb_dbi_open(txn, tables[i], MDB_CREATE, &s->tables[i]);
        if (rc != 0) {
            mdb_txn_abort(txn);
            (void)lmdb_failed(f, rc);
            return fail_prefix(f, "table %s", tables[i]);
        }
    }
    s->tables_n = n;
    rc = mdb_txn_commit(txn);
    if (rc == 0)
        return 0;
    (void)lmdb_failed(f, rc);
    return fail_prefix(f, "cannot make the tables");
}

static uint64_t used(struct store *s, uint64_t *map_bytes)
{
    MDB_envinfo info = {0};
    (void)mdb_env_info(s->env, &info);
    *map_bytes = info.me_mapsize;
    return ((uint64_t)info.me_last_pgno + 1) * PAGE;
}

/* Has the disk keep room for the file up to there, so that LMDB, which writes pages behind the last
 * one, finds some on a disk that is full by then. The file's length stays as it is. */
static void claim_disk(struct store *s, uint64_t from, uint64_t to)
{
    int fd;
    if (to <= s->disk || mdb_env_get_fd(s->env, &fd) != 0)
        return;
    if (s->disk > from)
        from = s->disk;
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)) == 0)
        s->disk = to;
    else if (errno == EOPNOTSUPP || errno == ENOSYS) /* a file system that cannot do so */
        s->disk = NO_LIMIT;
}

/* The reserve, and as much again for what comes next: not each transaction shall have to ask. */
static void claim_ahead(struct store *s, uint64_t more)
{
    uint64_t map, end = used(s, &map);
    if (end + more + DISK_RESERVE <= s->disk)
        return;
    claim_disk(s, end, end + more + 2 * DISK_RESERVE);
    claim_disk(s, end, end + more + DISK_RESERVE);
}

/* LMDB writes to its lock file through a map: on a full disk the process would die of it. Done
 * before LMDB locks the file, since to close it ends every lock of the process. */
static int claim_lock(const char *path, struct fail *f)
{
    char *name = mem_format("%s/" LOCK, path);
    struct stat st;
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600), rc = fd < 0 ? -1 : fstat(fd, &st);
    if (rc == 0)
        rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, st.st_size > PAGE ? st.st_size : PAGE);
    if (rc != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) /* a file system that cannot do so */
        rc = 0;
    if (rc != 0)
        (void)fail_errno(f, "cannot make room for the lock of the store in %s", path);
    file_close(&fd);
    mem_free(&name);
    return rc;
}

static struct store *open_env(const char *path, const char *const *tables, unsigned tables_n,
                              uint64_t map_size, struct fail *f)
{
    assert(tables_n <= TABLES_MAX);
    if (claim_lock(path, f) != 0)
        return NULL;
    struct store *s = mem_zero(sizeof *s);
    int rc = mdb_env_create(&s->env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(s->env, TABLES_MAX);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(s->env, READERS);
    if (rc == 0)
        rc = mdb_env_set_mapsize(s->env, map_size);
    /* Default flags: every commit is on stable storage before it returns. NOTLS since a read
     * transaction belongs to whoever began it, not to a thread. NORDAHEAD since a queue is read
     * here and there. */
    if (rc == 0)
        rc = mdb_env_open(s->env, path, MDB_NOTLS | MDB_NORDAHEAD, 0600);
    if (rc != 0) {
        (void)lmdb_failed(f, rc);
        (void)fail_prefix(f, "cannot open the store in %s", path);
    }
    if (rc != 0 || open_tables(s, tables, tables_n, f) != 0) {
        store_close(&s);
        return NULL;
    }
    return s;
}

static void remove_new(int dirfd)
{
    (void)unlinkat(dirfd, "new/" DATA, 0);
    (void)unlinkat(dirfd, "new/" LOCK, 0);
    (void)unlinkat(dirfd, "new", AT_REMOVEDIR);
}

/* LMDB refuses a file whose first pages a power cut left in part, and writes them without waiting
 * for the disk. So the first of all is made beside its place, and moved there once it is durable.
 */
static int make_first(int dirfd, const char *path, const char *const *tables, unsigned tables_n,
                      uint64_t map_size, struct fail *f)
{
    remove_new(dirfd); /* of a start that was cut off */
    if (mkdirat(dirfd, "new", 0700) != 0)
        return fail_errno(f, "cannot make a new store in %s", path);
    char *beside = mem_format("%s/new", path);
    struct store *s = open_env(beside, tables, tables_n, map_size, f);
    int rc = s == NULL ? -1 : 0;
    store_close(&s);
    if (rc == 0 && renameat(dirfd, "new/" DATA, dirfd, DATA) != 0)
        rc = fail_errno(f, "cannot put the new store in its place in %s", path);
    remove_new(dirfd);
    mem_free(&beside);
    return rc;
}

/* The data file is there, and its name is as durable as what it will hold. */
static int prepare_folder(const char *path, const char *const *tables, unsigned tables_n,
                          uint64_t map_size, struct fail *f)
{
    struct stat st;
    int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return fail_errno(f, "cannot open the store's folder %s", path);
    bool fresh = fstatat(dirfd, DATA, &st, 0) != 0 && errno == ENOENT;
    int rc = fresh ? make_first(dirfd, path, tables, tables_n, map_size, f) : 0;
    if (rc == 0 && fsync(dirfd) != 0)
        rc = fail_errno(f, "cannot sync the store's folder %s", path);
    file_close(&dirfd);
    return rc;
}

struct store *store_open(const char *path, const char *const *tables, unsigned tables_n,
                         uint64_t map_size, struct fail *f)
{
    if (prepare_folder(path, tables, tables_n, map_size, f) != 0)
        return NULL;
    struct store *s = open_env(path, tables, tables_n, map_size, f);
    if (s == NULL)
        return NULL;
    store_reap_readers(s);
    claim_ahead(s, 0);
    return s;
}

void store_close(struct store **sp)
{
    struct store *s = *sp;
    if (s == NULL)
        return;
    if (s->env != NULL)
        mdb_env_close(s->env);
    mem_free(sp);
}

bool store_is_dead(struct store *s)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0)
        mdb_txn_abort(txn);
    return rc == MDB_PANIC;
}

void store_reap_readers(struct store *s)
{
    int dead;
    (void)mdb_reader_check(s->env, &dead);
}

/* The table of free pages has for each transaction that freed some a list: how many, then which. */
static int count_free(struct store *s, uint64_t *pages)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        return rc;
    rc = mdb_cursor_open(txn, 0, &cursor);
    if (rc == 0) {
        while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
            size_t n = 0;
            if (value.mv_size >= sizeof n)
                memcpy(&n, value.mv_data, sizeof n);
            *pages += n;
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

uint64_t store_used(struct store *s, uint64_t *map_bytes)
{
    return used(s, map_bytes);
}

int store_space(struct store *s, struct store_space *space, struct fail *f)
{
    MDB_envinfo info;
    MDB_stat stat;
    uint64_t pages = 0;
    int rc = mdb_env_info(s->env, &info);
    if (rc == 0)
        rc = mdb_env_stat(s->env, &stat);
    if (rc == 0)
        rc = count_free(s, &pages);
    if (rc != 0)
        return fail_set(f, "cannot measure the store: %s", mdb_strerror(rc));
    space->file_bytes = (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize;
    space->free_bytes = pages * stat.ms_psize;
    return 0;
}

/* Whether the file may grow by so many octets, or has them in pages that are free; these are
 * counted only where they matter. */
static bool has_pages(struct store *s, uint64_t end, uint64_t limit, uint64_t octets)
{
    struct store_space space = {0};
    if (end + octets <= limit || store_space(s, &space, NULL) != 0)
        return true;
    return (end < limit ? limit - end : 0) + space.free_bytes >= octets;
}

bool store_has_room(const struct store_txn *t, uint64_t octets)
{
    uint64_t map, end = used(t->store, &map), more = t->written + octets;
    uint64_t reserve = map / RESERVE_PART < RESERVE_MAX ? map / RESERVE_PART : RESERVE_MAX;
    more += more / 4; /* pages are not all full */
    if (!has_pages(t->store, end, map, more + reserve))
        return false;
    claim_ahead(t->store, more);
    return has_pages(t->store, end, t->store->disk, more + DISK_RESERVE);
}

uint64_t store_rows(struct store *s, unsigned table)
{
    MDB_txn *txn;
    MDB_stat stat = {0};
    if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
        return 0;
    (void)mdb_stat(txn, s->tables[table], &stat);
    mdb_txn_abort(txn);
    return stat.ms_entries;
}

static void note(struct store_txn *t, int rc, const char *doing)
{
    if (rc == 0 || t->failed)
        return;
    t->failed = true;
    t->rc = rc;
    (void)snprintf(t->why, sizeof t->why, "%s: %s", doing, mdb_strerror(rc));
}

struct store_txn *store_begin(struct store *s, bool write)
{
    struct store_txn *t = mem_zero(sizeof *t);
    t->store = s;
    t->write = write;
    note(t, mdb_txn_begin(s->env, NULL, write ? 0 : MDB_RDONLY, &t->txn),
         "cannot begin a transaction");
    return t;
}

void store_abort(struct store_txn **tp)
{
    struct store_txn *t = *tp;
    if (t == NULL)
        return;
    if (t->txn != NULL)
        mdb_txn_abort(t->txn);
    mem_free(tp);
}

int store_commit(struct store_txn **tp, struct fail *f)
{
    struct store_txn *t = *tp;
    int rc = 0;
    if (!t->failed && t->write) {
        note(t, mdb_txn_commit(t->txn), "cannot commit");
        t->txn = NULL;
    }
    if (t->failed) {
        rc = fail_set(f, "%s", t->why);
        if (f != NULL && t->rc > 0)
            f->error = t->rc;
    }
    store_abort(tp);
    return rc;
}

bool store_failed(const struct store_txn *t)
{
    return t->failed;
}

void store_fail(struct store_txn *t, const char *why)
{
    if (t->failed)
        return;
    t->failed = true;
    t->rc = EINVAL;
    (void)snprintf(t->why, sizeof t->why, "%s", why);
}

bool store_is_full(const struct store_txn *t)
{
    return t->failed &&
           (t->rc == MDB_MAP_FULL || t->rc == ENOSPC || t->rc == EIO || t->rc == EDQUOT);
}

void store_advance(struct store *s)
{
    struct store_txn *t = store_begin(s, true);
    /* Written and taken back: a transaction that touches no page does not count. */
    store_put(t, 0, span_text("advance"), (struct span){0});
    (void)store_delete(t, 0, span_text("advance"));
    (void)store_commit(&t, NULL);
}

static MDB_val val(struct span s)
{
    return (MDB_val){s.n, (void *)s.p};
}

static struct span span(MDB_val v)
{
    return span_of(v.mv_data, v.mv_size);
}

bool store_get(struct store_txn *t, unsigned table, struct span key, struct span *value)
{
    MDB_val k = val(key), v;
    *value = (struct span){0};
    if (t->failed)
        return false;
    int rc = mdb_get(t->txn, t->store->tables[table], &k, &v);
    if (rc == MDB_NOTFOUND)
        return false;
    note(t, rc, "cannot read a row");
    if (rc != 0)
        return false;
    *value = span(v);
    return true;
}

uint64_t store_count(struct store_txn *t, unsigned table)
{
    MDB_stat stat = {0};
    if (!t->failed)
        note(t, mdb_stat(t->txn, t->store->tables[table], &stat), "cannot read a table");
    return stat.ms_entries;
}

static void put(struct store_txn *t, unsigned table, struct span key, MDB_val *v, unsigned flags)
{
    MDB_val k = val(key);
    t->written += v->mv_size;
    if (!t->failed)
        note(t, mdb_put(t->txn, t->store->tables[table], &k, v, flags), "cannot write a row");
}

void store_put(struct store_txn *t, unsigned table, struct span key, struct span value)
{
    MDB_val v = val(value);
    put(t, table, key, &v, 0);
}

void store_append(struct store_txn *t, unsigned table, struct span key, struct span value)
{
    MDB_val v = val(value);
    put(t, table, key, &v, MDB_APPEND);
}

unsigned char *store_append_room(struct store_txn *t, unsigned table, struct span key, size_t n)
{
    MDB_val v = {n, NULL};
    put(t, table, key, &v, MDB_APPEND | MDB_RESERVE);
    return t->failed ? NULL : v.mv_data;
}

bool store_delete(struct store_txn *t, unsigned table, struct span key)
{
    MDB_val k = val(key);
    if (t->failed)
        return false;
    int rc = mdb_del(t->txn, t->store->tables[table], &k, NULL);
    if (rc == MDB_NOTFOUND)
        return false;
    note(t, rc, "cannot remove a row");
    return rc == 0;
}

struct store_cursor store_cursor(struct store_txn *t, unsigned table)
{
    struct store_cursor c = {.txn = t};
    MDB_cursor *cursor = NULL;
    if (!t->failed)
        note(t, mdb_cursor_open(t->txn, t->store->tables[table], &cursor), "cannot open a cursor");
    c.cursor = cursor;
    return c;
}

static bool move(struct store_cursor *c, MDB_val k, MDB_cursor_op op)
{
    MDB_val v;
    if (c->txn->failed || c->cursor == NULL)
        return false;
    int rc = mdb_cursor_get(c->cursor, &k, &v, op);
    /* Where the last row was removed there is no current one, which LMDB calls an invalid argument.
     */
    if (rc == MDB_NOTFOUND || (rc == EINVAL && op == MDB_GET_CURRENT))
        return false;
    note(c->txn, rc, "cannot move a cursor");
    if (rc != 0)
        return false;
    c->key = span(k);
    c->value = span(v);
    return true;
}

bool store_seek(struct store_cursor *c, struct span key)
{
    /* LMDB wants a key of at least one octet. */
    static const unsigned char zero[1];
    if (key.n == 0)
        key = span_of(zero, 1);
    return move(c, val(key), MDB_SET_RANGE);
}

bool store_next(struct store_cursor *c)
{
    return move(c, (MDB_val){0}, MDB_NEXT);
}

bool store_prev(struct store_cursor *c)
{
    return move(c, (MDB_val){0}, MDB_PREV);
}

bool store_last(struct store_cursor *c)
{
    return move(c, (MDB_val){0}, MDB_LAST);
}

bool store_delete_here(struct store_cursor *c)
{
    if (c->txn->failed || c->cursor == NULL)
        return false;
    note(c->txn, mdb_cursor_del(c->cursor, 0), "cannot remove a row");
    /* After a removal the cursor stands on the row that followed: NEXT would leave one out. */
    return move(c, (MDB_val){0}, MDB_GET_CURRENT);
}

void store_cursor_close(struct store_cursor *c)
{
    if (c->cursor != NULL)
        mdb_cursor_close(c->cursor);
    c->cursor = NULL;
}
