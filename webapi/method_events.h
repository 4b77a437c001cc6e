#ifndef QM_METHOD_EVENTS_H
#define QM_METHOD_EVENTS_H

#include "methods.h"

/* events: what happened to the account's messages, in order, from any point on. */
extern const struct method method_events;

#endif
