#ifndef QM_TLSKEY_H
#define QM_TLSKEY_H

#include <stddef.h>

#include "buf.h"
#include "fail.h"
#include "tlscert.h"

/* Private keys of TLS certificates, in the one process that holds them. The other half of
 * tlsremote.h. */

struct tlskey;

/* Reads a private key from PEM (PKCS#8, or the older RSA and EC forms), without a passphrase. *pem
 * is only read; the caller wipes it. Returns the key (tlskey_free), or NULL with a sentence. */
struct tlskey *tlskey_load(struct span pem, struct fail *f);

/* Makes a new P-256 key (tlskey_free). */
struct tlskey *tlskey_generate(void);

/* Wipes and frees the key. *key may be NULL, and is NULL afterwards. */
void tlskey_free(struct tlskey **key);

/* Appends the private key as PEM (PKCS#8, not encrypted). The caller wipes *pem. */
void tlskey_write(const struct tlskey *key, struct buf *pem);

/* What requests call the key (tlscert_key_id). */
void tlskey_id(const struct tlskey *key, unsigned char id[TLSCERT_KEY_ID_SIZE]);

/* Whether the key belongs to the first certificate of a PEM chain. Returns 0, or -1 with a
 * sentence: the chain cannot be read, it is for another key, or the private half does not match the
 * public one. */
int tlskey_fits(const struct tlskey *key, struct span chain_pem, struct fail *f);

/* Makes the one kind of signature that a TLS handshake needs. key_type, nid_or_padding and input
 * come from a process that faces the network, and are as struct tls_remote describes them; anything
 * else is refused, so that the key is no oracle for other uses: only a DigestInfo of SHA-256, -384
 * or -512, a block that is PSS-encoded with one of these and a salt as long as its hash (RFC 8446
 * section 4.2.3), or for EC a digest of 32, 48 or 64 octets. Appends the signature to *out. Returns
 * 0, or -1 with a sentence. */
int tlskey_sign(const struct tlskey *key, int key_type, int nid_or_padding, struct span input,
                struct buf *out, struct fail *f);

/* Appends a self-signed certificate for the key as PEM: for development, where nobody checks it. It
 * is good from one day ago for `days` days (1 to 36500). names, n of them (1 to 32), are domain
 * names or numeric addresses and become its subjectAltName. Returns 0, or -1 with a sentence when a
 * name is neither. */
int tlskey_self_sign(const struct tlskey *key, const char *const *names, size_t n, int days,
                     struct buf *pem, struct fail *f);

#endif
