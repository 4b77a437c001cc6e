#include "world.h"

#include "clock.h"
#include "proto_learned.h"
#include "stscache.h"

/* What an agent learns of the policies of other domains on its way. */

static char *patterns[] = {(char *)"mx.example.com"};
static struct mtasts_policy enforce = {
    .mode = MTASTS_ENFORCE, .max_age_s = 86400, .mx_n = 1, .mx = patterns};

static void tell(void)
{
    struct learned l = {0};
    learned_add_policy(&l, "example.com", STS_FETCHED, "1", &enforce);
    learned_tell(world.direct.channel, &l);
    learned_clear(&l);
}

static bool is_known(void)
{
    struct sts_known k;
    struct store_txn *t = store_begin(world.queue.ledger.store, false);
    bool known = sts_find(&world.queue.ledger, t, "example.com", clock_wall_ms(), &k);
    store_abort(&t);
    sts_known_clear(&k);
    return known;
}

static void test_what_was_learned_is_kept(void **state)
{
    tell();
    WORLD_UNTIL(is_known());
}

static void test_mail_goes_on_when_what_was_learned_cannot_be_kept(void **state)
{
    (void)world_send("c@example.com");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    world_fill_disk(true);
    tell();
    WORLD_UNTIL(commit_waiting(world.queue.commit) > 0);
    WORLD_UNTIL(commit_waiting(world.queue.commit) == 0);
    assert_false(commit_is_late(world.queue.commit));
    world_fill_disk(false);
    assert_false(is_known());
    agent_answer(&world.direct, 0, "d");
    world_settle();
    world_expect_empty();
    assert_int_equal(world.direct.recipients_total, 1);
    tell();
    WORLD_UNTIL(is_known());
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        WORLD_TEST(test_what_was_learned_is_kept),
        WORLD_TEST(test_mail_goes_on_when_what_was_learned_cannot_be_kept),
    };
    return WORLD_MAIN(argc, argv, tests);
}
