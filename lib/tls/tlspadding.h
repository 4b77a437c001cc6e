#ifndef QM_TLSPADDING_H
#define QM_TLSPADDING_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* The two shapes of what an RSA key signs in TLS. The key process takes no other input, so whoever
 * can reach it cannot have numbers of their own choice raised to the private exponent. */

#define TLSPADDING_INFO_MAX 83 /* octets of the DigestInfo of SHA-512 */

/* Whether s is exactly the DER of a DigestInfo for SHA-256, SHA-384 or SHA-512 (RFC 8017
 * section 9.2, note 1). */
bool tlspadding_is_digest_info(struct span s);

/* Whether s is a block for a modulus of `bits` bits that EMSA-PSS could have made (RFC 8017 section
 * 9.1.1) with SHA-256, SHA-384 or SHA-512, MGF1 over the same hash, and a salt of the hash's
 * length. All that section 9.1.2 verifies is verified but the message's hash, which the block does
 * not tell. */
bool tlspadding_is_pss(struct span s, size_t bits);

/* Writes the DigestInfo of a SHA-256 digest. Returns how many octets it has. */
size_t tlspadding_put_sha256(unsigned char to[TLSPADDING_INFO_MAX], const unsigned char digest[32]);

#endif
