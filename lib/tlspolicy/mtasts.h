#ifndef QM_MTASTS_H
#define QM_MTASTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "wire.h"

/* MTA-STS (RFC 8461): what a domain says of TLS to its mail hosts. Both texts come from strangers;
 * the policy is read by the process that fetched it and goes to others as numbers and names. */

#define MTASTS_ID_MAX 32        /* characters of an id */
#define MTASTS_AGE_MAX 31557600 /* seconds that a policy holds at most (section 3.2) */
#define MTASTS_POLICY_MAX 65536 /* octets of a policy that are read */
#define MTASTS_MX_MAX 200       /* patterns of a policy */
#define MTASTS_DOMAIN_TEXT 254  /* room for the longest domain and a NUL */
#define MTASTS_HOST_PREFIX "mta-sts."
#define MTASTS_RECORD_PREFIX "_mta-sts."

enum mtasts_record {
    MTASTS_RECORD_NONE,   /* the domain has no policy */
    MTASTS_RECORD_GOOD,   /* there is one, of this id */
    MTASTS_RECORD_BROKEN, /* more than one record, or a malformed one: counts as none, and is worth
                             a report */
};

/* Reads the n TXT records of _mta-sts.DOMAIN, each with its strings joined (section 3.1). Those
 * that do not begin with "v=STSv1" are not looked at. On MTASTS_RECORD_GOOD, id holds 1 to 32
 * letters and digits; else it is "". f says what is broken. */
enum mtasts_record mtasts_record_find(const struct span *texts, size_t n,
                                      char id[static MTASTS_ID_MAX + 1], struct fail *f);

/* Their numbers are written to disk. */
enum mtasts_mode { MTASTS_NONE, MTASTS_TESTING, MTASTS_ENFORCE, MTASTS_MODES };

struct mtasts_policy {
    enum mtasts_mode mode;
    uint32_t max_age_s; /* 0 .. MTASTS_AGE_MAX; what a policy says beyond that is cut */
    size_t mx_n;
    char **mx; /* lower case, without a final dot: a domain, or "*." and one */
};

/* Reads the text of a policy (section 3.2): lines "key: value", ended by LF or CRLF. Lines may be
 * empty and have blanks anywhere but inside a key; unknown keys are passed over; of a key that
 * comes again, mx aside, the first counts. Returns the policy (mtasts_policy_free), or NULL with a
 * sentence: no version STSv1, mode or max_age, a value that is none, no mx though the mode is not
 * none, a line without a colon, more than MTASTS_MX_MAX patterns, more than MTASTS_POLICY_MAX
 * octets. */
struct mtasts_policy *mtasts_policy_parse(struct span text, struct fail *f);

/* Frees *p and sets it to NULL; NULL is let pass. */
void mtasts_policy_free(struct mtasts_policy **p);

/* A copy that the caller owns; of NULL it is NULL. */
struct mtasts_policy *mtasts_policy_copy(const struct mtasts_policy *p);

/* Whether both say the same, patterns in the same order. Either may be NULL. */
bool mtasts_policy_equal(const struct mtasts_policy *a, const struct mtasts_policy *b);

/* Whether a host, a name of A-labels as an MX record has it, is one of the policy's (section 4.1):
 * "*." stands for one whole label. Case and a final dot do not count. */
bool mtasts_policy_has(const struct mtasts_policy *p, const char *host);

/* "none", "testing", "enforce". */
const char *mtasts_mode_name(enum mtasts_mode mode);

/* The policy's octets on the wire and in rows: mode u8, max age u32, count u32 of patterns (texts).
 * get returns a policy that is to be freed also after the cursor failed. */
void mtasts_policy_put(struct buf *b, const struct mtasts_policy *p);
struct mtasts_policy *mtasts_policy_get(struct wire *w);

/* Whether text is a domain of A-labels: letters, digits, '-' and '_' in labels of 1 to 63, joined
 * by dots, 253 characters at most. */
bool mtasts_is_domain(struct span text);

#endif
