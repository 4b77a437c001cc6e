#ifndef QM_ONCEKEY_H
#define QM_ONCEKEY_H

#include "call.h"
#include "httpform.h"

/* Idempotency-Key: a client that does not know whether its request has got through sends it again
 * with the same key, and it is done once. */

#define ONCEKEY_CHARACTERS 256

/* Reads the header into c->once_key ("" when there is none), and makes c->once_digest of what is
 * asked: login, method, the field "request" and the files. Returns 0, or -1 with c->refusal when
 * the key is empty, longer than ONCEKEY_CHARACTERS, or not printable text in UTF-8. */
int oncekey_read(struct call *c, struct httpform *form);

#endif
