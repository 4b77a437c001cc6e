#include <string.h>

#include "mem.h"
#include "proto_fetch.h"
#include "proto_types.h"

int fetch_policy_read(struct ipc_message *m, char **domain, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *domain = wire_text(&w, PROTO_NAME_MAX);
    if (m->type != MSG_FETCH_POLICY || !mtasts_is_domain(span_text(*domain)))
        wire_fail(&w);
    if (wire_end(&w) == 0)
        return 0;
    mem_free(domain);
    return fail_set(f, "malformed request for a policy");
}

void fetch_policy_answer(struct ipc *ch, uint64_t request, const struct fetched_policy *p)
{
    struct buf b = {0};
    wire_put_u8(&b, (uint8_t)p->end);
    wire_put_u16(&b, p->status);
    wire_put_span(&b, span_of(p->why, strnlen(p->why, PROTO_TEXT_MAX)));
    wire_put_u32(&b, p->duration_ms);
    if (p->end == FETCH_POLICY_GOOD)
        mtasts_policy_put(&b, p->policy);
    ipc_reply(ch, MSG_FETCH_POLICY_IS, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}
