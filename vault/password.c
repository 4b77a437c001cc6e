#include "password.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "clock.h"
#include "mem.h"
#include "rand.h"

#define ENTRIES 1024 /* a table without chains: a newcomer takes its place from whoever has it */
#define KEPT_MS (15 * 60 * 1000)
/* Octets: shorter passwords could be guessed from the hash by whoever reads the memory. */
#define WORTH_IT 8

struct entry {
    unsigned char hash[32];
    int64_t until_ms; /* monotonic; 0: empty */
};

struct password_cache {
    unsigned char key[32];
    struct entry entries[ENTRIES];
};

struct password_cache *password_cache_new(void)
{
    struct password_cache *c = mem_zero(sizeof *c);
    rand_bytes(c->key, sizeof c->key);
    return c;
}

void password_cache_clear(struct password_cache *c)
{
    mem_wipe(c->entries, sizeof c->entries);
}

void password_cache_free(struct password_cache **c)
{
    if (*c == NULL)
        return;
    mem_wipe(*c, sizeof **c);
    mem_free(c);
}

static void hash(const struct password_cache *c, struct span login, struct span password,
                 unsigned char out[32])
{
    struct buf text = {0};
    unsigned n = 32;
    /* The length keeps "ab" + "c" apart from "a" + "bc". */
    buf_putf(&text, "%zu:", login.n);
    buf_put_span(&text, login);
    buf_put_span(&text, password);
    (void)HMAC(EVP_sha256(), c->key, sizeof c->key, buf_span(&text).p, text.n, out, &n);
    buf_wipe(&text);
}

static struct entry *place(struct password_cache *c, const unsigned char h[32])
{
    return &c->entries[(h[0] | h[1] << 8) % ENTRIES];
}

bool password_check(struct password_cache *c, const struct keyring *k, struct span login,
                    struct span password, const char **account)
{
    struct scram_verifier v;
    struct buf canonical = {0};
    unsigned char h[32];
    bool known = keyring_find_login(k, login, account, &v, &canonical);
    hash(c, login, password, h);
    struct entry *e = place(c, h);
    if (known && e->until_ms > clock_mono_ms() && mem_equal_secret(e->hash, h, sizeof h)) {
        scram_wipe(&v);
        buf_free(&canonical);
        return true;
    }
    if (!known)
        scram_fake(&v, span_of(k->fake_key, sizeof k->fake_key), buf_span(&canonical),
                   SCRAM_ITERATIONS_MIN);
    bool right = scram_check(&v, password) && known;
    if (right && password.n >= WORTH_IT) {
        memcpy(e->hash, h, sizeof h);
        e->until_ms = clock_mono_ms() + KEPT_MS;
    }
    scram_wipe(&v);
    mem_wipe(h, sizeof h);
    buf_free(&canonical);
    return right;
}
