#ifndef QM_TEST_PROTO_HELP_H
#define QM_TEST_PROTO_HELP_H

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "file.h"
#include "ipc.h"
#include "log.h"
#include "mem.h"
#include "proto_types.h"
#include "rand.h"
#include "record.h"
#include "wire.h"

/* What tests of all protocols need: the octets that a function sends, and a message made of octets;
 * and the battery that every message has to stand: the same octets again from what it decodes to,
 * no truncation, nothing left over, and of ten thousand mutations each refused or meaning what it
 * says. */

/* ---- what is sent ---- */

/* A channel whose other end is read by the test. */
struct scratch {
    struct event_base *base;
    struct ipc *ch;
    int raw;
    struct ipc_message m; /* the last record taken; its payload is in storage */
    struct buf storage;
};

static inline void scratch_open(struct scratch *s)
{
    static const struct ipc_handler handler = {NULL, NULL};
    struct fail f;
    int fd[2];
    memset(s, 0, sizeof *s);
    s->base = event_base_new();
    assert_non_null(s->base);
    assert_int_equal(ipc_pair(fd, &f), 0);
    s->ch = ipc_new(s->base, fd[0], "scratch", &handler, NULL);
    s->raw = fd[1];
}

static inline void scratch_close(struct scratch *s)
{
    ipc_free(&s->ch);
    file_close(&s->raw);
    event_base_free(s->base);
    buf_free(&s->storage);
}

/* Takes the record that was just sent; s->m holds it. Its descriptors are closed, but counted in
 * s->m.fds. */
static inline void scratch_take(struct scratch *s)
{
    struct fail f;
    assert_int_equal(record_receive(s->raw, &s->m, &s->storage, &f), 0);
    unsigned n = s->m.fds;
    record_close_fds(&s->m);
    s->m.fds = n;
}

/* ---- what comes ---- */

/* A message as a handler gets it. */
static inline struct ipc_message message_of(uint16_t type, struct span payload)
{
    return (struct ipc_message){.type = type, .id = 7, .payload = payload, .fd = {-1, -1, -1, -1}};
}

/* Answers, with these octets, what ask() asks on the channel it is given; then runs the loop until
 * all is heard. The reply function that ask() registers does the rest. */
static inline void answer_with(void (*ask)(struct ipc *ch, void *arg), void *arg, uint16_t type,
                               struct span payload)
{
    struct scratch s;
    struct record r;
    struct fail f;
    scratch_open(&s);
    ask(s.ch, arg);
    scratch_take(&s);
    assert_int_equal(record_make(&r, type, IPC_REPLY, s.m.id, payload, NULL, 0, &f), 0);
    assert_int_equal(record_send(s.raw, &r, &f), 0);
    record_free(&r);
    (void)event_base_loop(s.base, EVLOOP_NONBLOCK);
    scratch_close(&s);
}

/* Somebody to answer one request from another thread. */
struct answerer {
    int fd;
    uint16_t type;
    struct buf payload;
};

/* They are waited for at the end: what they have not given back yet would count as lost. */
static atomic_int answering;

__attribute__((destructor)) static void end_with_all_answers(void)
{
    while (atomic_load(&answering) > 0)
        (void)sched_yield();
}

static inline void *give_answer(void *arg)
{
    struct answerer *a = arg;
    struct pollfd readable = {.fd = a->fd, .events = POLLIN};
    unsigned char head[RECORD_HEAD];
    struct record r;
    struct fail f;
    (void)poll(&readable, 1, -1);
    /* The request stays where it is, for the test to look at. */
    if (recv(a->fd, head, sizeof head, MSG_PEEK) == (ssize_t)sizeof head) {
        struct wire w = wire_open(span_of(head + 8, 8));
        if (record_make(&r, a->type, IPC_REPLY, wire_u64(&w), buf_span(&a->payload), NULL, 0, &f) ==
            0)
            (void)record_send(a->fd, &r, &f);
        record_free(&r);
    }
    file_close(&a->fd);
    buf_free(&a->payload);
    mem_free(&a);
    (void)atomic_fetch_sub(&answering, 1);
    return NULL;
}

/* The same for a function that asks and waits: whoever holds the other end answers with these
 * octets. Returns a socket to ask through, and the other end, where the request can be read. */
