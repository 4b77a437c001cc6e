#ifndef QM_METHOD_MESSAGEFLAGSADD_H
#define QM_METHOD_MESSAGEFLAGSADD_H

#include "methods.h"

/* MessageFlagsAdd: sets flags of a message. */
extern const struct method method_messageflagsadd;

#endif
