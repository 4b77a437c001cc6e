#ifndef QM_SMTPD_MESSAGE_H
#define QM_SMTPD_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "path.h"

/* A message being received: it goes straight into a memory file, header first, with the trace field
 * and whatever the header lacked in front. The header is looked at as soon as it is complete; what
 * is refused then is not kept, but read to its end, where the reply belongs. */

struct session;
struct message;

enum { MESSAGE_HEADER_MAX = 1 << 20 /* octets */ };

/* The message of the session's transaction begins. */
struct message *message_new(struct session *s);
void message_free(struct message **m); /* gives its memory back; NULL is let be */

/* Takes octets off the front of *in, up to the message's end at most. True when that was reached;
 * then message_end. */
bool message_take(struct message *m, struct span *in);

/* All of it has come. Returns 0, or -1 with *why when it must be refused. */
int message_end(struct message *m, struct path_refusal *why);

/* Until when (monotonic milliseconds) all of it must have come. */
int64_t message_until_ms(const struct message *m);

/* The domain whose keys must sign it, or NULL; and then what dkim needs: its header, without what
 * we put before it as trace, and the hash of its body (valid once). */
const char *message_signed_by(const struct message *m);
struct span message_header(struct message *m);
void message_body_hash(struct message *m, unsigned char digest[32]);

/* Puts complete header fields before all of it. Returns 0, or -1 with a sentence when there is no
 * memory for that. */
int message_prepend(struct message *m, struct span fields, struct fail *f);

/* Seals the memory file; no octet of it changes any more. Returns its descriptor, which stays the
 * message's, or -1. */
int message_seal(struct message *m, struct fail *f);
uint64_t message_size(const struct message *m);
/* The octets it is accounted with are the caller's business from now on: returns their number. */
uint64_t message_unhold(struct message *m);

#endif
