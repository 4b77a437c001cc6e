#ifndef QM_BASEADDRESS_H
#define QM_BASEADDRESS_H

#include "address.h"
#include "buf.h"

/* The mailbox behind the variants of an address, as providers have them: what a suppression list
 * compares. The local part is cut at its first "+" and then at its first "-", unless they are its
 * very beginning, loses its dots, and becomes lower case: "First.Last+news@example.org" and
 * "firstlast-x@example.org" have the base "firstlast@example.org". For every domain alike. */

/* Appends the base as address_write would: the domain as A-labels. A local part of which nothing
 * would be left (dots alone) stays as it is, in lower case. */
void baseaddress_write(struct buf *out, const struct address *a);

#endif
