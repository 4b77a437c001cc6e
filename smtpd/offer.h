#ifndef QM_SMTPD_OFFER_H
#define QM_SMTPD_OFFER_H

#include "ehlo.h"
#include "session.h"

enum { OFFER_HOLD_MAX_S = 5184000 /* 60 days: how long a message may be held back (RFC 4865) */ };

/* What the server announces to this client now, and takes from it. */
void offer_fill(const struct session *s, struct ehlo *e);

/* Whether AUTH can be used on this connection now. */
bool offer_auth(const struct session *s);

#endif
