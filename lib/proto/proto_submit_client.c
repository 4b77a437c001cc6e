#include <stdio.h>
#include <unistd.h>

#include "enhanced.h"
#include "mem.h"
#include "proto_submit.h"
#include "proto_types.h"

struct asked {
    submit_on_reply *on_reply;
    void *arg;
};

/* It goes to a client as it is: a code that refuses, and the same said by the enhanced one. */
static bool is_refusal(const struct submit_reply *r)
{
    struct enhanced e;
    return r->code >= 400 && r->code <= 599 && enhanced_parse(span_text(r->enhanced), &e) == 0 &&
           e.class == r->code / 100;
}

static int get_reply(struct ipc_message *m, struct submit_reply *r, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *r = (struct submit_reply){.accepted = m->type == MSG_SUBMIT_ACCEPTED};
    if (r->accepted) {
        r->id = wire_u64(&w);
        bool again = wire_bool(&w);
        r->message_id = wire_text(&w, PROTO_TEXT_MAX);
        r->taken_ms = wire_i64(&w);
        r->copied = wire_bool(&w);
        if (r->taken_ms < 0 ||
            (!again && (r->message_id[0] != '\0' || r->taken_ms != 0 || r->copied)))
            wire_fail(&w);
        if (!again)
            mem_free(&r->message_id);
        r->from_ids_n = wire_count(&w, PROTO_RECIPIENTS_MAX, 4);
        r->from_ids = mem_array(r->from_ids_n, sizeof *r->from_ids);
        for (uint32_t i = 0; i < r->from_ids_n; i++)
            r->from_ids[i] = wire_text(&w, PROTO_NAME_MAX);
    } else if (m->type == MSG_SUBMIT_REFUSED) {
        r->code = wire_u16(&w);
        if (span_copy(wire_span(&w, sizeof r->enhanced - 1), r->enhanced, sizeof r->enhanced) != 0)
            wire_fail(&w);
        r->why = (enum submit_why)wire_enum(&w, SUBMIT_WHYS);
        if (span_copy(wire_span(&w, sizeof r->text - 1), r->text, sizeof r->text) != 0 ||
            !is_refusal(r))
            wire_fail(&w);
    } else {
        wire_fail(&w);
    }
    return wire_end(&w) == 0 ? 0 : fail_set(f, "malformed reply to a submission");
}

static void free_reply(struct submit_reply *r)
{
    mem_free(&r->message_id);
    for (uint32_t i = 0; i < r->from_ids_n; i++)
        mem_free(&r->from_ids[i]);
    mem_free(&r->from_ids);
}

static int on_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *a = arg;
    struct submit_reply r = {.id = 0};
    bool good = m != NULL && get_reply(m, &r, f) == 0;
    a->on_reply(a->arg, good ? &r : NULL);
    free_reply(&r);
    mem_free(&a);
    return m == NULL || good ? 0 : -1;
}

uint64_t submit_message(struct ipc *ch, const struct submit_envelope *e, int body,
                        submit_on_reply *on_reply, void *arg)
{
    struct asked *a = mem_alloc(sizeof *a);
    struct buf b = {0};
    *a = (struct asked){on_reply, arg};
    submit_envelope_put(&b, e);
    wire_put_text(&b, e->once_key);
    wire_put_span(&b, span_of(e->once_digest, e->once_key[0] == '\0' ? 0 : SUBMIT_DIGEST));
    uint64_t id = ipc_request(ch, MSG_SUBMIT_MESSAGE, buf_span(&b), &body, 1, on_answer, a);
    buf_free(&b);
    return id;
}

void submit_forget(struct ipc *ch, uint64_t id)
{
    struct asked *a = ipc_forget(ch, id);
    mem_free(&a);
}
