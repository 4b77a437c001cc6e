#ifndef QM_METHOD_MESSAGEDELETE_H
#define QM_METHOD_MESSAGEDELETE_H

#include "methods.h"

/* MessageDelete: removes a message from the mailbox. */
extern const struct method method_messagedelete;

#endif
