#include "listpage.h"

#include <string.h>

#include "clock.h"
#include "listwalk.h"
#include "match.h"
#include "mem.h"

/* Of a page, so that with one row more it goes over inline: what an operator does not read costs us
 * no more. */
#define PAGE_OCTETS 24000
#define ROW_OCTETS 80 /* of a row beside its texts */

/* A page being filled. */
struct filling {
    struct listpage *page;
    struct store_txn *txn;
    struct match match;
    struct match_message message;
    uint32_t n;
    size_t octets; /* on the wire, about */
};

static size_t octets_of(const struct admin_row *r)
{
    return ROW_OCTETS + strlen(r->account) + strlen(r->sender) + strlen(r->recipient) +
           strlen(r->subject) + strlen(r->message_id) + strlen(r->transport) + strlen(r->last);
}

static void add_row(struct filling *f, struct admin_row row)
{
    struct admin_page *p = &f->page->rows;
    p->rows = mem_resize(p->rows, (p->rows_n + 1) * sizeof *p->rows);
    p->rows[p->rows_n++] = row;
    f->octets += octets_of(&row);
    f->n++;
}

static void take_queued(struct filling *f, uint64_t id, struct span row)
{
    struct rcpt_row r;
    if (rcpt_row_read(row, &r) != 0)
        return;
    const struct msg_row *m = match_message(f->txn, &f->message, r.message);
    if (m != NULL)
        add_row(f, match_row(m, id, &r));
    rcpt_row_clear(&r);
}

static void take_retired(struct filling *f, struct span row)
{
    struct retired_row r;
    if (retired_row_read(row, &r) != 0)
        return;
    add_row(f, r.item.row);
    r.item.row = (struct admin_row){0};
    retired_row_clear(&r);
}

static void take_hook(struct filling *f, uint64_t id, struct span row)
{
    struct admin_hook_page *p = &f->page->hooks;
    struct hook_row h;
    if (hook_row_read(row, &h) != 0)
        return;
    p->rows = mem_resize(p->rows, (p->rows_n + 1) * sizeof *p->rows);
    struct admin_hook_row *r = &p->rows[p->rows_n++];
    *r = (struct admin_hook_row){
        .id = id,
        .recipient = h.recipient,
        .account = h.account,
        .url = h.url,
        .event = h.event,
        .last = mem_text(h.results_n == 0 ? "" : h.results[h.results_n - 1].error),
        .attempts = h.attempts,
        .success = h.success,
        .submitted_ms = h.submitted_ms,
        .next_ms = h.next_ms};
    f->octets +=
        ROW_OCTETS + strlen(r->account) + strlen(r->url) + strlen(r->event) + strlen(r->last);
    f->n++;
    h.account = h.url = h.event = NULL;
    hook_row_clear(&h);
}

static bool is_meant(struct filling *f, uint64_t id, struct span row)
{
    enum admin_list list = f->page->list;
    return list == ADMIN_QUEUE     ? match_queued(&f->match, f->txn, id, row)
           : list == ADMIN_RETIRED ? match_retired(&f->match, id, row)
                                   : match_hook(&f->match, id, row, list == ADMIN_HOOKS_RETIRED);
}

static void take(struct filling *f, uint64_t id, struct span row)
{
    struct listpage *p = f->page;
    if (p->ids_only) {
        p->ids[p->ids_n++] = id;
        f->n++;
    } else if (p->list == ADMIN_QUEUE) {
        take_queued(f, id, row);
    } else if (p->list == ADMIN_RETIRED) {
        take_retired(f, row);
    } else {
        take_hook(f, id, row);
    }
}

static bool is_full(const struct filling *f)
{
    return f->n >= f->page->query.limit || f->octets >= PAGE_OCTETS;
}

static void fill(struct filling *f, struct listwalk *w, int64_t end_us)
{
    struct listpage *p = f->page;
    struct admin_place place, last = {0};
    struct span row;
    p->next = (struct admin_place){0};
    for (unsigned n = 1; listwalk_next(w, &place, &row); n++) {
        if (p->until != 0 && place.id >= p->until)
            return;
        if (is_full(f)) {
            p->next = last;
            return;
        }
        if (row.n > 0 && is_meant(f, place.id, row))
            take(f, place.id, row);
        last = place;
        if (n % LISTPAGE_LEAST == 0 && clock_mono_us() >= end_us) {
            p->next = last;
            return;
        }
    }
    if (listwalk_is_cut(w))
        p->next = last;
}

static void clear_rows(struct listpage *p)
{
    admin_page_clear(&p->rows);
    admin_hook_page_clear(&p->hooks);
    mem_free(&p->ids);
    p->ids_n = 0;
}

void listpage_read(struct listpage *p, struct store *s, const unsigned char secret[16])
{
    int64_t end_us = clock_mono_us() + p->us;
    struct filling f = {.page = p};
    struct listwalk w;
    clear_rows(p);
    if (p->ids_only)
        p->ids = mem_array(p->query.limit, sizeof *p->ids);
    f.match = match_begin(&p->query.filter, secret);
    f.txn = store_begin(s, false);
    listwalk_open(&w, f.txn, p->list, &p->query, &f.match);
    fill(&f, &w, end_us);
    listwalk_close(&w);
    match_clear(&f.message);
    store_abort(&f.txn);
    p->rows.next = p->hooks.next = p->next;
}

void listpage_clear(struct listpage *p)
{
    admin_filter_clear(&p->query.filter);
    clear_rows(p);
}
