#ifndef QM_METHOD_SUPPRESSIONREMOVE_H
#define QM_METHOD_SUPPRESSIONREMOVE_H

#include "methods.h"

/* SuppressionRemove: takes an address off the account's suppression list. */
extern const struct method method_suppressionremove;

#endif
