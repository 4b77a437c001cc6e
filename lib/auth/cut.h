#ifndef QM_CUT_H
#define QM_CUT_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* Cuts what stands before the first `octet` off *rest into *part, and drops that octet. The part
 * may be empty. Returns false, and changes nothing, when the octet does not occur. */
static inline bool cut_at(struct span *rest, int octet, struct span *part)
{
    ssize_t at = span_find(*rest, octet);
    if (at < 0)
        return false;
    *part = span_of(rest->p, (size_t)at);
    *rest = span_of(rest->p + at + 1, rest->n - (size_t)at - 1);
    return true;
}

#endif
