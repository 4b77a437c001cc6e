#include "scram.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "ascii.h"
#include "base64.h"
#include "cut.h"
#include "mem.h"
#include "rand.h"
#include "utf8.h"

#define PREFIX "SCRAM-SHA-256$"

static void hmac(const void *key, size_t n, struct span text, unsigned char out[SCRAM_KEY_SIZE])
{
    if (HMAC(EVP_sha256(), key, (int)n, text.p, text.n, out, NULL) == NULL)
        abort();
}

/* ---- passwords ---- */

#define ZERO_WIDTH_NON_JOINER 0x200c
#define ZERO_WIDTH_JOINER 0x200d

/* The FreeformClass of RFC 8264 section 4.3, but for the rules that make single characters depend
 * on their neighbours: those keep identifiers apart that look alike, which is no danger in a
 * password. */
static bool may_stand_in_password(ucs4_t c)
{
    if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cn |
                                                UC_CATEGORY_MASK_Co | UC_CATEGORY_MASK_Cs))
        return false;
    return !uc_is_property_default_ignorable_code_point(c) || c == ZERO_WIDTH_NON_JOINER ||
           c == ZERO_WIDTH_JOINER;
}

/* password is UTF-8. */
static void put_with_plain_spaces(struct span password, struct buf *out)
{
    for (size_t i = 0, n; i < password.n; i += n) {
        ucs4_t c;
        n = (size_t)u8_mbtouc(&c, password.p + i, password.n - i);
        if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Zs))
            buf_putc(out, ' ');
        else
            buf_put(out, password.p + i, n);
    }
}

static int check_characters(struct span text, struct fail *f)
{
    for (size_t i = 0, n; i < text.n; i += n) {
        ucs4_t c;
        n = (size_t)u8_mbtouc(&c, text.p + i, text.n - i);
        if (!may_stand_in_password(c))
            return fail_set(f, "a password cannot contain the character U+%04X", (unsigned)c);
    }
    return 0;
}

int scram_normalise(struct span password, struct buf *out, struct fail *f)
{
    struct buf spaced = {0};
    size_t n = 0;
    if (password.n == 0)
        return fail_set(f, "a password cannot be empty");
    if (password.n > SCRAM_PASSWORD_MAX)
        return fail_set(f, "a password has at most %d octets", SCRAM_PASSWORD_MAX);
    if (!utf8_valid(password))
        return fail_set(f, "a password must be UTF-8");
    put_with_plain_spaces(password, &spaced);
    unsigned char *composed = u8_normalize(UNINORM_NFC, buf_span(&spaced).p, spaced.n, NULL, &n);
    if (composed == NULL)
        abort();
    int result = check_characters(span_of(composed, n), f);
    if (result == 0)
        buf_put(out, composed, n);
    mem_wipe(composed, n);
    free(composed);
    buf_wipe(&spaced);
    return result;
}

/* ---- verifiers ---- */

struct keys {
    unsigned char stored[SCRAM_KEY_SIZE], server[SCRAM_KEY_SIZE];
};

/* RFC 5802 section 3, from a normalised password. */
static void derive(struct span password, struct span salt, uint32_t iterations, struct keys *keys)
{
    unsigned char salted[SCRAM_KEY_SIZE], client[SCRAM_KEY_SIZE];
    if (PKCS5_PBKDF2_HMAC((const char *)password.p, (int)password.n, salt.p, (int)salt.n,
                          (int)iterations, EVP_sha256(), sizeof salted, salted) != 1)
        abort();
    hmac(salted, sizeof salted, span_text("Client Key"), client);
    hmac(salted, sizeof salted, span_text("Server Key"), keys->server);
    if (SHA256(client, sizeof client, keys->stored) == NULL)
        abort();
    mem_wipe(salted, sizeof salted);
    mem_wipe(client, sizeof client);
}

int scram_derive(struct scram_verifier *v, struct span password, struct span salt,
                 uint32_t iterations, struct fail *f)
{
    struct buf normal = {0};
    struct keys keys;
    assert(iterations >= SCRAM_ITERATIONS_MIN && iterations <= SCRAM_ITERATIONS_MAX);
    assert(salt.n >= SCRAM_SALT_MIN && salt.n <= SCRAM_SALT_MAX);
    if (scram_normalise(password, &normal, f) != 0)
        return -1;
    derive(buf_span(&normal), salt, iterations, &keys);
    *v = (struct scram_verifier){.iterations = iterations, .salt_size = (uint8_t)salt.n};
    memcpy(v->salt, salt.p, salt.n);
    memcpy(v->stored_key, keys.stored, sizeof keys.stored);
    memcpy(v->server_key, keys.server, sizeof keys.server);
    mem_wipe(&keys, sizeof keys);
    buf_wipe(&normal);
    return 0;
}

