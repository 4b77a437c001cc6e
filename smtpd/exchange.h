#ifndef QM_SMTPD_EXCHANGE_H
#define QM_SMTPD_EXCHANGE_H

#include "session.h"

/* A SASL exchange between a client and the vault (RFC 4954). The session has at most one. */

/* Begins one. initial is valid during the call. Replies, or waits for the vault. */
void exchange_begin(struct session *s, struct span mechanism, bool has_initial,
                    struct span initial);
/* The client's answer to the last challenge, decoded; valid during the call. */
void exchange_answer(struct session *s, struct span message);
/* Ends it without a reply, and tells the vault. Nothing when there is none. */
void exchange_drop(struct session *s);

#endif
