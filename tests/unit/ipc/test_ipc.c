#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "file.h"
#include "ipc_help.h"
#include "log.h"
#include "mem.h"
#include "rand.h"
#include "record.h"
#include "wire.h"

/* One end of a channel, and what has come to it. */
struct side {
    struct ipc *ch;
    unsigned messages, closed;
    uint64_t last_id;
    uint16_t last_type;
    struct buf last; /* the payload of the last message */
    char why[200];
    /* What the handlers do. */
    void (*on_message)(struct side *s, struct ipc_message *m);
    void (*on_closed)(struct side *s);
    int rc;
};

/* Both ends in one event loop, under a clock that ends a test that hangs. */
struct both {
    struct event_base *base;
    struct event *alarm;
    struct side a, b;
    unsigned fds; /* open before */
};

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct side *s = arg;
    s->messages++;
    s->last_id = m->id;
    s->last_type = m->type;
    buf_clear(&s->last);
    buf_put_span(&s->last, m->payload);
    if (s->on_message != NULL)
        s->on_message(s, m);
    return s->rc == 0 ? 0 : fail_set(f, "not in this protocol");
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct side *s = arg;
    assert_ptr_equal(ch, s->ch);
    assert_false(ipc_is_open(ch));
    s->closed++;
    (void)snprintf(s->why, sizeof s->why, "%s", why);
    if (s->on_closed != NULL)
        s->on_closed(s);
}

static const struct ipc_handler handler = {on_message, on_closed};

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    fail_msg("the loop went on for ten seconds");
}

static void open_both(struct both *t)
{
    const struct timeval patience = {10, 0};
    int fd[2];
    struct fail f;
    memset(t, 0, sizeof *t);
    t->fds = open_fds();
    t->base = event_base_new();
    t->alarm = evtimer_new(t->base, on_alarm, NULL);
    evtimer_add(t->alarm, &patience);
    assert_int_equal(ipc_pair(fd, &f), 0);
    t->a.ch = ipc_new(t->base, fd[0], "a", &handler, &t->a);
    t->b.ch = ipc_new(t->base, fd[1], "b", &handler, &t->b);
}

static void close_both(struct both *t)
{
    ipc_free(&t->a.ch);
    ipc_free(&t->b.ch);
    buf_free(&t->a.last);
    buf_free(&t->b.last);
    event_free(t->alarm);
    event_base_free(t->base);
    assert_int_equal(open_fds(), t->fds);
}

/* Turns of the loop until the condition holds. */
#define UNTIL(t, condition)                                                                        \
    while (!(condition))                                                                           \
    assert_int_equal(event_base_loop((t)->base, EVLOOP_ONCE), 0)

/* Turns of the loop while anything is ready. */
static void settle(struct both *t)
{
    for (int i = 0; i < 5; i++)
        (void)event_base_loop(t->base, EVLOOP_NONBLOCK);
}

/* What was asked, and what has come of it. */
struct asked {
    unsigned replies, nulls;
    struct buf last;
    void (*on_reply)(struct asked *k, struct ipc_message *m);
    void *arg;
    int rc;
};

static int on_reply(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *k = arg;
    if (m == NULL) {
        k->nulls++;
    } else {
        k->replies++;
        buf_clear(&k->last);
        buf_put_span(&k->last, m->payload);
    }
    if (k->on_reply != NULL)
        k->on_reply(k, m);
    return k->rc == 0 ? 0 : fail_set(f, "no sense in it");
}

static void answer_echo(struct side *s, struct ipc_message *m)
{
    ipc_reply(s->ch, (uint16_t)(m->type + 1), m->id, m->payload, NULL, 0);
}

