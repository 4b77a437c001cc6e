#ifndef QM_TREES_H
#define QM_TREES_H

/* The balanced trees of <bsd/sys/tree.h>: RB_HEAD, RB_ENTRY, RB_GENERATE_STATIC, RB_INSERT, ... */

#include <bsd/sys/tree.h>

/* Debian's libbsd leaves this BSD word to its users; RB_GENERATE_STATIC needs it. */
#ifndef __unused
#define __unused __attribute__((unused))
#endif

#endif
