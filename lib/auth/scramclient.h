#ifndef QM_SCRAMCLIENT_H
#define QM_SCRAMCLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* The client side of SCRAM (RFC 5802, RFC 7677): two messages of ours, two of the server, which
 * proves with the last one that it knows the password too.
 *
 * libgsasl has it as well, and is not used for it: it knows no tls-server-end-point, refuses to go
 * without a binding where one can be had (so that it never says "y"), and derives the key with as
 * many iterations as the server pleases before anybody is asked. */

#define SCRAMCLIENT_NONCE_MAX 1024 /* octets of both sides' nonce together */
#define SCRAMCLIENT_SALT_MIN 8
#define SCRAMCLIENT_SALT_MAX 1024
#define SCRAMCLIENT_ITERATIONS_MIN 4096 /* RFC 7677 section 4 */

struct scramclient;

struct scramclient_options {
    bool sha256;          /* else SHA-1 */
    struct span user;     /* UTF-8; told in NFC (RFC 8265) */
    struct span password; /* as scram_normalise takes it */
    const char *binding;  /* the name of the channel binding of a -PLUS mechanism; else NULL */
    struct span data;     /* with binding: its octets */
    bool could_bind;      /* without binding: there was one, had the server but offered -PLUS */
    uint32_t iterations;  /* more than these are refused */
    const char *nonce;    /* NULL for a random one; for tests, printable and without "," */
};

/* Begins; copies what it needs. Returns it (scramclient_free), or NULL with a sentence: the
 * password, or the name, cannot be one. */
struct scramclient *scramclient_new(const struct scramclient_options *options, struct fail *f);
void scramclient_free(struct scramclient **s); /* wiped; *s may be NULL */

/* Appends the client's first message. Once, before the first scramclient_step. */
void scramclient_first(struct scramclient *s, struct buf *out);

/* Takes the server's first message and appends the client's last one; then takes the server's last
 * message and appends nothing. Returns 0, or -1 with a sentence: then the exchange is over. */
int scramclient_step(struct scramclient *s, struct span message, struct buf *out, struct fail *f);

/* Whether the server has proved that it knows the password. */
bool scramclient_is_proved(const struct scramclient *s);

/* Appends a name as messages have it (RFC 5801 section 4): "," and "=", which mean something else
 * there, are =2C and =3D. */
void scramclient_name(struct buf *out, struct span name);

#endif
