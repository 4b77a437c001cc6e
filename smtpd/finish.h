#ifndef QM_SMTPD_FINISH_H
#define QM_SMTPD_FINISH_H

#include "session.h"

/* What happens between the end of a message and its reply: judging, signing, handing over to the
 * queue. The reply is 250 only when the queue has it on stable storage. */

/* The whole message of the session's transaction has arrived. The transaction ends with the reply,
 * now or later. */
void finish_message(struct session *s);

#endif
