#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "ctl_filter.h"
#include "ctl_rows.h"
#include "ctl_safe.h"
#include "jsonwrite.h"
#include "mem.h"
#include "qid.h"

static void put_text(struct jsonwrite *w, const char *key, const char *text)
{
    jsonwrite_key(w, key);
    jsonwrite_text(w, text);
}

static void put_id(struct jsonwrite *w, const char *key, uint64_t id)
{
    char text[QID_SIZE];
    put_text(w, key, qid_text(id, text));
}

static const char *state_word(bool retired, const struct admin_row *r)
{
    return retired     ? (r->success ? "delivered" : "failed")
           : r->held   ? "held"
           : r->trying ? "trying"
                       : "queued";
}

static void put_row(struct jsonwrite *w, bool retired, const struct admin_row *r)
{
    put_id(w, "qid", r->message);
    put_id(w, "id", r->id);
    jsonwrite_key(w, "number");
    jsonwrite_uint64(w, r->id);
    put_text(w, "state", state_word(retired, r));
    if (retired) {
        jsonwrite_key(w, "success");
        jsonwrite_bool(w, r->success);
    }
    put_text(w, "account", r->account);
    put_text(w, "from", r->sender);
    put_text(w, "to", r->recipient);
    put_text(w, "subject", r->subject);
    put_text(w, "message_id", r->message_id);
    put_text(w, "transport", r->transport);
    jsonwrite_key(w, "attempts");
    jsonwrite_int64(w, r->attempts);
    jsonwrite_key(w, "size");
    jsonwrite_uint64(w, r->size);
    jsonwrite_key(w, "received");
    jsonwrite_time(w, r->received_ms);
    jsonwrite_key(w, retired ? "ended" : "next");
    jsonwrite_time(w, r->next_ms);
    put_text(w, "last", r->last);
}

static void next_text(bool retired, const struct admin_row *r, char *out, size_t size)
{
    char span[32];
    int64_t left = r->next_ms - clock_wall_ms();
    if (retired)
        (void)ctl_time_text(r->next_ms, out, size);
    else if (r->held)
        (void)snprintf(out, size, "held");
    else if (r->trying)
        (void)snprintf(out, size, "now");
    else
        (void)snprintf(out, size, left > 0 ? "in %s" : "due",
                       ctl_span_text(left, span, sizeof span));
}

static void table_row(struct ctl_table *t, bool retired, const struct admin_row *r)
{
    char id[QID_SIZE], when[40], age[32];
    next_text(retired, r, when, sizeof when);
    ctl_table_cell(t, "%s", qid_text(r->id, id));
    if (retired)
        ctl_table_cell(t, "%s", r->success ? "delivered" : "failed");
    else
        ctl_table_cell(t, "%s", ctl_span_text(clock_wall_ms() - r->received_ms, age, sizeof age));
    ctl_table_cell(t, "%s", when);
    ctl_table_cell(t, "%u", r->attempts);
    ctl_table_cell(t, "<%s>", r->sender);
    ctl_table_cell(t, "<%s>", r->recipient);
    ctl_table_cell(t, "%s", r->last);
}

static void print_page(struct ctl_rows *rows, bool retired, const struct admin_page *page)
{
    for (uint32_t i = 0; i < page->rows_n; i++, rows->n++) {
        if (rows->table != NULL) {
            table_row(rows->table, retired, &page->rows[i]);
        } else {
            ctl_rows_object(rows);
            put_row(&rows->json, retired, &page->rows[i]);
            ctl_rows_object_end(rows);
        }
    }
    if (page->rows_n > 0)
        ctl_rows_flush(rows);
}

static int walk_pages(int fd, bool retired, const struct ctl_filter *f, struct ctl_rows *rows,
                      struct admin_place *next)
{
    struct admin_query q = f->query;
    struct admin_page page;
    struct fail fail;
    do {
        q.limit = ctl_rows_wanted(rows, f->query.limit, f->limit);
        if (q.limit == 0)
            break;
        if (admin_ask_list(fd, retired, &q, &page, &fail) != 0)
            return ctl_fail(ctl_code(fail.text, EX_TEMPFAIL), "%s", fail.text);
        print_page(rows, retired, &page);
        q.after = page.next;
        admin_page_clear(&page);
    } while (q.after.id != 0);
    *next = q.after;
    return EX_OK;
}

