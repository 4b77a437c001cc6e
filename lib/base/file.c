#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mem.h"
#include "rand.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

static ssize_t read_at(int fd, void *p, size_t n, off_t at)
{
    ssize_t got;
    do {
        got = pread(fd, p, n, at);
        if (got < 0 && errno == ESPIPE)
            got = read(fd, p, n);
    } while (got < 0 && errno == EINTR);
    return got;
}

int file_read_fd(int fd, size_t max, struct buf *out, struct fail *f)
{
    size_t total = 0;
    for (;;) {
        unsigned char *room = buf_room(out, 16384);
        ssize_t got = read_at(fd, room, 16384, (off_t)total);
        if (got < 0)
            return fail_errno(f, "cannot read");
        if (got == 0)
            return 0;
        buf_grew(out, (size_t)got);
        total += (size_t)got;
        if (total > max)
            return fail_set(f, "longer than %zu octets", max);
    }
}

int file_read(int dirfd, const char *path, size_t max, struct buf *out, struct fail *f)
{
    int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail_errno(f, "%s", path);
    int rc = file_read_fd(fd, max, out, f);
    if (rc != 0)
        (void)fail_prefix(f, "%s", path);
    (void)close(fd);
    return rc;
}

int file_write_all(int fd, const void *p, size_t n)
{
    const unsigned char *at = p;
    while (n > 0) {
        ssize_t put = write(fd, at, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

int file_write_both(int fd, struct span a, struct span b)
{
    const struct iovec iov[] = {{(void *)a.p, a.n}, {(void *)b.p, b.n}};
    ssize_t put;
    do
        put = writev(fd, iov, 2);
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return -1;
    size_t written = (size_t)put;
    if (written < a.n)
        return file_write_all(fd, a.p + written, a.n - written) == 0 ? file_write_all(fd, b.p, b.n)
                                                                     : -1;
    written -= a.n;
    return written < b.n ? file_write_all(fd, b.p + written, b.n - written) : 0;
}

int file_replace(int dirfd, const char *name, mode_t mode, struct span content, struct fail *f)
{
    char temporary[NAME_MAX + 1];
    int len =
        snprintf(temporary, sizeof temporary, ".%s.%016llx", name, (unsigned long long)rand_u64());
    if (len < 0 || (size_t)len >= sizeof temporary)
        return fail_set(f, "%s: name too long", name);
    int fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return fail_errno(f, "cannot create %s", temporary);
    if (file_write_all(fd, content.p, content.n) != 0 || fsync(fd) != 0 ||
        renameat(dirfd, temporary, dirfd, name) != 0) {
        (void)fail_errno(f, "cannot write %s", name);
        (void)unlinkat(dirfd, temporary, 0);
        (void)close(fd);
        return -1;
    }
    (void)close(fd);
    if (fsync(dirfd) != 0)
        return fail_errno(f, "cannot sync the folder of %s", name);
    return 0;
}

int file_memory(const char *name, struct fail *f)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd >= 0 ? fd : fail_errno(f, "cannot make a memory file");
}

int file_seal(int fd, struct fail *f)
{
    if (fcntl(fd, F_ADD_SEALS, SEALS) != 0)
        return fail_errno(f, "cannot seal a memory file");
    return 0;
}

int file_sealed(const char *name, struct span content, struct fail *f)
{
    int fd = file_memory(name, f);
    if (fd < 0)
        return -1;
    if (file_write_all(fd, content.p, content.n) != 0) {
        (void)fail_errno(f, "cannot fill a memory file");
        (void)close(fd);
        return -1;
    }
    if (file_seal(fd, f) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

int file_check_sealed(int fd, uint64_t max, uint64_t *size, struct fail *f)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;
    if (seals < 0 || (seals & SEALS) != SEALS)
        return fail_set(f, "descriptor is not a sealed memory file");
    if (fstat(fd, &st) != 0)
        return fail_errno(f, "cannot stat a memory file");
    if (st.st_size < 0 || (uint64_t)st.st_size > max)
        return fail_set(f, "memory file of %lld octets, more than %llu", (long long)st.st_size,
                        (unsigned long long)max);
    *size = (uint64_t)st.st_size;
    return 0;
}

/* path: of a folder just made; cut off behind its parent's. */
static int sync_parent(int dirfd, char *path)
{
    char *slash = strrchr(path, '/');
    const char *parent = slash == NULL ? "." : slash == path ? "/" : path;
    if (slash != NULL && slash != path)
        *slash = '\0';
    int fd = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    file_close(&fd);
    return rc;
}

int file_make_path(int dirfd, const char *path, mode_t mode, struct fail *f)
{
    char part[PATH_MAX];
    if (strlen(path) >= sizeof part)
        return fail_set(f, "%s: path too long", path);
    for (size_t i = 1;; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        bool made = mkdirat(dirfd, part, mode) == 0;
        if (!made && errno != EEXIST)
            return fail_errno(f, "cannot make folder %s", part);
        if (made && sync_parent(dirfd, part) != 0)
            return fail_errno(f, "cannot sync the folder in which %.*s was made", (int)i, path);
        if (path[i] == '\0')
            return 0;
    }
}

void file_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}
