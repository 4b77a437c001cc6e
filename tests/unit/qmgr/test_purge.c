#include "world.h"

#include <string.h>

#include "clock.h"
#include "mem.h"
#include "purge.h"
#include "suppress.h"

/* Accounts that are gone, and what is kept in their name. */

#define SHOP "account shop { address shop@us.example  messages-per-day 100 }\n"
#define APP                                                                                        \
    "account app { address app@us.example  from-id plain  keep-retired-messages 1h  "              \
    "messages-per-day 100\n"                                                                       \
    "  new-recipients-per-day 50 }\n"
#define DOMAIN "domain us.example { }\n"
enum { LISTED = 2500 };

static struct admin_purged purged;
static char why[80];
static unsigned answers;

static void on_done(void *arg, const struct admin_purged *p, const char *w)
{
    purged = *p;
    (void)snprintf(why, sizeof why, "%s", w == NULL ? "" : w);
    answers++;
}

static void ask(const char *account, bool dry)
{
    unsigned before = answers;
    purge_start(&world.queue, account, dry, on_done, NULL);
    WORLD_UNTIL(answers > before);
}

static void commit(struct store_txn **t)
{
    struct fail f;
    if (store_commit(t, &f) != 0)
        fail_msg("%s", f.text);
}

static void list(const char *account, int n)
{
    char address[40];
    const struct suppression s = {
        .account = (char *)account, .original = address, .reason = (char *)""};
    struct store_txn *t = store_begin(world.queue.store, true);
    for (int i = 0; i < n; i++) {
        (void)snprintf(address, sizeof address, "r%d@d.example", i);
        assert_int_equal(suppress_insert(&world.queue.ledger, t, &s, clock_wall_ms()),
                         SUPPRESS_DONE);
    }
    commit(&t);
}

/* One that is in the mailbox, one that was removed from it; an address that failed. */
static void index_mail(const char *account)
{
    uint64_t hash = name_hash(world.queue.ledger.secret, account);
    struct store_txn *t = store_begin(world.queue.store, true);
    for (int removed = 0; removed < 2; removed++) {
        struct mail_message m = mail_message_new(ledger_take_id(&world.queue.ledger, t));
        struct key k = key_mail(hash, m.id), file = key_mail(hash, m.id + 1000), gone;
        struct buf b = {0}, id = {0};
        m.removed_ms = removed ? clock_wall_ms() : 0;
        gone = key_mailgone(m.removed_ms, hash, m.id);
        mail_row_put(&b, &m);
        store_put(t, TABLE_MAIL, key_span(&k), buf_span(&b));
        mailfile_row_put(&id, m.id);
        if (removed)
            store_put(t, TABLE_MAILGONE, key_span(&gone), (struct span){0});
        else
            store_put(t, TABLE_MAILFILE, key_span(&file), buf_span(&id));
        buf_free(&b);
        buf_free(&id);
        mail_message_clear(&m);
    }
    struct key k = key_failure(hash, 7);
    struct buf b = {0};
    failure_row_put(&b, &(struct failure_row){clock_wall_ms(), 1, 0});
    store_put(t, TABLE_FAILURE, key_span(&k), buf_span(&b));
    buf_free(&b);
    commit(&t);
}

static void submit(const char *account, const char *key)
{
    struct submit_envelope *e = world_envelope("app@us.example", "c@d.example");
    e->origin = SUBMIT_WEBAPI;
    e->flags |= SUBMIT_FROM_IDS;
    submit_set(&e->account, account);
    submit_set(&e->once_key, key);
    assert_true(world_submit(e, "Subject: x\r\n\r\n") > 0);
}

static void fill(void)
{
    world_open(DOMAIN APP SHOP);
    world.direct.on_job = agent_delivers;
    list("app", LISTED);
    list("shop", 3);
    submit("app", "one");
    submit("app", "two");
    submit("shop", "one");
    index_mail("app");
    index_mail("shop");
    world_settle();
}

static const unsigned tables[] = {TABLE_SUPPRESS, TABLE_EVENT,    TABLE_FROMID,
                                  TABLE_MAIL,     TABLE_MAILFILE, TABLE_IDEM,
                                  TABLE_SENT,     TABLE_FAILURE,  TABLE_MAILGONE};
#define TABLES_N (sizeof tables / sizeof tables[0])

static void test_all_that_is_kept_of_it_goes_and_nothing_of_another(void **state)
{
    static const uint64_t kept[ADMIN_KEPTS] = {LISTED, 4, 2, 2, 2, 2, 1};
    static const uint64_t left[TABLES_N] = {3, 2, 0, 2, 1, 2, 2, 1, 1};
    fill();
    assert_int_equal(world_rows(TABLE_EVENT), 6); /* accepted and delivered, of three */
    world_reload(DOMAIN SHOP);
    ask("app", true);
    assert_string_equal(why, "");
    struct admin_purged counted = purged;
    for (size_t i = 0; i < ADMIN_KEPTS; i++)
        assert_int_equal(purged.kept[i], kept[i]);
    assert_int_equal(world_rows(TABLE_EVENT), 6);
    assert_int_equal(world_rows(TABLE_SUPPRESS), LISTED + 3);
    ask("app", false);
    assert_string_equal(why, "");
    assert_memory_equal(&purged, &counted, sizeof purged);
    for (size_t i = 0; i < TABLES_N; i++)
        assert_int_equal(world_rows(tables[i]), left[i]);
    ask("app", false);
    assert_int_equal(purged.kept[ADMIN_KEPT_SUPPRESSIONS], 0);
    world_check();
}

static void test_one_that_is_configured_is_refused(void **state)
{
    fill();
    for (int dry = 0; dry < 2; dry++) {
        ask("app", dry == 1);
        assert_string_equal(why, "the account is in the configuration");
    }
    assert_int_equal(world_rows(TABLE_SUPPRESS), LISTED + 3);
    /* Also when it comes there meanwhile. */
    world_reload(DOMAIN SHOP);
    unsigned before = answers;
    purge_start(&world.queue, "app", false, on_done, NULL);
    world_reload(DOMAIN APP SHOP);
    WORLD_UNTIL(answers > before);
    assert_string_equal(why, "the account is in the configuration");
    assert_in_range(world_rows(TABLE_SUPPRESS), 3 + 1, LISTED + 3);
}

static void test_after_a_crash_the_rest_goes(void **state)
{
    fill();
    world_reload(DOMAIN SHOP);
    unsigned before = answers;
    purge_start(&world.queue, "app", false, on_done, NULL);
    WORLD_UNTIL(world_rows(TABLE_SUPPRESS) < LISTED + 3);
    world_restart(false);
    assert_true(answers > before);
    assert_string_equal(why, "the queue is closing");
    uint64_t some = world_rows(TABLE_SUPPRESS);
    assert_in_range(some, 3 + 1, LISTED + 2);
    world_check();
    ask("app", false);
    assert_string_equal(why, "");
    assert_int_equal(purged.kept[ADMIN_KEPT_SUPPRESSIONS], some - 3);
    assert_int_equal(world_rows(TABLE_SUPPRESS), 3);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_all_that_is_kept_of_it_goes_and_nothing_of_another),
        BARE_TEST(test_one_that_is_configured_is_refused),
        BARE_TEST(test_after_a_crash_the_rest_goes),
    };
    return WORLD_MAIN(argc, argv, tests);
}
