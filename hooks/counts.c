#include "counts.h"

#include <assert.h>
#include <stdio.h>

/* Milliseconds, and as they are shown. */
static const int64_t bounds_ms[] = {10, 50, 100, 500, 1000, 5000, 10000, 20000, 30000, INT64_MAX};
#define BOUNDS (sizeof bounds_ms / sizeof bounds_ms[0])
static const char *const bounds[BOUNDS] = {"0.01", "0.05", "0.1", "0.5", "1",
                                           "5",    "10",   "20",  "30",  "+Inf"};

/* The registered ones; others are counted by their first digit. */
static const uint16_t codes[] = {100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208,
                                 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403,
                                 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416,
                                 417, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 500, 501,
                                 502, 503, 504, 505, 506, 507, 508, 510, 511};
#define CODES (sizeof codes / sizeof codes[0])
#define CLASSES 10 /* 0xx to 9xx; the first is of what is no status */

enum {
    AT_BUCKETS = COUNT_NAMED,
    AT_SUM = AT_BUCKETS + BOUNDS,
    AT_COUNT,
    AT_CODES,
    AT_CLASSES = AT_CODES + CODES,
    AT_ERROR = AT_CLASSES + CLASSES,
    COUNTERS
};

enum { NAME_SIZE = 48 };

const char *const *counts_names(void)
{
    static char texts[COUNTERS][NAME_SIZE] = {
        [COUNT_CALLS] = "calls_total",
        [COUNT_SUCCESS] = "success_total",
        [COUNT_FAILED] = "failed_total",
        [COUNT_POLICIES] = "policies_total",
        [COUNT_POLICIES_FAILED] = "policies_failed_total",
        [AT_SUM] = "webhook:request_duration_seconds_sum",
        [AT_COUNT] = "webhook:request_duration_seconds_count",
        [AT_ERROR] = "webhook:results_total code=error",
    };
    static const char *names[COUNTERS + 1];
    for (size_t i = 0; i < BOUNDS; i++)
        (void)snprintf(texts[AT_BUCKETS + i], NAME_SIZE,
                       "webhook:request_duration_seconds_bucket le=%s", bounds[i]);
    for (size_t i = 0; i < CODES; i++)
        (void)snprintf(texts[AT_CODES + i], NAME_SIZE, "webhook:results_total code=%u", codes[i]);
    for (size_t i = 0; i < CLASSES; i++)
        (void)snprintf(texts[AT_CLASSES + i], NAME_SIZE, "webhook:results_total code=%zuxx", i);
    for (size_t i = 0; i < COUNTERS; i++)
        names[i] = texts[i];
    return names;
}

static unsigned counter_of(long status)
{
    if (status == 0)
        return AT_ERROR;
    for (unsigned i = 0; i < CODES; i++) {
        if (codes[i] == status)
            return AT_CODES + i;
    }
    return AT_CLASSES + (status > 0 && status < 1000 ? (unsigned)(status / 100) : 0);
}

void counts_request(struct service *s, long status, int64_t duration_ms)
{
    service_count_time(s, AT_BUCKETS, bounds_ms, BOUNDS, duration_ms);
    service_count(s, counter_of(status), 1);
}
