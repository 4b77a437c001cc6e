#include "schedule.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "agents.h"
#include "bodies.h"
#include "clock.h"
#include "delivery.h"
#include "duewalk.h"
#include "log.h"
#include "mem.h"
#include "rows.h"
#include "sites.h"
#include "tables.h"
#include "window.h"

#define WINDOW_PART 16 /* a destination may fill a 16th of what is left of a half's places */
#define STREAM_PART 2  /* and an account half of that */
#define FRESH_PART 4   /* so much of a half an account uses for new destinations alone */
#define WHOLE_PART 2   /* beyond that, only with so much of a half free, to have a message whole */
#define GULP_PART 16   /* what was passed over is fetched when so much of a half is free for it */
#define ROWS_A_TURN 400
#define FIRST_PART 4 /* a fourth of the deliveries is for destinations that have none yet */
#define STEPS_A_TURN 50
/* Results that stand aside on their way to the disk, beyond which what was put off before waits:
 * two transactions of them. */
#define UNWRITTEN_MAX (2 * COMMIT_ASIDE_MAX)
/* Of what was put off before: so many in a second are read only to find that their transport has
 * its fill. There may be a hundred thousand of them. */
#define TURNED_AWAY_MAX 500
/* Of what was put off before: so many deliveries begin in so many ms, 1000 in a second, and for so
 * many streams it is looked whether one may. What begins together ends together, and new mail
 * comes behind all of it in each queue on the way: the loop's, the agent's, the resolver's. */
#define BEGUN_MAX 4
#define LOOKS_MAX 8
#define UNSTUCK_MAX 3 /* of those deliveries for recipients that waited for a transport */
#define TICK_MS 4
#define LATE_S 1 /* until it is looked again whether results can be written down */

/* What there is for each class of its own. */
struct course {
    struct duewalk walk;
    unsigned inflight;  /* deliveries */
    unsigned held_back; /* destinations in a row that may not have another one, since pump */
    bool unwritten;     /* waits until some changes are written down */
    unsigned begun;     /* since the last tick */
    unsigned looks;     /* since then, too: streams that were looked at for that */
    unsigned unstuck;   /* and such that were let go from a parking, to be the next ones */
};

struct schedule {
    struct queue *queue;
    struct window window;
    struct sites sites;
    struct course courses[DUE_CLASSES];
    struct parking *first;     /* who was asked first which of its recipients may go on */
    enum due_class next, last; /* whose turn it is; who had the last delivery */
    struct event *pump;
    struct event *second; /* set while one of the walks rests */
    struct event *tick;   /* set since something began that was put off before */
    bool stopped;
};

static void on_pump(evutil_socket_t fd, short what, void *arg);
static void on_second(evutil_socket_t fd, short what, void *arg);
static void on_tick(evutil_socket_t fd, short what, void *arg);
static bool take(void *arg, const struct due *due, const struct stream_id *stream);
static void pump(void *arg);

struct schedule *schedule_new(struct queue *q)
{
    struct schedule *s = mem_zero(sizeof *s);
    s->queue = q;
    window_init(&s->window);
    sites_init(&s->sites, &s->window);
    for (int c = 0; c < DUE_CLASSES; c++) {
        s->courses[c].walk = (struct duewalk){.queue = q,
                                              .table = TABLE_DUE,
                                              .class = (enum due_class)c,
                                              .take = take,
                                              .taken = pump,
                                              .arg = s};
        duewalk_open(&s->courses[c].walk);
    }
    s->pump = evtimer_new(q->base, on_pump, s);
    s->second = evtimer_new(q->base, on_second, s);
    s->tick = evtimer_new(q->base, on_tick, s);
    assert(s->pump != NULL && s->second != NULL && s->tick != NULL);
    return s;
}

void schedule_free(struct schedule **sp)
{
    struct schedule *s = *sp;
    if (s == NULL)
        return;
    sites_clear(&s->sites);
    window_clear(&s->window);
    for (int c = 0; c < DUE_CLASSES; c++)
        duewalk_close(&s->courses[c].walk);
    event_free(s->pump);
    event_free(s->second);
    event_free(s->tick);
    mem_free(sp);
}

/* ---- filling the window ---- */

