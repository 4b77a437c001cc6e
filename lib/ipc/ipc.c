#include "ipc.h"

#include <assert.h>
#include <bsd/sys/queue.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "log.h"
#include "mem.h"
#include "record.h"
#include "trees.h"

#define MAGIC 0x69706321
#define RECORDS_A_TURN 64 /* then others have their turn */
/* Octets; what a spilled message needed beyond is given back. */
#define STORAGE_KEPT (4 * IPC_INLINE_MAX)
#define LATER_MS 20 /* until the kernel may take descriptors again */

struct outgoing {
    STAILQ_ENTRY(outgoing) next;
    struct record record;
};

struct pending {
    RB_ENTRY(pending) by_id;
    uint64_t id;
    ipc_on_reply *on_reply;
    void *arg;
    bool lost; /* not sent */
};

static int by_id(struct pending *a, struct pending *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

RB_HEAD(pending_tree, pending);
RB_GENERATE_STATIC(pending_tree, pending, by_id, by_id)

struct ipc {
    unsigned magic;
    char name[48];
    int fd;
    struct event *readable, *writable, *later, *reaper;
    const struct ipc_handler *handler;
    void *arg;
    STAILQ_HEAD(, outgoing) out;
    struct pending_tree pending;
    size_t pendings, outgoings;
    uint64_t last_id;
    struct buf storage;
    struct fail broken; /* why nothing can be sent any more; "" while it can */
    bool closed;
    unsigned running; /* callbacks of ours on the stack: the free waits for them */
    bool freed;
};

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);
static void on_later(evutil_socket_t fd, short what, void *arg);
static void on_reaper(evutil_socket_t fd, short what, void *arg);

static void check(const struct ipc *ch)
{
    assert(ch != NULL && ch->magic == MAGIC);
}

struct ipc *ipc_new(struct event_base *base, int fd, const char *name,
                    const struct ipc_handler *handler, void *arg)
{
    struct ipc *ch = mem_zero(sizeof *ch);
    ch->magic = MAGIC;
    ch->fd = fd;
    (void)snprintf(ch->name, sizeof ch->name, "%s", name);
    ch->handler = handler;
    ch->arg = arg;
    STAILQ_INIT(&ch->out);
    RB_INIT(&ch->pending);
    (void)evutil_make_socket_nonblocking(fd);
    ch->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, ch);
    ch->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, ch);
    ch->later = evtimer_new(base, on_later, ch);
    ch->reaper = evtimer_new(base, on_reaper, ch);
    assert(ch->readable != NULL && ch->writable != NULL && ch->later != NULL && ch->reaper != NULL);
    (void)event_add(ch->readable, NULL);
    return ch;
}

static void drop_outgoing(struct ipc *ch)
{
    struct outgoing *o;
    while ((o = STAILQ_FIRST(&ch->out)) != NULL) {
        STAILQ_REMOVE_HEAD(&ch->out, next);
        record_free(&o->record);
        mem_free(&o);
    }
    ch->outgoings = 0;
}

static void take_pending(struct ipc *ch, struct pending *p)
{
    RB_REMOVE(pending_tree, &ch->pending, p);
    ch->pendings--;
}

/* Those asked until now: whoever asks again in answer to that hears of it from the loop, unless
 * there is no later any more. */
static void answer_all_with_null(struct ipc *ch)
{
    uint64_t last = ch->last_id;
    struct pending *p;
    while ((p = RB_MIN(pending_tree, &ch->pending)) != NULL && (p->id <= last || ch->freed)) {
        take_pending(ch, p);
        (void)p->on_reply(p->arg, NULL, NULL);
        mem_free(&p);
    }
}

static void release(struct ipc *ch)
{
    ch->magic = 0;
    event_free(ch->readable);
    event_free(ch->writable);
    event_free(ch->later);
    event_free(ch->reaper);
    (void)close(ch->fd);
    buf_wipe(&ch->storage);
    mem_free(&ch);
}

static void enter(struct ipc *ch)
{
    ch->running++;
}

static void leave(struct ipc *ch)
{
    if (--ch->running == 0 && ch->freed)
        release(ch);
}

static void stop_sending(struct ipc *ch)
{
    (void)event_del(ch->writable);
    (void)event_del(ch->later);
    drop_outgoing(ch);
}

