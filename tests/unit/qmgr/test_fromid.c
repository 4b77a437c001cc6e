#include <string.h>

#include "clock.h"
#include "fromid.h"
#include "mem.h"
#include "world.h"

/* From ids: made when a message is staged, found again, never somebody else's. */

static const char with_account[] =
    "domain bare.example { catchall-separator \"\" }\n"
    "account app { address app@example.org x@bare.example "
    "longest.name.of.them.all.and.so.on@example.org  from-id-login app@example.org }\n"
    "account odd { address odd@example.org  from-id plain  from-id-login odd@example.org }\n"
    "account brief { address brief@example.org  keep-retired-messages 0 }\n";

static struct submit_envelope *of_account(const char *account, const char *sender, const char *to)
{
    struct submit_envelope *e = world_envelope(sender, to);
    submit_set(&e->account, account);
    e->flags |= SUBMIT_FROM_IDS;
    return e;
}

static bool find(const char *account, const char *text, uint64_t *id, bool *row)
{
    struct store_txn *t = store_begin(world.queue.store, false);
    bool found = fromid_find(&world.queue.ledger, t, account, span_text(text), id, row);
    store_abort(&t);
    return found;
}

static void test_each_recipient_gets_one_and_the_client_hears_it(void **state)
{
    struct rcpt_row r;
    uint64_t found;
    bool row;
    world_open(with_account);
    struct submit_envelope *e = of_account("app", "app@example.org", "one@d.example");
    (void)submit_add_recipient(e, "two@d.example");
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    assert_int_equal(world_from_ids_n, 2);
    assert_string_not_equal(world_from_ids[0], world_from_ids[1]);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(strlen(world_from_ids[i]), 26);
        assert_int_equal(strspn(world_from_ids[i], "abcdefghijklmnopqrstuvwxyz234567"), 26);
        assert_true(world_recipient(id + i, &r));
        assert_string_equal(r.from_id, world_from_ids[i]);
        assert_true(find("app", world_from_ids[i], &found, &row));
        assert_int_equal(found, id + i);
        assert_false(row);
        assert_true(
            fromid_is_genuine(&world.queue.ledger, span_text(r.from_id), id + i, "app", r.address));
        rcpt_row_clear(&r);
    }
    assert_int_equal(world_rows(TABLE_FROMID), 0);
    WORLD_UNTIL(world.direct.jobs_n == 2);
    char *path = mem_format("app+%s@example.org", world_from_ids[0]);
    const struct deliver_job *job = world.direct.jobs[0].job;
    if (strcmp(job->recipients[0].address, "one@d.example") != 0)
        job = world.direct.jobs[1].job;
    assert_string_equal(job->sender, path);
    mem_free(&path);
}

/* What a forger might change, and what hosts on the way do. */
static void test_only_what_was_made_here_is_genuine(void **state)
{
    const struct ledger *l = &world.queue.ledger;
    char id[FROMID_SIZE], other[FROMID_SIZE], upper[FROMID_SIZE];
    struct ledger elsewhere = *l;
    fromid_make(l, 1234567890123, "app", "one@d.example", id);
    assert_true(fromid_is_genuine(l, span_text(id), 1234567890123, "app", "one@d.example"));
    for (size_t i = 0; i < sizeof id; i++)
        upper[i] = (char)(id[i] >= 'a' && id[i] <= 'z' ? id[i] - 32 : id[i]);
    assert_true(fromid_is_genuine(l, span_text(upper), 1234567890123, "app", "one@d.example"));
    assert_false(fromid_is_genuine(l, span_text(id), 1234567890124, "app", "one@d.example"));
    assert_false(fromid_is_genuine(l, span_text(id), 1234567890123, "box", "one@d.example"));
    assert_false(fromid_is_genuine(l, span_text(id), 1234567890123, "app", "two@d.example"));
    assert_false(fromid_is_genuine(l, span_text(id), 1234567890123, "appo", "ne@d.example"));
    for (size_t i = 0; i < 26; i++) {
        memcpy(other, id, sizeof id);
        other[i] = other[i] == 'e' ? 'f' : 'e';
        assert_false(fromid_is_genuine(l, span_text(other), 1234567890123, "app", "one@d.example"));
    }
    assert_false(fromid_is_genuine(l, span_of(id, 25), 1234567890123, "app", "one@d.example"));
    assert_false(fromid_is_genuine(l, span_text(""), 0, "app", "one@d.example"));
    elsewhere.fromid_key[31] ^= 1;
    assert_false(
        fromid_is_genuine(&elsewhere, span_text(id), 1234567890123, "app", "one@d.example"));
}

static void test_what_was_made_is_genuine_after_a_restart(void **state)
{
    char id[FROMID_SIZE];
    fromid_make(&world.queue.ledger, 99, "app", "one@d.example", id);
    world_restart(true);
    assert_true(fromid_is_genuine(&world.queue.ledger, span_text(id), 99, "app", "one@d.example"));
}

