#ifndef QM_STSLOOKUP_H
#define QM_STSLOOKUP_H

#include "agent.h"
#include "stsplan.h"

/* Finds the MTA-STS policy that mail for a domain goes by: the TXT record, then what hooks fetches
 * if that is needed, then what qmgr is to hear of it. What to do when is stsplan.h's. */

struct stsfound {
    struct mtasts_policy *policy; /* NULL: there is none to go by */
    bool unknown;                 /* there is none, but might be */
    bool fault;                   /* worth a detail in a report */
    enum tlsresult_type type;
    char reason[128];
};
/* Frees the policy; it is all-zero then. */
void stsfound_clear(struct stsfound *f);

/* found is the receiver's to clear. */
typedef void stslookup_fn(struct stsfound *found, void *arg);

struct stslookup;

/* domain: A-labels without a final dot; known: what qmgr knew of it; both live until the end. Those
 * who need the same policy fetched wait for one fetch; hooks that is not there yet is waited for,
 * for STSLOOKUP_PATIENCE_S. fn is called once from the event loop, never before this returns. */
struct stslookup *stslookup_start(struct agent *a, struct transport *t, const char *domain,
                                  const struct sts_known *known, enum dns_turn turn,
                                  stslookup_fn *fn, void *arg);
#define STSLOOKUP_PATIENCE_S 10
/* Its callback will not come. *l is NULL then; NULL is let pass. */
void stslookup_cancel(struct stslookup **l);

/* The link to hooks is there: whoever waits for it goes on. */
void stslookup_linked(struct agent *a);
/* Drops what is being fetched; nobody may wait for it any more. */
void stslookup_drop_all(struct agent *a);

#endif
