#include "folders.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conftransport.h"
#include "file.h"
#include "mem.h"

char *folders_run(const struct conf *conf, const char *name)
{
    return mem_format("%s/%s", conf_text(conf_root(conf), "run-dir"), name);
}

char *folders_state(const struct conf *conf, const char *name)
{
    return mem_format("%s/%s", conf_text(conf_root(conf), "state-dir"), name);
}

static int open_folder(const char *path, struct fail *f)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
        return fail_set(f, "%s is a symbolic link: the folder itself has to be named", path);
    return fd >= 0 ? fd : fail_errno(f, "%s", path);
}

/* Whoever else can write to a folder can put another in the place of one in it, or take a socket
 * away; but not where names belong to their makers, as in /tmp. */
static int check_safe(const char *path, const struct stat *st, struct fail *f)
{
    bool shared = (st->st_mode & 022) != 0 && (st->st_mode & S_ISVTX) == 0;
    if (st->st_uid == 0 && !shared)
        return 0;
    return fail_set(f, "%s must belong to root and be writable by nobody else (uid %u, mode %04o)",
                    path, st->st_uid, st->st_mode & 07777);
}

/* One that somebody else owns is not taken. */
static int give(int fd, const char *path, const struct stat *st, const struct user_ids *owner,
                struct fail *f)
{
    if (st->st_uid == (uid_t)owner->uid)
        return 0;
    if (st->st_uid != 0)
        return fail_set(f, "%s belongs to uid %u, and should to uid %d", path, st->st_uid,
                        owner->uid);
    if (fchown(fd, (uid_t)owner->uid, (gid_t)owner->gid) != 0)
        return fail_errno(f, "cannot give %s to uid %d", path, owner->uid);
    return 0;
}

/* The folder with this mode and owner. The mode of one that is not ours alone (owner NULL) stays as
 * somebody set it. */
static int make(const struct world *w, const char *path, mode_t mode, const struct user_ids *owner,
                struct fail *f)
{
    struct stat st;
    bool fresh = lstat(path, &st) != 0;
    if (file_make_path(AT_FDCWD, path, 0755, f) != 0)
        return -1;
    int fd = open_folder(path, f);
    if (fd < 0)
        return -1;
    int rc = fstat(fd, &st) == 0 ? 0 : fail_errno(f, "%s", path);
    if (rc == 0 && w->privileged)
        rc = owner == NULL ? check_safe(path, &st, f) : give(fd, path, &st, owner, f);
    if (rc == 0 && (st.st_mode & 07777) != mode && (fresh || owner != NULL) &&
        fchmod(fd, mode) != 0)
        rc = fail_errno(f, "cannot set the mode of %s", path);
    (void)close(fd);
    return rc;
}

/* Mail is no safer than the name of the folder that it is in. Old names are synced too: who made
 * them may have been killed before it could. */
static int sync_folder(const char *path, struct fail *f)
{
    int fd = open_folder(path, f);
    if (fd < 0)
        return -1;
    int rc = fsync(fd) == 0 ? 0 : fail_errno(f, "cannot sync %s", path);
    (void)close(fd);
    return rc;
}

int folders_make(struct world *w, const struct conf *conf, struct fail *f)
{
    char *queue = folders_state(conf, "queue"), *mail = folders_state(conf, "mail");
    char *empty = folders_run(conf, "empty");
    const struct user_ids root = {(int)geteuid(), (int)getegid()};
    const char *state = conf_text(conf_root(conf), "state-dir"),
               *run = conf_text(conf_root(conf), "run-dir");
    int rc = make(w, state, 0755, NULL, f);
    if (rc == 0)
        rc = make(w, run, 0755, NULL, f);
    if (rc == 0)
        rc = make(w, queue, 0700, &w->users[ROLE_QMGR], f);
    if (rc == 0)
        rc = make(w, mail, 0700, &w->users[ROLE_DELIVERY], f);
    if (rc == 0)
        rc = sync_folder(state, f);
    if (rc == 0)
        rc = make(w, empty, 0555, &root, f);
    mem_free(&queue);
    mem_free(&mail);
    mem_free(&empty);
    return rc;
}

int folders_lock(const struct conf *conf, struct fail *f)
{
    char *queue = folders_state(conf, "queue");
    int fd = open_folder(queue, f);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            (void)fail_set(f, "another suite is running: it works with %s", queue);
        else
            (void)fail_errno(f, "cannot lock %s", queue);
        file_close(&fd);
    }
    mem_free(&queue);
    return fd;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL   ? mem_text(".")
           : slash == path ? mem_text("/")
                           : mem_textn(path, (size_t)(slash - path));
}

char *folders_root(const struct world *w, const struct process *p)
{
    if (p->role == ROLE_QMGR)
        return folders_state(w->conf, "queue");
    if (p->role == ROLE_DELIVERY && strcmp(p->label, "local") == 0)
        return folders_state(w->conf, "mail");
    const char *socket = p->role == ROLE_DELIVERY ? conftransport_socket(w->conf, p->label) : NULL;
    if (socket != NULL)
        return folder_of(socket);
    return w->privileged ? folders_run(w->conf, "empty") : NULL;
}
