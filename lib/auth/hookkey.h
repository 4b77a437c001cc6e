#ifndef QM_HOOKKEY_H
#define QM_HOOKKEY_H

#include <stddef.h>

#include "buf.h"
#include "fail.h"

/* The keys that webhooks are signed with, as "Standard Webhooks" has them
 * (https://www.standardwebhooks.com): a line "whsec_" and the key in base64, 24 to 64 octets. A
 * signature is the HMAC-SHA256 of "id.timestamp.payload". */

enum { HOOKKEY_MIN = 24, HOOKKEY_MAX = 64, HOOKKEY_SIGNATURE = 32 };

struct hookkey {
    unsigned char p[HOOKKEY_MAX];
    size_t n;
};

/* Reads a key file's text. Returns 0, or -1 with a sentence that has nothing of the key in it. */
int hookkey_parse(struct span text, struct hookkey *key, struct fail *f);
void hookkey_wipe(struct hookkey *key);

/* The signature of what is signed. */
void hookkey_sign(const struct hookkey *key, struct span input,
                  unsigned char signature[HOOKKEY_SIGNATURE]);

#endif
