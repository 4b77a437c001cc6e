#include "mem.h"
#include "proto_events.h"

struct asked {
    events_on_page *on_page;
    void *arg;
};

/* MSG_EVENTS_PAGE: count u32 of {cursor u64, event}, next u64, gap bool. */
static int get_page(struct ipc_message *m, struct events_page *p, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    uint32_t n = wire_count(&w, EVENTS_PAGE_MAX, 77);
    p->events = mem_array(n, sizeof *p->events);
    while (p->events_n < n) {
        struct event_at *at = &p->events[p->events_n++];
        at->cursor = wire_u64(&w);
        event_item_get(&w, &at->item);
        event_way_get(&w, &at->item);
    }
    p->next = wire_u64(&w);
    p->gap = wire_bool(&w);
    if (wire_end(&w) == 0)
        return 0;
    events_page_clear(p);
    return fail_set(f, "malformed page of events");
}

static int on_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *a = arg;
    struct events_page p = {0};
    int rc = 0;
    bool refused = m == NULL || (m->type == MSG_EVENTS_REFUSED && m->payload.n == 0);
    if (!refused)
        rc = m->type == MSG_EVENTS_PAGE ? get_page(m, &p, f) : fail_set(f, "no page of events");
    a->on_page(a->arg, refused || rc != 0 ? NULL : &p);
    events_page_clear(&p);
    mem_free(&a);
    return rc;
}

uint64_t events_read(struct ipc *ch, const char *account, uint64_t after, uint32_t limit,
                     uint32_t wait_ms, events_on_page *on_page, void *arg)
{
    struct asked *a = mem_alloc(sizeof *a);
    struct buf b = {0};
    *a = (struct asked){on_page, arg};
    wire_put_text(&b, account);
    wire_put_u64(&b, after);
    wire_put_u32(&b, limit);
    wire_put_u32(&b, wait_ms);
    uint64_t id = ipc_request(ch, MSG_EVENTS_READ, buf_span(&b), NULL, 0, on_answer, a);
    buf_free(&b);
    return id;
}

void events_forget(struct ipc *ch, uint64_t id)
{
    struct asked *a = ipc_forget(ch, id);
    mem_free(&a);
}
