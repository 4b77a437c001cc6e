#include <string.h>

#include "mem.h"
#include "proto_hook.h"
#include "proto_types.h"
#include "wire.h"

int hook_read(struct ipc_message *m, struct hook_call *call, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *call = (struct hook_call){.id = wire_u64(&w)};
    call->attempt = wire_u32(&w);
    call->incoming = wire_bool(&w);
    call->account = wire_text(&w, PROTO_NAME_MAX);
    call->url = wire_text(&w, PROTO_TEXT_MAX);
    call->authorization = wire_text(&w, PROTO_TEXT_MAX);
    call->payload = wire_span(&w, IPC_PAYLOAD_MAX);
    if (wire_end(&w) == 0)
        return 0;
    hook_call_clear(call);
    return fail_set(f, "malformed webhook call");
}

void hook_call_clear(struct hook_call *call)
{
    if (call->authorization != NULL)
        mem_wipe(call->authorization, strlen(call->authorization));
    mem_free(&call->authorization);
    mem_free(&call->account);
    mem_free(&call->url);
}

void hook_answer(struct ipc *ch, uint64_t request, const struct hook_result *r)
{
    struct buf b = {0};
    wire_put_bool(&b, r->success);
    wire_put_u16(&b, r->code);
    wire_put_span(&b, span_of(r->error, strnlen(r->error, PROTO_TEXT_MAX)));
    wire_put_span(&b, span_of(r->response, strnlen(r->response, HOOK_RESPONSE_MAX)));
    wire_put_u32(&b, r->duration_ms);
    wire_put_u32(&b, r->retry_after_s);
    ipc_reply(ch, MSG_HOOK_RESULT, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}
