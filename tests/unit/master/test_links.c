#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem.h"
#include "proto_control.h"
#include "reload.h"

/* Who may talk to whom. */

static char file[32]; /* a certificate and its key */

static int teardown(void **state)
{
    lab_close();
    (void)unlink(file);
    return 0;
}

/* The names of a child's links, in the order they came; the latest of one name only. */
static char *links_of(const char *name)
{
    struct buf text = {0};
    const struct child_link *l, *later;
    const struct child *c = lab_child(name);
    assert_non_null(c);
    TAILQ_FOREACH (l, &c->links, next) {
        for (later = TAILQ_NEXT(l, next); later != NULL && strcmp(later->name, l->name) != 0;)
            later = TAILQ_NEXT(later, next);
        if (later == NULL)
            buf_putf(&text, "%s%s", text.n == 0 ? "" : ", ", l->name);
    }
    return buf_take_text(&text);
}

static void expect(const char *name, const char *links)
{
    char *got = links_of(name);
    if (strcmp(got, links) != 0)
        fail_msg("%s: \"%s\" instead of \"%s\"", name, got, links);
    mem_free(&got);
}

static int end_of(const char *name, const char *link)
{
    const struct child_link *l;
    int fd = -1;
    TAILQ_FOREACH (l, &lab_child(name)->links, next) {
        if (strcmp(l->name, link) == 0)
            fd = l->fd;
    }
    return fd;
}

/* Whether the ends with these names belong together. */
static bool are_joined(const char *one, const char *link, const char *other, const char *back)
{
    char octet = 0;
    int from = end_of(one, link), to = end_of(other, back);
    assert_true(from >= 0 && to >= 0);
    return send(from, "x", 1, MSG_NOSIGNAL) == 1 && recv(to, &octet, 1, MSG_DONTWAIT) == 1 &&
           octet == 'x';
}

static int setup(void **state)
{
    /* Whatever is in it: nobody here reads it. */
    (void)snprintf(file, sizeof file, "/tmp/links.XXXXXX");
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    (void)close(fd);
    lab_open("workers { smtpd 2  vault 2 }\n"
             "transport relay { fail { } }\n"
             "transport login { submission { host a.test  auth { mechanisms EXTERNAL } } }\n"
             "transport known { submission { host b.test\n"
             "  auth { certificate-file \"%s\"  key-file \"%s\" } } }\n"
             "listen web { address 127.0.0.1  http %d }\n",
             file, file, lab_port());
    lab_start();
    return 0;
}

static void every_edge_has_its_two_ends(void **state)
{
    expect("smtpd/0", "secret, sign, submit");
    expect("smtpd/1", "secret, sign, submit");
    expect("webapi/0", "secret, mailbox, submit, account");
    expect("qmgr", "deliver direct, deliver local, mailbox, deliver relay, deliver login, deliver "
                   "known, hook, fetch, submit "
                   "smtpd/0, submit smtpd/1, submit webapi/0, account webapi/0");
    expect("vault/0", "secret delivery/login, secret delivery/known, sign delivery/known, secret "
                      "hooks, secret smtpd/0, sign smtpd/0, secret "
                      "webapi/0");
    expect("vault/1", "secret smtpd/1, sign smtpd/1");
    expect("delivery/direct", "fetch, deliver qmgr"); /* it has MX hosts, and their policies */
    expect("delivery/local", "deliver qmgr, mailbox qmgr, mailbox webapi/0");
    expect("delivery/relay", "deliver qmgr");
    /* These alone have something to ask vault. */
    expect("delivery/login", "secret, deliver qmgr");
    expect("delivery/known", "secret, sign, deliver qmgr");
    expect("hooks", "secret, fetch delivery/direct, hook qmgr, fetch qmgr");
}

