#ifndef QM_MAILJSON_H
#define QM_MAILJSON_H

#include "buf.h"
#include "jsonwrite.h"
#include "mailcharset.h"
#include "mailfields.h"
#include "mimeread.h"

/* A stored message as the API and the incoming webhook show it. What is empty is "", [] or {},
 * never null; only a date that the message does not have is null. Whether < > & are escaped is the
 * writer's (the webhook escapes them, the API does not). */

/* Writes the part and those in it as a value: {"ContentType", "ContentTypeParams", "ContentID",
 * "ContentDisposition", "Filename", "DecodedSize", "Parts"}. Takes two levels of depth for each
 * multipart within another. */
void mailjson_structure(struct jsonwrite *w, const struct mimeread *m,
                        const struct mimeread_part *part);

/* Writes, into an object that is open, the members of Message: From, To, CC, BCC, ReplyTo,
 * MessageID, References, Date, Subject, Text, HTML. */
void mailjson_message(struct jsonwrite *w, const struct mimeread *m,
                      const struct mailfields *fields, const struct mailcharset *charsets);

/* Writes, into an object that is open, those members of the incoming webhook's payload that come
 * from the message: From, To, CC, BCC, ReplyTo, Subject, MessageID, InReplyTo, References, Date,
 * Text, HTML, Structure. Its References are message ids in the form for comparing. */
void mailjson_incoming(struct jsonwrite *w, const struct mimeread *m,
                       const struct mailfields *fields, const struct mailcharset *charsets);

#endif
