#include "mem.h"
#include "proto_master.h"
#include "proto_types.h"
#include "wire.h"

#define TIMEOUT_MS 10000
#define PROCESSES_MAX 4096

/* Reads a MSG_MASTER_REFUSED into f, or complains of what came instead of want. */
static int expect(uint16_t type, uint16_t want, struct span payload, struct fail *f)
{
    if (type == want)
        return 0;
    struct wire w = wire_open(payload);
    char *why = wire_text(&w, PROTO_TEXT_MAX);
    int rc = type == MSG_MASTER_REFUSED && wire_end(&w) == 0
                 ? fail_set(f, "%s", why)
                 : fail_set(f, "malformed answer from master");
    mem_free(&why);
    return rc;
}

static void get_status(struct wire *w, struct master_status *s)
{
    s->pid = wire_i64(w);
    s->uptime_ms = wire_i64(w);
    s->config_path = wire_text(w, PROTO_TEXT_MAX);
    s->config_ms = wire_i64(w);
    s->privileged = wire_bool(w);
    s->processes_n = wire_count(w, PROCESSES_MAX, 44);
    s->processes = mem_array(s->processes_n, sizeof *s->processes);
    for (uint32_t i = 0; i < s->processes_n; i++) {
        struct master_process *p = &s->processes[i];
        p->name = wire_text(w, PROTO_NAME_MAX);
        p->pid = wire_i64(w);
        p->uid = wire_i64(w);
        p->root = wire_text(w, PROTO_TEXT_MAX);
        p->seccomp = wire_text(w, PROTO_NAME_MAX);
        p->restarts = wire_u32(w);
        p->uptime_ms = wire_i64(w);
        p->state = wire_text(w, PROTO_NAME_MAX);
    }
}

int master_ask_status(int fd, struct master_status *s, struct fail *f)
{
    struct buf b = {0};
    uint16_t type;
    *s = (struct master_status){0};
    int rc = ipc_call(fd, MSG_MASTER_STATUS, (struct span){0}, NULL, 0, TIMEOUT_MS, &type, &b, f);
    if (rc == 0)
        rc = expect(type, MSG_MASTER_STATUS_IS, buf_span(&b), f);
    if (rc == 0) {
        struct wire w = wire_open(buf_span(&b));
        get_status(&w, s);
        if (wire_end(&w) != 0) {
            master_status_clear(s);
            rc = fail_set(f, "malformed status from master");
        }
    }
    buf_free(&b);
    return rc;
}

int master_ask_config(int fd, struct buf *text, struct fail *f)
{
    struct buf b = {0};
    uint16_t type;
    int rc = ipc_call(fd, MSG_MASTER_CONFIG, (struct span){0}, NULL, 0, TIMEOUT_MS, &type, &b, f);
    if (rc == 0)
        rc = expect(type, MSG_MASTER_CONFIG_IS, buf_span(&b), f);
    if (rc == 0) {
        struct wire w = wire_open(buf_span(&b));
        buf_put_span(text, wire_span(&w, IPC_PAYLOAD_MAX));
        if (wire_end(&w) != 0)
            rc = fail_set(f, "malformed configuration from master");
    }
    buf_free(&b);
    return rc;
}

int master_ask(int fd, uint16_t type, int64_t step_ms, int timeout_ms, struct fail *f)
{
    struct buf b = {0}, answer = {0};
    uint16_t got;
    if (type == MSG_MASTER_CLOCK)
        wire_put_i64(&b, step_ms);
    int rc = ipc_call(fd, type, buf_span(&b), NULL, 0, timeout_ms, &got, &answer, f);
    if (rc == 0)
        rc = expect(got, MSG_MASTER_DONE, buf_span(&answer), f);
    buf_free(&b);
    buf_free(&answer);
    return rc;
}
