#include "counts.h"

#include <assert.h>
#include <stdio.h>

#include "dnscounts.h"

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

/* How fetching a policy can end. */
enum policy_result {
    POLICY_OK,
    POLICY_NOT_FOUND, /* 404 or 410 */
    POLICY_UNTRUSTED, /* no good certificate */
    POLICY_INVALID,   /* what is there is none */
    POLICY_ERROR,     /* no answer, or none that can be used */
    POLICY_RESULTS
};
static const char *const policy_results[POLICY_RESULTS] = {"ok", "notfound", "untrusted", "invalid",
                                                           "error"};

enum {
    AT_BUCKETS = COUNT_NAMED,
    AT_SUM = AT_BUCKETS + BOUNDS,
    AT_COUNT,
    AT_CODES,
    AT_CLASSES = AT_CODES + CODES,
    AT_ERROR = AT_CLASSES + CLASSES,
    AT_POLICIES, /* of each of enum policy_result a sum and a count */
    AT_DNS = AT_POLICIES + POLICY_RESULTS * 2,
    COUNTERS = AT_DNS + DNSCOUNTS
};

enum { NAME_SIZE = 72 };
_Static_assert(NAME_SIZE >= DNSCOUNTS_NAME, "those of lookups fit");

const char *const *counts_names(void)
{
    static char texts[COUNTERS][NAME_SIZE] = {
        [COUNT_CALLS] = "calls_total",
        [COUNT_SUCCESS] = "success_total",
        [COUNT_FAILED] = "failed_total",
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
    for (size_t i = 0; i < POLICY_RESULTS * 2; i++)
        (void)snprintf(texts[AT_POLICIES + i], NAME_SIZE,
                       i % 2 == 0 ? "policy_fetch_duration_seconds_sum result=%s"
                                  : "policy_fetch_duration_seconds_count result=%s",
                       policy_results[i / 2]);
    for (size_t i = 0; i < DNSCOUNTS; i++)
        dnscounts_name(i, texts[AT_DNS + i]);
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

static enum policy_result result_of(const struct fetched_policy *p)
{
    static const enum policy_result results[FETCH_POLICY_ENDS] = {
        [FETCH_POLICY_GOOD] = POLICY_OK,
        [FETCH_POLICY_FAILED] = POLICY_ERROR,
        [FETCH_POLICY_UNTRUSTED] = POLICY_UNTRUSTED,
        [FETCH_POLICY_INVALID] = POLICY_INVALID,
    };
    bool absent = p->status == 404 || p->status == 410;
    return absent ? POLICY_NOT_FOUND : results[p->end];
}

void counts_policy(struct service *s, const struct fetched_policy *got)
{
    service_count_time(s, AT_POLICIES + result_of(got) * 2, NULL, 0, got->duration_ms);
}

void counts_dns(void *arg, enum dns_type type, enum dns_status status, int64_t ms)
{
    service_count_time(arg, AT_DNS + dnscounts_at(type, status), NULL, 0, ms);
}
