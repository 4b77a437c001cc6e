#include "counts.h"

#include "httpprom.h"
#include "mem.h"
#include "metrics.h"

enum { RESULTS_TOTAL, DURATION, SUBMISSION_TOTAL, ERRORS_TOTAL, FAMILIES };

/* Microseconds. */
static const uint64_t bounds[] = {10000,   50000,    100000,   500000,  1000000,
                                  5000000, 10000000, 20000000, 30000000};

static const char *const submissions[COUNT_SUBMISSIONS + 1] = {
    [COUNT_SUBMITTED] = "ok",
    [COUNT_BAD_FROM] = "badfrom",
    [COUNT_MESSAGE_LIMIT] = "messagelimiterror",
    [COUNT_RECIPIENT_LIMIT] = "recipientlimiterror",
    [COUNT_QUEUE_ERROR] = "queueerror",
    [COUNT_STORE_SENT_ERROR] = "storesenterror",
    [COUNT_DOMAIN_DISABLED] = "domaindisabled",
};

static const char *const errors[COUNT_ERRORS + 1] = {
    [COUNT_DKIM_SIGN] = "dkimsign",
    [COUNT_SUBMIT] = "submit",
};

struct counts {
    char *name;
    const char *process[2];
    const char *methods[METHODS_MAX + 1];
    const char *results[COUNT_RESULTS + CODES + 1];
    struct metrics_family families[FAMILIES];
    struct metrics *metrics;
};

static void fill_results(struct counts *c)
{
    c->results[COUNT_OK] = "ok";
    c->results[COUNT_BAD_AUTH] = "badauth";
    c->results[COUNT_LIMITED] = "limited";
    c->results[COUNT_CANCELED] = "canceled";
    for (size_t i = 0; i < CODES; i++)
        c->results[COUNT_RESULTS + i] = code_name((enum code)i);
}

static void fill_families(struct counts *c)
{
    c->families[RESULTS_TOTAL] = (struct metrics_family){
        "quartermaster_webapi_results_total",
        "Calls of the HTTP API by method and result.",
        METRICS_COUNTER,
        {{"method", c->methods}, {"result", c->results}, {"process", c->process}}};
    c->families[DURATION] =
        (struct metrics_family){"quartermaster_webapi_duration_seconds",
                                "Time for a call of the HTTP API.",
                                METRICS_HISTOGRAM,
                                {{"method", c->methods}, {"process", c->process}},
                                .bounds = bounds,
                                .n_bounds = sizeof bounds / sizeof bounds[0],
                                .scale = 1000000};
    c->families[SUBMISSION_TOTAL] =
        (struct metrics_family){"quartermaster_webapi_submission_total",
                                "Messages given to the HTTP API by result.",
                                METRICS_COUNTER,
                                {{"result", submissions}, {"process", c->process}},
                                .preset = true};
    c->families[ERRORS_TOTAL] =
        (struct metrics_family){"quartermaster_webapi_errors_total",
                                "Failures of this server in sending messages.",
                                METRICS_COUNTER,
                                {{"error", errors}, {"process", c->process}},
                                .preset = true};
}

struct counts *counts_new(const char *process)
{
    struct counts *c = mem_zero(sizeof *c);
    c->name = mem_text(process);
    c->process[0] = c->name;
    for (size_t i = 0; methods[i] != NULL; i++)
        c->methods[i] = methods[i]->name;
    fill_results(c);
    fill_families(c);
    c->metrics = metrics_new(c->families, FAMILIES);
    return c;
}

void counts_free(struct counts **cp)
{
    if (*cp == NULL)
        return;
    metrics_free(&(*cp)->metrics);
    mem_free(&(*cp)->name);
    mem_free(cp);
}

static void count(struct counts *c, const struct method *m, size_t result, int64_t us)
{
    size_t method = methods_index(m);
    metrics_add(c->metrics, RESULTS_TOTAL, METRICS_AT(method, result), 1);
    if (us >= 0)
        metrics_observe(c->metrics, DURATION, METRICS_AT(method), (uint64_t)us);
}

void counts_result(struct counts *c, const struct method *m, enum count_result result, int64_t us)
{
    count(c, m, result, us);
}

void counts_refused(struct counts *c, const struct method *m, enum code code, int64_t us)
{
    count(c, m, COUNT_RESULTS + (size_t)code, us);
}

void counts_submission(struct counts *c, enum count_submission result)
{
    metrics_add(c->metrics, SUBMISSION_TOTAL, METRICS_AT(result), 1);
}

void counts_error(struct counts *c, enum count_error error)
{
    metrics_add(c->metrics, ERRORS_TOTAL, METRICS_AT(error), 1);
}

void counts_write(const struct counts *c, struct buf *out)
{
    httpprom_metrics(out, c->metrics);
}
