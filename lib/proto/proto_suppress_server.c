#include "mem.h"
#include "proto_suppress.h"

int suppress_read(struct ipc_message *m, struct suppress_request *r, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *r = (struct suppress_request){.type = m->type, .limit = 1};
    r->s.account = wire_text(&w, PROTO_NAME_MAX);
    switch (m->type) {
    case MSG_SUPPRESS_LIST:
        r->after = wire_u64(&w);
        r->limit = wire_u32(&w);
        break;
    case MSG_SUPPRESS_ADD:
        r->s.original = wire_text(&w, PROTO_ADDRESS_MAX);
        r->s.expires_ms = wire_i64(&w);
        r->s.manual = wire_bool(&w);
        r->s.class = (enum suppress_class)wire_enum(&w, SUPPRESS_CLASSES);
        r->s.reason = wire_text(&w, PROTO_TEXT_MAX);
        break;
    case MSG_SUPPRESS_REMOVE:
    case MSG_SUPPRESS_FIND:
        r->s.original = wire_text(&w, PROTO_ADDRESS_MAX);
        break;
    default:
        wire_fail(&w);
    }
    if (r->limit < 1 || r->limit > SUPPRESS_PAGE_MAX || r->s.expires_ms < 0)
        wire_fail(&w);
    if (wire_end(&w) == 0)
        return 0;
    suppress_request_clear(r);
    return fail_set(f, "malformed request of type 0x%04x", m->type);
}

void suppress_request_clear(struct suppress_request *r)
{
    suppression_clear(&r->s);
}

void suppress_reply(struct ipc *ch, uint64_t request, const struct suppress_answer *a)
{
    struct buf b = {0};
    wire_put_u8(&b, (uint8_t)a->result);
    wire_put_u32(&b, a->rows_n);
    for (uint32_t i = 0; i < a->rows_n; i++)
        suppression_put(&b, &a->rows[i]);
    wire_put_u64(&b, a->next);
    ipc_reply(ch, MSG_SUPPRESS_ANSWER, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}
