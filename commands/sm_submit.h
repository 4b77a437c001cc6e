#ifndef QM_SM_SUBMIT_H
#define QM_SM_SUBMIT_H

#include "sm_options.h"
#include "sm_site.h"

/* Reads a message from the descriptor and gives it to the suite. Returns EX_OK once it is in the
 * queue, durably and for all recipients; else the exit code, and nothing is queued (unless the last
 * reply was lost, which the complaint then says). Complaints are appended, a sentence a line. With
 * o->verbose the dialogue is shown on standard error. */
int sm_submit(const struct sm_options *o, const struct sm_site *site, int fd,
              struct buf *complaints);

/* -bv: writes to standard output how each operand is read as recipients. Returns EX_OK, or
 * EX_DATAERR, with complaints, if one of them cannot be. */
int sm_submit_verify(const struct sm_options *o, const struct sm_site *site,
                     struct buf *complaints);

#endif
