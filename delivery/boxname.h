#ifndef QM_BOXNAME_H
#define QM_BOXNAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* Names in a Maildir++ mailbox, and the lines that a message begins with there. All of it is text
 * from elsewhere, and none of it may lead out of the mailbox.
 *
 *     <account>/{tmp,new,cur}                the inbox, folder ""
 *     <account>/.Archive.2026/{tmp,new,cur}  folder "Archive.2026"
 *     1764280277.M12P34.mail,S=812:2,FSa     base name, ":2,", flags in capitals, keywords a - z
 *     1764280277.M12P34R56C78.mail,S=812     C: the number of a copy that is to be there once
 */

#define BOXNAME_KEYWORDS 26

/* Whether it can be the name of an account's folder; of a folder in it (as above, "" included). */
bool boxname_is_account(const char *name);
bool boxname_is_folder(const char *name);
/* Whether it can be a message's file. */
bool boxname_is_file(const char *name);

/* How long the base of a file's name is. */
size_t boxname_base(const char *file);
/* Whether that base is exactly this one. */
bool boxname_has_base(const char *file, const char *base);

/* The number C in the second part of a file's name; 0 where there is none. */
uint64_t boxname_number(const char *file);

/* What stands behind the base: bit 0 is A or a. Whatever is no letter is left out. */
struct boxname_info {
    uint32_t capitals, keywords;
};
struct boxname_info boxname_info(const char *file);
/* The capitals that stand for these flags (enum mailbox_flag), and back: of others nothing is
 * told. */
uint32_t boxname_capitals(unsigned flags);
unsigned boxname_flags(uint32_t capitals);
/* base[base_n], and the info behind it. Returns 0, or -1 when it does not fit. */
int boxname_write(char *file, size_t size, const char *base, size_t base_n,
                  const struct boxname_info *info);

/* The lines that delivery puts at the head of a message. */
void boxname_head_write(struct buf *b, const char *sender, const char *recipient, uint64_t id);

#define BOXNAME_HEAD_MAX 4096 /* octets that hold them */

struct boxname_head {
    struct span sender, recipient; /* empty where not said */
    uint64_t id;                   /* 0: without an id */
};
/* What the first lines of a file say, as far as they are such ones. The spans point into octets. */
struct boxname_head boxname_head(struct span octets);

#endif
