#ifndef QM_BOXFOLDER_H
#define QM_BOXFOLDER_H

#include <dirent.h>
#include <stdbool.h>

#include "boxwords.h"
#include "fail.h"
#include "proto_mailbox.h"

/* Folders and files of mailboxes, below the folder that this process is in. Everything is opened
 * relative to a descriptor, and no symbolic link is followed. */

/* A folder and what it is made of. All -1 when it is not open. */
struct boxfolder {
    int dir, tmp, new, cur;
};

/* The account's own folder; a descriptor, or -1 with errno and a sentence. */
int boxfolder_account(const char *account, struct fail *f);
/* A folder of the account. Returns 0, or -1 with errno: ENOENT when there is none. */
int boxfolder_open(struct boxfolder *b, int account, const char *folder, struct fail *f);
/* Makes what is missing of the account's inbox, and opens it. -1 with errno and a sentence. */
int boxfolder_make_inbox(struct boxfolder *b, const char *account, struct fail *f);
/* Likewise of a folder in it. */
int boxfolder_make(struct boxfolder *b, int account, const char *folder, struct fail *f);
/* Whether this errno of the former says that there is no such folder. */
bool boxfolder_is_absent(int error);
void boxfolder_close(struct boxfolder *b);

/* A stream over the folder of its own, which the caller closes with closedir(): the descriptor
 * stays as it is. NULL with errno. */
DIR *boxfolder_stream(int fd);
#define BOXFOLDER_NAMES 2000 /* that are read in one step */
/* Its next name; NULL at the end, and with *error set to an errno when it cannot be read further.
 */
const struct dirent *boxfolder_next(DIR *dir, int *error);

/* Fills file from what is found under this name in sub, one of the folder's new and cur. Returns 0
 * and a file that is the caller's to clear, or -1 when it is no message (any more). */
int boxfolder_file(const char *folder, int sub, const char *name, const struct boxwords *words,
                   struct mailbox_file *file);

/* The first lines of the file that fd reads; empty where they cannot be read. The spans point into
 * octets. */
struct boxname_head boxfolder_head(int fd, char octets[BOXNAME_HEAD_MAX]);

#endif
