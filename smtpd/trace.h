#ifndef QM_SMTPD_TRACE_H
#define QM_SMTPD_TRACE_H

#include "buf.h"
#include "session.h"

/* The fields that we put before a message. Each appends complete lines, CRLF at their end. */

/* How and when it came (RFC 5321 section 4.4). */
void trace_received(const struct session *s, struct buf *out);
/* A Message-ID field with this id, complete with < and >. */
void trace_message_id(const char *id, struct buf *out);
/* A Date field with the time now. */
void trace_date(struct buf *out);
/* How it came, for the log and for people: "192.0.2.1 ESMTPS client.example"; without the name
 * where it came from this machine. */
void trace_client(const struct session *s, struct buf *out);

#endif
