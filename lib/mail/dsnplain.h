#ifndef QM_DSNPLAIN_H
#define QM_DSNPLAIN_H

#include "dsnread.h"

/* Bounces without fields for programs, by their texts:
 *
 * - qmail and its offspring: the text begins "Hi. This is the", then a paragraph for each recipient
 *   that begins "<address>:";
 * - Exim: the header field X-Failed-Recipients, and for each of these an indented paragraph;
 * - Sendmail before version 8.7 and what writes like it: "----- The following addresses had
 *   permanent fatal errors -----", the addresses, and a transcript of the conversation.
 */

/* Fills d, which is as dsnread_parse begins with it, when the message is one of these, and sets its
 * kind. */
void dsnplain_read(struct dsnread *d, const struct mimeread *m, const struct mailcharset *charsets);

/* Completes a report whose fields have no diagnostic, as those of OpenSMTPD, which says what the
 * server replied in the text alone: a line "address: 550 5.1.1 No such user". */
void dsnplain_complete(struct dsnread *d, const struct mimeread *m,
                       const struct mailcharset *charsets);

#endif
