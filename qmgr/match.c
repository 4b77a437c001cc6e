#include "match.h"

#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "mem.h"
#include "qid.h"
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

static struct match_part part_of(const char *text)
{
    if (!is_set(text))
        return (struct match_part){.n = 0};
    unsigned char first = (unsigned char)text[0];
    return (struct match_part){text, strlen(text), (unsigned char)ascii_lower(first),
                               (unsigned char)ascii_upper(first)};
}

/* Whether the part, if there is one, occurs in whole, ASCII case folded. */
static bool occurs(struct span whole, const struct match_part *part)
{
    for (size_t i = 0; part->n > 0 && i + part->n <= whole.n; i++) {
        unsigned char first = whole.p[i];
        if ((first == part->lower || first == part->upper) &&
            span_starts_nocase(span_of(whole.p + i, whole.n - i), part->text))
            return true;
    }
    return part->n == 0;
}

static bool in_domain(struct span address, const char *domain)
{
    size_t at = address.n;
    while (at > 0 && address.p[at - 1] != '@')
        at--;
    return at > 0 && span_is_nocase(span_of(address.p + at, address.n - at), domain);
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

static bool is_named(const struct admin_filter *f, uint64_t message, uint64_t id)
{
    uint64_t wanted = f->messages ? message : id;
    return f->ids_n == 0 || bsearch(&wanted, f->ids, f->ids_n, sizeof wanted, by_value) != NULL;
}

static uint64_t hash_of_domain(const unsigned char secret[16], const char *domain)
{
    char *lower = mem_text(domain);
    ascii_lower_text(lower);
    uint64_t hash = name_hash(secret, lower);
    mem_free(&lower);
    return hash;
}

struct match match_begin(struct admin_filter *f, const unsigned char secret[16])
{
    struct match m = {.filter = f,
                      .account = is_set(f->account),
                      .domain = is_set(f->domain),
                      .transport = is_set(f->transport) || f->unrouted,
                      .event = is_set(f->event),
                      .sender = is_set(f->from) || is_set(f->from_domain) ||
                                f->submitted_after_ms != 0 || f->submitted_before_ms != 0,
                      .from = part_of(f->from),
                      .to = part_of(f->to)};
    if (m.account)
        m.account_hash = name_hash(secret, f->account);
    if (m.domain)
        m.domain_hash = hash_of_domain(secret, f->domain);
    if (f->ids_n > 0)
        qsort(f->ids, f->ids_n, sizeof *f->ids, by_value);
    return m;
}

static bool by_transport(const struct match *m, struct span transport)
{
    const struct admin_filter *f = m->filter;
    return !m->transport || (is_set(f->transport) ? span_is(transport, f->transport) && !f->unrouted
                                                  : transport.n == 0);
}

static bool to_there(const struct match *m, struct span address)
{
    return (!m->domain || in_domain(address, m->filter->domain)) && occurs(address, &m->to);
}

static bool from_there(const struct match *m, struct span sender)
{
    return (!is_set(m->filter->from_domain) || in_domain(sender, m->filter->from_domain)) &&
           occurs(sender, &m->from);
}

static bool message_may(const struct match *m, struct store_txn *t, uint64_t id)
{
    const struct admin_filter *f = m->filter;
    struct key k = key_id(id);
    struct span value;
    struct submit_peek p;
    if (!store_get(t, TABLE_MSG, key_span(&k), &value) || msg_row_peek(value, &p) != 0)
        return false;
    return from_there(m, p.sender) &&
           within(p.received_ms, f->submitted_after_ms, f->submitted_before_ms);
}

/* Whether it is held or not as wanted, and due when it is wanted: one that is held is never due. */
static bool waits_so(const struct admin_filter *f, const struct rcpt_peek *r)
{
    bool timed = f->next_after_ms != 0 || f->next_before_ms != 0;
    if (r->held)
        return f->held != ADMIN_HELD_NO && !timed;
    return f->held != ADMIN_HELD_YES && within(r->next_ms, f->next_after_ms, f->next_before_ms);
}

bool match_queued(struct match *m, struct store_txn *t, uint64_t id, struct span value)
{
    const struct admin_filter *f = m->filter;
    struct rcpt_peek r;
    /* Accounts are told apart by their hash, which nobody can choose who does not know the secret.
     */
    if (rcpt_row_peek(value, &r) != 0 || !waits_so(f, &r) || r.attempts < f->attempts ||
        (m->account && r.account != m->account_hash) || !is_named(f, r.message, id) ||
        !by_transport(m, r.transport) || !to_there(m, r.address))
        return false;
    if (!m->sender)
        return true;
    if (m->message != r.message)
        m->may = message_may(m, t, r.message);
    m->message = r.message;
    return m->may;
}

static bool outcome_is(const struct admin_filter *f, bool success)
{
    return f->success == ADMIN_SUCCESS_ANY || (f->success == ADMIN_SUCCESS_YES) == success;
}

bool match_retired(const struct match *m, uint64_t id, struct span value)
{
    const struct admin_filter *f = m->filter;
    struct admin_peek r;
    return retired_row_peek(value, &r) == 0 && outcome_is(f, r.success) &&
           r.attempts >= f->attempts && is_named(f, r.message, id) &&
           within(r.received_ms, f->submitted_after_ms, f->submitted_before_ms) &&
           within(r.next_ms, f->next_after_ms, f->next_before_ms) &&
           (!m->account || span_is(r.account, f->account)) && by_transport(m, r.transport) &&
           from_there(m, r.sender) && to_there(m, r.recipient);
}

bool match_hook(const struct match *m, uint64_t id, struct span value, bool retired)
{
    const struct admin_filter *f = m->filter;
    struct hook_peek r;
    return hook_row_peek(value, &r) == 0 && (!retired || outcome_is(f, r.success)) &&
           r.attempts >= f->attempts && is_named(f, id, id) &&
           within(r.submitted_ms, f->submitted_after_ms, f->submitted_before_ms) &&
           within(r.next_ms, f->next_after_ms, f->next_before_ms) &&
           (!m->account || span_is(r.account, f->account)) &&
           (!m->event || span_is(r.event, f->event));
}

struct admin_row match_row(const struct msg_row *m, uint64_t id, const struct rcpt_row *r)
{
    const struct submit_envelope *e = m->envelope;
    return (struct admin_row){.id = id,
                              .message = r->message,
                              .held = r->held,
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

/* What stands last in a list: why it failed, or that another one took its place. */
static char *last_word(const struct hook_row *r)
{
    char id[QID_SIZE];
    if (r->superseded_by != 0)
        return mem_format("superseded by %s", qid_text(r->superseded_by, id));
    return mem_text(r->results_n == 0 ? "" : r->results[r->results_n - 1].error);
}

struct admin_hook_row match_hook_row(uint64_t id, const struct hook_row *r)
{
    return (struct admin_hook_row){.id = id,
                                   .recipient = r->recipient,
                                   .account = mem_text(r->account),
                                   .url = mem_text(r->url),
                                   .event = mem_text(r->event),
                                   .last = last_word(r),
                                   .attempts = r->attempts,
                                   .success = r->success,
                                   .submitted_ms = r->submitted_ms,
                                   .next_ms = r->next_ms};
}
