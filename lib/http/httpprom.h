#ifndef QM_HTTPPROM_H
#define QM_HTTPPROM_H

#include <stdint.h>

#include "buf.h"
#include "metrics.h"

/* The Prometheus text format, version 0.0.4. */

#define HTTPPROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends every family of m: HELP, TYPE, and its series. A series of a labelled family that is
 * still zero is left out unless the family is preset. Histograms come with cumulative buckets,
 * +Inf, sum and count. */
void httpprom_metrics(struct buf *out, const struct metrics *m);

/* For values that no table holds: the two lines that begin a family, then its samples one by one.
 * All samples of a family must follow each other. */
void httpprom_family(struct buf *out, const char *name, const char *help, enum metrics_type type);

struct httpprom_label {
    const char *name; /* NULL ends the list */
    const char *value;
};

/* One sample; labels may be NULL. A label's value may hold any octets: backslash, quotation mark
 * and line end are escaped, what is not UTF-8 becomes U+FFFD. */
void httpprom_sample(struct buf *out, const char *name, const struct httpprom_label *labels,
                     int64_t v);

#endif
