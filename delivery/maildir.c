#include "maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "log.h"
#include "mem.h"
#include "qid.h"
#include "rand.h"

#define COPY_SIZE 65536
#define SWEEP_AGE_MS (36 * 3600000LL) /* whoever writes a message does not take that long */
#define SWEEP_INTERVAL_MS 3600000
#define SWEEP_FILES 1000 /* looked at in one go */

struct mailbox {
    int dir, tmp, new;
};

/* A folder made anew has to be as durable as what is put into it. */
static int sync_folder(int dirfd)
{
    int fd = dirfd == AT_FDCWD ? openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : dirfd;
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0 && fd != dirfd)
        (void)close(fd);
    return rc;
}

static int open_folder(int dirfd, const char *name, struct fail *f)
{
    int made = mkdirat(dirfd, name, 0700);
    if ((made != 0 && errno != EEXIST) || (made == 0 && sync_folder(dirfd) != 0))
        return fail_errno(f, "cannot make folder %s", name);
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : fail_errno(f, "cannot open folder %s", name);
}

static void close_mailbox(struct mailbox *m)
{
    file_close(&m->dir);
    file_close(&m->tmp);
    file_close(&m->new);
}

/* The account's name comes from qmgr, which took it from the configuration; it still must not lead
 * anywhere else. */
static bool is_name(const char *s)
{
    return s[0] != '\0' && s[0] != '.' && strchr(s, '/') == NULL;
}

static int open_mailbox(struct mailbox *m, const char *account, struct fail *f)
{
    *m = (struct mailbox){-1, -1, -1};
    if (!is_name(account)) {
        errno = EINVAL;
        return fail_set(f, "not the name of a mailbox: %s", account);
    }
    int cur = -1;
    m->dir = open_folder(AT_FDCWD, account, f);
    if (m->dir >= 0)
        m->tmp = open_folder(m->dir, "tmp", f);
    if (m->tmp >= 0)
        cur = open_folder(m->dir, "cur", f);
    if (cur >= 0)
        m->new = open_folder(m->dir, "new", f);
    int error = errno;
    file_close(&cur);
    if (m->new >= 0)
        return 0;
    close_mailbox(m);
    errno = error;
    return -1;
}

/* ---- what a crash has left in tmp ---- */

