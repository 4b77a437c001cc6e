#include <string.h>

#include "file.h"
#include "mem.h"
#include "proto_submit.h"
#include "proto_types.h"

/* Behind the envelope: once key (text), digest (octets, 32 of them when there is a key). */
static void get_once(struct wire *w, struct submit_envelope *e)
{
    char *key = wire_text(w, SUBMIT_ONCE_KEY_MAX);
    struct span digest = wire_span(w, SUBMIT_DIGEST);
    mem_release(e->once_key);
    e->once_key = key;
    if (digest.n == SUBMIT_DIGEST)
        memcpy(e->once_digest, digest.p, SUBMIT_DIGEST);
    if (digest.n != (key[0] == '\0' ? 0 : SUBMIT_DIGEST) || (key[0] != '\0' && !e->account[0]))
        wire_fail(w);
}

int submit_read(struct ipc_message *m, uint64_t body_max, struct submit_envelope **e, int *body,
                uint64_t *body_size, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *e = submit_envelope_get(&w);
    get_once(&w, *e);
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

/* MSG_SUBMIT_ACCEPTED: id u64, again bool, message id (text), taken i64, copied bool, count u32 of
 * from ids (texts). */
void submit_accept_as(struct ipc *ch, uint64_t request, const struct submit_reply *reply)
{
    struct buf b = {0};
    wire_put_u64(&b, reply->id);
    wire_put_bool(&b, reply->message_id != NULL);
    wire_put_text(&b, reply->message_id);
    wire_put_i64(&b, reply->taken_ms);
    wire_put_bool(&b, reply->copied);
    wire_put_u32(&b, reply->from_ids_n);
    for (uint32_t i = 0; i < reply->from_ids_n; i++)
        wire_put_text(&b, reply->from_ids[i]);
    ipc_reply(ch, MSG_SUBMIT_ACCEPTED, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}

void submit_accept(struct ipc *ch, uint64_t request, uint64_t id)
{
    const struct submit_reply reply = {.accepted = true, .id = id};
    submit_accept_as(ch, request, &reply);
}

void submit_refuse(struct ipc *ch, uint64_t request, uint16_t code, const char *enhanced,
                   enum submit_why why, const char *text)
{
    struct buf b = {0};
    wire_put_u16(&b, code);
    wire_put_text(&b, enhanced);
    wire_put_u8(&b, (uint8_t)why);
    struct span t = span_text(text);
    if (t.n > PROTO_NAME_MAX)
        t.n = PROTO_NAME_MAX;
    wire_put_span(&b, t);
    ipc_reply(ch, MSG_SUBMIT_REFUSED, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}
