#ifndef QM_KEYRING_H
#define QM_KEYRING_H

#include <stdbool.h>

#include <openssl/types.h>

#include "conf.h"
#include "credfile.h"
#include "dkim.h"
#include "fail.h"
#include "hookkey.h"
#include "saslclient.h"
#include "service.h"
#include "tlskey.h"

/* All secrets of one configuration: account verifiers, TLS keys by listener, DKIM keys by domain
 * and selector, keys of webhooks by account and direction. Read from descriptors that master opened
 * and never looked into. Counted references: an exchange under way keeps its own. */

struct keyring_dkim {
    char *domain, *selector;
    EVP_PKEY *key;
    enum dkim_algorithm algorithm;
};

struct keyring_hook {
    char *webhook; /* "outgoing billing" */
    struct hookkey key;
};

/* Who we are at another server, by transport. */
struct keyring_login {
    char *transport;
    bool proxy;                    /* at a SOCKS proxy, not at a mail server */
    const struct conf_block *auth; /* of the configuration */
    struct buf password;           /* empty: none */
    int token_fd;                  /* read each time it is used; -1: none */
    struct tlskey *key;            /* of the certificate that is shown there; NULL: none */
    enum saslclient_mechanism order[SASLCLIENT_MECHANISMS];
    size_t order_n;
};

struct keyring {
    unsigned references;
    struct conf *conf;
    struct credfile *credentials;
    struct keyring_dkim *dkim; /* sorted by domain, then as configured */
    size_t dkim_n;
    struct keyring_tls {
        char *listener;
        struct tlskey *key;
    } * tls;
    size_t tls_n;
    struct keyring_login *logins;
    size_t logins_n;
    struct keyring_hook *hooks; /* of one webhook the newer first */
    size_t hooks_n;
    unsigned char fake_key[32]; /* from which unknown logins' verifiers are derived */
};

/* Takes conf, when it succeeds. Every key is checked against what it is for: the certificate, what
 * DKIM allows. */
struct keyring *keyring_new(struct conf *conf, struct service_hand *hands, size_t hands_n,
                            struct fail *f);
struct keyring *keyring_hold(struct keyring *k);
void keyring_drop(struct keyring **k); /* wipes and frees with the last reference */

/* A key by what it is for, or NULL; valid as long as the keyring. */
const struct tlskey *keyring_tls(const struct keyring *k, const char *listener);
const struct keyring_dkim *keyring_dkim(const struct keyring *k, const char *domain,
                                        const char *selector);

/* Appends the signature of input with each key of this webhook ("outgoing billing"), the newer
 * first, HOOKKEY_SIGNATURE octets each. Returns how many there are. */
size_t keyring_sign_hook(const struct keyring *k, const char *webhook, struct span input,
                         struct buf *signatures);

/* The login of a transport, or NULL; valid as long as the keyring. */
const struct keyring_login *keyring_login(const struct keyring *k, const char *transport);
/* Whether its certificate is all that is to be shown there. */
bool keyring_login_is_silent(const struct keyring_login *l);
/* Reads the token of today into *out, which the caller wipes. Returns 0, or -1 with a sentence. */
int keyring_token(const struct keyring_login *l, struct buf *out, struct fail *f);

/* Whether nobody may log in to the account, one of keyring_find_login. */
bool keyring_is_shut(const struct keyring *k, const char *account);
/* The account that a login name belongs to and its verifier; false when there is none. canonical
 * (may be NULL) gets the one spelling of a login that does not exist. */
bool keyring_find_login(const struct keyring *k, struct span login, const char **account,
                        struct scram_verifier *v, struct buf *canonical);

#endif