static void test_a_request_gets_its_reply_and_a_notice_none(void **state)
{
    struct both t;
    struct asked k = {0};
    open_both(&t);
    t.b.on_message = answer_echo;
    uint64_t id = ipc_request(t.a.ch, 0x0101, span_text("hello"), NULL, 0, on_reply, &k);
    assert_int_equal(ipc_pending(t.a.ch), 1);
    assert_int_equal(k.replies, 0);
    UNTIL(&t, k.replies == 1);
    assert_int_equal(t.b.last_id, id);
    assert_int_equal(t.b.last_type, 0x0101);
    assert_true(span_is(buf_span(&k.last), "hello"));
    assert_int_equal(ipc_pending(t.a.ch), 0);
    t.b.on_message = NULL;
    ipc_notify(t.a.ch, 0x0105, span_text("by the way"), NULL, 0);
    UNTIL(&t, t.b.messages == 2);
    assert_int_equal(t.b.last_id, 0);
    assert_true(span_is(buf_span(&t.b.last), "by the way"));
    assert_string_equal(ipc_name(t.a.ch), "a");
    assert_int_equal(ipc_peer_uid(t.a.ch), getuid());
    assert_int_equal(ipc_peer_pid(t.a.ch), getpid());
    buf_free(&k.last);
    close_both(&t);
}

static void test_both_sides_can_ask_at_once(void **state)
{
    struct both t;
    struct asked a = {0}, b = {0};
    open_both(&t);
    t.a.on_message = t.b.on_message = answer_echo;
    (void)ipc_request(t.a.ch, 1, span_text("from a"), NULL, 0, on_reply, &a);
    (void)ipc_request(t.b.ch, 1, span_text("from b"), NULL, 0, on_reply, &b);
    UNTIL(&t, a.replies == 1 && b.replies == 1);
    assert_true(span_is(buf_span(&a.last), "from a"));
    assert_true(span_is(buf_span(&b.last), "from b"));
    buf_free(&a.last);
    buf_free(&b.last);
    close_both(&t);
}

static void keep_first(struct side *s, struct ipc_message *m)
{
    s->last_type = (uint16_t)mark_of(m->fd[0]);
    (void)close(m->fd[0]);
    m->fd[0] = -1;
}

static void test_descriptors_are_closed_exactly_once(void **state)
{
    struct both t;
    struct asked k = {0};
    int fds[2];
    open_both(&t);
    t.b.on_message = keep_first;
    for (int i = 0; i < 10; i++) {
        fds[0] = marked_fd('0');
        fds[1] = marked_fd('1');
        ipc_notify(t.a.ch, 1, span_text("two"), fds, 2);
        UNTIL(&t, t.b.messages == (unsigned)i + 1);
        assert_int_equal(t.b.last_type, '0');
    }
    /* Those that wait, those of a channel that is over, and those of a request. */
    t.b.on_message = NULL;
    for (int i = 0; i < 500; i++) {
        fds[0] = marked_fd('0');
        ipc_notify(t.a.ch, 1, span_text("x"), fds, 1);
    }
    assert_true(ipc_unsent(t.a.ch) > 0);
    ipc_free(&t.b.ch);
    UNTIL(&t, t.a.closed == 1);
    fds[0] = marked_fd('0');
    ipc_notify(t.a.ch, 1, span_text("x"), fds, 1);
    fds[0] = marked_fd('0');
    (void)ipc_request(t.a.ch, 1, span_text("x"), fds, 1, on_reply, &k);
    assert_int_equal(close(fds[0]), 0); /* which stays the caller's */
    fds[0] = marked_fd('0');
    ipc_reply(t.a.ch, 1, 5, span_text("x"), fds, 1);
    UNTIL(&t, k.nulls == 1);
    close_both(&t);
}

#define LENT 500

static unsigned lent_good;

static void note_mark(struct side *s, struct ipc_message *m)
{
    lent_good += m->fds == 1 && mark_of(m->fd[0]) == 'a' + (int)(s->messages % 20);
}

static void test_requests_that_wait_have_descriptors_of_their_own(void **state)
{
    struct both t;
    struct asked k = {0};
    open_both(&t);
    t.b.on_message = note_mark;
    unsigned first = t.b.messages;
    lent_good = 0;
    for (unsigned i = 0; i < LENT; i++) {
        /* As many as were counted when it comes: the count goes first. */
        int fd = marked_fd((char)('a' + (first + i + 1) % 20));
        (void)ipc_request(t.a.ch, 1, span_text("x"), &fd, 1, on_reply, &k);
        assert_int_equal(close(fd), 0);
    }
    assert_true(ipc_unsent(t.a.ch) > 0 && ipc_unsent(t.a.ch) < LENT);
    UNTIL(&t, t.b.messages == first + LENT);
    assert_int_equal(lent_good, LENT);
    ipc_free(&t.a.ch);
    close_both(&t);
}

