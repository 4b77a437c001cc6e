#ifndef QM_SIGNER_H
#define QM_SIGNER_H

#include <stdbool.h>

#include <event2/event.h>

#include "buf.h"
#include "dkim.h"
#include "ipc.h"

/* DKIM signing as smtpd and webapi do it: the field is built here, the signature comes from the
 * vault, for every key that the domain has. */

struct signer;
struct signer *signer_new(struct event_base *base);
void signer_free(struct signer **s); /* no job may be left */

/* The vault is there, or has a new configuration: learns which keys there are. The channel stays
 * the caller's; tell the signer by NULL before it is freed. */
void signer_use(struct signer *s, struct ipc *vault);

/* The context for dkim_body_new: hash the body (DKIMCANON_RELAXED) as it passes. */
struct dkim *signer_dkim(struct signer *s);

/* Whether there is anything to sign with. True, too, while the vault has not told its keys: then
 * signing fails. */
bool signer_has_key(const struct signer *s, const char *domain);

/* fields: complete DKIM-Signature fields, CRLF-ended, to be put before the message; valid during
 * the call. why is NULL, or a sentence and fields empty: the message must not go out unsigned.
 * never: this header cannot be signed at all (dkim_prepare), so that it is no use to try again
 * later. Never comes before signer_sign returns. */
typedef void signer_on_fields(void *arg, struct span fields, const char *why, bool never);
struct signer_job;
/* header and body_hash are used before it returns. now_s: for t=. Handle for signer_cancel, valid
 * until on_fields. */
struct signer_job *signer_sign(struct signer *s, const char *domain, struct span header,
                               const unsigned char body_hash[DKIM_DIGEST], int64_t now_s,
                               signer_on_fields *on_fields, void *arg);
void signer_cancel(struct signer_job **job); /* on_fields will not come; NULL is let be */

#endif
