#ifndef QM_DUEWALK_H
#define QM_DUEWALK_H

#include <stdbool.h>
#include <stdint.h>

#include "queue.h"
#include "tables.h"

/* Going through one class of an index of what is due when (due, hookdue), from the oldest to now, a
 * part in each turn of the loop; and waiting for the next one. Rows up to a place have been shown;
 * whoever knows of a row before that place which was not there then, or was not taken, takes the
 * place back to it. */

struct duewalk {
    struct queue *queue;
    unsigned table;
    enum due_class class;
    /* Shows one row that is due, with whose it is. Returning false: there is no room for it now,
     * nor for those behind it. */
    bool (*take)(void *arg, const struct due *due, const struct stream_id *stream);
    /* After each part: some may have been taken. */
    void (*taken)(void *arg);
    void *arg;
    struct event *timer;
    int64_t seen_ms; /* the place */
    uint64_t seen_id;
    int64_t wake_ms; /* when the timer fires, monotonic; 0 while it is not set */
    bool full;       /* take said so: duewalk_go_on when there is room */
    bool stopped;
};

/* queue, table, class, take, taken and arg are set; the rest is zero. */
void duewalk_open(struct duewalk *d);
void duewalk_close(struct duewalk *d);
void duewalk_stop(struct duewalk *d); /* nothing is shown any more */

/* A row for that time may be there that was not shown: it will be, when it is due. 0 for all of
 * them. */
void duewalk_look_at(struct duewalk *d, int64_t next_ms, uint64_t id);
void duewalk_go_on(struct duewalk *d); /* there is room again */

#endif
