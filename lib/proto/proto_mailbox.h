#ifndef QM_PROTO_MAILBOX_H
#define QM_PROTO_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"
#include "mailplace.h"
#include "proto_types.h"
#include "wire.h"

/* The mailbox protocol: webapi asks the delivery process of the transport "local", the only process
 * that opens mailboxes, for the files of an account's mailbox; qmgr asks it whether they are still
 * there. */

/* What the name of a file says about a message: the letters D F P R S T, in this order. */
enum mailbox_flag {
    MAILBOX_DRAFT = 0x1,
    MAILBOX_FLAGGED = 0x2,
    MAILBOX_PASSED = 0x4, /* forwarded */
    MAILBOX_REPLIED = 0x8,
    MAILBOX_SEEN = 0x10,
    MAILBOX_TRASHED = 0x20,
    MAILBOX_FLAGS = 0x3f
};

/* A file as it is found. Texts are owned, never NULL. */
struct mailbox_file {
    struct mail_place place;    /* with its mtime_ms, whether it begins with an id or not */
    uint64_t line_id;           /* the id in its first lines; 0: none */
    uint32_t links;             /* names that the file has */
    uint64_t size;              /* octets, as stored */
    unsigned flags;             /* enum mailbox_flag */
    struct mail_words keywords; /* for which its name has letters */
    char *mail_from, *rcpt_to;  /* as its first lines say; "" */
};
void mailbox_file_clear(struct mailbox_file *f);
/* Its octets; what get made is to be cleared also after the cursor failed. */
void mailbox_file_put(struct buf *b, const struct mailbox_file *f);
void mailbox_file_get(struct wire *w, struct mailbox_file *f);

#define MAILBOX_HEAD_MAX (16u << 20)
#define MAILBOX_PAGE_MAX 1000
#define MAILBOX_FOLDERS_MAX 4096
#define MAILBOX_CHECK_MAX 4000 /* places at once */

enum mailbox_result {
    MAILBOX_DONE,
    /* Nothing was done: the file has another name now, or is in another folder. Whoever asks finds
     * out whether the message there is still the one that is meant, and asks again. */
    MAILBOX_ELSEWHERE,
    MAILBOX_ABSENT,      /* there is no such message any more */
    MAILBOX_NO_FOLDER,   /* of move, store and list: there is no such folder */
    MAILBOX_SAME_FOLDER, /* of move: the message is there already */
    MAILBOX_TOO_LARGE,   /* of find: more octets than were to be handed over */
    MAILBOX_OVER_QUOTA,  /* of store: no room for it */
    MAILBOX_UNAVAILABLE, /* it cannot be done now */
    MAILBOX_RESULTS
};

struct mailbox_answer {
    enum mailbox_result result;
    struct mailbox_file *files; /* of list a page, of folders none, of all else the one it is about
                                   (after delete: as it was); none unless done, or elsewhere */
    uint32_t files_n;
    /* Of flags and store: keywords that were to be set and that the folder has no letter for; of
     * move: those that the folder it is in now has none for. */
    struct mail_words unplaced;
    char **folders; /* of folders: as in a place, the inbox not among them; in no order */
    uint32_t folders_n;
    char *next;        /* of list: give it as after for the next page; "" when this is the last */
    uint32_t *missing; /* of check: the places, by number from 0, where and for which nothing is */
    uint32_t missing_n;
    /* Of find with octets: a sealed memory file with the message, lines ended by CRLF; else -1.
     * Whoever takes it sets it to -1. */
    int fd;
};
/* An empty one; clear frees what it holds and closes fd. */
struct mailbox_answer mailbox_answer_new(enum mailbox_result result);
void mailbox_answer_clear(struct mailbox_answer *a);

/* ---- the side that asks ---- */

/* answer is valid during the call; MAILBOX_UNAVAILABLE when the peer went away: whether a change
 * was made is then unknown. */
typedef void mailbox_on_answer(void *arg, struct mailbox_answer *answer);

/* Which message: its id, and where it was seen last. It is looked for in the whole mailbox when it
 * is not there: by its name, and by its inode. */
struct mailbox_which {
    const char *account;
    uint64_t id;
    const struct mail_place *place;
};