static void shut(struct ipc *ch)
{
    ch->closed = true;
    (void)event_del(ch->readable);
    stop_sending(ch);
    answer_all_with_null(ch);
}

void ipc_free(struct ipc **chp)
{
    struct ipc *ch = *chp;
    *chp = NULL;
    if (ch == NULL)
        return;
    check(ch);
    ch->freed = true;
    enter(ch);
    shut(ch);
    leave(ch);
}

static void close_with(struct ipc *ch, const char *why)
{
    if (ch->closed)
        return;
    enter(ch);
    (void)shutdown(ch->fd, SHUT_RDWR); /* the peer hears of it before the owner frees the channel */
    shut(ch);
    if (!ch->freed && ch->handler->on_closed != NULL)
        ch->handler->on_closed(ch, ch->arg, why);
    leave(ch);
}

static struct pending *find_pending(struct ipc *ch, uint64_t id)
{
    struct pending like = {.id = id};
    return RB_FIND(pending_tree, &ch->pending, &like);
}

static int ignore_reply(void *arg, struct ipc_message *m, struct fail *f)
{
    return 0;
}

static int dispatch_reply(struct ipc *ch, struct ipc_message *m, struct fail *f)
{
    struct pending *p = find_pending(ch, m->id);
    if (p == NULL)
        return fail_set(f, "reply to nothing that was asked");
    take_pending(ch, p);
    int rc = p->on_reply(p->arg, m, f);
    mem_free(&p);
    return rc;
}

static int dispatch(struct ipc *ch, struct ipc_message *m, struct fail *f)
{
    int rc;
    if (m->reply)
        rc = dispatch_reply(ch, m, f);
    else if (ch->handler->on_message == NULL)
        rc = fail_set(f, "message to a side that only asks");
    else
        rc = ch->handler->on_message(ch, ch->arg, m, f);
    record_close_fds(m);
    return rc;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct ipc *ch = arg;
    struct fail f = {{0}};
    (void)what;
    check(ch);
    enter(ch);
    for (int i = 0; i < RECORDS_A_TURN && !ch->closed; i++) {
        struct ipc_message m;
        int rc = record_receive(fd, &m, &ch->storage, &f);
        if (rc == RECORD_AGAIN)
            break;
        if (rc == RECORD_CLOSED) {
            close_with(ch, ch->broken.text[0] != '\0' ? ch->broken.text : "closed by the peer");
            break;
        }
        if (rc != 0 || dispatch(ch, &m, &f) != 0) {
            log_error(NULL, "channel broken", LS("channel", ch->name), LS("why", f.text));
            close_with(ch, f.text);
        }
        /* It may have been a password. */
        if (ch->storage.cap > STORAGE_KEPT)
            buf_wipe(&ch->storage);
        else
            mem_wipe(ch->storage.p, ch->storage.head + ch->storage.n);
    }
    leave(ch);
}

/* Nothing more can be sent, but what the peer sent before it went is still to be read: its last
 * answers may be in it. The end of the channel comes behind them. */
static void break_sending(struct ipc *ch, const struct fail *why)
{
    ch->broken = *why;
    stop_sending(ch);
    (void)shutdown(ch->fd, SHUT_RDWR);
}

static void send_waiting(struct ipc *ch)
{
    struct outgoing *o;
    struct fail f = {{0}};
    while ((o = STAILQ_FIRST(&ch->out)) != NULL) {
        int rc = record_send(ch->fd, &o->record, &f);
        if (rc == RECORD_AGAIN) {
            (void)event_add(ch->writable, NULL);
            return;
        }
        if (rc == RECORD_LATER) {
            const struct timeval pause = {0, LATER_MS * 1000};
            (void)event_del(ch->writable);
            (void)evtimer_add(ch->later, &pause);
            return;
        }
        if (rc != 0) {
            break_sending(ch, &f);
            return;
        }
        STAILQ_REMOVE_HEAD(&ch->out, next);
        ch->outgoings--;
        record_free(&o->record);
        mem_free(&o);
    }
    (void)event_del(ch->writable);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct ipc *ch = arg;
    (void)fd;
    (void)what;
    check(ch);
    send_waiting(ch);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    on_writable(fd, what, arg);
}

