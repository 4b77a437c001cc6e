#ifndef QM_TLSCERT_H
#define QM_TLSCERT_H

#include <stdint.h>

#include <openssl/x509.h>

#include "buf.h"
#include "fail.h"

/* Certificates as the configuration gives them, for the process that shows them to peers and for
 * the one that holds their keys. Supported keys: RSA of 2048 to 8192 bits, P-256, P-384. */

#define TLSCERT_PEM_MAX 65536 /* octets of a chain or key file */
#define TLSCERT_CHAIN_MAX 10  /* certificates in a chain */

/* Reads a PEM chain, the server's own certificate first. Other PEM blocks are passed over. Returns
 * the certificates (tlscert_free), or NULL with a sentence. */
STACK_OF(X509) * tlscert_parse(struct span pem, struct fail *f);

/* Frees the chain. *chain may be NULL, and is NULL afterwards. */
void tlscert_free(STACK_OF(X509) * *chain);

/* Whether the certificate is valid at now_ms (milliseconds since 1970). Returns 0, or -1 with a
 * sentence that names it and the date. */
int tlscert_check_dates(const X509 *cert, int64_t now_ms, struct fail *f);

/* Whether a PEM chain can be read and its first certificate is valid at now_ms. Returns 0, or -1
 * with a sentence. */
int tlscert_check_chain(struct span pem, int64_t now_ms, struct fail *f);

/* The last moment at which the certificate is valid, in milliseconds since 1970. */
int64_t tlscert_expires_ms(const X509 *cert);

/* Whether a public or private key is of a supported kind. Sets *key_type to EVP_PKEY_RSA or
 * EVP_PKEY_EC and *curve to the curve's NID (NID_undef for RSA). Returns 0, or -1 with a sentence
 * that says what the key is and what is supported. */
int tlscert_check_key(const EVP_PKEY *key, int *key_type, int *curve, struct fail *f);

#define TLSCERT_KEY_ID_SIZE 32

/* What a key is called between processes: SHA-256 of its public half as SubjectPublicKeyInfo. The
 * same for a certificate's key and for the private key that fits it. */
void tlscert_key_id(const EVP_PKEY *key, unsigned char id[TLSCERT_KEY_ID_SIZE]);

/* What a sentence or log line calls the certificate: its first DNS name, or else its subject.
 * Printable ASCII, cut at size. */
void tlscert_name(const X509 *cert, char *name, size_t size);

#endif
