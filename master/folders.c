#include "folders.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* The folder with this mode and owner. One that somebody else owns is not taken, and the mode of
 * one that is not ours alone (owner NULL) stays as somebody set it. */
static int make(const struct world *w, const char *path, mode_t mode, const struct user_ids *owner,
                struct fail *f)
{
    struct stat st;
    bool fresh = stat(path, &st) != 0;
    if (file_make_path(AT_FDCWD, path, 0755, f) != 0)
        return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(f, "%s", path);
    int rc = fstat(fd, &st);
    if (rc == 0 && w->privileged && owner != NULL && st.st_uid != (uid_t)owner->uid)
        rc =
            st.st_uid == 0 ? fchown(fd, (uid_t)owner->uid, (gid_t)owner->gid) : (errno = EPERM, -1);
    if (rc == 0 && (st.st_mode & 07777) != mode && (fresh || owner != NULL))
        rc = fchmod(fd, mode);
    if (rc != 0)
        (void)fail_errno(f, "cannot make %s the folder it should be", path);
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
        rc = make(w, empty, 0555, &root, f);
    mem_free(&queue);
    mem_free(&mail);
    mem_free(&empty);
    return rc;
}

char *folders_root(const struct world *w, const struct process *p)
{
    if (p->role == ROLE_QMGR)
        return folders_state(w->conf, "queue");
    if (p->role == ROLE_DELIVERY && strcmp(p->label, "local") == 0)
        return folders_state(w->conf, "mail");
    return w->privileged ? folders_run(w->conf, "empty") : NULL;
}
