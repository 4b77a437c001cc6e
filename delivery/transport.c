#include "transport.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "dnsconf.h"
#include "fdlimit.h"
#include "mem.h"
#include "tlscert.h"

#define DESCRIPTORS_A_DELIVERY 2 /* the connection and the message */

static struct dns *open_dns(const struct conf *conf, struct event_base *base,
                            const struct transport_machine *machine, struct fail *f)
{
    const struct conf_block *block = conf_child(conf_root(conf), "dns");
    struct dns_settings d = {.timeout_ms = (unsigned)conf_ms(block, "timeout"),
                             .tries = (unsigned)conf_int(block, "tries"),
                             .cache_entries = (unsigned)conf_int(block, "cache"),
                             .trust_ad = conf_bool(block, "trust-ad"),
                             .on_ended = machine->dns_ended,
                             .on_ended_arg = machine->dns_ended_arg};
    size_t n;
    const struct conf_value *servers = conf_list(block, "server", &n);
    for (size_t i = 0; i < n; i++) {
        if (dnsconf_server(&d, servers[i].text, f) != 0)
            return NULL;
    }
    if (n == 0 && dnsconf_resolv(&d, machine->resolv_conf, f) != 0)
        return NULL;
    /* What the configuration says goes before the options of that file. */
    if (conf_is_set(block, "timeout"))
        d.timeout_ms = (unsigned)conf_ms(block, "timeout");
    if (conf_is_set(block, "tries"))
        d.tries = (unsigned)conf_int(block, "tries");
    if (d.cache_entries == 0)
        d.cache_entries = DNS_NO_CACHE;
    return dns_open(base, &d, f);
}

static void read_timeouts(struct transport_timeouts *t, const struct conf_block *b)
{
    t->connect_ms = conf_ms(b, "connect-timeout");
    t->greeting_ms = conf_ms(b, "greeting-timeout");
    t->command_ms = conf_ms(b, "command-timeout");
    t->data_ms = conf_ms(b, "data-timeout");
    t->block_ms = conf_ms(b, "block-timeout");
    t->final_ms = conf_ms(b, "final-timeout");
    t->quit_ms = conf_ms(b, "quit-timeout");
    t->idle_ms = conf_ms(b, "idle-timeout");
}

static void read_relay(struct transport *t, const struct conf_block *b)
{
    t->port = conf_int(b, "port");
    t->family = (enum conf_family)conf_word(b, "ip-family");
    t->connections = (int)fdlimit_fit("connections", (unsigned)conf_int(b, "connections"),
                                      DESCRIPTORS_A_DELIVERY);
    t->tls_sessions = (unsigned)conf_int(b, "tls-sessions");
    t->dkim = conf_bool(b, "dkim");
    t->transaction_recipients = conf_int(b, "transaction-recipients");
    read_timeouts(&t->timeouts, b);
}

static void read_own_address(struct transport *t, const struct conf_block *b)
{
    t->ehlo_name = conf_text(b, "ehlo-name");
    t->sources = conf_list(b, "source-address", &t->sources_n);
}

static void read_mx(struct transport *t, const struct conf_block *b)
{
    t->kind = TRANSPORT_DIRECT;
    read_relay(t, b);
    t->tls = (enum conf_tls)conf_word(b, "tls");
    t->requiretls_by_dnssec = conf_bool(b, "requiretls-by-dnssec");
    t->tls_results = conf_bool(b, "tls-results");
    t->max_hosts = conf_int(b, "max-hosts");
    t->allow_loopback = conf_bool(b, "allow-loopback");
    t->allow_private = conf_bool(b, "allow-private");
}

static void read_direct(struct transport *t, const struct conf_block *b)
{
    read_mx(t, b);
    read_own_address(t, b);
}

/* The host and those to fall back to. */
static void read_hosts(struct transport *t, const struct conf_block *b)
{
    size_t n;
    const struct conf_value *more = conf_list(b, "fallback-host", &n);
    t->hosts = mem_array(n + 1, sizeof *t->hosts);
    if (conf_is_set(b, "host"))
        t->hosts[t->hosts_n++] = conf_text(b, "host");
    for (size_t i = 0; i < n; i++)
        t->hosts[t->hosts_n++] = more[i].text;
}

static void read_named(struct transport *t, const struct conf_block *b)
{
    read_relay(t, b);
    read_own_address(t, b);
    read_hosts(t, b);
    t->allow_loopback = t->allow_private = true; /* the operator named it */
}

static void read_smtp(struct transport *t, const struct conf_block *b)
{
    t->kind = TRANSPORT_SMTP;
    t->tls = (enum conf_tls)conf_word(b, "tls");
    read_named(t, b);
}

static void read_smarthost(struct transport *t, const struct conf_block *b)
{
    read_smtp(t, b);
    t->tls_results = conf_bool(b, "tls-results");
}

static void read_submission(struct transport *t, const struct conf_block *b)
{
    t->kind = TRANSPORT_SUBMISSION;
    t->tls = (enum conf_tls)conf_word(b, "tls");
    t->auth = conf_child(b, "auth") != NULL;
    read_named(t, b);
}

static void read_submissions(struct transport *t, const struct conf_block *b)
{
    t->kind = TRANSPORT_SUBMISSIONS;
    t->tls = CONF_TLS_REQUIRED;
    t->auth = conf_child(b, "auth") != NULL;
    read_named(t, b);
}

