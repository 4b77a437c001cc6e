#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "folders.h"
#include "links.h"
#include "log.h"
#include "mem.h"

#define LINKS_MAX 256 /* as lib/service/service.c takes */
#define ARGUMENTS_MAX (LINKS_MAX + 16)

struct arguments {
    char *v[ARGUMENTS_MAX];
    int n;
};

static void add(struct arguments *a, char *text)
{
    if (a->n < ARGUMENTS_MAX - 1)
        a->v[a->n++] = text;
    else
        mem_free(&text);
}

static void clear(struct arguments *a)
{
    while (a->n > 0)
        mem_free(&a->v[--a->n]);
}

static const char *log_level(const struct world *w)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return names[conf_word(conf_root(w->conf), "log-level")];
}

static void build(struct arguments *a, const struct process *p, int control,
                  const struct link_end *ends, int n)
{
    const struct world *w = p->world;
    char *root = folders_root(w, p);
    add(a, mem_format("%s/%s", w->program_dir, role_program(p->role)));
    add(a, mem_format("--name=%s", p->name));
    add(a, mem_format("--control=%d", control));
    add(a, mem_format("--uid=%d", w->users[p->role].uid));
    add(a, mem_format("--gid=%d", w->users[p->role].gid));
    add(a, mem_format("--seccomp=%d", conf_word(conf_root(w->conf), "seccomp")));
    add(a, mem_format("--log-level=%s", log_level(w)));
    if (root != NULL)
        add(a, mem_format("--root=%s", root));
    for (int i = 0; i < n; i++)
        add(a, mem_format("--link=%s=%d", ends[i].name, ends[i].fd));
    mem_free(&root);
}

/* In the child. master has one thread, so that all of libc is safe after the fork. */
static void become(char *const *argv, int control, const struct link_end *ends, int n)
{
    static char *const environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=:/etc/localtime",
                                        NULL};
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    /* Whatever master was started with stays with it. */
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
    }
    (void)close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
    (void)fcntl(control, F_SETFD, 0);
    for (int i = 0; i < n; i++)
        (void)fcntl(ends[i].fd, F_SETFD, 0);
    (void)execve(argv[0], argv, environment);
    log_error(NULL, "cannot run a program", LS("program", argv[0]), LS("why", strerror(errno)));
    _exit(127);
}

int launch(struct process *p, int control, struct fail *f)
{
    struct link_end ends[LINKS_MAX];
    struct arguments a = {.n = 0};
    int n = links_make(p, ends, LINKS_MAX, f), rc = 0;
    if (n < 0) {
        (void)close(control);
        return -1;
    }
    build(&a, p, control, ends, n);
    a.v[a.n] = NULL;
    pid_t pid = fork();
    if (pid == 0)
        become(a.v, control, ends, n);
    if (pid < 0)
        rc = fail_errno(f, "cannot fork");
    else
        p->pid = pid;
    for (int i = 0; i < n; i++)
        (void)close(ends[i].fd);
    (void)close(control);
    clear(&a);
    return rc;
}
