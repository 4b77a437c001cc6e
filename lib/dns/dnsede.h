#ifndef QM_DNSEDE_H
#define QM_DNSEDE_H

#include <stdbool.h>

#include "buf.h"

/* Extended DNS errors (RFC 8914): why a resolver has no better answer. */

#define DNSEDE_NONE (-1)

/* The INFO-CODE of the first extended error in the data of an OPT record (RFC 6891 section 6.1.2:
 * code, length, octets, repeated), or DNSEDE_NONE when there is none or the options are malformed.
 * The first is taken because resolvers put the most telling one there; EXTRA-TEXT is a stranger's
 * prose and is passed over. */
int dnsede_find(struct span options);

/* What the code stands for, as its registry puts it, or "Unknown Error". */
const char *dnsede_name(int code);

/* Whether the code says that DNSSEC validation failed, which an attacker may have brought about,
 * rather than that something is broken or forbidden. */
bool dnsede_is_authentication(int code);

#endif
