#include <stdbool.h>

#include "mem.h"
#include "proto_control.h"
#include "proto_types.h"
#include "wire.h"

static void send_named_fd(struct ipc *ch, uint16_t type, const char *name, int fd)
{
    struct buf b = {0};
    wire_put_text(&b, name);
    ipc_notify(ch, type, buf_span(&b), &fd, 1);
    buf_free(&b);
}

/* MSG_CONTROL_HAND: purpose (text), one descriptor. */
void control_hand(struct ipc *ch, const char *purpose, int fd)
{
    send_named_fd(ch, MSG_CONTROL_HAND, purpose, fd);
}

/* MSG_CONTROL_LINK: name (text), one descriptor. */
void control_link(struct ipc *ch, const char *name, int fd)
{
    send_named_fd(ch, MSG_CONTROL_LINK, name, fd);
}

struct asked {
    control_on_prepared *on_prepared;
    control_on_counters *on_counters;
    void *arg;
};

static int on_prepared_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *a = arg;
    char *why = NULL;
    int rc = 0;
    if (m == NULL) {
        why = mem_text("the process went away");
    } else if (m->type == MSG_CONTROL_REFUSED) {
        struct wire w = wire_open(m->payload);
        why = wire_text(&w, PROTO_TEXT_MAX);
        rc = wire_end(&w);
    } else if (m->type != MSG_CONTROL_READY || m->payload.n != 0) {
        why = mem_text("malformed answer");
        rc = fail_set(f, "malformed answer to a configuration");
    }
    a->on_prepared(a->arg, why);
    mem_free(&why);
    mem_free(&a);
    return rc;
}

/* MSG_CONTROL_CONFIG: the share, as the configuration codec writes it. */
void control_config(struct ipc *ch, struct span share, control_on_prepared *on_prepared, void *arg)
{
    struct asked *a = mem_zero(sizeof *a);
    *a = (struct asked){.on_prepared = on_prepared, .arg = arg};
    (void)ipc_request(ch, MSG_CONTROL_CONFIG, share, NULL, 0, on_prepared_answer, a);
}

void control_commit(struct ipc *ch)
{
    ipc_notify(ch, MSG_CONTROL_COMMIT, (struct span){0}, NULL, 0);
}

void control_abort(struct ipc *ch)
{
    ipc_notify(ch, MSG_CONTROL_ABORT, (struct span){0}, NULL, 0);
}

void control_stop(struct ipc *ch)
{
    ipc_notify(ch, MSG_CONTROL_STOP, (struct span){0}, NULL, 0);
}

/* MSG_CONTROL_CLOCK: step i64, milliseconds. */
void control_clock(struct ipc *ch, int64_t step_ms)
{
    struct buf b = {0};
    wire_put_i64(&b, step_ms);
    ipc_notify(ch, MSG_CONTROL_CLOCK, buf_span(&b), NULL, 0);
    buf_free(&b);
}

static int on_counters_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *a = arg;
    struct control_counter *counters = NULL;
    uint32_t n = 0;
    bool good = m != NULL && m->type == MSG_CONTROL_COUNTERS_ARE;
    if (good) {
        struct wire w = wire_open(m->payload);
        n = wire_count(&w, CONTROL_COUNTERS_MAX, 12);
        counters = mem_array(n, sizeof *counters);
        for (uint32_t i = 0; i < n; i++) {
            counters[i].name = wire_text(&w, PROTO_NAME_MAX);
            counters[i].value = wire_u64(&w);
        }
        good = wire_end(&w) == 0;
    }
    a->on_counters(a->arg, counters, good ? n : 0);
    for (uint32_t i = 0; i < n; i++)
        mem_free(&counters[i].name);
    mem_free(&counters);
    mem_free(&a);
    return m == NULL || good ? 0 : fail_set(f, "malformed counters");
}

void control_counters(struct ipc *ch, control_on_counters *on_counters, void *arg)
{
    struct asked *a = mem_zero(sizeof *a);
    *a = (struct asked){.on_counters = on_counters, .arg = arg};
    (void)ipc_request(ch, MSG_CONTROL_COUNTERS, (struct span){0}, NULL, 0, on_counters_answer, a);
}

/* MSG_CONTROL_METRICS: the text. */
void control_metrics(struct ipc *ch, struct span text)
{
    ipc_notify(ch, MSG_CONTROL_METRICS, text, NULL, 0);
}

int control_read_lost(const struct ipc_message *m, char **name, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *name = NULL;
    if (m->type != MSG_CONTROL_LINK_LOST || m->fds != 0)
        return fail_set(f, "a process has nothing of type 0x%04x to tell master", m->type);
    *name = wire_text(&w, PROTO_TEXT_MAX);
    if (wire_end(&w) == 0)
        return 0;
    mem_free(name);
    return fail_set(f, "malformed name of a lost link");
}
