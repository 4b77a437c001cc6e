#ifndef QM_TEST_TLS_PEER_H
#define QM_TEST_TLS_PEER_H

#include <sys/types.h>

#include <openssl/ssl.h>

#include "buf.h"
#include "fail.h"
#include "tlskey.h"
#include "tlsremote.h"

/* What the tests of TLS share: keys made on the spot, a second process that holds a key, and a
 * server and a client connection that talk over a socketpair. Whatever cannot be set up ends the
 * test program. */

/* A private key and a self-signed certificate for mail.example, localhost and 127.0.0.1. */
struct identity {
    struct tlskey *key;
    struct buf key_pem, chain_pem;
};

/* what: "RSA-2048", "RSA-3072", "P-256", "P-384", or another that OpenSSL makes keys of:
 * "RSA-1024", "P-521", "ED25519". Of a kind that tlskey_load refuses, key is NULL and there is no
 * certificate. */
void identity_make(struct identity *id, const char *what);
void identity_free(struct identity *id);

/* A certificate for the key in key_pem, valid from `from` to `to` seconds from now. */
void certificate_make(struct span key_pem, long from, long to, struct buf *chain_pem);

/* Signs with a key of this process: arg is the struct tlskey. */
int sign_here(void *arg, int key_type, int nid_or_padding, struct span input, struct buf *out,
              struct fail *f);

/* A process that holds the key and answers sign_there over a socketpair. */
struct signer {
    pid_t pid;
    int fd;
};

void signer_start(struct signer *signer, const struct tlskey *key);
void signer_stop(struct signer *signer);
/* Answers requests on fd, with key, until the other end is closed. */
void signer_serve(int fd, const struct tlskey *key);
/* arg is the struct signer. */
int sign_there(void *arg, int key_type, int nid_or_padding, struct span input, struct buf *out,
               struct fail *f);

/* A server context with this certificate, security level 2. */
SSL_CTX *server_context(struct span chain_pem, struct tls_remote remote);
/* A client context of OpenSSL's own making that trusts the certificate, and speaks this version
 * only. */
SSL_CTX *plain_client(struct span chain_pem, int version);

struct pair {
    SSL *server, *client;
    int fd[2];
};

void pair_open(struct pair *pair, SSL *server, SSL *client);
/* Shakes hands. Returns 0; -1 with what the server said, or else the client, when one failed. */
int pair_shake(struct pair *pair, struct fail *f);
/* One octet from the server to the client, which so reads its tickets. Returns 0 or -1. */
int pair_deliver(struct pair *pair);
void pair_close(struct pair *pair);

#endif
