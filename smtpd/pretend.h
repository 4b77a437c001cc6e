#ifndef QM_SMTPD_PRETEND_H
#define QM_SMTPD_PRETEND_H

#include "address.h"
#include "session.h"
#include "simulate.h"

/* The failures that a development suite acts out (localserve; see simulate.h). */

/* At MAIL and RCPT, on the public port: true when a failure was acted out for this address (NULL:
 * none) and the command is answered with it, or never will be. */
bool pretend(struct session *s, enum simulate_stage stage, const struct address *a);

/* At RCPT: remembers what is to happen to this recipient's message at the end of DATA, on the
 * public port and at submission. */
void pretend_later(struct session *s, const struct address *recipient);

/* At the end of DATA: true when a failure was acted out in place of taking the message. */
bool pretend_now(struct session *s);

#endif
