#ifndef QM_WEBAPI_H
#define QM_WEBAPI_H

#include <bsd/sys/queue.h>

#include <event2/event.h>

#include "counts.h"
#include "gate.h"
#include "httplimit.h"
#include "peers.h"
#include "service.h"

/* The process as a whole: what outlives a configuration. */

enum {
    COUNT_REQUESTS,   /* every request that was read */
    COUNT_CALLS,      /* of a method, with the right password */
    COUNT_ACCEPTED,   /* messages queued */
    COUNT_RECIPIENTS, /* of these */
    COUNT_AUTH_FAILED,
    COUNT_AUTH_LIMITED,
    COUNT_REQUESTS_LIMITED,
    COUNT_CONNECTIONS, /* open at the moment */
    WEBAPI_COUNTERS
};

struct mailcharset;

LIST_HEAD(front_list, front);

struct webapi {
    struct service *service;
    struct event_base *base;
    struct peers *peers;
    struct gate *gate;
    struct counts *counts;
    struct mailcharset *charsets; /* opened before there was nothing to open any more */
    struct httplimit *requests;   /* NULL: no limit */
    struct httplimit_window request_windows[HTTPLIMIT_WINDOWS];
    struct buf metrics;       /* every process's counters, as master sent them last */
    struct front_list fronts; /* the one in use, and those whose last requests are under way */
    struct event *stop_limit; /* NULL until the process is told to stop */
};

#endif
