#ifndef QM_HTTPBASIC_H
#define QM_HTTPBASIC_H

#include "buf.h"

/* HTTP Basic authentication, RFC 7617, on the server's side. */

enum httpbasic_result {
    HTTPBASIC_OK,
    HTTPBASIC_MISSING,   /* no credentials, or of another scheme */
    HTTPBASIC_MALFORMED, /* the scheme is Basic, what follows is not what it should be */
};

/* All-zero is an empty one. */
struct httpbasic {
    struct span user, password; /* any UTF-8 or not; no control characters; each may be empty */
    struct buf octets;          /* what they point into */
};

/* Reads the value of an Authorization field; an empty value stands for a field that is not there.
 * On HTTPBASIC_OK the caller owns the credentials and ends them with httpbasic_wipe as soon as they
 * are checked; otherwise *credentials is empty. */
enum httpbasic_result httpbasic_parse(struct span authorization, struct httpbasic *credentials);

/* Overwrites and frees them; *credentials is all-zero again. */
void httpbasic_wipe(struct httpbasic *credentials);

#endif