static void test_large_payloads_go_both_ways(void **state)
{
    struct both t;
    struct asked k = {0};
    struct buf big = {0};
    open_both(&t);
    rand_bytes(buf_room(&big, 3u << 20), 3u << 20);
    buf_grew(&big, 3u << 20);
    t.b.on_message = answer_echo;
    for (size_t n = IPC_INLINE_MAX - 1; n <= big.n; n = n * 2 + 1) {
        unsigned before = k.replies;
        (void)ipc_request(t.a.ch, 1, span_of(big.p, n), NULL, 0, on_reply, &k);
        UNTIL(&t, k.replies == before + 1);
        assert_true(span_equal(buf_span(&k.last), span_of(big.p, n)));
    }
    buf_free(&big);
    buf_free(&k.last);
    close_both(&t);
}

#define IN_FLIGHT 30 /* of the descriptors a process may have, and may have on their way */
#define PASSED 60

/* In a process of its own, without root's leave to have as many in flight as it likes: sends them
 * all through fd, and says at go when no more fit. */
static int send_more_descriptors_than_may_be_in_flight(int fd, int go)
{
    const struct rlimit limit = {IN_FLIGHT, IN_FLIGHT};
    struct side s = {0};
    struct event_base *base = event_base_new();
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        return 1;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 2;
    s.ch = ipc_new(base, fd, "a", &handler, &s);
    for (int i = 0; i < PASSED;) {
        int one = file_memory("one of many", NULL);
        if (one >= 0) {
            ipc_notify(s.ch, 1, span_text("with a descriptor"), &one, 1);
            i++;
        } else { /* those that wait are open here */
            file_close(&go);
            (void)event_base_loop(base, EVLOOP_ONCE);
        }
    }
    while (ipc_unsent(s.ch) > 0)
        (void)event_base_loop(base, EVLOOP_ONCE);
    return go == -1 && s.closed == 0 ? 0 : 3;
}

static void test_descriptors_wait_until_the_kernel_takes_them(void **state)
{
    struct ipc_message m;
    struct buf storage = {0};
    struct fail f;
    int status, fd[2], go[2], got = 0, rc;
    char octet;
    assert_int_equal(ipc_pair(fd, &f), 0);
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fd[1]);
        (void)close(go[0]);
        _exit(send_more_descriptors_than_may_be_in_flight(fd[0], go[1]));
    }
    (void)close(fd[0]);
    (void)close(go[1]);
    assert_int_equal(read(go[0], &octet, 1), 0);
    (void)close(go[0]);
    struct pollfd p = {.fd = fd[1], .events = POLLIN};
    while (poll(&p, 1, 10000) == 1 &&
           (rc = record_receive(fd[1], &m, &storage, &f)) != RECORD_CLOSED) {
        got += rc == 0 ? (int)m.fds : 0;
        record_close_fds(&m);
    }
    (void)close(fd[1]);
    buf_free(&storage);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(got, PASSED);
}

#define MANY 10000

static uint64_t many_ids[MANY];
static unsigned many_n;

static void note_id(struct side *s, struct ipc_message *m)
{
    many_ids[many_n++] = m->id;
}

static void test_ten_thousand_requests_wait_for_a_slow_reader(void **state)
{
    struct both t;
    struct asked k = {0};
    open_both(&t);
    t.b.on_message = note_id;
    many_n = 0;
    for (int i = 0; i < MANY; i++)
        (void)ipc_request(t.a.ch, 1, span_text("one of many"), NULL, 0, on_reply, &k);
    assert_int_equal(ipc_pending(t.a.ch), MANY);
    assert_true(ipc_unsent(t.a.ch) > 0);
    UNTIL(&t, many_n == MANY);
    assert_int_equal(ipc_unsent(t.a.ch), 0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(many_ids[i], i + 1); /* as they were asked */
        uint64_t other = rand_below((uint64_t)i + 1), swap = many_ids[i];
        many_ids[i] = many_ids[other];
        many_ids[other] = swap;
    }
    for (int i = 0; i < MANY; i++)
        ipc_reply(t.b.ch, 2, many_ids[i], span_text("yes"), NULL, 0);
    UNTIL(&t, k.replies == MANY);
    assert_int_equal(ipc_pending(t.a.ch), 0);
    assert_int_equal(k.nulls, 0);
    buf_free(&k.last);
    close_both(&t);
}

