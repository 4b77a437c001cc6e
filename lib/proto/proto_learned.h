#ifndef QM_PROTO_LEARNED_H
#define QM_PROTO_LEARNED_H

#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"
#include "mtasts.h"
#include "tlsresult.h"
#include "wire.h"

/* What is known of TLS to a domain, and what a delivery agent learns of it on the way. qmgr keeps
 * it, since it owns the store: it gives what it knows along with a job (proto_deliver.h), and hears
 * what is new in notices over the same link. Nobody waits for either. */

/* A domain's MTA-STS policy as it was last seen. All-zero: nothing is known. */
struct sts_known {
    char id[MTASTS_ID_MAX + 1];   /* of the TXT record it was fetched for; "" when not known */
    struct mtasts_policy *policy; /* NULL: none that still holds */
    int64_t refresh_ms; /* wall clock: from then on it is to be fetched anew, though the id is the
                           same */
    int64_t retry_ms;   /* a fetch failed: none before then */
};
void sts_known_clear(struct sts_known *k); /* frees the policy; k is all-zero then */

/* Octets: id (text), refresh i64, retry i64, whether there is a policy (bool), the policy. What get
 * made is to be cleared also after the cursor failed. */
void sts_known_put(struct buf *b, const struct sts_known *k);
void sts_known_get(struct wire *w, struct sts_known *k);

/* Reads an id: letters and digits, MTASTS_ID_MAX at most, or none. */
void sts_id_get(struct wire *w, char id[static MTASTS_ID_MAX + 1]);

enum sts_what {
    STS_FETCHED,      /* this policy, for a record of this id */
    STS_USED,         /* the policy known before was used, and its record is still there */
    STS_FETCH_FAILED, /* for a record of this id */
    STS_NO_RECORD,    /* the domain has none any more, or a broken one */
    STS_WHATS
};

struct sts_learned {
    char *domain; /* A-labels */
    enum sts_what what;
    char id[MTASTS_ID_MAX + 1];
    struct mtasts_policy *policy; /* of STS_FETCHED */
};

#define LEARNED_MAX 1000 /* of each kind in one notice */

/* A notice. Owns all it holds; all-zero is an empty one. */
struct learned {
    struct sts_learned *policies;
    uint32_t policies_n;
    struct tlsresult **results; /* to be added to those of their day */
    uint32_t results_n;
};
void learned_clear(struct learned *l); /* frees what it holds; it is an empty one then */

/* Adds one; domain and policy are copied, policy and id may be NULL where what has none. Nothing
 * happens when LEARNED_MAX are there. */
void learned_add_policy(struct learned *l, const char *domain, enum sts_what what, const char *id,
                        const struct mtasts_policy *policy);
/* Takes *r, which becomes NULL. When LEARNED_MAX are there it is freed. */
void learned_add_result(struct learned *l, struct tlsresult **r);

/* ---- the side that tells: a delivery agent ---- */

/* Sends MSG_DELIVER_LEARNED, unless there is nothing in it. */
void learned_tell(struct ipc *ch, const struct learned *l);

/* ---- the side that is told: qmgr ---- */

/* Reads one MSG_DELIVER_LEARNED: 0 and the caller clears it, or -1 with a sentence and nothing to
 * clear. */
int learned_read(struct ipc_message *m, struct learned *l, struct fail *f);

#endif
