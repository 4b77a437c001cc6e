#include "agents.h"

#include <bsd/sys/queue.h>
#include <stdio.h>
#include <string.h>

#include "learn.h"
#include "log.h"
#include "mem.h"
#include "schedule.h"
#include "window.h"

struct agent {
    SLIST_ENTRY(agent) next;
    struct ipc *channel; /* NULL while the process is down */
    struct queue *queue;
    unsigned inflight[DUE_CLASSES]; /* deliveries */
    char transport[72];             /* a label has up to 64 characters */
};

struct agents {
    struct queue *queue;
    SLIST_HEAD(, agent) list;
};

struct agents *agents_new(struct queue *q)
{
    struct agents *a = mem_zero(sizeof *a);
    a->queue = q;
    SLIST_INIT(&a->list);
    return a;
}

void agents_free(struct agents **ap)
{
    struct agent *g;
    if (*ap == NULL)
        return;
    while ((g = SLIST_FIRST(&(*ap)->list)) != NULL) {
        SLIST_REMOVE_HEAD(&(*ap)->list, next);
        ipc_free(&g->channel);
        mem_free(&g);
    }
    mem_free(ap);
}

static struct agent *find(struct agents *a, const char *transport)
{
    struct agent *g;
    SLIST_FOREACH (g, &a->list, next) {
        if (strcmp(g->transport, transport) == 0)
            return g;
    }
    return NULL;
}

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct agent *g = arg;
    return learn_on_message(g->queue, m, f);
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct agent *g = arg;
    char name[80];
    log_info(NULL, "delivery agent is gone", LS("transport", g->transport), LS("why", why));
    ipc_free(&g->channel);
    (void)snprintf(name, sizeof name, "deliver %s", g->transport);
    service_link_lost(g->queue->service, name);
}

void agents_link(struct agents *a, const char *transport, int fd)
{
    static const struct ipc_handler handler = {on_message, on_closed};
    struct agent *g = find(a, transport);
    char name[80];
    if (g == NULL) {
        g = mem_zero(sizeof *g);
        g->queue = a->queue;
        (void)snprintf(g->transport, sizeof g->transport, "%s", transport);
        SLIST_INSERT_HEAD(&a->list, g, next);
    }
    ipc_free(&g->channel);
    (void)snprintf(name, sizeof name, "deliver %s", transport);
    g->channel = ipc_new(a->queue->base, fd, name, &handler, g);
    schedule_pump(a->queue->schedule);
}

struct ipc *agents_find(struct agents *a, const char *transport)
{
    struct agent *g = find(a, transport);
    return g == NULL ? NULL : g->channel;
}

static unsigned room(unsigned most, unsigned used)
{
    return used < most ? most - used : 0;
}

unsigned agents_room(struct agents *a, const char *transport, enum due_class class, bool idle)
{
    const struct agent *g = find(a, transport);
    if (g == NULL || g->channel == NULL)
        return 0;
    /* Deliveries beyond the connections would only wait in the agent, one behind the other,
     * whatever their class. */
    unsigned most = settings_deliveries(a->queue->settings, transport);
    unsigned in_all = room(most, g->inflight[DUE_FIRST] + g->inflight[DUE_AGAIN]);
    unsigned here = room((unsigned)window_part_of(class, most, idle), g->inflight[class]);
    return in_all < here ? in_all : here;
}

void agents_begin(struct agents *a, const char *transport, enum due_class class)
{
    find(a, transport)->inflight[class]++;
}

void agents_end(struct agents *a, const char *transport, enum due_class class)
{
    struct agent *g = find(a, transport);
    if (g != NULL) /* else the process ends */
        g->inflight[class]--;
}
