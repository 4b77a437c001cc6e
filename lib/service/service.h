#ifndef QM_SERVICE_H
#define QM_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "conf.h"
#include "fail.h"
#include "ipc.h"

/* The frame every process but master runs in: it drops what it may not keep, hears from master what
 * it works with, and ends when master says so. A daemon's main.c is a struct service_spec and a
 * call of service_main. */

struct service;

/* A descriptor from master for one purpose, for a configuration that is being prepared. */
struct service_hand {
    char *purpose; /* "listen public smtp 192.0.2.1:25", "key-file public", ... see
                      quartermaster-ipc(7) */
    int fd;        /* taken by setting it to -1; the rest are closed after prepare */
};

struct service_spec {
    const char *name;            /* "smtpd" */
    unsigned reader;             /* CONF_SMTPD ...: whose share it gets */
    const char *const *syscalls; /* beyond what everyone may; NULL-terminated, or NULL */
    /* Names, NULL-terminated, or NULL; see service_count. Shown as quartermaster_<process>_<name>,
     * or with a scope in place of the process: "scope:name". Labels may follow: "name code=404".
     * A histogram is "x_seconds_bucket le=0.5" and so on, as Prometheus counts them, then
     * "x_seconds_sum", in microseconds, and "x_seconds_count"; these two alone are a summary. */
    const char *const *counters;

    /* While still privileged and unconfined: libraries that open files at their start. arg is what
     * service_main was given; master's --root etc. are not applied yet. May be NULL. */
    int (*init)(struct service *s, struct fail *f);

    /* Confined, before the first configuration: open what is one's own. May be NULL. */
    int (*start)(struct service *s, struct fail *f);

    /* A new configuration: build all that depends on it, without touching what is in use. The tree
     * belongs to the result from now on (on failure too it is freed by the caller, not here: return
     * NULL and a sentence). If it is the first one, and the disk is at fault (fail_is_of_disk), the
     * process ends with EX_IOERR, to be started again; else the configuration is refused. */
    void *(*prepare)(struct service *s, struct conf *conf, struct service_hand *hands,
                     size_t hands_n, struct fail *f);
    /* Use it from now on; the state before (NULL the first time) is the callee's to free when
     * nothing uses it. */
    void (*commit)(struct service *s, void *state, void *old);
    /* It will not be used after all: free it. */
    void (*discard)(struct service *s, void *state);

    /* A channel to or from a peer, with the link's name: "submit" for a peer that we ask, "submit
     * smtpd/0" for one that asks us. Takes the descriptor. A second one of the same name replaces
     * the first: that peer was started anew, or service_link_lost was called. Never comes before
     * the first commit. */
    void (*on_link)(struct service *s, const char *name, int fd);

    /* Every process's counters as Prometheus text. May be NULL. */
    void (*on_metrics)(struct service *s, struct span text);

    /* Finish what is begun and call service_done. May be NULL: done at once. */
    void (*on_stop)(struct service *s);
};

/* Runs the process; returns its exit code. user is for the daemon's own state (service_user). */
int service_main(const struct service_spec *spec, int argc, char **argv, void *user);

/* The channel on which this process asks, of that name, has ended: master is asked for a new one
 * after a second, and again ever more rarely, up to once a minute, until on_link has brought one,
 * because the peer was started anew or master made the pair again. Nothing happens while the
 * process stops. */
void service_link_lost(struct service *s, const char *name);

struct event_base *service_base(struct service *s);
void *service_user(struct service *s);
void *service_state(struct service *s);      /* what the last commit used; NULL before */
const char *service_name(struct service *s); /* "smtpd/0" */
bool service_stopping(const struct service *s);
void service_done(struct service *s); /* ends the loop: the process exits 0 */

/* Adds n to the counter of that index in spec->counters. They go to master when it asks. */
void service_count(struct service *s, unsigned counter, int64_t n);
/* Puts a time into a histogram: n buckets from the counter first on, whose upper bounds in
 * milliseconds these are, the last INT64_MAX; then its sum and its count. n may be 0: a summary. */
void service_count_time(struct service *s, unsigned first, const int64_t *bounds_ms, unsigned n,
                        int64_t ms);
void service_gauge(struct service *s, unsigned counter, uint64_t value);

#endif
