#ifndef QM_METHOD_SUPPRESSIONPRESENT_H
#define QM_METHOD_SUPPRESSIONPRESENT_H

#include "methods.h"

/* SuppressionPresent: whether an address is on the account's suppression list. */
extern const struct method method_suppressionpresent;

#endif