/* A half each, of which none lends: whoever filled the other's could not be made to leave it. */
static uint64_t places(const struct schedule *s)
{
    return (uint64_t)s->queue->settings->window / DUE_CLASSES;
}

/* Whether an account may have another item, and keep this many free: no more than it leaves to
 * others of its half, but one at least, however full that is. Streams without any item in memory
 * are bounded like items are. */
static bool has_place(const struct schedule *s, enum due_class c, const struct owner *o,
                      uint64_t free)
{
    const struct half *half = &s->window.halves[c];
    return o == NULL || (o->count == 0 && o->streams == 0) ||
           (half->count + o->count + free < places(s) &&
            half->streams + o->streams < 2 * places(s));
}

/* Whether what is fetched of the account is to rest, since it is turned away. Nothing else finds
 * what was put off before, and a second more is nothing to it; new mail is not made to wait for
 * that. */
static bool is_resting(struct schedule *s, const struct owner *o)
{
    const struct timeval second = {1, 0};
    if (o == NULL || o->class == DUE_FIRST || o->turned_away < TURNED_AWAY_MAX)
        return false;
    if (!s->stopped && !evtimer_pending(s->second, NULL))
        (void)evtimer_add(s->second, &second);
    return true;
}

static bool has_its_share(const struct schedule *s, const struct stream *stream)
{
    const struct side *side = &stream->destination->sides[stream->class];
    uint64_t used = s->window.halves[stream->class].count;
    uint64_t left = used < places(s) ? places(s) - used : 0;
    uint64_t share = left / WINDOW_PART, own = share / STREAM_PART;
    uint64_t its = stream->waiting + stream->parked;
    return side->waiting + side->parked >= (share < 1 ? 1 : share) || its >= (own < 1 ? 1 : own) ||
           (its > 0 && !has_place(s, stream->class, stream->owner, places(s) / FRESH_PART));
}

static void set_limits(struct schedule *s)
{
    const struct settings *settings = s->queue->settings;
    window_limit(&s->window, (unsigned)settings->destination_concurrency_start,
                 (unsigned)settings->destination_concurrency);
}

static void put(struct schedule *s, const struct due *due, const struct stream_id *id)
{
    set_limits(s);
    struct stream *stream = window_reach(&s->window, *id, due->class);
    if (has_its_share(s, stream))
        window_note_more(stream, due->next_ms, due->id);
    else
        (void)window_add(&s->window, stream, due->id, due->next_ms);
    window_update(&s->window, stream);
}

/* Into the window, or it is noted that more is in the store: of the stream, or, where that would
 * have to be made for it, of the account. */
static void put_or_pass_over(struct schedule *s, const struct due *due, const struct stream_id *id)
{
    const struct owner *o = window_owner(&s->window, id->account, due->class);
    bool may = o == NULL || (!o->more.any && has_place(s, due->class, o, 0)) ||
               window_stream(&s->window, *id, due->class) != NULL;
    if (may && !is_resting(s, o))
        put(s, due, id);
    else
        window_pass_over(&s->window, id->account, due->class, due->next_ms, due->id);
}

/* The walk goes on to the last row, so that nobody's is behind all of another's. */
static bool take(void *arg, const struct due *due, const struct stream_id *stream)
{
    struct schedule *s = arg;
    if (window_find(&s->window, due->id) == NULL)
        put_or_pass_over(s, due, stream);
    return true;
}

/* Of a recipient that is in the store; 0 when it is not, or not readable. */
static uint64_t message_of(struct store_txn *t, uint64_t id)
{
    struct key k = key_id(id);
    struct span value;
    struct rcpt_peek r;
    return store_get(t, TABLE_RCPT, key_span(&k), &value) && rcpt_row_peek(value, &r) == 0
               ? r.message
               : 0;
}

/* Whether one delivery may have as many recipients, and the account as many places without filling
 * what its mail for others needs. */
static bool has_room_for_whole(const struct schedule *s, const struct stream *stream)
{
    return stream->waiting < (unsigned)s->queue->settings->destination_recipients &&
           has_place(s, stream->class, stream->owner, places(s) / WHOLE_PART);
}

