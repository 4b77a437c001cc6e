/* webapi: the HTTP server. Applications call methods over it; people read pages; Prometheus takes
 * its counters. It parses HTTP and JSON from strangers, and has neither the passwords nor the
 * queue: the vault and qmgr are asked. */

#include <assert.h>
#include <time.h>

#include "front.h"
#include "mailcharset.h"
#include "mem.h"

/* Master waits two seconds before it stops those that this process asks. */
#define STOP_LIMIT_MS 1800

/* Libraries open their files now: later there is none to open. */
static int init(struct service *s, struct fail *f)
{
    struct webapi *w = service_user(s);
    tzset();
    w->charsets = mailcharset_open();
    return 0;
}

static int start(struct service *s, struct fail *f)
{
    struct webapi *w = service_user(s);
    w->service = s;
    w->base = service_base(s);
    w->peers = peers_new(w->base, s);
    w->gate = gate_new(1, 1); /* front_open puts what is configured */
    w->counts = counts_new(service_name(s));
    LIST_INIT(&w->fronts);
    return 0;
}

static void *prepare(struct service *s, struct conf *conf, struct service_hand *hands,
                     size_t hands_n, struct fail *f)
{
    return front_new(service_user(s), conf, hands, hands_n, f);
}

static void discard(struct service *s, void *state)
{
    struct front *front = state;
    front_free(&front);
}

/* ---- the end ---- */

static void on_last_turn(evutil_socket_t fd, short what, void *arg)
{
    struct webapi *w = arg;
    peers_free(&w->peers);
    service_done(w->service);
}

/* Whatever is still under way is given up. What it had asked of the signer is over one turn of the
 * loop later. */
static void finish(struct webapi *w)
{
    const struct timeval now = {0, 0};
    struct front *front;
    while ((front = LIST_FIRST(&w->fronts)) != NULL)
        front_free(&front);
    peers_close(w->peers);
    (void)evtimer_del(w->stop_limit);
    (void)event_base_once(w->base, -1, EV_TIMEOUT, on_last_turn, w, &now);
}

static void on_stop_limit(evutil_socket_t fd, short what, void *arg)
{
    finish(arg);
}

static void on_closed(void *arg)
{
    struct webapi *w = arg;
    if (w->stop_limit != NULL && LIST_EMPTY(&w->fronts))
        finish(w);
}

static void on_stop(struct service *s)
{
    const struct timeval limit = {STOP_LIMIT_MS / 1000, STOP_LIMIT_MS % 1000 * 1000};
    struct webapi *w = service_user(s);
    w->stop_limit = evtimer_new(w->base, on_stop_limit, w);
    assert(w->stop_limit != NULL);
    (void)evtimer_add(w->stop_limit, &limit);
    front_close_all(w, on_closed, w);
}

/* ---- the configuration, the peers ---- */

static void commit(struct service *s, void *state, void *old)
{
    struct webapi *w = service_user(s);
    front_open(state);
    if (old != NULL)
        front_close(old, on_closed, w);
    peers_renew(w->peers);
}

static void on_link(struct service *s, const char *name, int fd)
{
    struct webapi *w = service_user(s);
    peers_link(w->peers, name, fd);
}

/* Every two seconds. */
static void on_metrics(struct service *s, struct span text)
{
    struct webapi *w = service_user(s);
    service_gauge(s, COUNT_CONNECTIONS, front_connections(w));
    buf_clear(&w->metrics);
    buf_put_span(&w->metrics, text);
}

static const char *const syscalls[] = {"accept4", "sendfile", NULL};

static const char *const counters[WEBAPI_COUNTERS + 1] = {
    [COUNT_REQUESTS] = "requests_total",
    [COUNT_CALLS] = "calls_total",
    [COUNT_ACCEPTED] = "messages_accepted_total",
    [COUNT_RECIPIENTS] = "recipients_accepted_total",
    [COUNT_AUTH_FAILED] = "auth_failed_total",
    [COUNT_AUTH_LIMITED] = "auth_limited_total",
    [COUNT_REQUESTS_LIMITED] = "requests_limited_total",
    [COUNT_CONNECTIONS] = "connections",
};

static const struct service_spec spec = {
    .name = "webapi",
    .reader = CONF_WEBAPI,
    .syscalls = syscalls,
    .counters = counters,
    .init = init,
    .start = start,
    .prepare = prepare,
    .commit = commit,
    .discard = discard,
    .on_link = on_link,
    .on_metrics = on_metrics,
    .on_stop = on_stop,
};

int main(int argc, char **argv)
{
    struct webapi w = {0};
    int code = service_main(&spec, argc, argv, &w);
    counts_free(&w.counts);
    httplimit_free(&w.requests);
    buf_free(&w.metrics);
    mailcharset_close(&w.charsets);
    if (w.stop_limit != NULL) {
        event_free(w.stop_limit);
        gate_free(&w.gate);
    }
    return code;
}
