#ifndef QM_COUNTS_H
#define QM_COUNTS_H

#include <stdint.h>

#include "buf.h"
#include "codes.h"
#include "methods.h"

/* What this process counts by method and result. Each series bears the name of the process: with
 * several of them a scrape gets the series of the one it happens to reach. */

struct counts;
struct counts *counts_new(const char *process); /* "webapi/0" */
void counts_free(struct counts **c);

/* How a call ended beside being refused with a code. */
enum count_result { COUNT_OK, COUNT_BAD_AUTH, COUNT_LIMITED, COUNT_CANCELED, COUNT_RESULTS };

/* A call is over. us: how long it took, or negative when that is not worth knowing. */
void counts_result(struct counts *c, const struct method *m, enum count_result result, int64_t us);
void counts_refused(struct counts *c, const struct method *m, enum code code, int64_t us);

/* What became of a message given to Send. */
enum count_submission {
    COUNT_SUBMITTED,
    COUNT_BAD_FROM,
    COUNT_MESSAGE_LIMIT,
    COUNT_RECIPIENT_LIMIT,
    COUNT_QUEUE_ERROR,
    COUNT_STORE_SENT_ERROR,
    COUNT_DOMAIN_DISABLED,
    COUNT_SUBMISSIONS
};
/* Counts one submission by how it ended. */
void counts_submission(struct counts *c, enum count_submission result);

/* What failed on this side. */
enum count_error { COUNT_DKIM_SIGN, COUNT_SUBMIT, COUNT_ERRORS };
void counts_error(struct counts *c, enum count_error error);

void counts_write(const struct counts *c, struct buf *out); /* appends them as Prometheus text */

#endif
