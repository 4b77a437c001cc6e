/* bench-fill-lists FOLDER ROWS ACCOUNT: puts so many webhooks into the history, and so many
 * addresses on the account's suppression list, of the queue in this folder of a suite that has
 * stopped. For looking at long lists. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "hookrow.h"
#include "ledger.h"
#include "mem.h"
#include "suppress.h"
#include "tables.h"

#define A_TRANSACTION 20000
#define DAY_MS 86400000ll

#define PAYLOAD                                                                                    \
    "{\"Version\":0,\"Event\":\"delivered\",\"QueueMsgID\":1,\"Subject\":\"Your order is on its "  \
    "way\"}"

/* One in ten failed; they ended one after the other within a day. */
static void add_hook(struct ledger *l, struct store_txn *t, const char *account, long n, long of)
{
    struct admin_hook_attempt attempt = {
        .duration_ms = 20, .code = 200, .error = (char *)"", .response = (char *)"ok"};
    int64_t now = clock_wall_ms();
    const struct hook_row row = {.account = (char *)account,
                                 .url = (char *)"https://app.test/hook",
                                 .authorization = (char *)"",
                                 .event = (char *)(n % 10 == 0 ? "failed" : "delivered"),
                                 .submitted_ms = now - DAY_MS,
                                 .next_ms = now - DAY_MS + DAY_MS / of * n,
                                 .attempts = 1,
                                 .payload = (char *)PAYLOAD,
                                 .results = &attempt,
                                 .results_n = 1,
                                 .success = n % 10 != 0,
                                 .keep_until_ms = now + DAY_MS};
    hookrow_put_retired(t, ledger_take_id(l, t), &row);
}

static void suppress(struct ledger *l, struct store_txn *t, const char *account, long n)
{
    char address[64];
    (void)snprintf(address, sizeof address, "r%ld@d%ld.test", n, n % 1000);
    const struct suppression s = {.account = (char *)account,
                                  .original = address,
                                  .class = SUPPRESS_BAD_ADDRESS,
                                  .reason =
                                      (char *)"delivery failure from queue with smtp code 550"};
    (void)suppress_insert(l, t, &s, clock_wall_ms());
}

static int fill(struct ledger *l, long rows, const char *account, struct fail *f)
{
    for (long n = 0; n < rows;) {
        struct store_txn *t = store_begin(l->store, true);
        for (int i = 0; i < A_TRANSACTION && n < rows; i++, n++) {
            add_hook(l, t, account, n, rows);
            suppress(l, t, account, n);
        }
        if (store_commit(&t, f) != 0)
            return -1;
    }
    return 0;
}

static int run(const char *folder, long rows, const char *account, struct fail *f)
{
    struct ledger l;
    int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0 || fchdir(dirfd) != 0)
        return fail_errno(f, "%s", folder);
    struct store *store = store_open("store", table_names, TABLES, 1ull << 40, f);
    int rc = store == NULL || ledger_open(&l, store, dirfd, f) != 0 ? -1 : 0;
    if (rc == 0)
        rc = fill(&l, rows, account, f);
    store_close(&store);
    (void)close(dirfd);
    return rc;
}

int main(int argc, char **argv)
{
    struct fail f = {{0}};
    long rows = argc == 4 ? atol(argv[2]) : 0;
    if (rows < 1) {
        (void)fprintf(stderr, "usage: bench-fill-lists FOLDER ROWS ACCOUNT\n");
        return 64;
    }
    if (run(argv[1], rows, argv[3], &f) != 0) {
        (void)fprintf(stderr, "bench-fill-lists: %s\n", f.text);
        return 74;
    }
    return 0;
}
