#include "begun.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "log.h"
#include "mem.h"
#include "rows.h"
#include "tables.h"
#include "wire.h"

#define NAME "hooks-begun"
#define PLACES_MAX 65536 /* far more than calls there can be */
#define BEYOND_MAX 100   /* what says more is no number of an attempt */

/* A place of the file: webhook u64 | attempt u32 | start_ms i64
 *   "\x00\x06\x40\x00\x00\x00\x00\x01" "\x00\x00\x00\x02" "\x00\x00\x01\x93\x6f\x1a\x2b\x3c"
 * One that is free has what was there before; all-zero never had any. */
#define PLACE 20

/* Of an earlier process. */
struct left {
    uint64_t id;
    uint32_t attempt, place;
    int64_t start_ms;
};

struct begun {
    int fd; /* -1: there is no file */
    uint32_t *free;
    uint32_t free_n, places; /* places: in the file */
    struct left *left;
    uint32_t left_n;
};

static void set_free(struct begun *b, uint32_t place)
{
    b->free = mem_resize(b->free, (b->free_n + 1) * sizeof *b->free);
    b->free[b->free_n++] = place;
}

/* Whether the webhook waits still, and the attempt is not among those of its row. */
static bool is_open(struct store_txn *t, const struct left *l)
{
    struct key k = key_id(l->id);
    struct span value;
    struct hook_peek r;
    return l->id != 0 && store_get(t, TABLE_HOOK, key_span(&k), &value) &&
           hook_row_peek(value, &r) == 0 && l->attempt > r.attempts &&
           l->attempt - r.attempts <= BEYOND_MAX;
}

static struct left read_place(const unsigned char octets[PLACE], uint32_t place)
{
    struct wire w = wire_open(span_of(octets, PLACE));
    struct left l = {.place = place};
    l.id = wire_u64(&w);
    l.attempt = wire_u32(&w);
    l.start_ms = wire_i64(&w);
    return l;
}

static void read_file(struct begun *b, struct store *s)
{
    unsigned char octets[PLACE];
    struct store_txn *t = store_begin(s, false);
    while (b->places < PLACES_MAX &&
           pread(b->fd, octets, PLACE, (off_t)b->places * PLACE) == PLACE) {
        struct left l = read_place(octets, b->places++);
        if (!is_open(t, &l)) {
            set_free(b, l.place);
            continue;
        }
        b->left = mem_resize(b->left, (b->left_n + 1) * sizeof *b->left);
        b->left[b->left_n++] = l;
    }
    store_abort(&t);
    if (b->left_n > 0)
        log_info(NULL, "webhooks were being called when the queue ended", LU("calls", b->left_n));
}

struct begun *begun_open(int dirfd, struct store *s)
{
    struct begun *b = mem_zero(sizeof *b);
    b->fd = openat(dirfd, NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (b->fd < 0)
        log_error(NULL, "attempts of webhooks cannot be noted", LS("file", NAME),
                  LS("why", strerror(errno)));
    else
        read_file(b, s);
    return b;
}

void begun_close(struct begun **bp)
{
    struct begun *b = *bp;
    if (b == NULL)
        return;
    file_close(&b->fd);
    mem_free(&b->free);
    mem_free(&b->left);
    mem_free(bp);
}

static uint32_t take_place(struct begun *b)
{
    return b->free_n > 0 ? b->free[--b->free_n] : b->places++;
}

uint32_t begun_note(struct begun *b, uint64_t id, uint32_t attempt, int64_t start_ms)
{
    struct buf octets = {0};
    uint32_t place = take_place(b);
    wire_put_u64(&octets, id);
    wire_put_u32(&octets, attempt);
    wire_put_i64(&octets, start_ms);
    /* On a full disk it is not noted, and the attempt made all the same. */
    if (b->fd >= 0)
        (void)!pwrite(b->fd, buf_span(&octets).p, PLACE, (off_t)place * PLACE);
    buf_free(&octets);
    return place;
}

void begun_over(struct begun *b, uint32_t place)
{
    set_free(b, place);
}

unsigned begun_left(struct begun *b, uint64_t id, unsigned attempts, int64_t *start_ms)
{
    for (uint32_t i = 0; i < b->left_n; i++) {
        struct left l = b->left[i];
        if (l.id != id)
            continue;
        b->left[i] = b->left[--b->left_n];
        set_free(b, l.place); /* the next to be taken: the attempt that follows replaces it */
        *start_ms = l.start_ms;
        return l.attempt > attempts ? l.attempt - attempts : 0;
    }
    return 0;
}
