#ifndef QM_BOXOP_H
#define QM_BOXOP_H

#include <bsd/sys/queue.h>

#include "boxnames.h"
#include "boxsearch.h"
#include "proto_mailbox.h"

/* One request about a mailbox, done in steps that each take a bounded time. mailbox.c gives each
 * that is under way a step in turn. */

struct boxop;
/* A step. Returns whether that was the last: the answer is complete then. */
typedef bool boxop_step(struct boxop *op);

/* Octets on their way from one file into another, with other line ends. */
struct boxcopy {
    int from, to; /* the owner's */
    uint64_t at, written, most;
    bool to_crlf;  /* else to LF */
    bool after_cr; /* the octet before was one */
};
enum boxcopy_result { BOXCOPY_MORE, BOXCOPY_DONE, BOXCOPY_TOO_LARGE, BOXCOPY_FAILED };
/* A part of it. BOXCOPY_FAILED: errno says why. */
enum boxcopy_result boxcopy_step(struct boxcopy *c);
/* The same for octets in front of it. */
enum boxcopy_result boxcopy_put(struct boxcopy *c, struct span octets);

struct boxop {
    TAILQ_ENTRY(boxop) next;
    uint64_t peer, request; /* whom to answer */
    struct mailbox_request r;
    struct mailbox_answer a;
    char *hostname; /* for the names of files */
    boxop_step *step;
    int account;
    /* of find, flags, move, delete */
    struct boxsearch search;
    bool searching;
    unsigned tries;
    /* of find and store */
    struct boxcopy copy;
    int file;
    /* of list and store */
    struct boxfolder folder;
    struct boxwords words;
    DIR *dir; /* new, then cur */
    bool in_cur;
    struct boxname_entry *page; /* in the order of their names */
    size_t page_n, page_at;
    struct boxnames_store *kept;       /* the process's */
    struct boxnames *names;            /* while they are read */
    bool from_kept;                    /* the page is of names that were read for an earlier one */
    struct boxcheck *check;            /* of check */
    char name[MAILPLACE_NAME_MAX + 1]; /* of a file in tmp */
};

/* A new one for this request, which it takes; account is opened already. */
struct boxop *boxop_new(struct mailbox_request *r, int account, boxop_step *first);
void boxop_free(struct boxop **op);

/* A name for a file that no other has, in name[], with the number of what is stored: whoever makes
 * another on the same disk at the same time is another process, or has another random number. */
void boxop_unique(const struct boxop *op, char *name, size_t size);

/* Ends it with this result, whatever the answer had before. Always true. */
bool boxop_end(struct boxop *op, enum mailbox_result result);
/* Likewise with what errno stands for, and a line in the log. */
bool boxop_end_failed(struct boxop *op, const char *what);

/* Some names of files of the folder, those in new first: a message goes from there to cur, and read
 * in this order it is not missed. take is told each and returns whether that was enough; then, or
 * when the folder cannot be read, the operation has ended, which this returns. After the last name
 * *over is true. */
typedef bool boxop_take(struct boxop *op, const struct dirent *file);
bool boxop_names(struct boxop *op, boxop_take *take, bool *over);
/* Back to the first name. */
void boxop_rewind(struct boxop *op);

/* The first steps. */
boxop_step boxop_find, boxop_flags, boxop_move, boxop_delete, boxop_store, boxop_list,
    boxop_folders, boxop_check;

/* What check keeps meanwhile; *check may be NULL. */
void boxcheck_free(struct boxcheck **check);

#endif
