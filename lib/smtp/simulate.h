#ifndef QM_SIMULATE_H
#define QM_SIMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "enhanced.h"

/* What the development suite (localserve) acts out at a recipient, so that an application can see
 * what it does about it. Which of these is written in the localpart, case-sensitively. Behind its
 * last "+" may stand a tag:
 *
 *     bounce-550-5.1.1   that reply, 400 to 599, with that enhanced code, of the same class
 *     defer3             451 for as many attempts, 1 to 9; then it is delivered
 *     slow               delivered, after SIMULATE_SLOW_MS
 *     complaint          delivered, and the recipient complains of it
 *
 * Else the localpart may end in, first match taken:
 *
 *     temperror          reply 451
 *     permerror          reply 550
 *     timeout            no reply
 *     400..599           that reply. 600 is taken too; it is no reply code, and a client has to
 *                        take whatever is none for a failure that passes, so 451 stands in for it
 *
 * It happens at the end of DATA. A reply comes already at RCPT when the recipient's localpart
 * begins with "rcptto", and at MAIL when the sender's begins with "mailfrom". A client that submits
 * mail meets what the endings say; tags, and what begins with "queue", wait for the delivery. */

enum simulate_stage {
    SIMULATE_MAIL,
    SIMULATE_RCPT,
    SIMULATE_DATA,       /* the end of DATA, where mail arrives */
    SIMULATE_SUBMISSION, /* the end of DATA, where it is submitted */
    SIMULATE_STAGES
};

enum simulate_kind {
    SIMULATE_NONE,
    SIMULATE_REPLY,
    SIMULATE_TIMEOUT,
    SIMULATE_DEFER, /* the reply, unless it has been given that many times: simulate_defers */
    SIMULATE_SLOW,
    SIMULATE_COMPLAINT,
};

#define SIMULATE_SLOW_MS 5000

struct simulate {
    enum simulate_kind kind;
    int code;                 /* 400..599 for SIMULATE_REPLY and SIMULATE_DEFER, else 0 */
    struct enhanced enhanced; /* what was asked for, or class.0.0 of that code */
    unsigned times;           /* SIMULATE_DEFER: 1..9 */
};

/* What to act out at this stage for this localpart: the sender's at SIMULATE_MAIL, a recipient's at
 * the others. */
struct simulate simulate_at(enum simulate_stage stage, struct span localpart);

enum { SIMULATE_MEMORY = 256 };

/* Which messages were deferred, and how often. All-zero remembers none; of more than
 * SIMULATE_MEMORY at once the oldest is forgotten, and begins anew. */
struct simulate_memory {
    struct {
        uint64_t key; /* 0: free */
        unsigned times;
    } slots[SIMULATE_MEMORY];
    size_t next;
};

/* A number for these texts, never 0; sender and recipient are told apart from their reverse. */
uint64_t simulate_key(const char *sender, const char *recipient, const char *message_id);

/* Whether the message of this key is deferred once more, times being how often it is in all. When
 * it is not, it is forgotten. */
bool simulate_defers(struct simulate_memory *m, uint64_t key, unsigned times);

#endif
