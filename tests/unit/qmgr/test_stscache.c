#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"
#include "proto_fetch.h"
#include "stscache.h"
#include "stsrefresh.h"
#include "tables.h"

#define MINUTE 60000LL
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define NOW 1800000000000LL

static char folder[] = "/tmp/qm-sts-XXXXXX";
static struct ledger ledger = {.secret = "0123456789abcde"};
static char *mx[] = {(char *)"*.example"};
static struct mtasts_policy enforce = {MTASTS_ENFORCE, 7 * 86400, 1, mx};
static char *other_mx[] = {(char *)"mx.other.example"};
static struct mtasts_policy changed = {MTASTS_TESTING, 3 * 86400, 1, other_mx};
static struct mtasts_policy none = {MTASTS_NONE, 7 * 86400, 0, NULL};

static int set_up(void **state)
{
    struct fail f;
    (void)snprintf(folder, sizeof folder, "/tmp/qm-sts-XXXXXX");
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

static void learn(int64_t now, enum sts_what what, const char *id, struct mtasts_policy *policy)
{
    struct sts_learned one = {(char *)"Example.COM", what, "", policy};
    struct store_txn *t = store_begin(ledger.store, true);
    struct fail f;
    (void)snprintf(one.id, sizeof one.id, "%s", id);
    sts_learn(&ledger, t, &one, now);
    assert_int_equal(store_commit(&t, &f), 0);
}

/* "-" nothing, else id, mode and whether a fetch is put off or due. */
static const char *known(int64_t now)
{
    static char text[100];
    struct sts_known k;
    struct store_txn *t = store_begin(ledger.store, false);
    bool there = sts_find(&ledger, t, "example.com", now, &k);
    store_abort(&t);
    (void)snprintf(text, sizeof text, "%s %s%s%s", k.id,
                   k.policy == NULL ? "-" : mtasts_mode_name(k.policy->mode),
                   now < k.retry_ms ? " wait" : "",
                   k.policy != NULL && now >= k.refresh_ms ? " refresh" : "");
    if (!there) {
        assert_null(k.policy);
        assert_int_equal(k.retry_ms, 0);
        assert_string_equal(k.id, "");
        return "-";
    }
    sts_known_clear(&k);
    return text;
}

static void test_a_policy_holds_for_its_time(void **state)
{
    assert_string_equal(known(NOW), "-");
    learn(NOW, STS_FETCHED, "1", &enforce);
    assert_string_equal(known(NOW), "1 enforce");
    assert_string_equal(known(NOW + DAY - 1), "1 enforce");
    assert_string_equal(known(NOW + DAY), "1 enforce refresh");
    assert_string_equal(known(NOW + 7 * DAY - 1), "1 enforce refresh");
    assert_string_equal(known(NOW + 7 * DAY), "-");
    learn(NOW + DAY, STS_FETCHED, "1", &enforce);
    assert_string_equal(known(NOW + 8 * DAY - 1), "1 enforce refresh");
    learn(NOW + 2 * DAY, STS_FETCHED, "2", &none);
    assert_string_equal(known(NOW + 2 * DAY), "2 none");
}

static void test_a_lost_record_takes_no_demand_away(void **state)
{
    learn(NOW, STS_FETCHED, "1", &enforce);
    learn(NOW + HOUR, STS_NO_RECORD, "", NULL);
    assert_string_equal(known(NOW + HOUR), "1 enforce");
    assert_string_equal(known(NOW + 7 * DAY), "-");
    learn(NOW + 2 * HOUR, STS_FETCHED, "2", &none);
    learn(NOW + 3 * HOUR, STS_NO_RECORD, "", NULL);
    assert_string_equal(known(NOW + 3 * HOUR), "-");
    assert_int_equal(store_rows(ledger.store, TABLE_STS), 0);
    learn(NOW, STS_NO_RECORD, "", NULL);
    assert_int_equal(store_rows(ledger.store, TABLE_STS), 0);
}

static void test_a_failed_fetch_leaves_what_holds_and_waits_longer_each_time(void **state)
{
    static const int64_t waits[] = {5, 10, 20, 40, 80, 160, 320, 640, 720, 720};
    int64_t now = NOW;
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        learn(now, STS_FETCH_FAILED, "1", NULL);
        learn(now + 1000, STS_FETCH_FAILED, "1", NULL); /* of a delivery at the same time */
        assert_string_equal(known(now + waits[i] * MINUTE - 1), " - wait");
        assert_string_equal(known(now + waits[i] * MINUTE), "-");
        now += waits[i] * MINUTE;
    }
    learn(now, STS_FETCHED, "1", &enforce);
    learn(now + HOUR, STS_FETCH_FAILED, "2", NULL);
    assert_string_equal(known(now + HOUR), "1 enforce wait");
    assert_string_equal(known(now + HOUR + 5 * MINUTE), "1 enforce");
    /* After a success it begins anew. */
    assert_string_equal(known(now + 7 * DAY), "-");
}

