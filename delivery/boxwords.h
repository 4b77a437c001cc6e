#ifndef QM_BOXWORDS_H
#define QM_BOXWORDS_H

#include "boxname.h"
#include "mailplace.h"

/* The keywords of a folder, as Dovecot keeps them: a file dovecot-keywords in the folder, a line
 * for each, its number and its name; number 0 is the letter a in the name of a message's file. */

struct boxwords {
    char *names[BOXNAME_KEYWORDS]; /* NULL: the letter means nothing */
};

/* From the file's octets. *words is overwritten, and the caller's to clear. What is no such line is
 * passed over. */
void boxwords_parse(struct boxwords *words, struct span octets);
/* From the folder; without the file no letter means anything. */
void boxwords_read(struct boxwords *words, int folder);
void boxwords_clear(struct boxwords *words);

/* The letters of these keywords; those that have none are added to rest. */
uint32_t boxwords_letters(const struct boxwords *words, const struct mail_words *keywords,
                          struct mail_words *rest);
/* Adds the names of these letters to keywords. */
void boxwords_names(const struct boxwords *words, uint32_t letters, struct mail_words *keywords);

#endif
