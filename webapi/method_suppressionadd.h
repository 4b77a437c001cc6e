#ifndef QM_METHOD_SUPPRESSIONADD_H
#define QM_METHOD_SUPPRESSIONADD_H

#include "methods.h"

/* SuppressionAdd: puts an address on the account's suppression list. */
extern const struct method method_suppressionadd;

#endif
