#ifndef QM_TRANSPORT_H
#define QM_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "conf.h"
#include "dns.h"
#include "fail.h"

/* What one configuration says about the transport that this process is. Counted references:
 * sessions and jobs under way keep the one they began with. */

enum transport_kind { TRANSPORT_DIRECT, TRANSPORT_SMTP, TRANSPORT_LOCAL, TRANSPORT_FAIL };

struct transport_timeouts {
    int64_t connect_ms, greeting_ms, command_ms, data_ms, block_ms, final_ms, quit_ms, idle_ms;
};

struct transport {
    unsigned references;
    struct event_base *base;
    struct conf *conf;
    struct dns *dns;
    enum transport_kind kind;
    const char *hostname, *ehlo_name;
    const char *host; /* TRANSPORT_SMTP */
    int port;
    enum conf_tls tls;
    enum conf_family family;
    const struct conf_value *sources;
    size_t sources_n;
    int connections, max_hosts;
    bool allow_loopback;
    bool localserve; /* what recipients' names ask for is acted out */
    struct transport_timeouts timeouts;
    int fail_code; /* TRANSPORT_FAIL */
    const char *fail_text;
    SSL_CTX *tls_opportunistic, *tls_verified;
};

/* Takes conf when it succeeds. label: "direct", "local", or a transport of the configuration.
 * roots: for verified TLS. */
struct transport *transport_new(struct conf *conf, const char *label, struct event_base *base,
                                struct span resolv_conf, X509_STORE *roots, struct fail *f);
struct transport *transport_hold(struct transport *t);
/* With the last reference the resolver goes too, in the next turn of the loop. */
void transport_drop(struct transport **t);

#endif