int ctl_print_list(struct ctl *c, bool retired, const struct ctl_filter *f)
{
    static const char *const queued[] = {"ID", "AGE", "NEXT", "TRIES", "FROM", "TO", "LAST", NULL};
    static const char *const past[] = {"ID",   "OUTCOME", "ENDED", "TRIES",
                                       "FROM", "TO",      "LAST",  NULL};
    struct ctl_rows rows;
    struct admin_place next = {0};
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    ctl_rows_open(&rows, c, retired ? past : queued);
    int code = walk_pages(fd, retired, f, &rows, &next);
    (void)close(fd);
    const char *none = !f->empty ? "No such recipient."
                       : retired ? "Nothing in the history."
                                 : "The queue is empty.";
    return ctl_rows_close(&rows, code, none, next);
}

static const char *const statuses[DELIVER_STATUSES] = {"delivered", "deferred", "failed"};

static void put_attempt(struct jsonwrite *w, const struct deliver_result *r)
{
    jsonwrite_object(w);
    jsonwrite_key(w, "start");
    jsonwrite_time(w, r->start_ms);
    jsonwrite_key(w, "duration_ms");
    jsonwrite_int64(w, r->duration_ms);
    put_text(w, "result", statuses[r->status]);
    put_text(w, "stage", r->stage);
    jsonwrite_key(w, "code");
    jsonwrite_int64(w, r->code);
    put_text(w, "enhanced", r->enhanced);
    put_text(w, "reply", r->reply);
    put_text(w, "error", r->error);
    put_text(w, "remote_host", r->remote_host);
    put_text(w, "remote_address", r->remote_address);
    put_text(w, "tls", r->tls);
    put_text(w, "tls_name", r->tls_name);
    put_text(w, "tls_peer", r->tls_peer);
    put_text(w, "tls_record", r->tls_record);
    jsonwrite_key(w, "octets");
    jsonwrite_uint64(w, r->octets);
    put_text(w, "rcpt_reply", r->rcpt_reply);
    put_text(w, "transport", r->transport);
    jsonwrite_object_end(w);
}

/* What holds for the next attempt, by the sender's word or the operator's. */
static const char *tls_word(uint32_t flags)
{
    return (flags & SUBMIT_REQUIRE_TLS) != 0    ? "yes"
           : (flags & SUBMIT_TLS_OPTIONAL) != 0 ? "no"
                                                : "";
}

static void put_extra(struct jsonwrite *w, const struct admin_item *i)
{
    jsonwrite_key(w, "extra");
    jsonwrite_object(w);
    for (uint32_t k = 0; k < i->extra_n; k++)
        put_text(w, i->extra[k].key, i->extra[k].value);
    jsonwrite_object_end(w);
}

void ctl_put_item(struct jsonwrite *w, bool retired, const struct admin_item *i)
{
    jsonwrite_object(w);
    put_row(w, retired, &i->row);
    put_text(w, "client", i->client);
    put_text(w, "from_id", i->from_id);
    put_text(w, "envid", i->envid);
    put_text(w, "orcpt", i->orcpt);
    put_text(w, "requiretls", tls_word(i->flags));
    if (i->not_before_ms != 0) {
        jsonwrite_key(w, "not_before");
        jsonwrite_time(w, i->not_before_ms);
    }
    put_extra(w, i);
    jsonwrite_key(w, "history");
    jsonwrite_array(w);
    for (uint32_t k = 0; k < i->attempts_n; k++)
        put_attempt(w, &i->attempts[k]);
    jsonwrite_array_end(w);
    jsonwrite_object_end(w);
}

static void print_json(bool retired, const struct admin_item *i)
{
    struct buf b = {0};
    struct jsonwrite w;
    jsonwrite_open(&w, &b, 0);
    ctl_put_item(&w, retired, i);
    jsonwrite_close(&w);
    ctl_print(&b);
}