/* Fetches more of one stream, by its own index: one at least, if there is one, however full the
 * window, and what its share allows. Then the rest of the message that goes next, beyond its share:
 * what is fetched later would need a delivery of its own. */
static void refill(struct schedule *s, struct stream *stream)
{
    int64_t now = clock_wall_ms();
    struct key from =
        key_dest(stream->id, (struct due){stream->class, stream->more.next_ms, stream->more.id});
    struct store_txn *t = store_begin(s->queue->store, false);
    struct store_cursor c = store_cursor(t, TABLE_DEST);
    uint64_t message = 0;
    stream->more.any = false;
    for (bool at = store_seek(&c, key_span(&from)); at; at = store_next(&c)) {
        struct stream_id id;
        struct due due;
        if (key_read_dest(c.key, &id, &due) != 0 || id.destination != stream->id.destination ||
            id.account != stream->id.account || due.class != stream->class || due.next_ms > now)
            break;
        if (stream->waiting > 0 && has_its_share(s, stream)) {
            message = message == 0 ? message_of(t, TAILQ_FIRST(&stream->items)->id) : message;
            if (message == 0 || !has_room_for_whole(s, stream) ||
                message_of(t, due.id) != message) {
                window_note_more(stream, due.next_ms, due.id);
                break;
            }
        }
        if (window_find(&s->window, due.id) == NULL)
            (void)window_add(&s->window, stream, due.id, due.next_ms);
    }
    store_cursor_close(&c);
    store_abort(&t);
}

/* Fetches what was passed over of an account. There is no index by account: it goes on from where
 * the first one was, over those of others, for so many rows in this turn of the loop. */
static void catch_up(struct schedule *s, struct owner *o, int *rows)
{
    int64_t now = clock_wall_ms();
    struct key from = key_due((struct due){o->class, o->more.next_ms, o->more.id});
    struct store_txn *t = store_begin(s->queue->store, false);
    struct store_cursor c = store_cursor(t, TABLE_DUE);
    window_catch_up(&s->window, o);
    for (bool at = store_seek(&c, key_span(&from)); at; at = store_next(&c)) {
        struct stream_id id;
        struct due due;
        if (key_read_due(c.key, &due) != 0)
            continue; /* the walk reports it */
        if (due.class != o->class || due.next_ms > now)
            break;
        bool its = due_value_read(c.value, &id) == 0 && id.account == o->account &&
                   window_find(&s->window, due.id) == NULL;
        if (--*rows < 0 || (its && !has_place(s, o->class, o, 0))) {
            window_pass_over(&s->window, o->account, o->class, due.next_ms, due.id);
            break;
        }
        if (its)
            put(s, &due, &id);
    }
    store_cursor_close(&c);
    store_abort(&t);
    window_update_owner(&s->window, o);
}

static bool may_catch_up(struct schedule *s, const struct owner *o)
{
    return has_place(s, o->class, o, places(s) / GULP_PART) && !is_resting(s, o);
}

/* The accounts of whose mail some was passed over and that have a place again, in turn. Returns
 * whether there were any. */
static bool catch_up_some(struct schedule *s, enum due_class c)
{
    struct owner *o, *next;
    int rows = ROWS_A_TURN;
    TAILQ_FOREACH_SAFE (o, &s->window.halves[c].behind, behind, next) {
        if (rows > 0 && may_catch_up(s, o))
            catch_up(s, o, &rows);
    }
    return rows < ROWS_A_TURN;
}

/* ---- deliveries ---- */

/* In the next turn of the loop, so that everything else has its own. */
static void pump_after(struct schedule *s, int seconds)
{
    const struct timeval pause = {seconds, 0};
    if (!s->stopped)
        (void)evtimer_add(s->pump, &pause);
}

/* Something has changed: each destination is looked at anew. */
static void pump(void *arg)
{
    struct schedule *s = arg;
    for (int c = 0; c < DUE_CLASSES; c++)
        s->courses[c].held_back = 0;
    pump_after(s, 0);
}

void schedule_pump(struct schedule *s)
{
    struct parking *p;
    set_limits(s);
    SLIST_FOREACH (p, &s->window.parkings, next)
        window_unstick(&s->window, p, UINT_MAX, NULL, NULL);
    pump(s);
}

