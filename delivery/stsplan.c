#include "stsplan.h"

#include <string.h>

static const char fallback[] = "fallback-to-cached-policy";

/* What was known goes on to hold, or there is nothing. */
static struct stsplan go_by_known(const struct sts_known *known)
{
    return (struct stsplan){.next = STSPLAN_DONE, .policy = known->policy, .reason = ""};
}

static void add_fault(struct stsplan *p, enum tlsresult_type type, const char *reason)
{
    p->fault = true;
    p->type = type;
    p->reason = p->policy != NULL ? fallback : reason;
}

static void add_news(struct stsplan *p, enum sts_what what)
{
    p->tell = true;
    p->what = what;
}

static struct stsplan without_record(const struct sts_known *known, enum stsplan_record record)
{
    struct stsplan p = go_by_known(known);
    if (record == STSPLAN_FAILED) {
        p.unknown = p.policy == NULL;
        return p;
    }
    if (p.policy != NULL || known->retry_ms != 0)
        add_news(&p, STS_NO_RECORD);
    if (record == STSPLAN_BROKEN)
        add_fault(&p, TLSRESULT_STS_POLICY_INVALID, "malformed-record");
    return p;
}

struct stsplan stsplan_begin(const struct sts_known *known, enum stsplan_record record,
                             const char *id, int64_t now_ms)
{
    if (record != STSPLAN_GOOD)
        return without_record(known, record);
    bool same = known->policy != NULL && strcmp(known->id, id) == 0;
    struct stsplan p = go_by_known(known);
    if (same && now_ms < known->refresh_ms) {
        add_news(&p, STS_USED);
    } else if (now_ms < known->retry_ms) {
        p.unknown = p.policy == NULL;
        add_fault(&p, TLSRESULT_STS_POLICY_FETCH_ERROR, "back-off-after-recent-fetch-error");
    } else {
        p.next = STSPLAN_FETCH;
    }
    return p;
}

struct stsplan stsplan_fetched(const struct sts_known *known, const struct fetched_policy *got)
{
    static const struct {
        enum tlsresult_type type;
        const char *reason;
    } faults[FETCH_POLICY_ENDS] = {
        [FETCH_POLICY_FAILED] = {TLSRESULT_STS_POLICY_FETCH_ERROR, ""},
        [FETCH_POLICY_UNTRUSTED] = {TLSRESULT_STS_WEBPKI_INVALID, ""},
        [FETCH_POLICY_INVALID] = {TLSRESULT_STS_POLICY_INVALID, ""},
    };
    struct stsplan p = go_by_known(known);
    if (got != NULL && got->end == FETCH_POLICY_GOOD) {
        p.policy = got->policy;
        add_news(&p, STS_FETCHED);
        return p;
    }
    p.unknown = p.policy == NULL;
    if (got != NULL) {
        add_news(&p, STS_FETCH_FAILED);
        add_fault(&p, faults[got->end].type, faults[got->end].reason);
    }
    return p;
}
