#include "bodies.h"

#include <bsd/sys/queue.h>
#include "trees.h"

#include "body.h"
#include "file.h"
#include "mem.h"

struct body {
    RB_ENTRY(body) by_id;
    TAILQ_ENTRY(body) idle; /* while nobody uses it, in the order it may be dropped */
    uint64_t id, size;
    int fd;
    unsigned users;
    bool forgotten;
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
    uint64_t total; /* octets of all */
};

struct bodies *bodies_new(struct queue *q)
{
    struct bodies *b = mem_zero(sizeof *b);
    b->queue = q;
    RB_INIT(&b->tree);
    TAILQ_INIT(&b->idle);
    return b;
}

static void drop(struct bodies *b, struct body *body)
{
    RB_REMOVE(body_tree, &b->tree, body);
    b->total -= body->size;
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

static void make_room(struct bodies *b, uint64_t size)
{
    struct body *body;
    while (b->total + size > b->queue->settings->body_memory && (body = TAILQ_FIRST(&b->idle)) != NULL) {
        TAILQ_REMOVE(&b->idle, body, idle);
        drop(b, body);
    }
}

bool bodies_have_room(struct bodies *b, uint64_t size)
{
    make_room(b, size);
    /* One message always passes, however large. */
    return b->total == 0 || b->total + size <= b->queue->settings->body_memory;
}

static struct body *add(struct bodies *b, uint64_t id, int fd, uint64_t size)
{
    struct body *body = mem_zero(sizeof *body);
    body->id = id;
    body->fd = fd;
    body->size = size;
    RB_INSERT(body_tree, &b->tree, body);
    b->total += size;
    return body;
}

static struct body *find(struct bodies *b, uint64_t id)
{
    struct body like = {.id = id};
    return RB_FIND(body_tree, &b->tree, &like);
}

void bodies_offer(struct bodies *b, uint64_t id, int fd, uint64_t size)
{
    if (!bodies_have_room(b, size) || find(b, id) != NULL) {
        file_close(&fd);
        return;
    }
    struct body *body = add(b, id, fd, size);
    TAILQ_INSERT_TAIL(&b->idle, body, idle);
}

static void use(struct bodies *b, struct body *body)
{
    if (body->users++ == 0)
        TAILQ_REMOVE(&b->idle, body, idle);
}

void bodies_put_back(struct bodies *b, struct body *body)
{
    if (body == NULL || --body->users > 0)
        return;
    if (body->forgotten)
        drop(b, body);
    else
        TAILQ_INSERT_TAIL(&b->idle, body, idle);
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
    TAILQ_REMOVE(&b->idle, body, idle);
    drop(b, body);
}

struct load {
    struct work work;
    struct bodies *bodies;
    uint64_t id;
    struct msg_row row; /* size, kind, file only */
    int fd;
    struct fail fail;
    bodies_on_body *on_body;
    void *arg;
};

static void run_load(struct work *w)
{
    struct load *l = (struct load *)w;
    struct store_txn *t = store_begin(l->bodies->queue->store, false);
    l->fd = body_load(t, l->bodies->queue->dirfd, l->id, &l->row, &l->fail);
    store_abort(&t);
}

static void load_done(struct work *w)
{
    struct load *l = (struct load *)w;
    struct bodies *b = l->bodies;
    struct body *body = find(b, l->id);
    if (l->fd < 0) {
        l->on_body(l->arg, NULL, -1, l->fail.text);
        mem_free(&l);
        return;
    }
    if (body == NULL) {
        body = add(b, l->id, l->fd, l->row.size);
        TAILQ_INSERT_TAIL(&b->idle, body, idle);
    } else {
        file_close(&l->fd); /* somebody else was faster */
    }
    use(b, body);
    l->on_body(l->arg, body, body->fd, NULL);
    mem_free(&l);
}

void bodies_get(struct bodies *b, uint64_t id, const struct msg_row *row, bodies_on_body *on_body, void *arg)
{
    struct body *body = find(b, id);
    if (body != NULL) {
        use(b, body);
        on_body(arg, body, body->fd, NULL);
        return;
    }
    struct load *l = mem_zero(sizeof *l);
    *l = (struct load){{.run = run_load, .done = load_done}, b, id, *row, -1, {{0}}, on_body, arg};
    l->row.envelope = NULL;
    worker_add(b->queue->worker, &l->work);
}
