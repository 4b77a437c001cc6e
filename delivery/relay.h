#ifndef QM_RELAY_H
#define QM_RELAY_H

#include "agent.h"

/* One job on its way to another server: find the hosts, the addresses of each, connect to one after the other until one takes
 * the message or says what is wrong with it. */
void relay_start(struct job *j); /* finishes the job, sooner or later */

#endif