static inline int ready_answer(uint16_t type, struct span payload, int *other)
{
    struct answerer *a = mem_zero(sizeof *a);
    pthread_t thread;
    struct fail f;
    int fd[2];
    assert_int_equal(ipc_pair(fd, &f), 0);
    a->fd = fcntl(fd[1], F_DUPFD_CLOEXEC, 0);
    a->type = type;
    buf_put_span(&a->payload, payload);
    (void)atomic_fetch_add(&answering, 1);
    assert_int_equal(pthread_create(&thread, NULL, give_answer, a), 0);
    assert_int_equal(pthread_detach(thread), 0);
    *other = fd[1];
    return fd[0];
}

/* ---- the battery ---- */

/* Decodes the payload by the protocol's own reader and, if it is good, appends what encodes from
 * that to out. Returns 0, or -1 when it was refused. */
typedef int again_fn(uint16_t type, struct span payload, struct buf *out);

static inline void mutate(struct buf *b)
{
    static const unsigned char odd[] = {0, 1, 2, 0x7f, 0x80, 0xff};
    for (uint64_t i = rand_below(3) + 1; i > 0 && b->n > 0; i--) {
        unsigned char *p = b->p + b->head;
        size_t at = (size_t)rand_below(b->n);
        switch (rand_below(5)) {
        case 0:
            p[at] ^= (unsigned char)(1u << rand_below(8));
            break;
        case 1:
            p[at] = odd[rand_below(sizeof odd)];
            break;
        case 2: /* take some out */
            memmove(p + at, p + at + 1, b->n - at - 1);
            b->n--;
            break;
        case 3: /* put one in */
            buf_putc(b, 0);
            p = b->p + b->head;
            memmove(p + at + 1, p + at, b->n - at - 1);
            p[at] = (unsigned char)rand_below(256);
            break;
        default: /* a length that lies */
            if (b->n >= 4) {
                at = (size_t)rand_below(b->n - 3);
                memset(p + at, rand_below(2) == 0 ? 0 : 0xff, 3);
                p[at + 3] = (unsigned char)rand_below(256);
            }
        }
    }
}

static inline void stand_battery(const char *name, uint16_t type, struct span sample,
                                 again_fn *again)
{
    struct buf out = {0}, changed = {0};
    unsigned good = 0;
    if (again(type, sample, &out) != 0)
        fail_msg("%s: its own octets are refused", name);
    if (!span_equal(sample, buf_span(&out)))
        fail_msg("%s: does not encode to what it was decoded from", name);
    for (size_t n = 0; n < sample.n; n++) {
        /* A copy of exactly that length, so that a sanitizer sees a read beyond it. */
        unsigned char *cut = mem_copy(sample.p, n);
        buf_clear(&out);
        if (again(type, span_of(cut, n), &out) == 0)
            fail_msg("%s: accepted when cut at %zu of %zu octets", name, n, sample.n);
        mem_free(&cut);
    }
    buf_put_span(&changed, sample);
    buf_putc(&changed, 0);
    buf_clear(&out);
    if (again(type, buf_span(&changed), &out) == 0)
        fail_msg("%s: accepted with an octet left over", name);
    for (int i = 0; i < 10000; i++) {
        buf_clear(&changed);
        buf_clear(&out);
        buf_put_span(&changed, sample);
        mutate(&changed);
        unsigned char *exact = mem_copy(buf_span(&changed).p, changed.n);
        if (again(type, span_of(exact, changed.n), &out) == 0) {
            good++;
            if (!span_equal(buf_span(&changed), buf_span(&out)))
                fail_msg("%s: mutation %d means something else than it says", name, i);
        }
        mem_free(&exact);
    }
    /* Most messages have texts, so that some mutations must have been good: else the battery proves
     * nothing. */
    if (sample.n > 40 && good == 0)
        fail_msg("%s: every mutation was refused", name);
    buf_free(&out);
    buf_free(&changed);
}

/* n times the character, as a text (mem_free). */
static inline char *repeated(char c, size_t n)
{
    char *text = mem_alloc(n + 1);
    memset(text, c, n);
    text[n] = '\0';
    return text;
}

/* A sealed memory file of n octets. */
static inline int sealed_of(size_t n)
{
    char *octets = repeated('m', n);
    struct fail f;
    int fd = file_sealed("test", span_of(octets, n), &f);
    assert_true(fd >= 0);
    mem_free(&octets);
    return fd;
}

static inline unsigned open_fds(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* For cmocka's group: the channels that end in these tests end by design, ten thousand times. */
static inline int log_nothing(void **state)
{
    log_open("test", (enum log_level)(LOG_ERROR_ + 1));
    return 0;
}

#endif
