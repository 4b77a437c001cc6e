#include "mem.h"
#include "proto_events.h"

/* MSG_EVENTS_READ: account (text), after u64, limit u32, wait u32 (milliseconds). */
int events_request_read(struct ipc_message *m, struct events_request *r, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *r = (struct events_request){.account = wire_text(&w, PROTO_NAME_MAX)};
    r->after = wire_u64(&w);
    r->limit = wire_u32(&w);
    r->wait_ms = wire_u32(&w);
    if (r->limit < 1 || r->limit > EVENTS_PAGE_MAX || r->wait_ms > EVENTS_WAIT_MAX_MS)
        wire_fail(&w);
    if (wire_end(&w) == 0)
        return 0;
    events_request_clear(r);
    return fail_set(f, "malformed request for events");
}

void events_request_clear(struct events_request *r)
{
    mem_free(&r->account);
}

void events_answer(struct ipc *ch, uint64_t request, const struct events_page *p)
{
    struct buf b = {0};
    if (p != NULL) {
        wire_put_u32(&b, p->events_n);
        for (uint32_t i = 0; i < p->events_n; i++) {
            wire_put_u64(&b, p->events[i].cursor);
            event_item_put(&b, &p->events[i].item);
            event_way_put(&b, &p->events[i].item);
        }
        wire_put_u64(&b, p->next);
        wire_put_bool(&b, p->gap);
    }
    ipc_reply(ch, p == NULL ? MSG_EVENTS_REFUSED : MSG_EVENTS_PAGE, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}
