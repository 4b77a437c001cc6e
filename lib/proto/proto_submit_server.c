#include "file.h"
#include "proto_submit.h"
#include "proto_types.h"

int submit_read(struct ipc_message *m, uint64_t body_max, struct submit_envelope **e, int *body,
                uint64_t *body_size, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *e = submit_envelope_get(&w);
    int rc = 0;
    if (wire_end(&w) != 0 || (*e)->recipients_n == 0)
        rc = fail_set(f, "malformed submission");
    else if (m->fds != 1)
        rc = fail_set(f, "submission without its message");
    else
        rc = file_check_sealed(m->fd[0], body_max, body_size, f);
    if (rc != 0) {
        submit_envelope_free(e);
        return -1;
    }
    *body = m->fd[0];
    m->fd[0] = -1;
    return 0;
}

void submit_accept(struct ipc *ch, uint64_t request, uint64_t id)
{
    submit_accept_ids(ch, request, id, NULL, 0);
}

void submit_accept_ids(struct ipc *ch, uint64_t request, uint64_t id, char *const *from_ids,
                       uint32_t n)
{
    struct buf b = {0};
    wire_put_u64(&b, id);
    wire_put_u32(&b, n);
    for (uint32_t i = 0; i < n; i++)
        wire_put_text(&b, from_ids[i]);
    ipc_reply(ch, MSG_SUBMIT_ACCEPTED, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}

void submit_refuse(struct ipc *ch, uint64_t request, uint16_t code, const char *enhanced,
                   const char *text)
{
    struct buf b = {0};
    wire_put_u16(&b, code);
    wire_put_text(&b, enhanced);
    struct span t = span_text(text);
    if (t.n > PROTO_NAME_MAX)
        t.n = PROTO_NAME_MAX;
    wire_put_span(&b, t);
    ipc_reply(ch, MSG_SUBMIT_REFUSED, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}
