#include "world.h"

#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.h"
#include "clock.h"
#include "mem.h"
#include "tables.h"

/* Operators that ask and wait, in a thread of their own, over a real socket. */

static char path[80];

static void listen_for_operators(int64_t uid, int64_t gid)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    (void)snprintf(path, sizeof path, "%s/admin.sock", world.folder);
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(chmod(world.folder, 0755), 0);
    assert_int_equal(listen(fd, 50), 0);
    admin_listen(world.admin, fd);
    admin_trust(world.admin, uid, gid);
}

/* What an operator does; rc and f are what came of it. */
struct operator_ {
    void (*run)(struct operator_ *o);
    int rc, fd;
    struct fail f;
    bool ended;
    struct admin_query query;
    struct admin_page page;
    struct admin_item item;
    struct admin_counts counts;
    struct admin_hook_page hooks;
    uint64_t id, count;
    bool retired, dry;
    enum admin_action action;
    struct admin_terms terms;
    struct admin_hold_rule rule;
};

static void *run(void *arg)
{
    struct operator_ *o = arg;
    o->fd = ipc_connect(path, &o->f);
    if (o->fd >= 0)
        o->run(o);
    else
        o->rc = -1;
    (void)close(o->fd);
    __atomic_store_n(&o->ended, true, __ATOMIC_RELEASE);
    return NULL;
}