void schedule_forgive(struct schedule *s)
{
    sites_forgive(&s->sites);
    pump(s);
}

static bool is_at_most(const struct schedule *s, enum due_class c)
{
    unsigned most = (unsigned)s->queue->settings->concurrency;
    return s->courses[DUE_FIRST].inflight + s->courses[DUE_AGAIN].inflight >= most ||
           s->courses[c].inflight >= window_part(c, most);
}

/* In memory, for one more message of an account that has so much. */
static bool has_memory_for(const struct schedule *s, const struct parking *p, struct octets its)
{
    return bodies_have_room(s->queue->bodies, p->class, p->need == NEED_SMALL, its);
}

/* Of one that waits for it: where one that has none could have none, that is all. */
static bool has_memory(const struct schedule *s, const struct parking *p)
{
    const struct line *l;
    if (!has_memory_for(s, p, (struct octets){0, 0}))
        return false;
    TAILQ_FOREACH (l, &p->lines, turn) {
        if (has_memory_for(s, p, l->owner->octets))
            return true;
    }
    return false;
}

/* How many deliveries more those that wait in the parking may have: through the transport that it
 * is named after, and to its server; when that is suspended none has to wait. Of memory it is known
 * for one message at a time. */
static unsigned room_for(struct schedule *s, const struct parking *p, bool idle)
{
    if (p->need != NEED_TRANSPORT)
        return has_memory(s, p) ? 1 : 0;
    struct server *server = sites_server(&s->sites, s->queue->settings, p->name);
    if (server != NULL && server->site.pause != NULL)
        return UINT_MAX;
    unsigned room = agents_room(s->queue->agents, p->name, p->class, idle);
    unsigned here = sites_room(server, p->class, idle);
    return room < here ? room : here;
}

/* How many deliveries of a class may begin until the next tick. */
static unsigned left_to_begin(const struct schedule *s, enum due_class c)
{
    const struct course *course = &s->courses[c];
    if (is_at_most(s, c))
        return 0;
    if (c == DUE_FIRST)
        return UINT_MAX;
    if (commit_aside(s->queue->commit) >= UNWRITTEN_MAX || course->looks >= LOOKS_MAX ||
        course->begun >= BEGUN_MAX)
        return 0;
    return BEGUN_MAX - course->begun;
}

/* The same of those that wait in the parking, of all accounts or only such as have nothing being
 * tried. */
static unsigned may_leave(struct schedule *s, const struct parking *p, bool idle)
{
    unsigned most = left_to_begin(s, p->class), unstuck = s->courses[p->class].unstuck;
    if (p->class == DUE_AGAIN && most > 0)
        most = unstuck < UNSTUCK_MAX ? UNSTUCK_MAX - unstuck : 0;
    unsigned room = most == 0 ? 0 : room_for(s, p, idle);
    return room < most ? room : most;
}

static void begin_tick(struct schedule *s)
{
    const struct timeval tick = {0, TICK_MS * 1000};
    if (!s->stopped && !evtimer_pending(s->tick, NULL))
        (void)evtimer_add(s->tick, &tick);
}

/* Those of a parking, for window_unstick. */
struct waiting {
    const struct schedule *schedule;
    const struct parking *parking;
};

static bool may_have_memory(const void *arg, const struct owner *o)
{
    const struct waiting *w = arg;
    return has_memory_for(w->schedule, w->parking, o->octets);
}

static void unstick_first(struct schedule *s, struct parking *p, unsigned n, bool idle)
{
    const struct waiting waiting = {s, p};
    unsigned left = n < p->n ? n : (unsigned)p->n;
    window_may *may = p->need != NEED_TRANSPORT ? may_have_memory : idle ? window_is_idle : NULL;
    s->courses[p->class].unstuck += left;
    window_unstick(&s->window, p, n, may, &waiting);
    if (p->class == DUE_AGAIN && left > 0)
        begin_tick(s);
}

static struct parking *parking_after(const struct schedule *s, const struct parking *p)
{
    struct parking *next = p == NULL ? NULL : SLIST_NEXT(p, next);
    return next == NULL ? SLIST_FIRST(&s->window.parkings) : next;
}

/* For each delivery that a transport may have more, the first that wait for it. Another transport
 * is asked first each time. */