static void read_lmtp(struct transport *t, const struct conf_block *b)
{
    read_smtp(t, b);
    t->lmtp = true;
    if (conf_is_set(b, "socket")) {
        const char *path = conf_text(b, "socket"), *slash = strrchr(path, '/');
        t->socket = slash == NULL ? path : slash + 1;
        t->socket_folder = (size_t)(t->socket - path);
        t->hosts[t->hosts_n++] = "localhost";
        t->tls = CONF_TLS_NONE;
    }
}

static void read_proxy(struct transport *t, const struct conf_block *b)
{
    const struct conf_value *v = conf_value(b, "address");
    t->proxy.used = true;
    t->proxy.remote_dns = conf_bool(b, "remote-dns");
    t->proxy.auth = conf_child(b, "auth") != NULL;
    t->proxy.remote_ips = conf_list(b, "remote-ips", &t->proxy.remote_ips_n);
    t->proxy.address.family = v->family == 4 ? AF_INET : AF_INET6;
    memcpy(t->proxy.address.octets, v->ip, sizeof t->proxy.address.octets);
    t->proxy.port = v->port;
    (void)snprintf(t->proxy.text, sizeof t->proxy.text, "%s", v->text);
}

static void read_socks(struct transport *t, const struct conf_block *b)
{
    read_mx(t, b);
    t->ehlo_name = conf_text(b, "remote-hostname");
    read_proxy(t, b);
}

static void read_local(struct transport *t, const struct conf_block *b)
{
    t->kind = TRANSPORT_LOCAL;
}

static void read_fail(struct transport *t, const struct conf_block *b)
{
    t->kind = TRANSPORT_FAIL;
    t->fail_code = conf_int(b, "code");
    t->fail_text = conf_text(b, "text");
}

static void read_kind(struct transport *t, const struct conf_block *transport)
{
    static const struct {
        const char *name;
        void (*read)(struct transport *t, const struct conf_block *b);
    } kinds[] = {
        {"direct", read_direct},         {"smtp", read_smarthost},
        {"submission", read_submission}, {"submissions", read_submissions},
        {"socks", read_socks},           {"lmtp", read_lmtp},
        {"local", read_local},           {"fail", read_fail},
    };
    const struct conf_block *b;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if ((b = conf_child(transport, kinds[i].name)) != NULL)
            kinds[i].read(t, b);
    }
}

static int read_label(struct transport *t, const char *label, struct fail *f)
{
    const struct conf_block *root = conf_root(t->conf),
                            *named = conf_find(root, "transport", label);
    if (named != NULL)
        read_kind(t, named);
    else if (strcmp(label, "local") == 0)
        t->kind = TRANSPORT_LOCAL;
    else if (strcmp(label, "direct") == 0)
        read_direct(t, conf_child(root, "deliver"));
    else
        return fail_set(f, "there is no transport %s", label);
    return 0;
}

bool transport_is_named(const struct transport *t)
{
    return t->hosts != NULL;
}

bool transport_connects(const struct transport *t)
{
    return t->kind == TRANSPORT_DIRECT || transport_is_named(t);
}

struct transport *transport_new(struct conf *conf, const char *label, struct event_base *base,
                                const struct transport_machine *machine, struct fail *f)
{
    struct transport *t = mem_zero(sizeof *t);
    t->references = 1;
    t->base = base;
    t->conf = conf;
    t->hostname = conf_text(conf_root(conf), "hostname");
    t->localserve = conf_bool(conf_root(conf), "localserve");
    int rc = read_label(t, label, f);
    if (rc == 0 && transport_connects(t)) {
        t->tlsdane = tlsdane_new(machine->roots, t->tls_sessions, f);
        t->dns = t->tlsdane == NULL ? NULL : open_dns(conf, base, machine, f);
        rc = t->dns != NULL ? 0 : -1;
    }
    if (rc == 0 && machine->certificate.n > 0) {
        buf_put_span(&t->certificate, machine->certificate);
        rc = tlscert_check_chain(machine->certificate, clock_wall_ms(), f);
        if (rc != 0)
            (void)fail_prefix(f, "certificate of transport %s", label);
    }
    if (rc == 0 && t->kind == TRANSPORT_DIRECT)
        ownaddr_read(&t->own, conf, t->port, machine->interfaces, machine->interfaces_n, t->sources,
                     t->sources_n);
    if (rc != 0) {
        t->conf = NULL; /* the caller's again */
        transport_drop(&t);
    }
    return t;
}

struct transport *transport_hold(struct transport *t)
{
    t->references++;
    return t;
}

static void release(evutil_socket_t fd, short what, void *arg)
{
    struct transport *t = arg;
    dns_close(&t->dns);
    tlsdane_free(&t->tlsdane);
    buf_free(&t->certificate);
    mem_free(&t->hosts);
    ownaddr_clear(&t->own);
    conf_free(&t->conf);
    mem_free(&t);
}

/* A resolver cannot be closed from its own callback, where the last reference may well be given up.
 */
void transport_drop(struct transport **tp)
{
    const struct timeval now = {0, 0};
    struct transport *t = *tp;
    *tp = NULL;
    if (t != NULL && --t->references == 0)
        (void)event_base_once(t->base, -1, EV_TIMEOUT, release, t, &now);
}
