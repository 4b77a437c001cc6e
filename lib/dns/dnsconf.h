#ifndef QM_DNSCONF_H
#define QM_DNSCONF_H

#include "buf.h"
#include "dns.h"
#include "fail.h"

/* Fills in settings of the resolver from text that somebody else has read. */

/* Adds a server: "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353", with
 * "%interface" behind a link-local address; port 53 when none is given. Returns 0, or -1 with a
 * sentence when it is no such text or there are DNS_SERVERS_MAX servers already. */
int dnsconf_server(struct dns_settings *settings, const char *text, struct fail *f);

/* Takes over what the text of a resolv.conf(5) says: its nameserver lines, and of its options
 * timeout:n (1 .. 30 seconds), attempts:n (1 .. 5) and trust-ad. All else is passed over, the
 * search list too: names of mail are absolute. No nameserver line means 127.0.0.1, as it does to
 * the C library; servers past DNS_SERVERS_MAX are left out. Returns 0, or -1 with a sentence that
 * names the line. */
int dnsconf_resolv(struct dns_settings *settings, struct span text, struct fail *f);

#endif
