#ifndef QM_MAILFLAGS_H
#define QM_MAILFLAGS_H

#include "codes.h"
#include "jsonbind.h"
#include "jsonwrite.h"
#include "mailplace.h"

/* The flags of a message: those that the name of its file has letters for, and keywords. */

#define MAILFLAGS_MAX 100 /* in a request */

struct mailflags {
    unsigned letters; /* enum mailbox_flag */
    struct mail_words words;
};

/* From the names in a request, an array of struct span, whatever their case. Returns 0 and the
 * caller clears it, or -1 with why and nothing to clear. */
int mailflags_read(struct mailflags *flags, const struct jsonbind_array *names,
                   struct refusal *why);
void mailflags_clear(struct mailflags *flags);

/* An array of the flags there are, in lower case: the well-known ones in the order that clients
 * know, then the others in that of the alphabet. */
void mailflags_write(struct jsonwrite *w, unsigned letters, const struct mail_words *one,
                     const struct mail_words *other);

#endif
