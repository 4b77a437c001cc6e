#include "mem.h"
#include "proto_suppress.h"

#define TIMEOUT_MS 30000

struct asked {
    suppress_on_answer *on_answer;
    void *arg;
};

/* MSG_SUPPRESS_ANSWER: result u8, count u32 of suppressions, next u64. Malformed: the result is
 * SUPPRESS_RESULTS. */
static void get_answer(uint16_t type, struct span payload, struct suppress_answer *a)
{
    struct wire w = wire_open(payload);
    a->result = (enum suppress_result)wire_enum(&w, SUPPRESS_RESULTS);
    uint32_t n = wire_count(&w, SUPPRESS_PAGE_MAX, 42);
    a->rows = mem_array(n, sizeof *a->rows);
    while (a->rows_n < n)
        suppression_get(&w, &a->rows[a->rows_n++]);
    a->next = wire_u64(&w);
    if (type != MSG_SUPPRESS_ANSWER || wire_end(&w) != 0) {
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
        get_answer(m->type, m->payload, &a);
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
static struct buf list_octets(const char *account, uint64_t after, uint32_t limit)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_u64(&b, after);
    wire_put_u32(&b, limit);
    return b;
}

/* MSG_SUPPRESS_ADD: account, address (texts), expires i64, manual bool, class u8, reason (text). */
static struct buf add_octets(const struct suppression *s)
{
    struct buf b = {0};
    wire_put_text(&b, s->account);
    wire_put_text(&b, s->original);
    wire_put_i64(&b, s->expires_ms);
    wire_put_bool(&b, s->manual);
    wire_put_u8(&b, (uint8_t)s->class);
    wire_put_text(&b, s->reason);
    return b;
}

/* MSG_SUPPRESS_REMOVE, MSG_SUPPRESS_FIND: account, address (texts). */
static struct buf address_octets(const char *account, const char *address)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_text(&b, address);
    return b;
}

uint64_t suppress_list(struct ipc *ch, const char *account, uint64_t after, uint32_t limit,
                       suppress_on_answer *then, void *arg)
{
    struct buf b = list_octets(account, after, limit);
    return ask(ch, MSG_SUPPRESS_LIST, &b, then, arg);
}

uint64_t suppress_add(struct ipc *ch, const struct suppression *s, suppress_on_answer *then,
                      void *arg)
{
    struct buf b = add_octets(s);
    return ask(ch, MSG_SUPPRESS_ADD, &b, then, arg);
}

uint64_t suppress_remove(struct ipc *ch, const char *account, const char *address,
                         suppress_on_answer *then, void *arg)
{
    struct buf b = address_octets(account, address);
    return ask(ch, MSG_SUPPRESS_REMOVE, &b, then, arg);
}

uint64_t suppress_find(struct ipc *ch, const char *account, const char *address,
                       suppress_on_answer *then, void *arg)
{
    struct buf b = address_octets(account, address);
    return ask(ch, MSG_SUPPRESS_FIND, &b, then, arg);
}

void suppress_forget(struct ipc *ch, uint64_t id)
{
    struct asked *asked = ipc_forget(ch, id);
    mem_free(&asked);
}

/* ---- over admin.sock ---- */

/* What is refused there is refused in the admin protocol's words: why (text). */
static int refused(struct span payload, struct fail *f)
{
    struct wire w = wire_open(payload);
    char *why = wire_text(&w, PROTO_TEXT_MAX);
    int rc = wire_end(&w) == 0 ? fail_set(f, "%s", why) : fail_set(f, "malformed answer from qmgr");
    mem_free(&why);
    return rc;
}

static int call(int fd, uint16_t type, struct buf *b, struct suppress_answer *a, struct fail *f)
{
    struct buf octets = {0};
    uint16_t got;
    *a = (struct suppress_answer){.result = SUPPRESS_UNAVAILABLE};
    int rc = ipc_call(fd, type, buf_span(b), NULL, 0, TIMEOUT_MS, &got, &octets, f);
    if (rc == 0 && got == MSG_ADMIN_REFUSED)
        rc = refused(buf_span(&octets), f);
    if (rc == 0)
        get_answer(got, buf_span(&octets), a);
    if (rc == 0 && a->result == SUPPRESS_RESULTS)
        rc = fail_set(f, "malformed answer from qmgr");
    else if (rc == 0 && a->result == SUPPRESS_UNAVAILABLE)
        rc = fail_set(f, "the queue cannot be read or written now");
    if (rc != 0)
        suppress_answer_clear(a);
    buf_free(&octets);
    buf_free(b);
    return rc;
}

int suppress_ask_list(int fd, const char *account, uint64_t after, uint32_t limit,
                      struct suppress_answer *answer, struct fail *f)
{
    struct buf b = list_octets(account, after, limit);
    return call(fd, MSG_SUPPRESS_LIST, &b, answer, f);
}

int suppress_ask_add(int fd, const struct suppression *s, struct suppress_answer *answer,
                     struct fail *f)
{
    struct buf b = add_octets(s);
    return call(fd, MSG_SUPPRESS_ADD, &b, answer, f);
}

int suppress_ask_remove(int fd, const char *account, const char *address,
                        struct suppress_answer *answer, struct fail *f)
{
    struct buf b = address_octets(account, address);
    return call(fd, MSG_SUPPRESS_REMOVE, &b, answer, f);
}

int suppress_ask_find(int fd, const char *account, const char *address,
                      struct suppress_answer *answer, struct fail *f)
{
    struct buf b = address_octets(account, address);
    return call(fd, MSG_SUPPRESS_FIND, &b, answer, f);
}
