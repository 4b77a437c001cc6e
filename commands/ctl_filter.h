#ifndef QM_CTL_FILTER_H
#define QM_CTL_FILTER_H

#include <stdio.h>

#include "ctl.h"
#include "proto_admin.h"

/* The options by which lists and actions say whom they mean, and lists in which order. */

/* Where an option has a meaning. */
enum {
    CTL_QUEUE = 1,
    CTL_RETIRED = 2,
    CTL_HOOKS = 4,
    CTL_HOOKS_RETIRED = 8,
    CTL_ACTION = 16,
    CTL_HOOKS_ACTION = 64
};
#define CTL_ARGUMENT 32 /* beside CTL_ACTION: the first word that is no option is no id */
#define CTL_LISTS (CTL_QUEUE | CTL_RETIRED | CTL_HOOKS | CTL_HOOKS_RETIRED)

struct ctl_filter {
    struct admin_query query; /* limit: of a page */
    uint32_t limit;           /* rows of a list; 0 for all */
    bool all, dry;            /* actions: everybody; only count */
    bool empty;               /* nothing was said */
    const char *argument; /* CTL_ARGUMENT: the first word, one of argv; NULL when there is none */
    int64_t by_ms;        /* kicks of webhooks: in so long, 0 for now; */
    bool later_set;       /* or so much later than it would have been */
};

/* Explains the options that have a meaning there, one a line. */
void ctl_filter_usage(FILE *out, unsigned where);
/* Reads options and ids; argv[0] is the command's word. 0; an exit code after having said what is
 * wrong. */
int ctl_filter_read(struct ctl_filter *f, unsigned where, int argc, char **argv);
void ctl_filter_clear(struct ctl_filter *f);
/* A place in a list as text, to be given as --after; mem_free. */
char *ctl_place_text(struct admin_place p);

/* Prints a list as its pages come, queued or retired. */
int ctl_print_list(struct ctl *c, bool retired, const struct ctl_filter *f);
int ctl_print_item(struct ctl *c, bool retired, const char *id_text);
/* One recipient with its history, as an object and for people. */
struct jsonwrite;
void ctl_put_item(struct jsonwrite *w, bool retired, const struct admin_item *i);
void ctl_print_item_text(bool retired, const struct admin_item *i);

/* A domain as the queue has it, of a name, "@name" or "[address]", in place of what was there
 * (mem_free). 0; an exit code after having said what is wrong. */
int ctl_domain_read(const char *text, char **domain);

#endif
