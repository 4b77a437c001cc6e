#include "status.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ascii.h"
#include "clock.h"
#include "file.h"
#include "folders.h"
#include "mem.h"

static const char *state_name(const struct process *p)
{
    static const char *const names[] = {"down", "starting", "up", "stopping"};
    return p->state == PROCESS_DOWN && !p->unwanted ? "waiting" : names[p->state];
}

/* The value of a line "Name:\tvalue ..." of /proc/PID/status, first word; -1 when it is not there.
 */
static int64_t proc_number(struct buf *text, const char *name)
{
    struct span rest = buf_span(text), line, word;
    uint64_t v;
    while (ascii_token(&rest, "\n", &line)) {
        if (!span_starts_nocase(line, name))
            continue;
        line = span_of(line.p + strlen(name), line.n - strlen(name));
        if (ascii_token(&line, ": \t", &word) && ascii_u64(word, INT64_MAX, &v) == 0)
            return (int64_t)v;
    }
    return -1;
}

/* The kernel does not tell of processes that are closed to us: without CAP_SYS_PTRACE, and without
 * root, those are all. One that is up has told that it did as it was asked to. */
static char *root_of(const struct process *process)
{
    char path[64], root[PATH_MAX];
    (void)snprintf(path, sizeof path, "/proc/%d/root", process->pid);
    ssize_t n = readlink(path, root, sizeof root - 1);
    if (n >= 0)
        return mem_textn(root, (size_t)n);
    if (process->state != PROCESS_UP)
        return mem_text("unknown");
    return process->world->privileged ? folders_root(process->world, process) : mem_text("/");
}

static void look(const struct process *process, struct master_process *p)
{
    static const char *const modes[] = {"off", "strict", "filter"};
    char path[64];
    struct buf text = {0};
    struct fail f;
    (void)snprintf(path, sizeof path, "/proc/%d/status", process->pid);
    (void)file_read(AT_FDCWD, path, 65536, &text, &f);
    p->uid = proc_number(&text, "Uid");
    int64_t mode = proc_number(&text, "Seccomp");
    p->seccomp = mem_text(mode >= 0 && mode <= 2 ? modes[mode] : "unknown");
    p->root = root_of(process);
    buf_free(&text);
}

void status_take(const struct world *w, struct master_status *s)
{
    const struct process *p;
    int64_t now = clock_mono_ms();
    *s = (struct master_status){.pid = getpid(),
                                .uptime_ms = now - w->started_ms,
                                .config_path = mem_text(w->config_path),
                                .config_ms = w->loaded_ms,
                                .privileged = w->privileged};
    TAILQ_FOREACH (p, &w->processes, next)
        s->processes_n++;
    s->processes = mem_array(s->processes_n, sizeof *s->processes);
    struct master_process *to = s->processes;
    TAILQ_FOREACH (p, &w->processes, next) {
        to->name = mem_text(p->name);
        to->pid = p->pid;
        to->restarts = p->restarts;
        to->uptime_ms = p->pid > 0 ? now - p->started_ms : 0;
        to->state = mem_text(state_name(p));
        if (p->pid > 0) {
            look(p, to);
        } else {
            to->root = mem_text("");
            to->seccomp = mem_text("");
        }
        to++;
    }
}