static void and_they_are_joined(void **state)
{
    static const char *const pairs[][4] = {
        {"smtpd/0", "submit", "qmgr", "submit smtpd/0"},
        {"smtpd/1", "submit", "qmgr", "submit smtpd/1"},
        {"webapi/0", "submit", "qmgr", "submit webapi/0"},
        {"webapi/0", "account", "qmgr", "account webapi/0"},
        {"webapi/0", "mailbox", "delivery/local", "mailbox webapi/0"},
        {"qmgr", "mailbox", "delivery/local", "mailbox qmgr"},
        {"qmgr", "deliver relay", "delivery/relay", "deliver qmgr"},
        {"qmgr", "deliver direct", "delivery/direct", "deliver qmgr"},
        {"qmgr", "deliver local", "delivery/local", "deliver qmgr"},
        {"qmgr", "hook", "hooks", "hook qmgr"},
        {"qmgr", "fetch", "hooks", "fetch qmgr"},
        {"delivery/direct", "fetch", "hooks", "fetch delivery/direct"},
        {"smtpd/0", "secret", "vault/0", "secret smtpd/0"},
        {"smtpd/1", "secret", "vault/1", "secret smtpd/1"},
        {"smtpd/0", "sign", "vault/0", "sign smtpd/0"},
        {"webapi/0", "secret", "vault/0", "secret webapi/0"},
        {"hooks", "secret", "vault/0", "secret hooks"},
        {"delivery/login", "secret", "vault/0", "secret delivery/login"},
        {"delivery/known", "sign", "vault/0", "sign delivery/known"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (!are_joined(pairs[i][0], pairs[i][1], pairs[i][2], pairs[i][3]))
            fail_msg("%s, %s", pairs[i][0], pairs[i][1]);
        if (!are_joined(pairs[i][2], pairs[i][3], pairs[i][0], pairs[i][1]))
            fail_msg("%s, %s back", pairs[i][0], pairs[i][1]);
    }
}

static void who_starts_anew_is_linked_anew(void **state)
{
    lab_reap(lab_child("qmgr"), 0);
    RUN_UNTIL(lab_child("qmgr") != NULL);
    lab_settle();
    /* In the order of the list now: everybody was there before. */
    expect("qmgr", "deliver direct, deliver local, mailbox, deliver relay, deliver login, deliver "
                   "known, hook, fetch, submit "
                   "smtpd/0, submit smtpd/1, submit webapi/0, account webapi/0");
    assert_true(are_joined("smtpd/1", "submit", "qmgr", "submit smtpd/1"));
    assert_true(are_joined("qmgr", "deliver relay", "delivery/relay", "deliver qmgr"));
    lab_reap(lab_child("delivery/relay"), 0);
    RUN_UNTIL(lab_child("delivery/relay") != NULL);
    lab_settle();
    assert_true(are_joined("qmgr", "deliver relay", "delivery/relay", "deliver qmgr"));
    assert_true(are_joined("qmgr", "deliver direct", "delivery/direct", "deliver qmgr"));
    lab_reap(lab_child("vault/1"), 0);
    RUN_UNTIL(lab_child("vault/1") != NULL);
    lab_settle();
    assert_true(are_joined("smtpd/1", "sign", "vault/1", "sign smtpd/1"));
    assert_true(are_joined("smtpd/0", "sign", "vault/0", "sign smtpd/0"));
}

static void a_transport_with_the_longest_name_has_its_link(void **state)
{
    char label[65], *process, *link;
    struct outcome o = {0};
    memset(label, 'x', 64);
    label[64] = '\0';
    lab_write("two.test", "workers { smtpd 2  vault 2 }\ntransport %s { fail { } }\n", label);
    reload_begin(&lab.world, lab_on_reload, &o);
    RUN_UNTIL(o.times == 1);
    assert_string_equal(o.why, "");
    lab_settle();
    process = mem_format("delivery/%s", label);
    link = mem_format("deliver %s", label);
    assert_string_equal(lab_process(process)->label, label);
    assert_true(are_joined("qmgr", link, process, "deliver qmgr"));
    mem_free(&process);
    mem_free(&link);
}

static void who_asked_a_vault_that_goes_is_linked_to_one_that_stays(void **state)
{
    struct outcome o = {0};
    lab_write("two.test", "workers { smtpd 2  vault 1 }\n");
    reload_begin(&lab.world, lab_on_reload, &o);
    RUN_UNTIL(o.times == 1);
    assert_string_equal(o.why, "");
    lab_settle();
    assert_int_equal(lab_child("vault/1")->stops, 1);
    expect("vault/0", "secret delivery/login, secret delivery/known, sign delivery/known, secret "
                      "hooks, secret smtpd/0, sign smtpd/0, secret "
                      "webapi/0, secret smtpd/1, sign smtpd/1");
    assert_true(are_joined("smtpd/1", "secret", "vault/0", "secret smtpd/1"));
    assert_true(are_joined("smtpd/1", "sign", "vault/0", "sign smtpd/1"));
    /* Who had the right one keeps it. */
    assert_true(are_joined("smtpd/0", "secret", "vault/0", "secret smtpd/0"));
    /* And who starts now, while the other still ends, does not meet it. */
    lab_reap(lab_child("smtpd/1"), 0);
    RUN_UNTIL(lab_child("smtpd/1") != NULL);
    lab_settle();
    assert_true(are_joined("smtpd/1", "secret", "vault/0", "secret smtpd/1"));
}

static void more_vaults_are_shared_out(void **state)
{
    struct outcome o = {0};
    lab_write("two.test", "workers { smtpd 3  vault 3 }\n");
    reload_begin(&lab.world, lab_on_reload, &o);
    RUN_UNTIL(o.times == 1);
    assert_string_equal(o.why, "");
    lab_settle();
    assert_true(are_joined("smtpd/2", "secret", "vault/2", "secret smtpd/2"));
    assert_true(are_joined("smtpd/1", "secret", "vault/1", "secret smtpd/1"));
}

/* How many links of that name a child has had. */
static unsigned count_links(const char *name, const char *link)
{
    const struct child_link *l;
    unsigned n = 0;
    TAILQ_FOREACH (l, &lab_child(name)->links, next)
        n += strcmp(l->name, link) == 0;
    return n;
}

static void tell_lost(const char *name, const char *link)
{
    control_link_lost(lab_child(name)->control, link);
    lab_settle();
}

static void a_link_that_broke_between_two_that_live_is_made_anew(void **state)
{
    static const char *const pairs[][4] = {
        {"smtpd/1", "submit", "qmgr", "submit smtpd/1"},
        {"smtpd/1", "secret", "vault/1", "secret smtpd/1"},
        {"smtpd/1", "sign", "vault/1", "sign smtpd/1"},
        {"webapi/0", "submit", "qmgr", "submit webapi/0"},
        {"webapi/0", "account", "qmgr", "account webapi/0"},
        {"webapi/0", "mailbox", "delivery/local", "mailbox webapi/0"},
        {"qmgr", "mailbox", "delivery/local", "mailbox qmgr"},
        {"webapi/0", "secret", "vault/0", "secret webapi/0"},
        {"hooks", "secret", "vault/0", "secret hooks"},
        {"qmgr", "deliver relay", "delivery/relay", "deliver qmgr"},
        {"qmgr", "deliver direct", "delivery/direct", "deliver qmgr"},
        {"qmgr", "hook", "hooks", "hook qmgr"},
        {"qmgr", "fetch", "hooks", "fetch qmgr"},
        {"delivery/direct", "fetch", "hooks", "fetch delivery/direct"},
    };
    const size_t n = sizeof pairs / sizeof pairs[0];
    lab_wait(1000); /* they were made just now */
    for (size_t i = 0; i < n; i++)
        tell_lost(pairs[i][0], pairs[i][1]);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(count_links(pairs[i][0], pairs[i][1]), 2);
        assert_int_equal(count_links(pairs[i][2], pairs[i][3]), 2);
        assert_true(are_joined(pairs[i][0], pairs[i][1], pairs[i][2], pairs[i][3]));
    }
    assert_int_equal(count_links("smtpd/0", "submit"), 1); /* nobody else is concerned */
    assert_int_equal(count_links("qmgr", "deliver local"), 1);
}

