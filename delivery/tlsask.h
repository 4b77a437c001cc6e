#ifndef QM_TLSASK_H
#define QM_TLSASK_H

#include <stdbool.h>
#include <stddef.h>

#include "agent.h"
#include "dnshosts.h"
#include "dnstlsa.h"
#include "stslookup.h"
#include "tlspolicy.h"

/* What is asked of TLS: which facts count for a message and a destination, and, once they are
 * found, the policy for each host (tlspolicy.h). Pure. */

/* Of a message and a next hop. All-zero holds nothing. */
struct tlsask {
    struct tlspolicy_facts facts; /* those about message, operator and next hop */
    unsigned char (*fingerprints)[TLSPOLICY_DIGEST];
    char next_hop[DNSNAME_TEXT];
    bool wants_sts, wants_tlsa; /* these are to be looked for */
    bool counts;                /* and what is found is not passed over in the end */
    bool reports; /* TLS is as others published it: they may want to know how that goes */
    bool named;
};

/* Puts together what is known before anything is looked up. next_hop: the recipients' domain, or
 * the server that the operator named; a name of A-labels, or an IP address, bare or in brackets.
 * The caller clears *a. */
void tlsask_open(struct tlsask *a, const struct transport *t, const struct job *j,
                 const char *next_hop);
void tlsask_clear(struct tlsask *a);

/* The way to one host, as it was found. What was not looked for is NULL. */
struct tlsask_way {
    const char *host; /* a name, or an IP address, bare or in brackets */
    bool is_address;
    const struct dnshosts_result *hosts; /* that led to it; NULL: the next hop is the host */
    const struct dnstlsa_result *tlsa;
    const struct stsfound *sts;
};

/* The decision, with a reference for the caller. */
const struct tlspolicy *tlsask_decide(const struct tlsask *a, const struct transport *t,
                                      const struct tlsask_way *way);
/* What would count if the message did not say otherwise. *policy, unless that is nothing: the
 * policy that would hold then, with a reference for the caller. */
enum tlsask_ignored tlsask_ignores(const struct tlsask *a, const struct transport *t,
                                   const struct tlsask_way *way, const struct tlspolicy **policy);

#endif
