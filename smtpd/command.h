#ifndef QM_SMTPD_COMMAND_H
#define QM_SMTPD_COMMAND_H

#include "session.h"

/* Commands: cut out of the input, checked against the table of verbs, and run (cmd.h). */

/* Takes one command off the front of *in and runs it. False when it is not complete. */
bool command_take(struct session *s, struct span *in);

#endif
