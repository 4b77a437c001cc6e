#ifndef QM_TLSRESULT_H
#define QM_TLSRESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "wire.h"

/* What TLS with other hosts came to, counted for reports (TLSRPT, RFC 8460). */

/* Section 4.3. The numbers are written to disk. */
enum tlsresult_type {
    TLSRESULT_STARTTLS_NOT_SUPPORTED,
    TLSRESULT_CERTIFICATE_HOST_MISMATCH,
    TLSRESULT_CERTIFICATE_EXPIRED, /* or not valid yet */
    TLSRESULT_CERTIFICATE_NOT_TRUSTED,
    TLSRESULT_VALIDATION_FAILURE, /* anything else; the reason code tells */
    TLSRESULT_TLSA_INVALID,
    TLSRESULT_DNSSEC_INVALID,
    TLSRESULT_DANE_REQUIRED,
    TLSRESULT_STS_POLICY_FETCH_ERROR,
    TLSRESULT_STS_POLICY_INVALID,
    TLSRESULT_STS_WEBPKI_INVALID,
    TLSRESULT_TYPES
};

/* Section 4.4, "policy-type". The numbers are written to disk. */
enum tlsresult_policy { TLSRESULT_NO_POLICY, TLSRESULT_STS, TLSRESULT_TLSA, TLSRESULT_POLICIES };

/* The names that reports have: "starttls-not-supported", "no-policy-found". */
const char *tlsresult_type_name(enum tlsresult_type type);
const char *tlsresult_policy_name(enum tlsresult_policy policy);

#define TLSRESULT_TEXT_MAX 255    /* octets of each text; more is cut */
#define TLSRESULT_STRINGS_MAX 100 /* of one policy; more are left out */
#define TLSRESULT_DETAILS_MAX                                                                      \
    30                          /* kinds of failure under one policy; others are counted as one    \
                                 */
#define TLSRESULT_ENTRIES_MAX 8 /* policies that one domain had in one day */
#define TLSRESULT_COUNT_MAX                                                                        \
    ((UINT64_C(1) << 53) - 1) /* a counter stops there: JSON holds no more */

/* One kind of failure: sessions that failed so with this host. Texts are owned, "" when not known,
 * and hold printable ASCII only. */
struct tlsresult_detail {
    enum tlsresult_type type;
    uint64_t sessions;
    char *sending_ip, *receiving_ip; /* numeric */
    char *mx, *helo;                 /* the host's name, and the rest of its greeting */
    char *info, *reason;             /* "additional-information", "failure-reason-code" */
};

/* What was seen under one policy. */
struct tlsresult_entry {
    enum tlsresult_policy policy;
    size_t strings_n;
    char **strings;            /* lines of the policy, or TLSA records as text, in order */
    uint64_t success, failure; /* sessions */
    size_t details_n;
    struct tlsresult_detail *details;
};

/* Of a recipient domain and a policy domain (itself, or one of its hosts), on one day. */
struct tlsresult {
    uint32_t day; /* since 1970-01-01, UTC */
    char *policy_domain, *recipient_domain;
    bool is_host;   /* the policy domain is a host of the recipient domain */
    bool is_wanted; /* worth a report: not all of it is about reports themselves */
    size_t entries_n;
    struct tlsresult_entry *entries;
};

/* An empty one. */
struct tlsresult *tlsresult_new(uint32_t day, const char *policy_domain,
                                const char *recipient_domain, bool is_host);

/* Frees *r and sets it to NULL; NULL is let pass. */
void tlsresult_free(struct tlsresult **r);

/* The day of a moment in ms since 1970. */
uint32_t tlsresult_day(int64_t wall_ms);

/* The entry of this policy, made if there is none yet; strings (n) are copied and sorted. Valid
 * until another is made. When TLSRESULT_ENTRIES_MAX are there, the last of them takes it all. */
struct tlsresult_entry *tlsresult_entry(struct tlsresult *r, enum tlsresult_policy policy,
                                        const char *const *strings, size_t n);

/* Counts sessions of one kind of failure in the entry's details, not in its sum: what is no failed
 * session can be worth a detail too. Texts of detail may be NULL; they are copied, cut and made
 * printable. sessions: detail->sessions. */
void tlsresult_detail_add(struct tlsresult_entry *e, const struct tlsresult_detail *detail);

/* Counts all that from has in to: same policies together, and in them the same failures. Its
 * domains and its day are not looked at. Counters stop at TLSRESULT_COUNT_MAX. */
void tlsresult_add(struct tlsresult *to, const struct tlsresult *from);

/* Octets on the wire and in rows: day u32, policy domain, recipient domain (texts), is host, is
 * wanted (bools), count u32 of entries {policy u8, count u32 of strings (texts), success u64,
 * failure u64, count u32 of details {type u8, sessions u64, sending ip, receiving ip, mx, helo,
 * info, reason (texts)}}. What get made is to be freed also after the cursor failed. */
void tlsresult_put(struct buf *b, const struct tlsresult *r);
struct tlsresult *tlsresult_get(struct wire *w);

#endif
