#ifndef QM_INCOMING_H
#define QM_INCOMING_H

#include <stdbool.h>

#include "buf.h"
#include "dsnread.h"
#include "mailcharset.h"

/* What a message that is delivered into a mailbox says, for those who are told of it. Strangers'
 * MIME is read here and nowhere else on its way. */

/* Reads message, a whole one of any octets. Appends to members those of the incoming webhook's
 * payload that come from it, From to Structure, as JSON: one line, without the braces around them,
 * < > & escaped, below 20 MiB whatever the message. *automated becomes whether a program sent it;
 * null_sender is what the envelope says. *report is overwritten with what a notification in it
 * says (its kind is DSNREAD_NONE in most) and the caller's to clear with dsnread_clear. charsets is
 * of mailcharset_open, called before the process was confined; NULL: UTF-8 and Latin-1 alone. */
void incoming_describe(struct span message, bool null_sender, const struct mailcharset *charsets,
                       struct buf *members, bool *automated, struct dsnread *report);

#endif
