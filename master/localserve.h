#ifndef QM_LOCALSERVE_H
#define QM_LOCALSERVE_H

#include <stdio.h>

#include "fail.h"

/* The suite as an application developer's own mail server: no setup, no way out to the world.
 * Everything that is sent goes through the real queue to the suite's own SMTP listener and from
 * there into the mailbox of the account "local"; failures are asked for by the recipient's address.
 */

struct localserve {
    char *dir;         /* where everything is kept */
    int port_offset;   /* added to the standard ports */
    char *config_path; /* made by localserve_prepare */
};

/* The folder when none is given: $XDG_DATA_HOME or ~/.local/share, then quartermaster-localserve.
 * mem_free. */
char *localserve_default_dir(struct fail *f);
/* Makes the folder, the keys and the credentials if they are not there, and writes the
 * configuration. */
int localserve_prepare(struct localserve *l, struct fail *f);
/* What a person wants to know once it runs. */
void localserve_greet(const struct localserve *l, FILE *out);
void localserve_clear(struct localserve *l);

#endif
