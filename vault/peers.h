#ifndef QM_PEERS_H
#define QM_PEERS_H

#include "exchange.h"
#include "password.h"
#include "service.h"

/* Who asks the vault, and what each may ask: smtpd authenticates and signs DKIM over its link
 * "secret", TLS over "sign"; webapi checks passwords and signs DKIM; hooks signs webhooks; delivery
 * logs in at the server of its own transport. */

enum vault_counter {
    COUNT_AUTH_OK,
    COUNT_AUTH_FAILED,
    COUNT_DKIM,
    COUNT_TLS,
    COUNT_HOOK_SIGNED,
    COUNT_LOGINS,
    COUNT_LOGINS_REFUSED,
    COUNT_REFUSED,
    VAULT_COUNTERS
};

struct vault {
    struct service *service;
    struct event_base *base;
    struct keyring *keyring;
    struct exchanges *exchanges;
    struct password_cache *passwords;
    struct peers *peers;
};

struct peers *peers_new(struct vault *v);
void peers_free(struct peers **p);
void peers_link(struct peers *p, const char *name, int fd); /* takes fd */

#endif
