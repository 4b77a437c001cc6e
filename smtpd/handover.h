#ifndef QM_SMTPD_HANDOVER_H
#define QM_SMTPD_HANDOVER_H

#include <stdint.h>

#include "proto_submit.h"
#include "server.h"

/* Messages on their way into the queue. Only so many are with qmgr at once; the others wait for
 * their turn. */

enum { HANDOVER_MAX = 512 };

struct handover;

/* reply is NULL when qmgr is not there or went away before it answered. Never comes before
 * handover_begin returns. */
typedef void handover_on_reply(void *arg, const struct submit_reply *reply);

/* The server's part of this file: nothing waits. */
void handover_init(struct server *sv);

/* Both envelope and body, a sealed memory file, stay the caller's, and must stay as they are until
 * on_reply or handover_forget. held is the number of octets that the server stays accounted with
 * until qmgr has answered. Returns a handle that is valid until on_reply. */
struct handover *handover_begin(struct server *sv, const struct submit_envelope *envelope, int body,
                                uint64_t held, handover_on_reply *on_reply, void *arg);
/* on_reply will not come. A message that qmgr has may be queued all the same; one that waits is
 * not. NULL is let be. */
void handover_forget(struct handover **h);

/* A channel to qmgr is there, or there is none any more: what waits goes on. */
void handover_resume(struct server *sv);

#endif
