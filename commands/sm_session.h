#ifndef QM_SM_SESSION_H
#define QM_SM_SESSION_H

#include "buf.h"
#include "esmtp.h"
#include "sm_envelope.h"
#include "sm_link.h"

/* One message over one connection to the suite. It is taken for all recipients or for none: before
 * the server has them all there is no DATA, so a caller that is told of a failure can send the
 * message again without anybody getting it twice. */

struct sm_job {
    const char *own_name; /* for EHLO: a domain */
    const struct sm_envelope *envelope;
    const struct esmtp_mail *mail; /* what the user asked for; size, body and smtputf8 besides */
    const struct esmtp_rcpt *rcpt;
    bool eight_bit;                    /* octets above 127 are in the message */
    bool smtputf8_off;                 /* whatever the addresses */
    struct span header, between, body; /* the message: these one after the other */
};

/* Hands the job over to the server at the other end of the link, from its greeting to QUIT. *busy
 * tells whether nothing is queued for a reason that may be over in a moment: it takes no more
 * connections or no messages for now, or went away before it had the whole message. Returns EX_OK
 * only once it has said that it is responsible for the message; else an exit code, with what to
 * tell the user, a sentence a line, appended to complaints. Returns within a time that is bounded
 * by sm_session.c's own limits. The link is to be closed. */
int sm_session_run(struct sm_link *l, const struct sm_job *job, struct buf *complaints, bool *busy);

#endif
