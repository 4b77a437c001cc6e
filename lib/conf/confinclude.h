#ifndef QM_CONFINCLUDE_H
#define QM_CONFINCLUDE_H

#include "confparse.h"

/* Files: the one that a load begins with, and those that `include "path"` names. */

/* Opens and reads the file that everything begins with. Failure is an error of the load. */
void confinclude_main(struct confparse *p, const char *path);

/* Does `include path`, written in this file at `at`, inside the block: the path is taken from the
 * folder of that file. With * ? [ in it, it stands for all files that match, in the order of their
 * octets; none is no error. */
void confinclude_path(struct confparse *p, struct confsource_pos at, const char *path,
                      struct conf_block *block, unsigned nesting);

#endif
