#ifndef QM_CTL_ROWS_H
#define QM_CTL_ROWS_H

#include "ctl.h"
#include "jsonwrite.h"
#include "proto_admin.h"

/* A list being printed, page by page, as it is read: a table for people or an array of JSON
 * objects. All-zero but for what open sets. */

struct ctl_rows {
    struct ctl_table *table; /* NULL for JSON */
    struct jsonwrite json;   /* of one row */
    struct buf octets;
    uint64_t n; /* rows so far */
};

/* headings: as for ctl_table_new. */
void ctl_rows_open(struct ctl_rows *r, const struct ctl *c, const char *const *headings);
/* A row of JSON begins, to be filled, and ends. */
void ctl_rows_object(struct ctl_rows *r);
void ctl_rows_object_end(struct ctl_rows *r);
/* Prints what is there of the rows so far. */
void ctl_rows_flush(struct ctl_rows *r);
/* The list is over, with this exit code: after a failure the array of JSON, if it has begun, stays
 * open, since it does not have all. none: what is said to people where there was no row. next:
 * where a limited list ended; told on standard error. Frees what r owns and returns the code. */
int ctl_rows_close(struct ctl_rows *r, int code, const char *none, struct admin_place next);

/* How many rows to ask for next; 0: enough. */
uint32_t ctl_rows_wanted(const struct ctl_rows *r, uint32_t page, uint32_t limit);

#endif
