#ifndef QM_REPORT_H
#define QM_REPORT_H

#include "agent.h"

/* What a message that came in reports of mail sent from here, and what it says. */

enum { REPORT_OCTETS_MAX = 4 << 20 }; /* of a message that are looked at: reports are at its head */

/* Reads the job's message. *report is overwritten, and the caller's to clear. A message that cannot
 * be read says nothing. */
void report_read(const struct job *j, struct deliver_report *report);
/* Describes the job's message for the account it came to: true, and incoming->members is the
 * caller's to free. False when it cannot be read, which is logged. */
bool report_describe(const struct job *j, struct deliver_incoming *incoming);

#endif
