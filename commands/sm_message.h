#ifndef QM_SM_MESSAGE_H
#define QM_SM_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "addrlist.h"
#include "buf.h"
#include "fail.h"

/* What is done to a message before it goes to the queue: its lines end in CR LF already. */

/* How many octets of text are lines of a mailbox file that some callers put before the header:
 * "From " and ">From ". */
size_t sm_message_from_lines(struct span text);

/* The sender that the first such line tells, as UUCP's rmail gets it: "From a!user Thu Jan  1
 * 00:00:00 1970 remote from b". Bang paths become user@first-host, a bare name gets the host behind
 * "remote from". *text is "" for the null sender. mem_free; NULL when line tells nothing. */
char *sm_message_rmail_sender(struct span line);

struct sm_parts {
    struct span header; /* complete lines, without the empty one behind them */
    struct span body;
};

/* Where header and body are in text. A line that can be no header field begins the body, with or
 * without an empty line before it. */
struct sm_parts sm_message_split(struct span text);

/* Appends the mailboxes of To, Cc and Bcc; if there is any of Resent-To, Resent-Cc and Resent-Bcc,
 * those of these instead (RFC 5322 section 3.6.6). Returns 0, or -1 with a sentence when a field
 * does not read as a list of addresses; list is then to be thrown away. */
int sm_message_recipients(struct span header, const char *default_domain, struct addrlist *list,
                          struct fail *f);

struct sm_author {
    const struct address *address;
    struct span name;   /* UTF-8; empty for none */
    const char *domain; /* of addresses that have none */
    int64_t date_ms;    /* with its offset, as for maildate_write */
    int zone_min;
};

/* Appends the header as it is to be sent: without Bcc and Resent-Bcc; with a From field of author
 * when it has none; in a message sent on (it has a Resent- field) with Resent-From and Resent-Date
 * likewise; with a domain behind addresses in the fields of RFC 5322 sections 3.6.2, 3.6.3
 * and 3.6.6 that have none; with U+FFFD for each octet that is not UTF-8. author NULL: it stays as
 * it is, but for Bcc. What else a message needs is added by the server. */
void sm_message_header(struct buf *out, struct span header, const struct sm_author *author);

#endif
