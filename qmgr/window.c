#include "window.h"

#include <assert.h>
#include <string.h>

#include "mem.h"

#define IDLE_PART 16

static int by_id(struct item *a, struct item *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

static int by_stream(struct stream *a, struct stream *b)
{
    if (a->id.destination != b->id.destination)
        return a->id.destination < b->id.destination ? -1 : 1;
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    return a->id.account < b->id.account ? -1 : a->id.account > b->id.account;
}

static int by_hash(struct destination *a, struct destination *b)
{
    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

static int by_account(struct owner *a, struct owner *b)
{
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    return a->account < b->account ? -1 : a->account > b->account;
}

RB_GENERATE_STATIC(item_tree, item, by_id, by_id)
RB_GENERATE_STATIC(stream_tree, stream, by_id, by_stream)
RB_GENERATE_STATIC(destination_tree, destination, by_hash, by_hash)
RB_GENERATE_STATIC(owner_tree, owner, by_id, by_account)

uint64_t window_part(enum due_class class, uint64_t whole)
{
    uint64_t part = class == DUE_AGAIN ? whole / 2 : whole - whole / 8;
    return part < 1 ? 1 : part;
}

uint64_t window_part_of(enum due_class class, uint64_t whole, bool idle)
{
    uint64_t part = window_part(class, whole);
    return idle ? part : part - part / IDLE_PART;
}

void window_init(struct window *w)
{
    *w = (struct window){.limit = 1, .limit_max = 1};
    RB_INIT(&w->items);
    RB_INIT(&w->streams);
    RB_INIT(&w->destinations);
    RB_INIT(&w->owners);
    SLIST_INIT(&w->parkings);
    for (int c = 0; c < DUE_CLASSES; c++) {
        TAILQ_INIT(&w->halves[c].round);
        TAILQ_INIT(&w->halves[c].behind);
    }
}

void window_limit(struct window *w, unsigned begin, unsigned most)
{
    w->limit = begin < most ? begin : most;
    w->limit_max = most;
}

void window_clear(struct window *w)
{
    struct item *i;
    struct stream *s;
    struct destination *d;
    struct parking *p;
    struct owner *o;
    while ((i = RB_MIN(item_tree, &w->items)) != NULL)
        window_remove(w, i);
    while ((s = RB_MIN(stream_tree, &w->streams)) != NULL) {
        RB_REMOVE(stream_tree, &w->streams, s);
        mem_free(&s);
    }
    while ((d = RB_MIN(destination_tree, &w->destinations)) != NULL) {
        RB_REMOVE(destination_tree, &w->destinations, d);
        mem_free(&d);
    }
    while ((o = RB_MIN(owner_tree, &w->owners)) != NULL) {
        RB_REMOVE(owner_tree, &w->owners, o);
        mem_free(&o);
    }
    while ((p = SLIST_FIRST(&w->parkings)) != NULL) {
        SLIST_REMOVE_HEAD(&w->parkings, next);
        mem_free(&p);
    }
    window_init(w);
}

struct item *window_find(const struct window *w, uint64_t id)
{
    struct item like = {.id = id};
    return RB_FIND(item_tree, (struct item_tree *)&w->items, &like);
}

struct destination *window_destination(const struct window *w, uint64_t hash)
{
    struct destination like = {.hash = hash};
    return RB_FIND(destination_tree, (struct destination_tree *)&w->destinations, &like);
}

static struct destination *reach_destination(struct window *w, uint64_t hash)
{
    struct destination *d = window_destination(w, hash);
    if (d != NULL)
        return d;
    d = mem_zero(sizeof *d);
    d->hash = hash;
    d->site.limit = w->limit;
    for (int c = 0; c < DUE_CLASSES; c++)
        TAILQ_INIT(&d->sides[c].turns);
    RB_INSERT(destination_tree, &w->destinations, d);
    return d;
}

struct stream *window_stream(const struct window *w, struct stream_id id, enum due_class class)
{
    struct stream like = {.id = id, .class = class};
    return RB_FIND(stream_tree, (struct stream_tree *)&w->streams, &like);
}

struct owner *window_owner(const struct window *w, uint64_t account, enum due_class class)
{
    struct owner like = {.account = account, .class = class};
    return RB_FIND(owner_tree, (struct owner_tree *)&w->owners, &like);
}

static struct owner *reach_owner(struct window *w, uint64_t account, enum due_class class)
{
    struct owner *o = window_owner(w, account, class);
    if (o != NULL)
        return o;
    o = mem_zero(sizeof *o);
    o->account = account;
    o->class = class;
    TAILQ_INIT(&o->turns);
    SLIST_INIT(&o->lines);
    RB_INSERT(owner_tree, &w->owners, o);
    return o;
}

struct stream *window_reach(struct window *w, struct stream_id id, enum due_class class)
{
    struct stream *s = window_stream(w, id, class);
    if (s != NULL)
        return s;
    s = mem_zero(sizeof *s);
    s->id = id;
    s->class = class;
    s->destination = reach_destination(w, id.destination);
    s->owner = reach_owner(w, id.account, class);
    TAILQ_INIT(&s->items);
    s->destination->streams++;
    s->owner->streams++;
    w->halves[class].streams++;
    RB_INSERT(stream_tree, &w->streams, s);
    return s;
}

static struct side *side_of(const struct stream *s)
{
    return &s->destination->sides[s->class];
}

/* Into the list and the count of those that wait. */
static void enter(struct stream *s, struct item *i, bool first)
{
    i->state = ITEM_WAITING;
    if (first)
        TAILQ_INSERT_HEAD(&s->items, i, next);
    else
        TAILQ_INSERT_TAIL(&s->items, i, next);
    s->waiting++;
    side_of(s)->waiting++;
}

struct item *window_add(struct window *w, struct stream *s, uint64_t id, int64_t next_ms)
{
    struct item *i = mem_zero(sizeof *i);
    i->id = id;
    i->next_ms = next_ms;
    i->stream = s;
    struct item *there = RB_INSERT(item_tree, &w->items, i);
    assert(there == NULL);
    enter(s, i, false);
    w->count++;
    w->halves[s->class].count++;
    s->owner->count++;
    return i;
}

static void note(struct more *m, int64_t next_ms, uint64_t id)
{
    if (!m->any || next_ms < m->next_ms || (next_ms == m->next_ms && id < m->id))
        *m = (struct more){true, next_ms, id};
}

static void fall_behind(struct window *w, struct owner *o, int64_t next_ms, uint64_t id)
{
    struct owners *behind = &w->halves[o->class].behind;
    if (!o->more.any)
        TAILQ_INSERT_TAIL(behind, o, behind);
    note(&o->more, next_ms, id);
}

/* When nothing of it waits any more, what had no place may be fetched. */
static void leave_line(struct window *w, struct item *i)
{
    struct line *l = i->line;
    TAILQ_REMOVE(&l->items, i, next);
    l->parking->n--;
    w->halves[l->parking->class].parked--;
    if (--l->n > 0)
        return;
    if (l->more.any)
        fall_behind(w, l->owner, l->more.next_ms, l->more.id);
    TAILQ_REMOVE(&l->parking->lines, l, turn);
    SLIST_REMOVE(&l->owner->lines, l, line, of_owner);
    l->parking->idle_n -= l->owner->trying == 0;
    mem_free(&l);
}

static void count_stuck(const struct item *i, unsigned more)
{
    struct stream *s = i->stream;
    if (i->line->parking->need != NEED_TRANSPORT) {
        s->lacking += more;
        return;
    }
    s->parked += more;
    side_of(s)->parked += more;
}

static void count_trying(struct window *w, struct owner *o, int more)
{
    struct line *l;
    bool was_idle = o->trying == 0;
    w->trying = (uint64_t)((int64_t)w->trying + more);
    o->trying = (unsigned)((int)o->trying + more);
    unsigned idle = (unsigned)(o->trying == 0) - (unsigned)was_idle; /* one more, or less */
    if (o->in_round)
        w->halves[o->class].idle_n += idle;
    SLIST_FOREACH (l, &o->lines, of_owner)
        l->parking->idle_n += idle;
}

/* Out of the list and the count of its state. */
static void leave(struct window *w, struct item *i)
{
    struct stream *s = i->stream;
    switch (i->state) {
    case ITEM_WAITING:
        TAILQ_REMOVE(&s->items, i, next);
        s->waiting--;
        side_of(s)->waiting--;
        break;
    case ITEM_STUCK:
        count_stuck(i, -1u);
        leave_line(w, i);
        break;
    case ITEM_TRYING:
        s->trying--;
        count_trying(w, s->owner, -1);
        break;
    }
}

void window_remove(struct window *w, struct item *i)
{
    leave(w, i);
    RB_REMOVE(item_tree, &w->items, i);
    w->count--;
    w->halves[i->stream->class].count--;
    i->stream->owner->count--;
    mem_free(&i);
}

void window_set_trying(struct window *w, struct item *i)
{
    assert(i->state == ITEM_WAITING);
    leave(w, i);
    i->state = ITEM_TRYING;
    i->stream->trying++;
    count_trying(w, i->stream->owner, 1);
}

static struct parking *find_parking(const struct window *w, enum need need, const char *name,
                                    enum due_class class)
{
    struct parking *p;
    SLIST_FOREACH (p, &w->parkings, next) {
        if (p->class == class && p->need == need && strcmp(p->name, name) == 0)
            return p;
    }
    return NULL;
}

static struct parking *parking_of(struct window *w, enum need need, const char *name,
                                  enum due_class class)
{
    struct parking *p = find_parking(w, need, name, class);
    if (p != NULL)
        return p;
    size_t n = strlen(name) + 1;
    p = mem_zero(sizeof *p + n);
    p->class = class;
    p->need = need;
    memcpy(p->name, name, n);
    TAILQ_INIT(&p->lines);
    SLIST_INSERT_HEAD(&w->parkings, p, next);
    return p;
}

/* An account has as many of them as there are things to wait for. */
static struct line *find_line(const struct owner *o, const struct parking *p)
{
    struct line *l;
    SLIST_FOREACH (l, &o->lines, of_owner) {
        if (l->parking == p)
            return l;
    }
    return NULL;
}

static struct line *line_of(struct owner *o, struct parking *p)
{
    struct line *l = find_line(o, p);
    if (l != NULL)
        return l;
    l = mem_zero(sizeof *l);
    l->owner = o;
    l->parking = p;
    TAILQ_INIT(&l->items);
    SLIST_INSERT_HEAD(&o->lines, l, of_owner);
    TAILQ_INSERT_TAIL(&p->lines, l, turn);
    p->idle_n += o->trying == 0;
    return l;
}

void window_use_right(struct stream *s)
{
    if (s->right == NULL)
        return;
    s->right->rights--;
    if (--s->rights == 0)
        s->right = NULL;
}

static void drop_rights(struct stream *s)
{
    while (s->right != NULL)
        window_use_right(s);
}

static void give_right(struct stream *s, struct parking *p)
{
    if (s->right != p)
        drop_rights(s);
    s->right = p;
    s->rights++;
    p->rights++;
}

bool window_is_behind(const struct window *w, const struct stream *s, const char *name)
{
    const struct parking *p = find_parking(w, NEED_TRANSPORT, name, s->class);
    return p != NULL && s->right != p && (p->n > 0 || p->rights > 0);
}

static void turn_away(struct window *w, struct item *i, struct line *l)
{
    note(&l->more, i->next_ms, i->id);
    l->owner->turned_away++;
    window_remove(w, i);
}

static void park(struct window *w, struct item *i, uint64_t message, struct parking *p,
                 uint64_t most)
{
    struct stream *s = i->stream;
    struct half *half = &w->halves[s->class];
    struct line *l = line_of(s->owner, p);
    assert(i->state == ITEM_WAITING);
    if (s->right == p)
        drop_rights(s);
    if (l->n > 0 && half->parked + l->n >= most) {
        turn_away(w, i, l);
        return;
    }
    leave(w, i);
    i->state = ITEM_STUCK;
    i->message = message;
    i->line = l;
    TAILQ_INSERT_TAIL(&l->items, i, next);
    l->n++;
    p->n++;
    count_stuck(i, 1);
    half->parked++;
}

void window_park(struct window *w, struct item *i, uint64_t message, const char *name,
                 uint64_t most)
{
    park(w, i, message, parking_of(w, NEED_TRANSPORT, name, i->stream->class), most);
}

void window_park_for_memory(struct window *w, struct item *i, uint64_t message, bool small,
                            uint64_t most)
{
    enum need need = small ? NEED_SMALL : NEED_MEMORY;
    park(w, i, message, parking_of(w, need, "", i->stream->class), most);
}

/* Whether one delivery can take both, as neighbours: no other has recipients of a message again. */
static bool go_together(const struct item *a, const struct item *b)
{
    return a->stream == b->stream && a->message == b->message;
}

static bool is_one_run(const struct parking *p, const struct item *a, const struct item *b)
{
    return p->need == NEED_TRANSPORT ? go_together(a, b) : a->message == b->message;
}

/* Moves the first run of the account whose turn it is to the end of the list, in no state. Returns
 * false when none may. */
static bool take_run(struct window *w, struct parking *p, window_may *may, const void *arg,
                     struct items *out)
{
    struct line *l = TAILQ_FIRST(&p->lines);
    while (l != NULL && may != NULL && !may(arg, l->owner))
        l = TAILQ_NEXT(l, turn);
    if (l == NULL)
        return false;
    struct item *i = TAILQ_FIRST(&l->items), *next;
    TAILQ_REMOVE(&p->lines, l, turn);
    TAILQ_INSERT_TAIL(&p->lines, l, turn);
    for (const struct item *first = i; i != NULL && is_one_run(p, i, first); i = next) {
        next = TAILQ_NEXT(i, next);
        leave(w, i); /* the last one frees the line */
        TAILQ_INSERT_TAIL(out, i, next);
    }
    return true;
}

/* It had its turn once, and could not use it. */
static void have_next_turn(struct half *half, struct stream *s)
{
    struct streams *turns = &side_of(s)->turns;
    struct owner *o = s->owner;
    TAILQ_REMOVE(turns, s, turn);
    TAILQ_INSERT_HEAD(turns, s, turn);
    if (!s->in_own_turns)
        return;
    TAILQ_REMOVE(&o->turns, s, own_turn);
    TAILQ_INSERT_HEAD(&o->turns, s, own_turn);
    TAILQ_REMOVE(&half->round, o, round);
    TAILQ_INSERT_HEAD(&half->round, o, round);
}

bool window_is_idle(const void *arg, const struct owner *o)
{
    (void)arg;
    return o->trying == 0;
}

void window_unstick(struct window *w, struct parking *p, unsigned runs, window_may *may,
                    const void *arg)
{
    struct items out;
    struct item *i, *before;
    bool any = true;
    TAILQ_INIT(&out);
    while (any && runs-- > 0)
        any = take_run(w, p, may, arg, &out);
    /* From the last to the first, each to the head of its list, which keeps their order. */
    while ((i = TAILQ_LAST(&out, items)) != NULL) {
        TAILQ_REMOVE(&out, i, next);
        enter(i->stream, i, true);
        if ((before = TAILQ_LAST(&out, items)) != NULL && go_together(before, i))
            continue;
        if (p->need == NEED_TRANSPORT)
            give_right(i->stream, p);
        window_update(w, i->stream); /* which frees none that has items */
        have_next_turn(&w->halves[p->class], i->stream);
    }
}

void window_update_owner(struct window *w, struct owner *o)
{
    if (o->streams > 0 || o->more.any)
        return;
    assert(o->octets.all == 0 && o->octets.small == 0);
    RB_REMOVE(owner_tree, &w->owners, o);
    mem_free(&o);
}

static void free_stream(struct window *w, struct stream *s)
{
    s->destination->streams--;
    s->owner->streams--;
    w->halves[s->class].streams--;
    RB_REMOVE(stream_tree, &w->streams, s);
    window_update_owner(w, s->owner);
    mem_free(&s);
}

/* The owner is in the round while it has turns. */
static void update_round(struct half *half, struct owner *o)
{
    bool wants = !TAILQ_EMPTY(&o->turns);
    if (wants == o->in_round)
        return;
    if (wants)
        TAILQ_INSERT_TAIL(&half->round, o, round);
    else
        TAILQ_REMOVE(&half->round, o, round);
    half->idle_n += o->trying > 0 ? 0u : wants ? 1u : -1u;
    o->in_round = wants;
}

/* In its owner's turns, or out of them. */
static void set_own_turn(struct half *half, struct stream *s, bool wants)
{
    if (wants == s->in_own_turns)
        return;
    if (wants)
        TAILQ_INSERT_TAIL(&s->owner->turns, s, own_turn);
    else
        TAILQ_REMOVE(&s->owner->turns, s, own_turn);
    half->round_n += wants ? 1u : -1u;
    s->in_own_turns = wants;
    update_round(half, s->owner);
}

void window_update(struct window *w, struct stream *s)
{
    struct destination *d = s->destination;
    struct side *side = side_of(s);
    if (s->waiting == 0)
        drop_rights(s);
    bool wants = s->waiting > 0 || (s->more.any && s->parked == 0);
    if (wants && !s->in_turns)
        TAILQ_INSERT_TAIL(&side->turns, s, turn);
    else if (!wants && s->in_turns)
        TAILQ_REMOVE(&side->turns, s, turn);
    s->in_turns = wants;
    set_own_turn(&w->halves[s->class], s, wants && side->may);
    if (s->waiting == 0 && s->parked == 0 && s->lacking == 0 && s->trying == 0 && !s->more.any)
        free_stream(w, s);
    window_update_destination(w, d);
}

static void update_side(struct half *half, struct side *side, bool may)
{
    struct stream *s;
    if (may == side->may)
        return;
    side->may = may;
    TAILQ_FOREACH (s, &side->turns, turn)
        set_own_turn(half, s, may);
}

void window_update_destination(struct window *w, struct destination *d)
{
    bool may = d->site.inflight < (d->site.limit < w->limit_max ? d->site.limit : w->limit_max);
    for (int c = 0; c < DUE_CLASSES; c++)
        update_side(&w->halves[c], &d->sides[c], may);
    if (d->streams == 0 && d->site.inflight == 0 && d->site.pause == NULL) {
        RB_REMOVE(destination_tree, &w->destinations, d);
        mem_free(&d);
    }
}

static struct owner *next_owner(const struct half *half, bool idle)
{
    struct owner *o = idle && half->idle_n == 0 ? NULL : TAILQ_FIRST(&half->round);
    while (o != NULL && idle && o->trying > 0)
        o = TAILQ_NEXT(o, round);
    return o;
}

struct stream *window_next(struct window *w, enum due_class class, bool idle)
{
    struct half *half = &w->halves[class];
    struct owner *o = next_owner(half, idle);
    if (o == NULL)
        return NULL;
    struct stream *s = TAILQ_FIRST(&o->turns);
    struct streams *turns = &side_of(s)->turns;
    if (!idle)
        s = TAILQ_FIRST(turns);
    TAILQ_REMOVE(turns, s, turn);
    TAILQ_INSERT_TAIL(turns, s, turn);
    TAILQ_REMOVE(&half->round, s->owner, round);
    TAILQ_INSERT_TAIL(&half->round, s->owner, round);
    set_own_turn(half, s, false);
    return s;
}

void window_note_more(struct stream *s, int64_t next_ms, uint64_t id)
{
    note(&s->more, next_ms, id);
}

void window_pass_over(struct window *w, uint64_t account, enum due_class class, int64_t next_ms,
                      uint64_t id)
{
    fall_behind(w, reach_owner(w, account, class), next_ms, id);
}

void window_catch_up(struct window *w, struct owner *o)
{
    if (o->more.any)
        TAILQ_REMOVE(&w->halves[o->class].behind, o, behind);
    o->more.any = false;
}

void window_forget_turned_away(struct window *w)
{
    struct owner *o;
    RB_FOREACH (o, owner_tree, &w->owners)
        o->turned_away = 0;
}
