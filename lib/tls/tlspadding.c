#include "tlspadding.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <openssl/evp.h>

#define MODULUS_MAX 1024 /* octets */
#define PREFIX 19        /* octets of a DigestInfo before the digest */

/* RFC 8017 section 9.2: what stands before the digest. */
static const struct hash {
    size_t size;
    const EVP_MD *(*md)(void);
    unsigned char prefix[PREFIX];
} hashes[] = {
    {32,
     EVP_sha256,
     {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
      0x05, 0x00, 0x04, 0x20}},
    {48,
     EVP_sha384,
     {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
      0x05, 0x00, 0x04, 0x30}},
    {64,
     EVP_sha512,
     {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03,
      0x05, 0x00, 0x04, 0x40}},
};

bool tlspadding_is_digest_info(struct span s)
{
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        if (s.n == PREFIX + hashes[i].size && memcmp(s.p, hashes[i].prefix, PREFIX) == 0)
            return true;
    }
    return false;
}

size_t tlspadding_put_sha256(unsigned char to[TLSPADDING_INFO_MAX], const unsigned char digest[32])
{
    memcpy(to, hashes[0].prefix, PREFIX);
    memcpy(to + PREFIX, digest, 32);
    return PREFIX + 32;
}

/* MGF1 (RFC 8017 appendix B.2.1): XORs n octets of the mask grown from seed into data. */
static void unmask(unsigned char *data, size_t n, const unsigned char *seed,
                   const struct hash *hash)
{
    unsigned char input[64 + 4], mask[64];
    memcpy(input, seed, hash->size);
    for (uint32_t counter = 0; n > 0; counter++) {
        size_t part = n < hash->size ? n : hash->size;
        for (size_t i = 0; i < 4; i++)
            input[hash->size + i] = (unsigned char)(counter >> (24 - 8 * i));
        int done = EVP_Digest(input, hash->size + 4, mask, NULL, hash->md(), NULL);
        assert(done == 1);
        for (size_t i = 0; i < part; i++)
            data[i] ^= mask[i];
        data += part;
        n -= part;
    }
}

/* em is the encoded message without a leading octet that its length leaves over; unused counts the
 * bits at its front that must be zero. */
static bool is_pss_with(struct span em, unsigned unused, const struct hash *hash)
{
    unsigned char db[MODULUS_MAX];
    if (em.n < 2 * hash->size + 2)
        return false;
    size_t n = em.n - hash->size - 1, zeros = n - hash->size - 1;
    memcpy(db, em.p, n);
    unmask(db, n, em.p + n, hash);
    db[0] &= (unsigned char)(0xff >> unused);
    for (size_t i = 0; i < zeros; i++) {
        if (db[i] != 0)
            return false;
    }
    return db[zeros] == 1;
}

bool tlspadding_is_pss(struct span s, size_t bits)
{
    size_t size = (bits + 7) / 8;
    if (bits < 16 || s.n != size || size > MODULUS_MAX || s.p[s.n - 1] != 0xbc)
        return false;
    /* The block is a number of one bit less than the modulus. */
    unsigned unused = (unsigned)(8 * size - (bits - 1));
    struct span em = s;
    if (unused == 8) {
        if (s.p[0] != 0)
            return false;
        em = span_of(s.p + 1, s.n - 1);
        unused = 0;
    }
    if ((em.p[0] & ~(0xff >> unused)) != 0)
        return false;
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        if (is_pss_with(em, unused, &hashes[i]))
            return true;
    }
    return false;
}