static void free_side(struct side *s, struct ipc_message *m)
{
    ipc_free(&s->ch);
}

static void free_closed_side(struct side *s)
{
    ipc_free(&s->ch);
}

static void free_asking(struct asked *k, struct ipc_message *m)
{
    struct side *s = k->arg;
    ipc_free(&s->ch);
}

static void test_a_channel_can_be_freed_inside_on_message(void **state)
{
    struct both t;
    struct asked k = {0};
    open_both(&t);
    t.b.on_message = free_side;
    for (int i = 0; i < 3; i++)
        (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &k);
    UNTIL(&t, t.a.closed == 1);
    assert_int_equal(t.b.messages, 1);
    assert_int_equal(t.b.closed, 0);
    assert_int_equal(k.nulls, 3);
    assert_int_equal(k.replies, 0);
    close_both(&t);
}

static void test_a_channel_can_be_freed_inside_on_closed(void **state)
{
    struct both t;
    open_both(&t);
    t.a.on_closed = free_closed_side;
    ipc_free(&t.b.ch);
    UNTIL(&t, t.a.closed == 1);
    assert_null(t.a.ch);
    assert_string_equal(t.a.why, "closed by the peer");
    close_both(&t);
}

static void test_a_channel_can_be_freed_inside_a_reply(void **state)
{
    struct both t;
    struct asked first = {.on_reply = free_asking}, others = {0};
    open_both(&t);
    first.arg = &t.a;
    t.b.on_message = answer_echo;
    (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &first);
    for (int i = 0; i < 5; i++)
        (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &others);
    UNTIL(&t, first.replies == 1);
    assert_null(t.a.ch);
    assert_int_equal(others.nulls, 5);
    assert_int_equal(others.replies, 0);
    assert_int_equal(t.a.closed, 0);
    buf_free(&first.last);
    close_both(&t);
}

static void test_a_channel_can_be_freed_inside_a_reply_of_null(void **state)
{
    struct both t;
    struct asked first = {.on_reply = free_asking}, others = {0};
    open_both(&t);
    first.arg = &t.a;
    (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &first);
    for (int i = 0; i < 5; i++)
        (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &others);
    ipc_free(&t.b.ch);
    UNTIL(&t, first.nulls == 1);
    assert_null(t.a.ch);
    assert_int_equal(others.nulls, 5);
    assert_int_equal(t.a.closed, 0); /* the owner freed it before it was told */
    close_both(&t);
}

static void ask_again(struct asked *k, struct ipc_message *m)
{
    struct side *s = k->arg;
    if (k->nulls < 3 && s->ch != NULL)
        (void)ipc_request(s->ch, 1, span_text("again"), NULL, 0, on_reply, k);
}

static void test_whoever_asks_a_closed_channel_hears_of_it_from_the_loop(void **state)
{
    struct both t;
    struct asked k = {.on_reply = ask_again};
    open_both(&t);
    k.arg = &t.a;
    (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &k);
    ipc_free(&t.b.ch);
    UNTIL(&t, t.a.closed == 1);
    assert_int_equal(k.nulls, 1); /* the second question was asked of a closed channel */
    UNTIL(&t, k.nulls == 3);
    assert_int_equal(ipc_pending(t.a.ch), 0);
    /* A question that the end of the channel's life overtakes is answered by it. */
    struct asked late = {0};
    (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &late);
    assert_int_equal(late.nulls, 0);
    ipc_free(&t.a.ch);
    assert_int_equal(late.nulls, 1);
    settle(&t);
    assert_int_equal(late.nulls, 1);
    close_both(&t);
}

