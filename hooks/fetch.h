#ifndef QM_FETCH_H
#define QM_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

#include "buf.h"
#include "dns.h"
#include "fail.h"

/* One HTTP request at a time, many at once: libcurl on the event loop. Names are looked up by our
 * own resolver, the address is judged before a socket is made, no proxy, no redirect, no file. */

struct fetch_request {
    const char *url;
    bool get;                   /* GET; else POST */
    bool https_only;            /* with a certificate that is good for the URL's host, as ever */
    struct span body;           /* POSTed */
    const char *const *headers; /* "Name: value", NULL-terminated */
    int64_t timeout_ms;         /* for all of it */
    size_t response_max;        /* octets kept of the answer's body */
    bool allow_private;
};

struct fetch_answer {
    long status;            /* 0 when there was no answer */
    char error[300];        /* "" when there was one */
    bool untrusted;         /* there was none since the certificate is not good for the host */
    char content_type[128]; /* the header's value, cut; "" when not said */
    struct span response;   /* its first octets */
    uint32_t retry_after_s; /* 0 when not said */
    int64_t duration_ms;
};

struct fetcher;
/* Before confinement: libcurl, the certificates of authorities. */
int fetcher_init(struct fail *f);
/* dns stays the caller's and must outlive it. */
struct fetcher *fetcher_new(struct event_base *base, struct fail *f);
void fetcher_free(struct fetcher **x); /* what is under way is dropped, its callbacks do not come */
/* The resolver to use from now on. */
void fetcher_set_dns(struct fetcher *x, struct dns *dns);

/* answer is valid during the call, which never comes before fetch_start returns. */
typedef void fetch_on_answer(void *arg, const struct fetch_answer *answer);
/* Copies the request. */
void fetch_start(struct fetcher *x, const struct fetch_request *r, fetch_on_answer *on_answer,
                 void *arg);

#endif
