#ifndef QM_VERB_H
#define QM_VERB_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

/* Command lines as a server reads them (RFC 5321 section 4.1). */

enum verb {
    VERB_UNKNOWN,
    VERB_EHLO,
    VERB_HELO,
    VERB_LHLO, /* RFC 2033 */
    VERB_MAIL,
    VERB_RCPT,
    VERB_DATA,
    VERB_BDAT, /* RFC 3030 */
    VERB_RSET,
    VERB_NOOP,
    VERB_QUIT,
    VERB_VRFY,
    VERB_EXPN,
    VERB_HELP,
    VERB_STARTTLS, /* RFC 3207 */
    VERB_AUTH,     /* RFC 4954 */
};

enum verb_argument { VERB_ARGUMENT_NONE, VERB_ARGUMENT_OPTIONAL, VERB_ARGUMENT_NEEDED };

struct verb_rule {
    const char *name;
    enum verb_argument argument;
    /* A client has to wait for the reply before it sends anything else (RFC 2920 section 3.1, RFC
     * 3207, RFC 4954): input that came along with such a command came too early. */
    bool ends_group;
};

/* The rule of a verb. For VERB_UNKNOWN: name "", argument optional, ends_group false. Never NULL.
 */
const struct verb_rule *verb_rule(enum verb verb);

struct verb_line {
    enum verb verb;
    struct span name;     /* as it was sent */
    struct span argument; /* without spaces around it; empty if there is none */
    bool control;         /* a control character (NUL and tab among them) is in the line */
    bool eight_bit;       /* an octet above 127 is in the line */
};

/* Splits a line, without its CR LF, at the first space. The verb is recognised in any case.
 * Trailing spaces and tabs are dropped (RFC 5321 section 4.1.1). Always fills *out; the spans point
 * into line. */
void verb_parse(struct span line, struct verb_line *out);

/* Whether the argument is there or missing as the verb demands. */
bool verb_argument_fits(const struct verb_line *line);

/* BDAT's argument: "<octets>[ LAST]" (RFC 3030 section 2). Returns 0 or -1. */
int verb_bdat(struct span argument, uint64_t *octets, bool *last);

/* AUTH's argument: "<mechanism>[ <initial response>]" (RFC 4954 section 4). *initial is the base64
 * text, not decoded; empty with *has_initial true for "=". Returns 0 or -1. */
int verb_auth(struct span argument, struct span *mechanism, struct span *initial,
              bool *has_initial);

#endif