static void unstick_some(struct schedule *s)
{
    struct parking *p = s->first = parking_after(s, s->first);
    if (p == NULL)
        return;
    do {
        unsigned n = p->n == 0 ? 0 : may_leave(s, p, false);
        bool idle = n == 0 && p->idle_n > 0;
        n = idle ? may_leave(s, p, true) : n;
        if (n > 0)
            unstick_first(s, p, n, idle);
        p = parking_after(s, p);
    } while (p != s->first);
}

/* Whether any is stuck without need: what was to go before it turned out to be nothing. */
static bool is_any_free(struct schedule *s)
{
    const struct parking *p;
    SLIST_FOREACH (p, &s->window.parkings, next) {
        if (p->n > 0 && may_leave(s, p, p->idle_n > 0) > 0)
            return true;
    }
    return false;
}

static void log_suspended(const struct delivery_end *e, const struct pause *p)
{
    if (e->server != NULL)
        log_info(NULL, "server of a transport suspended", LS("host", e->server->host),
                 LI("port", e->server->port), LS("transport", e->transport),
                 LI("ms", p->until_ms - p->since_ms), LS("why", p->why));
    else
        log_info(NULL, "destination suspended", LS("destination", e->domain),
                 LS("transport", e->transport), LI("ms", p->until_ms - p->since_ms),
                 LS("why", p->why));
}

static void on_delivered(void *arg, const struct delivery_end *e)
{
    struct schedule *s = arg;
    struct destination *d = e->destination;
    d->site.inflight--;
    s->courses[e->class].inflight--;
    if (e->asked && !e->exempt) {
        const struct pause *p =
            sites_note(&s->sites, d, e->server, e->transport, e->class, e->results, e->results_n,
                       clock_wall_ms(), s->queue->settings->destination_pause_ms);
        if (p != NULL)
            log_suspended(e, p);
    }
    window_update_destination(&s->window, d);
    pump(s);
}

static bool has_its_deliveries(const struct schedule *s, const struct stream *stream)
{
    enum due_class c = stream->class;
    uint64_t most = window_part(c, (uint64_t)s->queue->settings->concurrency);
    return stream->destination->site.inflight > 0 &&
           s->courses[c].inflight >= most - most / FIRST_PART;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct schedule *s = arg;
    struct course *again = &s->courses[DUE_AGAIN];
    again->begun = again->looks = again->unstuck = 0;
    pump_after(s, 0);
}

static void count_look(struct schedule *s, bool began)
{
    s->courses[DUE_AGAIN].begun += began;
    s->courses[DUE_AGAIN].looks++;
    begin_tick(s);
}

static void start(struct schedule *s, struct stream *stream)
{
    struct destination *d = stream->destination;
    struct course *course = &s->courses[stream->class];
    /* Before it is empty, so that the next delivery has as many recipients as may be. */
    if (stream->more.any && stream->waiting < (unsigned)s->queue->settings->destination_recipients)
        refill(s, stream);
    if (stream->waiting == 0)
        return;
    /* Counted before it begins, since it may end before it returns. */
    d->site.inflight++;
    course->inflight++;
    bool started = delivery_start(s->queue, &s->sites, stream, on_delivered, s) == DELIVERY_STARTED;
    if (stream->class == DUE_AGAIN)
        count_look(s, started);
    if (started) {
        s->last = stream->class;
    } else {
        d->site.inflight--;
        course->inflight--;
    }
}

static bool may_go(struct schedule *s, enum due_class c)
{
    struct course *course = &s->courses[c];
    course->unwritten = c == DUE_AGAIN && commit_aside(s->queue->commit) >= UNWRITTEN_MAX;
    return left_to_begin(s, c) > 0 && course->held_back <= s->window.halves[c].round_n;
}

/* Whether the deliveries that are left are for accounts that have none. */
static bool is_for_idle(const struct schedule *s, enum due_class c)
{
    uint64_t most = (uint64_t)s->queue->settings->concurrency;
    return s->courses[c].inflight >= window_part_of(c, most, false);
}

