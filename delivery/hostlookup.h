#ifndef QM_HOSTLOOKUP_H
#define QM_HOSTLOOKUP_H

#include "agent.h"
#include "dnsaddr.h"
#include "tlsask.h"

/* One host that mail may go to: its addresses, then its TLSA records where these are asked for, and
 * what TLS with it has to be like. */

#define HOSTLOOKUP_ADDRESSES 8 /* of one host that are tried */

struct hostfound {
    const struct tlspolicy *policy; /* a reference; NULL: there is no address, as `none` says */
    bool by_name;                   /* whose address is found elsewhere, or that has none */
    size_t n;                       /* 1 where by_name */
    struct dnsaddr *list;           /* NULL where by_name */
    struct dnstlsa_result *tlsa;    /* NULL: not looked for */
    enum tlsask_ignored ignored;    /* of what the host's side has published */
    const struct tlspolicy *passed; /* a reference: the one that this would make; NULL: nothing */
    bool is_self;                   /* there is one: this system's own */
    int forged; /* there may be one, and DNSSEC does not vouch for it: the extended error; else 0 */
    struct job_outcome none; /* all but the sentence */
    char text[400];          /* which is this */
};
/* Frees what it holds; it is all-zero then. */
void hostfound_clear(struct hostfound *f);

struct hostlookup_order {
    struct agent *agent;
    struct transport *transport;
    const struct tlsask *ask;
    const char *host; /* a name; an IP address, bare or in brackets */
    const struct dnshosts_result *hosts;
    size_t i; /* it is the i-th of hosts, where that is not NULL */
    const struct stsfound *sts;
    enum dns_turn turn;
};

/* found is the receiver's to clear. */
typedef void hostlookup_fn(struct hostfound *found, void *arg);

struct hostlookup;

/* All that the order points to lives until the end. fn is called once, from the loop or before this
 * returns; *l is NULL by then. */
void hostlookup_start(struct hostlookup **l, const struct hostlookup_order *order,
                      hostlookup_fn *fn, void *arg);
/* Its callback will not come. NULL is let pass. */
void hostlookup_cancel(struct hostlookup **l);

#endif
