#include "world.h"

#include <stdio.h>
#include <string.h>

#include "account.h"
#include "clock.h"
#include "janitor.h"
#include "mem.h"
#include "proto_suppress.h"
#include "rows.h"
#include "suppress.h"
#include "tables.h"

static struct account *account;
static struct ipc *webapi;
static struct suppress_answer answer;
static bool answered;

static void open_list(void)
{
    static const struct ipc_handler handler = {NULL, NULL};
    struct fail f;
    int fd[2];
    world_open(
        "account ann { address ann@example.org }\naccount bob { address bob@example.org }\n");
    account = account_new(&world.queue);
    assert_int_equal(ipc_pair(fd, &f), 0);
    webapi = ipc_new(world.queue.base, fd[0], "account", &handler, NULL);
    account_link(account, "webapi/0", fd[1]);
}

static int teardown(void **state)
{
    suppress_answer_clear(&answer);
    ipc_free(&webapi);
    account_free(&account);
    return world_teardown(state);
}

/* Keeps the page's rows. */
static void on_answer(void *arg, const struct suppress_answer *a)
{
    struct suppress_answer *rows = (struct suppress_answer *)(uintptr_t)a;
    suppress_answer_clear(&answer);
    answer = *rows;
    rows->rows = NULL;
    rows->rows_n = 0;
    answered = true;
}

static void list(uint64_t after, uint32_t limit)
{
    answered = false;
    (void)suppress_list(webapi, "ann", after, limit, on_answer, NULL);
    WORLD_UNTIL(answered);
    assert_int_equal(answer.result, SUPPRESS_DONE);
}

struct filling {
    struct change change;
    unsigned n;
    int64_t expires_ms;
    bool done;
};

static void fill_apply(struct change *change, struct store_txn *t)
{
    struct filling *f = (struct filling *)change;
    char address[64];
    for (unsigned i = 0; i < f->n; i++) {
        (void)snprintf(address, sizeof address, "r%ux%lld@d.example", i, (long long)f->expires_ms);
        const struct suppression s = {.account = (char *)"ann",
                                      .original = address,
                                      .expires_ms = f->expires_ms,
                                      .class = SUPPRESS_BAD_ADDRESS,
                                      .reason = (char *)"x"};
        assert_int_equal(suppress_insert(&world.queue.ledger, t, &s, clock_wall_ms()),
                         SUPPRESS_DONE);
    }
}

static void fill_done(struct change *change, const char *why)
{
    assert_null(why);
    ((struct filling *)change)->done = true;
}

static void fill(unsigned n, int64_t expires_ms)
{
    struct filling f = {{.apply = fill_apply, .done = fill_done}, n, expires_ms, false};
    commit_add(world.queue.commit, &f.change);
    WORLD_UNTIL(f.done);
}

static void test_a_page_looks_at_so_many_rows_and_no_more(void **state)
{
    open_list();
    janitor_free(&world.janitor); /* what has expired stays there, and is not told */
    fill(12000, clock_wall_ms() + 3600000);
    fill(10, 0);
    clock_step(3600001);
    unsigned pages = 0, rows = 0;
    uint64_t after = 0;
    do {
        list(after, 1000);
        pages++;
        rows += answer.rows_n;
        after = answer.next;
    } while (after != 0);
    assert_int_equal(rows, 10);
    assert_in_range(pages, 2, 4);
}

static void test_pages_have_each_row_once(void **state)
{
    open_list();
    fill(25, 0);
    unsigned rows = 0;
    uint64_t after = 0;
    for (int i = 0; i < 3; i++) {
        list(after, 10);
        assert_int_equal(answer.rows_n, i < 2 ? 10 : 5);
        rows += answer.rows_n;
        after = answer.next;
    }
    assert_int_equal(rows, 25);
    assert_int_equal(after, 0);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_page_looks_at_so_many_rows_and_no_more),
        TEST(test_pages_have_each_row_once),
    };
    return WORLD_MAIN(argc, argv, tests);
}
