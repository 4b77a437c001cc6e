#ifndef QM_REPORT_H
#define QM_REPORT_H

#include "agent.h"

/* What a message that came in reports of mail sent from here. */

enum { REPORT_OCTETS_MAX = 4 << 20 }; /* of a message that are looked at: reports are at its head */

/* Reads the job's message. *report is overwritten, and the caller's to clear. A message that cannot
 * be read says nothing. */
void report_read(const struct job *j, struct deliver_report *report);

#endif