static void test_a_clients_choice_is_its_accounts_alone_while_it_is_known(void **state)
{
    uint64_t found;
    bool row;
    world_open(with_account);
    struct submit_envelope *e = of_account("app", "app+Order-7@example.org", "one@d.example");
    submit_set(&e->recipients[0].from_id, "Order-7");
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    assert_int_equal(world_from_ids_n, 1);
    assert_string_equal(world_from_ids[0], "Order-7");
    assert_true(find("app", "Order-7", &found, &row) && row);
    assert_int_equal(found, id);
    assert_false(find("app", "order-7", &found, &row));
    assert_false(find("odd", "Order-7", &found, &row));
    e = of_account("app", "app+Order-7@example.org", "two@d.example");
    submit_set(&e->recipients[0].from_id, "Order-7");
    assert_int_equal(world_submit(e, "Subject: y\r\n\r\n"), 0);
    assert_int_equal(world_reply.code, 554);
    assert_string_equal(world_reply.enhanced, "5.1.7");
    assert_int_equal(world_rows(TABLE_MSG), 1);
    e = of_account("odd", "odd+Order-7@example.org", "two@d.example");
    submit_set(&e->recipients[0].from_id, "Order-7");
    assert_true(world_submit(e, "Subject: y\r\n\r\n") != 0);
    WORLD_UNTIL(world.direct.jobs_n == 2);
    agent_answer_all(&world.direct, agent_delivers);
    world_settle();
    /* The history knows it still. */
    assert_int_equal(world_rows(TABLE_FROMID), 2);
    assert_true(find("app", "Order-7", &found, &row));
    world_step(73 * 3600000LL);
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 0);
    assert_int_equal(world_rows(TABLE_FROMID), 0);
}

static void test_a_repeated_request_is_told_the_same_ids(void **state)
{
    char *first[2];
    world_open(with_account);
    for (int i = 0; i < 3; i++) {
        const char *account = i == 2 ? "odd" : "app";
        struct submit_envelope *e = of_account("app", "app@example.org", "one@d.example");
        submit_set(&e->account, account);
        (void)submit_add_recipient(e, "two@d.example");
        submit_set(&e->once_key, "k");
        uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
        assert_true(id != 0);
        assert_int_equal(world_from_ids_n, 2);
        for (unsigned k = 0; k < 2; k++) {
            if (i == 0)
                first[k] = mem_text(world_from_ids[k]);
            else
                assert_int_equal(strcmp(world_from_ids[k], first[k]) == 0, i == 1);
        }
    }
    mem_free(&first[0]);
    mem_free(&first[1]);
}

static void test_where_nothing_is_kept_no_id_is(void **state)
{
    world_open(with_account);
    struct submit_envelope *e = of_account("brief", "brief+x@example.org", "one@d.example");
    submit_set(&e->recipients[0].from_id, "x");
    assert_true(world_submit(e, "Subject: x\r\n\r\n") != 0);
    assert_int_equal(world_rows(TABLE_FROMID), 1);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "d");
    world_settle();
    assert_int_equal(world_rows(TABLE_FROMID), 0);
}

static void test_plain_ones_are_rows(void **state)
{
    uint64_t found;
    bool row;
    world_open(with_account);
    struct submit_envelope *e = of_account("odd", "odd@example.org", "one@d.example");
    (void)submit_add_recipient(e, "two@d.example");
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(strlen(world_from_ids[i]), 22);
        assert_true(find("odd", world_from_ids[i], &found, &row) && row);
        assert_int_equal(found, id + i);
    }
    assert_int_equal(world_rows(TABLE_FROMID), 2);
}

static void test_where_there_is_no_place_there_is_none(void **state)
{
    static const char *const senders[] = {"x@bare.example",
                                          "longest.name.of.them.all.and.so.on.and.on@example.org",
                                          "a@elsewhere.example"};
    world_open(with_account);
    for (size_t i = 0; i < sizeof senders / sizeof senders[0]; i++) {
        assert_true(world_submit(of_account("app", senders[i], "one@d.example"), "A: b\r\n\r\n") !=
                    0);
        assert_int_equal(world_from_ids_n, 0);
    }
    assert_true(world_submit(of_account("", "app@example.org", "one@d.example"), "A: b\r\n\r\n") !=
                0);
    assert_int_equal(world_from_ids_n, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_each_recipient_gets_one_and_the_client_hears_it),
        WORLD_TEST(test_only_what_was_made_here_is_genuine),
        WORLD_TEST(test_what_was_made_is_genuine_after_a_restart),
        BARE_TEST(test_a_clients_choice_is_its_accounts_alone_while_it_is_known),
        BARE_TEST(test_a_repeated_request_is_told_the_same_ids),
        BARE_TEST(test_where_nothing_is_kept_no_id_is),
        BARE_TEST(test_plain_ones_are_rows),
        BARE_TEST(test_where_there_is_no_place_there_is_none),
    };
    return WORLD_MAIN(argc, argv, tests);
}
