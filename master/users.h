#ifndef QM_USERS_H
#define QM_USERS_H

#include "world.h"

/* Looks the users of the configuration up. Without root everybody stays who started the suite. */
int users_resolve(struct world *w, const struct conf *conf, struct fail *f);

#endif
