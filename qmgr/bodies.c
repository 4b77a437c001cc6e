#include "bodies.h"

#include <bsd/sys/queue.h>

#include "body.h"
#include "file.h"
#include "mem.h"
#include "trees.h"

#define PAGE 4096 /* what the smallest memory file takes */

/* Somebody who asked while the message was being read. */
struct waiter {
    STAILQ_ENTRY(waiter) next;
    bodies_on_body *on_body;
    void *arg;
};
STAILQ_HEAD(waiters, waiter);

struct body {
    RB_ENTRY(body) by_id;
    TAILQ_ENTRY(body) idle; /* while nobody uses it, in the order it may be dropped */
    uint64_t id, cost;
    int fd;         /* -1 while it is being read */
    unsigned users; /* those who wait included */
    bool forgotten;
    struct waiters waiters;
};

static int by_id(struct body *a, struct body *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

RB_HEAD(body_tree, body);
RB_GENERATE_STATIC(body_tree, body, by_id, by_id)

struct bodies {
    struct queue *queue;
    struct body_tree tree;
    TAILQ_HEAD(, body) idle;
    unsigned idle_n;
    uint64_t total; /* cost of all */
};

struct bodies *bodies_new(struct queue *q)
{
    struct bodies *b = mem_zero(sizeof *b);
    b->queue = q;
    RB_INIT(&b->tree);
    TAILQ_INIT(&b->idle);
    return b;
}

static uint64_t cost_of(uint64_t size)
{
    return size == 0 ? PAGE : (size + PAGE - 1) / PAGE * PAGE;
}

static void take_out(struct bodies *b, struct body *body)
{
    RB_REMOVE(body_tree, &b->tree, body);
    b->total -= body->cost;
}

static void drop(struct bodies *b, struct body *body)
{
    take_out(b, body);
    file_close(&body->fd);
    mem_free(&body);
}

void bodies_free(struct bodies **bp)
{
    struct bodies *b = *bp;
    struct body *body;
    if (b == NULL)
        return;
    while ((body = RB_MIN(body_tree, &b->tree)) != NULL)
        drop(b, body);
    mem_free(bp);
}

static void set_idle(struct bodies *b, struct body *body)
{
    TAILQ_INSERT_TAIL(&b->idle, body, idle);
    b->idle_n++;
}

static void unset_idle(struct bodies *b, struct body *body)
{
    TAILQ_REMOVE(&b->idle, body, idle);
    b->idle_n--;
}

/* Drops what nobody uses, oldest first, until so much more fits. */
static void make_room(struct bodies *b, uint64_t cost)
{
    struct body *body;
    while ((body = TAILQ_FIRST(&b->idle)) != NULL &&
           (b->idle_n > b->queue->settings->bodies ||
            b->total + cost > b->queue->settings->body_memory)) {
        unset_idle(b, body);
        drop(b, body);
    }
}

static struct body *find(const struct bodies *b, uint64_t id)
{
    struct body like = {.id = id};
    return RB_FIND(body_tree, (struct body_tree *)&b->tree, &like);
}

bool bodies_have_room(struct bodies *b, uint64_t id, uint64_t size)
{
    if (find(b, id) != NULL)
        return true;
    make_room(b, cost_of(size));
    return b->total < b->queue->settings->body_memory;
}

uint64_t bodies_total(const struct bodies *b)
{
    return b->total;
}

static struct body *add(struct bodies *b, uint64_t id, int fd, uint64_t size)
{
    struct body *body = mem_zero(sizeof *body);
    body->id = id;
    body->fd = fd;
    body->cost = cost_of(size);
    STAILQ_INIT(&body->waiters);
    RB_INSERT(body_tree, &b->tree, body);
    b->total += body->cost;
    return body;
}

void bodies_offer(struct bodies *b, uint64_t id, int fd, uint64_t size)
{
    make_room(b, cost_of(size));
    if (b->total + cost_of(size) > b->queue->settings->body_memory || find(b, id) != NULL)
        file_close(&fd);
    else
        set_idle(b, add(b, id, fd, size));
}

void bodies_put_back(struct bodies *b, struct body *body)
{
    if (body == NULL || --body->users > 0)
        return;
    if (body->forgotten) {
        drop(b, body);
        return;
    }
    set_idle(b, body);
    make_room(b, 0);
}

void bodies_forget(struct bodies *b, uint64_t id)
{
    struct body *body = find(b, id);
    if (body == NULL)
        return;
    if (body->users > 0) {
        body->forgotten = true;
        return;
    }
    unset_idle(b, body);
    drop(b, body);
}

struct load {
    struct work work;
    struct bodies *bodies;
    struct body *body;  /* which has users, so it stays */
    struct msg_row row; /* size, kind, file only */
    int fd;
    struct fail fail;
};

static void run_load(struct work *w)
{
    struct load *l = (struct load *)w;
    /* Copying a large file takes its time, in which a read transaction would pin old pages. */
    struct store_txn *t =
        l->row.kind == BODY_CHUNKS ? store_begin(l->bodies->queue->store, false) : NULL;
    l->fd = body_load(t, l->bodies->queue->dirfd, l->body->id, &l->row, &l->fail);
    store_abort(&t);
}

static void load_done(struct work *w)
{
    struct load *l = (struct load *)w;
    struct body *body = l->body;
    struct waiters waiters = STAILQ_HEAD_INITIALIZER(waiters);
    struct waiter *one;
    STAILQ_CONCAT(&waiters, &body->waiters);
    body->fd = l->fd;
    if (l->fd < 0) /* first, so that whoever hears of it can ask anew */
        take_out(l->bodies, body);
    while ((one = STAILQ_FIRST(&waiters)) != NULL) {
        STAILQ_REMOVE_HEAD(&waiters, next);
        one->on_body(one->arg, l->fd < 0 ? NULL : body, l->fd, l->fail.text);
        mem_free(&one);
    }
    if (l->fd < 0)
        mem_free(&body);
    mem_free(&l);
}

static void start_load(struct bodies *b, struct body *body, const struct msg_row *row)
{
    struct load *l = mem_zero(sizeof *l);
    *l = (struct load){{.run = run_load, .done = load_done}, b, body, *row, -1, {{0}}};
    l->row.envelope = NULL;
    worker_add(b->queue->worker, &l->work);
}

void bodies_get(struct bodies *b, uint64_t id, const struct msg_row *row, bodies_on_body *on_body,
                void *arg)
{
    struct body *body = find(b, id);
    if (body != NULL && body->fd >= 0) {
        if (body->users++ == 0)
            unset_idle(b, body);
        on_body(arg, body, body->fd, NULL);
        return;
    }
    bool first = body == NULL;
    if (first)
        body = add(b, id, -1, row->size);
    struct waiter *one = mem_zero(sizeof *one);
    one->on_body = on_body;
    one->arg = arg;
    STAILQ_INSERT_TAIL(&body->waiters, one, next);
    body->users++;
    if (first)
        start_load(b, body, row);
}
