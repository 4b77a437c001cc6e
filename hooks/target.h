#ifndef QM_TARGET_H
#define QM_TARGET_H

#include <stdbool.h>

#include <sys/socket.h>

/* Which addresses a webhook may be sent to. A URL comes from whoever may configure an account;
 * without a rule it would reach what only this machine can: metadata services, databases on
 * loopback, the neighbours in a private network. */

/* Whether the address is one of the public network. Not so: loopback, unspecified ("this host",
 * 0/8), private (RFC 1918), shared (100.64/10), link-local, benchmark, documentation and reserved
 * nets, multicast, broadcast; unique local and link-local IPv6; and every IPv6 address that stands
 * for such an IPv4 one: mapped, compatible, NAT64, 6to4, Teredo. */
bool target_is_public(const struct sockaddr *sa);

/* The same of an address as text ("192.0.2.1", "2001:db8::1"). What is none is not public. */
bool target_is_public_text(const char *ip);

#endif
