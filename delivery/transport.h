#ifndef QM_TRANSPORT_H
#define QM_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "conf.h"
#include "dns.h"
#include "dnsaddr.h"
#include "fail.h"
#include "ownaddr.h"
#include "tlsdane.h"

/* What one configuration says about the transport that this process is. Counted references:
 * sessions and jobs under way keep the one they began with. */

enum transport_kind {
    TRANSPORT_DIRECT,      /* and through a SOCKS proxy */
    TRANSPORT_SMTP,        /* to servers that the operator named; and lmtp */
    TRANSPORT_SUBMISSION,  /* likewise, with credentials where there are some */
    TRANSPORT_SUBMISSIONS, /* likewise, under TLS from the first octet */
    TRANSPORT_LOCAL,
    TRANSPORT_FAIL,
};

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
    const char **hosts; /* as the operator named them, to be tried in turn; NULL: MX hosts */
    size_t hosts_n;
    const char
        *socket; /* or a local one, by its name in the folder where this process is; NULL: none */
    size_t socket_folder; /* so many characters in front of it say which folder that is */
    bool lmtp;
    bool auth; /* there are credentials for the server; vault has them */
    struct {
        bool used, remote_dns, auth;
        struct dnsaddr address;
        uint16_t port;
        char text[80];                       /* "192.0.2.1:1080" */
        const struct conf_value *remote_ips; /* mail comes from these, remote_ips_n of them */
        size_t remote_ips_n;
    } proxy;
    int port;
    enum conf_tls tls;
    enum conf_family family;
    const struct conf_value *sources;
    size_t sources_n;
    int connections, max_hosts;
    int transaction_recipients;
    bool dkim; /* signatures of ours go out with messages */
    bool allow_loopback, allow_private;
    struct ownaddr own; /* TRANSPORT_DIRECT: a host that has one of them is this system */
    bool localserve;    /* what recipients' names ask for is acted out */
    struct transport_timeouts timeouts;
    int fail_code; /* TRANSPORT_FAIL */
    const char *fail_text;
    bool requiretls_by_dnssec; /* DNSSEC and an authority will do for REQUIRETLS */
    bool tls_results;          /* how TLS went is counted for reports */
    struct tlsdane *tlsdane;
    struct buf certificate; /* that is shown to servers, a PEM chain; empty: none */
    bool identified;        /* tlsdane has it */
    unsigned tls_sessions;  /* that it keeps to be resumed */
};

/* Whether all its mail goes to servers that the operator named. */
bool transport_is_named(const struct transport *t);
/* Whether it has connections of its own, and not files or nothing. */
bool transport_connects(const struct transport *t);

/* What a machine has for its transports; it outlives them. */
struct transport_machine {
    struct span resolv_conf;
    X509_STORE *roots;                /* for verified TLS */
    const struct dnsaddr *interfaces; /* addresses, interfaces_n of them */
    size_t interfaces_n;
    struct span certificate; /* of this transport, as PEM; empty: none */
    dns_ended_fn dns_ended;  /* as in struct dns_settings */
    void *dns_ended_arg;
};

/* Takes conf when it succeeds. label: "direct", "local", or a transport of the configuration. */
struct transport *transport_new(struct conf *conf, const char *label, struct event_base *base,
                                const struct transport_machine *machine, struct fail *f);
struct transport *transport_hold(struct transport *t);
/* With the last reference the resolver goes too, in the next turn of the loop. */
void transport_drop(struct transport **t);

#endif