static void test_times_to_fetch_anew(void **state)
{
    assert_int_equal(sts_refresh_at(NOW, 31557600), NOW + DAY);
    assert_int_equal(sts_refresh_at(NOW, 86400), NOW + 12 * HOUR);
    assert_int_equal(sts_refresh_at(NOW, 10), NOW + HOUR);
    assert_int_equal(sts_refresh_at(NOW, 0), NOW + HOUR);
    assert_int_equal(sts_retry_at(NOW, 1), NOW + 5 * MINUTE);
    assert_int_equal(sts_retry_at(NOW, UINT16_MAX), NOW + 12 * HOUR);
}

static struct sts_row row(void)
{
    struct sts_row r;
    struct span value;
    struct store_txn *t = store_begin(ledger.store, false);
    struct key k = key_id(name_hash(ledger.secret, "example.com"));
    assert_true(store_get(t, TABLE_STS, key_span(&k), &value));
    assert_int_equal(sts_row_read(value, &r), 0);
    store_abort(&t);
    return r;
}

static void test_rows_that_nobody_needs_are_over(void **state)
{
    struct mtasts_policy year = {MTASTS_ENFORCE, MTASTS_AGE_MAX, 1, mx};
    learn(NOW, STS_FETCHED, "1", &year);
    struct sts_row r = row();
    assert_false(sts_is_over(&r, NOW + 180 * DAY - 1));
    assert_true(sts_is_over(&r, NOW + 180 * DAY));
    sts_row_clear(&r);
    learn(NOW + 59 * MINUTE, STS_USED, "1", NULL); /* not worth a write */
    r = row();
    assert_int_equal(r.used_ms, NOW);
    sts_row_clear(&r);
    learn(NOW + 100 * DAY, STS_USED, "1", NULL);
    r = row();
    assert_false(sts_is_over(&r, NOW + 280 * DAY - 1));
    assert_true(sts_is_over(&r, NOW + 280 * DAY));
    sts_row_clear(&r);
    learn(NOW, STS_FETCHED, "1", &enforce);
    r = row();
    assert_false(sts_is_over(&r, NOW + 7 * DAY - 1));
    assert_true(sts_is_over(&r, NOW + 7 * DAY));
    sts_row_clear(&r);
    learn(NOW + 7 * DAY, STS_FETCH_FAILED, "1", NULL);
    r = row();
    assert_false(sts_is_over(&r, NOW + 8 * DAY + 5 * MINUTE - 1));
    assert_true(sts_is_over(&r, NOW + 8 * DAY + 5 * MINUTE));
    sts_row_clear(&r);
    learn(NOW, STS_USED, "1", NULL);
}

static void test_used_alone_makes_no_row(void **state)
{
    learn(NOW, STS_USED, "1", NULL);
    assert_int_equal(store_rows(ledger.store, TABLE_STS), 0);
}

