#include "world.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "mailcheck.h"
#include "mailindex.h"
#include "mem.h"
#include "proto_mailbox.h"
#include "proto_types.h"
#include "rows.h"
#include "tables.h"

/* This program sits where delivery/local does, and answers what is asked. */

#define SETTINGS                                                                                   \
    "account ann { address ann@example.org }\n"                                                    \
    "account bob { address bob@example.org }\n"                                                    \
    "account app { address app@example.org  mailbox no }\n"

static struct mailcheck *check;
static struct ipc *local;
static struct mailbox_request asked; /* the last one */
static uint64_t request;
static unsigned requests;

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    mailbox_request_clear(&asked);
    assert_int_equal(mailbox_read(m, &asked, f), 0);
    assert_int_equal(asked.type, MSG_MAILBOX_CHECK);
    request = m->id;
    requests++;
    return 0;
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    ipc_free(&local);
}

static void link_local(void)
{
    static const struct ipc_handler handler = {on_message, on_closed};
    struct fail f;
    int fd[2];
    ipc_free(&local);
    assert_int_equal(ipc_pair(fd, &f), 0);
    mailcheck_link(check, fd[0]);
    local = ipc_new(world.queue.base, fd[1], "mailbox", &handler, NULL);
}

static void open_check(void)
{
    world_open(SETTINGS);
    requests = 0;
    asked = (struct mailbox_request){.fd = -1};
    check = mailcheck_new(&world.queue); /* rests as long as it is not linked */
}

static int teardown(void **state)
{
    mailcheck_stop(check);
    mailcheck_free(&check);
    mailbox_request_clear(&asked);
    ipc_free(&local);
    return world_teardown(state);
}

/* ---- rows ---- */

struct filling {
    struct change change;
    const char *account;
    unsigned n;
    bool done;
};

static void fill_apply(struct change *change, struct store_txn *t)
{
    struct filling *f = (struct filling *)change;
    uint64_t account = name_hash(world.queue.ledger.secret, f->account);
    for (unsigned i = 1; i <= f->n; i++) {
        struct mail_message m = mail_message_new(i);
        struct buf b = {0};
        struct key k = key_mail(account, i);
        char name[32];
        (void)snprintf(name, sizeof name, "%u.mail", i);
        mail_place_clear(&m.place);
        mail_place_set(&m.place, "", name, 1000 + i, 0);
        mail_row_put(&b, &m);
        store_put(t, TABLE_MAIL, key_span(&k), buf_span(&b));
        mail_message_clear(&m);
        buf_free(&b);
    }
}

static void fill_done(struct change *change, const char *why)
{
    assert_null(why);
    ((struct filling *)change)->done = true;
}

static void fill(const char *account, unsigned n)
{
    struct filling f = {{.apply = fill_apply, .done = fill_done}, account, n, false};
    commit_add(world.queue.commit, &f.change);
    WORLD_UNTIL(f.done);
}

/* ---- a round ---- */

static void look(void)
{
    unsigned before = requests;
    if (local == NULL)
        link_local();
    mailcheck_look(check);
    WORLD_UNTIL(requests > before);
}

static void look_in_vain(void)
{
    unsigned before = requests;
    mailcheck_look(check);
    world_settle();
    assert_int_equal(requests, before);
}

static void answer(enum mailbox_result result, uint32_t *missing, uint32_t n)
{
    struct mailbox_answer a = mailbox_answer_new(result);
    a.missing = missing;
    a.missing_n = n;
    mailbox_reply(local, request, &a);
    a.missing = NULL;
    mailbox_answer_clear(&a);
    world_settle();
}

