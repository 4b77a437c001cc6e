#include "lab.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folders.h"
#include "mem.h"
#include "process.h"
#include "users.h"

/* The folders of the suite, and whose they are. */

static int setup(void **state)
{
    struct fail f = {{0}};
    lab_open("%s", "");
    assert_int_equal(users_resolve(&lab.world, lab.world.conf, &f), 0);
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

static char *path_of(const char *name)
{
    return mem_format("%s/%s", lab.folder, name);
}

static void expect(const char *name, int uid, mode_t mode)
{
    struct stat st;
    char *path = path_of(name);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 07777, mode);
    assert_int_equal(st.st_uid, geteuid() == 0 ? (uid_t)uid : geteuid());
    mem_free(&path);
}

static void make(const char *name, mode_t mode)
{
    char *path = path_of(name);
    assert_int_equal(mkdir(path, mode), 0);
    assert_int_equal(chmod(path, mode), 0);
    mem_free(&path);
}

static void make_all(void)
{
    struct fail f = {{0}};
    int rc = folders_make(&lab.world, lab.world.conf, &f);
    assert_string_equal(f.text, "");
    assert_int_equal(rc, 0);
}

static void what_is_missing_is_made(void **state)
{
    make_all();
    expect("state", 0, 0755);
    expect("run", 0, 0755);
    expect("state/queue", 64711, 0700);
    expect("state/mail", 64712, 0700);
    expect("run/empty", 0, 0555);
    make_all(); /* and is left alone */
    expect("state/queue", 64711, 0700);
}

static void what_is_ours_is_put_right(void **state)
{
    make("state", 0755);
    make("state/queue", 0755);
    make("run", 0755);
    make("run/empty", 0777);
    make_all();
    expect("state/queue", 64711, 0700);
    expect("run/empty", 0, 0555);
}

/* It may be /run, or /tmp. */
static void a_folder_that_was_there_keeps_its_mode(void **state)
{
    make("state", 01777);
    make("run", 0711);
    make_all();
    expect("state", 0, 01777);
    expect("run", 0, 0711);
}

static void one_that_somebody_else_owns_is_not_taken(void **state)
{
    struct fail f = {{0}};
    if (geteuid() != 0)
        skip();
    make("state", 0755);
    make("state/queue", 0700);
    char *path = path_of("state/queue"), *why;
    assert_int_equal(chown(path, 64799, 64799), 0);
    assert_int_equal(folders_make(&lab.world, lab.world.conf, &f), -1);
    why = mem_format("%s belongs to uid 64799, and should to uid 64711", path);
    assert_string_equal(f.text, why);
    expect("state/queue", 64799, 0700);
    mem_free(&path);
    mem_free(&why);
}

static void a_link_is_not_followed(void **state)
{
    struct fail f = {{0}};
    struct stat st;
    make("state", 0755);
    make("elsewhere", 0755);
    char *path = path_of("state/queue"), *elsewhere = path_of("elsewhere");
    assert_int_equal(symlink(elsewhere, path), 0);
    assert_int_equal(folders_make(&lab.world, lab.world.conf, &f), -1);
    assert_int_equal(stat(elsewhere, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(st.st_uid, geteuid());
    mem_free(&path);
    mem_free(&elsewhere);
}

static void the_link_is_named(void **state)
{
    struct fail f = {{0}};
    make("elsewhere", 0755);
    char *path = path_of("state"), *elsewhere = path_of("elsewhere");
    assert_int_equal(symlink(elsewhere, path), 0);
    assert_int_equal(folders_make(&lab.world, lab.world.conf, &f), -1);
    assert_non_null(strstr(f.text, "/state is a symbolic link"));
    mem_free(&path);
    mem_free(&elsewhere);
}

static void root_takes_no_folder_that_others_can_write_to(void **state)
{
    static const struct {
        const char *name;
        mode_t mode;
        uid_t uid;
    } cases[] = {{"state", 0777, 0}, {"run", 0775, 0}, {"run", 0755, 64799}};
    if (geteuid() != 0)
        skip();
    make("state", 0755);
    make("run", 0755);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fail f = {{0}};
        char *path = path_of(cases[i].name);
        assert_int_equal(chmod(path, cases[i].mode), 0);
        assert_int_equal(chown(path, cases[i].uid, 0), 0);
        assert_int_equal(folders_make(&lab.world, lab.world.conf, &f), -1);
        assert_non_null(strstr(f.text, path));
        assert_non_null(strstr(f.text, " must belong to root and be writable by nobody else"));
        assert_int_equal(chmod(path, 0755), 0);
        assert_int_equal(chown(path, 0, 0), 0);
        mem_free(&path);
    }
    make_all();
}

static void one_suite_alone_works_with_a_queue(void **state)
{
    struct fail f = {{0}};
    make_all();
    int first = folders_lock(lab.world.conf, &f);
    assert_true(first >= 0);
    assert_int_equal(folders_lock(lab.world.conf, &f), -1);
    assert_non_null(strstr(f.text, "another suite is running: it works with "));
    (void)close(first);
    first = folders_lock(lab.world.conf, &f);
    assert_true(first >= 0);
    (void)close(first);
}

static void a_file_in_the_way_is_told(void **state)
{
    struct fail f = {{0}};
    char *path = path_of("state");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
    assert_int_equal(folders_make(&lab.world, lab.world.conf, &f), -1);
    assert_non_null(strstr(f.text, "Not a directory"));
    mem_free(&path);
}

static void each_process_has_its_root(void **state)
{
    static const struct {
        const char *name, *root, *unprivileged;
    } cases[] = {
        {"qmgr", "state/queue", "state/queue"}, {"delivery/local", "state/mail", "state/mail"},
        {"delivery/direct", "run/empty", NULL}, {"smtpd/0", "run/empty", NULL},
        {"vault/0", "run/empty", NULL},         {"hooks", "run/empty", NULL},
    };
    process_plan(&lab.world, lab.world.conf);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *root, *wanted = path_of(cases[i].root);
        lab.world.privileged = true;
        root = folders_root(&lab.world, lab_process(cases[i].name));
        assert_string_equal(root, wanted);
        mem_free(&root);
        lab.world.privileged = false;
        root = folders_root(&lab.world, lab_process(cases[i].name));
        if (cases[i].unprivileged == NULL)
            assert_null(root);
        else
            assert_string_equal(root, wanted);
        mem_free(&root);
        mem_free(&wanted);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_missing_is_made),
        TEST(what_is_ours_is_put_right),
        TEST(a_folder_that_was_there_keeps_its_mode),
        TEST(one_that_somebody_else_owns_is_not_taken),
        TEST(a_link_is_not_followed),
        TEST(the_link_is_named),
        TEST(root_takes_no_folder_that_others_can_write_to),
        TEST(one_suite_alone_works_with_a_queue),
        TEST(a_file_in_the_way_is_told),
        TEST(each_process_has_its_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
