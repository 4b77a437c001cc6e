#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_filter.h"
#include "jsonwrite.h"
#include "mem.h"

/* qmctl message: a message as a whole, wherever its recipients are by now. */

void ctl_message_help(FILE *out)
{
    (void)fputs("usage: qmctl message show ID\n"
                "\n"
                "  ID   of the message, or of any of its recipients\n",
                out);
}

struct ids {
    uint64_t *v;
    size_t n;
};

/* Looks in the queue, then in the history, where a recipient goes and never comes back from. */
static int look(int fd, uint64_t id, bool *retired, struct admin_item *item, struct fail *f)
{
    *retired = false;
    if (admin_ask_show(fd, false, id, item, f) == 0)
        return 0;
    *retired = true;
    return admin_ask_show(fd, true, id, item, f);
}

static int gather(int fd, bool retired, uint64_t message, struct ids *all, struct fail *f)
{
    struct admin_query q = {.filter = {.ids = &message, .ids_n = 1, .messages = true},
                            .sort = ADMIN_BY_ID,
                            .limit = ADMIN_PAGE_MAX};
    do {
        struct admin_page page;
        if (admin_ask_list(fd, retired, &q, &page, f) != 0)
            return -1;
        all->v = mem_resize(all->v, (all->n + page.rows_n + 1) * sizeof *all->v);
        for (uint32_t i = 0; i < page.rows_n; i++)
            all->v[all->n++] = page.rows[i].id;
        q.after = page.next;
        admin_page_clear(&page);
    } while (q.after.id != 0);
    return 0;
}

static int by_id(const void *pa, const void *pb)
{
    const uint64_t *a = pa, *b = pb;
    return *a < *b ? -1 : *a > *b;
}

/* Of one that is in both, since it ended between the two questions, the second one is left out. */
static void put_all(struct ctl *c, int fd, const struct ids *all)
{
    struct buf b = {0};
    struct jsonwrite w;
    jsonwrite_open(&w, &b, 0);
    jsonwrite_array(&w);
    for (size_t i = 0; i < all->n; i++) {
        bool retired;
        struct admin_item item;
        struct fail f;
        if ((i > 0 && all->v[i] == all->v[i - 1]) || look(fd, all->v[i], &retired, &item, &f) != 0)
            continue;
        if (c->json)
            ctl_put_item(&w, retired, &item);
        else
            ctl_print_item_text(retired, &item);
        if (!c->json && i + 1 < all->n)
            (void)putchar('\n');
        admin_item_clear(&item);
    }
    jsonwrite_array_end(&w);
    jsonwrite_close(&w);
    if (c->json)
        ctl_print(&b);
    buf_free(&b);
}

static int show(struct ctl *c, const char *text)
{
    struct ids all = {0};
    bool retired;
    struct admin_item item;
    struct fail f;
    uint64_t id;
    int code = ctl_id(text, &id);
    if (code != 0)
        return code;
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    int rc = look(fd, id, &retired, &item, &f);
    if (rc == 0) {
        id = item.row.message;
        admin_item_clear(&item);
    }
    /* The first recipient, whose id is the message's, may have been dropped or forgotten. */
    rc = gather(fd, false, id, &all, &f) != 0 ? -1 : gather(fd, true, id, &all, &f);
    if (all.n > 0)
        qsort(all.v, all.n, sizeof *all.v, by_id);
    if (rc == 0 && all.n > 0)
        put_all(c, fd, &all);
    (void)close(fd);
    mem_free(&all.v);
    if (rc != 0)
        return ctl_fail(ctl_code(f.text, EX_TEMPFAIL), "%s: %s", text, f.text);
    return all.n > 0 ? EX_OK : ctl_fail(EX_DATAERR, "%s: there is no such message", text);
}

int ctl_message(struct ctl *c, int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "show") == 0)
        return show(c, argv[2]);
    ctl_message_help(stderr);
    return EX_USAGE;
}
