#include "sweep.h"

#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "rows.h"
#include "tables.h"
#include "worker.h"

#define ROWS_A_LOOK 100 /* at the clock */
#define FILES_A_SLICE 500

/* Where a message's row can be. One that is set aside moves from the first to the second, so the
 * second is looked through last. */
static const struct {
    unsigned table;
    const char *prefix;
} places[] = {{TABLE_MSG, ""}, {TABLE_SYS, "bad/msg/"}};
enum { PLACES = sizeof places / sizeof places[0] };

struct file {
    uint64_t token;
    bool named;
};

struct sweep {
    struct work work;
    struct queue *queue;
    struct file *files; /* by token */
    size_t n;
    int64_t slice_us;
    int place;     /* that is looked through; PLACES when all are */
    struct buf at; /* the next row's key there; "" for the first */
    size_t next;   /* of files, to be removed or not */
    unsigned removed;
};

static void run(struct work *w);
static void done(struct work *w);

static int by_token(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    return x->token < y->token ? -1 : x->token > y->token;
}

struct sweep *sweep_new(struct queue *q, struct fail *f)
{
    uint64_t *tokens;
    struct sweep *s = mem_zero(sizeof *s);
    s->work = (struct work){.run = run, .done = done};
    s->queue = q;
    if (body_list(q->dirfd, &tokens, &s->n, f) != 0) {
        mem_free(&s);
        return NULL;
    }
    s->files = mem_array(s->n, sizeof *s->files);
    for (size_t i = 0; i < s->n; i++)
        s->files[i] = (struct file){tokens[i], false};
    mem_free(&tokens);
    if (s->n > 0)
        qsort(s->files, s->n, sizeof *s->files, by_token);
    return s;
}

void sweep_begin(struct sweep *s, int64_t slice_us)
{
    s->slice_us = slice_us;
    if (s->n > 0)
        worker_add(s->queue->reader, &s->work);
}

void sweep_free(struct sweep **sp)
{
    if (*sp == NULL)
        return;
    mem_free(&(*sp)->files);
    buf_free(&(*sp)->at);
    mem_free(sp);
}

/* Rows are not decoded. Of one that does not decode the file is kept, as the row itself is, for
 * whoever wants to save the message. */
static void note(struct sweep *s, struct span row)
{
    struct file like = {0, false};
    if (!msg_row_names_file(row, &like.token))
        return;
    struct file *file = bsearch(&like, s->files, s->n, sizeof *s->files, by_token);
    if (file != NULL)
        file->named = true;
}

/* Whether all of it was looked through before the slice was over. */
static bool look_through(struct sweep *s, struct store_txn *t, int64_t end_us)
{
    const struct span prefix = span_text(places[s->place].prefix);
    struct store_cursor c = store_cursor(t, places[s->place].table);
    bool at = store_seek(&c, s->at.n > 0 ? buf_span(&s->at) : prefix), over = false;
    for (unsigned n = 1; at && !over; n++) {
        if (c.key.n < prefix.n || memcmp(c.key.p, prefix.p, prefix.n) != 0)
            break;
        note(s, c.value);
        at = store_next(&c);
        over = at && n % ROWS_A_LOOK == 0 && clock_mono_us() >= end_us;
    }
    buf_clear(&s->at);
    if (over)
        buf_put_span(&s->at, c.key);
    store_cursor_close(&c);
    return !over;
}

static void remove_some(struct sweep *s)
{
    for (unsigned n = 0; s->next < s->n && n < FILES_A_SLICE; s->next++) {
        if (s->files[s->next].named)
            continue;
        s->removed += body_delete_file(s->queue->dirfd, s->files[s->next].token);
        n++;
    }
}

static void run(struct work *w)
{
    struct sweep *s = (struct sweep *)w;
    if (s->place == PLACES) {
        remove_some(s);
        return;
    }
    int64_t end_us = clock_mono_us() + s->slice_us;
    struct store_txn *t = store_begin(s->queue->store, false);
    while (s->place < PLACES && look_through(s, t, end_us))
        s->place++;
    store_abort(&t);
}

static void done(struct work *w)
{
    struct sweep *s = (struct sweep *)w;
    if (worker_is_over(s->queue->reader))
        return;
    if (s->place < PLACES || s->next < s->n) {
        worker_add(s->queue->reader, &s->work);
        return;
    }
    if (s->removed > 0)
        log_info(NULL, "left-over message files removed", LU("files", s->removed));
    mem_free(&s->files);
}