static bool is_left_over(int tmp, const char *name, int64_t now_ms)
{
    struct stat st;
    if (fstatat(tmp, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return false;
    int64_t used_s = st.st_atim.tv_sec > st.st_mtim.tv_sec ? st.st_atim.tv_sec : st.st_mtim.tv_sec;
    return used_s * 1000 < now_ms - SWEEP_AGE_MS;
}

/* maildir(5): files in tmp that nobody has touched for 36 hours are to be removed. */
static unsigned sweep_tmp(int tmp)
{
    int fd = openat(tmp, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;
    int64_t now_ms = clock_wall_ms();
    unsigned removed = 0;
    if (dir == NULL) {
        file_close(&fd);
        return 0;
    }
    for (unsigned i = 0; i < SWEEP_FILES && (e = readdir(dir)) != NULL; i++) {
        if (is_left_over(tmp, e->d_name, now_ms) && unlinkat(tmp, e->d_name, 0) == 0)
            removed++;
    }
    (void)closedir(dir);
    return removed;
}

/* Once an hour for a mailbox; those that share a place in the table have their turns. */
static void sweep(struct agent *a, const struct mailbox *m, const char *account)
{
    int64_t now_ms = clock_mono_ms();
    unsigned place = 0;
    for (const char *p = account; *p != '\0'; p++)
        place = place * 31 + (unsigned char)*p;
    int64_t *swept_ms = &a->swept_ms[place % AGENT_SWEEPS];
    if (*swept_ms != 0 && now_ms - *swept_ms < SWEEP_INTERVAL_MS)
        return;
    *swept_ms = now_ms;
    unsigned removed = sweep_tmp(m->tmp);
    if (removed > 0)
        log_info(NULL, "old files removed from tmp", LS("account", account), LU("files", removed));
}

/* Mail on disk has the system's line ends. last: whether the piece before ended in CR. */
static void unfold_crlf(struct buf *out, const unsigned char *p, size_t n, bool *after_cr)
{
    for (size_t i = 0; i < n; i++) {
        if (*after_cr && p[i] != '\n')
            buf_putc(out, '\r');
        *after_cr = p[i] == '\r';
        if (!*after_cr)
            buf_putc(out, p[i]);
    }
}

static int write_message(int to, const struct job *j, uint32_t i, uint64_t *size)
{
    struct buf b = {0};
    bool after_cr = false;
    int rc = 0;
    unsigned char *octets = mem_alloc(COPY_SIZE);
    buf_putf(&b, "Return-Path: <%s>\nDelivered-To: %s\n", j->order->sender,
             j->order->recipients[i].address);
    for (uint64_t at = 0; rc == 0;) {
        ssize_t got = pread(j->body, octets, COPY_SIZE, (off_t)at);
        if (got < 0)
            rc = -1;
        if (got == 0 && after_cr) {
            rc = file_write_all(to, "\r", 1);
            *size += 1;
        }
        if (got <= 0)
            break;
        unfold_crlf(&b, octets, (size_t)got, &after_cr);
        rc = file_write_all(to, buf_span(&b).p, b.n);
        *size += b.n;
        at += (uint64_t)got;
        buf_clear(&b);
    }
    mem_free(&octets);
    buf_free(&b);
    return rc == 0 ? fsync(to) : rc;
}

/* Unique among all deliveries, on all machines, that share the mailbox:
 * https://cr.yp.to/proto/maildir.html. A file name has 255 octets at most, the size and the flags
 * that are added to it included; a hostname may have as many. */
static void make_name(char *name, size_t size, const struct job *j, uint32_t i)
{
    int64_t now = clock_wall_ms();
    char id[QID_SIZE];
    (void)snprintf(name, size, "%lld.M%03lldP%dR%08llxQ%s.%.128s", (long long)(now / 1000),
                   (long long)(now % 1000), (int)getpid(),
                   (unsigned long long)rand_below(UINT32_MAX),
                   qid_text(j->order->recipients[i].id, id), j->transport->hostname);
}

static int deliver_one(const struct mailbox *m, const struct job *j, uint32_t i, struct fail *f)
{
    char name[400], final[440];
    uint64_t size = 0;
    make_name(name, sizeof name, j, i);
    int to = openat(m->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0)
        return fail_errno(f, "cannot create a message in tmp");
    int error, rc = write_message(to, j, i, &size);
    (void)snprintf(final, sizeof final, "%s,S=%llu", name, (unsigned long long)size);
    if (rc == 0)
        rc = renameat(m->tmp, name, m->new, final);
    bool renamed = rc == 0;
    if (renamed)
        rc = fsync(m->new);
    error = errno;
    if (rc != 0) {
        (void)fail_errno(f, "cannot write a message");
        (void)unlinkat(renamed ? m->new : m->tmp, renamed ? final : name, 0);
    }
    (void)close(to);
    errno = error;
    return rc;
}

/* RFC 3463: the system is full, the mailbox is full, the system has some other trouble. */
static const char *enhanced_of(int error)
{
    return error == ENOSPC ? "4.3.1" : error == EDQUOT ? "4.2.2" : "4.3.0";
}

/* f: NULL when it is delivered; else error is the errno that goes with it. */
static struct job_outcome outcome(const struct fail *f, int error)
{
    if (f == NULL)
        return (struct job_outcome){.status = DELIVER_DONE,
                                    .code = 250,
                                    .enhanced = "2.1.5",
                                    .stage = "maildir",
                                    .remote_host = "local"};
    return (struct job_outcome){.status = DELIVER_DEFERRED,
                                .enhanced = enhanced_of(error),
                                .stage = "maildir",
                                .error = f->text,
                                .remote_host = "local"};
}

void maildir_deliver(struct job *j)
{
    struct mailbox m;
    struct fail f = {{0}};
    struct job_outcome o;
    if (open_mailbox(&m, j->order->destination, &f) != 0) {
        int error = errno;
        log_error(NULL, "mailbox cannot be opened", LS("account", j->order->destination),
                  LS("why", f.text));
        o = outcome(&f, error);
        job_settle_rest(j, &o);
        job_finish(j);
        return;
    }
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (j->settled[i])
            continue;
        bool good = deliver_one(&m, j, i, &f) == 0;
        int error = errno;
        if (!good)
            log_error(NULL, "message cannot be delivered", LS("account", j->order->destination),
                      LS("why", f.text));
        o = outcome(good ? NULL : &f, error);
        job_settle(j, i, &o);
    }
    sweep(j->agent, &m, j->order->destination);
    close_mailbox(&m);
    job_finish(j);
}
