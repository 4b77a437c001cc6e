#ifndef QM_METHOD_SEND_H
#define QM_METHOD_SEND_H

#include "methods.h"

/* Send: composes a message, signs it and puts it into the queue for all its recipients. */
extern const struct method method_send;

#endif
