#ifndef QM_METHOD_MESSAGEMOVE_H
#define QM_METHOD_MESSAGEMOVE_H

#include "methods.h"

/* MessageMove: moves a message to another mailbox of the account. */
extern const struct method method_messagemove;

#endif