/* The stream whose turn it is. The classes take turns, as long as each may have deliveries. */
static struct stream *next_stream(struct schedule *s)
{
    for (int i = 0; i < DUE_CLASSES; i++) {
        enum due_class c = s->next;
        struct stream *stream = may_go(s, c) ? window_next(&s->window, c, is_for_idle(s, c)) : NULL;
        s->next = (enum due_class)((c + 1) % DUE_CLASSES);
        if (stream != NULL)
            return stream;
    }
    return NULL;
}

/* Starts what may be started now, so much in one turn of the loop. */
static void start_some(struct schedule *s)
{
    struct stream *stream;
    int steps = 0;
    /* Where there is room for one only, the classes have it in turn. */
    s->next = (enum due_class)((s->last + 1) % DUE_CLASSES);
    while (!s->stopped && steps < STEPS_A_TURN && (stream = next_stream(s)) != NULL) {
        struct course *course = &s->courses[stream->class];
        if (has_its_deliveries(s, stream)) {
            course->held_back++;
        } else {
            course->held_back = 0;
            start(s, stream);
        }
        window_update(&s->window, stream);
        steps++;
    }
    if (steps == STEPS_A_TURN || is_any_free(s))
        pump_after(s, 0);
}

static bool is_any_behind(const struct schedule *s)
{
    return !TAILQ_EMPTY(&s->window.halves[DUE_FIRST].behind) ||
           !TAILQ_EMPTY(&s->window.halves[DUE_AGAIN].behind);
}

/* What was passed over and has a place now. */
static void fill(struct schedule *s)
{
    bool any = false;
    for (int c = 0; c < DUE_CLASSES; c++)
        any |= catch_up_some(s, (enum due_class)c);
    if (any)
        pump(s);
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    struct schedule *s = arg;
    window_forget_turned_away(&s->window);
    pump_after(s, 0);
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
    struct schedule *s = arg;
    (void)fd;
    (void)what;
    /* While results cannot be written down there are no new ones: each would be an attempt that a
     * crash forgets, and makes again. */
    if (commit_is_late(s->queue->commit)) {
        pump_after(s, LATE_S);
        return;
    }
    sites_expire(&s->sites, clock_wall_ms());
    unstick_some(s);
    start_some(s);
    fill(s);
    service_gauge(s->queue->service, GAUGE_TRYING, s->window.trying);
    service_gauge(s->queue->service, GAUGE_WINDOW, s->window.count);
}

void schedule_add(struct schedule *s, uint64_t id, int64_t next_ms, const char *domain,
                  const char *account)
{
    const struct due due = {DUE_FIRST, next_ms, id};
    if (next_ms > clock_wall_ms()) {
        duewalk_look_at(&s->courses[DUE_FIRST].walk, next_ms, id);
        return;
    }
    if (window_find(&s->window, id) != NULL)
        return;
    const unsigned char *secret = s->queue->ledger.secret;
    const struct stream_id stream = {name_hash(secret, domain), name_hash(secret, account)};
    put_or_pass_over(s, &due, &stream);
    pump(s);
}

void schedule_look_at(struct schedule *s, int64_t next_ms)
{
    for (int c = 0; c < DUE_CLASSES; c++)
        duewalk_look_at(&s->courses[c].walk, next_ms, 0);
}

void schedule_settled(struct schedule *s, uint64_t id)
{
    struct item *i = window_find(&s->window, id);
    if (i == NULL)
        return;
    struct stream *stream = i->stream;
    window_remove(&s->window, i);
    window_update(&s->window, stream);
    if (s->courses[DUE_AGAIN].unwritten || is_any_behind(s))
        pump_after(s, 0);
}

void schedule_stop(struct schedule *s)
{
    s->stopped = true;
    for (int c = 0; c < DUE_CLASSES; c++)
        duewalk_stop(&s->courses[c].walk);
    (void)event_del(s->pump);
    (void)event_del(s->second);
    (void)event_del(s->tick);
}

bool schedule_is_trying(const struct schedule *s, uint64_t id)
{
    const struct item *i = window_find(&s->window, id);
    return i != NULL && i->state == ITEM_TRYING;
}

uint64_t schedule_trying(const struct schedule *s)
{
    return s->window.trying;
}

uint64_t schedule_window(const struct schedule *s)
{
    return s->window.count;
}
