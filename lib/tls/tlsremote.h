#ifndef QM_TLSREMOTE_H
#define QM_TLSREMOTE_H

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "buf.h"
#include "fail.h"

/* A private key that lives in another process. To OpenSSL it looks like an ordinary key; each
 * signature is asked for by a callback. The key can sign, and nothing else: there is no way to ask
 * for a decryption. */

struct tls_remote {
    /* Asks for one signature and waits for it. Appends it to *out: for RSA exactly as many octets
     * as the modulus has, for EC the DER form of ECDSA-Sig-Value. Returns 0, or -1 with a sentence.
     *
     *   key_type      nid_or_padding        input
     *   EVP_PKEY_RSA  RSA_PKCS1_PADDING     DigestInfo (RFC 8017 section 9.2)
     *   EVP_PKEY_RSA  RSA_NO_PADDING        PSS-encoded block as long as the modulus
     * (section 9.1.1) EVP_PKEY_EC   NID of the curve      digest
     *
     * tlskey_sign is what answers at the other end. */
    int (*sign)(void *arg, int key_type, int nid_or_padding, struct span input, struct buf *out,
                struct fail *f);
    void *arg;
};

/* Makes ready what all remote keys share. tls_init calls it; safe to call again. */
void tlsremote_init(void);

/* A key whose public half is public_key and whose signatures come from *remote, which is copied
 * (what arg points to must outlive every connection that uses the key). Returns the key
 * (EVP_PKEY_free), or NULL with a sentence when its kind is not supported. */
EVP_PKEY *tlsremote_key(const EVP_PKEY *public_key, const struct tls_remote *remote,
                        struct fail *f);

/* Has the remote key sign once and checks the signature with the public key, so that a key which
 * does not belong to the certificate shows at start and not with the first peer. Returns 0 or -1
 * with a sentence. */
int tlsremote_prove(EVP_PKEY *remote_key, EVP_PKEY *public_key, struct fail *f);

/* Adds to a context, of a server or a client, a certificate to show: a PEM chain, its own first,
 * and how to reach its private key, as *remote, which is copied, says. One signature is asked for,
 * to see that the key fits. Returns 0, or -1 with a sentence: the chain cannot be read, the
 * certificate is expired or not yet valid, its key is of a kind that is not supported (Ed25519
 * among them), or the key does not fit. */
int tlsremote_use(SSL_CTX *ctx, struct span pem, const struct tls_remote *remote, struct fail *f);

#endif