static void test_the_row_of_another_domain_with_the_same_hash_is_not_taken(void **state)
{
    struct sts_row r = {(char *)"other.test", {"1", &enforce, 0, 0}, NOW, NOW, 0};
    struct key k = key_id(name_hash(ledger.secret, "example.com"));
    struct store_txn *t = store_begin(ledger.store, true);
    struct buf b = {0};
    struct fail f;
    sts_row_put(&b, &r);
    store_put(t, TABLE_STS, key_span(&k), buf_span(&b));
    assert_int_equal(store_commit(&t, &f), 0);
    buf_free(&b);
    assert_string_equal(known(NOW), "-");
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* Through the whole of qmgr. */

static const struct deliver_job *job_for(const char *to)
{
    uint64_t id = world_send(to);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    assert_int_equal(world.direct.jobs[0].job->message, id);
    return world.direct.jobs[0].job;
}

static void test_what_an_agent_learned_comes_with_the_next_job(void **state)
{
    struct learned l = {.policies = NULL};
    struct tlsresult *r =
        tlsresult_new(tlsresult_day(clock_wall_ms()), "d.example", "d.example", false);
    world.direct.on_job = agent_keeps;
    assert_null(job_for("c@d.example")->sts.policy);
    agent_answer(&world.direct, 0, "d");
    tlsresult_entry(r, TLSRESULT_STS, NULL, 0)->success = 1;
    learned_add_policy(&l, "d.example", STS_FETCHED, "7a", &enforce);
    learned_add_result(&l, &r);
    learned_tell(world.direct.channel, &l);
    WORLD_UNTIL(world_rows(TABLE_STS) == 1 && world_rows(TABLE_TLSRESULT) == 1);
    learned_clear(&l);
    world_settle();
    world_restart(false);
    world.direct.on_job = agent_keeps;
    const struct deliver_job *job = job_for("c@D.Example");
    assert_string_equal(job->sts.id, "7a");
    assert_true(mtasts_policy_equal(job->sts.policy, &enforce));
    agent_answer(&world.direct, 0, "d");
    world_settle();
    /* It goes when its time is over, and what was counted two days after its own. */
    clock_step(8 * DAY);
    WORLD_UNTIL(world_rows(TABLE_STS) == 0 && world_rows(TABLE_TLSRESULT) == 0);
}

/* In place of hooks: what was asked for, and what is answered. */
struct fetcher {
    struct ipc *channel;
    unsigned asked;
    uint64_t request;
    char domain[64];
};

static int on_fetch(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct fetcher *x = arg;
    char *domain;
    assert_int_equal(fetch_policy_read(m, &domain, f), 0);
    (void)snprintf(x->domain, sizeof x->domain, "%s", domain);
    mem_free(&domain);
    x->request = m->id;
    x->asked++;
    return 0;
}

static void on_fetcher_closed(struct ipc *ch, void *arg, const char *why)
{
}

static struct stsrefresh *open_refresh(struct fetcher *x)
{
    static const struct ipc_handler handler = {on_fetch, on_fetcher_closed};
    struct stsrefresh *r = stsrefresh_new(&world.queue);
    struct fail f;
    int fd[2];
    assert_int_equal(ipc_pair(fd, &f), 0);
    *x = (struct fetcher){.asked = 0};
    x->channel = ipc_new(world.queue.base, fd[0], "hooks", &handler, x);
    stsrefresh_link(r, fd[1]);
    return r;
}

static void answer_fetch(struct fetcher *x, struct mtasts_policy *policy)
{
    struct fetched_policy p = {policy == NULL ? FETCH_POLICY_FAILED : FETCH_POLICY_GOOD, 200,
                               policy, (char *)"", 1};
    fetch_policy_answer(x->channel, x->request, &p);
}

static struct sts_row world_row(const char *domain)
{
    struct sts_row r;
    struct span value;
    struct store_txn *t = store_begin(world.queue.store, false);
    struct key k = key_id(name_hash(world.queue.ledger.secret, domain));
    assert_true(store_get(t, TABLE_STS, key_span(&k), &value));
    assert_int_equal(sts_row_read(value, &r), 0);
    store_abort(&t);
    return r;
}

static bool world_fetched(const char *domain, int64_t since_ms)
{
    struct sts_row r = world_row(domain);
    bool good = r.fetched_ms >= since_ms;
    sts_row_clear(&r);
    return good;
}

static unsigned world_failures(const char *domain)
{
    struct sts_row r = world_row(domain);
    unsigned n = r.failures;
    sts_row_clear(&r);
    return n;
}

static void test_policies_that_demand_something_are_fetched_anew_before_they_end(void **state)
{
    struct learned l = {.policies = NULL};
    struct fetcher x;
    struct stsrefresh *r = open_refresh(&x);
    learned_add_policy(&l, "d.example", STS_FETCHED, "7a", &enforce);
    learned_add_policy(&l, "n.example", STS_FETCHED, "7b", &none);
    learned_tell(world.direct.channel, &l);
    WORLD_UNTIL(world_rows(TABLE_STS) == 2);
    learned_clear(&l);
    stsrefresh_look(r);
    world_settle();
    assert_int_equal(x.asked, 0);
    struct sts_row before = world_row("d.example");
    clock_step(DAY);
    int64_t then = clock_wall_ms();
    stsrefresh_look(r);
    stsrefresh_look(r); /* not twice at once */
    WORLD_UNTIL(x.asked == 1);
    assert_string_equal(x.domain, "d.example");
    answer_fetch(&x, NULL);
    WORLD_UNTIL(world_failures("d.example") == 1);
    world_settle();
    stsrefresh_look(r);
    world_settle();
    assert_int_equal(x.asked, 1);
    clock_step(STS_RETRY_MS);
    stsrefresh_look(r);
    WORLD_UNTIL(x.asked == 2);
    answer_fetch(&x, &changed);
    WORLD_UNTIL(world_fetched("d.example", then));
    struct sts_row after = world_row("d.example");
    assert_int_equal(after.used_ms, before.used_ms);
    assert_int_equal(after.failures, 0);
    assert_string_equal(after.known.id, "7a");
    /* The policy is what was fetched now, and not the one before. */
    assert_int_equal(after.known.policy->mode, MTASTS_TESTING);
    assert_int_equal(after.known.policy->max_age_s, 3 * 86400);
    assert_string_equal(after.known.policy->mx[0], "mx.other.example");
    sts_row_clear(&before);
    sts_row_clear(&after);
    world_settle();
    stsrefresh_stop(r);
    clock_step(DAY);
    stsrefresh_look(r);
    world_settle();
    assert_int_equal(x.asked, 2);
    stsrefresh_free(&r);
    ipc_free(&x.channel);
}

static void test_hooks_that_went_away_is_no_failure_of_the_policy(void **state)
{
    struct learned l = {.policies = NULL};
    struct fetcher x;
    struct stsrefresh *r = open_refresh(&x);
    learned_add_policy(&l, "d.example", STS_FETCHED, "7a", &enforce);
    learned_tell(world.direct.channel, &l);
    WORLD_UNTIL(world_rows(TABLE_STS) == 1);
    learned_clear(&l);
    clock_step(DAY);
    stsrefresh_look(r);
    WORLD_UNTIL(x.asked == 1);
    ipc_free(&x.channel);
    world_settle();
    struct sts_row row_now = world_row("d.example");
    assert_int_equal(row_now.failures, 0);
    sts_row_clear(&row_now);
    stsrefresh_free(&r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_policy_holds_for_its_time),
        STORE_TEST(test_a_lost_record_takes_no_demand_away),
        STORE_TEST(test_a_failed_fetch_leaves_what_holds_and_waits_longer_each_time),
        STORE_TEST(test_times_to_fetch_anew),
        STORE_TEST(test_rows_that_nobody_needs_are_over),
        STORE_TEST(test_used_alone_makes_no_row),
        STORE_TEST(test_the_row_of_another_domain_with_the_same_hash_is_not_taken),
        WORLD_TEST(test_what_an_agent_learned_comes_with_the_next_job),
        WORLD_TEST(test_policies_that_demand_something_are_fetched_anew_before_they_end),
        WORLD_TEST(test_hooks_that_went_away_is_no_failure_of_the_policy),
    };
    return WORLD_MAIN(argc, argv, tests);
}
