#ifndef QM_SMTPD_LISTED_H
#define QM_SMTPD_LISTED_H

#include "address.h"
#include "esmtp.h"
#include "session.h"

/* Recipients that are looked up on the account's suppression list before RCPT is answered: for
 * accounts with suppress-at-send alone. */

/* Whether the session's account is one. */
bool listed_matters(const struct session *s);

/* Asks the queue, in STEP_ASK; then the recipient is taken or refused. The transaction has no other
 * question under way. */
void listed_ask(struct session *s, const struct address *recipient, const struct esmtp_rcpt *rcpt);

struct listed_question;
/* The session does not care any more. NULL is let be. */
void listed_forget(struct listed_question **q);

#endif
