#ifndef QM_SM_SITE_H
#define QM_SM_SITE_H

#include "buf.h"
#include "sm_options.h"

/* Who calls, and where: what stands in the machine's files instead of on the command line. */

struct sm_site {
    char *mailname; /* the domain of addresses that have none */
    char *login;    /* of the real user id */
    char *name;     /* the caller's full name: $NAME, else that of the password file; "" for none */
    char *run_dir;  /* where the suite's sockets are */
};

/* Fills *s from /etc/mailname, the password file, the environment and the suite's configuration:
 * that of -C, else the installed one, where the caller may read it. Never fails: what cannot be had
 * is replaced by what a fresh machine has, and o->warnings says so where the user named it. */
void sm_site_find(struct sm_site *s, struct sm_options *o);
void sm_site_clear(struct sm_site *s); /* frees what it holds; all-zero again */

/* The first line of /etc/mailname as a domain in its stored form (domain.h), or NULL when text does
 * not begin with one. mem_free. */
char *sm_site_mailname(struct span text);

/* The full name in a password file's field: up to the first comma, "&" standing for the login name
 * with its first letter in upper case. mem_free. */
char *sm_site_full_name(const char *gecos, const char *login);

#endif
