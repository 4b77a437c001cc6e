#ifndef QM_TOKENS_H
#define QM_TOKENS_H

#include "world.h"

/* Files with access tokens, which somebody else renews. vault holds them open and reads them each
 * time, so that one that is written over needs nothing; one that is replaced by another file of its
 * name is noticed here within some seconds, and all of them are opened anew for vault. */

/* Looks now, and from now on. */
struct tokens *tokens_new(struct world *w);
void tokens_free(struct tokens **t);

#endif