/* A message on its way out. */
struct letter {
    uint16_t type, flags;
    uint64_t id;
    struct span payload;
    const int *fds;
    unsigned n;
    bool lent; /* the descriptors stay the caller's, or become ours */
};

static void close_ours(const struct letter *l)
{
    for (unsigned i = 0; i < l->n && !l->lent; i++)
        (void)close(l->fds[i]);
}

static int copy_fds(int own[IPC_FDS], const struct letter *l, struct fail *f)
{
    for (unsigned i = 0; i < l->n; i++) {
        own[i] = l->lent ? fcntl(l->fds[i], F_DUPFD_CLOEXEC, 0) : l->fds[i];
        if (own[i] >= 0)
            continue;
        int rc = fail_errno(f, "cannot keep a descriptor");
        while (i > 0)
            (void)close(own[--i]);
        return rc;
    }
    return 0;
}

/* Behind those that wait. 0, or -1 when a descriptor of its own, or a memory file for a long
 * payload, could not be had. */
static int queue(struct ipc *ch, const struct letter *l, struct fail *f)
{
    struct outgoing *o = mem_zero(sizeof *o);
    int own[IPC_FDS];
    int rc = copy_fds(own, l, f);
    if (rc == 0)
        rc = record_make(&o->record, l->type, l->flags, l->id, l->payload, own, l->n, f);
    if (rc != 0) {
        log_error(NULL, "cannot pass a message on", LS("channel", ch->name), LS("why", f->text));
        record_free(&o->record);
        mem_free(&o);
        return -1;
    }
    STAILQ_INSERT_TAIL(&ch->out, o, next);
    if (ch->outgoings++ == 0)
        send_waiting(ch);
    return 0;
}

/* Mostly the socket takes it at once, and nothing has to be copied. Returns as queue does. */
static int post(struct ipc *ch, const struct letter *l, struct fail *f)
{
    int rc = RECORD_AGAIN;
    check(ch);
    assert(l->n <= IPC_FDS);
    if (ch->closed || ch->broken.text[0] != '\0') {
        close_ours(l);
        return 0;
    }
    if (ch->outgoings == 0 && l->payload.n <= IPC_INLINE_MAX)
        rc = record_send_now(ch->fd, l->type, l->flags, l->id, l->payload, l->fds, l->n, f);
    if (rc == RECORD_AGAIN || rc == RECORD_LATER)
        return queue(ch, l, f);
    if (rc != 0)
        break_sending(ch, f);
    close_ours(l);
    return 0;
}

/* Where nobody would hear that this one is not sent, the channel cannot keep its promise. */
static void post_or_break(struct ipc *ch, const struct letter *l)
{
    struct fail f = {{0}};
    if (post(ch, l, &f) != 0)
        break_sending(ch, &f);
}

void ipc_notify(struct ipc *ch, uint16_t type, struct span payload, const int *fds, unsigned n)
{
    post_or_break(ch, &(struct letter){type, 0, 0, payload, fds, n, false});
}

static struct pending *first_lost(struct ipc *ch)
{
    struct pending *p;
    RB_FOREACH (p, pending_tree, &ch->pending) {
        if (p->lost)
            return p;
    }
    return NULL;
}

/* Answers what was asked of a channel that had ended already, or could not be sent. */
static void on_reaper(evutil_socket_t fd, short what, void *arg)
{
    struct ipc *ch = arg;
    struct pending *p;
    (void)fd;
    (void)what;
    check(ch);
    enter(ch);
    while (!ch->closed && (p = first_lost(ch)) != NULL) {
        take_pending(ch, p);
        (void)p->on_reply(p->arg, NULL, NULL);
        mem_free(&p);
    }
    if (ch->closed)
        answer_all_with_null(ch);
    leave(ch);
}

uint64_t ipc_request(struct ipc *ch, uint16_t type, struct span payload, const int *fds, unsigned n,
                     ipc_on_reply *on_reply, void *arg)
{
    struct fail f = {{0}};
    check(ch);
    struct pending *p = mem_zero(sizeof *p);
    p->id = ++ch->last_id;
    p->on_reply = on_reply;
    p->arg = arg;
    (void)RB_INSERT(pending_tree, &ch->pending, p);
    ch->pendings++;
    uint64_t id = p->id;
    p->lost = n > 0 && fds[0] < 0;
    if (!p->lost && post(ch, &(struct letter){type, 0, id, payload, fds, n, true}, &f) != 0)
        p->lost = true;
    if (ch->closed || p->lost) {
        const struct timeval now = {0, 0};
        (void)evtimer_add(ch->reaper, &now);
    }
    return id;
}

