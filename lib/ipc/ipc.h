#ifndef QM_IPC_H
#define QM_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "buf.h"
#include "fail.h"

/* Messages between processes, over an AF_UNIX SOCK_SEQPACKET socket: one record is one message,
 * which the kernel keeps whole. Who may send what stands in man/quartermaster-ipc.7.
 *
 * A record begins with a head of 16 octets, big-endian:
 *
 *     type u16 | flags u16 | payload length u32 | id u64
 *
 * e.g. "\x01\x02 \x00\x00 \x00\x00\x00\x03 \x00\x00\x00\x00\x00\x00\x00\x07 abc": type 0x0102, id
 * 7, payload "abc". flags: IPC_REPLY, and IPC_SPILLED: the payload did not fit into a record and is
 * in a sealed memory file, the first descriptor passed with the record.
 *
 * The side that asks numbers its requests; the reply carries the same id. The peer is not trusted:
 * whatever does not parse ends the channel, never the process. */

#define IPC_INLINE_MAX 32768        /* octets of payload inside a record */
#define IPC_PAYLOAD_MAX (64u << 20) /* octets of payload at all */
#define IPC_FDS 4                   /* descriptors with one message */
#define IPC_REPLY 0x1
#define IPC_SPILLED 0x2

struct ipc_message {
    uint16_t type;
    bool reply;
    uint64_t id;
    struct span payload; /* valid during the handler only */
    int fd[IPC_FDS]; /* a handler that keeps one sets its place to -1; the rest are closed after it
                      */
    unsigned fds;
};

struct ipc;

struct ipc_handler {
    /* A request or a notice from the peer. Returning -1 ends the channel: the peer broke the
     * protocol. May be NULL for a side that only asks. */
    int (*on_message)(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f);
    /* The channel is over. Pending requests have been answered with NULL before. The owner calls
     * ipc_free, here or later. */
    void (*on_closed)(struct ipc *ch, void *arg, const char *why);
};

/* The reply to a request, or NULL when the channel ended before there was one, or the request was
 * never sent. The handler may set m->fd[] to -1 as above. Returning -1 (the reply made no sense)
 * ends the channel. */
typedef int ipc_on_reply(void *arg, struct ipc_message *m, struct fail *f);

/* Takes the descriptor (a connected SEQPACKET socket). name is for the log. */
struct ipc *ipc_new(struct event_base *base, int fd, const char *name,
                    const struct ipc_handler *handler, void *arg);
void ipc_free(struct ipc **ch); /* pending requests are answered with NULL first */

/* Each copies the payload, if need be. Sending never blocks and never fails to the caller: what
 * cannot be sent now waits in memory, and a channel that breaks says so by on_closed. A notice and
 * a reply take the descriptors over; those of a request stay the caller's, who may close them at
 * once. */
void ipc_notify(struct ipc *ch, uint16_t type, struct span payload, const int *fds, unsigned n);
/* Returns the request's id, for ipc_forget. on_reply comes exactly once, later, from the loop.
 * fds[0] may be -1, where the descriptor that belongs to the request could not be had: then nothing
 * is sent and on_reply comes with NULL. So it is when no memory file can be had for a long payload,
 * or no copy of a descriptor while the request waits; other requests are not concerned. */
uint64_t ipc_request(struct ipc *ch, uint16_t type, struct span payload, const int *fds, unsigned n,
                     ipc_on_reply *on_reply, void *arg);
void ipc_reply(struct ipc *ch, uint16_t type, uint64_t id, struct span payload, const int *fds,
               unsigned n);
/* The reply will be thrown away and on_reply not come. Returns the arg of the request, which is the
 * caller's to free again; NULL if no such request is open. */
void *ipc_forget(struct ipc *ch, uint64_t id);

size_t ipc_pending(const struct ipc *ch); /* requests without a reply yet */
size_t ipc_unsent(const struct ipc *ch);  /* records waiting for the socket */
const char *ipc_name(const struct ipc *ch);
bool ipc_is_open(const struct ipc *ch);
/* The uid on the other end, as the kernel saw it when the socket was connected. -1 if unknown. */
int64_t ipc_peer_uid(const struct ipc *ch);
int64_t ipc_peer_pid(const struct ipc *ch);

/* A blocking request over a socket that no loop reads: for the few places that cannot wait in steps
 * (a private key operation inside a TLS handshake; a command line). The reply's payload is appended
 * to out. Returns 0, or -1 with a sentence. After "no answer in time" the socket can be asked
 * again: a reply that comes late is passed over. After any other failure it cannot. */
int ipc_call(int fd, uint16_t type, struct span payload, const int *fds, unsigned n, int timeout_ms,
             uint16_t *reply_type, struct buf *out, struct fail *f);

int ipc_pair(int fd[2], struct fail *f); /* two connected ends, close-on-exec, non-blocking */
/* A connected, blocking socket to a listening one at path. */
int ipc_connect(const char *path, struct fail *f);

#endif
