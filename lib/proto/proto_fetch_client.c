#include "mem.h"
#include "proto_fetch.h"
#include "proto_types.h"

struct asked {
    fetch_policy_on_end *on_end;
    void *arg;
};

void fetched_policy_clear(struct fetched_policy *p)
{
    mtasts_policy_free(&p->policy);
    mem_free(&p->why);
}

/* MSG_FETCH_POLICY_IS: end u8, status u16, why (text), duration u32, and of FETCH_POLICY_GOOD the
 * policy. */
static int get_answer(struct wire *w, struct fetched_policy *p)
{
    p->end = (enum fetch_policy_end)wire_enum(w, FETCH_POLICY_ENDS);
    p->status = wire_u16(w);
    p->why = wire_text(w, PROTO_TEXT_MAX);
    p->duration_ms = wire_u32(w);
    if (p->end == FETCH_POLICY_GOOD)
        p->policy = mtasts_policy_get(w);
    return wire_end(w);
}

static int on_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *a = arg;
    struct fetched_policy p = {.why = NULL};
    bool good = m != NULL && m->type == MSG_FETCH_POLICY_IS;
    if (good) {
        struct wire w = wire_open(m->payload);
        good = get_answer(&w, &p) == 0;
    }
    a->on_end(a->arg, good ? &p : NULL);
    fetched_policy_clear(&p);
    mem_free(&a);
    return m == NULL || good ? 0 : fail_set(f, "malformed answer about a policy");
}

/* MSG_FETCH_POLICY: domain (text). */
uint64_t fetch_policy_ask(struct ipc *ch, const char *domain, fetch_policy_on_end *on_end,
                          void *arg)
{
    struct asked *a = mem_alloc(sizeof *a);
    struct buf b = {0};
    *a = (struct asked){on_end, arg};
    wire_put_text(&b, domain);
    uint64_t id = ipc_request(ch, MSG_FETCH_POLICY, buf_span(&b), NULL, 0, on_answer, a);
    buf_free(&b);
    return id;
}

void fetch_policy_forget(struct ipc *ch, uint64_t id)
{
    struct asked *a = ipc_forget(ch, id);
    mem_free(&a);
}