static void test_pending_requests_are_answered_once_when_the_peer_ends(void **state)
{
    /* after: how many messages the peer reads before it ends; it answers every second one. */
    for (unsigned after = 0; after <= 6; after++) {
        struct both t;
        struct asked k[6] = {{0}};
        unsigned replies = 0;
        int fd[2];
        struct ipc_message m;
        struct buf storage = {0};
        struct fail f;
        open_both(&t);
        ipc_free(&t.b.ch);
        UNTIL(&t, t.a.closed == 1);
        ipc_free(&t.a.ch);
        assert_int_equal(ipc_pair(fd, &f), 0);
        t.a.closed = 0;
        t.a.ch = ipc_new(t.base, fd[0], "a", &handler, &t.a);
        for (int i = 0; i < 6; i++)
            (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &k[i]);
        for (unsigned i = 0; i < after; i++) {
            assert_int_equal(record_receive(fd[1], &m, &storage, &f), 0);
            struct record r;
            assert_int_equal(record_make(&r, 2, IPC_REPLY, m.id, span_text("y"), NULL, 0, &f), 0);
            if (i % 2 == 0)
                assert_int_equal(record_send(fd[1], &r, &f), 0);
            record_free(&r);
        }
        (void)close(fd[1]);
        UNTIL(&t, t.a.closed == 1);
        for (unsigned i = 0; i < 6; i++) {
            bool answered = i < after && i % 2 == 0;
            assert_int_equal(k[i].replies, answered);
            assert_int_equal(k[i].nulls, !answered);
            replies += k[i].replies;
            buf_free(&k[i].last);
        }
        assert_int_equal(replies, (after + 1) / 2);
        buf_free(&storage);
        close_both(&t);
    }
}

static void
test_answers_of_a_peer_that_ended_are_heard_though_it_takes_no_more_questions(void **state)
{
    struct both t;
    struct asked first = {0}, second = {0};
    struct fail f;
    struct ipc_message m;
    struct buf storage = {0};
    struct record r;
    int fd[2];
    open_both(&t);
    ipc_free(&t.a.ch);
    assert_int_equal(ipc_pair(fd, &f), 0);
    t.a.ch = ipc_new(t.base, fd[0], "a", &handler, &t.a);
    (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &first);
    assert_int_equal(record_receive(fd[1], &m, &storage, &f), 0);
    assert_int_equal(record_make(&r, 2, IPC_REPLY, m.id, span_text("done"), NULL, 0, &f), 0);
    assert_int_equal(record_send(fd[1], &r, &f), 0);
    record_free(&r);
    (void)close(fd[1]);
    /* This one finds the socket broken before the answer to the first was read. */
    (void)ipc_request(t.a.ch, 1, span_text("y"), NULL, 0, on_reply, &second);
    UNTIL(&t, t.a.closed == 1);
    assert_int_equal(first.replies, 1);
    assert_true(span_is(buf_span(&first.last), "done"));
    assert_int_equal(second.nulls, 1);
    buf_free(&first.last);
    buf_free(&storage);
    close_both(&t);
}

