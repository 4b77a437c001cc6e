#ifndef QM_WELCOME_H
#define QM_WELCOME_H

#include <stdint.h>

#include "memo.h"

/* Over which address family a host does not want us, as it turned out: it refused over that one as
 * a matter of policy and took mail over the other. The next messages begin with the other. */

#define WELCOME_HOSTS 2048                /* remembered; the oldest make room */
#define WELCOME_MS (INT64_C(4) * 3600000) /* for so long */

/* Empty, for so many hosts. */
struct memo *welcome_new(unsigned max);

/* family: AF_INET or AF_INET6; what was remembered of the host is replaced. now_ms: monotonic. */
void welcome_refused(struct memo *w, const char *host, int family, int64_t now_ms);
/* The host took mail over this family: it is not remembered as unwelcome. */
void welcome_taken(struct memo *w, const char *host, int family);
/* The family to be left for the end; 0 when both are the same. */
int welcome_last(const struct memo *w, const char *host, int64_t now_ms);

#endif
