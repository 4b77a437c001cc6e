#include "scramclient.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <uninorm.h>

#include "ascii.h"
#include "base64.h"
#include "cut.h"
#include "mem.h"
#include "rand.h"
#include "scram.h"
#include "utf8.h"

#define NONCE_OCTETS 18 /* 24 characters in base64 */
#define NONCE_ADDED_MIN 8
#define ERROR_MAX 100 /* octets of the server's word for what is wrong */

enum state { NEW, FIRST_SENT, PROOF_SENT, PROVED, OVER };

struct scramclient {
    enum state state;
    const EVP_MD *hash;
    int size; /* octets of a digest */
    uint32_t iterations;
    struct buf password; /* normalised */
    struct buf header;   /* gs2-header and binding data, as the server is to have seen them */
    struct buf nonce;    /* ours */
    struct buf first;    /* client-first-message-bare */
    unsigned char server_signature[EVP_MAX_MD_SIZE];
    size_t header_text; /* octets of header that are the gs2-header */
};

void scramclient_name(struct buf *out, struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == ',')
            buf_puts(out, "=2C");
        else if (name.p[i] == '=')
            buf_puts(out, "=3D");
        else
            buf_putc(out, name.p[i]);
    }
}

/* RFC 8265 section 3.4: as the server stored it, however it was typed. What else may be mapped
 * there, as the case, is the server's own choice. */
static int put_user(struct buf *out, struct span user, struct fail *f)
{
    size_t n = 0;
    if (!utf8_valid(user))
        return fail_set(f, "a user name must be UTF-8");
    unsigned char *composed = u8_normalize(UNINORM_NFC, user.p, user.n, NULL, &n);
    if (composed == NULL && user.n > 0)
        abort();
    scramclient_name(out, span_of(composed, n));
    free(composed);
    return 0;
}

static void make_nonce(struct scramclient *s, const char *nonce)
{
    unsigned char octets[NONCE_OCTETS];
    if (nonce != NULL) {
        buf_puts(&s->nonce, nonce);
        return;
    }
    rand_bytes(octets, sizeof octets);
    base64_encode(&s->nonce, span_of(octets, sizeof octets));
}

struct scramclient *scramclient_new(const struct scramclient_options *options, struct fail *f)
{
    struct scramclient *s = mem_zero(sizeof *s);
    s->hash = options->sha256 ? EVP_sha256() : EVP_sha1();
    s->size = EVP_MD_get_size(s->hash);
    s->iterations = options->iterations;
    if (scram_normalise(options->password, &s->password, f) != 0) {
        scramclient_free(&s);
        return NULL;
    }
    if (options->binding != NULL)
        buf_putf(&s->header, "p=%s,,", options->binding);
    else
        buf_puts(&s->header, options->could_bind ? "y,," : "n,,");
    s->header_text = s->header.n;
    if (options->binding != NULL)
        buf_put_span(&s->header, options->data);
    make_nonce(s, options->nonce);
    buf_puts(&s->first, "n=");
    if (put_user(&s->first, options->user, f) != 0) {
        scramclient_free(&s);
        return NULL;
    }
    buf_puts(&s->first, ",r=");
    buf_put_span(&s->first, buf_span(&s->nonce));
    return s;
}

void scramclient_free(struct scramclient **sp)
{
    struct scramclient *s = *sp;
    if (s == NULL)
        return;
    buf_wipe(&s->password);
    buf_wipe(&s->header);
    buf_wipe(&s->nonce);
    buf_wipe(&s->first);
    mem_wipe(s, sizeof *s);
    mem_free(sp);
}

void scramclient_first(struct scramclient *s, struct buf *out)
{
    assert(s->state == NEW);
    s->state = FIRST_SENT;
    buf_put(out, buf_span(&s->header).p, s->header_text);
    buf_put_span(out, buf_span(&s->first));
}

/* ---- the server's first message ---- */

struct challenge {
    struct span nonce;
    struct buf salt;
    uint32_t iterations;
};

/* The value of the next attribute, which has to be this one. */
static bool attribute(struct span *rest, char name, struct span *value)
{
    struct span part;
    if (!cut_at(rest, ',', &part)) {
        part = *rest;
        *rest = (struct span){0};
    }
    if (part.n < 2 || part.p[0] != (unsigned char)name || part.p[1] != '=')
        return false;
    *value = span_of(part.p + 2, part.n - 2);
    return true;
}

static bool is_printable(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x21 || s.p[i] > 0x7e)
            return false;
    }
    return true;
}

static int check_nonce(const struct scramclient *s, struct span nonce, struct fail *f)
{
    struct span own = buf_span(&s->nonce);
    if (nonce.n > SCRAMCLIENT_NONCE_MAX || !is_printable(nonce))
        return fail_set(f, "malformed nonce");
    if (nonce.n < own.n + NONCE_ADDED_MIN || memcmp(nonce.p, own.p, own.n) != 0)
        return fail_set(f, "the server's nonce is not made of ours");
    return 0;
}

/* nonce "," salt "," iteration-count ["," extensions]; a mandatory extension ("m=") in front of
 * them is one that nobody knows. */