void ipc_reply(struct ipc *ch, uint16_t type, uint64_t id, struct span payload, const int *fds,
               unsigned n)
{
    post_or_break(ch, &(struct letter){type, IPC_REPLY, id, payload, fds, n, false});
}

void *ipc_forget(struct ipc *ch, uint64_t id)
{
    check(ch);
    struct pending *p = find_pending(ch, id);
    if (p == NULL)
        return NULL;
    void *arg = p->arg;
    p->on_reply = ignore_reply;
    p->arg = NULL;
    return arg;
}

size_t ipc_pending(const struct ipc *ch)
{
    return ch->pendings;
}

size_t ipc_unsent(const struct ipc *ch)
{
    return ch->outgoings;
}

const char *ipc_name(const struct ipc *ch)
{
    return ch->name;
}

bool ipc_is_open(const struct ipc *ch)
{
    return ch != NULL && !ch->closed;
}

static struct ucred peer_of(const struct ipc *ch)
{
    struct ucred cred = {.pid = -1, .uid = (uid_t)-1, .gid = (gid_t)-1};
    socklen_t len = sizeof cred;
    (void)getsockopt(ch->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
    return cred;
}

int64_t ipc_peer_uid(const struct ipc *ch)
{
    uid_t uid = peer_of(ch).uid;
    return uid == (uid_t)-1 ? -1 : (int64_t)uid;
}

int64_t ipc_peer_pid(const struct ipc *ch)
{
    return peer_of(ch).pid;
}

static int wait_for(int fd, short what, int64_t until, struct fail *f)
{
    for (;;) {
        int64_t left = until - clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = what};
        int n = left <= 0 ? 0 : poll(&p, 1, (int)left);
        if (n > 0)
            return 0;
        if (n == 0)
            return fail_set(f, "no answer in time");
        if (errno != EINTR)
            return fail_errno(f, "cannot wait");
    }
}

int ipc_call(int fd, uint16_t type, struct span payload, const int *fds, unsigned n, int timeout_ms,
             uint16_t *reply_type, struct buf *out, struct fail *f)
{
    int64_t until = clock_mono_ms() + timeout_ms;
    uint64_t id =
        (uint64_t)clock_mono_us(); /* not that of a call before, whose reply may come late */
    struct record r;
    struct ipc_message m;
    struct buf storage = {0};
    int rc = record_make(&r, type, 0, id, payload, fds, n, f);
    if (rc != 0)
        return -1;
    while ((rc = record_send(fd, &r, f)) > 0) {
        if (rc == RECORD_LATER)
            (void)poll(NULL, 0, LATER_MS);
        if (wait_for(fd, POLLOUT, until, f) != 0) {
            rc = -1;
            break;
        }
    }
    record_free(&r);
    while (rc == 0) {
        if (wait_for(fd, POLLIN, until, f) != 0) {
            rc = -1;
            break;
        }
        rc = record_receive(fd, &m, &storage, f);
        if (rc == 0 && m.reply && m.id != id) {
            record_close_fds(&m);
            continue;
        }
        if (rc == RECORD_AGAIN) {
            rc = 0;
            continue;
        }
        if (rc == RECORD_CLOSED)
            rc = fail_set(f, "the other side closed the connection");
        break;
    }
    if (rc == 0) {
        record_close_fds(&m);
        if (!m.reply)
            rc = fail_set(f, "no reply to what was asked");
    }
    if (rc == 0) {
        *reply_type = m.type;
        buf_put_span(out, m.payload);
    }
    buf_wipe(&storage);
    return rc;
}

int ipc_pair(int fd[2], struct fail *f)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) != 0)
        return fail_errno(f, "cannot make a socket pair");
    return 0;
}

int ipc_connect(const char *path, struct fail *f)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof sa.sun_path)
        return fail_set(f, "%s: path too long for a socket", path);
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_errno(f, "cannot make a socket");
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
        (void)fail_errno(f, "cannot connect to %s", path);
        (void)close(fd);
        return -1;
    }
    return fd;
}
