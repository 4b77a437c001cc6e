#include <string.h>

#include "file.h"
#include "mem.h"
#include "proto_control.h"
#include "proto_types.h"
#include "wire.h"

static void read_named_fd(struct ipc_message *m, struct wire *w, struct control_message *c)
{
    c->name = wire_text(w, PROTO_TEXT_MAX);
    if (m->fds != 1) {
        wire_fail(w);
        return;
    }
    c->fd = m->fd[0];
    m->fd[0] = -1;
}

int control_read(struct ipc_message *m, struct control_message *c, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *c = (struct control_message){.type = m->type, .fd = -1, .request = m->id};
    switch (m->type) {
    case MSG_CONTROL_HAND:
    case MSG_CONTROL_LINK:
        read_named_fd(m, &w, c);
        break;
    case MSG_CONTROL_CONFIG:
    case MSG_CONTROL_METRICS:
        c->share = m->payload;
        w.n = 0;
        break;
    case MSG_CONTROL_CLOCK:
        c->step_ms = wire_i64(&w);
        break;
    case MSG_CONTROL_COMMIT:
    case MSG_CONTROL_ABORT:
    case MSG_CONTROL_STOP:
    case MSG_CONTROL_COUNTERS:
        break;
    default:
        wire_fail(&w);
    }
    if (wire_end(&w) == 0)
        return 0;
    control_clear(c);
    return fail_set(f, "malformed control message of type 0x%04x", m->type);
}

void control_clear(struct control_message *c)
{
    file_close(&c->fd);
    mem_free(&c->name);
}

/* MSG_CONTROL_LINK_LOST: name (text). */
void control_link_lost(struct ipc *ch, const char *name)
{
    struct buf b = {0};
    wire_put_text(&b, name);
    ipc_notify(ch, MSG_CONTROL_LINK_LOST, buf_span(&b), NULL, 0);
    buf_free(&b);
}

void control_ready(struct ipc *ch, uint64_t request)
{
    ipc_reply(ch, MSG_CONTROL_READY, request, (struct span){0}, NULL, 0);
}

/* MSG_CONTROL_REFUSED: why (text). */
void control_refuse(struct ipc *ch, uint64_t request, const char *why)
{
    struct buf b = {0};
    wire_put_text(&b, why);
    ipc_reply(ch, MSG_CONTROL_REFUSED, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}

static bool ends(const char *text, const char *behind, const char *end)
{
    size_t n = strlen(end);
    return (size_t)(behind - text) >= n && memcmp(behind - n, end, n) == 0;
}

/* Of many by their labels, one that has counted nothing yet is not worth telling of. A histogram
 * has all of its buckets from the start, and a sum is told with its count. */
static bool is_silent(const char *const *names, const uint64_t *values, uint32_t n, uint32_t i)
{
    const char *name = names[i], *labels = strchr(name, ' ');
    if (values[i] != 0 || labels == NULL || ends(name, labels, "_bucket"))
        return false;
    return !ends(name, labels, "_seconds_sum") || i + 1 == n || values[i + 1] == 0;
}

/* MSG_CONTROL_COUNTERS_ARE: count u32 of {name (text), value u64}. */
void control_counters_are(struct ipc *ch, uint64_t request, const char *const *names,
                          const uint64_t *values, uint32_t n)
{
    struct buf b = {0};
    uint32_t told = 0;
    for (uint32_t i = 0; i < n; i++)
        told += is_silent(names, values, n, i) ? 0 : 1;
    wire_put_u32(&b, told);
    for (uint32_t i = 0; i < n; i++) {
        if (is_silent(names, values, n, i))
            continue;
        wire_put_text(&b, names[i]);
        wire_put_u64(&b, values[i]);
    }
    ipc_reply(ch, MSG_CONTROL_COUNTERS_ARE, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}
