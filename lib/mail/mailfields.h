#ifndef QM_MAILFIELDS_H
#define QM_MAILFIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "mailcharset.h"
#include "mimeread.h"

/* The header of a stored message in the form that is shown to programs: RFC 5322 3.6 with encoded
 * words and A-labels undone. Nothing a header says makes it fail. All texts are C strings without
 * control characters; what is no UTF-8 in the message is none here. */

enum {
    MAILFIELDS_ADDRESSES_MAX = 1000,  /* of each list: its JSON stays within a tenth of what clients
                                         take for a reply */
    MAILFIELDS_REFERENCES_MAX = 1000, /* the longest threads have some hundreds */
    MAILFIELDS_TEXT_MAX = 4096 /* octets of an address that cannot be read, or of a message id */
};

struct mailfields_mailbox {
    char *name;    /* display name; "": none */
    char *address; /* local part quoted if it must be, domain with U-labels. An address that cannot
                      be read is what stands in its place, encoded words undone */
};

struct mailfields_mailboxes {
    struct mailfields_mailbox *items;
    size_t n, room;
};

struct mailfields_texts {
    char **items;
    size_t n, room;
};

struct mailfields {
    struct mailfields_mailboxes from, to, cc, bcc, reply_to;
    char *subject;     /* "": none */
    char *message_id;  /* as it stands, unfolded; "": none */
    char *in_reply_to; /* the same */
    /* The words of all References fields; before them In-Reply-To, if it is not among them. */
    struct mailfields_texts references;
    /* Their message ids for comparing: lower case, without white space and needless quoting, in
     * angle brackets; that of In-Reply-To when there is none. */
    struct mailfields_texts referenced_ids;
    bool has_date;
    int64_t date_ms;
    int zone_min; /* the date's offset, minutes */
};

/* Reads the header of the message m was read from. *fields is overwritten, and the caller's to
 * clear. charsets may be NULL. */
void mailfields_read(struct mailfields *fields, const struct mimeread *m,
                     const struct mailcharset *charsets);

void mailfields_clear(struct mailfields *fields); /* frees what it holds; NULL is let be */

/* Whether a program has sent the message: a null reverse path, a list's fields, Precedence,
 * Auto-Submitted (RFC 3834 5) other than "no", a report. */
bool mailfields_automated(const struct mimeread *m, bool null_sender);

#endif
