#ifndef QM_FOLDERNAME_H
#define QM_FOLDERNAME_H

#include "buf.h"

/* A folder of a mailbox has two names: the one that clients see, "Archive/2026" or "Inbox", in
 * UTF-8; and the one in a place (mailplace.h), "Archive.2026" or "". */

#define FOLDERNAME_INBOX "Inbox"

/* The name that clients see, of the one in a place. mem_free. */
char *foldername_shown(const char *stored);
/* The way back; NULL when no folder can have that name. "Inbox" is meant in any case, as in IMAP.
 * mem_free. */
char *foldername_stored(struct span shown);

#endif