static void test_what_breaks_the_protocol_ends_the_channel(void **state)
{
    static const struct {
        const char *octets;
        size_t n;
        const char *why;
    } cases[] = {
        {"x", 1, "malformed record"},
        {"\x00\x01\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01"
         "four",
         20, "record of another length than it says"},
        {"\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09", 16,
         "reply to nothing that was asked"},
        {"\x00\x01\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", 16,
         "no descriptor with a spilled message"},
        {"\x00\x01\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", 16,
         "malformed record"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct both t;
        struct asked k = {0};
        struct fail f;
        int fd[2];
        open_both(&t);
        ipc_free(&t.a.ch);
        assert_int_equal(ipc_pair(fd, &f), 0);
        t.a.ch = ipc_new(t.base, fd[0], "a", &handler, &t.a);
        (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &k);
        send_raw(fd[1], span_of(cases[i].octets, cases[i].n), NULL, 0);
        UNTIL(&t, t.a.closed == 1);
        assert_string_equal(t.a.why, cases[i].why);
        assert_int_equal(k.nulls, 1);
        (void)close(fd[1]);
        close_both(&t);
    }
}

static void test_a_handler_that_says_no_ends_the_channel(void **state)
{
    struct both t;
    struct asked k = {.rc = -1}, other = {0};
    open_both(&t);
    t.b.rc = -1;
    (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &other);
    UNTIL(&t, t.a.closed == 1);
    assert_int_equal(t.b.closed, 1);
    assert_string_equal(t.b.why, "not in this protocol");
    close_both(&t);

    open_both(&t);
    t.b.on_message = answer_echo;
    (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &k);
    UNTIL(&t, t.a.closed == 1);
    assert_string_equal(t.a.why, "no sense in it");
    UNTIL(&t, t.b.closed == 1);
    buf_free(&k.last);
    close_both(&t);
}

static void test_a_side_that_only_asks_takes_no_message(void **state)
{
    static const struct ipc_handler asks = {NULL, on_closed};
    struct both t;
    struct fail f;
    int fd[2];
    open_both(&t);
    ipc_free(&t.a.ch);
    assert_int_equal(ipc_pair(fd, &f), 0);
    t.a.ch = ipc_new(t.base, fd[0], "a", &asks, &t.a);
    send_raw(fd[1], span_of("\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", 16),
             NULL, 0);
    UNTIL(&t, t.a.closed == 1);
    assert_string_equal(t.a.why, "message to a side that only asks");
    (void)close(fd[1]);
    close_both(&t);
}

static void test_a_forgotten_request_gives_its_argument_back_and_is_not_answered(void **state)
{
    struct both t;
    struct asked k = {0}, other = {0};
    open_both(&t);
    t.b.on_message = answer_echo;
    uint64_t id = ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &k);
    (void)ipc_request(t.a.ch, 1, span_text("y"), NULL, 0, on_reply, &other);
    assert_ptr_equal(ipc_forget(t.a.ch, id), &k);
    assert_null(ipc_forget(t.a.ch, id)); /* its argument was given back already */
    assert_null(ipc_forget(t.a.ch, 12345));
    UNTIL(&t, other.replies == 1);
    assert_int_equal(k.replies + k.nulls, 0);
    assert_null(ipc_forget(t.a.ch, id));
    /* Nor when the channel ends. */
    id = ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &k);
    assert_ptr_equal(ipc_forget(t.a.ch, id), &k);
    ipc_free(&t.a.ch);
    assert_int_equal(k.replies + k.nulls, 0);
    buf_free(&other.last);
    close_both(&t);
}

static void test_a_request_whose_descriptor_could_not_be_had_is_answered_with_null(void **state)
{
    struct both t;
    struct asked lost = {0}, k = {0};
    const int none = -1;
    open_both(&t);
    t.b.on_message = answer_echo;
    (void)ipc_request(t.a.ch, 1, span_text("x"), &none, 1, on_reply, &lost);
    (void)ipc_request(t.a.ch, 1, span_text("y"), NULL, 0, on_reply, &k);
    (void)ipc_request(t.a.ch, 1, span_text("z"), &none, 1, on_reply, &lost);
    assert_int_equal(lost.nulls, 0);
    UNTIL(&t, lost.nulls == 2 && k.replies == 1);
    assert_int_equal(t.b.messages, 1);
    assert_true(ipc_is_open(t.a.ch));
    struct asked first = {.on_reply = free_asking, .arg = &t.a};
    (void)ipc_request(t.a.ch, 1, span_text("x"), &none, 1, on_reply, &first);
    (void)ipc_request(t.a.ch, 1, span_text("x"), &none, 1, on_reply, &lost);
    UNTIL(&t, first.nulls == 1);
    assert_int_equal(lost.nulls, 3);
    buf_free(&k.last);
    close_both(&t);
}

static void test_a_long_request_without_a_memory_file_is_lost_alone(void **state)
{
    struct both t;
    struct asked lost = {0}, k = {0};
    struct rlimit before, none = {0, 0};
    struct buf big = {0};
    open_both(&t);
    t.b.on_message = answer_echo;
    memset(buf_room(&big, IPC_INLINE_MAX + 1), 'x', IPC_INLINE_MAX + 1);
    buf_grew(&big, IPC_INLINE_MAX + 1);
    (void)ipc_request(t.a.ch, 1, span_text("before"), NULL, 0, on_reply, &k);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    (void)ipc_request(t.a.ch, 1, buf_span(&big), NULL, 0, on_reply, &lost);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(lost.nulls, 0);
    UNTIL(&t, lost.nulls == 1 && k.replies == 1);
    (void)ipc_request(t.a.ch, 1, buf_span(&big), NULL, 0, on_reply, &k);
    UNTIL(&t, k.replies == 2);
    assert_true(ipc_is_open(t.a.ch));
    buf_free(&big);
    buf_free(&k.last);
    close_both(&t);
}

