#ifndef QM_COUNTS_H
#define QM_COUNTS_H

#include <stdint.h>

#include "service.h"

/* What is counted of webhooks, for the metrics: calls, and of requests how long they took and what
 * they were answered with. */

enum hooks_counter {
    COUNT_CALLS,
    COUNT_SUCCESS,
    COUNT_FAILED,
    COUNT_POLICIES,
    COUNT_POLICIES_FAILED,
    COUNT_NAMED
};

/* The names for struct service_spec, made at the first call; they stay. */
const char *const *counts_names(void);

/* A request has ended: with this status, or 0 when there was no answer. */
void counts_request(struct service *s, long status, int64_t duration_ms);

#endif
