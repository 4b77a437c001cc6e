#ifndef QM_TLSSEEN_H
#define QM_TLSSEEN_H

#include <stdbool.h>

#include "dnstlsa.h"
#include "proto_learned.h"
#include "stslookup.h"
#include "tlspolicy.h"
#include "tlsresult.h"

/* What TLS with the hosts of a domain came to in one attempt, counted for a report to it (TLSRPT,
 * RFC 8460): once under the domain's own policy (MTA-STS, or that there is none), and once under
 * each host's (TLSA records, or that there are none). Pure. */

struct tlsseen {
    struct tlsresult *domain, *host; /* NULL: nothing seen yet, or nothing is counted */
    char name[DNSNAME_TEXT];         /* the domain */
    const struct stsfound *sts;
    bool sts_fault;
    bool by_host_alone; /* the domain is its own host, and has a policy as such alone */
    struct tlsresult_entry *by_domain, *by_host; /* what is being counted under */
};

/* All-zero counts nothing. domain: of the recipients; sts, which must outlive it, may be NULL. What
 * went wrong with the policy itself is counted at once. */
void tlsseen_open(struct tlsseen *s, const char *domain, const struct stsfound *sts,
                  uint32_t today);
/* From now on it is about this host; what was seen of the one before goes to out. tlsa may be NULL.
 */
void tlsseen_host(struct tlsseen *s, const char *host, const struct dnstlsa_result *tlsa,
                  struct learned *out);
/* Everything goes to out; s counts nothing any more. */
void tlsseen_close(struct tlsseen *s, struct learned *out);

/* What the policy made of the host without asking it: a host that the domain's policy leaves out,
 * records that cannot be looked up or used. */
void tlsseen_policy(struct tlsseen *s, const struct tlspolicy *p, const char *host,
                    const struct dnstlsa_result *tlsa);

/* Nobody was asked, since DNSSEC does not vouch for the domain's MX records, or for the host's
 * addresses, as ede says (dnsede_is_authentication): a session that failed. */
void tlsseen_domain_forged(struct tlsseen *s, int ede);
void tlsseen_host_forged(struct tlsseen *s, const char *host, int ede);

enum tlsseen_end {
    TLSSEEN_GOOD,     /* a handshake that came to its end and was not regretted */
    TLSSEEN_FAILED,   /* STARTTLS was refused, or the handshake failed, as detail says */
    TLSSEEN_WITHOUT,  /* STARTTLS was not offered, and need not be: no session of TLS, but a detail
                       */
    TLSSEEN_DOUBTFUL, /* a good one; and a detail about what a policy that asks for an authority's
                         word, had it been enforced, would have refused */
    TLSSEEN_ENDS
};

/* How a session went. detail: type, reason, info and whose session it was; its texts are copied. */
void tlsseen_session(struct tlsseen *s, enum tlsseen_end end,
                     const struct tlsresult_detail *detail);

#endif
