#include "mem.h"
#include "proto_suppress.h"

struct asked {
    suppress_on_answer *on_answer;
    void *arg;
};

/* MSG_SUPPRESS_ANSWER: result u8, count u32 of suppressions, next u64. */
static void get_answer(struct ipc_message *m, struct suppress_answer *a)
{
    struct wire w = wire_open(m->payload);
    a->result = (enum suppress_result)wire_enum(&w, SUPPRESS_RESULTS);
    uint32_t n = wire_count(&w, SUPPRESS_PAGE_MAX, 42);
    a->rows = mem_array(n, sizeof *a->rows);
    while (a->rows_n < n)
        suppression_get(&w, &a->rows[a->rows_n++]);
    a->next = wire_u64(&w);
    if (m->type != MSG_SUPPRESS_ANSWER || wire_end(&w) != 0) {
        suppress_answer_clear(a);
        a->result = SUPPRESS_RESULTS;
    }
}

static int on_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *asked = arg;
    struct suppress_answer a = {.result = SUPPRESS_UNAVAILABLE};
    bool bad = false;
    if (m != NULL) {
        get_answer(m, &a);
        bad = a.result == SUPPRESS_RESULTS;
        if (bad)
            a.result = SUPPRESS_UNAVAILABLE;
    }
    asked->on_answer(asked->arg, &a);
    suppress_answer_clear(&a);
    mem_free(&asked);
    return bad ? fail_set(f, "malformed answer about a suppression list") : 0;
}

static uint64_t ask(struct ipc *ch, uint16_t type, struct buf *b, suppress_on_answer *then,
                    void *arg)
{
    struct asked *asked = mem_alloc(sizeof *asked);
    *asked = (struct asked){then, arg};
    uint64_t id = ipc_request(ch, type, buf_span(b), NULL, 0, on_answer, asked);
    buf_free(b);
    return id;
}

/* MSG_SUPPRESS_LIST: account (text), after u64, limit u32. */
uint64_t suppress_list(struct ipc *ch, const char *account, uint64_t after, uint32_t limit,
                       suppress_on_answer *then, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_u64(&b, after);
    wire_put_u32(&b, limit);
    return ask(ch, MSG_SUPPRESS_LIST, &b, then, arg);
}

/* MSG_SUPPRESS_ADD: account, address (texts), expires i64, manual bool, class u8, reason (text). */
uint64_t suppress_add(struct ipc *ch, const struct suppression *s, suppress_on_answer *then,
                      void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, s->account);
    wire_put_text(&b, s->original);
    wire_put_i64(&b, s->expires_ms);
    wire_put_bool(&b, s->manual);
    wire_put_u8(&b, (uint8_t)s->class);
    wire_put_text(&b, s->reason);
    return ask(ch, MSG_SUPPRESS_ADD, &b, then, arg);
}

/* MSG_SUPPRESS_REMOVE, MSG_SUPPRESS_FIND: account, address (texts). */
static uint64_t ask_address(struct ipc *ch, uint16_t type, const char *account, const char *address,
                            suppress_on_answer *then, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_text(&b, address);
    return ask(ch, type, &b, then, arg);
}

uint64_t suppress_remove(struct ipc *ch, const char *account, const char *address,
                         suppress_on_answer *then, void *arg)
{
    return ask_address(ch, MSG_SUPPRESS_REMOVE, account, address, then, arg);
}

uint64_t suppress_find(struct ipc *ch, const char *account, const char *address,
                       suppress_on_answer *then, void *arg)
{
    return ask_address(ch, MSG_SUPPRESS_FIND, account, address, then, arg);
}

void suppress_forget(struct ipc *ch, uint64_t id)
{
    struct asked *asked = ipc_forget(ch, id);
    mem_free(&asked);
}
