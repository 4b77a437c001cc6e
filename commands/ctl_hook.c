#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "ctl_filter.h"
#include "ctl_hook.h"
#include "ctl_rows.h"
#include "jsonwrite.h"
#include "proto_admin.h"
#include "proto_events.h"
#include "qid.h"

static void put_text(struct jsonwrite *w, const char *key, const char *text)
{
    jsonwrite_key(w, key);
    jsonwrite_text(w, text);
}

void ctl_hook_put(struct jsonwrite *w, bool retired, const struct admin_hook_row *r)
{
    char id[QID_SIZE];
    put_text(w, "id", qid_text(r->id, id));
    put_text(w, "recipient", qid_text(r->recipient, id));
    put_text(w, "account", r->account);
    put_text(w, "event", r->event);
    put_text(w, "url", r->url);
    jsonwrite_key(w, "attempts");
    jsonwrite_int64(w, r->attempts);
    jsonwrite_key(w, "submitted");
    jsonwrite_time(w, r->submitted_ms);
    if (retired) {
        jsonwrite_key(w, "success");
        jsonwrite_bool(w, r->success);
    }
    jsonwrite_key(w, retired ? "ended" : "next");
    jsonwrite_time(w, r->next_ms);
    put_text(w, "last", r->last);
}

static void table_row(struct ctl_table *t, bool retired, const struct admin_hook_row *r)
{
    char id[QID_SIZE], span[32];
    int64_t left = r->next_ms - clock_wall_ms(), gone = -left;
    ctl_table_cell(t, "%s", qid_text(r->id, id));
    ctl_table_cell(t, "%s", r->account);
    ctl_table_cell(t, "%s", r->event);
    if (retired)
        ctl_table_cell(t, "%s", r->success ? "delivered" : "failed");
    if (retired)
        ctl_table_cell(t, "%s ago", ctl_span_text(gone > 0 ? gone : 0, span, sizeof span));
    else
        ctl_table_cell(t, left > 0 ? "in %s" : "due", ctl_span_text(left, span, sizeof span));
    ctl_table_cell(t, "%u", r->attempts);
    ctl_table_cell(t, "%s", r->url);
    ctl_table_cell(t, "%s", r->last);
}

