#ifndef QM_METHOD_MESSAGEGET_H
#define QM_METHOD_MESSAGEGET_H

#include "methods.h"

/* MessageGet: gives a message of the mailbox in parts. */
extern const struct method method_messageget;

#endif
