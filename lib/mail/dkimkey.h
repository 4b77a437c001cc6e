#ifndef QM_DKIMKEY_H
#define QM_DKIMKEY_H

#include <openssl/types.h>

#include "buf.h"
#include "dkim.h"
#include "fail.h"

/* DKIM keys: made by and for operators, and used where private keys are kept. RSA of 1024 to 4096
 * bits (RFC 8301 3.2) and Ed25519. An EVP_PKEY is freed with EVP_PKEY_free. */

/* Makes a key pair: RSA of 2048 bits, or Ed25519. NULL when OpenSSL refuses. */
EVP_PKEY *dkimkey_generate(enum dkim_algorithm algorithm, struct fail *f);

/* Appends the private key in PEM (PKCS #8, not encrypted). The caller wipes it (buf_wipe). */
void dkimkey_write_pem(EVP_PKEY *key, struct buf *out);

/* Reads a private or a public key in PEM; an encrypted one is refused, no passphrase is ever asked
 * for. NULL when there is no key of a kind and size that DKIM uses. */
EVP_PKEY *dkimkey_read_pem(struct span pem, struct fail *f);

enum dkim_algorithm
dkimkey_algorithm(const EVP_PKEY *key); /* of a key made by the functions above */

/* Appends what the DNS is to say about a key: "v=DKIM1; h=sha256; k=rsa; p=..." (RFC 6376 3.6.1,
 * RFC 8463 4.2). key may be private or public. */
void dkimkey_record(EVP_PKEY *key, struct buf *out);
/* Appends the same as a zone file wants it: quoted strings of at most 255 octets. */
void dkimkey_record_quoted(EVP_PKEY *key, struct buf *out);

/* Signs a digest from dkim_prepare with a private key; appends the raw signature: RSASSA-PKCS1-v1_5
 * over the digest as SHA-256 (RFC 8017 8.2), or Ed25519 over the digest's octets (RFC 8463 3).
 * Returns 0, or -1 when the key is not of that algorithm, has no private part or OpenSSL
 * refuses. */
int dkimkey_sign(EVP_PKEY *key, enum dkim_algorithm algorithm,
                 const unsigned char digest[DKIM_DIGEST], struct buf *signature, struct fail *f);

#endif
