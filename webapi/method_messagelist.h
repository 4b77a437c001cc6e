#ifndef QM_METHOD_MESSAGELIST_H
#define QM_METHOD_MESSAGELIST_H

#include "methods.h"

/* MessageList: lists the messages of a mailbox. */
extern const struct method method_messagelist;

#endif
