#include "match.h"

#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "mem.h"
#include "tables.h"

const struct msg_row *match_message(struct store_txn *t, struct match_message *m, uint64_t id)
{
    struct key k = key_id(id);
    struct span value;
    if (m->there && m->id == id)
        return &m->row;
    match_clear(m);
    m->id = id;
    m->there = store_get(t, TABLE_MSG, key_span(&k), &value) && msg_row_read(value, &m->row) == 0;
    return m->there ? &m->row : NULL;
}

void match_clear(struct match_message *m)
{
    if (m->there)
        msg_row_clear(&m->row);
    m->there = false;
}

static bool is_set(const char *wanted)
{
    return wanted != NULL && wanted[0] != '\0';
}

/* Whether part ("" or NULL: any) occurs in whole, ASCII case folded. */
static bool occurs(struct span whole, const char *part)
{
    size_t n = is_set(part) ? strlen(part) : 0;
    for (size_t i = 0; n > 0 && i + n <= whole.n; i++) {
        if (ascii_lower(whole.p[i]) == ascii_lower((unsigned char)part[0]) &&
            span_starts_nocase(span_of(whole.p + i, whole.n - i), part))
            return true;
    }
    return n == 0;
}

static bool contains(const char *whole, const char *part)
{
    return occurs(span_text(whole), part);
}

static bool is(const char *value, const char *wanted)
{
    return !is_set(wanted) || strcmp(value, wanted) == 0;
}

static bool within(int64_t value, int64_t after, int64_t before)
{
    return (after == 0 || value > after) && (before == 0 || value < before);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void match_prepare(struct admin_filter *f)
{
    if (f->ids_n > 0)
        qsort(f->ids, f->ids_n, sizeof *f->ids, by_value);
}

static bool is_in(const struct admin_filter *f, uint64_t id)
{
    return bsearch(&id, f->ids, f->ids_n, sizeof id, by_value) != NULL;
}

bool match_names(const struct admin_filter *f, uint64_t message, uint64_t id)
{
    return f->ids_n == 0 || is_in(f, f->messages ? message : id);
}

uint64_t match_next(const struct admin_filter *f, uint64_t id)
{
    uint32_t low = 0, high = f->ids_n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (f->ids[middle] > id)
            high = middle;
        else
            low = middle + 1;
    }
    return low < f->ids_n ? f->ids[low] : 0;
}

struct match_glance match_begin(const struct admin_filter *f, const unsigned char secret[16])
{
    return (struct match_glance){is_set(f->account) ? name_hash(secret, f->account) : 0, 0, false};
}

static bool message_may(struct store_txn *t, const struct admin_filter *f, uint64_t id)
{
    struct key k = key_id(id);
    struct span value;
    struct submit_peek p;
    if (!store_get(t, TABLE_MSG, key_span(&k), &value) || msg_row_peek(value, &p) != 0)
        return false;
    return occurs(p.sender, f->from) &&
           within(p.received_ms, f->submitted_after_ms, f->submitted_before_ms);
}

bool match_may(struct store_txn *t, const struct admin_filter *f, struct match_glance *g,
               uint64_t id, struct span value, bool *named)
{
    struct rcpt_peek r;
    *named = true;
    if (rcpt_row_peek(value, &r) != 0)
        return false;
    *named = match_names(f, r.message, id);
    bool held = f->held == ADMIN_HELD_ANY || (f->held == ADMIN_HELD_YES) == r.held;
    if (!*named || !held || (is_set(f->account) && r.account != g->account) ||
        (is_set(f->transport) && !span_is(r.transport, f->transport)) ||
        !within(r.next_ms, f->next_after_ms, f->next_before_ms) || !occurs(r.address, f->to))
        return false;
    if (!is_set(f->from) && f->submitted_after_ms == 0 && f->submitted_before_ms == 0)
        return true;
    if (g->message != r.message)
        g->may = message_may(t, f, r.message);
    g->message = r.message;
    return g->may;
}

bool match_recipient(const struct admin_filter *f, const struct msg_row *m, uint64_t id,
                     const struct rcpt_row *r)
{
    const struct submit_envelope *e = m->envelope;
    bool held = f->held == ADMIN_HELD_ANY || (f->held == ADMIN_HELD_YES) == r->held;
    return held && match_names(f, r->message, id) && is(e->account, f->account) &&
           contains(e->sender, f->from) && contains(r->address, f->to) &&
           is(r->transport, f->transport) &&
           within(e->received_ms, f->submitted_after_ms, f->submitted_before_ms) &&
           within(r->next_ms, f->next_after_ms, f->next_before_ms);
}

bool match_retired(const struct admin_filter *f, const struct admin_row *r)
{
    return f->held != ADMIN_HELD_YES && match_names(f, r->message, r->id) &&
           is(r->account, f->account) && contains(r->sender, f->from) &&
           contains(r->recipient, f->to) && is(r->transport, f->transport) &&
           within(r->received_ms, f->submitted_after_ms, f->submitted_before_ms) &&
           within(r->next_ms, f->next_after_ms, f->next_before_ms);
}

struct admin_row match_row(const struct msg_row *m, uint64_t id, const struct rcpt_row *r,
                           bool trying)
{
    const struct submit_envelope *e = m->envelope;
    return (struct admin_row){.id = id,
                              .message = r->message,
                              .held = r->held,
                              .trying = trying,
                              .attempts = r->attempts,
                              .size = m->size,
                              .received_ms = e->received_ms,
                              .next_ms = r->next_ms,
                              .account = mem_text(e->account),
                              .sender = mem_text(e->sender),
                              .recipient = mem_text(r->address),
                              .subject = mem_text(e->subject),
                              .message_id = mem_text(e->message_id),
                              .transport = mem_text(r->transport),
                              .last = rcpt_row_last_line(r)};
}
