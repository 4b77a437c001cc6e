#ifndef QM_CONFPARSE_H
#define QM_CONFPARSE_H

#include <sys/types.h>

#include "conferror.h"
#include "conflex.h"
#include "conftree.h"

/* One load on its way: what confparse (statements) and confinclude (files) share. */

struct confparse {
    struct conf *conf;
    struct conferror errors;
    bool with_files;   /* include is allowed */
    bool stopped;      /* a limit is reached: nothing more is read */
    bool incomplete;   /* something was not read: what seems missing may be there */
    size_t statements; /* so far */
    size_t octets;     /* in all files so far */
    struct confparse_open {
        dev_t device;
        ino_t node;
    } open[CONF_MAX_INCLUDES +
           1]; /* the files that are being read, each included by the one before */
    unsigned n_open;
};

/* Reads the statements of a file into the block, which is inside `nesting` others. */
void confparse_file(struct confparse *p, uint32_t file, struct conf_block *block, unsigned nesting);

/* Counts one more statement. Returns false, when nothing more is to be read: one too many is an
 * error. */
bool confparse_count(struct confparse *p, struct confsource_pos at);

/* As conf_parse, with other tables than the suite's own: what their blocks demand is checked, what
 * confcheck knows about the suite is not. */
struct conf *confparse_text(const struct conf_block_type *root, const char *name, struct span text,
                            struct conf_errors *errors);

/* Text for "%.*s": the length of a word to be shown in a sentence, and the word. */
#define CONFPARSE_SHOW(span) confparse_shown(span), (const char *)(span).p
int confparse_shown(struct span word);

#endif
