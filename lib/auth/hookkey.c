#include "hookkey.h"

#include <assert.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "ascii.h"
#include "base64.h"
#include "mem.h"

static const char prefix[] = "whsec_";

int hookkey_parse(struct span text, struct hookkey *key, struct fail *f)
{
    struct buf octets = {0};
    size_t n = strlen(prefix);
    text = ascii_trim(text);
    bool good = text.n > n && memcmp(text.p, prefix, n) == 0 &&
                base64_decode(&octets, span_of(text.p + n, text.n - n)) == 0;
    if (!good)
        (void)fail_set(f, "must be one line, \"whsec_\" and a key in base64");
    else if (octets.n < HOOKKEY_MIN || octets.n > HOOKKEY_MAX)
        good = fail_set(f, "the key has %zu octets and must have %d to %d", octets.n, HOOKKEY_MIN,
                        HOOKKEY_MAX) == 0;
    if (good) {
        *key = (struct hookkey){.n = octets.n};
        memcpy(key->p, buf_span(&octets).p, octets.n);
    }
    buf_wipe(&octets);
    return good ? 0 : -1;
}

void hookkey_wipe(struct hookkey *key)
{
    mem_wipe(key, sizeof *key);
}

void hookkey_sign(const struct hookkey *key, struct span input,
                  unsigned char signature[HOOKKEY_SIGNATURE])
{
    unsigned n = 0;
    const unsigned char *done =
        HMAC(EVP_sha256(), key->p, (int)key->n, input.p, input.n, signature, &n);
    assert(done != NULL && n == HOOKKEY_SIGNATURE);
}
