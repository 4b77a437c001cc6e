#ifndef QM_WELCOME_H
#define QM_WELCOME_H

#include <stdbool.h>
#include <stdint.h>

/* Over which address family a host does not want us, as it turned out: it refused over that one as
 * a matter of policy and took mail over the other. The next messages begin with the other. */

#define WELCOME_HOSTS 2048                /* remembered; the oldest make room */
#define WELCOME_MS (INT64_C(4) * 3600000) /* for so long */

struct welcome;
/* Empty, for so many hosts; free gives all it holds back. */
struct welcome *welcome_new(unsigned max);
void welcome_free(struct welcome **w);

/* family: AF_INET or AF_INET6; what was remembered of the host is replaced. now_ms: monotonic. */
void welcome_refused(struct welcome *w, const char *host, int family, int64_t now_ms);
/* The host took mail over this family: it is not remembered as unwelcome. */
void welcome_taken(struct welcome *w, const char *host, int family);
/* The family to be left for the end; 0 when both are the same. */
int welcome_last(const struct welcome *w, const char *host, int64_t now_ms);
/* Forgets everything: mail comes from elsewhere now. */
void welcome_clear(struct welcome *w);

#endif
