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
    DIR *dir = boxfolder_stream(tmp);
    const struct dirent *e;
    int error;
    int64_t now_ms = clock_wall_ms();
    unsigned removed = 0;
    if (dir == NULL)
        return 0;
    for (unsigned i = 0; i < SWEEP_FILES && (e = boxfolder_next(dir, &error)) != NULL; i++) {
        if (is_left_over(tmp, e->d_name, now_ms) && unlinkat(tmp, e->d_name, 0) == 0)
            removed++;
    }
    (void)closedir(dir);
    return removed;
}

static unsigned hash(unsigned h, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        h = h * 31 + (unsigned char)*p;
    return h;
}

/* Once an hour for a folder; those that share a place in the table have their turns. */
void maildir_sweep(struct agent *a, const struct boxfolder *m, const char *account,
                   const char *folder)
{
    int64_t now_ms = clock_mono_ms();
    unsigned place = hash(hash(0, account) * 31 + '/', folder);
    int64_t *swept_ms = &a->swept_ms[place % AGENT_SWEEPS];
    if (*swept_ms != 0 && now_ms - *swept_ms < SWEEP_INTERVAL_MS)
        return;
    *swept_ms = now_ms;
    unsigned removed = sweep_tmp(m->tmp);
    if (removed > 0)
        log_info(NULL, "old files removed from tmp", LS("account", account), LS("folder", folder),
                 LU("files", removed));
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
    boxname_head_write(&b, j->order->sender, j->order->recipients[i].address,
                       j->order->recipients[i].id);
    rc = file_write_all(to, buf_span(&b).p, b.n);
    *size = b.n;
    buf_clear(&b);
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

/* What is known of a message that was delivered. */
struct stored {
    char name[440];
    uint64_t inode;
};

static int deliver_one(const struct boxfolder *m, const struct job *j, uint32_t i,
                       struct stored *stored, struct fail *f)
{
    char name[400], *final = stored->name;
    struct stat st = {.st_ino = 0};
    uint64_t size = 0;
    make_name(name, sizeof name, j, i);
    int to = openat(m->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0)
        return fail_errno(f, "cannot create a message in tmp");
    int error, rc = write_message(to, j, i, &size);
    (void)snprintf(final, sizeof stored->name, "%s,S=%llu", name, (unsigned long long)size);
    if (rc == 0)
        rc = renameat(m->tmp, name, m->new, final);
    bool renamed = rc == 0;
    if (renamed)
        rc = fsync(m->new);
    if (rc == 0)
        rc = fstat(to, &st);
    error = errno;
    stored->inode = st.st_ino;
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

static struct job_outcome delivered(const struct stored *stored)
{
    return (struct job_outcome){.status = DELIVER_DONE,
                                .code = 250,
                                .enhanced = "2.1.5",
                                .stage = "maildir",
                                .remote_host = "local",
                                .stored_folder = "",
                                .stored_name = stored->name,
                                .stored_inode = stored->inode};
}

static struct job_outcome put_off(const struct fail *f, int error)
{
    return (struct job_outcome){.status = DELIVER_DEFERRED,
                                .enhanced = enhanced_of(error),
                                .stage = "maildir",
                                .error = f->text,
                                .remote_host = "local"};
}

void maildir_deliver(struct job *j)
{
    struct boxfolder m;
    struct fail f = {{0}};
    struct job_outcome o;
    if (boxfolder_make_inbox(&m, j->order->destination, &f) != 0) {
        int error = errno;
        log_error(NULL, "mailbox cannot be opened", LS("account", j->order->destination),
                  LS("why", f.text));
        o = put_off(&f, error);
        job_settle_rest(j, &o);
        job_finish(j);
        return;
    }
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (j->settled[i])
            continue;
        struct stored stored;
        bool good = deliver_one(&m, j, i, &stored, &f) == 0;
        int error = errno;
        if (!good)
            log_error(NULL, "message cannot be delivered", LS("account", j->order->destination),
                      LS("why", f.text));
        o = good ? delivered(&stored) : put_off(&f, error);
        job_settle(j, i, &o);
    }
    maildir_sweep(j->agent, &m, j->order->destination, "");
    boxfolder_close(&m);
    job_finish(j);
}
