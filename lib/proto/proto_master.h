#ifndef QM_PROTO_MASTER_H
#define QM_PROTO_MASTER_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"

/* The master protocol: qmctl, run by root or by the user who runs the suite, asks master over
 * <run-dir>/master.sock. */

struct master_process {
    char *name;  /* "smtpd/0" */
    int64_t pid; /* 0 while it is down */
    int64_t uid;
    char *root;    /* what the process sees as /, as master set it */
    char *seccomp; /* "filter", "off" as the kernel reports it */
    uint32_t restarts;
    int64_t uptime_ms; /* 0 while it is down */
    char *state;       /* "starting" "up" "waiting" "stopping" */
};

struct master_status {
    int64_t pid, uptime_ms;
    char *config_path;
    int64_t config_ms; /* wall clock of the last good (re)load */
    bool privileged;   /* started as root */
    struct master_process *processes;
    uint32_t processes_n;
};

void master_status_clear(struct master_status *s); /* frees all it owns */

/* ---- the side that asks; all block, fd from ipc_connect ---- */
int master_ask_status(int fd, struct master_status *s, struct fail *f);
int master_ask_config(int fd, struct buf *text,
                      struct fail *f); /* effective settings, in the language */
/* type: MSG_MASTER_RELOAD, _STOP, _CREDENTIALS, _CLOCK (step_ms). 0, or -1 with what master said.
 */
int master_ask(int fd, uint16_t type, int64_t step_ms, int timeout_ms, struct fail *f);

/* ---- the side that answers: master ---- */
struct master_request {
    uint16_t type;
    int64_t step_ms;
};
/* Reads any request: 0, or -1 with a sentence. Each is answered once; answers copy what they are
 * given. */
int master_read(struct ipc_message *m, struct master_request *r, struct fail *f);
void master_answer_status(struct ipc *ch, uint64_t request, const struct master_status *s);
void master_answer_config(struct ipc *ch, uint64_t request, struct span text);
void master_done(struct ipc *ch, uint64_t request);
void master_refuse(struct ipc *ch, uint64_t request, const char *why);

#endif
