#ifndef QM_MAILPLACE_H
#define QM_MAILPLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "wire.h"

/* Where a message of a mailbox is, and lists of words: what the protocols "mail" and "mailbox" have
 * in common. */

/* A file name has at most 255 octets. */
#define MAILPLACE_NAME_MAX 255

/* Texts are owned, never NULL. */
struct mail_place {
    char *folder;   /* "" for the inbox, else as on disk without the first period: "Archive.2026" */
    char *name;     /* of the file, up to its flags: it stays as it is while they change */
    uint64_t inode; /* for when another program gave it another name */
    /* 0: the file begins with its own id. Else what its inode alone would not prove, the file's
     * time of last change (milliseconds since 1970). */
    int64_t mtime_ms;
};
void mail_place_set(struct mail_place *p, const char *folder, const char *name, uint64_t inode,
                    int64_t mtime_ms); /* overwrites *p, which is all-zero or was cleared */
void mail_place_copy(struct mail_place *to, const struct mail_place *from);
void mail_place_clear(struct mail_place *p);
/* Whether folder, name and inode are the same. */
bool mail_place_equal(const struct mail_place *a, const struct mail_place *b);
/* Its octets: folder, name (texts), inode u64, mtime i64. What get made is to be cleared also after
 * the cursor failed. */
void mail_place_put(struct buf *b, const struct mail_place *p);
void mail_place_get(struct wire *w, struct mail_place *p);

#define MAIL_WORDS_MAX 128
#define MAIL_WORD_MAX 128 /* octets */

/* A list of words, such as the keywords of a message. All-zero is an empty one. */
struct mail_words {
    char **list;
    uint32_t n;
};
/* Whether the word is there, whatever its ASCII case. */
bool mail_words_has(const struct mail_words *words, const char *word);
/* Adds a copy unless it is there; false where there is no room for one more, or it is too long. */
bool mail_words_add(struct mail_words *words, const char *word);
bool mail_words_remove(struct mail_words *words, const char *word); /* whether it was there */
void mail_words_copy(struct mail_words *to, const struct mail_words *from);
void mail_words_clear(struct mail_words *words);
/* Count u32 of texts. As for a place. */
void mail_words_put(struct buf *b, const struct mail_words *words);
void mail_words_get(struct wire *w, struct mail_words *words);

#endif
