#include "body.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "tables.h"

#define COPY_SIZE 65536
#define TOKEN_DIGITS 16

static size_t chunk_size(uint64_t size, uint32_t chunk)
{
    uint64_t left = size - (uint64_t)chunk * BODY_CHUNK;
    return left < BODY_CHUNK ? (size_t)left : BODY_CHUNK;
}

static uint32_t chunks_of(uint64_t size)
{
    return (uint32_t)((size + BODY_CHUNK - 1) / BODY_CHUNK);
}

void body_put_chunks(struct store_txn *t, uint64_t id, int fd, uint64_t size)
{
    for (uint32_t i = 0; i < chunks_of(size) && !store_failed(t); i++) {
        struct key k = key_body(id, i);
        size_t n = chunk_size(size, i);
        unsigned char *room = store_append_room(t, TABLE_BODY, key_span(&k), n);
        if (room != NULL && pread(fd, room, n, (off_t)i * BODY_CHUNK) != (ssize_t)n)
            store_fail(t, "cannot read the message from its memory file");
    }
}

void body_put_octets(struct store_txn *t, uint64_t id, struct span octets)
{
    for (uint32_t i = 0; i < chunks_of(octets.n); i++) {
        struct key k = key_body(id, i);
        store_append(t, TABLE_BODY, key_span(&k),
                     span_of(octets.p + (size_t)i * BODY_CHUNK, chunk_size(octets.n, i)));
    }
}

void body_delete_chunks(struct store_txn *t, uint64_t id, uint64_t size)
{
    uint32_t n = chunks_of(size);
    struct key first = key_body(id, 0);
    struct store_cursor c = store_cursor(t, TABLE_BODY);
    bool more = n > 0 && store_seek(&c, key_span(&first));
    while (more && n-- > 0 && c.key.n == first.n && memcmp(c.key.p, first.p, 8) == 0)
        more = store_delete_here(&c);
    store_cursor_close(&c);
}

static void file_path(char *path, size_t size, uint64_t token)
{
    (void)snprintf(path, size, "bodies/%02x/%016llx", (unsigned)(token % BODY_FOLDERS),
                   (unsigned long long)token);
}

static int sync_folder(int dirfd, const char *path)
{
    int folder = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -1;
    int rc = fsync(folder);
    (void)close(folder);
    return rc;
}

int body_make_folders(int dirfd, struct fail *f)
{
    if (file_make_path(dirfd, "bodies", 0700, f) != 0)
        return -1;
    for (unsigned i = 0; i < BODY_FOLDERS; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "bodies/%02x", i);
        if (mkdirat(dirfd, path, 0700) != 0 && errno != EEXIST)
            return fail_errno(f, "cannot make folder %s", path);
    }
    /* A file that is synced is not safe in a folder whose own name is not. The names are synced
     * here even if they are old: who made them may have been killed before it could. */
    if (sync_folder(dirfd, "bodies") != 0 || sync_folder(dirfd, ".") != 0)
        return fail_errno(f, "cannot sync the folders of large messages");
    return 0;
}

static int copy(int from, int to, uint64_t size)
{
    unsigned char *octets = mem_alloc(COPY_SIZE);
    int rc = 0;
    for (uint64_t at = 0; at < size && rc == 0;) {
        ssize_t got = pread(from, octets, COPY_SIZE, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? EIO : errno;
            rc = -1;
        } else {
            rc = file_write_all(to, octets, (size_t)got);
            at += (uint64_t)got;
        }
    }
    mem_free(&octets);
    return rc;
}

static int sync_folder_of(int dirfd, uint64_t token)
{
    char path[32];
    (void)snprintf(path, sizeof path, "bodies/%02x", (unsigned)(token % BODY_FOLDERS));
    return sync_folder(dirfd, path);
}

int body_put_file(int dirfd, uint64_t token, int fd, uint64_t size, struct fail *f)
{
    char path[48];
    file_path(path, sizeof path, token);
    int to = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0)
        return fail_errno(f, "cannot create %s", path);
    int rc = copy(fd, to, size);
    if (rc == 0)
        rc = fsync(to);
    if (rc == 0)
        rc = sync_folder_of(dirfd, token);
    if (rc != 0) {
        (void)fail_errno(f, "cannot write %s", path);
        (void)unlinkat(dirfd, path, 0);
    }
    (void)close(to);
    return rc;
}

