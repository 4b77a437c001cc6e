#ifndef QM_METHOD_SUPPRESSIONLIST_H
#define QM_METHOD_SUPPRESSIONLIST_H

#include "methods.h"

/* SuppressionList: the addresses that the account's mail is not sent to. */
extern const struct method method_suppressionlist;

#endif
