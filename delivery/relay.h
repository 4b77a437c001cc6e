#ifndef QM_RELAY_H
#define QM_RELAY_H

#include "agent.h"

/* One job on its way to another server: find the hosts, the addresses of each, connect to one after
 * the other until one takes the message or says what is wrong with it.
 *
 * A refusal as a matter of policy (x.7.z) is often meant for the address we come from. So the first
 * time, if the host has an address of the other family too, that one is asked as well; only if it
 * cannot be reached now the recipients are deferred. A host that puts mail off over one family, and
 * the next time again, is tried over the other first (welcome.h). */
void relay_start(struct job *j); /* finishes the job, sooner or later */

#endif
