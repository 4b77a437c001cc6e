#ifndef QM_POLICY_H
#define QM_POLICY_H

#include "fetch.h"
#include "proto_fetch.h"
#include "service.h"

/* MTA-STS policies of other domains (RFC 8461 section 3.3), fetched for delivery and qmgr. Nothing
 * is remembered here. */

/* What one configuration says. */
struct policy_settings {
    bool allow_private;
    int64_t timeout_ms;
    unsigned most; /* fetched at once; more wait, up to twice timeout_ms */
    int port;      /* 443, but for tests */
};

struct policies;
/* Answers whoever is linked, by way of fetcher, which must outlive it. */
struct policies *policies_new(struct service *s, struct fetcher *fetcher);
void policies_free(struct policies **p); /* what is under way is answered to nobody */
/* What to go by from now on; stays the caller's. */
void policies_use(struct policies *p, const struct policy_settings *settings);
/* A channel from the process of this name, whose descriptor it takes; the one before is over. */
void policies_link(struct policies *p, const char *peer, int fd);

/* What a web server's answer is worth: status 200, text/plain (any parameters), a policy of
 * MTASTS_POLICY_MAX octets at most. The caller clears it. */
struct fetched_policy policy_judge(const struct fetch_answer *a);

#endif
