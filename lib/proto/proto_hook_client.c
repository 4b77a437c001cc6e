#include "mem.h"
#include "proto_hook.h"
#include "proto_types.h"
#include "wire.h"

struct asked {
    hook_on_result *on_result;
    void *arg;
};

/* MSG_HOOK_RESULT: success bool, code u16, error, response (texts), duration u32, retry after u32.
 */
static int on_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *a = arg;
    struct hook_result r = {0};
    bool good = m != NULL && m->type == MSG_HOOK_RESULT;
    if (good) {
        struct wire w = wire_open(m->payload);
        r.success = wire_bool(&w);
        r.code = wire_u16(&w);
        r.error = wire_text(&w, PROTO_TEXT_MAX);
        r.response = wire_text(&w, HOOK_RESPONSE_MAX);
        r.duration_ms = wire_u32(&w);
        r.retry_after_s = wire_u32(&w);
        good = wire_end(&w) == 0;
    }
    a->on_result(a->arg, good ? &r : NULL);
    mem_free(&r.error);
    mem_free(&r.response);
    mem_free(&a);
    return m == NULL || good ? 0 : fail_set(f, "malformed webhook result");
}

/* MSG_HOOK_CALL: id u64, attempt u32, incoming bool, account, url, authorization (texts), payload.
 */
void hook_ask(struct ipc *ch, const struct hook_call *call, hook_on_result *on_result, void *arg)
{
    struct asked *a = mem_alloc(sizeof *a);
    struct buf b = {0};
    *a = (struct asked){on_result, arg};
    wire_put_u64(&b, call->id);
    wire_put_u32(&b, call->attempt);
    wire_put_bool(&b, call->incoming);
    wire_put_text(&b, call->account);
    wire_put_text(&b, call->url);
    wire_put_text(&b, call->authorization);
    wire_put_span(&b, call->payload);
    (void)ipc_request(ch, MSG_HOOK_CALL, buf_span(&b), NULL, 0, on_answer, a);
    buf_wipe(&b);
}
