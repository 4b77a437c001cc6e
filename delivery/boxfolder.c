#include "boxfolder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"

static const struct boxfolder closed = {-1, -1, -1, -1};

/* A folder made anew has to be as durable as what is put into it. */
static int sync_folder(int dirfd)
{
    int fd = dirfd == AT_FDCWD ? openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : dirfd;
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0 && fd != dirfd)
        (void)close(fd);
    return rc;
}

static int open_folder(int dirfd, const char *name, bool make, struct fail *f)
{
    if (make) {
        int made = mkdirat(dirfd, name, 0700);
        if ((made != 0 && errno != EEXIST) || (made == 0 && sync_folder(dirfd) != 0))
            return fail_errno(f, "cannot make folder %s", name);
    }
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : fail_errno(f, "cannot open folder %s", name);
}

void boxfolder_close(struct boxfolder *b)
{
    file_close(&b->dir);
    file_close(&b->tmp);
    file_close(&b->new);
    file_close(&b->cur);
}

/* b->dir is open, or -1. */
static int open_parts(struct boxfolder *b, bool make, struct fail *f)
{
    if (b->dir >= 0)
        b->tmp = open_folder(b->dir, "tmp", make, f);
    if (b->tmp >= 0)
        b->cur = open_folder(b->dir, "cur", make, f);
    if (b->cur >= 0)
        b->new = open_folder(b->dir, "new", make, f);
    if (b->new >= 0)
        return 0;
    int error = errno;
    boxfolder_close(b);
    errno = error;
    return -1;
}

/* Its name comes from another process, which took it from the configuration; it still must not lead
 * anywhere else. */
static int check_account(const char *account, struct fail *f)
{
    if (boxname_is_account(account))
        return 0;
    errno = EINVAL;
    return fail_set(f, "not the name of a mailbox: %s", account);
}

int boxfolder_account(const char *account, struct fail *f)
{
    return check_account(account, f) == 0 ? open_folder(AT_FDCWD, account, false, f) : -1;
}

int boxfolder_make_inbox(struct boxfolder *b, const char *account, struct fail *f)
{
    *b = closed;
    if (check_account(account, f) != 0)
        return -1;
    b->dir = open_folder(AT_FDCWD, account, true, f);
    return open_parts(b, true, f);
}

static int open_named(struct boxfolder *b, int account, const char *folder, bool make,
                      struct fail *f)
{
    char name[MAILPLACE_NAME_MAX + 1];
    *b = closed;
    if (!boxname_is_folder(folder)) {
        errno = ENOENT;
        return fail_set(f, "not the name of a folder: %s", folder);
    }
    (void)snprintf(name, sizeof name, ".%s", folder);
    b->dir = open_folder(account, name, make, f);
    return open_parts(b, make, f);
}

int boxfolder_open(struct boxfolder *b, int account, const char *folder, struct fail *f)
{
    return open_named(b, account, folder, false, f);
}

bool boxfolder_is_absent(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

/* The empty file tells other programs that this is a folder in a mailbox (Maildir++). */
int boxfolder_make(struct boxfolder *b, int account, const char *folder, struct fail *f)
{
    if (open_named(b, account, folder, true, f) != 0)
        return -1;
    int fd = folder[0] == '\0' ? -1
                               : openat(b->dir, "maildirfolder",
                                        O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    file_close(&fd);
    return 0;
}

DIR *boxfolder_stream(int fd)
{
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    int error = errno;
    if (dir == NULL)
        file_close(&own);
    errno = error;
    return dir;
}

const struct dirent *boxfolder_next(DIR *dir, int *error)
{
    errno = 0;
    const struct dirent *e = readdir(dir);
    if (e == NULL && errno != 0)
        *error = errno;
    return e;
}

struct boxname_head boxfolder_head(int fd, char octets[BOXNAME_HEAD_MAX])
{
    ssize_t n = pread(fd, octets, BOXNAME_HEAD_MAX, 0);
    return boxname_head(span_of(octets, n > 0 ? (size_t)n : 0));
}

int boxfolder_file(const char *folder, int sub, const char *name, const struct boxwords *words,
                   struct mailbox_file *file)
{
    struct stat st;
    char octets[BOXNAME_HEAD_MAX];
    int fd = openat(sub, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        file_close(&fd);
        return -1;
    }
    struct boxname_head head = boxfolder_head(fd, octets);
    struct boxname_info info = boxname_info(name);
    int64_t mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    *file = (struct mailbox_file){.line_id = head.id,
                                  .links = (uint32_t)st.st_nlink,
                                  .size = (uint64_t)st.st_size,
                                  .flags = boxname_flags(info.capitals),
                                  .mail_from = span_dup(head.sender),
                                  .rcpt_to = span_dup(head.recipient)};
    char *base = mem_textn(name, boxname_base(name));
    mail_place_set(&file->place, folder, base, st.st_ino, mtime_ms > 0 ? mtime_ms : 1);
    boxwords_names(words, info.keywords, &file->keywords);
    mem_free(&base);
    file_close(&fd);
    return 0;
}
