#ifndef QM_METHOD_MESSAGEFLAGSREMOVE_H
#define QM_METHOD_MESSAGEFLAGSREMOVE_H

#include "methods.h"

/* MessageFlagsRemove: removes flags of a message. */
extern const struct method method_messageflagsremove;

#endif
