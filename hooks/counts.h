#ifndef QM_COUNTS_H
#define QM_COUNTS_H

#include <stdint.h>

#include "dnsresult.h"
#include "proto_fetch.h"
#include "service.h"

/* What is counted for the metrics: of webhooks calls, and of requests how long they took and what
 * they were answered with; fetches of policies; lookups of names. */

enum hooks_counter { COUNT_CALLS, COUNT_SUCCESS, COUNT_FAILED, COUNT_NAMED };

/* The names for struct service_spec, made at the first call; they stay. */
const char *const *counts_names(void);

/* A request has ended: with this status, or 0 when there was no answer. */
void counts_request(struct service *s, long status, int64_t duration_ms);

/* Fetching a policy has ended. */
void counts_policy(struct service *s, const struct fetched_policy *got);

/* As dns_ended_fn; arg is the struct service. */
void counts_dns(void *arg, enum dns_type type, enum dns_status status, int64_t ms);

#endif
