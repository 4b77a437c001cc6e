#ifndef QM_BOXNAMES_H
#define QM_BOXNAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boxfolder.h"

/* The names of a folder's files in their order, kept for a while, so that whoever goes through a
 * large folder a page at a time has it read once and not for each page. They are in sorted runs of
 * some thousand names: to put one more of these in order is a step that keeps nobody waiting. */

#define BOXNAMES_AGE_MS 60000 /* since they were read; and for how long unused ones are kept */
#define BOXNAMES_MAX (96u << 20)

/* How one name stands to another, of which the info behind the base does not count. */
int boxname_compare(const char *a, const char *b);

/* A name of a page. */
struct boxname_entry {
    char *file;
    bool in_cur;
};

/* All that is kept, and what is being read to be kept: octets_max at most. */
struct boxnames_store;
struct boxnames_store *boxnames_store_new(size_t octets_max);
void boxnames_store_free(struct boxnames_store **s);
/* Forgets what was not used for so long. Returns whether there is something left. */
bool boxnames_tidy(struct boxnames_store *s);

/* The names of one folder, empty, to be read now from both parts of it. */
struct boxnames;
struct boxnames *boxnames_new(struct boxnames_store *s, const struct boxfolder *folder);
void boxnames_free(struct boxnames **n);
/* Returns false when there is no room for it: then the whole is to be given up. */
bool boxnames_add(struct boxnames *n, const char *file, bool in_cur);
/* All were added. Kept under this name, in place of what was; *n is the store's from then on, and
 * stays valid until the next boxnames_new, boxnames_add, boxnames_keep or boxnames_tidy. */
void boxnames_keep(struct boxnames *n, const char *account, const char *folder);

/* What is kept, or NULL; valid as long. */
struct boxnames *boxnames_find(struct boxnames_store *s, const char *account, const char *folder);
void boxnames_forget(struct boxnames *n);
/* Whether the folder has just these names: nothing in it has changed since they were read. */
bool boxnames_are_exact(const struct boxnames *n, const struct boxfolder *folder);
/* Whether they were read not long ago. */
bool boxnames_are_young(const struct boxnames *n);

/* The first names behind this one, most of them at most, in order: how many. A message that has
 * gone from new to cur while they were read is there once. page[].file: mem_free. */
size_t boxnames_page(struct boxnames *n, const char *after, size_t most,
                     struct boxname_entry *page);

#endif
