#ifndef QM_SMTPD_CLIENTS_H
#define QM_SMTPD_CLIENTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "buf.h"

/* How many connections each client has: an IPv4 address, an IPv6 network of 64 bits (one customer
 * has at least that much), or a user of this machine. */

struct clients;
struct client;

struct clients *clients_new(void);
void clients_free(struct clients **c); /* nobody may be counted any more; NULL is let be */

/* Counts one connection of the peer with this address (AF_INET, AF_INET6). Returns where it is
 * counted, for clients_leave; NULL when the client has max connections already. */
struct client *clients_enter(struct clients *c, const struct sockaddr *peer, unsigned max);
/* Likewise for a user of this machine. */
struct client *clients_enter_user(struct clients *c, uint32_t uid, unsigned max);
/* One connection less. *client becomes NULL; it may be NULL. */
void clients_leave(struct clients *c, struct client **client);

/* How many clients have at least one connection. */
size_t clients_count(const struct clients *c);

#endif
