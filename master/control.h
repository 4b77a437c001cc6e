#ifndef QM_CONTROL_H
#define QM_CONTROL_H

#include "world.h"

/* <run-dir>/master.sock: where qmctl, run by root or by who runs the suite, asks for the status, a
 * reload, the end. */

struct control;
/* Listens, or NULL with a sentence. free closes every connection. */
struct control *control_new(struct world *w, struct fail *f);
void control_free(struct control **c);

#endif
