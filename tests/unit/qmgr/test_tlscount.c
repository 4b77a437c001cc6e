#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "tables.h"
#include "tlscount.h"

#define DAY 86400000LL

static char folder[] = "/tmp/qm-tls-XXXXXX";
static struct ledger ledger = {.secret = "0123456789abcde"};

static int set_up(void **state)
{
    struct fail f;
    (void)snprintf(folder, sizeof folder, "/tmp/qm-tls-XXXXXX");
    assert_non_null(mkdtemp(folder));
    ledger.store = store_open(folder, table_names, TABLES, 64u << 20, &f);
    return ledger.store == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    store_close(&ledger.store);
    for (size_t i = 0; i < 2; i++) {
        char *path = mem_format("%s/%s", folder, files[i]);
        (void)unlink(path);
        mem_free(&path);
    }
    (void)rmdir(folder);
    return 0;
}

static void add(uint32_t day, const char *policy_domain, const char *recipient_domain)
{
    struct tlsresult *r = tlsresult_new(day, policy_domain, recipient_domain, false);
    struct tlsresult_entry *e = tlsresult_entry(r, TLSRESULT_NO_POLICY, NULL, 0);
    struct tlsresult_detail d = {.type = TLSRESULT_CERTIFICATE_EXPIRED, .sessions = 1};
    struct store_txn *t = store_begin(ledger.store, true);
    struct fail f;
    e->success = 2;
    e->failure = 1;
    tlsresult_detail_add(e, &d);
    tlscount_add(&ledger, t, r);
    assert_int_equal(store_commit(&t, &f), 0);
    tlsresult_free(&r);
}

static struct tlsresult *find(uint32_t day, const char *policy_domain, const char *recipient_domain)
{
    struct store_txn *t = store_begin(ledger.store, false);
    struct tlsresult *r = tlscount_find(&ledger, t, day, policy_domain, recipient_domain);
    store_abort(&t);
    return r;
}

static void test_days_and_domains_are_counted_apart(void **state)
{
    for (int i = 0; i < 5; i++)
        add(100, "a.example", "a.example");
    add(101, "a.example", "a.example");
    add(100, "mx.a.example", "a.example");
    add(100, "a.example", "b.example");
    assert_int_equal(store_rows(ledger.store, TABLE_TLSRESULT), 4);
    struct tlsresult *r = find(100, "a.example", "a.example");
    assert_int_equal(r->entries_n, 1);
    assert_int_equal(r->entries[0].success, 10);
    assert_int_equal(r->entries[0].failure, 5);
    assert_int_equal(r->entries[0].details_n, 1);
    assert_int_equal(r->entries[0].details[0].sessions, 5);
    tlsresult_free(&r);
    r = find(101, "a.example", "a.example");
    assert_int_equal(r->entries[0].success, 2);
    tlsresult_free(&r);
    assert_null(find(102, "a.example", "a.example"));
}

static void test_a_row_that_does_not_decode_is_begun_anew(void **state)
{
    struct key k = key_tlsresult(100, name_hash(ledger.secret, "a.example"),
                                 name_hash(ledger.secret, "a.example"));
    struct store_txn *t = store_begin(ledger.store, true);
    struct fail f;
    store_put(t, TABLE_TLSRESULT, key_span(&k), span_text("\x01garbage"));
    assert_int_equal(store_commit(&t, &f), 0);
    add(100, "a.example", "a.example");
    struct tlsresult *r = find(100, "a.example", "a.example");
    assert_int_equal(r->entries[0].success, 2);
    tlsresult_free(&r);
}

static unsigned sweep(int64_t now, unsigned most)
{
    struct store_txn *t = store_begin(ledger.store, true);
    struct fail f;
    bool due = tlscount_is_due(t, now);
    unsigned n = tlscount_sweep(t, now, most);
    assert_int_equal(due, n > 0);
    assert_int_equal(store_commit(&t, &f), 0);
    return n;
}

static void test_old_days_go_in_parts_and_young_ones_stay(void **state)
{
    for (uint32_t day = 100; day < 105; day++) {
        add(day, "a.example", "a.example");
        add(day, "b.example", "b.example");
    }
    assert_int_equal(sweep(102 * DAY, 100), 0);
    assert_int_equal(sweep(103 * DAY - 1, 100), 0);
    assert_int_equal(sweep(103 * DAY, 1), 1);
    assert_int_equal(sweep(103 * DAY, 100), 1);
    assert_int_equal(sweep(104 * DAY + 5, 100), 2);
    struct tlsresult *r = find(102, "b.example", "b.example");
    assert_non_null(r);
    tlsresult_free(&r);
    assert_int_equal(sweep(1000 * DAY, 100), 6);
    assert_int_equal(sweep(1000 * DAY, 100), 0);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_days_and_domains_are_counted_apart),
        STORE_TEST(test_a_row_that_does_not_decode_is_begun_anew),
        STORE_TEST(test_old_days_go_in_parts_and_young_ones_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