/* The part of TLS that only some attempts have, and what was sent. */
static void print_details(const struct deliver_result *r)
{
    const struct {
        const char *what, *value;
    } details[] = {
        {"Server name", r->tls_name}, {"Certificate", r->tls_peer}, {"Matches", r->tls_record}};
    for (size_t i = 0; i < sizeof details / sizeof details[0]; i++) {
        char *line = mem_format("%s: %s", details[i].what, details[i].value);
        if (details[i].value[0] != '\0')
            ctl_print_safely("  ", line);
        mem_free(&line);
    }
    if (r->octets > 0)
        (void)printf("  %llu octets sent\n", (unsigned long long)r->octets);
}

static void print_attempt(uint32_t n, const struct deliver_result *r)
{
    char when[40];
    (void)ctl_time_text(r->start_ms, when, sizeof when);
    if (deliver_was_tried(r))
        (void)printf("\nAttempt %u  %s  %s after %u ms, at %s%s%s\n", n, when, statuses[r->status],
                     r->duration_ms, r->stage, r->transport[0] == '\0' ? "" : ", over ",
                     r->transport);
    else
        (void)printf("\nNot tried  %s  %s\n", when, statuses[r->status]);
    if (r->remote_host[0] != '\0')
        (void)printf("  %s %s %s\n", r->remote_host, r->remote_address, r->tls);
    print_details(r);
    if (r->error[0] != '\0')
        ctl_print_safely("  ", r->error);
    if (r->rcpt_reply[0] != '\0')
        ctl_print_safely("  ", r->rcpt_reply);
    if (r->reply[0] != '\0')
        ctl_print_safely("  ", r->reply);
}

void ctl_print_item_text(bool retired, const struct admin_item *i)
{
    char id[QID_SIZE], when[40];
    const struct admin_row *r = &i->row;
    (void)printf("Recipient  %s (message %s", qid_text(r->id, id), "");
    (void)printf("%s, #%llu)\n", qid_text(r->message, id), (unsigned long long)r->id);
    ctl_print_field("State", state_word(retired, r));
    ctl_print_field("From", r->sender[0] == '\0' ? "<>" : r->sender);
    ctl_print_field("To", r->recipient);
    ctl_print_field("Subject", r->subject);
    ctl_print_field("Message-ID", r->message_id);
    ctl_print_field("Account", r->account);
    ctl_print_field("Came by", i->client);
    ctl_print_field("Transport", r->transport);
    ctl_print_field("Received", ctl_time_text(r->received_ms, when, sizeof when));
    ctl_print_field(retired ? "Ended" : "Next", ctl_time_text(r->next_ms, when, sizeof when));
    if (i->not_before_ms != 0)
        ctl_print_field("Not before", ctl_time_text(i->not_before_ms, when, sizeof when));
    ctl_print_field("RequireTLS", tls_word(i->flags));
    (void)printf("%-11s%llu octets\n", "Size", (unsigned long long)r->size);
    for (uint32_t k = 0; k < i->extra_n; k++) {
        char *pair = mem_format("%s: %s", i->extra[k].key, i->extra[k].value);
        ctl_print_field("Extra", pair);
        mem_free(&pair);
    }
    for (uint32_t k = 0; k < i->attempts_n; k++)
        print_attempt(k + 1, &i->attempts[k]);
}

int ctl_print_item(struct ctl *c, bool retired, const char *id_text)
{
    struct admin_item item;
    struct fail f;
    uint64_t id;
    int code = ctl_id(id_text, &id);
    if (code != 0)
        return code;
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    code = admin_ask_show(fd, retired, id, &item, &f);
    (void)close(fd);
    if (code != 0)
        return ctl_fail(ctl_code(f.text, EX_TEMPFAIL), "%s: %s", id_text, f.text);
    if (c->json)
        print_json(retired, &item);
    else
        ctl_print_item_text(retired, &item);
    admin_item_clear(&item);
    return EX_OK;
}
