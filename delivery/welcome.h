#ifndef QM_WELCOME_H
#define QM_WELCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "dnsaddr.h"
#include "memo.h"

/* Over which address family a host does not want us, as it turned out. Either it refused over that
 * one as a matter of policy and took mail over the other: the next messages begin with the other.
 * Or it puts mail off over it, again and again. That may be greylisting, which wants to see the
 * same connection once more; or it may not like our address of that family. So each family has two
 * attempts in a row, then the other has two. */

#define WELCOME_HOSTS 2048                /* remembered; the oldest make room */
#define WELCOME_MS (INT64_C(4) * 3600000) /* for so long */

/* Empty, for so many hosts. */
struct memo *welcome_new(unsigned max);

/* family: AF_INET or AF_INET6; what was remembered of the host's refusals is replaced. now_ms:
 * monotonic. */
void welcome_refused(struct memo *w, const char *host, int family, int64_t now_ms);
/* At this address the host said 4xx, or fell silent, and took nothing. again: to a message that was
 * tried before; first attempts come in any number, and together count as the first of the two. */
void welcome_deferred(struct memo *w, const char *host, const struct dnsaddr *at, bool again,
                      int64_t now_ms);
/* The host took mail over this family: it is not remembered as unwelcome. */
void welcome_taken(struct memo *w, const char *host, int family);
/* The family to be left for the end; 0 when both are the same. */
int welcome_last(const struct memo *w, const char *host, int64_t now_ms);
/* Puts the n addresses of the host in the order in which to try them: those of the family that does
 * not want us to the end, the rest as they are. Where a family is in the middle of its two attempts
 * the address of the first comes before the others of it. */
void welcome_order(const struct memo *w, const char *host, struct dnsaddr *list, size_t n,
                   int64_t now_ms);

#endif
