#ifndef QM_DKIM_H
#define QM_DKIM_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "dkimcanon.h"
#include "fail.h"

/* DKIM signatures, RFC 6376 and RFC 8463, all but the private key's part: a message is hashed as it
 * passes, dkim_prepare makes the digest to be signed, whoever holds the key signs it (dkimkey.h),
 * and dkim_finish makes the field. */

enum {
    DKIM_DIGEST = 32,       /* octets of SHA-256 */
    DKIM_FIELDS_MAX = 2000, /* fields in a header that can be signed */
    DKIM_SAME_MAX = 20      /* fields of one name among those that are signed */
};

enum dkim_algorithm { DKIM_RSA_SHA256, DKIM_ED25519_SHA256 };

/* "rsa-sha256" or "ed25519-sha256". */
const char *dkim_algorithm_name(enum dkim_algorithm algorithm);

/* What is set up once for many messages; one thread at a time. */
struct dkim;
struct dkim *dkim_new(void);        /* never fails */
void dkim_free(struct dkim **dkim); /* *dkim may be NULL, and is afterwards */

/* A body being hashed. The dkim it was made with must outlive it. */
struct dkim_body;
struct dkim_body *dkim_body_new(struct dkim *dkim, enum dkimcanon how); /* never fails */
void dkim_body_update(struct dkim_body *body, struct span octets);      /* the next of it */
/* The hash; afterwards the body can only be freed. */
void dkim_body_final(struct dkim_body *body, unsigned char digest[DKIM_DIGEST]);
void dkim_body_free(struct dkim_body **body); /* as dkim_free */

/* Who signs. Texts are ASCII, A-labels where they are domains. */
struct dkim_signer {
    const char *domain, *selector;
    enum dkim_algorithm algorithm;
    int64_t time;    /* seconds since 1970, for t= */
    int64_t expires; /* likewise, for x=; 0: never */
};

struct dkim_pending {
    struct buf field; /* "DKIM-Signature: ... b=" */
    unsigned char digest[DKIM_DIGEST];
};

/* Makes a signature over a header, relaxed/relaxed. body_hash is that of the relaxed body. Signed
 * are From, To, Cc, Subject, Date, Message-ID, Reply-To, References, In-Reply-To, MIME-Version,
 * Content-Type and Content-Transfer-Encoding, each once more than it is there, so that none can be
 * added (RFC 6376 5.4.2). p is overwritten and the caller's to clear. Returns 0; or -1 with p
 * all-zero when the header has no From or too many fields. */
int dkim_prepare(struct dkim *dkim, const struct dkim_signer *signer, struct span header,
                 const unsigned char body_hash[DKIM_DIGEST], struct dkim_pending *p,
                 struct fail *f);

/* Appends the finished field, folded, CRLF at its end. signature is that of p->digest, raw. */
void dkim_finish(const struct dkim_pending *p, struct span signature, struct buf *out);

void dkim_pending_clear(struct dkim_pending *p); /* NULL is let be */

/* The digest a signature is made of (RFC 6376 3.7): the fields of header in the order of names (one
 * that comes again means the next one from below, one that is not there nothing), then
 * signature_field, the DKIM-Signature field with an empty b= and no line end. Returns 0, or -1 when
 * the header has more than DKIM_FIELDS_MAX fields. */
int dkim_header_digest(struct dkim *dkim, enum dkimcanon how, struct span header,
                       const struct span *names, size_t n, struct span signature_field,
                       unsigned char digest[DKIM_DIGEST], struct fail *f);

#endif
