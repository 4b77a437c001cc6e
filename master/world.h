#ifndef QM_WORLD_H
#define QM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include <bsd/sys/queue.h>
#include <event2/event.h>

#include "conf.h"
#include "fail.h"
#include "ipc.h"

/* What master has in hand: the configuration, the processes, the sockets it bound for them. */

enum role { ROLE_VAULT, ROLE_DELIVERY, ROLE_HOOKS, ROLE_QMGR, ROLE_SMTPD, ROLE_WEBAPI, ROLES };

enum process_state {
    PROCESS_DOWN,     /* waits for its next start */
    PROCESS_STARTING, /* has no configuration yet */
    PROCESS_UP,
    PROCESS_STOPPING,
};

#define LINKS_EDGES 16 /* at least as many as links.c has edges */

struct process {
    TAILQ_ENTRY(process) next;
    struct world *world;
    enum role role;
    char name[80];     /* "smtpd/0", "delivery/relay"; a label has up to 64 characters */
    const char *label; /* of the transport: the part behind "delivery/" */
    unsigned index;
    enum process_state state;
    int pid; /* 0 while it is down */
    struct ipc *control;
    int64_t started_ms; /* monotonic */
    int64_t back_off_ms;
    unsigned restarts;
    struct event *timer;  /* while it is down: its next start; while it stops: its limit */
    uint64_t question;    /* the last configuration it was asked about; only that answer counts */
    bool unwanted;        /* no longer in the configuration: not to be started again */
    uint64_t generation;  /* while it starts: of the configuration it was asked about */
    bool ready;           /* while it starts: it could work with that, and a reload is under way */
    bool asked, answered; /* during a reload */
    int64_t linked_ms[LINKS_EDGES]; /* monotonic: when its links were last made; see links.c */
};

/* A socket bound for a process. It stays open here, so that a restart or reload loses no
 * connection. */
struct listener {
    TAILQ_ENTRY(listener) next;
    char purpose[160]; /* "listen public smtp 192.0.2.1:25", "local", "admin" */
    enum role role;
    int fd;
    bool wanted;            /* by the configuration in use, or the one being prepared */
    bool was_wanted, fresh; /* while one is being prepared: as it was; bound for it */
};

struct user_ids {
    int uid, gid;
};

struct world {
    struct event_base *base;
    char *config_path, *program_dir;
    struct conf *conf;
    uint64_t generation;           /* of conf and the files it names: one more with each reload */
    int64_t started_ms, loaded_ms; /* monotonic; wall clock */
    bool privileged;
    struct user_ids users[ROLES];
    int admin_gid;
    int lock; /* on the queue: no other suite works with it while this is open */
    TAILQ_HEAD(, process) processes;
    TAILQ_HEAD(, listener) listeners;
    struct reload *reload; /* under way, or NULL */
    struct stop *stop;     /* under way, or NULL */
    struct metrics *metrics;
    struct control *control;
    bool announced;     /* READY=1 was said */
    uint64_t questions; /* asked so far */
    /* 0: as reload.c, stop.c, process.c and metrics.c say; tests have less time. */
    int64_t reload_limit_ms, stop_limit_ms, intake_limit_ms, unwanted_limit_ms, metrics_interval_ms;
    int exit_code;
};

extern const char *const role_names[ROLES];
/* The process's reader bit in the configuration, its program's name. */
unsigned role_reader(enum role r);
const char *role_program(enum role r);

#endif
