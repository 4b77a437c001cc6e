/* bench-list SOCKET queue|retired|hooks|hooks-retired: asks qmgr for lists over this admin.sock,
 * each with another filter, and prints a table: milliseconds until the first page is there (the
 * median and the most of some), rows in it, milliseconds until the first row is there, and of the
 * whole list the page that took longest, milliseconds, pages and rows. Times in the filters are
 * those of a queue that bench-fill-queue has filled for two hours ahead; accounts of webhooks those
 * of bench-fill-hooks. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "ipc.h"
#include "proto_admin.h"

#define ROUNDS 9
#define PAGE 100
#define HOUR 3600000ll

struct list {
    const char *words;
    struct admin_query query;
};

struct measured {
    int64_t first_us, row_us, all_us;
    int64_t page_us; /* the page that took longest */
    uint32_t first_rows;
    uint64_t pages, rows;
};

enum kind { QUEUE, RETIRED, HOOKS, HOOKS_RETIRED };

/* A page: where the next one begins, and how many rows it has. */
static int ask_page(int fd, enum kind kind, const struct admin_query *q, struct admin_place *next,
                    uint32_t *rows, struct fail *f)
{
    struct admin_page page;
    struct admin_hook_page hooks;
    if (kind >= HOOKS && admin_ask_hooks(fd, kind == HOOKS_RETIRED, q, &hooks, f) != 0)
        return -1;
    if (kind < HOOKS && admin_ask_list(fd, kind == RETIRED, q, &page, f) != 0)
        return -1;
    *next = kind >= HOOKS ? hooks.next : page.next;
    *rows = kind >= HOOKS ? hooks.rows_n : page.rows_n;
    if (kind >= HOOKS)
        admin_hook_page_clear(&hooks);
    else
        admin_page_clear(&page);
    return 0;
}

