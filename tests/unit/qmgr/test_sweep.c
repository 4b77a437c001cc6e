#include "world.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "body.h"
#include "clock.h"
#include "file.h"
#include "mem.h"
#include "rows.h"
#include "tables.h"

#define HOUR 3600000

static char *large_message(void)
{
    char *large = mem_alloc(5001);
    for (int i = 0; i < 5000; i++)
        large[i] = 'x';
    large[5000] = '\0';
    return large;
}

static void test_files_that_no_message_names_are_swept_at_start(void **state)
{
    struct fail f;
    struct consist c;
    world_open("queue { large-body 4K }\n");
    char *large = large_message();
    (void)world_submit(world_envelope("a@b.example", "c@d.example"), large);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    int fd = world.direct.jobs[0].body;
    for (uint64_t token = 1000; token < 1100; token++)
        assert_int_equal(body_put_file(world.queue.dirfd, token, fd, 5000, &f), 0);
    world_restart(false);
    world_settle();
    consist_check(world.queue.store, world.queue.dirfd, &c);
    assert_int_equal(c.files, 1);
    assert_int_equal(c.problems, 0);
    consist_clear(&c);
    mem_free(&large);
}

static void test_the_file_of_a_damaged_message_is_kept(void **state)
{
    char *large = large_message();
    world_open("queue { large-body 4K }\n");
    struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
    e->not_before_ms = clock_wall_ms() + HOUR;
    uint64_t id = world_submit(e, large), token;
    struct key k = key_id(id);
    struct span row;
    struct buf bad = {0};
    struct store_txn *t = store_begin(world.queue.store, false);
    assert_true(store_get(t, TABLE_MSG, key_span(&k), &row));
    buf_put_span(&bad, row);
    assert_true(msg_row_names_file(row, &token));
    store_abort(&t);
    bad.p[bad.head] = 0xff; /* the version */
    world_damage(TABLE_MSG, key_span(&k), buf_span(&bad));
    buf_free(&bad);
    mem_free(&large);
    for (int round = 0; round < 2; round++) {
        char path[60];
        (void)snprintf(path, sizeof path, "bodies/%02x/%016llx", (unsigned)(token % 64),
                       (unsigned long long)token);
        world_restart(false);
        world_settle();
        assert_int_equal(faccessat(world.queue.dirfd, path, R_OK, 0), 0);
        world_step(2 * HOUR); /* now it is come across, and set aside */
    }
    assert_int_equal(world_rows(TABLE_MSG), 0);
    world.damaged = true;
}

/* More rows than a slice has: those of the later ones are found as well. */
static void test_files_of_many_messages_stay_where_they_are(void **state)
{
    struct consist c;
    world_open("queue { large-body 4K }\n");
    char *large = large_message();
    for (int i = 0; i < 450; i++) {
        struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
        e->not_before_ms = clock_wall_ms() + HOUR;
        assert_true(world_submit(e, i % 9 == 0 ? large : "small") != 0);
    }
    world_restart(false);
    world_settle();
    consist_check(world.queue.store, world.queue.dirfd, &c);
    assert_int_equal(c.files, 50);
    assert_int_equal(c.problems, 0);
    consist_clear(&c);
    mem_free(&large);
}

/* Its row may come at any time. */
static void test_a_file_that_comes_after_the_start_is_none_of_its_business(void **state)
{
    struct fail f;
    world_open("queue { large-body 4K }\n");
    int fd = file_sealed("m", span_text("x"), &f);
    assert_int_equal(body_put_file(world.queue.dirfd, 77, fd, 1, &f), 0);
    (void)close(fd);
    world_settle();
    assert_true(body_delete_file(world.queue.dirfd, 77));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_files_that_no_message_names_are_swept_at_start),
        BARE_TEST(test_the_file_of_a_damaged_message_is_kept),
        BARE_TEST(test_files_of_many_messages_stay_where_they_are),
        BARE_TEST(test_a_file_that_comes_after_the_start_is_none_of_its_business),
    };
    return WORLD_MAIN(argc, argv, tests);
}
