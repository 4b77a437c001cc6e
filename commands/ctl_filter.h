#ifndef QM_CTL_FILTER_H
#define QM_CTL_FILTER_H

#include "ctl.h"
#include "proto_admin.h"

/* The options by which lists and actions say whom they mean. */

struct ctl_filter {
    struct admin_filter filter;
    uint32_t limit; /* rows of a list; 0 for all */
    bool all, dry;  /* actions: everybody; only count */
    bool empty;     /* nothing was said */
};

extern const char ctl_filter_usage[];
/* Reads options and ids. 0; an exit code after having said what is wrong. */
int ctl_filter_read(struct ctl_filter *f, int argc, char **argv);
void ctl_filter_clear(struct ctl_filter *f);

/* Prints all pages of a list, queued or retired. */
int ctl_print_list(struct ctl *c, bool retired, const struct ctl_filter *f);
int ctl_print_item(struct ctl *c, bool retired, const char *id_text);

#endif
