#ifndef QM_OUTCOME_H
#define QM_OUTCOME_H

#include "agent.h"
#include "tlspolicy.h"

/* What an attempt came to, host by host, until one takes the message: the outcome that tells most
 * is what the recipients get if none does. All-zero is a start. */
#define OUTCOME_TEXTS 10

struct outcome {
    struct job_outcome best; /* stage is NULL: nothing was noted yet */
    char *texts[OUTCOME_TEXTS];
    bool is_refusal;              /* best is that a host cannot have what REQUIRETLS asks for */
    struct tlspolicy_tally tally; /* of the hosts that came to nothing */
};

/* Notes what came of a host, or of one of its addresses. One that leaves hope counts for more than
 * one that does not, and what a server said for more than that there was none; of equal ones the
 * last. Texts are copied. */
void outcome_note(struct outcome *o, const struct job_outcome *what);
/* Notes that the host cannot have what REQUIRETLS asks for: 5.7.30, whatever `what` has. */
void outcome_note_refusal(struct outcome *o, const struct job_outcome *what);
/* The host came to nothing, for another reason than that. */
void outcome_note_other(struct outcome *o);
/* Settles with the best of it whoever is not settled, if anything was noted. more: there are hosts
 * that were not tried. That REQUIRETLS cannot be had is final only if it is so of every host. */
void outcome_settle(const struct outcome *o, bool more, struct job *j);
/* Forgets everything. */
void outcome_clear(struct outcome *o);

#endif
