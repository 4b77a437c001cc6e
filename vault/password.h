#ifndef QM_PASSWORD_H
#define QM_PASSWORD_H

#include "keyring.h"

/* Checks of a login and its password as they are. A password that was right once is remembered for
 * a quarter of an hour, as a keyed hash in memory, so that an application calling the API a
 * thousand times a second does not cost a thousand password derivations. */

struct password_cache;
struct password_cache *password_cache_new(void);
void password_cache_free(struct password_cache **c);
void password_cache_clear(struct password_cache *c); /* credentials may have changed */

/* True and the account (valid as long as k) when the password is right, also of an account that
 * nobody may log in to. Takes as long whether or
 * not the login exists. */
bool password_check(struct password_cache *c, const struct keyring *k, struct span login,
                    struct span password, const char **account);

#endif
