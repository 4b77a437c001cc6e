#ifndef QM_SMTPD_SETTINGS_H
#define QM_SMTPD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "conf.h"
#include "fail.h"
#include "service.h"
#include "site.h"

/* What the process works with, out of its share of the configuration and the descriptors that came
 * with it. Never changes: a reload makes a new one, and connections keep theirs until their next
 * message. */

enum port_kind {
    PORT_SMTP,        /* mail from strangers, for our addresses */
    PORT_SUBMISSION,  /* mail from accounts; STARTTLS */
    PORT_SUBMISSIONS, /* likewise, TLS from the first octet */
    PORT_LOCAL,       /* mail from users of this machine, through sendmail(1) */
};

/* One listening socket. */
struct port {
    enum port_kind kind;
    char *name;  /* "public smtp 192.0.2.1:25", "local" */
    char *label; /* of its listen block, "" for local */
    int fd;
    struct site *site;  /* NULL: no TLS here */
    bool clear_auth;    /* AUTH is taken without TLS */
    bool no_requiretls; /* REQUIRETLS is not announced under TLS */
};

struct settings {
    unsigned references;
    struct conf *conf;
    const char *hostname;
    char *mailname;            /* domain of local addresses that have none */
    struct address postmaster; /* where mail for postmaster goes */
    bool postmaster_reached;   /* there is such an address */
    bool localserve;
    struct port *ports;
    size_t ports_n;
    struct site **sites;
    size_t sites_n;
    /* of the block smtp; times in milliseconds, sizes in octets */
    uint64_t message_size, memory;
    size_t command_line, data_line;
    unsigned recipients, local_recipients, errors, transactions, connections,
        connections_per_address, auth_failures, received_hops, idle_commands;
    unsigned outstanding; /* messages that may be with qmgr at once */
    bool strip_extra;     /* header fields for webhooks do not go out */
    int64_t error_delay, slow_down, command_timeout, data_timeout, data_total;
};

/* Takes the hands it has a use for. conf belongs to the result, and to the caller only on failure:
 * NULL with a sentence. mailname is used where the configuration has none; what is no domain, ""
 * too, is replaced by the host's name. */
struct settings *settings_new(struct conf *conf, const char *mailname, struct service_hand *hands,
                              size_t hands_n, struct signing *signing, struct fail *f);
/* One more reference, to be given back by settings_drop. */
struct settings *settings_hold(struct settings *s);
/* Gives one back; the last one frees all of it. NULL is let be. */
void settings_drop(struct settings **s);

/* The port of this kind and label, or NULL when there is none any more. */
const struct port *settings_port(const struct settings *s, enum port_kind kind, const char *label);

/* How many recipients a message may have that comes in by a port of this kind. */
unsigned settings_recipients(const struct settings *s, enum port_kind kind);

/* Whether the port is for people who may send anywhere, strangers excluded. */
bool port_is_trusted(const struct port *p);
/* "smtp", "submission", "submissions", "local". */
const char *port_kind_name(enum port_kind kind);

#endif
