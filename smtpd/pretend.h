#ifndef QM_SMTPD_PRETEND_H
#define QM_SMTPD_PRETEND_H

#include "address.h"
#include "session.h"
#include "simulate.h"

/* What a development suite acts out (localserve; see simulate.h). */

/* At MAIL and RCPT, on the public port: true when a failure was acted out for this address (NULL:
 * none) and the command is answered with it, or never will be. */
bool pretend(struct session *s, enum simulate_stage stage, const struct address *a);

/* At RCPT: remembers what is to happen to this recipient's message at the end of DATA, on the
 * public port and at submission. Of several recipients the first with a wish has it. */
void pretend_later(struct session *s, const struct address *recipient);

/* At the end of DATA: true when a failure was acted out in place of taking the message. */
bool pretend_now(struct session *s);

/* Then: true when the message is taken only after a while. go_on is called once that is over,
 * unless the session or its transaction ends before. */
bool pretend_slow(struct session *s, void (*go_on)(struct session *s));

#endif
