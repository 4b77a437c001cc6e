#ifndef QM_MAPPED_H
#define QM_MAPPED_H

#include "buf.h"

/* The octets of a sealed memory file, where they are: nobody can change or shorten it any more. */

/* Maps all of fd, which stays the caller's, for mapped_release. Returns 0, or -1 when there is no
 * room for it. */
int mapped_open(int fd, struct span *octets);
void mapped_release(struct span *octets); /* all-zero again */

#endif
