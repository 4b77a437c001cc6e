#ifndef QM_DNSHOSTS_H
#define QM_DNSHOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns.h"
#include "dnsname.h"

/* The hosts that take a domain's mail, in the order in which to try them (RFC 5321 section 5.1). */

enum dnshosts_status {
    DNSHOSTS_OK,        /* n is at least 1 */
    DNSHOSTS_NULL_MX,   /* the domain says that it takes no mail (RFC 7505): 556 5.1.10 */
    DNSHOSTS_NO_DOMAIN, /* no such domain, or not even a name: 550 5.1.2 */
    DNSHOSTS_NO_HOST,   /* MX records, and none that names a host: 550 5.4.4 */
    DNSHOSTS_SELF,      /* the best host is this system, so its mail would loop: 554 5.4.6 */
    DNSHOSTS_TEMPORARY, /* could not be found out now, or a malformed answer: 451 4.4.3 */
};

struct dnshosts_options {
    const char *const *own_names; /* own_count names of this system; malformed ones match nothing */
    size_t own_count;
    unsigned max; /* hosts at most; 0 is 20 */
    enum dns_turn turn;
};

struct dnshosts_host {
    char name[DNSNAME_TEXT];
    uint16_t preference;
};

struct dnshosts_result {
    enum dnshosts_status status;
    /* The MX records, or that there are none, and all aliases before are DNSSEC-validated. */
    bool authentic;
    bool implicit;             /* no MX records: the domain itself is the host */
    int ede;                   /* extended error of the answer, or DNSEDE_NONE */
    char domain[DNSNAME_TEXT]; /* as asked, in normal form; "" when it is no name */
    char target[DNSNAME_TEXT]; /* the domain with its aliases followed; "" when unknown */
    size_t dropped; /* MX records left out: not a host's name, named twice, or past max */
    size_t pruned;  /* MX records left out because this system or a better one stands there */
    size_t n;
    struct dnshosts_host *list;
    char text[400]; /* for people, unless all is well */
};

/* The result is the receiver's: dnshosts_result_free. */
typedef void (*dnshosts_fn)(struct dnshosts_result *result, void *arg);

struct dnshosts_lookup;

/* Finds the hosts for a domain, a name as dns_lookup takes it (not an address literal). Aliases of
 * the domain are followed. Hosts of equal preference come in random order. MX records whose target
 * is no host's name (an address as text, octets other than letters, digits, '-', '_') are dropped;
 * so are those as good as or worse than this system's own. Without MX records the domain itself is
 * the one host, with preference 0; whether it has addresses is for dnsaddr_find to say. fn is
 * called once from the event loop, never before this returns. options and its names need not live
 * longer than the call. Returns a handle for dnshosts_cancel, valid until fn is called. */
struct dnshosts_lookup *dnshosts_find(struct dns *d, const char *domain,
                                      const struct dnshosts_options *options, dnshosts_fn fn,
                                      void *arg);

/* Forgets the lookup: its callback will not be called. Sets *lookup to NULL; NULL is let pass. To
 * be done before the resolver is closed. */
void dnshosts_cancel(struct dnshosts_lookup **lookup);

/* Frees *result and sets it to NULL; NULL is let pass. */
void dnshosts_result_free(struct dnshosts_result **result);

/* The enhanced code for a domain that cannot be delivered to (RFC 3463, RFC 7505 section 4.2). For
 * DNSHOSTS_OK it is "2.0.0". */
const char *dnshosts_enhanced(enum dnshosts_status status);

#endif