static int read_challenge(const struct scramclient *s, struct span message, struct challenge *c,
                          struct fail *f)
{
    struct span rest = message, salt, count;
    uint64_t n = 0;
    if (!attribute(&rest, 'r', &c->nonce) || !attribute(&rest, 's', &salt) ||
        !attribute(&rest, 'i', &count))
        return fail_set(f, "malformed first message");
    if (check_nonce(s, c->nonce, f) != 0)
        return -1;
    if (base64_decode(&c->salt, salt) != 0 || c->salt.n < SCRAMCLIENT_SALT_MIN ||
        c->salt.n > SCRAMCLIENT_SALT_MAX)
        return fail_set(f, "malformed or short salt");
    if (ascii_u64(count, UINT32_MAX, &n) != 0)
        return fail_set(f, "malformed iteration count");
    if (n < SCRAMCLIENT_ITERATIONS_MIN)
        return fail_set(f, "the server asks for %u iterations, which are too few", (unsigned)n);
    if (n > s->iterations)
        return fail_set(f, "the server asks for %u iterations, of which %u are allowed",
                        (unsigned)n, (unsigned)s->iterations);
    c->iterations = (uint32_t)n;
    return 0;
}

static void hmac(const struct scramclient *s, const unsigned char *key, struct span input,
                 unsigned char *out)
{
    unsigned n = 0;
    const unsigned char *done = HMAC(s->hash, key, s->size, input.p, input.n, out, &n);
    assert(done != NULL && (int)n == s->size);
}

/* RFC 5802 section 3: the proof that goes to the server, and the signature that has to come. */
static void prove(struct scramclient *s, const struct challenge *c, struct span auth_message,
                  unsigned char *proof)
{
    unsigned char salted[EVP_MAX_MD_SIZE], client_key[EVP_MAX_MD_SIZE], stored[EVP_MAX_MD_SIZE],
        server_key[EVP_MAX_MD_SIZE];
    struct span password = buf_span(&s->password);
    int ok = PKCS5_PBKDF2_HMAC((const char *)password.p, (int)password.n, buf_span(&c->salt).p,
                               (int)c->salt.n, (int)c->iterations, s->hash, s->size, salted);
    assert(ok == 1);
    hmac(s, salted, span_text("Client Key"), client_key);
    ok = EVP_Digest(client_key, (size_t)s->size, stored, NULL, s->hash, NULL);
    assert(ok == 1);
    hmac(s, stored, auth_message, proof);
    for (int i = 0; i < s->size; i++)
        proof[i] ^= client_key[i];
    hmac(s, salted, span_text("Server Key"), server_key);
    hmac(s, server_key, auth_message, s->server_signature);
    mem_wipe(salted, sizeof salted);
    mem_wipe(client_key, sizeof client_key);
    mem_wipe(stored, sizeof stored);
    mem_wipe(server_key, sizeof server_key);
}

static void put_last(struct scramclient *s, struct span server_first, const struct challenge *c,
                     struct buf *out)
{
    struct buf last = {0}, auth_message = {0};
    unsigned char proof[EVP_MAX_MD_SIZE];
    buf_puts(&last, "c=");
    base64_encode(&last, buf_span(&s->header));
    buf_puts(&last, ",r=");
    buf_put_span(&last, c->nonce);
    buf_put_span(&auth_message, buf_span(&s->first));
    buf_putc(&auth_message, ',');
    buf_put_span(&auth_message, server_first);
    buf_putc(&auth_message, ',');
    buf_put_span(&auth_message, buf_span(&last));
    prove(s, c, buf_span(&auth_message), proof);
    buf_put_span(out, buf_span(&last));
    buf_puts(out, ",p=");
    base64_encode(out, span_of(proof, (size_t)s->size));
    mem_wipe(proof, sizeof proof);
    buf_wipe(&auth_message);
    buf_wipe(&last);
}

static int take_first(struct scramclient *s, struct span message, struct buf *out, struct fail *f)
{
    struct challenge c = {0};
    int rc = read_challenge(s, message, &c, f);
    if (rc == 0)
        put_last(s, message, &c, out);
    buf_free(&c.salt);
    return rc;
}

/* ---- its last ---- */

static int take_last(const struct scramclient *s, struct span message, struct fail *f)
{
    struct span rest = message, value;
    struct buf signature = {0};
    if (attribute(&rest, 'e', &value)) {
        bool shown = value.n <= ERROR_MAX && is_printable(value);
        return fail_set(f, "the server refuses: %.*s", shown ? (int)value.n : 1,
                        shown ? (const char *)value.p : "?");
    }
    rest = message;
    if (!attribute(&rest, 'v', &value) || base64_decode(&signature, value) != 0) {
        buf_free(&signature);
        return fail_set(f, "malformed last message");
    }
    bool good = signature.n == (size_t)s->size &&
                mem_equal_secret(buf_span(&signature).p, s->server_signature, (size_t)s->size);
    buf_free(&signature);
    return good ? 0 : fail_set(f, "the server does not know the password");
}

int scramclient_step(struct scramclient *s, struct span message, struct buf *out, struct fail *f)
{
    enum state next = OVER;
    int rc;
    if (s->state == FIRST_SENT) {
        rc = take_first(s, message, out, f);
        next = PROOF_SENT;
    } else if (s->state == PROOF_SENT) {
        rc = take_last(s, message, f);
        next = PROVED;
    } else {
        rc = fail_set(f, "the server goes on when all has been said");
    }
    s->state = rc == 0 ? next : OVER;
    return rc;
}

bool scramclient_is_proved(const struct scramclient *s)
{
    return s->state == PROVED;
}
