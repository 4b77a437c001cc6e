#ifndef QM_SIMULATE_H
#define QM_SIMULATE_H

#include "buf.h"
#include "enhanced.h"

/* Failures that the development suite (localserve) acts out, so that an application can see what it
 * does about them. Which one is written in the localpart, case-sensitively. The localpart ends in,
 * first match taken:
 *
 *     temperror   reply 451
 *     permerror   reply 550
 *     timeout     no reply
 *     400..599    that reply. 600 is taken too; it is no reply code, and a client has to take
 * whatever is none for a failure that passes, so 451 stands in for it
 *
 * It happens at the end of DATA, but already at RCPT when the recipient's localpart begins with
 * "rcptto", and at MAIL when the sender's begins with "mailfrom". */

enum simulate_stage { SIMULATE_MAIL, SIMULATE_RCPT, SIMULATE_DATA };

enum simulate_kind { SIMULATE_NONE, SIMULATE_REPLY, SIMULATE_TIMEOUT };

struct simulate {
    enum simulate_kind kind;
    int code;                 /* 400..599 for SIMULATE_REPLY, else 0 */
    struct enhanced enhanced; /* class.0.0 of that code */
};

/* What to act out at this stage for this localpart: the sender's at SIMULATE_MAIL, a recipient's at
 * the other two. */
struct simulate simulate_at(enum simulate_stage stage, struct span localpart);

#endif
