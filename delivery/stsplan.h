#ifndef QM_STSPLAN_H
#define QM_STSPLAN_H

#include <stdbool.h>

#include "mtasts.h"
#include "proto_fetch.h"
#include "proto_learned.h"
#include "tlsresult.h"

/* Which MTA-STS policy a delivery goes by (RFC 8461 sections 3.3 and 5.1), from what qmgr knew of
 * the domain, its TXT record, and what fetching came to. Pure: who has this looked up and fetched
 * asks here what comes next. The domain is the recipients' own, whatever aliases there are. */

/* What the lookup of _mta-sts.DOMAIN gave. */
enum stsplan_record {
    STSPLAN_ABSENT, /* there is no record */
    STSPLAN_GOOD,   /* one, with an id */
    STSPLAN_BROKEN, /* more than one, or a malformed one */
    STSPLAN_FAILED, /* it could not be looked up */
};

enum stsplan_next {
    STSPLAN_FETCH, /* have the policy fetched, then ask stsplan_fetched */
    STSPLAN_DONE,
};

struct stsplan {
    enum stsplan_next next;
    /* Of STSPLAN_DONE. */
    const struct mtasts_policy *policy; /* to go by, of what is known or was fetched; NULL: none */
    bool unknown;                       /* there is none, but might be (tlspolicy.h: sts_unknown) */
    bool tell;                          /* qmgr is to hear `what`, for this id */
    enum sts_what what;
    /* Worth a detail in a report (RFC 8460 section 4.3) though no session failed. */
    bool fault;
    enum tlsresult_type type;
    const char *reason; /* a constant; "" */
};

/* The first step. id: of STSPLAN_GOOD. now_ms: wall clock. What it points to lives as long as
 * known. */
struct stsplan stsplan_begin(const struct sts_known *known, enum stsplan_record record,
                             const char *id, int64_t now_ms);

/* After STSPLAN_FETCH. got is NULL when hooks went away. */
struct stsplan stsplan_fetched(const struct sts_known *known, const struct fetched_policy *got);

#endif
