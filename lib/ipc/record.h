#ifndef QM_RECORD_H
#define QM_RECORD_H

#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"

/* One record on its way: the head, the payload and the descriptors, as ipc.h describes them. */

#define RECORD_HEAD 16
#define RECORD_AGAIN 1 /* the socket would block */
#define RECORD_CLOSED 2
/* Too many descriptors are in flight: try again in a while, whatever poll says. */
#define RECORD_LATER 3

struct record {
    struct buf octets; /* head and inline payload */
    int fd[IPC_FDS + 1];
    unsigned fds;
};

/* Takes the descriptors over, also on failure. A payload above IPC_INLINE_MAX goes into a memory
 * file. */
int record_make(struct record *r, uint16_t type, uint16_t flags, uint64_t id, struct span payload,
                const int *fds, unsigned n, struct fail *f);
void record_free(struct record *r);

/* The same at once, of a payload of IPC_INLINE_MAX at most, without a record: 0, RECORD_AGAIN,
 * RECORD_LATER, or -1. The descriptors stay the caller's. */
int record_send_now(int fd, uint16_t type, uint16_t flags, uint64_t id, struct span payload,
                    const int *fds, unsigned n, struct fail *f);
/* 0, RECORD_AGAIN, RECORD_LATER, or -1. */
int record_send(int fd, const struct record *r, struct fail *f);

/* One record into m; storage holds the payload it points to. 0, RECORD_AGAIN, RECORD_CLOSED, or -1
 * when the peer sent what is no record. All descriptors that came are in m->fd or closed. */
int record_receive(int fd, struct ipc_message *m, struct buf *storage, struct fail *f);
void record_close_fds(struct ipc_message *m);

#endif