/* Goes through the list, or its first page alone. */
static int measure(int fd, enum kind kind, struct admin_query q, bool whole, struct measured *m,
                   struct fail *f)
{
    int64_t began = clock_mono_us(), page = 0;
    uint32_t rows;
    *m = (struct measured){0};
    q.limit = PAGE;
    do {
        if (ask_page(fd, kind, &q, &q.after, &rows, f) != 0)
            return -1;
        int64_t us = clock_mono_us() - began;
        if (us - page > m->page_us)
            m->page_us = us - page;
        page = us;
        if (m->pages++ == 0) {
            m->first_us = us;
            m->first_rows = rows;
        }
        if (m->rows == 0 && rows > 0)
            m->row_us = us;
        m->rows += rows;
        m->all_us = us;
    } while (whole && q.after.id != 0);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int print_one(int fd, enum kind kind, const struct list *l, struct fail *f)
{
    int64_t first[ROUNDS];
    struct measured m;
    for (int i = 0; i < ROUNDS; i++) {
        if (measure(fd, kind, l->query, i + 1 == ROUNDS, &m, f) != 0)
            return -1;
        first[i] = m.first_us;
    }
    qsort(first, ROUNDS, sizeof first[0], by_value);
    (void)printf("| %s | %.1f | %.1f | %u | ", l->words, (double)first[ROUNDS / 2] / 1000,
                 (double)first[ROUNDS - 1] / 1000, m.first_rows);
    if (m.rows > 0)
        (void)printf("%.1f", (double)m.row_us / 1000);
    (void)printf(" | %.1f | %.0f | %" PRIu64 " | %" PRIu64 " |\n", (double)m.page_us / 1000,
                 (double)m.all_us / 1000, m.pages, m.rows);
    (void)fflush(stdout);
    return 0;
}

#define FILTER(...) .query = {.filter = {__VA_ARGS__}}
#define BY_ID(...) .query = {.filter = {__VA_ARGS__}, .sort = ADMIN_BY_ID}
#define ALL                                                                                        \
    {"all", FILTER(0)}, {"all, --desc", .query = {.descending = true}},                            \
        {"all, --sort submitted", BY_ID(0)},                                                       \
    {                                                                                              \
        "all, --sort submitted --desc", .query = {.sort = ADMIN_BY_ID, .descending = true }        \
    }
#define TEXT(text) ((char *)(text))

static int print_lists(int fd, enum kind kind, const struct list *lists, size_t n, struct fail *f)
{
    (void)printf(
        "| list | first page, ms | the most | its rows | first row, ms | longest page, ms | "
        "whole list, ms | "
        "pages | rows |\n|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < n; i++) {
        if (print_one(fd, kind, &lists[i], f) != 0)
            return -1;
    }
    return 0;
}

static int print_hooks(int fd, struct fail *f)
{
    int64_t now = clock_wall_ms();
    const struct list lists[] = {
        ALL,
        {"--account, 1 in 20", FILTER(.account = TEXT("h7"))},
        {"--account, none", FILTER(.account = TEXT("absent"))},
        {"--event delivered, all", FILTER(.event = TEXT("delivered"))},
        {"--event failed, none", FILTER(.event = TEXT("failed"))},
        {"--submitted '<-1d', none", FILTER(.submitted_before_ms = now - 24 * HOUR)},
        {"--next '>+1d', none", FILTER(.next_after_ms = now + 24 * HOUR)},
    };
    return print_lists(fd, HOOKS, lists, sizeof lists / sizeof lists[0], f);
}

static int print_past_hooks(int fd, struct fail *f)
{
    int64_t now = clock_wall_ms();
    const struct list lists[] = {
        ALL,
        {"--account, all", FILTER(.account = TEXT("h0"))},
        {"--account, none", FILTER(.account = TEXT("absent"))},
        {"--event failed, 1 in 10", FILTER(.event = TEXT("failed"))},
        {"--event suppressed, none", FILTER(.event = TEXT("suppressed"))},
        {"--delivered", FILTER(.success = ADMIN_SUCCESS_YES)},
        {"--ended '<-12h', half", FILTER(.next_before_ms = now - 12 * HOUR)},
        {"--ended '>+1d', none", FILTER(.next_after_ms = now + 24 * HOUR)},
    };
    return print_lists(fd, HOOKS_RETIRED, lists, sizeof lists / sizeof lists[0], f);
}

static int print_all(int fd, enum kind kind, struct fail *f)
{
    int64_t now = clock_wall_ms();
    const struct list lists[] = {
        ALL,
        {"--account, all", FILTER(.account = TEXT("shop"))},
        {"--account, none", FILTER(.account = TEXT("load"))},
        {"--account, none, --sort submitted", BY_ID(.account = TEXT("load"))},
        {"--from, 1 in 100", FILTER(.from = TEXT("s7@"))},
        {"--from, none", FILTER(.from = TEXT("nobody@"))},
        {"--from, none, --sort submitted", BY_ID(.from = TEXT("nobody@"))},
        {"--to, 1 in 10000", FILTER(.to = TEXT("@d77.dead"))},
        {"--to, none", FILTER(.to = TEXT("nobody@"))},
        {"--to, none, --sort submitted", BY_ID(.to = TEXT("nobody@"))},
        {"--from and --to, none", FILTER(.from = TEXT("s7@"), .to = TEXT("nobody@"))},
        {"--domain, 1 in 10000", FILTER(.domain = TEXT("d77.dead.test"))},
        {"--domain, 1 in 10000, --sort submitted", BY_ID(.domain = TEXT("d77.dead.test"))},
        {"--domain, none", FILTER(.domain = TEXT("absent.test"))},
        {"--held", FILTER(.held = ADMIN_HELD_YES)},
        {"--not-held", FILTER(.held = ADMIN_HELD_NO)},
        {"--transport, none", FILTER(.transport = TEXT("relay"))},
        {"--transport ''", FILTER(.unrouted = true)},
        {"--attempts 5, none", FILTER(.attempts = 5)},
        {"--delivered, none", FILTER(.success = ADMIN_SUCCESS_YES)},
        {"--submitted '<-1d', none", FILTER(.submitted_before_ms = now - 24 * HOUR)},
        {"--submitted '>-1d', all", FILTER(.submitted_after_ms = now - 24 * HOUR)},
        {"--next '<+1m' or --ended", FILTER(.next_before_ms = now + HOUR / 60)},
        {"--next '>+1d' or --ended, none", FILTER(.next_after_ms = now + 24 * HOUR)},
    };
    return print_lists(fd, kind, lists, sizeof lists / sizeof lists[0], f);
}

int main(int argc, char **argv)
{
    struct fail f = {{0}};
    if (argc != 3) {
        (void)fputs("usage: bench-list SOCKET queue|retired|hooks|hooks-retired\n", stderr);
        return 64;
    }
    int fd = ipc_connect(argv[1], &f);
    int rc = fd < 0                                  ? -1
             : strcmp(argv[2], "hooks") == 0         ? print_hooks(fd, &f)
             : strcmp(argv[2], "hooks-retired") == 0 ? print_past_hooks(fd, &f)
             : strcmp(argv[2], "retired") == 0       ? print_all(fd, RETIRED, &f)
                                                     : print_all(fd, QUEUE, &f);
    if (rc != 0)
        (void)fprintf(stderr, "bench-list: %s\n", f.text);
    if (fd >= 0)
        (void)close(fd);
    return rc == 0 ? 0 : 74;
}
