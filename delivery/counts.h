#ifndef QM_COUNTS_H
#define QM_COUNTS_H

#include <stdint.h>

#include "dnscounts.h"
#include "service.h"

/* What is counted of deliveries, for the metrics. Labels have values from tables alone: whatever a
 * stranger says, there are only so many. */

/* What a server is asked. */
enum delivery_command {
    COMMAND_GREETING, /* by connecting */
    COMMAND_EHLO,     /* and HELO, LHLO */
    COMMAND_STARTTLS,
    COMMAND_AUTH, /* each of its steps */
    COMMAND_MAIL,
    COMMAND_RCPT,
    COMMAND_DATA,
    COMMAND_BDAT, /* but for the last chunk */
    COMMAND_DOT,  /* the message; over LMTP for each recipient */
    COMMAND_RSET,
    COMMAND_QUIT,
    DELIVERY_COMMANDS
};

/* What the receiver's side has published, and a message says that it is not to count
 * (TLS-Required: No). */
enum tlsask_ignored {
    TLSASK_NOTHING,
    TLSASK_STS,
    TLSASK_STS_MISMATCH, /* the host is not in the policy */
    TLSASK_DANE,
    TLSASK_DANE_FAILED, /* TLSA records cannot be looked up */
    TLSASK_TLS,         /* the host does without the TLS that one of them demands, or fails at it */
    TLSASK_IGNORABLE
};

/* How it went to look for the MTA-STS policy of a domain. */
enum counts_sts {
    COUNTS_STS_CACHED,    /* the one that was known holds */
    COUNTS_STS_FETCHED,   /* it was fetched, or another in its place */
    COUNTS_STS_BACKOFF,   /* fetching it failed a moment ago, so it was not tried */
    COUNTS_STS_NOT_FOUND, /* the domain has no record of one, or none that says what it should */
    COUNTS_STS_LOOKUP,    /* the record could not be looked up */
    COUNTS_STS_ERROR,     /* it could not be fetched */
    COUNTS_STS
};

/* What an attempt came to, for all of its recipients together. */
enum counts_result {
    COUNTS_OK,        /* each was taken */
    COUNTS_OK_PARTLY, /* some were */
    COUNTS_TIMEOUT,   /* none was, since somebody did not answer in time */
    COUNTS_ERROR,     /* none was, for a reason of ours or of the way, and it may pass */
    COUNTS_TEMPORARY, /* a server put somebody off */
    COUNTS_PERMANENT, /* none will be */
    COUNTS_RESULTS
};

/* Under which policy for TLS, by the labels of tlspolicy.h. */
enum counts_tls {
    COUNTS_TLS_UNKNOWN, /* it came to none: no host was found, or none was needed */
    COUNTS_TLS_REFUSED, /* to one that lets no host be tried */
    COUNTS_TLS_NAMED,   /* and the others by name; see counts.c */
    COUNTS_TLS_POLICIES = COUNTS_TLS_NAMED + 10
};

#define COUNTS_CODES 34   /* of replies, that are told apart */
#define COUNTS_ATTEMPTS 3 /* the first, the second, the others */
#define COUNTS_TLS_ENDS 4 /* of enum tlsseen_end */

enum delivery_counter {
    COUNT_JOBS,
    COUNT_CONNECTED,
    COUNT_CONNECT_TIMEOUT,
    COUNT_CONNECT_ERROR,
    COUNT_SESSIONS_FAILED, /* before anything was said of a message */
    COUNT_REUSED,
    COUNT_TLS,
    COUNT_TLS_RESUMED,
    COUNT_FALLBACK_REFUSED,
    COUNT_FALLBACK_CUT,
    COUNT_FALLBACK_HANDSHAKE,
    COUNT_NOT_OFFERED,
    COUNT_DESTINATIONS,
    COUNT_AUTHENTIC,
    COUNT_DANE,
    COUNT_DANE_UNUSABLE,
    COUNT_DANE_FAILED,
    COUNT_STS,
    COUNT_STS_MISMATCH,
    COUNT_TLS_OPTIONAL, /* and of each of the rest of enum tlsask_ignored */
    COUNT_REQUIRETLS_NO_POLICY = COUNT_TLS_OPTIONAL + TLSASK_IGNORABLE,
    COUNT_REQUIRETLS_NOT_OFFERED,
    COUNT_DELIVERED,
    COUNT_DEFERRED,
    COUNT_FAILED,
    COUNT_AUTH_OK,
    COUNT_AUTH_REFUSED,
    COUNT_DANE_VERIFIED, /* handshakes under DANE: a record matches */
    COUNT_DANE_MISMATCH, /* none does */
    COUNT_TLS_SEEN,      /* and of each of the rest of enum tlsseen_end */
    COUNT_STS_LOOKUPS = COUNT_TLS_SEEN + COUNTS_TLS_ENDS, /* of each of enum counts_sts */
    /* Of each command and class of reply, 2 to 5, how long they took and how many. */
    COUNT_COMMANDS = COUNT_STS_LOOKUPS + COUNTS_STS,
    COUNT_COMMANDS_END = COUNT_COMMANDS + DELIVERY_COMMANDS * 4 * 2,
    /* Of each command and code; see counts_reply. */
    COUNT_REPLIES = COUNT_COMMANDS_END,
    COUNT_REPLIES_END = COUNT_REPLIES + DELIVERY_COMMANDS * COUNTS_CODES,
    /* Of each attempt, policy and result, how long they took and how many. */
    COUNT_ATTEMPTS = COUNT_REPLIES_END,
    COUNT_ATTEMPTS_END =
        COUNT_ATTEMPTS + COUNTS_ATTEMPTS * COUNTS_TLS_POLICIES * COUNTS_RESULTS * 2,
    COUNT_DNS = COUNT_ATTEMPTS_END,
    COUNT_DNS_END = COUNT_DNS + DNSCOUNTS,
    GAUGE_SESSIONS = COUNT_DNS_END,
    DELIVERY_COUNTERS
};

/* The names for struct service_spec, made at the first call; they stay. */
const char *const *counts_names(void);

/* A server answered a command with this code, ms after it was asked. */
void counts_reply(struct service *s, enum delivery_command command, int code, int64_t ms);

/* The policy of that label; COUNTS_TLS_UNKNOWN for "". */
enum counts_tls counts_tls_of(const char *label);

/* An attempt, 1 for the first, has ended. */
void counts_attempt(struct service *s, uint32_t attempt, enum counts_tls tls,
                    enum counts_result result, int64_t ms);

/* As dns_ended_fn; arg is the struct service. */
void counts_dns(void *arg, enum dns_type type, enum dns_status status, int64_t ms);

#endif
