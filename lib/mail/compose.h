#ifndef QM_COMPOSE_H
#define QM_COMPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "buf.h"
#include "composed.h"
#include "fail.h"
#include "mimepart.h"

/* Makes a whole message of its elements, as an application gives them. */

enum {
    COMPOSE_NAME_MAX = 90 /* octets of the name of a field of the caller's */
};

struct compose_mailbox {
    struct span name; /* display name, UTF-8; may be empty */
    const struct address *address;
};

struct compose_mailboxes {
    const struct compose_mailbox *list;
    size_t n;
};

struct compose_field {
    struct span name, value;
};

struct compose_files {
    const struct mimepart_file *list;
    size_t n;
};

/* All texts are UTF-8. The caller keeps everything; after compose_message only what the files' data
 * and descriptors point to is needed. */
struct compose {
    struct compose_mailboxes from; /* at least one */
    struct compose_mailboxes reply_to, to, cc;
    bool smtputf8; /* a recipient who is not in the header needs SMTPUTF8 */
    struct span subject;
    struct span message_id;        /* with <>; empty: generated */
    const struct span *references; /* message ids, oldest first; the last is what is replied to.
                                      Those that are none that can be written are left out */
    size_t n_references;
    const struct compose_field *fields; /* further fields, in this order */
    size_t n_fields;
    struct span text, html;           /* lines ended by LF or CRLF; not both empty */
    struct compose_files alternative; /* further forms of the text */
    struct compose_files inlined;     /* what the HTML refers to */
    struct compose_files attached;
    int64_t date_ms; /* with the offset to write it in, as for maildate_write */
    int zone_min;
    const char *hostname;   /* for the generated message id */
    struct span user_agent; /* for the User-Agent field; empty: "quartermaster/<version>" */
    size_t max_size;        /* octets the message may have; 0: any number */
};

enum compose_refusal {
    COMPOSE_NO_BODY,        /* neither text nor HTML */
    COMPOSE_BAD_MESSAGE_ID, /* not <...> */
    COMPOSE_BAD_VALUE,      /* a control character, not UTF-8, a field given twice, ... */
    COMPOSE_TOO_LARGE
};

/* Writes the message into out, which is overwritten and the caller's to clear with composed_clear.
 * The fields come in this order: From, Reply-To, To, Cc, Subject, Date, Message-Id, References,
 * In-Reply-To, MIME-Version, those in fields, User-Agent, then those of MIME. Only as many
 * multiparts as are needed, nested mixed > related > alternative.
 *
 * The header is ASCII unless a local part needs SMTPUTF8 (or smtputf8 is set); then all of it is
 * UTF-8. A field of the caller's stays as given if it can, else it is encoded (RFC 2047) or folded.
 * It is refused when the message has that field already and may have only one (RFC 5322 3.6), and
 * Bcc always; In-Reply-To takes the place of the one made from references.
 *
 * Returns 0, or -1 with *why and out all-zero. */
int compose_message(const struct compose *in, struct composed *out, enum compose_refusal *why,
                    struct fail *f);

#endif
