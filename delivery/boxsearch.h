#ifndef QM_BOXSEARCH_H
#define QM_BOXSEARCH_H

#include <dirent.h>
#include <stdint.h>

#include "boxfolder.h"
#include "mailplace.h"

/* Where a message is now: under the name it had last, in the folder it was in; else anywhere in the
 * mailbox, under that name, which a copy may have too, or under another if it is the same file.
 * Programs rename messages whenever a flag changes, so what is found may be gone a moment later. */

enum boxsearch_result { BOXSEARCH_MORE, BOXSEARCH_FOUND, BOXSEARCH_ABSENT, BOXSEARCH_FAILED };

struct boxsearch {
    int account;                    /* the caller's */
    const struct mail_place *place; /* the caller's */
    uint64_t id;
    char **folders; /* the one of the place first; the others once that has been searched */
    size_t folders_n, at;
    bool listed;     /* the others are there, too */
    unsigned rounds; /* through all of them */
    int error;       /* of a folder that could not be read; 0 none */
    struct boxfolder open;
    DIR *dir; /* of new or cur in it */
    bool in_cur;
    /* What was found: the file's name, in open.cur or open.new. A name in the place's own folder
     * that only its inode speaks for is kept until all of the folder was seen. */
    char name[MAILPLACE_NAME_MAX + 1];
    bool by_inode, by_inode_in_cur;
};

/* Begins a search; ended by boxsearch_end, whatever becomes of it. */
void boxsearch_begin(struct boxsearch *s, int account, const struct mail_place *place, uint64_t id);
/* A bounded part of it. BOXSEARCH_FAILED: it was not found, and may be where nothing could be read,
 * for the reason in errno. */
enum boxsearch_result boxsearch_step(struct boxsearch *s);
void boxsearch_end(struct boxsearch *s);

/* Where the found one is. */
const char *boxsearch_folder(const struct boxsearch *s);
int boxsearch_sub(const struct boxsearch *s);

/* The folders of a mailbox as in a place, the inbox not among them; at most MAILBOX_FOLDERS_MAX.
 * Returns 0, or -1 with errno when they cannot all be read; *list, of *n, and each text in it are
 * the caller's either way. */
int boxsearch_folders(int account, char ***list, size_t *n);

#endif
