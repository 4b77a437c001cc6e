#ifndef QM_CONFTLS_H
#define QM_CONFTLS_H

#include "conf.h"

/* What the configuration says of TLS with a given destination: the blocks `tls-policy`. */

#define CONFTLS_FINGERPRINT 32 /* octets: SHA-256 */

/* The first block `tls-policy`, in the order of the file, whose `to` the name fits; NULL when there
 * is none. name: a domain of A-labels, without a final dot, or an IP address. For those who may see
 * the blocks: master and delivery. */
const struct conf_block *conftls_policy(const struct conf *conf, const char *name);

/* Reads a value of `fingerprint`: 64 hexadecimal digits in any case, or 32 pairs of them with a
 * colon between each two. Returns 0, or -1 when it is neither. */
int conftls_fingerprint(const char *text, unsigned char out[static CONFTLS_FINGERPRINT]);

#endif
