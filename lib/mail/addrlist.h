#ifndef QM_ADDRLIST_H
#define QM_ADDRLIST_H

#include <stddef.h>

#include "address.h"
#include "buf.h"
#include "fail.h"

/* Address lists as they stand in the header (RFC 5322 3.4, RFC 6854, with the obsolete forms
 * of 4.4) and in a command's operands: display names, quoted strings, nested comments, groups,
 * source routes. */

enum {
    ADDRLIST_MAX = 10000,       /* mailboxes in one list */
    ADDRLIST_COMMENT_DEPTH = 16 /* comments within comments */
};

enum addrlist_mode {
    ADDRLIST_STRICT, /* the first mistake refuses the whole list */
    ADDRLIST_LENIENT /* a mistaken element is passed over, up to the next comma, and counted */
};

struct addrlist_item {
    char *name; /* display name, or the comment behind a bare address; quoting and comments undone,
                 * encoded words not (encword_decode); may be invalid UTF-8; NULL if none */
    struct address address;
};

/* All-zero is an empty list. */
struct addrlist {
    struct addrlist_item *items;
    size_t n, room;
    size_t skipped; /* elements passed over in ADDRLIST_LENIENT */
};

/* Reads a list, folded or unfolded, and appends its mailboxes to list; those of a group as if they
 * stood by themselves. A mailbox without a domain gets default_domain; with default_domain NULL it
 * is a mistake. Empty elements between commas are let be. Returns 0; or -1 with list as it was, in
 * ADDRLIST_LENIENT only when there are more than ADDRLIST_MAX mailboxes. */
int addrlist_parse(struct span text, const char *default_domain, enum addrlist_mode mode,
                   struct addrlist *list, struct fail *f);

void addrlist_clear(struct addrlist *list); /* frees what it holds; empty again; NULL is let be */

#endif
