#ifndef QM_SOCKS_H
#define QM_SOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* The client's words to a SOCKS 5 proxy (RFC 1928), with user and password (RFC 1929) where it asks
 * for them: octets in, octets out. */

enum socks_kind { SOCKS_IPV4 = 1, SOCKS_NAME = 3, SOCKS_IPV6 = 4 };

/* Where the proxy is to connect to. */
struct socks_target {
    enum socks_kind kind;
    struct span address; /* 4 or 16 octets, or a name of 1 to 255 */
    uint16_t port;
};

enum socks_got {
    SOCKS_MORE,     /* give more input */
    SOCKS_PASSWORD, /* it wants user and password: socks_password, then go on */
    SOCKS_DONE,     /* connected: what follows is the server's */
    SOCKS_BAD,      /* refused, or this is no such proxy: a sentence */
};

/* All-zero: not begun. */
struct socks {
    enum { SOCKS_METHOD, SOCKS_CHECK, SOCKS_REPLY, SOCKS_OVER } state; /* what is awaited */
    struct buf request; /* that follows when the proxy lets us in */
    bool can_log_in;
};

/* Appends the first message to out. can_log_in: whether there is a password to give. */
void socks_begin(struct socks *s, const struct socks_target *target, bool can_log_in,
                 struct buf *out);

/* Takes octets off the front of *in, never one behind the end of the proxy's own words, and appends
 * to out what is to be said. SOCKS_BAD puts the sentence into f. */
enum socks_got socks_feed(struct socks *s, struct span *in, struct buf *out, struct fail *f);

void socks_clear(struct socks *s); /* frees; all-zero again */

#endif
