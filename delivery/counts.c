#include "counts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto_control.h"

_Static_assert(DELIVERY_COUNTERS <= CONTROL_COUNTERS_MAX, "master takes so many");

static const char *const fixed[COUNT_COMMANDS] = {
    [COUNT_JOBS] = "jobs_total",
    [COUNT_CONNECTED] = "connections_total result=ok",
    [COUNT_CONNECT_TIMEOUT] = "connections_total result=timeout",
    [COUNT_CONNECT_ERROR] = "connections_total result=error",
    [COUNT_SESSIONS_FAILED] = "sessions_failed_total",
    [COUNT_REUSED] = "connections_reused_total",
    [COUNT_TLS] = "tls_total",
    [COUNT_TLS_RESUMED] = "tls_resumed_total",
    [COUNT_FALLBACK_REFUSED] = "plaintext_fallback_total reason=starttls_refused",
    [COUNT_FALLBACK_CUT] = "plaintext_fallback_total reason=connection_cut",
    [COUNT_FALLBACK_HANDSHAKE] = "plaintext_fallback_total reason=handshake",
    [COUNT_NOT_OFFERED] = "starttls_not_offered_total",
    [COUNT_DESTINATIONS] = "destinations_total",
    [COUNT_AUTHENTIC] = "destinations_authentic_total",
    [COUNT_DANE] = "dane_required_total",
    [COUNT_DANE_UNUSABLE] = "dane_unusable_total",
    [COUNT_DANE_FAILED] = "dane_lookup_errors_total",
    [COUNT_STS] = "sts_enforced_total",
    [COUNT_STS_MISMATCH] = "sts_mismatch_total",
    [COUNT_TLS_OPTIONAL + TLSASK_NOTHING] = "tls_optional_total ignored=nothing",
    [COUNT_TLS_OPTIONAL + TLSASK_STS] = "tls_optional_total ignored=sts",
    [COUNT_TLS_OPTIONAL + TLSASK_STS_MISMATCH] = "tls_optional_total ignored=sts_mismatch",
    [COUNT_TLS_OPTIONAL + TLSASK_DANE] = "tls_optional_total ignored=dane",
    [COUNT_TLS_OPTIONAL + TLSASK_DANE_FAILED] = "tls_optional_total ignored=dane_lookup",
    [COUNT_TLS_OPTIONAL + TLSASK_TLS] = "tls_optional_total ignored=tls_failure",
    [COUNT_REQUIRETLS_NO_POLICY] = "requiretls_unsupported_total reason=nopolicy",
    [COUNT_REQUIRETLS_NOT_OFFERED] = "requiretls_unsupported_total reason=norequiretls",
    [COUNT_DELIVERED] = "recipients_delivered_total",
    [COUNT_DEFERRED] = "recipients_deferred_total",
    [COUNT_FAILED] = "recipients_failed_total",
    [COUNT_AUTH_OK] = "auth_ok_total",
    [COUNT_AUTH_REFUSED] = "auth_refused_total",
    [COUNT_DANE_VERIFIED] = "dane_verify_total result=ok",
    [COUNT_DANE_MISMATCH] = "dane_verify_total result=failed",
    /* In the order of enum tlsseen_end. */
    [COUNT_TLS_SEEN] = "tls_results_total result=good",
    [COUNT_TLS_SEEN + 1] = "tls_results_total result=failed",
    [COUNT_TLS_SEEN + 2] = "tls_results_total result=not_offered",
    [COUNT_TLS_SEEN + 3] = "tls_results_total result=doubtful",
    [COUNT_STS_LOOKUPS + COUNTS_STS_CACHED] = "sts_lookups_total result=cached",
    [COUNT_STS_LOOKUPS + COUNTS_STS_FETCHED] = "sts_lookups_total result=fetched",
    [COUNT_STS_LOOKUPS + COUNTS_STS_BACKOFF] = "sts_lookups_total result=backoff",
    [COUNT_STS_LOOKUPS + COUNTS_STS_NOT_FOUND] = "sts_lookups_total result=notfound",
    [COUNT_STS_LOOKUPS + COUNTS_STS_LOOKUP] = "sts_lookups_total result=dns_error",
    [COUNT_STS_LOOKUPS + COUNTS_STS_ERROR] = "sts_lookups_total result=error",
};

static const char *const commands[DELIVERY_COMMANDS] = {
    [COMMAND_GREETING] = "greeting", [COMMAND_EHLO] = "ehlo", [COMMAND_STARTTLS] = "starttls",
    [COMMAND_AUTH] = "auth",         [COMMAND_MAIL] = "mail", [COMMAND_RCPT] = "rcpt",
    [COMMAND_DATA] = "data",         [COMMAND_BDAT] = "bdat", [COMMAND_DOT] = "dot",
    [COMMAND_RSET] = "rset",         [COMMAND_QUIT] = "quit",
};

/* Those of RFC 5321, 3207, 4954 and 7504; the others are counted by their first digit. */
static const short codes[] = {220, 221, 235, 250, 251, 252, 334, 354, 421, 432,
                              450, 451, 452, 454, 455, 500, 501, 502, 503, 504,
                              521, 530, 534, 535, 550, 551, 552, 553, 554, 555};
#define CODES (sizeof codes / sizeof codes[0])
_Static_assert(COUNTS_CODES == CODES + 4, "and 2xx to 5xx");

