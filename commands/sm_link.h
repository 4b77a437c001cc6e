#ifndef QM_SM_LINK_H
#define QM_SM_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "reply.h"

/* SMTP from the client's side over a local socket: commands go out, replies come in, and nothing
 * waits beyond its time, given as the moment `until` of clock_mono_ms. What is sent waits in memory
 * until a reply is waited for; then both directions move at once, so that a server that stops
 * reading until its replies are read, which pipelining allows it, is no deadlock. */

/* Shows one line of the dialogue, without its line end. */
typedef void sm_link_trace(bool sent, struct span line);

struct sm_link {
    int fd;
    struct buf out;             /* not sent yet */
    struct buf in;              /* received and not read yet */
    struct reply_parser parser; /* parser.reply is the last reply */
    sm_link_trace *trace;       /* NULL for none */
};

/* Connects to the listening socket at path; timeout_ms is how long its queue may be full. Returns
 * 0; or -1 with a sentence, errno (0 if it was none of the system) and nothing to be closed. */
int sm_link_open(struct sm_link *l, const char *path, int timeout_ms, sm_link_trace *trace,
                 struct fail *f);

/* Takes over a socket that is connected. */
void sm_link_adopt(struct sm_link *l, int fd, sm_link_trace *trace);

/* Puts a command into what is to be sent; no CR LF at its end. */
void sm_link_command(struct sm_link *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sends all that waits to be sent and reads the next reply into l->parser.reply. Returns 0; or -1
 * with a sentence when the connection broke, the time is over, or what came is no reply: then the
 * link is of no more use. */
int sm_link_reply(struct sm_link *l, int64_t until, struct fail *f);

/* Sends what waits. Returns 0; 1 when the server said something that nobody asked for yet, which is
 * then the next reply; -1 as above. */
int sm_link_flush(struct sm_link *l, int64_t until, struct fail *f);

void sm_link_close(struct sm_link *l); /* frees what it holds */

#endif
