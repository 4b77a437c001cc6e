#ifndef QM_PAGE_H
#define QM_PAGE_H

#include <stdbool.h>

#include "buf.h"
#include "methods.h"

/* The pages for people: HTML without scripts. */

struct page_site {
    struct span base;  /* "http://localhost:1080", as the reader got here */
    const char *path;  /* "/webapi/" */
    const char *login; /* for the example on a command line */
    const char *password;
    bool metrics; /* served on this port */
};

void page_index(struct buf *out, const struct page_site *site); /* appends the list of methods */
void page_method(struct buf *out, const struct page_site *site,
                 const struct method *m); /* and the page of one */

void page_webhooks(struct buf *out);                             /* the section about them */
void page_fields(struct buf *out, const struct method_field *f); /* and a table of fields */

/* What the calls to an account's URLs say: name, names in the description for machines, a sentence,
 * and the fields. */
struct page_webhook {
    const char *name, *schema, *operation, *text;
    const struct method_field *fields;
};
#define PAGE_WEBHOOKS 2
extern const struct page_webhook page_webhooks_are[PAGE_WEBHOOKS];

/* Appends text with the characters that HTML gives a meaning replaced, for content and quoted
 * attributes. */
void page_text(struct buf *out, struct span text);

#endif