/* By struct tlspolicy's label, as it is and as a label of the metrics may be. */
static const struct {
    const char *policy, *name;
} policies[COUNTS_TLS_POLICIES - COUNTS_TLS_NAMED] = {
    {"none", "none"},
    {"may", "may"},
    {"encrypt", "encrypt"},
    {"verify", "verify"},
    {"fingerprint", "fingerprint"},
    {"dnssec", "dnssec"},
    {"dane", "dane"},
    {"dane-unusable", "dane_unusable"},
    {"sts", "sts"},
    {"dane+sts", "dane+sts"},
};

static const char *const results[COUNTS_RESULTS] = {
    [COUNTS_OK] = "ok",       [COUNTS_OK_PARTLY] = "okpartial", [COUNTS_TIMEOUT] = "timeout",
    [COUNTS_ERROR] = "error", [COUNTS_TEMPORARY] = "temperror", [COUNTS_PERMANENT] = "permerror",
};

enum { NAME_SIZE = 96 };

typedef char name_text[NAME_SIZE];

/* ---- names ---- */

static void name_commands(name_text *texts)
{
    for (size_t i = 0; i < DELIVERY_COMMANDS * 4 * 2; i++)
        (void)snprintf(texts[COUNT_COMMANDS + i], NAME_SIZE,
                       i % 2 == 0 ? "command_duration_seconds_sum cmd=%s class=%zu"
                                  : "command_duration_seconds_count cmd=%s class=%zu",
                       commands[i / 8], 2 + i / 2 % 4);
}

static void name_replies(name_text *texts)
{
    for (size_t i = 0; i < DELIVERY_COMMANDS * COUNTS_CODES; i++) {
        size_t k = i % COUNTS_CODES;
        char *text = texts[COUNT_REPLIES + i];
        const char *command = commands[i / COUNTS_CODES];
        if (k < CODES)
            (void)snprintf(text, NAME_SIZE, "replies_total cmd=%s code=%d", command, codes[k]);
        else
            (void)snprintf(text, NAME_SIZE, "replies_total cmd=%s code=%zuxx", command,
                           2 + k - CODES);
    }
}

static const char *policy_name(size_t tls)
{
    return tls == COUNTS_TLS_UNKNOWN   ? "unknown"
           : tls == COUNTS_TLS_REFUSED ? "refused"
                                       : policies[tls - COUNTS_TLS_NAMED].name;
}

static void name_attempts(name_text *texts)
{
    static const char *const attempts[COUNTS_ATTEMPTS] = {"1", "2", "3+"};
    for (size_t i = 0; i < COUNT_ATTEMPTS_END - COUNT_ATTEMPTS; i++) {
        size_t k = i / 2;
        (void)snprintf(texts[COUNT_ATTEMPTS + i], NAME_SIZE,
                       i % 2 == 0 ? "attempt_duration_seconds_sum attempt=%s tls=%s result=%s"
                                  : "attempt_duration_seconds_count attempt=%s tls=%s result=%s",
                       attempts[k / COUNTS_RESULTS / COUNTS_TLS_POLICIES],
                       policy_name(k / COUNTS_RESULTS % COUNTS_TLS_POLICIES),
                       results[k % COUNTS_RESULTS]);
    }
}

const char *const *counts_names(void)
{
    static name_text texts[DELIVERY_COUNTERS];
    static const char *names[DELIVERY_COUNTERS + 1];
    for (size_t i = 0; i < COUNT_COMMANDS; i++)
        (void)snprintf(texts[i], NAME_SIZE, "%s", fixed[i]);
    name_commands(texts);
    name_replies(texts);
    name_attempts(texts);
    for (size_t i = 0; i < DNSCOUNTS; i++)
        dnscounts_name(i, texts[COUNT_DNS + i]);
    (void)snprintf(texts[GAUGE_SESSIONS], NAME_SIZE, "connections");
    for (size_t i = 0; i < DELIVERY_COUNTERS; i++)
        names[i] = texts[i];
    return names;
}

/* ---- counting ---- */

static unsigned place_of(int code)
{
    for (unsigned i = 0; i < CODES; i++) {
        if (codes[i] == code)
            return i;
    }
    return (unsigned)(CODES + (unsigned)code / 100 - 2);
}

void counts_reply(struct service *s, enum delivery_command command, int code, int64_t ms)
{
    unsigned class = (unsigned)code / 100;
    if (class < 2 || class > 5)
        return;
    service_count_time(s, COUNT_COMMANDS + (command * 4 + class - 2) * 2, NULL, 0, ms);
    service_count(s, COUNT_REPLIES + command * COUNTS_CODES + place_of(code), 1);
}

/* Before it may stand what the message asked for. */
enum counts_tls counts_tls_of(const char *label)
{
    if (label[0] == '\0')
        return COUNTS_TLS_UNKNOWN;
    const char *space = strchr(label, ' '), *word = space == NULL ? label : space + 1;
    for (unsigned i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        if (strcmp(policies[i].policy, word) == 0)
            return (enum counts_tls)(COUNTS_TLS_NAMED + i);
    }
    return COUNTS_TLS_REFUSED;
}

void counts_attempt(struct service *s, uint32_t attempt, enum counts_tls tls,
                    enum counts_result result, int64_t ms)
{
    unsigned n = attempt <= 1 ? 0 : attempt == 2 ? 1 : 2;
    unsigned place = (n * COUNTS_TLS_POLICIES + tls) * COUNTS_RESULTS + result;
    service_count_time(s, COUNT_ATTEMPTS + place * 2, NULL, 0, ms);
}

void counts_dns(void *arg, enum dns_type type, enum dns_status status, int64_t ms)
{
    service_count_time(arg, COUNT_DNS + dnscounts_at(type, status), NULL, 0, ms);
}
