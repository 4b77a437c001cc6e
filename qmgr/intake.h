#ifndef QM_INTAKE_H
#define QM_INTAKE_H

#include "queue.h"

/* New mail: smtpd and webapi hand it over, and hear that it is accepted when it is on stable
 * storage. */

struct intake;
struct intake *intake_new(struct queue *q);
void intake_free(struct intake **i);
/* A channel from that peer; takes fd; replaces the one before. */
void intake_link(struct intake *i, const char *peer, int fd);
/* From now on everything is refused with a temporary error. */
void intake_stop(struct intake *i);

#endif