int scram_make(struct scram_verifier *v, struct span password, uint32_t iterations, struct fail *f)
{
    unsigned char salt[SCRAM_SALT_SIZE];
    rand_bytes(salt, sizeof salt);
    return scram_derive(v, password, span_of(salt, sizeof salt), iterations, f);
}

bool scram_check(const struct scram_verifier *v, struct span password)
{
    struct buf normal = {0};
    struct keys keys;
    bool usable = scram_normalise(password, &normal, NULL) == 0;
    derive(buf_span(&normal), span_of(v->salt, v->salt_size), v->iterations, &keys);
    bool same = mem_equal_secret(keys.stored, v->stored_key, SCRAM_KEY_SIZE) == 1;
    mem_wipe(&keys, sizeof keys);
    buf_wipe(&normal);
    return usable && same;
}

void scram_fake(struct scram_verifier *v, struct span key, struct span login, uint32_t iterations)
{
    unsigned char seed[SCRAM_KEY_SIZE], salt[SCRAM_KEY_SIZE];
    *v = (struct scram_verifier){.iterations = iterations, .salt_size = SCRAM_SALT_SIZE};
    hmac(key.p, key.n, login, seed);
    hmac(seed, sizeof seed, span_text("salt"), salt);
    hmac(seed, sizeof seed, span_text("StoredKey"), v->stored_key);
    hmac(seed, sizeof seed, span_text("ServerKey"), v->server_key);
    memcpy(v->salt, salt, SCRAM_SALT_SIZE);
    mem_wipe(seed, sizeof seed);
}

void scram_wipe(struct scram_verifier *v)
{
    mem_wipe(v, sizeof *v);
}

/* ---- the text form ---- */

void scram_text(const struct scram_verifier *v, struct buf *out)
{
    buf_putf(out, PREFIX "%u:", (unsigned)v->iterations);
    base64_encode(out, span_of(v->salt, v->salt_size));
    buf_putc(out, '$');
    base64_encode(out, span_of(v->stored_key, SCRAM_KEY_SIZE));
    buf_putc(out, ':');
    base64_encode(out, span_of(v->server_key, SCRAM_KEY_SIZE));
}

static bool read_iterations(struct span text, uint32_t *iterations)
{
    uint64_t n;
    if (ascii_u64(text, SCRAM_ITERATIONS_MAX, &n) != 0 || n < SCRAM_ITERATIONS_MIN ||
        text.p[0] == '0')
        return false;
    *iterations = (uint32_t)n;
    return true;
}

/* Decodes base64 of min to max octets into to. Returns how many there are, or 0. */
static size_t read_octets(struct span text, size_t min, size_t max, unsigned char *to)
{
    struct buf octets = {0};
    size_t n = 0;
    if (base64_decode(&octets, text) == 0 && octets.n >= min && octets.n <= max) {
        n = octets.n;
        memcpy(to, buf_span(&octets).p, n);
    }
    buf_wipe(&octets);
    return n;
}

static int parse(struct scram_verifier *v, struct span text, struct fail *f)
{
    struct span part;
    if (text.n > SCRAM_TEXT_MAX)
        return fail_set(f, "longer than a verifier can be");
    if (text.n < strlen(PREFIX) || !span_is(span_of(text.p, strlen(PREFIX)), PREFIX))
        return fail_set(f, "not a verifier of SCRAM-SHA-256");
    text = span_of(text.p + strlen(PREFIX), text.n - strlen(PREFIX));
    if (!cut_at(&text, ':', &part) || !read_iterations(part, &v->iterations))
        return fail_set(f, "the iterations are not a number from %d to %d", SCRAM_ITERATIONS_MIN,
                        SCRAM_ITERATIONS_MAX);
    if (!cut_at(&text, '$', &part) ||
        (v->salt_size = (uint8_t)read_octets(part, SCRAM_SALT_MIN, SCRAM_SALT_MAX, v->salt)) == 0)
        return fail_set(f, "the salt is not %d to %d octets in base64", SCRAM_SALT_MIN,
                        SCRAM_SALT_MAX);
    if (!cut_at(&text, ':', &part) ||
        read_octets(part, SCRAM_KEY_SIZE, SCRAM_KEY_SIZE, v->stored_key) == 0)
        return fail_set(f, "the StoredKey is not %d octets in base64", SCRAM_KEY_SIZE);
    if (read_octets(text, SCRAM_KEY_SIZE, SCRAM_KEY_SIZE, v->server_key) == 0)
        return fail_set(f, "the ServerKey is not %d octets in base64", SCRAM_KEY_SIZE);
    return 0;
}

int scram_parse(struct scram_verifier *v, struct span text, struct fail *f)
{
    struct scram_verifier read = {0};
    int result = parse(&read, text, f);
    if (result == 0)
        *v = read;
    scram_wipe(&read);
    return result;
}
