#ifndef QM_SCHEDULE_H
#define QM_SCHEDULE_H

#include <stdint.h>

#include "queue.h"

/* Who is tried next. The store knows all that is due and when; here, in memory, is a window of it:
 * for each destination the next few recipients. A destination's turn comes round after every
 * other's, none has more than a part of what is left of the window, and a part of the connections
 * is for those that have none, so that a hundred thousand messages to one domain, or to ten that do
 * not answer, do not delay one to another.
 *
 * The window is a hint and the store the truth: each recipient is read again just before it is
 * tried. */

/* Empty, for q, which must outlive it. Nothing is looked for before schedule_rescan. */
struct schedule *schedule_new(struct queue *q);
void schedule_free(struct schedule **s);

/* A recipient was committed as due at next_ms. */
void schedule_add(struct schedule *s, uint64_t id, int64_t next_ms, const char *domain);
/* Recipients in the store are due then, who were not or at another time before. 0: look again from
 * the beginning. */
void schedule_look_at(struct schedule *s, int64_t next_ms);
/* Its attempt is over and on stable storage. */
void schedule_settled(struct schedule *s, uint64_t id);
/* Something that deliveries waited for is there: an agent, a new configuration. */
void schedule_pump(struct schedule *s);
/* No new attempts from now on; those under way end as they do. */
void schedule_stop(struct schedule *s);

/* Whether a recipient is being tried now; how many are; how many are in the window at all. */
bool schedule_is_trying(const struct schedule *s, uint64_t id);
uint64_t schedule_trying(const struct schedule *s);
uint64_t schedule_window(const struct schedule *s);

#endif
