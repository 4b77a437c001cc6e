#ifndef QM_METHOD_MESSAGEPARTGET_H
#define QM_METHOD_MESSAGEPARTGET_H

#include "methods.h"

/* MessagePartGet: gives the content of a part of a message. */
extern const struct method method_messagepartget;

#endif
