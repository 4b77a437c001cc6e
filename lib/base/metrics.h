#ifndef QM_METRICS_H
#define QM_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* Counters, gauges and histograms of one process, declared in one table and kept in one row of
 * 64-bit slots. A process reports its row as octets; another one with the same table adds it to a
 * total. How they are shown to Prometheus is httpprom.h's business.
 *
 *     enum { METRIC_RESULTS, METRIC_DURATION, METRIC_COUNT };
 *     static const char *const results[] = {"ok", "error", NULL};
 *     static const uint64_t bounds_us[] = {10000, 50000, 1000000};
 *     static const struct metrics_family families[METRIC_COUNT] = {
 *         [METRIC_RESULTS] = {"quartermaster_webapi_results_total", "Calls by result.",
 * METRICS_COUNTER,
 *                             {{"result", results}}},
 *         [METRIC_DURATION] = {"quartermaster_webapi_duration_seconds", "Time per call.",
 *                              METRICS_HISTOGRAM, .bounds = bounds_us, .n_bounds = 3, .scale =
 * 1000000},
 *     };
 *     metrics_add(m, METRIC_RESULTS, METRICS_AT(1), 1);
 *     metrics_observe(m, METRIC_DURATION, METRICS_AT(0), us);
 */

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

#define METRICS_LABELS_MAX 3

struct metrics_label {
    const char *name;          /* NULL: no more labels */
    const char *const *values; /* all it can be, ended by NULL */
};

struct metrics_family {
    const char *name, *help;
    enum metrics_type type;
    struct metrics_label labels[METRICS_LABELS_MAX];
    const uint64_t
        *bounds; /* histogram: the buckets' upper bounds, included, ascending, as observed */
    size_t n_bounds;
    uint64_t scale; /* a power of ten that values are divided by when shown; 0 stands for 1 */
    bool preset;    /* shown while still zero; a family without labels always is */
};

/* One series of a family: an index into the values of each label. */
struct metrics_at {
    size_t label[METRICS_LABELS_MAX];
};
#define METRICS_AT(...) ((struct metrics_at){{__VA_ARGS__}})

struct metrics;

/* All slots zero. The table and what it points to must outlive the result, which the caller frees.
 */
struct metrics *metrics_new(const struct metrics_family *families, size_t n);
void metrics_free(struct metrics **m);

/* Adds n to a counter, or to a gauge. An index beyond the table is an assertion, here and below. */
void metrics_add(struct metrics *m, size_t family, struct metrics_at at, uint64_t n);

/* Takes n from a gauge. */
void metrics_sub(struct metrics *m, size_t family, struct metrics_at at, uint64_t n);

/* Sets a gauge. */
void metrics_set(struct metrics *m, size_t family, struct metrics_at at, int64_t v);

/* Puts one observation into a histogram. */
void metrics_observe(struct metrics *m, size_t family, struct metrics_at at, uint64_t v);

/* --- for whoever shows them --- */

/* The table it was made of: how many families there are, and one of them by its index. */
size_t metrics_families(const struct metrics *m);
const struct metrics_family *metrics_family(const struct metrics *m, size_t family);

/* How many series a family has, and which labels number i of them stands for. */
size_t metrics_series(const struct metrics *m, size_t family);
struct metrics_at metrics_series_at(const struct metrics *m, size_t family, size_t i);

/* The slots of number i. Counter: its value. Gauge: its value in two's complement. Histogram:
 * n_bounds + 1 counts, each of its own bucket alone and the last of what is above all bounds; then
 * the sum observed. */
const uint64_t *metrics_slots(const struct metrics *m, size_t family, size_t i);

/* --- from process to process --- */

/* Appends all of it to out: a fingerprint of the table (u64), then an index (u32) and value (u64)
 * for each slot that is not zero, all big-endian. At most 8 + 12 octets a slot. */
void metrics_save(const struct metrics *m, struct buf *out);

/* Takes the newest report of one process into total. last, made of the same table, holds that
 * process's report before, or zeroes for a process that has just started; it holds the new one
 * afterwards. Returns 0, or -1 with both unchanged if the octets are not from a metrics_save on an
 * equal table. */
int metrics_fold(struct metrics *total, struct metrics *last, struct span saved, struct fail *f);

/* The process behind last has ended: its gauges leave the total, what it counted stays. last is
 * zeroes afterwards, ready for its successor. */
void metrics_gone(struct metrics *total, struct metrics *last);

#endif