static void a_link_that_breaks_again_and_again_is_made_once_a_second(void **state)
{
    tell_lost("smtpd/0", "submit"); /* it has a new one */
    assert_int_equal(count_links("smtpd/0", "submit"), 1);
    lab_wait(1000);
    for (int i = 0; i < 10; i++)
        tell_lost("smtpd/0", "submit");
    assert_int_equal(count_links("smtpd/0", "submit"), 2);
    tell_lost("smtpd/0", "secret"); /* by itself */
    assert_int_equal(count_links("smtpd/0", "secret"), 2);
    lab_wait(1000);
    tell_lost("smtpd/0", "submit");
    assert_int_equal(count_links("smtpd/0", "submit"), 3);
}

static void only_who_asks_may_have_its_link_back(void **state)
{
    static const char *const names[][2] = {
        {"qmgr", "submit smtpd/0"},    {"vault/0", "secret smtpd/0"},
        {"vault/0", "secret"},         {"hooks", "hook qmgr"},
        {"webapi/0", "sign"},          {"qmgr", "deliver"},
        {"qmgr", "deliver other"},     {"smtpd/0", ""},
        {"smtpd/0", "submit smtpd/1"},
    };
    lab_wait(1000);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        tell_lost(names[i][0], names[i][1]);
    every_edge_has_its_two_ends(state);
    const struct child *c;
    TAILQ_FOREACH (c, &lab.children, next) {
        const struct child_link *l;
        TAILQ_FOREACH (l, &c->links, next)
            assert_int_equal(count_links(c->name, l->name), 1);
    }
    assert_int_equal(lab.kills, 0);
}

static void who_is_not_there_is_linked_when_it_starts(void **state)
{
    lab_wait(1000);
    lab_process("qmgr")->back_off_ms = 300;
    lab_reap(lab_child("qmgr"), 0);
    tell_lost("smtpd/0", "submit");
    assert_int_equal(count_links("smtpd/0", "submit"), 1);
    RUN_UNTIL(lab_child("qmgr") != NULL);
    lab_settle();
    tell_lost("smtpd/0", "submit"); /* the word crossed the new link */
    assert_int_equal(count_links("smtpd/0", "submit"), 2);
    assert_true(are_joined("smtpd/0", "submit", "qmgr", "submit smtpd/0"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_edge_has_its_two_ends),
        TEST(and_they_are_joined),
        TEST(who_starts_anew_is_linked_anew),
        TEST(a_transport_with_the_longest_name_has_its_link),
        TEST(who_asked_a_vault_that_goes_is_linked_to_one_that_stays),
        TEST(more_vaults_are_shared_out),
        TEST(a_link_that_broke_between_two_that_live_is_made_anew),
        TEST(a_link_that_breaks_again_and_again_is_made_once_a_second),
        TEST(only_who_asks_may_have_its_link_back),
        TEST(who_is_not_there_is_linked_when_it_starts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