bool body_delete_file(int dirfd, uint64_t token)
{
    char path[48];
    file_path(path, sizeof path, token);
    return unlinkat(dirfd, path, 0) == 0;
}

/* Their tokens are appended, 8 octets each. */
static int list_folder(int dirfd, const char *path, struct buf *tokens, struct fail *f)
{
    int folder = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = folder < 0 ? NULL : fdopendir(folder);
    if (d == NULL) {
        file_close(&folder);
        return fail_errno(f, "cannot open %s", path);
    }
    const struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        char *end;
        if (e->d_name[0] == '.')
            continue;
        uint64_t token = strtoull(e->d_name, &end, 16);
        if (strlen(e->d_name) == TOKEN_DIGITS && *end == '\0')
            buf_put(tokens, &token, sizeof token);
    }
    (void)closedir(d);
    return 0;
}

int body_list(int dirfd, uint64_t **tokens, size_t *n, struct fail *f)
{
    struct buf all = {0};
    for (unsigned i = 0; i < BODY_FOLDERS; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "bodies/%02x", i);
        if (list_folder(dirfd, path, &all, f) != 0) {
            buf_free(&all);
            return -1;
        }
    }
    *n = all.n / sizeof **tokens;
    *tokens = mem_array(*n, sizeof **tokens);
    if (all.n > 0)
        memcpy(*tokens, buf_span(&all).p, all.n);
    buf_free(&all);
    return 0;
}

/* Calls take with the chunks' octets one after the other, up to max octets. */
static int each_chunk(struct store_txn *t, uint64_t id, uint64_t size, uint64_t max,
                      int (*take)(void *arg, struct span octets), void *arg, struct fail *f)
{
    uint64_t want = size < max ? size : max, seen = 0;
    struct key first = key_body(id, 0);
    struct store_cursor c = store_cursor(t, TABLE_BODY);
    int rc = 0;
    for (bool at = store_seek(&c, key_span(&first)); at && rc == 0 && seen < want;
         at = store_next(&c)) {
        if (c.key.n != first.n || memcmp(c.key.p, first.p, 8) != 0)
            break;
        struct span octets = c.value;
        if (octets.n > want - seen)
            octets.n = (size_t)(want - seen);
        rc = take(arg, octets);
        seen += octets.n;
    }
    store_cursor_close(&c);
    if (rc != 0)
        return fail_errno(f, "cannot copy a message");
    return seen == want ? 0 : fail_set(f, "the message's octets are not all there");
}

static int take_into_file(void *arg, struct span octets)
{
    return file_write_all(*(int *)arg, octets.p, octets.n);
}

static int take_into_buf(void *arg, struct span octets)
{
    buf_put_span(arg, octets);
    return 0;
}

static int open_file(int dirfd, uint64_t token, struct fail *f)
{
    char path[48];
    file_path(path, sizeof path, token);
    int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 ? fd : fail_errno(f, "%s", path);
}

int body_load(struct store_txn *t, int dirfd, uint64_t id, const struct msg_row *row,
              struct fail *f)
{
    int fd = file_memory("message", f);
    int rc;
    if (fd < 0)
        return -1;
    if (row->kind == BODY_FILE) {
        int from = open_file(dirfd, row->file, f);
        rc = from < 0 ? -1 : copy(from, fd, row->size);
        if (from >= 0 && rc != 0)
            (void)fail_errno(f, "cannot read a message's file");
        file_close(&from);
    } else {
        rc = each_chunk(t, id, row->size, UINT64_MAX, take_into_file, &fd, f);
    }
    if (rc == 0)
        rc = file_seal(fd, f);
    if (rc != 0)
        file_close(&fd);
    return fd;
}

int body_head(struct store_txn *t, int dirfd, uint64_t id, const struct msg_row *row, size_t max,
              struct buf *out, struct fail *f)
{
    if (row->kind == BODY_CHUNKS)
        return each_chunk(t, id, row->size, max, take_into_buf, out, f);
    int fd = open_file(dirfd, row->file, f);
    if (fd < 0)
        return -1;
    size_t want = row->size < max ? (size_t)row->size : max;
    ssize_t got = pread(fd, buf_room(out, want), want, 0);
    (void)close(fd);
    if (got < 0)
        return fail_errno(f, "cannot read a message's file");
    buf_grew(out, (size_t)got);
    return 0;
}
