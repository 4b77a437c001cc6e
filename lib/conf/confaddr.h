#ifndef QM_CONFADDR_H
#define QM_CONFADDR_H

#include <stdbool.h>

#include "conf.h"

/* Whose mail is it? Answers from the domain and account blocks of a tree, in time logarithmic in
 * the number of addresses. Works on every share that has these blocks: smtpd, qmgr, delivery,
 * webapi, vault. Domains are compared without regard to case, and so are the ASCII letters of local
 * parts; a domain is given in its A-label form, a local part without quotes. */

enum confaddr_match {
    CONFADDR_EXACT,     /* an address of the account */
    CONFADDR_SEPARATOR, /* that, followed by the domain's catchall-separator and anything */
    CONFADDR_CATCHALL,  /* *@domain */
};

/* The account that the address belongs to, or NULL. how may be NULL. Octets that no configured
 * address can have, or too many of them, simply match nothing but a catch-all. */
const struct conf_block *confaddr_account(const struct conf *conf, struct span local,
                                          struct span domain, enum confaddr_match *how);

/* The domain block, or NULL when the domain is not ours. */
const struct conf_block *confaddr_domain(const struct conf *conf, struct span domain);

/* Where the part behind the catchall-separator of this domain begins: the octets of local before
 * the separator. local.n when there is no separator in it, or nothing before it, or the domain has
 * none or is not ours. */
size_t confaddr_base(const struct conf *conf, struct span local, struct span domain);

/* Whether messages of this login get a reverse path of their own for each recipient: local@domain
 * is a from-id-login of the account, in the same spelling but for the domain's case. */
bool confaddr_is_from_id_login(const struct conf_block *account, struct span local,
                               struct span domain);

enum { CONFADDR_ID_MAX = 26 }; /* octets of a from id that is made here */

/* Whether a sender of ours, local@domain, can have a from id of so many octets behind the
 * separator: the domain has one, and there is room in a local part. Returns 0, or -1 with a
 * sentence. */
int confaddr_takes_id(const struct conf *conf, struct span local, struct span domain, size_t id,
                      struct fail *f);

/* Whether a domain fits a pattern of a route: itself, ".x" for x and all below it, "*" for any, the
 * empty domain of the null sender among them. */
bool confaddr_fits(const char *pattern, struct span domain);

/* The address of the postmaster: the setting, or postmaster@hostname. The caller frees it
 * (mem_free). */
char *confaddr_postmaster(const struct conf *conf);

/* For this folder: makes and frees the index over all addresses. A tree without accounts has none.
 */
void confaddr_index(struct conf *conf);
void confaddr_forget(struct conf *conf);

/* For this folder: the i-th address of the index, lower-cased, and which of an account's list it
 * is. Equal ones stand together in the order of the file. */
struct confaddr_place {
    const char *key;
    const struct conf_block *account;
    size_t value;
};
/* Where the address stands in the file. */
struct confaddr_place confaddr_place(const struct conf *conf, size_t i);

#endif