static void test_what_is_gone_is_forgotten_and_nothing_else(void **state)
{
    open_check();
    fill("bob", 5);
    fill("app", 3); /* without a mailbox */
    look();
    assert_string_equal(asked.account, "bob");
    assert_int_equal(asked.places_n, 5);
    assert_string_equal(asked.places[1].name, "2.mail");
    assert_int_equal(asked.places[1].inode, 1002);
    uint32_t missing[] = {1, 3};
    answer(MAILBOX_DONE, missing, 2);
    WORLD_UNTIL(world_rows(TABLE_MAILGONE) == 2);
    assert_int_equal(world_rows(TABLE_MAIL), 8); /* that they were removed is known for a while */
    /* The round is over; the next one is an hour later, and is about three. */
    clock_step(10000);
    look_in_vain();
    clock_step(MAILCHECK_ROUND_MS);
    look();
    assert_int_equal(asked.places_n, 3);
    assert_string_equal(asked.places[1].name, "3.mail");
    answer(MAILBOX_UNAVAILABLE, NULL, 0);
    assert_int_equal(world_rows(TABLE_MAILGONE), 2);
}

static void test_a_round_is_in_parts_with_pauses(void **state)
{
    open_check();
    fill("ann", MAILBOX_CHECK_MAX + 2);
    fill("bob", 1);
    look();
    assert_int_equal(asked.places_n, MAILBOX_CHECK_MAX);
    look_in_vain(); /* it waits for the answer */
    uint32_t *all = mem_array(MAILBOX_CHECK_MAX, sizeof *all);
    for (uint32_t i = 0; i < MAILBOX_CHECK_MAX; i++)
        all[i] = i;
    answer(MAILBOX_DONE, all, MAILBOX_CHECK_MAX);
    mem_free(&all);
    WORLD_UNTIL(world_rows(TABLE_MAILGONE) == MAILBOX_CHECK_MAX);
    world_settle();
    look_in_vain(); /* a pause */
    clock_step(600000);
    look();
    assert_string_equal(asked.account, "ann");
    assert_int_equal(asked.places_n, 2);
    answer(MAILBOX_DONE, NULL, 0);
    clock_step(600000);
    look();
    assert_string_equal(asked.account, "bob");
    answer(MAILBOX_DONE, NULL, 0);
    clock_step(600000);
    look_in_vain();
}

static void test_what_was_seen_elsewhere_meanwhile_stays(void **state)
{
    open_check();
    fill("ann", 2);
    look();
    /* Another row for the first one while the question is under way. */
    struct store_txn *t = store_begin(world.queue.store, true);
    struct mail_message m = mail_message_new(1);
    struct buf b = {0};
    struct key k = key_mail(name_hash(world.queue.ledger.secret, "ann"), 1);
    struct fail f;
    mail_place_clear(&m.place);
    mail_place_set(&m.place, "Archive", "1.mail", 1001, 0);
    mail_row_put(&b, &m);
    store_put(t, TABLE_MAIL, key_span(&k), buf_span(&b));
    assert_int_equal(store_commit(&t, &f), 0);
    mail_message_clear(&m);
    buf_free(&b);
    uint32_t missing[] = {0, 1};
    answer(MAILBOX_DONE, missing, 2);
    WORLD_UNTIL(world_rows(TABLE_MAILGONE) == 1);
    clock_step(MAILCHECK_ROUND_MS);
    look();
    assert_int_equal(asked.places_n, 1);
    assert_string_equal(asked.places[0].folder, "Archive");
}

static void test_it_goes_on_when_the_other_side_comes_back(void **state)
{
    open_check();
    fill("ann", 2);
    look();
    ipc_free(&local);
    world_settle();
    clock_step(MAILCHECK_ROUND_MS);
    look_in_vain();
    link_local();
    look();
    assert_int_equal(asked.places_n, 2);
    link_local(); /* the one before is over, its question with it */
    clock_step(MAILCHECK_ROUND_MS);
    look();
    assert_int_equal(world_rows(TABLE_MAILGONE), 0);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_gone_is_forgotten_and_nothing_else),
        TEST(test_a_round_is_in_parts_with_pauses),
        TEST(test_what_was_seen_elsewhere_meanwhile_stays),
        TEST(test_it_goes_on_when_the_other_side_comes_back),
    };
    return WORLD_MAIN(argc, argv, tests);
}
