#ifndef QM_PROTO_SECRET_H
#define QM_PROTO_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"

/* The secret protocol: who faces the network has the vault authenticate and sign, and never sees a
 * key. */

enum secret_auth_state {
    SECRET_CONTINUE,    /* message goes to the client; its answer to secret_auth_step */
    SECRET_OK,          /* account and login are set */
    SECRET_DENIED,      /* wrong credentials */
    SECRET_MALFORMED,   /* the client broke the mechanism */
    SECRET_UNAVAILABLE, /* the vault cannot tell now */
    SECRET_DISABLED,    /* the right credentials of an account that nobody may log in to */
    SECRET_STATES
};

struct secret_auth {
    enum secret_auth_state state;
    uint64_t handle;     /* SECRET_CONTINUE */
    struct span message; /* SECRET_CONTINUE, and SECRET_OK for a mechanism whose last word is the
                            server's */
    char *account, *login;
};

/* answer is valid during the call. A vault that went away answers SECRET_UNAVAILABLE. */
typedef void secret_on_auth(void *arg, const struct secret_auth *answer);

/* mechanism: "PLAIN" or "SCRAM-SHA-256" (-PLUS with binding, the TLS exporter's octets). initial:
 * the client's first message, decoded; has_initial tells none from an empty one. Returns an id for
 * secret_forget. */
uint64_t secret_auth_start(struct ipc *ch, const char *mechanism, const char *client_address,
                           struct span binding, bool has_initial, struct span initial,
                           secret_on_auth *on_auth, void *arg);
uint64_t secret_auth_step(struct ipc *ch, uint64_t handle, struct span message,
                          secret_on_auth *on_auth, void *arg);
void secret_auth_cancel(struct ipc *ch, uint64_t handle);
/* A login and its password as they are, for HTTP Basic. */
uint64_t secret_password(struct ipc *ch, const char *login, struct span password,
                         const char *client_address, secret_on_auth *on_auth, void *arg);
void secret_forget(struct ipc *ch, uint64_t id); /* its callback will not come */

/* signature is empty, and why a sentence, when the vault refused or went away. */
typedef void secret_on_signature(void *arg, struct span signature, const char *why);

/* Signs a DKIM header digest (SHA-256, 32 octets) with the domain's key of that selector. */
uint64_t secret_dkim_sign(struct ipc *ch, const char *domain, const char *selector,
                          struct span digest, secret_on_signature *on_signature, void *arg);

/* Signs a webhook (HMAC-SHA256) with each key that it has: webhook is "outgoing" or "incoming", a
 * space and the account. The signatures come one behind the other, 32 octets each. */
uint64_t secret_hook_sign(struct ipc *ch, const char *webhook, struct span input,
                          secret_on_signature *on_signature, void *arg);

/* Which DKIM keys there are: what kind of signature each makes has to be said in the field before
 * it is signed. */
struct secret_dkim_key {
    char *domain, *selector;
    uint8_t algorithm; /* enum dkim_algorithm of lib/mail */
};
#define SECRET_DKIM_KEYS_MAX 100000
/* keys is valid during the call; NULL when the vault went away. */
typedef void secret_on_dkim_keys(void *arg, const struct secret_dkim_key *keys, uint32_t n);
uint64_t secret_dkim_list(struct ipc *ch, secret_on_dkim_keys *on_keys, void *arg);

/* ---- our own login at another server: the vault is the SASL client, and what it says is carried
 * to the server and back. Which credentials they are follows from whose link it is. */

#define SECRET_OFFERED_MAX 32

struct secret_login_server {
    const char *host;
    uint32_t port;
    const char *const *offered; /* mechanisms, at most SECRET_OFFERED_MAX */
    uint32_t offered_n;
    bool verified;                   /* by TLS */
    bool exporter_first;             /* TLS 1.3 */
    struct span exporter, end_point; /* data of channel bindings, or empty */
};

struct secret_login {
    uint64_t handle;     /* for secret_login_step; secret_auth_cancel ends the exchange */
    char *mechanism;     /* of the first answer; "" later */
    bool speaks;         /* there is a message, perhaps an empty one; false: the server begins */
    struct span message; /* which may be the password itself: to be overwritten when sent */
    bool complete;       /* the server's word of success can be believed */
};

/* login is valid during the call; NULL when there is none, and why says so: a sentence. there tells
 * a refusal from a vault that is not there. */
typedef void secret_on_login(void *arg, const struct secret_login *login, const char *why,
                             bool there);

uint64_t secret_login_start(struct ipc *ch, const struct secret_login_server *server,
                            secret_on_login *on_login, void *arg);
uint64_t secret_login_step(struct ipc *ch, uint64_t handle, struct span challenge,
                           secret_on_login *on_login, void *arg);
/* The message that logs in at a SOCKS proxy (RFC 1929 section 2); nothing follows it. */
uint64_t secret_proxy_login(struct ipc *ch, secret_on_login *on_login, void *arg);

/* A private key operation of a TLS handshake; blocks. key is the listener's label; kind and scheme
 * are those of lib/tls. The socket is a link of its own, which no loop reads. */
int secret_tls_sign(int fd, const char *key, uint32_t kind, uint32_t scheme, struct span input,
                    struct buf *signature, struct fail *f);

/* ---- the side that answers: vault
 * -------------------------------------------------------------------------- */

struct secret_request {
    uint16_t type;           /* MSG_SECRET_... */
    uint64_t handle;         /* AUTH_STEP, AUTH_CANCEL, LOGIN_STEP */
    char *mechanism;         /* AUTH_START */
    char *client_address;    /* AUTH_START, PASSWORD */
    struct span binding;     /* AUTH_START */
    bool has_initial;        /* AUTH_START */
    struct span message;     /* AUTH_START: initial; AUTH_STEP; LOGIN_STEP; PASSWORD: the password;
                                signing: the     input */
    char *login;             /* PASSWORD */
    char *domain, *selector; /* DKIM_SIGN */
    char *key;               /* TLS_SIGN; HOOK_SIGN: which webhook */
    uint32_t kind, scheme;   /* TLS_SIGN */
    struct secret_login_server server; /* LOGIN_START */
    char *offered[SECRET_OFFERED_MAX]; /* LOGIN_START, to which server.offered points */
};

/* Reads any request of the protocol; spans point into the message. secret_request_clear frees the
 * texts. */
int secret_read(struct ipc_message *m, struct secret_request *r, struct fail *f);
void secret_request_clear(struct secret_request *r);
void secret_answer_auth(struct ipc *ch, uint64_t request, const struct secret_auth *answer);
void secret_answer_signature(struct ipc *ch, uint64_t request, struct span signature);
void secret_answer_dkim_keys(struct ipc *ch, uint64_t request, const struct secret_dkim_key *keys,
                             uint32_t n);
void secret_answer_login(struct ipc *ch, uint64_t request, const struct secret_login *login);
void secret_refuse(struct ipc *ch, uint64_t request, const char *why);

#endif