static void print_page(struct ctl_rows *rows, bool retired, const struct admin_hook_page *page)
{
    for (uint32_t i = 0; i < page->rows_n; i++, rows->n++) {
        if (rows->table != NULL) {
            table_row(rows->table, retired, &page->rows[i]);
        } else {
            ctl_rows_object(rows);
            ctl_hook_put(&rows->json, retired, &page->rows[i]);
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
    struct admin_hook_page page;
    struct fail fail;
    do {
        q.limit = ctl_rows_wanted(rows, f->query.limit, f->limit);
        if (q.limit == 0)
            break;
        if (admin_ask_hooks(fd, retired, &q, &page, &fail) != 0)
            return ctl_fail(ctl_code(fail.text, EX_TEMPFAIL), "%s", fail.text);
        print_page(rows, retired, &page);
        q.after = page.next;
        admin_hook_page_clear(&page);
    } while (q.after.id != 0);
    *next = q.after;
    return EX_OK;
}

static int list(struct ctl *c, bool retired, const struct ctl_filter *f)
{
    static const char *const waiting[] = {"ID",    "ACCOUNT", "EVENT", "NEXT",
                                          "TRIES", "URL",     "LAST",  NULL};
    static const char *const past[] = {"ID",    "ACCOUNT", "EVENT", "OUTCOME", "ENDED",
                                       "TRIES", "URL",     "LAST",  NULL};
    struct ctl_rows rows;
    struct admin_place next = {0};
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    ctl_rows_open(&rows, c, retired ? past : waiting);
    int code = walk_pages(fd, retired, f, &rows, &next);
    (void)close(fd);
    return ctl_rows_close(&rows, code, "No webhooks.", next);
}

void ctl_hook_help(FILE *out)
{
    struct buf events = {0};
    event_put_hook_names(&events);
    (void)fputs(
        "usage: qmctl hook list [WHICH]\n"
        "       qmctl hook show ID\n"
        "       qmctl hook kick [--in DURATION | --later DURATION] [-n] WHICH\n"
        "       qmctl hook cancel [-n] WHICH\n"
        "       qmctl hook test [--incoming | --event NAME] ACCOUNT\n"
        "       qmctl hook retired list [WHICH]\n"
        "       qmctl hook retired show ID\n"
        "\n"
        "  list      webhooks that wait to be delivered\n"
        "  kick      next attempt now, or as said\n"
        "  cancel    no attempt any more\n"
        "  test      call the account's webhook now, with an example (delivered, or as said)\n"
        "  retired   what became of others, as long as it is kept\n"
        "\nNAME, of an event: ",
        out);
    (void)fputs(buf_text(&events), out);
    (void)fputs("\n\nWHICH, all of which must hold:\n", out);
    buf_free(&events);
    ctl_filter_usage(out, CTL_HOOKS | CTL_HOOKS_RETIRED | CTL_HOOKS_ACTION);
}

static int act(struct ctl *c, bool cancel, const struct ctl_filter *f)
{
    struct fail fail;
    uint64_t count;
    enum admin_hook_action action = cancel         ? ADMIN_HOOK_CANCEL
                                    : f->later_set ? ADMIN_HOOK_DELAY
                                                   : ADMIN_HOOK_KICK;
    if (f->empty && !f->all)
        return ctl_fail(EX_USAGE, "say which: ids, a filter, or --all");
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    int rc = admin_ask_hook_act(fd, action, f->by_ms, &f->query.filter, f->dry, &count, &fail);
    (void)close(fd);
    if (rc != 0)
        return ctl_fail(ctl_code(fail.text, EX_TEMPFAIL), "%s", fail.text);
    if (c->json)
        (void)printf("{\"webhooks\":%llu,\"dry_run\":%s}\n", (unsigned long long)count,
                     f->dry ? "true" : "false");
    else
        (void)printf("%llu webhook%s %s%s\n", (unsigned long long)count, count == 1 ? "" : "s",
                     f->dry ? "would be " : "", cancel ? "canceled" : "kicked");
    return count > 0 || f->dry ? EX_OK : EX_DATAERR;
}

static int with_filter(struct ctl *c, unsigned where, int argc, char **argv)
{
    struct ctl_filter f;
    int code = ctl_filter_read(&f, where, argc, argv);
    if (code != 0)
        return code;
    if (where == CTL_HOOKS_ACTION)
        code = act(c, strcmp(argv[0], "cancel") == 0, &f);
    else
        code = list(c, where == CTL_HOOKS_RETIRED, &f);
    ctl_filter_clear(&f);
    return code;
}

static int run(struct ctl *c, bool retired, int argc, char **argv)
{
    const char *word = argc < 2 ? "" : argv[1];
    if (strcmp(word, "list") == 0)
        return with_filter(c, retired ? CTL_HOOKS_RETIRED : CTL_HOOKS, argc - 1, argv + 1);
    if (strcmp(word, "show") == 0 && argc == 3)
        return ctl_print_hook(c, retired, argv[2]);
    if (!retired && (strcmp(word, "kick") == 0 || strcmp(word, "cancel") == 0))
        return with_filter(c, CTL_HOOKS_ACTION, argc - 1, argv + 1);
    if (!retired && strcmp(word, "test") == 0)
        return ctl_hook_test(c, argc - 1, argv + 1);
    if (!retired && strcmp(word, "retired") == 0)
        return run(c, true, argc - 1, argv + 1);
    ctl_hook_help(stderr);
    return EX_USAGE;
}

int ctl_hook(struct ctl *c, int argc, char **argv)
{
    return run(c, false, argc, argv);
}
