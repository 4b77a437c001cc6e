#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "ctl.h"
#include "jsonwrite.h"
#include "proto_admin.h"
#include "qid.h"

#define PAGE 200

static void put_text(struct jsonwrite *w, const char *key, const char *text)
{
    jsonwrite_key(w, key);
    jsonwrite_text(w, text);
}

static void put_row(struct jsonwrite *w, const struct admin_hook_row *r)
{
    char id[QID_SIZE];
    jsonwrite_object(w);
    put_text(w, "id", qid_text(r->id, id));
    put_text(w, "recipient", qid_text(r->recipient, id));
    put_text(w, "account", r->account);
    put_text(w, "event", r->event);
    put_text(w, "url", r->url);
    jsonwrite_key(w, "attempts");
    jsonwrite_int64(w, r->attempts);
    jsonwrite_key(w, "submitted");
    jsonwrite_time(w, r->submitted_ms);
    jsonwrite_key(w, "next");
    jsonwrite_time(w, r->next_ms);
    put_text(w, "last", r->last);
    jsonwrite_object_end(w);
}

static void table_row(struct ctl_table *t, const struct admin_hook_row *r)
{
    char id[QID_SIZE], span[32];
    int64_t left = r->next_ms - clock_wall_ms();
    ctl_table_cell(t, "%s", qid_text(r->id, id));
    ctl_table_cell(t, "%s", r->account);
    ctl_table_cell(t, "%s", r->event);
    ctl_table_cell(t, left > 0 ? "in %s" : "due", ctl_span_text(left, span, sizeof span));
    ctl_table_cell(t, "%u", r->attempts);
    ctl_table_cell(t, "%s", r->url);
    ctl_table_cell(t, "%s", r->last);
}

static int walk(int fd, struct jsonwrite *json, struct ctl_table *table)
{
    struct admin_hook_page page;
    struct fail f;
    uint64_t after = 0;
    do {
        if (admin_ask_hooks(fd, after, PAGE, &page, &f) != 0)
            return ctl_fail(ctl_code(f.text, EX_TEMPFAIL), "%s", f.text);
        for (uint32_t i = 0; i < page.rows_n; i++) {
            if (table == NULL)
                put_row(json, &page.rows[i]);
            else
                table_row(table, &page.rows[i]);
        }
        after = page.next;
        admin_hook_page_clear(&page);
    } while (after != 0);
    return EX_OK;
}

int ctl_hook(struct ctl *c, int argc, char **argv)
{
    static const char *const headings[] = {"ID",    "ACCOUNT", "EVENT", "NEXT",
                                           "TRIES", "URL",     "LAST",  NULL};
    struct buf b = {0};
    struct jsonwrite json;
    if (argc != 2 || strcmp(argv[1], "list") != 0)
        return ctl_fail(EX_USAGE, "usage: qmctl hook list");
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    struct ctl_table *table = c->json ? NULL : ctl_table_new(headings);
    jsonwrite_open(&json, &b, 0);
    jsonwrite_array(&json);
    int code = walk(fd, &json, table);
    (void)close(fd);
    jsonwrite_array_end(&json);
    jsonwrite_close(&json);
    if (c->json && code == EX_OK)
        ctl_print(&b);
    if (table != NULL)
        ctl_table_print(&table);
    buf_free(&b);
    return code;
}
