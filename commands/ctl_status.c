#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl.h"
#include "jsonwrite.h"
#include "mem.h"
#include "proto_admin.h"
#include "proto_master.h"
#include "proto_types.h"

static void put_number(struct jsonwrite *w, const char *key, uint64_t v)
{
    jsonwrite_key(w, key);
    jsonwrite_uint64(w, v);
}

static void put_text(struct jsonwrite *w, const char *key, const char *text)
{
    jsonwrite_key(w, key);
    jsonwrite_text(w, text);
}

static void put_counts(struct jsonwrite *w, const struct admin_counts *n)
{
    jsonwrite_key(w, "queue");
    jsonwrite_object(w);
    put_number(w, "messages", n->messages);
    put_number(w, "recipients", n->recipients);
    put_number(w, "due", n->due);
    put_number(w, "held", n->held);
    put_number(w, "trying", n->trying);
    put_number(w, "retired", n->retired);
    put_number(w, "webhooks", n->hooks);
    put_number(w, "events", n->events);
    put_number(w, "bytes_used", n->bytes_used);
    put_number(w, "bytes_free", n->bytes_free);
    jsonwrite_object_end(w);
}

static void print_json(const struct master_status *s, const struct admin_counts *n)
{
    struct buf b = {0};
    struct jsonwrite w;
    jsonwrite_open(&w, &b, 0);
    jsonwrite_object(&w);
    put_number(&w, "pid", (uint64_t)s->pid);
    put_number(&w, "uptime_ms", (uint64_t)s->uptime_ms);
    put_text(&w, "config", s->config_path);
    jsonwrite_key(&w, "loaded");
    jsonwrite_time(&w, s->config_ms);
    jsonwrite_key(&w, "privileged");
    jsonwrite_bool(&w, s->privileged);
    jsonwrite_key(&w, "processes");
    jsonwrite_array(&w);
    for (uint32_t i = 0; i < s->processes_n; i++) {
        const struct master_process *p = &s->processes[i];
        jsonwrite_object(&w);
        put_text(&w, "name", p->name);
        put_text(&w, "state", p->state);
        put_number(&w, "pid", (uint64_t)p->pid);
        jsonwrite_key(&w, "uid");
        jsonwrite_int64(&w, p->uid);
        put_text(&w, "root", p->root);
        put_text(&w, "seccomp", p->seccomp);
        put_number(&w, "restarts", p->restarts);
        put_number(&w, "uptime_ms", (uint64_t)p->uptime_ms);
        jsonwrite_object_end(&w);
    }
    jsonwrite_array_end(&w);
    if (n != NULL)
        put_counts(&w, n);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    ctl_print(&b);
}

static void print_processes(const struct master_status *s)
{
    static const char *const headings[] = {"PROCESS", "STATE",    "PID", "UID", "ROOT",
                                           "SECCOMP", "RESTARTS", "UP",  NULL};
    struct ctl_table *t = ctl_table_new(headings);
    char span[32];
    for (uint32_t i = 0; i < s->processes_n; i++) {
        const struct master_process *p = &s->processes[i];
        ctl_table_cell(t, "%s", p->name);
        ctl_table_cell(t, "%s", p->state);
        ctl_table_cell(t, "%lld", (long long)p->pid);
        ctl_table_cell(t, "%lld", (long long)p->uid);
        ctl_table_cell(t, "%s", p->root);
        ctl_table_cell(t, "%s", p->seccomp);
        ctl_table_cell(t, "%u", p->restarts);
        ctl_table_cell(t, "%s", ctl_span_text(p->uptime_ms, span, sizeof span));
    }
    ctl_table_print(&t);
}

static void print_text(const struct master_status *s, const struct admin_counts *n)
{
    char span[32], when[40];
    (void)printf("quartermaster, pid %lld, up %s%s\n", (long long)s->pid,
                 ctl_span_text(s->uptime_ms, span, sizeof span),
                 s->privileged ? "" : ", without root: one user, no chroot");
    (void)printf("configuration %s, loaded %s\n\n", s->config_path,
                 ctl_time_text(s->config_ms, when, sizeof when));
    print_processes(s);
    if (n == NULL) {
        (void)printf("\nThe queue does not answer.\n");
        return;
    }
    (void)printf(
        "\nqueue    %llu messages, %llu recipients: %llu being tried, %llu waiting, %llu held\n",
        (unsigned long long)n->messages, (unsigned long long)n->recipients,
        (unsigned long long)n->trying,
        (unsigned long long)(n->due > n->trying ? n->due - n->trying : 0),
        (unsigned long long)n->held);
    (void)printf("history  %llu recipients, %llu events; %llu webhooks waiting\n",
                 (unsigned long long)n->retired, (unsigned long long)n->events,
                 (unsigned long long)n->hooks);
    (void)printf("store    %.1f MiB used, %.1f MiB free inside\n", (double)n->bytes_used / 1048576,
                 (double)n->bytes_free / 1048576);
}

/* Its socket is master's and takes connections while nobody is there to answer them. */
static bool queue_is_up(const struct master_status *s)
{
    for (uint32_t i = 0; i < s->processes_n; i++) {
        if (strcmp(s->processes[i].name, "qmgr") == 0)
            return strcmp(s->processes[i].state, "up") == 0;
    }
    return false;
}

int ctl_status(struct ctl *c, int argc, char **argv)
{
    struct master_status s;
    struct admin_counts n;
    struct fail f;
    int fd = ctl_master(c);
    if (fd < 0)
        return c->unreached;
    int rc = master_ask_status(fd, &s, &f);
    (void)close(fd);
    if (rc != 0)
        return ctl_fail(EX_UNAVAILABLE, "%s", f.text);
    fd = queue_is_up(&s) ? ctl_admin(c) : -1;
    rc = fd < 0 ? -1 : admin_ask_counts(fd, &n, &f);
    if (fd >= 0)
        (void)close(fd);
    if (c->json)
        print_json(&s, rc == 0 ? &n : NULL);
    else
        print_text(&s, rc == 0 ? &n : NULL);
    master_status_clear(&s);
    return rc == 0 ? EX_OK : EX_UNAVAILABLE;
}

static int order(struct ctl *c, uint16_t type, int64_t step_ms, const char *done)
{
    struct fail f;
    int fd = ctl_master(c);
    if (fd < 0)
        return c->unreached;
    int rc = master_ask(fd, type, step_ms, 15000, &f);
    (void)close(fd);
    /* master's answer has room for a sentence, not for every error with its line. */
    if (rc != 0 && type == MSG_MASTER_RELOAD && c->conf == NULL && ctl_config_errors(c))
        return ctl_fail(EX_CONFIG, "not reloaded: everything stays as it was");
    if (rc != 0)
        return ctl_fail(ctl_code(f.text, type == MSG_MASTER_RELOAD ? EX_CONFIG : EX_TEMPFAIL), "%s",
                        f.text);
    if (c->json)
        (void)printf("{\"done\":true}\n");
    else
        (void)puts(done);
    return EX_OK;
}

int ctl_reload(struct ctl *c, int argc, char **argv)
{
    return order(c, MSG_MASTER_RELOAD, 0, "reloaded");
}

int ctl_stop(struct ctl *c, int argc, char **argv)
{
    return order(c, MSG_MASTER_STOP, 0, "stopping");
}

int ctl_clock(struct ctl *c, int argc, char **argv)
{
    long long ms;
    if (argc != 3 || sscanf(argv[2], "%lld", &ms) != 1)
        return ctl_fail(EX_USAGE, "usage: qmctl clock step MILLISECONDS");
    return order(c, MSG_MASTER_CLOCK, ms, "stepped");
}