static void test_freeing_tells_everyone_who_waits_and_nobody_else(void **state)
{
    struct both t;
    struct asked k = {0};
    open_both(&t);
    for (int i = 0; i < 100; i++)
        (void)ipc_request(t.a.ch, 1, span_text("x"), NULL, 0, on_reply, &k);
    ipc_free(&t.a.ch);
    assert_int_equal(k.nulls, 100);
    assert_int_equal(t.a.closed, 0);
    ipc_free(&t.a.ch); /* NULL is let be */
    settle(&t);
    assert_int_equal(k.nulls, 100);
    assert_int_equal(t.b.messages, 100);
    assert_int_equal(t.b.closed, 1);
    close_both(&t);
}

static void test_memory_that_a_large_message_took_is_given_back(void **state)
{
    struct both t;
    struct buf big = {0};
    open_both(&t);
    memset(buf_room(&big, 40u << 20), 'x', 40u << 20);
    buf_grew(&big, 40u << 20);
    ipc_notify(t.a.ch, 1, buf_span(&big), NULL, 0);
    buf_free(&big);
    UNTIL(&t, t.b.messages == 1);
    assert_int_equal(t.b.last.n, 40u << 20);
    buf_free(&t.b.last);
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory for a while */
    char line[200];
    long rss_kb = 0;
    FILE *status = fopen("/proc/self/status", "re");
    assert_non_null(status);
    while (fgets(line, sizeof line, status) != NULL)
        (void)sscanf(line, "RssAnon: %ld", &rss_kb);
    (void)fclose(status);
    assert_true(rss_kb < 30000);
#endif
    close_both(&t);
}

static int be_quiet(void **state)
{
    log_open("test", LOG_ERROR_);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_gets_its_reply_and_a_notice_none),
        cmocka_unit_test(test_both_sides_can_ask_at_once),
        cmocka_unit_test(test_descriptors_are_closed_exactly_once),
        cmocka_unit_test(test_requests_that_wait_have_descriptors_of_their_own),
        cmocka_unit_test(test_descriptors_wait_until_the_kernel_takes_them),
        cmocka_unit_test(test_large_payloads_go_both_ways),
        cmocka_unit_test(test_ten_thousand_requests_wait_for_a_slow_reader),
        cmocka_unit_test(test_a_channel_can_be_freed_inside_on_message),
        cmocka_unit_test(test_a_channel_can_be_freed_inside_on_closed),
        cmocka_unit_test(test_a_channel_can_be_freed_inside_a_reply),
        cmocka_unit_test(test_a_channel_can_be_freed_inside_a_reply_of_null),
        cmocka_unit_test(test_whoever_asks_a_closed_channel_hears_of_it_from_the_loop),
        cmocka_unit_test(test_pending_requests_are_answered_once_when_the_peer_ends),
        cmocka_unit_test(
            test_answers_of_a_peer_that_ended_are_heard_though_it_takes_no_more_questions),
        cmocka_unit_test(test_what_breaks_the_protocol_ends_the_channel),
        cmocka_unit_test(test_a_handler_that_says_no_ends_the_channel),
        cmocka_unit_test(test_a_side_that_only_asks_takes_no_message),
        cmocka_unit_test(test_a_forgotten_request_gives_its_argument_back_and_is_not_answered),
        cmocka_unit_test(test_a_request_whose_descriptor_could_not_be_had_is_answered_with_null),
        cmocka_unit_test(test_a_long_request_without_a_memory_file_is_lost_alone),
        cmocka_unit_test(test_freeing_tells_everyone_who_waits_and_nobody_else),
        cmocka_unit_test(test_memory_that_a_large_message_took_is_given_back),
    };
    return cmocka_run_group_tests(tests, be_quiet, NULL);
}
