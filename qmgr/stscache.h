#ifndef QM_STSCACHE_H
#define QM_STSCACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger.h"
#include "proto_learned.h"
#include "store.h"

/* The MTA-STS policies of other domains (RFC 8461 section 5.1), in the table sts: they must survive
 * whoever keeps their TXT records from us, and a restart. A delivery agent gets what is known along
 * with a job and tells what it learned; nothing is looked up here. */

#define STS_REFRESH_MS (24 * 3600000LL)   /* a policy is fetched anew after so long, */
#define STS_REFRESH_MIN_MS (3600000LL)    /* or half of its time, but not sooner than this */
#define STS_RETRY_MS (5 * 60000LL)        /* after a fetch that failed; twice that each time, */
#define STS_RETRY_MAX_MS (12 * 3600000LL) /* up to this */
#define STS_FAILED_MS                                                                              \
    (24 * 3600000LL) /* so long behind that it is known how many failed in a row */
#define STS_UNUSED_MS                                                                              \
    (180 * 86400000LL)               /* a policy that nobody needed for so long is forgotten       \
                                      */
#define STS_USED_STEP_MS (3600000LL) /* how exactly it is known when one was needed last */

/* When a policy fetched at this time is to be fetched anew. */
int64_t sts_refresh_at(int64_t fetched_ms, uint32_t max_age_s);
/* When to try again after so many fetches in a row (at least 1) have failed. */
int64_t sts_retry_at(int64_t now_ms, unsigned failures);

/* What is known of the domain at this time, in any case of letters: false, and *k all-zero, when it
 * is nothing. k->policy is one that still holds. The caller clears it. */
bool sts_find(const struct ledger *l, struct store_txn *t, const char *domain, int64_t now_ms,
              struct sts_known *k);

/* Writes down what an agent learned:
 *
 *     STS_FETCHED       in place of what was known
 *     STS_USED          it is still needed
 *     STS_FETCH_FAILED  the policy known before stays as long as it holds; the next fetch waits
 *     STS_NO_RECORD     the same without the wait; what demands nothing goes (section 2)
 *
 * Only the writing thread calls this. */
void sts_learn(const struct ledger *l, struct store_txn *t, const struct sts_learned *what,
               int64_t now_ms);

/* Whether the row's policy, one that demands something and still holds, is to be fetched anew at
 * this time though nobody needs it. One that demands nothing may as well end. */
bool sts_wants_renewal(const struct sts_row *r, int64_t now_ms);

/* Writes down what came of that: the policy of the same record, or NULL, which is a fetch that
 * failed. Whether anybody needs it stays as it was. Nothing happens when the row is gone. */
void sts_renew(const struct ledger *l, struct store_txn *t, const char *domain,
               const struct mtasts_policy *policy, int64_t now_ms);

/* Whether the row (decoded) is of no more use: nobody needed it for STS_UNUSED_MS, or its policy's
 * time is over, and it is STS_FAILED_MS since a fetch was put off. */
bool sts_is_over(const struct sts_row *r, int64_t now_ms);

#endif
