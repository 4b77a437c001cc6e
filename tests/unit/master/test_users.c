#include "lab.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "users.h"

/* Who runs what. */

/* In the place of the C library's: what is known here does not depend on the machine. */
struct passwd *getpwnam(const char *name)
{
    static struct passwd known[] = {
        {.pw_name = (char *)"root", .pw_uid = 0, .pw_gid = 0},
        {.pw_name = (char *)"mailer", .pw_uid = 801, .pw_gid = 802},
        {.pw_name = (char *)"wheel", .pw_uid = 803, .pw_gid = 0},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].pw_name, name) == 0)
            return &known[i];
    }
    return NULL;
}

struct group *getgrnam(const char *name)
{
    static struct group operators = {.gr_name = (char *)"operators", .gr_gid = 901};
    return strcmp(name, operators.gr_name) == 0 ? &operators : NULL;
}

static int setup(void **state)
{
    lab_open("%s", "");
    lab.world.privileged = true;
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

#define REST "queue 64711  deliver 64712  web 64713  hooks 64714  vault 64715"

static int resolve(const char *users, struct fail *f)
{
    struct conf_errors errors;
    char *text = mem_format("hostname one.test\nusers { %s }\n", users);
    struct conf *conf = conf_parse("/etc/test.conf", span_text(text), &errors);
    assert_non_null(conf);
    int rc = users_resolve(&lab.world, conf, f);
    conf_free(&conf);
    conf_errors_free(&errors);
    mem_free(&text);
    return rc;
}

static void refuses(const char *users, const char *why)
{
    struct fail f = {{0}};
    assert_int_equal(resolve(users, &f), -1);
    assert_string_equal(f.text, why);
}

static void numbers_are_taken_as_they_are(void **state)
{
    struct fail f = {{0}};
    assert_int_equal(resolve("smtpd 64710  " REST, &f), 0);
    assert_int_equal(lab.world.users[ROLE_SMTPD].uid, 64710);
    assert_int_equal(lab.world.users[ROLE_SMTPD].gid, 64710);
    assert_int_equal(lab.world.users[ROLE_QMGR].uid, 64711);
    assert_int_equal(lab.world.users[ROLE_DELIVERY].uid, 64712);
    assert_int_equal(lab.world.users[ROLE_WEBAPI].uid, 64713);
    assert_int_equal(lab.world.users[ROLE_HOOKS].uid, 64714);
    assert_int_equal(lab.world.users[ROLE_VAULT].uid, 64715);
    assert_int_equal(lab.world.admin_gid, -1);
}

static void names_are_looked_up_with_their_groups(void **state)
{
    struct fail f = {{0}};
    assert_int_equal(resolve("smtpd mailer  admin-group operators  " REST, &f), 0);
    assert_int_equal(lab.world.users[ROLE_SMTPD].uid, 801);
    assert_int_equal(lab.world.users[ROLE_SMTPD].gid, 802);
    assert_int_equal(lab.world.admin_gid, 901);
    assert_int_equal(resolve("smtpd mailer  admin-group 77  " REST, &f), 0);
    assert_int_equal(lab.world.admin_gid, 77);
}

static void who_is_not_there_is_told_by_name(void **state)
{
    refuses("smtpd no-such-user  " REST, "users: there is no user no-such-user (setting smtpd)");
    refuses("smtpd 64710  admin-group no-such-group  " REST,
            "users: there is no group no-such-group (setting admin-group)");
}

static void nobody_runs_as_root(void **state)
{
    refuses("smtpd root  " REST, "users: smtpd must not be root");
    refuses("smtpd 0  " REST, "users: smtpd must not be root");
    refuses("smtpd wheel  " REST, "users: the group of smtpd must not be root's");
}

static void without_root_everybody_is_who_started_it(void **state)
{
    struct fail f = {{0}};
    lab.world.privileged = false;
    assert_int_equal(resolve("smtpd no-such-user  " REST, &f), 0);
    for (int r = 0; r < ROLES; r++) {
        assert_int_equal(lab.world.users[r].uid, geteuid());
        assert_int_equal(lab.world.users[r].gid, getegid());
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_taken_as_they_are),
        TEST(names_are_looked_up_with_their_groups),
        TEST(who_is_not_there_is_told_by_name),
        TEST(nobody_runs_as_root),
        TEST(without_root_everybody_is_who_started_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
