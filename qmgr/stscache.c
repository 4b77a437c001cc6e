#include "stscache.h"

#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "mem.h"
#include "tables.h"

int64_t sts_refresh_at(int64_t fetched_ms, uint32_t max_age_s)
{
    int64_t half = max_age_s * 1000LL / 2;
    int64_t wait = half < STS_REFRESH_MS ? half : STS_REFRESH_MS;
    return fetched_ms + (wait < STS_REFRESH_MIN_MS ? STS_REFRESH_MIN_MS : wait);
}

int64_t sts_retry_at(int64_t now_ms, unsigned failures)
{
    int64_t wait = STS_RETRY_MS;
    for (; failures > 1 && wait < STS_RETRY_MAX_MS; failures--)
        wait *= 2;
    return now_ms + (wait < STS_RETRY_MAX_MS ? wait : STS_RETRY_MAX_MS);
}

static bool holds(const struct sts_row *r, int64_t now_ms)
{
    return r->known.policy != NULL &&
           now_ms < r->fetched_ms + (int64_t)r->known.policy->max_age_s * 1000;
}

bool sts_is_over(const struct sts_row *r, int64_t now_ms)
{
    return now_ms >= r->used_ms + STS_UNUSED_MS ||
           (!holds(r, now_ms) && now_ms >= r->known.retry_ms + STS_FAILED_MS);
}

static char *lower(const char *domain)
{
    char *copy = mem_text(domain);
    ascii_lower_text(copy);
    return copy;
}

/* A row of another domain with the same hash is none of this one. */
static bool read_row(struct store_txn *t, const struct key *k, const char *domain,
                     struct sts_row *r)
{
    struct span value;
    if (!store_get(t, TABLE_STS, key_span(k), &value) || sts_row_read(value, r) != 0)
        return false;
    if (strcmp(r->domain, domain) == 0)
        return true;
    sts_row_clear(r);
    return false;
}

static struct key key_of(const struct ledger *l, const char *lower_domain)
{
    return key_id(name_hash(l->secret, lower_domain));
}

bool sts_find(const struct ledger *l, struct store_txn *t, const char *domain, int64_t now_ms,
              struct sts_known *k)
{
    struct sts_row r;
    char *name = lower(domain);
    struct key key = key_of(l, name);
    *k = (struct sts_known){.policy = NULL};
    bool there = read_row(t, &key, name, &r);
    mem_free(&name);
    if (!there)
        return false;
    bool known = holds(&r, now_ms) || now_ms < r.known.retry_ms;
    if (known) {
        if (!holds(&r, now_ms))
            mtasts_policy_free(&r.known.policy);
        *k = r.known;
        r.known.policy = NULL;
    }
    sts_row_clear(&r);
    return known;
}

bool sts_wants_renewal(const struct sts_row *r, int64_t now_ms)
{
    return holds(r, now_ms) && r->known.policy->mode != MTASTS_NONE &&
           now_ms >= r->known.refresh_ms && now_ms >= r->known.retry_ms;
}

/* ---- learning ---- */

static void write_row(struct store_txn *t, const struct key *k, const struct sts_row *r)
{
    struct buf b = {0};
    sts_row_put(&b, r);
    store_put(t, TABLE_STS, key_span(k), buf_span(&b));
    buf_free(&b);
}

static void set_policy(struct sts_row *r, const struct mtasts_policy *policy, int64_t now_ms)
{
    mtasts_policy_free(&r->known.policy);
    r->known.policy = mtasts_policy_copy(policy);
    r->fetched_ms = now_ms;
    r->known.refresh_ms = sts_refresh_at(now_ms, policy->max_age_s);
    r->known.retry_ms = 0;
    r->failures = 0;
}

static void set_failure(struct sts_row *r, int64_t now_ms)
{
    if (r->failures < UINT16_MAX)
        r->failures++;
    r->known.retry_ms = sts_retry_at(now_ms, r->failures);
}

/* What becomes of the row: whether it is to be written. */
typedef bool change_row(struct sts_row *r, const struct sts_learned *what, int64_t now_ms);

static bool learn_fetched(struct sts_row *r, const struct sts_learned *what, int64_t now_ms)
{
    set_policy(r, what->policy, now_ms);
    (void)snprintf(r->known.id, sizeof r->known.id, "%s", what->id);
    r->used_ms = now_ms;
    return true;
}

static bool learn_used(struct sts_row *r, const struct sts_learned *what, int64_t now_ms)
{
    bool late = now_ms - r->used_ms >= STS_USED_STEP_MS && r->known.policy != NULL;
    if (late)
        r->used_ms = now_ms;
    return late;
}

static bool learn_failed(struct sts_row *r, const struct sts_learned *what, int64_t now_ms)
{
    /* Several deliveries that were under way at once tell of one failure. */
    if (now_ms < r->known.retry_ms)
        return false;
    set_failure(r, now_ms);
    r->used_ms = now_ms;
    return true;
}

/* A policy that demands something holds without its record (section 5.1): taking that away is what
 * an attacker would do. */
static bool learn_no_record(struct sts_row *r, const struct sts_learned *what, int64_t now_ms)
{
    bool demands = holds(r, now_ms) && r->known.policy->mode != MTASTS_NONE;
    if (demands)
        return learn_used(r, what, now_ms);
    mtasts_policy_free(&r->known.policy);
    r->known.retry_ms = 0;
    return true;
}

void sts_learn(const struct ledger *l, struct store_txn *t, const struct sts_learned *what,
               int64_t now_ms)
{
    static change_row *const changes[STS_WHATS] = {
        [STS_FETCHED] = learn_fetched,
        [STS_USED] = learn_used,
        [STS_FETCH_FAILED] = learn_failed,
        [STS_NO_RECORD] = learn_no_record,
    };
    char *domain = lower(what->domain);
    struct key k = key_of(l, domain);
    struct sts_row r;
    if (!read_row(t, &k, domain, &r))
        r = (struct sts_row){.domain = mem_text(domain)};
    if (changes[what->what](&r, what, now_ms)) {
        if (sts_is_over(&r, now_ms))
            (void)store_delete(t, TABLE_STS, key_span(&k));
        else
            write_row(t, &k, &r);
    }
    sts_row_clear(&r);
    mem_free(&domain);
}

void sts_renew(const struct ledger *l, struct store_txn *t, const char *domain,
               const struct mtasts_policy *policy, int64_t now_ms)
{
    struct key k = key_of(l, domain);
    struct sts_row r;
    if (!read_row(t, &k, domain, &r))
        return;
    if (policy != NULL)
        set_policy(&r, policy, now_ms);
    else
        set_failure(&r, now_ms);
    write_row(t, &k, &r);
    sts_row_clear(&r);
}
