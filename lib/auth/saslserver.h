#ifndef QM_SASLSERVER_H
#define QM_SASLSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "scram.h"

/* The server side of SASL (RFC 4422): PLAIN (RFC 4616), SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC
 * 5802, RFC 7677). All credentials are SCRAM verifiers. An unknown login and a wrong password look
 * the same to a client: the same messages, of the same lengths, in the same time. */

#define SASLSERVER_MESSAGE_MAX 4096 /* octets of a client's message, decoded from base64 */
#define SASLSERVER_LOGIN_MAX 512    /* octets of a login name */
#define SASLSERVER_BINDING_MAX 64   /* octets of channel binding data */
#define SASLSERVER_FAKE_KEY_SIZE 32

struct saslserver_options {
    /* Finds what a client's password is checked against. login is UTF-8, 1 to SASLSERVER_LOGIN_MAX
     * octets, without control characters, spelled as the client did. If it exists, fills *v and
     * returns true. If not, returns false, having put into *canonical the one spelling of this
     * login that all its spellings have (letter case, what follows a catchall separator); unless it
     * does, a client that compares the salts of two spellings learns that they are not one existing
     * account's. */
    bool (*lookup)(void *arg, struct span login, struct scram_verifier *v, struct buf *canonical);
    void *arg;
    /* From which the verifiers of unknown logins are derived; copied. Random, secret, and the same
     * in every process that answers for the same accounts, today and tomorrow. */
    unsigned char fake_key[SASLSERVER_FAKE_KEY_SIZE];
    uint32_t fake_iterations; /* what new verifiers get */
};

/* What all exchanges of a process share. */
struct saslserver;

/* Starts libgsasl and OpenSSL. Called before the process changes its root or limits its system
 * calls; no exchange opens a file. Returns it (saslserver_free), or NULL with a sentence. */
struct saslserver *saslserver_new(const struct saslserver_options *options, struct fail *f);

/* Frees it, when no exchange is left. *s may be NULL, and is NULL afterwards. */
void saslserver_free(struct saslserver **s);

/* The mechanisms that can be begun, best first, with a space between: for an EHLO reply. PLAIN is
 * among them only when the connection is encrypted, -PLUS only when it has a channel binding. */
const char *saslserver_mechanisms(bool encrypted, bool binding);

/* One exchange with one client. */
struct saslserver_exchange;

/* Begins one. mechanism is as the client named it, in either case. binding is what tls_exporter
 * gives for the connection (RFC 9266), or empty when there is none. Returns the exchange
 * (saslserver_end), or NULL with a sentence: no such mechanism, -PLUS without a binding, or a
 * binding that is too long. The caller sees to it that PLAIN is used over TLS only. */
struct saslserver_exchange *saslserver_begin(struct saslserver *s, struct span mechanism,
                                             struct span binding, struct fail *f);

enum saslserver_result {
    SASLSERVER_CONTINUE, /* send the reply as a challenge and bring the answer */
    SASLSERVER_OK,       /* authenticated; see saslserver_login */
    SASLSERVER_FAIL,     /* the exchange is over */
};

/* Takes the client's next message (the initial response, if it sent one; every mechanism here
 * begins with the client, so without an initial response the caller sends an empty challenge and
 * brings the answer to it). Replaces the content of *reply. With SASLSERVER_OK there is never
 * anything to send: a last server message is sent as a challenge first, whose answer must be empty
 * (RFC 4954 section 4). With SASLSERVER_FAIL a sentence for the log, which must not go to the
 * client: it may tell that the login is unknown. A result that is not SASLSERVER_CONTINUE ends the
 * exchange: each further step fails. The caller wipes the message. */
enum saslserver_result saslserver_step(struct saslserver_exchange *x, struct span message,
                                       struct buf *reply, struct fail *f);

/* The login name, as the client spelled it, which is also the identity to act as: another
 * authorization identity is refused. Before SASLSERVER_OK it is only what the client claims to be,
 * for the log;
 * "" while it has not said. NUL-terminated UTF-8 without control characters; valid until
 * saslserver_end. */
const char *saslserver_login(const struct saslserver_exchange *x);

/* Wipes and frees the exchange, at any point of it. *x may be NULL, and is NULL afterwards. */
void saslserver_end(struct saslserver_exchange **x);

#endif
