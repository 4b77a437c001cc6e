#ifndef QM_PROTO_FETCH_H
#define QM_PROTO_FETCH_H

#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"
#include "mtasts.h"

/* The fetch protocol: a delivery agent, or qmgr for a policy that it keeps, has hooks fetch the
 * MTA-STS policy of a domain, https://mta-sts.DOMAIN/.well-known/mta-sts.txt. What a web server
 * sent is read in hooks; what goes over is the policy as numbers and names. */

enum fetch_policy_end {
    FETCH_POLICY_GOOD,
    FETCH_POLICY_FAILED,    /* no answer, or one that is none: sts-policy-fetch-error */
    FETCH_POLICY_UNTRUSTED, /* the certificate is not good for the host: sts-webpki-invalid */
    FETCH_POLICY_INVALID,   /* what was sent is no policy: sts-policy-invalid */
    FETCH_POLICY_ENDS
};

struct fetched_policy {
    enum fetch_policy_end end;
    uint16_t status;              /* HTTP status; 0 if there was no answer */
    struct mtasts_policy *policy; /* of FETCH_POLICY_GOOD; else NULL */
    char *why; /* a sentence; "" when good. Never NULL; cut at PROTO_TEXT_MAX octets */
    uint32_t duration_ms;
};
/* Frees policy and why. */
void fetched_policy_clear(struct fetched_policy *p);

/* ---- the side that asks ---- */

/* p is valid during the call; NULL when hooks went away. */
typedef void fetch_policy_on_end(void *arg, const struct fetched_policy *p);

/* domain: A-labels without a final dot. Returns an id for fetch_policy_forget. */
uint64_t fetch_policy_ask(struct ipc *ch, const char *domain, fetch_policy_on_end *on_end,
                          void *arg);
void fetch_policy_forget(struct ipc *ch, uint64_t id); /* the callback will not come */

/* ---- the side that answers: hooks ---- */

/* Reads one MSG_FETCH_POLICY; on 0 the domain, which is one (mtasts_is_domain), is the caller's
 * (mem_free). -1 with a sentence when it does not decode. */
int fetch_policy_read(struct ipc_message *m, char **domain, struct fail *f);
void fetch_policy_answer(struct ipc *ch, uint64_t request, const struct fetched_policy *p);

#endif
