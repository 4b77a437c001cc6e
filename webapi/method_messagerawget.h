#ifndef QM_METHOD_MESSAGERAWGET_H
#define QM_METHOD_MESSAGERAWGET_H

#include "methods.h"

/* MessageRawGet: gives a message of the mailbox as it is stored. */
extern const struct method method_messagerawget;

#endif
