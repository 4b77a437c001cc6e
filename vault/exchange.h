#ifndef QM_EXCHANGE_H
#define QM_EXCHANGE_H

#include "keyring.h"
#include "proto_secret.h"

/* SASL exchanges of several steps: each has a handle, which only the peer that began it may use, and ends by itself when the
 * client takes too long. */

struct exchanges;
/* None yet, on this loop; free ends all that are under way. */
struct exchanges *exchanges_new(struct event_base *base);
void exchanges_free(struct exchanges **x);

/* Begins one, or goes on, and fills answer; its message points to storage that lasts until the next call. peer is whoever
 * asks. Texts of answer are to be freed by exchange_clear. */
void exchange_start(struct exchanges *x, struct keyring *k, uint64_t peer, const struct secret_request *r,
                    struct secret_auth *answer);
void exchange_step(struct exchanges *x, uint64_t peer, const struct secret_request *r, struct secret_auth *answer);
void exchange_cancel(struct exchanges *x, uint64_t peer, uint64_t handle);
void exchange_forget_peer(struct exchanges *x, uint64_t peer);
void exchange_clear(struct secret_auth *answer);

#endif
