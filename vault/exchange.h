#ifndef QM_EXCHANGE_H
#define QM_EXCHANGE_H

#include "keyring.h"
#include "proto_secret.h"

/* SASL exchanges of several steps, with a client of ours or with a server whose client we are: each
 * has a handle, which only the peer that began it may use, and ends by itself when the client takes
 * too long. */

#define EXCHANGE_LIFE_MS 300000 /* a person may have to find the password first */

struct exchanges;
/* None yet, on this loop; free ends all that are under way. */
/* life_ms: how long each may take; it ends at most a tenth of that, or ten seconds, later. */
struct exchanges *exchanges_new(struct event_base *base, int64_t life_ms);
void exchanges_free(struct exchanges **x);

/* Begins one, or goes on, and fills answer; its message points to storage that lasts until the next
 * call. peer is whoever asks. Texts of answer are to be freed by exchange_clear. */
void exchange_start(struct exchanges *x, struct keyring *k, uint64_t peer,
                    const struct secret_request *r, struct secret_auth *answer);
void exchange_step(struct exchanges *x, uint64_t peer, const struct secret_request *r,
                   struct secret_auth *answer);

/* The same with us as the client, for the transport of that name. Returns 0, having filled login,
 * whose message lasts until the next call; or -1 with a sentence. A login that ended is forgotten
 * by exchange_cancel, or when its time is over. */
int exchange_login_start(struct exchanges *x, struct keyring *k, uint64_t peer,
                         const char *transport, const struct secret_login_server *server,
                         struct secret_login *login, struct fail *f);
int exchange_login_step(struct exchanges *x, uint64_t peer, uint64_t handle, struct span challenge,
                        struct secret_login *login, struct fail *f);
/* What logs in at the SOCKS proxy of that transport: one message, and no exchange. */
int exchange_proxy_login(struct exchanges *x, struct keyring *k, const char *transport,
                         struct secret_login *login, struct fail *f);
void exchange_wipe(struct exchanges *x); /* the last message, which may have been a password */
void exchange_cancel(struct exchanges *x, uint64_t peer, uint64_t handle);
void exchange_forget_peer(struct exchanges *x, uint64_t peer);
void exchange_clear(struct secret_auth *answer);

#endif
