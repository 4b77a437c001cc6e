#ifndef QM_SM_QUEUE_H
#define QM_SM_QUEUE_H

#include "sm_options.h"
#include "sm_site.h"

/* What sendmail asks of the queue, over the suite's admin socket. Complaints are appended, a
 * sentence a line. */

/* Writes the list of the queue to standard output. Returns EX_OK, or EX_UNAVAILABLE when the suite
 * is not there, EX_TEMPFAIL when it broke off, EX_IOERR when nobody takes the output. */
int sm_queue_list(const struct sm_options *o, const struct sm_site *site, struct buf *complaints);

/* Makes what o->flush says due now. Returns EX_OK, also where the caller may not: the queue runs by
 * itself, and jobs that call `sendmail -q` for every user do no harm. EX_TEMPFAIL when the suite is
 * not there, EX_USAGE when -qI has no queue id. */
int sm_queue_flush(const struct sm_options *o, const struct sm_site *site, struct buf *complaints);

#endif
