#ifndef QM_ESMTP_H
#define QM_ESMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "ehlo.h"
#include "path.h"

/* The parameters of MAIL and RCPT that we know, with their types. */

enum {
    ESMTP_ENVID_SIZE = 101, /* RFC 3461 section 4.4: 100 characters as encoded */
    ESMTP_ORCPT_SIZE = 501, /* RFC 3461 section 4.2: 500 as encoded, the type included */
    ESMTP_ORCPT_TYPE_SIZE = 41,
    ESMTP_AUTH_SIZE = 501, /* RFC 4954 section 5: 500 as encoded */
};

enum esmtp_body { ESMTP_BODY_NONE, ESMTP_BODY_7BIT, ESMTP_BODY_8BITMIME, ESMTP_BODY_BINARYMIME };

enum esmtp_ret { ESMTP_RET_NONE, ESMTP_RET_FULL, ESMTP_RET_HDRS };

/* NOTIFY: 0 when it was not given, else ESMTP_NOTIFY_NEVER alone or a sum of the others. */
enum {
    ESMTP_NOTIFY_NEVER = 1,
    ESMTP_NOTIFY_SUCCESS = 2,
    ESMTP_NOTIFY_FAILURE = 4,
    ESMTP_NOTIFY_DELAY = 8,
};

/* All-zero: no parameter was given. */
struct esmtp_mail {
    bool has_size;
    uint64_t size;        /* octets, RFC 1870 */
    enum esmtp_body body; /* RFC 6152, RFC 3030 */
    bool smtputf8;        /* RFC 6531 */
    bool requiretls;      /* RFC 8689 */
    enum esmtp_ret ret;   /* RFC 3461 */
    bool has_envid;
    char envid[ESMTP_ENVID_SIZE]; /* decoded: printable ASCII */
    bool has_auth;
    char auth[ESMTP_AUTH_SIZE]; /* decoded: UTF-8 without control characters; "" for <> */
    bool has_hold_for;
    uint32_t hold_for_s; /* RFC 4865, 1..999999999 */
    bool has_hold_until;
    int64_t hold_until_s; /* since 1970-01-01 UTC; may be in the past */
};

struct esmtp_rcpt {
    unsigned notify; /* RFC 3461 */
    bool has_orcpt;
    char orcpt_type[ESMTP_ORCPT_TYPE_SIZE]; /* lower case: "rfc822", "utf-8" or another */
    char orcpt[ESMTP_ORCPT_SIZE];           /* decoded: UTF-8 without control characters */
};

/* Reads the parameters of a MAIL command. offered is what this server announced to this client: a
 * parameter of an extension that is not among it is refused as unknown (555 5.5.4); REQUIRETLS in
 * the clear, where it is announced after STARTTLS, with 523 5.7.10; a SIZE above offered->size_max
 * with 552 5.3.4; a bad value, HOLDFOR together with HOLDUNTIL, with 501 5.5.4. Returns 0, or -1
 * with *why filled. */
int esmtp_mail(const struct path *path, const struct ehlo *offered, struct esmtp_mail *out,
               struct path_refusal *why);

/* Likewise for RCPT. */
int esmtp_rcpt(const struct path *path, const struct ehlo *offered, struct esmtp_rcpt *out,
               struct path_refusal *why);

/* Append the parameters as a client sends them, each with a space before it, as far as the server
 * at the other end announced their extensions; whether it may do without the others is for the
 * caller to know. A utf-8 ORCPT is written in ASCII unless the server has SMTPUTF8 (RFC 6533
 * section 3). */
void esmtp_mail_write(struct buf *out, const struct esmtp_mail *mail, const struct ehlo *peer);
void esmtp_rcpt_write(struct buf *out, const struct esmtp_rcpt *rcpt, const struct ehlo *peer);

/* Reads a date and time of RFC 3339 (section 5.6) between the years 1970 and 9999. A fraction of a
 * second is dropped. Returns 0 with the seconds since 1970-01-01 UTC in *seconds, or -1. */
int esmtp_time(struct span text, int64_t *seconds);

/* Appends that moment in UTC: "2024-02-29T12:00:00Z". seconds: 0 .. 253402300799 (the year 9999).
 */
void esmtp_time_write(struct buf *out, int64_t seconds);

#endif
