#ifndef QM_DSN_H
#define QM_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "buf.h"

/* Delivery status notifications: multipart/report of RFC 6522 with the fields of RFC 3464, what RFC
 * 3461 section 6 asks of them, and the forms of RFC 6533 for mail that needs SMTPUTF8. A
 * notification is sent from the null address. */

enum {
    DSN_REPLY_MAX = 65536,   /* octets of one remote reply that are quoted; the rest is left out */
    DSN_RETURN_MAX = 102400, /* octets of the original's header, or of the original, sent back */
};

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

/* What became of one recipient. Texts may come from strangers: whatever cannot stand in a
 * notification is escaped ("\xNN"), or replaced in a comment of the fields for programs. */
struct dsn_recipient {
    const struct address *address;
    struct span original; /* of ORCPT, decoded: "rfc822;Bob@example.org"; empty: not given */
    enum dsn_action action;
    struct span status; /* the enhanced status code "5.1.1"; empty: unknown. Its class is not used:
                         * that is the action's */
    struct span reason; /* our own short text on what happened; may be empty */
    /* The remote host's whole reply, each line with its code and without its line end; none when no
     * remote host has replied. */
    const struct span *reply;
    size_t n_reply;
    struct span remote_host; /* name of the host that was tried last; empty: none */
    struct span remote_ip;   /* and its address */
    int64_t last_attempt_ms; /* 0: never tried */
    int64_t retry_until_ms;  /* of a delayed one; 0: not known */
};

struct dsn {
    const char *hostname;       /* the reporting host */
    const struct address *from; /* for From: postmaster or MAILER-DAEMON here */
    const struct address *to;   /* the original's sender */
    const struct dsn_recipient *recipients;
    size_t n_recipients; /* at least one */
    struct span header;  /* the original's header */
    /* The whole original, to be sent back if it is small and well formed. Empty: only the header
     * is. */
    struct span message;
    struct span envelope_id;    /* of ENVID, decoded; empty: not given */
    struct span received_from;  /* name of the host it came from; empty: not told */
    struct span received_ip;    /* and its address; empty: not told */
    struct span future_release; /* "until;2026-01-02T15:04:05Z", RFC 4865; empty: not asked for */
    int64_t arrival_ms;         /* when the original arrived; 0: not told */
    int64_t now_ms;
    /* Who sent the original, where to is somebody else, who is told of it: the null sender is "".
     * NULL: it was to. */
    const char *sender;
    int zone_min;  /* offset for all dates, as for maildate_write */
    bool smtputf8; /* the original needed SMTPUTF8: the notification is made in the forms of RFC
                    * 6533, and needs it too. So it is when to needs it */
};

struct dsn_message {
    struct buf message; /* CRLF line ends, no line over 998 octets */
    char *message_id;   /* with <> */
    bool has_8bit;
    bool needs_smtputf8;
};

/* Writes the notification into out, which is overwritten and the caller's to clear. It never
 * fails. */
void dsn_compose(const struct dsn *in, struct dsn_message *out);

void dsn_clear(struct dsn_message *out); /* frees what it holds; NULL is let be */

#endif
