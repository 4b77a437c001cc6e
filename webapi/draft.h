#ifndef QM_DRAFT_H
#define QM_DRAFT_H

#include <stdint.h>

#include "codes.h"
#include "compose.h"
#include "conf.h"
#include "jsonbind.h"
#include "proto_submit.h"

/* From the request of Send to a message and its envelope, without asking anybody. */

#define DRAFT_FUTURE_DAYS 60 /* how far ahead FutureRelease may be */
#define DRAFT_HEADERS_MAX 1000

struct draft_mailbox {
    struct span name, address;
};

struct draft_header {
    struct span words[2]; /* name, value */
};

struct draft_file {
    struct span name, content_type, content_id, data; /* data: base64 */
};

struct draft_time {
    int64_t ms;
    int zone_min;
};

/* The request as the table draft_fields binds it. All-zero are its defaults. */
struct draft_request {
    struct jsonbind_array from, to, cc, bcc, reply_to; /* struct draft_mailbox */
    struct span message_id;
    struct jsonbind_array references; /* struct span */
    struct draft_time *date;          /* NULL: now */
    struct span subject, text, html;
    struct jsonbind_array extra;                          /* struct jsonbind_pair */
    struct jsonbind_array headers;                        /* struct draft_header */
    struct jsonbind_array alternative, inlined, attached; /* struct draft_file */
    bool *require_tls;                                    /* NULL: by policy */
    struct draft_time *future_release;                    /* NULL: at once */
    bool save_sent;
};

extern const struct jsonbind_field draft_fields[];

/* Who sends, and within which bounds. */
struct draft_context {
    const struct conf *conf;
    const struct conf_block *account;
    const char *login; /* the address that was logged in with */
    const char *hostname;
    const char *client; /* how it came in, for the envelope */
    size_t max_size;    /* octets of a message */
    size_t max_recipients;
    int64_t now_ms;
    int zone_min; /* of this server, for the date */
    struct compose_files alternative, inlined,
        attached; /* uploads; they come behind those of the request */
};

/* What is to be sent. The caller ends it with draft_clear, having taken out what it needs. */
struct draft {
    struct composed composed; /* its files are where request and uploads have them */
    struct submit_envelope *envelope;
    char *domain;   /* of From */
    struct buf bcc; /* the field Bcc, for the copy that the sender keeps; empty without one, and
                       where no copy is wished for */
    struct address recipient; /* the only one; all-zero when there are several */
};

/* Checks the request, in the order that clients know, and composes. Returns 0, or -1 with why and
 * *draft all-zero. */
int draft_make(const struct draft_request *request, const struct draft_context *context,
               struct draft *draft, struct refusal *why);

void draft_clear(struct draft *draft); /* all-zero again */

#endif
