#include "bodies.h"

#include <bsd/sys/queue.h>

#include "body.h"
#include "file.h"
#include "mem.h"
#include "trees.h"
#include "window.h"

#define PAGE 4096       /* what the smallest memory file takes */
#define SMALL_PART 32   /* of body-memory: what is not larger is small */
#define SMALL_RESERVE 4 /* a fourth of a class's part is there for small ones in any case */

/* Somebody who asked while the message was being read. */
struct waiter {
    STAILQ_ENTRY(waiter) next;
    bodies_on_body *on_body;
    void *arg;
};
STAILQ_HEAD(waiters, waiter);

/* The deliveries of one class that have it. */
struct share {
    unsigned users;      /* those who wait included */
    struct owner *owner; /* with whom it is counted, while there are any */
};

struct body {
    RB_ENTRY(body) by_id;
    TAILQ_ENTRY(body) idle; /* while nobody uses it, in the order it may be dropped */
    uint64_t id, cost;
    int fd; /* -1 while it is being read; and afterwards, out of the tree, when that failed */
    struct share shares[DUE_CLASSES];
    bool small, forgotten;
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
    struct octets used[DUE_CLASSES];
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

bool bodies_is_small(const struct bodies *b, uint64_t size)
{
    return cost_of(size) <= b->queue->settings->body_memory / SMALL_PART;
}

/* The class's part, or what is left of it where the other one has its own. What that has beyond its
 * part, by one message, is not taken from this one. */
static uint64_t part_left(const struct bodies *b, enum due_class c)
{
    enum due_class other = c == DUE_FIRST ? DUE_AGAIN : DUE_FIRST;
    uint64_t whole = b->queue->settings->body_memory;
    uint64_t part = window_part(c, whole), its = window_part(other, whole);
    uint64_t left = whole - (b->used[other].all < its ? b->used[other].all : its);
    return left < part ? left : part;
}

bool bodies_have_room(const struct bodies *b, enum due_class c, bool small, struct octets its)
{
    const struct octets *used = &b->used[c];
    uint64_t part = window_part(c, b->queue->settings->body_memory);
    return used->all + its.all < part_left(b, c) ||
           (small && used->small + its.small < part / SMALL_RESERVE);
}

bool bodies_may_have(const struct bodies *b, uint64_t id, uint64_t size, const struct owner *o)
{
    const struct body *body = find(b, id);
    return (body != NULL && body->shares[o->class].users > 0) ||
           bodies_have_room(b, o->class, bodies_is_small(b, size), o->octets);
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
    body->small = bodies_is_small(b, size);
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

static bool is_used(const struct body *body)
{
    return body->shares[DUE_FIRST].users > 0 || body->shares[DUE_AGAIN].users > 0;
}

static void count(struct octets *o, const struct body *body, bool more)
{
    uint64_t change = more ? body->cost : -body->cost;
    o->all += change;
    o->small += body->small ? change : 0;
}

/* Once for all deliveries of a class. */
static void count_use(struct bodies *b, const struct body *body, struct owner *o, bool more)
{
    count(&b->used[o->class], body, more);
    count(&o->octets, body, more);
}

static void use(struct bodies *b, struct body *body, struct owner *o)
{
    struct share *s = &body->shares[o->class];
    if (s->users++ > 0)
        return;
    s->owner = o;
    count_use(b, body, o, true);
}

void bodies_put_back(struct bodies *b, struct body *body, enum due_class class)
{
    struct share *s = &body->shares[class];
    if (--s->users > 0)
        return;
    count_use(b, body, s->owner, false);
    if (is_used(body))
        return;
    if (body->fd < 0) {
        mem_free(&body);
    } else if (body->forgotten) {
        drop(b, body);
    } else {
        set_idle(b, body);
        make_room(b, 0);
    }
}

void bodies_forget(struct bodies *b, uint64_t id)
{
    struct body *body = find(b, id);
    if (body == NULL)
        return;
    if (is_used(body)) {
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
        one->on_body(one->arg, body, l->fd, l->fail.text); /* the last one may free it */
        mem_free(&one);
    }
    mem_free(&l);
}

static void start_load(struct bodies *b, struct body *body, const struct msg_row *row)
{
    struct load *l = mem_zero(sizeof *l);
    *l = (struct load){{.run = run_load, .done = load_done}, b, body, *row, -1, {{0}}};
    l->row.envelope = NULL;
    worker_add(b->queue->worker, &l->work);
}

void bodies_get(struct bodies *b, uint64_t id, const struct msg_row *row, struct owner *o,
                bodies_on_body *on_body, void *arg)
{
    struct body *body = find(b, id);
    if (body != NULL && body->fd >= 0) {
        if (!is_used(body))
            unset_idle(b, body);
        use(b, body, o);
        on_body(arg, body, body->fd, NULL);
        return;
    }
    bool first = body == NULL;
    if (first) {
        make_room(b, cost_of(row->size));
        body = add(b, id, -1, row->size);
    }
    use(b, body, o);
    struct waiter *one = mem_zero(sizeof *one);
    one->on_body = on_body;
    one->arg = arg;
    STAILQ_INSERT_TAIL(&body->waiters, one, next);
    if (first)
        start_load(b, body, row);
}