static void operate(struct operator_ *o, void (*how)(struct operator_ *o))
{
    pthread_t thread;
    o->run = how;
    o->ended = false;
    assert_int_equal(pthread_create(&thread, NULL, run, o), 0);
    while (!__atomic_load_n(&o->ended, __ATOMIC_ACQUIRE)) {
        (void)event_base_loop(world.queue.base, EVLOOP_NONBLOCK);
        (void)usleep(200);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    world_settle();
}

static void do_list(struct operator_ *o)
{
    o->rc = admin_ask_list(o->fd, o->retired, &o->query, &o->page, &o->f);
}

static void do_show(struct operator_ *o)
{
    o->rc = admin_ask_show(o->fd, o->retired, o->id, &o->item, &o->f);
}

static void do_act(struct operator_ *o)
{
    o->rc = admin_ask_act(o->fd, o->action, &o->terms, &o->query.filter, o->dry, &o->count, &o->f);
}

static void do_hold_add(struct operator_ *o)
{
    o->rc = admin_ask_hold_add(o->fd, &o->rule, &o->id, &o->count, &o->f);
}

static void do_hold_list(struct operator_ *o)
{
    struct admin_hold_rules rules;
    o->rc = admin_ask_hold_rules(o->fd, &rules, &o->f);
    if (o->rc == 0) {
        o->count = rules.rules_n;
        admin_hold_rules_clear(&rules);
    }
}

static void do_hold_remove(struct operator_ *o)
{
    o->rc = admin_ask_hold_remove(o->fd, o->id, &o->f);
}

static void do_counts(struct operator_ *o)
{
    o->rc = admin_ask_counts(o->fd, &o->counts, &o->f);
}

static void do_hooks(struct operator_ *o)
{
    o->rc = admin_ask_hooks(o->fd, o->retired, &o->query, &o->hooks, &o->f);
}

static uint64_t send_many(unsigned n, const char *subject)
{
    struct submit_envelope *e = world_envelope("a@b.example", NULL);
    submit_set(&e->subject, subject);
    for (unsigned i = 0; i < n; i++) {
        char address[40];
        (void)snprintf(address, sizeof address, "r%u@d.example", i);
        (void)submit_add_recipient(e, address);
    }
    e->not_before_ms = clock_wall_ms() + 3600000;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    assert_true(id != 0);
    return id;
}

static void test_pages_follow_each_other_without_gap_or_overlap(void **state)
{
    uint64_t first = send_many(1234, "Hello"), next = first, pages = 0;
    struct operator_ o = {.query.limit = 100};
    listen_for_operators(geteuid(), -1);
    do {
        operate(&o, do_list);
        assert_int_equal(o.rc, 0);
        for (uint32_t i = 0; i < o.page.rows_n; i++)
            assert_true(o.page.rows[i].id == next++);
        o.query.after = o.page.next;
        pages++;
        admin_page_clear(&o.page);
    } while (o.query.after.id != 0);
    assert_true(next == first + 1234);
    assert_true(pages >= 13 && pages < 20);
}

static void test_long_rows_make_short_pages(void **state)
{
    char *subject = mem_alloc(8001);
    memset(subject, 's', 8000);
    subject[8000] = '\0';
    uint64_t first = send_many(50, subject), next = first;
    struct operator_ o = {.query.limit = ADMIN_PAGE_MAX};
    listen_for_operators(geteuid(), -1);
    do {
        operate(&o, do_list);
        assert_int_equal(o.rc, 0);
        assert_true(o.page.rows_n <= 4); /* as many as go inline */
        for (uint32_t i = 0; i < o.page.rows_n; i++)
            assert_true(o.page.rows[i].id == next++);
        o.query.after = o.page.next;
        admin_page_clear(&o.page);
    } while (o.query.after.id != 0);
    assert_true(next == first + 50);
    mem_free(&subject);
}

static void test_ids_are_found_without_going_through_the_queue(void **state)
{
    uint64_t first = send_many(20000, "Hello");
    uint64_t ids[] = {first + 19999, 1, first + 5, UINT64_MAX, first + 12000};
    struct operator_ o = {
        .query = {.limit = 100, .sort = ADMIN_BY_ID, .filter = {.ids = ids, .ids_n = 5}}};
    listen_for_operators(geteuid(), -1);
    operate(&o, do_list);
    assert_int_equal(o.rc, 0);
    assert_int_equal(o.page.rows_n, 3); /* in one page: a walk would have ended at 5000 rows */
    assert_true(o.page.next.id == 0);
    assert_true(o.page.rows[0].id == first + 5);
    assert_true(o.page.rows[2].id == first + 19999);
    admin_page_clear(&o.page);
    o.dry = true;
    o.action = ADMIN_HOLD;
    operate(&o, do_act);
    assert_int_equal(o.rc, 0);
    assert_int_equal(o.count, 3);
    o.query.filter.messages = true;
    ids[0] = first;
    operate(&o, do_act);
    assert_int_equal(o.count, 20000);
}

static void test_one_recipient_is_shown_with_its_history(void **state)
{
    world.direct.on_job = agent_defers;
    uint64_t id = world_send("c@d.example");
    world_settle();
    struct operator_ o = {.id = id};
    listen_for_operators(geteuid(), -1);
    operate(&o, do_show);
    assert_int_equal(o.rc, 0);
    assert_string_equal(o.item.row.recipient, "c@d.example");
    assert_int_equal(o.item.attempts_n, 1);
    assert_string_equal(o.item.attempts[0].reply, "451 4.7.1 try later");
    assert_string_equal(o.item.row.last, "451 4.7.1 try later");
    admin_item_clear(&o.item);
    o.id = id + 1;
    operate(&o, do_show);
    assert_int_equal(o.rc, -1);
    assert_string_equal(o.f.text, "no such recipient in the queue");
    o.id = id;
    o.retired = true;
    operate(&o, do_show);
    assert_int_equal(o.rc, -1);
    o.action = ADMIN_DROP;
    operate(&o, do_act);
    assert_int_equal(o.rc, 0);
    assert_int_equal(o.count, 1);
    operate(&o, do_show);
    assert_int_equal(o.rc, 0);
    assert_false(o.item.row.success);
    admin_item_clear(&o.item);
    o.query.limit = 10;
    operate(&o, do_list);
    assert_int_equal(o.page.rows_n, 1);
    admin_page_clear(&o.page);
}

static void test_counts_count(void **state)
{
    uint64_t id = send_many(10, "Hello");
    world.direct.on_job = agent_keeps;
    (void)world_send("x@y.example");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    struct operator_ o = {.action = ADMIN_HOLD, .query.filter = {.ids = &id, .ids_n = 1}};
    listen_for_operators(geteuid(), -1);
    operate(&o, do_act);
    operate(&o, do_counts);
    assert_int_equal(o.rc, 0);
    assert_int_equal(o.counts.messages, 2);
    assert_int_equal(o.counts.recipients, 11);
    assert_int_equal(o.counts.held, 1);
    assert_int_equal(o.counts.due, 10);
    assert_int_equal(o.counts.trying, 1);
    assert_true(o.counts.bytes_used > 0);
}

static void test_hold_rules_are_made_listed_and_removed(void **state)
{
    (void)send_many(1200, "Hello");
    struct operator_ o = {.rule.domain = (char *)"d.example"};
    listen_for_operators(geteuid(), -1);
    operate(&o, do_hold_add);
    assert_int_equal(o.rc, 0);
    assert_int_equal(o.count, 1200);
    uint64_t rule = o.id;
    assert_true(rule != 0);
    assert_int_equal(world_rows(TABLE_HELD), 1200);
    (void)world_send("c@d.example");
    world_settle();
    assert_int_equal(world_rows(TABLE_HELD), 1201);
    operate(&o, do_hold_list);
    assert_int_equal(o.rc, 0);
    assert_int_equal(o.count, 1);
    o.id = rule;
    operate(&o, do_hold_remove);
    assert_int_equal(o.rc, 0);
    operate(&o, do_hold_remove);
    assert_int_equal(o.rc, -1);
    assert_string_equal(o.f.text, "no such hold rule");
    operate(&o, do_hold_list);
    assert_int_equal(o.count, 0);
    assert_int_equal(world_rows(TABLE_HELD), 1201);
}

static void test_a_transport_that_does_not_exist_cannot_be_chosen(void **state)
{
    static const struct {
        const char *name;
        int rc;
    } cases[] = {{"relay", 0},    {"direct", 0}, {"", 0},
                 {"nowhere", -1}, {"local", -1}, {"Relay", -1}};
    struct operator_ o = {.action = ADMIN_TRANSPORT};
    (void)send_many(2, "Hello");
    listen_for_operators(geteuid(), -1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        o.terms.transport = (char *)cases[i].name;
        operate(&o, do_act);
        assert_int_equal(o.rc, cases[i].rc);
        if (o.rc == 0)
            assert_int_equal(o.count, 2);
        else
            assert_memory_equal(o.f.text, "no such transport: ", 19);
    }
    o.terms.transport = (char *)"nowhere";
    o.dry = true; /* a preview says so, too */
    operate(&o, do_act);
    assert_int_equal(o.rc, -1);
}

static void test_what_the_message_came_with_is_shown_before_and_after(void **state)
{
    struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
    struct operator_ o = {.action = ADMIN_REQUIRE_TLS, .terms.tls = ADMIN_TLS_REQUIRED};
    int64_t at = e->not_before_ms = clock_wall_ms() + 3600000;
    submit_add_extra(e, "order", "1042");
    e->flags = SUBMIT_TLS_OPTIONAL;
    o.id = world_submit(e, "Subject: x\r\n\r\n");
    listen_for_operators(geteuid(), -1);
    operate(&o, do_act);
    assert_int_equal(o.count, 1);
    for (int i = 0; i < 2; i++) {
        operate(&o, do_show);
        assert_int_equal(o.rc, 0);
        assert_true(o.item.not_before_ms == at);
        assert_int_equal(o.item.flags, SUBMIT_REQUIRE_TLS);
        assert_int_equal(o.item.extra_n, 1);
        assert_string_equal(o.item.extra[0].key, "order");
        assert_string_equal(o.item.extra[0].value, "1042");
        admin_item_clear(&o.item);
        o.action = ADMIN_DROP;
        operate(&o, do_act);
        o.retired = true;
    }
}

/* ---- who may ---- */

/* Asks everything as another user; the exit code tells what was allowed: a bit each for list,
 * counts, show, act, hooks, and three of hold rules. */
static int ask_as(uid_t uid, gid_t gid, gid_t extra)
{
    struct operator_ o = {.query.limit = 10, .id = 1};
    int allowed = 0;
    struct fail f;
    if (setgroups(1, &extra) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return 99;
    o.fd = ipc_connect(path, &f);
    if (o.fd < 0)
        return 98;
    void (*const what[])(struct operator_ *) = {
        do_list, do_counts, do_show, do_act, do_hooks, do_hold_list, do_hold_add, do_hold_remove};
    for (int i = 0; i < 8; i++) {
        what[i](&o);
        if (o.rc == 0 || strcmp(o.f.text, "permission denied") != 0)
            allowed |= 1 << i;
    }
    return allowed;
}

static int allowed_to(uid_t uid, gid_t gid, gid_t extra)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(ask_as(uid, gid, extra));
    while (waitpid(pid, &status, WNOHANG) == 0) {
        (void)event_base_loop(world.queue.base, EVLOOP_NONBLOCK);
        (void)usleep(200);
    }
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_who_may_ask_what(void **state)
{
    if (geteuid() != 0) {
        print_message(
            "SKIPPED: only root can become other users; run the tests as root to try it\n");
        skip();
    }
    listen_for_operators(5555, 7777);
    const int all = 255, some = 3; /* list and counts */
    assert_int_equal(allowed_to(0, 0, 0), all);
    assert_int_equal(allowed_to(5555, 1, 1), all);    /* who runs the suite */
    assert_int_equal(allowed_to(1234, 7777, 1), all); /* the admin group */
    assert_int_equal(allowed_to(1234, 1, 7777), all); /* as one of several */
    assert_int_equal(allowed_to(1234, 1, 1), some);
    assert_int_equal(allowed_to(7777, 5555, 5555), some); /* a uid is no gid */
    admin_trust(world.admin, 5555, -1);
    assert_int_equal(allowed_to(1234, 7777, 7777), some);
}

/* ---- who asks and does not read ---- */

static void do_flood(struct operator_ *o)
{
    struct buf b = {0};
    admin_filter_put(&b, &o->query.filter);
    wire_put_u8(&b, 0);
    wire_put_bool(&b, false);
    wire_put_i64(&b, 0);
    wire_put_u64(&b, 0);
    wire_put_u32(&b, 500);
    static const struct ipc_handler only_asks = {NULL, NULL};
    struct event_base *base = event_base_new();
    struct ipc *ch = ipc_new(base, dup(o->fd), "flood", &only_asks, NULL);
    for (int i = 0; i < 2000; i++)
        ipc_notify(ch, MSG_ADMIN_QUEUE_LIST, buf_span(&b), NULL, 0);
    o->count = ipc_unsent(ch);
    /* Until the other side has had enough and shows us out. */
    struct pollfd gone = {.fd = o->fd, .events = POLLRDHUP};
    (void)poll(&gone, 1, 20000);
    char octet;
    ssize_t got;
    while ((got = recv(o->fd, &octet, 1, 0)) > 0)
        o->id++;
    o->rc = (int)got;
    ipc_free(&ch);
    event_base_free(base);
    buf_free(&b);
}

static void test_who_asks_without_reading_is_shown_out(void **state)
{
    (void)send_many(600, "Hello");
    struct operator_ o = {.query.limit = 500};
    listen_for_operators(geteuid(), -1);
    operate(&o, do_flood);
    assert_true(o.rc <= 0);
    assert_true(o.id < 300); /* answers that were waiting in the socket, and no more */
    struct operator_ other = {.query.limit = 1};
    operate(&other, do_list);
    assert_int_equal(other.rc, 0);
    admin_page_clear(&other.page);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_pages_follow_each_other_without_gap_or_overlap),
        WORLD_TEST(test_long_rows_make_short_pages),
        WORLD_TEST(test_ids_are_found_without_going_through_the_queue),
        WORLD_TEST(test_one_recipient_is_shown_with_its_history),
        WORLD_TEST(test_counts_count),
        WORLD_TEST(test_hold_rules_are_made_listed_and_removed),
        WORLD_TEST(test_a_transport_that_does_not_exist_cannot_be_chosen),
        WORLD_TEST(test_what_the_message_came_with_is_shown_before_and_after),
        WORLD_TEST(test_who_may_ask_what),
        WORLD_TEST(test_who_asks_without_reading_is_shown_out),
    };
    return WORLD_MAIN(argc, argv, tests);
}
