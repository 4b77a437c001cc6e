#ifndef QM_SCHEDULE_H
#define QM_SCHEDULE_H

#include <stdint.h>

#include "queue.h"

/* Who is tried next. The store knows all that is due and when; here, in memory, is a window of it:
 * the next few recipients of each destination and account.
 *
 * What was never tried and what was put off before are two halves, each with its own walk through
 * the index and its own part of the window, of the deliveries and of the memory for messages, so
 * that a hundred thousand recipients that could not be reached do not delay one that can. Within a
 * half, an account's turn comes round after every other's, and in its turns its destinations; none
 * of either has more than a part of what is left of the window, and a part of the deliveries is for
 * those that have none; at a destination, turns go round the accounts. How many deliveries a
 * destination has at once is what it is seen to take (sites.h).
 *
 * The window is a hint and the store the truth: each recipient is read again just before it is
 * tried. */

/* Empty, for q, which must outlive it. Nothing is looked for before schedule_rescan. */
struct schedule *schedule_new(struct queue *q);
void schedule_free(struct schedule **s);

/* A new recipient in this domain, of a message of this account ("" for none), was committed as due
 * at next_ms. */
void schedule_add(struct schedule *s, uint64_t id, int64_t next_ms, const char *domain,
                  const char *account);
/* Recipients in the store are due then, who were not or at another time before. 0: look again from
 * the beginning. */
void schedule_look_at(struct schedule *s, int64_t next_ms);
/* Its attempt is over and on stable storage. */
void schedule_settled(struct schedule *s, uint64_t id);
/* Something that deliveries waited for is there: an agent, a new configuration. */
void schedule_pump(struct schedule *s);
/* No destination is suspended any more: things are different now, or an operator thinks so. */
void schedule_forgive(struct schedule *s);
/* No new attempts from now on; those under way end as they do. */
void schedule_stop(struct schedule *s);

/* Whether a recipient is being tried now; how many are; how many are in the window at all. */
bool schedule_is_trying(const struct schedule *s, uint64_t id);
uint64_t schedule_trying(const struct schedule *s);
uint64_t schedule_window(const struct schedule *s);

#endif
