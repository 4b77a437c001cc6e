#ifndef QM_HTTPLIMIT_H
#define QM_HTTPLIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* How often something may happen per network: failed authentications, or requests. Three networks
 * around an address are counted, each with its own limit, so that a whole provider's range gets
 * only a few times what one address gets: IPv4 /32, /26, /21 and IPv6 /64, /48, /32. Two windows
 * are counted at once, both fixed and aligned to the epoch (a minute begins when the wall clock
 * says so).
 *
 * Memory is fixed at the start. When more networks show up than fit, those that were seen once make
 * room; if the place they would take is held by heavier ones, newcomers share one count (per window
 * and network size) that has the limit of a single network, so a flood of addresses ends in
 * refusals, not in growth and not in a way around the limit. Where an address lands depends on a
 * random key.
 *
 * Addresses that are not IP (a local socket's) are never limited. IPv4-mapped IPv6 counts as IPv4.
 */

#define HTTPLIMIT_WINDOWS 2
#define HTTPLIMIT_NETWORKS 3

struct httplimit_window {
    int64_t ms;                          /* length, above 0 */
    uint32_t limits[HTTPLIMIT_NETWORKS]; /* how often in one window, narrowest network first */
};

/* Per minute 10/30/90 and per 24 h 50/150/450. */
extern const struct httplimit_window httplimit_failed_auth[HTTPLIMIT_WINDOWS];
/* Per minute 1000/3000/9000 and per hour 5000/15000/45000. */
extern const struct httplimit_window httplimit_requests[HTTPLIMIT_WINDOWS];

struct httplimit;

/* windows must outlive the result. networks is how many can be told apart in each window at each
 * size, rounded up to a power of two, at least 8; 16 octets each, times six. The caller frees it.
 */
struct httplimit *httplimit_new(const struct httplimit_window windows[HTTPLIMIT_WINDOWS],
                                size_t networks);
void httplimit_free(struct httplimit **l);

/* Whether n more are within all limits; counts nothing. now_ms is wall time since the epoch, here
 * and below; it may go back, which opens the older window anew. */
bool httplimit_allows(const struct httplimit *l, const struct sockaddr *ip, int64_t now_ms,
                      uint32_t n);

/* As httplimit_allows with a number for each network, narrowest first. */
bool httplimit_allows_each(const struct httplimit *l, const struct sockaddr *ip, int64_t now_ms,
                           const uint32_t n[HTTPLIMIT_NETWORKS]);

/* How many of their networks two addresses have in common: HTTPLIMIT_NETWORKS if even the narrowest
 * is the same, 1 if only the widest is, 0 if none is or one of them is not IP. */
unsigned httplimit_common(const struct sockaddr *a, const struct sockaddr *b);

/* Counts n if they are within all limits and returns true; otherwise counts nothing and returns
 * false. */
bool httplimit_add(struct httplimit *l, const struct sockaddr *ip, int64_t now_ms, uint32_t n);

/* A success: what the narrowest network has counted in the windows of now is taken off all three.
 */
void httplimit_reset(struct httplimit *l, const struct sockaddr *ip, int64_t now_ms);

#endif
