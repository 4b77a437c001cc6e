#include "proto_master.h"
#include "proto_types.h"
#include "wire.h"

/* MSG_MASTER_CLOCK: step i64. The other requests are empty. */
int master_read(struct ipc_message *m, struct master_request *r, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *r = (struct master_request){.type = m->type};
    switch (m->type) {
    case MSG_MASTER_STATUS:
    case MSG_MASTER_RELOAD:
    case MSG_MASTER_STOP:
    case MSG_MASTER_CONFIG:
    case MSG_MASTER_CREDENTIALS:
        break;
    case MSG_MASTER_CLOCK:
        r->step_ms = wire_i64(&w);
        break;
    default:
        wire_fail(&w);
    }
    return wire_end(&w) == 0 ? 0 : fail_set(f, "malformed request of type 0x%04x", m->type);
}

/* MSG_MASTER_STATUS_IS: pid i64, uptime i64, config path (text), loaded i64, privileged bool, count
 * u32 of processes {name, pid i64, uid i64, root, seccomp, restarts u32, uptime i64, state}. */
void master_answer_status(struct ipc *ch, uint64_t request, const struct master_status *s)
{
    struct buf b = {0};
    wire_put_i64(&b, s->pid);
    wire_put_i64(&b, s->uptime_ms);
    wire_put_text(&b, s->config_path);
    wire_put_i64(&b, s->config_ms);
    wire_put_bool(&b, s->privileged);
    wire_put_u32(&b, s->processes_n);
    for (uint32_t i = 0; i < s->processes_n; i++) {
        const struct master_process *p = &s->processes[i];
        wire_put_text(&b, p->name);
        wire_put_i64(&b, p->pid);
        wire_put_i64(&b, p->uid);
        wire_put_text(&b, p->root);
        wire_put_text(&b, p->seccomp);
        wire_put_u32(&b, p->restarts);
        wire_put_i64(&b, p->uptime_ms);
        wire_put_text(&b, p->state);
    }
    ipc_reply(ch, MSG_MASTER_STATUS_IS, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}

/* MSG_MASTER_CONFIG_IS: the settings (text). */
void master_answer_config(struct ipc *ch, uint64_t request, struct span text)
{
    struct buf b = {0};
    wire_put_span(&b, text);
    ipc_reply(ch, MSG_MASTER_CONFIG_IS, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}

void master_done(struct ipc *ch, uint64_t request)
{
    ipc_reply(ch, MSG_MASTER_DONE, request, (struct span){0}, NULL, 0);
}

/* MSG_MASTER_REFUSED: why (text). */
void master_refuse(struct ipc *ch, uint64_t request, const char *why)
{
    struct buf b = {0};
    wire_put_text(&b, why);
    ipc_reply(ch, MSG_MASTER_REFUSED, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}
