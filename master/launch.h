#ifndef QM_LAUNCH_H
#define QM_LAUNCH_H

#include "world.h"

/* fork and exec of a process's own program, with its links and its control channel inherited and
 * nothing else open but standard error. Takes the control end over. Sets p->pid. */
int launch(struct process *p, int control, struct fail *f);

#endif
