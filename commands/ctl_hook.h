#ifndef QM_CTL_HOOK_H
#define QM_CTL_HOOK_H

#include "ctl.h"
#include "jsonwrite.h"
#include "proto_admin.h"

/* Webhooks on the command line. */

/* The members of a webhook's JSON object that lists have too. */
void ctl_hook_put(struct jsonwrite *w, bool retired, const struct admin_hook_row *r);
/* Prints one, with its payload and its attempts; an exit code. */
int ctl_print_hook(struct ctl *c, bool retired, const char *id_text);

/* qmctl hook test: its words, with argv[0] "test". An exit code. */
int ctl_hook_test(struct ctl *c, int argc, char **argv);

#endif
