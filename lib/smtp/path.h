#ifndef QM_PATH_H
#define QM_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* The arguments of MAIL and RCPT (RFC 5321 sections 4.1.1.2, 4.1.1.3, 4.1.2): a path and
 * parameters. The mailbox is cut out whole; what is in it is for the parser of addresses. */

enum {
    PATH_PARAMS = 32,       /* parameters of one command */
    PATH_MAILBOX_MAX = 512, /* octets; a localpart of 64 may be quoted octet by octet */
    PATH_REFUSAL_SIZE = 160,
};

enum path_kind { PATH_MAIL, PATH_RCPT };

struct path_param {
    struct span keyword; /* letters, digits and dashes */
    struct span value;   /* without spaces and control characters; may hold octets above 127 */
    bool has_value;      /* there was a "=" */
};

struct path {
    struct span mailbox; /* between < and >, without a source route; empty for <> */
    bool null;           /* <> */
    bool postmaster;     /* postmaster without a domain, in any case */
    bool eight_bit;      /* the mailbox holds an octet above 127 */
    /* What is tolerated, for a server that would rather not: */
    bool spaced; /* a space between the colon and the path */
    bool bare;   /* no < and > */
    bool routed; /* a source route was dropped */
    struct path_param params[PATH_PARAMS];
    size_t count;
};

/* Why a command is refused, as the reply to give. */
struct path_refusal {
    int code;             /* 500..599 */
    const char *enhanced; /* a constant */
    char text[PATH_REFUSAL_SIZE];
};

/* Parses what follows the verb: "FROM:<path> parameters" for PATH_MAIL, "TO:<path> parameters" for
 * PATH_RCPT, where <> is refused. The spans point into argument. A keyword given twice, more than
 * PATH_PARAMS of them or a malformed one is refused with 501 5.5.4, a malformed path with 501 5.1.7
 * or 501 5.1.3. Returns 0, or -1 with *why filled. */
int path_parse(enum path_kind kind, struct span argument, struct path *out,
               struct path_refusal *why);

/* Whether octets above 127 in the path are in order: only with SMTPUTF8 (else 553 5.6.7, RFC 6531
 * section 3.5), and only as well-formed UTF-8 (else 501). Returns 0, or -1 with *why filled. */
int path_check_eight_bit(enum path_kind kind, const struct path *path, bool smtputf8,
                         struct path_refusal *why);

/* Fills *why; text is a format, cut at the array's end. Always returns -1. */
int path_refuse(struct path_refusal *why, int code, const char *enhanced, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
