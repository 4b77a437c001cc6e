#ifndef QM_DSNREAD_H
#define QM_DSNREAD_H

#include <stdbool.h>
#include <stddef.h>

#include "dsncode.h"
#include "mailcharset.h"
#include "mimeread.h"

/* Reads what other systems send back about mail of ours: delivery status notifications (RFC 3464,
 * RFC 6533), as they are rather than as they should be, and the bounces of programs that write
 * none. Who sent it is not asked here: anybody can write such a thing. */

enum {
    DSNREAD_RECIPIENTS_MAX = 1000, /* kept; one message has no more recipients with most servers */
    DSNREAD_STATUS_MAX = 1048576,  /* octets of the fields for programs that are looked at */
    DSNREAD_TEXT_MAX = 2048        /* octets of a text that are kept */
};

enum dsnread_kind {
    DSNREAD_NONE,   /* no report on a delivery */
    DSNREAD_REPORT, /* fields for programs: message/delivery-status or global-delivery-status */
    DSNREAD_BOUNCE  /* a text in the form of qmail, Exim or Sendmail */
};

enum dsnread_action {
    DSNREAD_UNCLEAR, /* neither an action of RFC 3464 2.3.3 nor a status that would tell */
    DSNREAD_FAILED,
    DSNREAD_DELAYED,
    DSNREAD_DELIVERED,
    DSNREAD_RELAYED,
    DSNREAD_EXPANDED
};

/* Texts are UTF-8 without control characters, never NULL, "" for none. */
struct dsnread_recipient {
    enum dsnread_action action;
    struct dsncode code;   /* of the diagnostic, completed from the status */
    char *final;           /* the address, without its type and angle brackets */
    char *original;        /* what ORCPT said, the same */
    char *remote_mta;      /* host name, without its type */
    char *diagnostic_type; /* lower case: "smtp", "x-unix", "x-postfix" */
    char *diagnostic;      /* on one line */
    char *status;          /* as it stands */
};

struct dsnread {
    enum dsnread_kind kind;
    char *reporting_mta; /* without its type; "": not told */
    char *envelope_id;   /* Original-Envelope-Id; "": none */
    struct dsnread_recipient *recipients;
    size_t n, room;
};

/* Reads the message that m was read from. The report may be any part of it, in any transfer
 * encoding. Without Reporting-MTA, with fields repeated (the first counts; a second
 * Final-Recipient begins the next recipient), of other types than RFC 3464 names, or without the
 * empty lines between recipients it is read all the same. *d is overwritten, and the caller's to
 * clear; its recipients may be none even in a report. charsets may be NULL. */
void dsnread_parse(struct dsnread *d, const struct mimeread *m, const struct mailcharset *charsets);

void dsnread_clear(struct dsnread *d); /* frees what it holds; all-zero again; NULL is let be */

/* Adds a recipient without texts. NULL: there are DSNREAD_RECIPIENTS_MAX. Valid until the next is
 * added. */
struct dsnread_recipient *dsnread_add(struct dsnread *d);

/* Puts a copy of the text in *to's place, cut at DSNREAD_TEXT_MAX, control characters replaced. */
void dsnread_set(char **to, struct span text);

/* "failed", "delayed", "delivered", "relayed", "expanded"; "" for DSNREAD_UNCLEAR. */
const char *dsnread_action_name(enum dsnread_action action);

#endif
