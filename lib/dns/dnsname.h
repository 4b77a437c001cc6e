#ifndef QM_DNSNAME_H
#define QM_DNSNAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* Domain names. As text: A-labels of letters, digits, '-' and '_', joined by dots, lower case, no
 * final dot. As octets: the wire form of RFC 1035 section 3.1. Nothing here knows a search list:
 * every name is absolute. */

#define DNSNAME_TEXT 254 /* room for the longest name as text: 253 characters and a NUL */

/* The wire form without compression, lower case, the root label included: n is 1 .. 255. */
struct dnsname {
    size_t n;
    unsigned char p[255];
};

/* Writes text, lower-cased and without its final dot, to out. Returns 0, or -1 (out is then "")
 * when it is no name: empty, the root, an empty label, a label above 63 characters, above 253
 * characters in all, or an octet other than ASCII letters, digits, '-' and '_'. A U-label is such a
 * failure: convert it first. */
int dnsname_normal(const char *text, char out[static DNSNAME_TEXT]);

/* The wire form of text, for which the rules of dnsname_normal hold. Returns 0, or -1. */
int dnsname_parse(const char *text, struct dnsname *name);

/* Takes over a name in wire form that must fill the span exactly, without compression pointers; any
 * octets may stand in its labels. Returns 0, or -1 when it is malformed. */
int dnsname_take(struct span wire, struct dnsname *name);

/* Writes the name as text to out; the root is "". Returns 0, or -1 (out is then "") when a label
 * holds an octet that text may not hold (see dnsname_normal): such a name is never shown to
 * anybody. */
int dnsname_text(const struct dnsname *name, char out[static DNSNAME_TEXT]);

/* Whether two names in normal form are the same. */
bool dnsname_equal(const struct dnsname *a, const struct dnsname *b);

/* Below, at or above 0 as a stands before, at or behind b in some fixed order, for search trees. */
int dnsname_compare(const struct dnsname *a, const struct dnsname *b);

/* Whether a name, as dnsname_normal wrote it, can be a host to connect to: not an IPv4 address
 * written as a name (a last label of digits alone, RFC 1123 section 2.1, RFC 3696 section 2). '_'
 * is let pass: such hosts exist. */
bool dnsname_is_host(const char *normal);

/* Writes the name under which an address is listed in a reverse zone. family is AF_INET or
 * AF_INET6, address its 4 or 16 octets in network order. zone is the zone, as text, or NULL for the
 * one that PTR records live in: in-addr.arpa (RFC 1035 section 3.5) or ip6.arpa (RFC 3596
 * section 2.5); with another zone it is the form that DNS lists use (RFC 5782 section 2). Returns
 * 0, or -1 (out is then "") when the zone is no name or the result is too long. */
int dnsname_reverse(int family, const void *address, const char *zone,
                    char out[static DNSNAME_TEXT]);

#endif
