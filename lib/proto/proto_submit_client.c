#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "mem.h"
#include "proto_submit.h"
#include "proto_types.h"

struct asked {
    submit_on_reply *on_reply;
    void *arg;
};

static int get_reply(struct ipc_message *m, struct submit_reply *r, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *r = (struct submit_reply){.accepted = m->type == MSG_SUBMIT_ACCEPTED};
    if (r->accepted) {
        r->id = wire_u64(&w);
    } else if (m->type == MSG_SUBMIT_REFUSED) {
        r->code = wire_u16(&w);
        if (span_copy(wire_span(&w, sizeof r->enhanced - 1), r->enhanced, sizeof r->enhanced) !=
                0 ||
            span_copy(wire_span(&w, sizeof r->text - 1), r->text, sizeof r->text) != 0)
            wire_fail(&w);
    } else {
        wire_fail(&w);
    }
    return wire_end(&w) == 0 ? 0 : fail_set(f, "malformed reply to a submission");
}

static int on_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *a = arg;
    struct submit_reply r;
    bool good = m != NULL && get_reply(m, &r, f) == 0;
    a->on_reply(a->arg, good ? &r : NULL);
    mem_free(&a);
    return m == NULL || good ? 0 : -1;
}

uint64_t submit_message(struct ipc *ch, const struct submit_envelope *e, int body,
                        submit_on_reply *on_reply, void *arg)
{
    struct asked *a = mem_alloc(sizeof *a);
    struct buf b = {0};
    int fd = fcntl(body, F_DUPFD_CLOEXEC, 0);
    *a = (struct asked){on_reply, arg};
    submit_envelope_put(&b, e);
    uint64_t id = ipc_request(ch, MSG_SUBMIT_MESSAGE, buf_span(&b), &fd, 1, on_answer, a);
    buf_free(&b);
    return id;
}

void submit_forget(struct ipc *ch, uint64_t id)
{
    struct asked *a = ipc_forget(ch, id);
    mem_free(&a);
}
