#ifndef QM_DOMAIN_H
#define QM_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "fail.h"

/* Domains as they stand behind the @ of an address: names in their A-label form, and address
 * literals. The stored form is the one to compare, look up and send; U-labels are for people to
 * read. */

enum {
    DOMAIN_MAX = 253,     /* octets of a name as A-labels; more does not fit in a DNS name */
    DOMAIN_TEXT_MAX = 255 /* octets of a domain as a client may write it, RFC 5321 4.5.3.1.2 */
};

/* Whether s is a host name of letters, digits and hyphens: labels of 1..63 octets that neither
 * begin nor end with a hyphen, at most DOMAIN_MAX octets, no trailing dot (RFC 1123 2.1, RFC
 * 5890 2.3.1). */
bool domain_is_ldh(struct span s);

/* Reads a domain name, ASCII or UTF-8, of at most DOMAIN_TEXT_MAX octets. *domain becomes its
 * lower-case A-label form (mem_free). U-labels are mapped by UTS 46, non-transitional, symbols
 * included (which IDNA2008 does without); what comes out must pass domain_is_ldh, because libidn2
 * alone lets characters through that no host name has. A name that is ASCII already is not judged
 * by IDNA: whether an odd "xn--" label exists is for the DNS to say. Returns 0, or -1 with *domain
 * NULL. */
int domain_parse(struct span text, char **domain, struct fail *f);

/* Reads an address literal with its brackets: "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC
 * 5321 4.1.3). *domain becomes its one canonical spelling, brackets included (mem_free). Returns 0,
 * or -1 with *domain NULL. */
int domain_parse_literal(struct span text, char **domain, struct fail *f);

/* Whether a stored domain is an address literal. */
bool domain_is_literal(const char *domain);

/* Appends a stored domain with U-labels in place of A-labels, for people and for SMTPUTF8 messages.
 * A name whose U-labels would not lead back to the same A-labels is written as it is stored. */
void domain_write_unicode(struct buf *out, const char *domain);

#endif