/* Each returns an id for mailbox_forget. octets_max: how many octets may be handed over, 0 for not
 * at all. */
uint64_t mailbox_find(struct ipc *ch, const struct mailbox_which *which, uint64_t octets_max,
                      mailbox_on_answer *on_answer, void *arg);
/* set and clear: enum mailbox_flag; of a flag in both nothing changes. */
uint64_t mailbox_flags(struct ipc *ch, const struct mailbox_which *which, unsigned set,
                       unsigned clear, const struct mail_words *add,
                       const struct mail_words *remove, mailbox_on_answer *on_answer, void *arg);
uint64_t mailbox_move(struct ipc *ch, const struct mailbox_which *which, const char *folder,
                      mailbox_on_answer *on_answer, void *arg);
uint64_t mailbox_delete(struct ipc *ch, const struct mailbox_which *which,
                        mailbox_on_answer *on_answer, void *arg);
/* A new message: head, MAILBOX_HEAD_MAX octets at most, and behind it what the sealed memory file
 * octets has behind its first skip ones; it stays the caller's. make: make the folder if it is not
 * there. */
struct mailbox_copy {
    int octets;
    uint64_t skip;
    struct span head;
    unsigned flags;
    struct mail_words keywords;
    /* Of a copy that is to be there once: its number, which goes into the name of the file, else 0.
     * again: it may be there already; then that file is the answer, and nothing is stored. */
    uint64_t number;
    bool again;
};
uint64_t mailbox_store(struct ipc *ch, const char *account, const char *folder, bool make,
                       const struct mailbox_copy *copy, mailbox_on_answer *on_answer, void *arg);
/* The folder's messages in the order of their names; after is "" for the first page. */
uint64_t mailbox_list(struct ipc *ch, const char *account, const char *folder, const char *after,
                      uint32_t limit, mailbox_on_answer *on_answer, void *arg);
uint64_t mailbox_folders(struct ipc *ch, const char *account, mailbox_on_answer *on_answer,
                         void *arg);
/* Which of these places, 1 to MAILBOX_CHECK_MAX, were left for good: no file in the whole mailbox
 * has their name or their inode. */
uint64_t mailbox_check(struct ipc *ch, const char *account, const struct mail_place *places,
                       uint32_t n, mailbox_on_answer *on_answer, void *arg);
void mailbox_forget(struct ipc *ch, uint64_t id); /* the callback will not come */

/* ---- the side that answers: delivery/local ---- */

struct mailbox_request {
    uint16_t type; /* MSG_MAILBOX_FIND, _FLAGS, _MOVE, _DELETE, _STORE, _LIST, _FOLDERS, _CHECK */
    char *account;
    uint64_t id; /* FIND, FLAGS, MOVE, DELETE */
    struct mail_place place;
    uint64_t octets_max;           /* FIND */
    unsigned set, clear;           /* FLAGS; STORE: set */
    struct mail_words add, remove; /* FLAGS; STORE: add */
    char *folder;                  /* MOVE: to; STORE: into; LIST: of; NULL for the others */
    bool make;                     /* STORE */
    int fd;                        /* STORE: sealed; else -1 */
    uint64_t size, skip;           /* STORE: its octets, and how many are left out */
    struct buf head;               /* STORE */
    uint64_t number;               /* STORE; 0: none */
    bool again;                    /* STORE; only with a number */
    char *after;                   /* LIST; NULL for the others */
    uint32_t limit;                /* LIST: 1 .. MAILBOX_PAGE_MAX */
    struct mail_place *places;     /* CHECK */
    uint32_t places_n;             /* CHECK: 1 .. MAILBOX_CHECK_MAX */
};
/* Reads any request of the protocol: 0 and the caller clears it, or -1 with a sentence and nothing
 * to clear. */
int mailbox_read(struct ipc_message *m, struct mailbox_request *r, struct fail *f);
void mailbox_request_clear(struct mailbox_request *r); /* closes fd too */
/* Takes the answer's descriptor. */
void mailbox_reply(struct ipc *ch, uint64_t request, struct mailbox_answer *answer);

#endif
