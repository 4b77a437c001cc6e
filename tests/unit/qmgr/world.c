#include "world.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "agents.h"
#include "bodies.h"
#include "body.h"
#include "clock.h"
#include "file.h"
#include "hookq.h"
#include "intake.h"
#include "janitor.h"
#include "log.h"
#include "mem.h"
#include "mend.h"
#include "schedule.h"
#include "sweep.h"
#include "tables.h"

#define MAP_MAX (1u << 30)

struct world world;
struct submit_reply world_reply;
char *world_from_ids[WORLD_FROM_IDS];
uint32_t world_from_ids_n;
char *world_heard[WORLD_HEARD];
unsigned world_heard_n;

static struct service *service;

/* ---- the frame ---- */

static const struct CMUnitTest *all_tests;
static size_t all_n;
static int outcome;

static int run_all(struct service *s, struct fail *f)
{
    service = s;
    outcome = _cmocka_run_group_tests("qmgr", all_tests, all_n, NULL, NULL);
    return fail_set(f, "the tests are over");
}

static const struct service_spec spec = {
    .name = "test", .reader = CONF_QMGR, .counters = queue_counters, .start = run_all};

int world_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n)
{
    char uid[32], gid[32];
    char *const arguments[] = {argv[0], (char *)"--name=test", (char *)"--control=0", uid,
                               gid,     (char *)"--dumpable",  (char *)"--seccomp=2", NULL};
    (void)argc;
    (void)snprintf(uid, sizeof uid, "--uid=%d", (int)getuid());
    (void)snprintf(gid, sizeof gid, "--gid=%d", (int)getgid());
    all_tests = tests;
    all_n = n;
    outcome = 1;
    (void)service_main(&spec, 7, (char **)arguments, NULL);
    return outcome;
}

/* ---- the configuration ---- */

static const char configuration[] =
    "hostname mail.example.org\n"
    "domain example.org { catchall-separator \"+\" }\n"
    "account box { address box@example.org }\n"
    "transport relay { submission { host smtp.relay.example  port 587 } }\n";

struct settings *world_settings(const char *more)
{
    struct conf_errors errors;
    struct buf share = {0}, said = {0};
    struct fail f;
    const char *test_clock = strstr(more, "test-clock") == NULL ? "test-clock yes\n" : "";
    char *text = mem_format("%s%s%s", configuration, test_clock, more);
    struct conf *conf = conf_parse("test.conf", span_text(text), &errors);
    conf_errors_print(&errors, &said);
    if (conf == NULL)
        fail_msg("%s", buf_text(&said));
    conf_encode(conf, CONF_QMGR, &share);
    struct conf *ours = conf_decode(buf_span(&share), CONF_QMGR, &f);
    assert_non_null(ours);
    conf_free(&conf);
    conf_errors_free(&errors);
    mem_free(&text);
    buf_free(&share);
    buf_free(&said);
    return settings_new(ours);
}

/* ---- opening and closing ---- */

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    world.late = true;
}

static void rest(void)
{
    const struct timeval patience = {30, 0};
    world.late = false;
    evtimer_add(world.alarm, &patience);
}

static void open_parts(void)
{
    struct queue *q = &world.queue;
    struct fail f;
    q->service = service;
    q->base = service_base(service);
    q->dirfd = open(world.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(q->dirfd >= 0);
    assert_int_equal(fchdir(q->dirfd), 0);
    /* Sanitizers keep books of address space: a terabyte for each test is too much for them. */
    uint64_t map_size = q->settings->map_size < MAP_MAX ? q->settings->map_size : MAP_MAX;
    assert_int_equal(file_make_path(q->dirfd, "store", 0700, &f), 0);
    assert_int_equal(body_make_folders(q->dirfd, &f), 0);
    q->store = store_open("store", table_names, TABLES, map_size, &f);
    if (q->store == NULL || ledger_open(&q->ledger, q->store, q->dirfd, &f) != 0 ||
        (world.sweep = sweep_new(q, &f)) == NULL)
        fail_msg("%s", f.text);
    q->room = true;
    q->bodies = bodies_new(q);
    q->agents = agents_new(q);
    q->schedule = schedule_new(q);
    q->hookq = hookq_new(q);
    q->mend = mend_new(q);
    q->commit = commit_new(q->base, q->store);
    q->worker = worker_new(q->base);
    q->reader = worker_new(q->base);
    world.intake = intake_new(q);
    world.admin = admin_new(q);
    world.janitor = janitor_new(q);
    sweep_begin(world.sweep, 0);
    schedule_look_at(q->schedule, 0);
    hookq_poke(q->hookq, 0);
}

/* As main.c does. */
static void close_parts(void)
{
    struct queue *q = &world.queue;
    worker_free(&q->reader);
    sweep_free(&world.sweep);
    worker_free(&q->worker);
    agents_free(&q->agents);
    commit_free(&q->commit);
    janitor_free(&world.janitor);
    intake_free(&world.intake);
    hookq_free(&q->hookq);
    mend_free(&q->mend);
    admin_free(&world.admin);
    schedule_free(&q->schedule);
    bodies_free(&q->bodies);
    store_close(&q->store);
    file_close(&q->dirfd);
}

static void link_submitter(void)
{
    static const struct ipc_handler only_asks = {NULL, NULL};
    struct fail f;
    int fd[2];
    assert_int_equal(ipc_pair(fd, &f), 0);
    intake_link(world.intake, "smtpd/0", fd[0]);
    world.submitter = ipc_new(world.queue.base, fd[1], "submitter", &only_asks, NULL);
}

static void set_agent(struct agent *g, const char *transport)
{
    g->world = &world;
    g->on_job = agent_keeps;
    (void)snprintf(g->transport, sizeof g->transport, "%s", transport);
    agent_link(g);
}

static void link_peers(void)
{
    link_submitter();
    set_agent(&world.direct, "direct");
    set_agent(&world.local, "local");
    set_agent(&world.relay, "relay");
    world.hooks.on_call = endpoint_keeps;
    endpoint_link(&world.hooks);
}

static unsigned open_fds(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 4096; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

void world_open(const char *more)
{
    log_open("test", getenv("QM_TEST_LOG") != NULL ? LOG_DEBUG_ : (enum log_level)(LOG_ERROR_ + 1));
    memset(&world, 0, sizeof world);
    while (world_heard_n > 0)
        mem_free(&world_heard[--world_heard_n]);
    world.fds = open_fds();
    (void)snprintf(world.folder, sizeof world.folder, "%s/qm-qmgr-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(world.folder));
    world.alarm = evtimer_new(service_base(service), on_alarm, NULL);
    rest();
    world.queue.settings = world_settings(more);
    open_parts();
    link_peers();
}

int world_setup(void **state)
{
    world_open("");
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

int world_teardown(void **state)
{
    world_fill_disk(false);
    if (!world.damaged)
        world_check();
    agent_unlink(&world.direct);
    agent_unlink(&world.local);
    agent_unlink(&world.relay);
    endpoint_unlink(&world.hooks);
    ipc_free(&world.submitter);
    close_parts();
    settings_drop(&world.queue.settings);
    event_free(world.alarm);
    assert_int_equal(open_fds(), world.fds);
    assert_int_equal(chdir("/"), 0);
    return nftw(world.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void world_restart(bool clean)
{
    if (clean) {
        intake_stop(world.intake);
        schedule_stop(world.queue.schedule);
        hookq_stop(world.queue.hookq);
        world_settle();
    }
    ipc_free(&world.submitter);
    close_parts();
    agent_unlink(&world.direct);
    agent_unlink(&world.local);
    agent_unlink(&world.relay);
    endpoint_unlink(&world.hooks);
    open_parts();
    link_submitter();
    agent_link(&world.direct);
    agent_link(&world.local);
    agent_link(&world.relay);
    endpoint_link(&world.hooks);
}

void world_reload(const char *more)
{
    struct settings *before = world.queue.settings;
    world.queue.settings = world_settings(more);
    settings_drop(&before);
    schedule_look_at(world.queue.schedule, 0);
    schedule_forgive(world.queue.schedule);
    schedule_pump(world.queue.schedule);
    hookq_poke(world.queue.hookq, 0);
}

/* ---- time ---- */

void world_settle(void)
{
    struct queue *q = &world.queue;
    rest();
    /* Timers for what is due now have no delay; what crosses a channel or a thread takes a turn or
     * two. */
    for (int quiet = 0; quiet < 30;) {
        (void)event_base_loop(q->base, EVLOOP_NONBLOCK);
        bool busy = commit_waiting(q->commit) > 0 || worker_waiting(q->worker) > 0 ||
                    worker_waiting(q->reader) > 0;
        quiet = busy ? 0 : quiet + 1;
        if (busy)
            (void)usleep(200);
    }
}

static void on_turns_over(evutil_socket_t fd, short what, void *arg)
{
    *(bool *)arg = true;
}

unsigned world_turns(void)
{
    const struct timeval span = {0, 300000};
    bool over = false;
    unsigned turns = 0;
    struct event *e = evtimer_new(world.queue.base, on_turns_over, &over);
    (void)evtimer_add(e, &span);
    for (; !over; turns++)
        (void)event_base_loop(world.queue.base, EVLOOP_ONCE);
    event_free(e);
    return turns;
}

void world_step(int64_t ms)
{
    clock_step(ms);
    /* What waits for a time looks at the clock itself, now and then; here it is told. */
    schedule_look_at(world.queue.schedule, clock_wall_ms());
    hookq_poke(world.queue.hookq, clock_wall_ms());
    world_settle();
}

/* ---- submitting ---- */

struct submit_envelope *world_envelope(const char *sender, const char *first)
{
    struct submit_envelope *e = submit_envelope_new(SUBMIT_SUBMISSION);
    submit_set(&e->account, "world"); /* or nobody hears of it */
    submit_set(&e->sender, sender);
    submit_set(&e->message_id, "<1@b.example>");
    submit_set(&e->subject, "Hello");
    submit_set(&e->client, "192.0.2.1 ESMTPSA");
    if (first != NULL)
        (void)submit_add_recipient(e, first);
    return e;
}

static void on_reply(void *arg, const struct submit_reply *reply)
{
    bool *answered = arg;
    *answered = true;
    for (uint32_t i = 0; i < world_from_ids_n; i++)
        mem_free(&world_from_ids[i]);
    world_from_ids_n = 0;
    mem_free(&world_reply.message_id);
    world_reply = reply == NULL ? (struct submit_reply){.code = 0} : *reply;
    if (world_reply.message_id != NULL)
        world_reply.message_id = mem_text(world_reply.message_id);
    for (uint32_t i = 0; i < world_reply.from_ids_n && i < WORLD_FROM_IDS; i++)
        world_from_ids[world_from_ids_n++] = mem_text(reply->from_ids[i]);
}

uint64_t world_submit(struct submit_envelope *e, const char *message)
{
    struct fail f;
    bool answered = false;
    int body = file_sealed("message", span_text(message), &f);
    assert_true(body >= 0);
    (void)submit_message(world.submitter, e, body, on_reply, &answered);
    (void)close(body);
    submit_envelope_free(&e);
    rest();
    WORLD_UNTIL(answered);
    return world_reply.accepted ? world_reply.id : 0;
}

uint64_t world_send(const char *to)
{
    uint64_t id = world_submit(world_envelope("a@b.example", to), "Subject: Hello\r\n\r\nBody\r\n");
    assert_true(id != 0);
    return id;
}

/* ---- looking into the store ---- */

uint64_t world_rows(unsigned table)
{
    return store_rows(world.queue.store, table);
}

bool world_recipient(uint64_t id, struct rcpt_row *r)
{
    struct key k = key_id(id);
    struct span value;
    struct store_txn *t = store_begin(world.queue.store, false);
    bool there = store_get(t, TABLE_RCPT, key_span(&k), &value) && rcpt_row_read(value, r) == 0;
    store_abort(&t);
    return there;
}

bool world_message(uint64_t id, struct msg_row *m)
{
    struct key k = key_id(id);
    struct span value;
    struct store_txn *t = store_begin(world.queue.store, false);
    bool there = store_get(t, TABLE_MSG, key_span(&k), &value) && msg_row_read(value, m) == 0;
    store_abort(&t);
    return there;
}

bool world_retired(uint64_t id, struct retired_row *r)
{
    struct key k = key_id(id);
    struct span value;
    struct store_txn *t = store_begin(world.queue.store, false);
    bool there =
        store_get(t, TABLE_RETIRED, key_span(&k), &value) && retired_row_read(value, r) == 0;
    store_abort(&t);
    return there;
}

/* An event's place in time: keys have the account before it. */
struct told {
    uint64_t cursor;
    char letter;
};

static int by_cursor(const void *a, const void *b)
{
    const struct told *x = a, *y = b;
    return x->cursor < y->cursor ? -1 : x->cursor > y->cursor;
}

char *world_events(uint64_t id)
{
    static const char letters[EVENT_TYPES + 1] = "ADLFCHRSYEUIX";
    struct told *told = NULL;
    size_t n = 0;
    struct buf b = {0};
    struct store_txn *t = store_begin(world.queue.store, false);
    struct store_cursor c = store_cursor(t, TABLE_EVENT);
    for (bool at = store_seek(&c, (struct span){0}); at; at = store_next(&c)) {
        struct event_item e;
        uint64_t account, cursor;
        assert_int_equal(key_read_event(c.key, &account, &cursor), 0);
        assert_int_equal(event_row_read(c.value, &e), 0);
        if (e.recipient == id) {
            told = mem_resize(told, (n + 1) * sizeof *told);
            told[n++] = (struct told){cursor, letters[e.type]};
        }
        event_item_clear(&e);
    }
    store_cursor_close(&c);
    store_abort(&t);
    if (n > 0)
        qsort(told, n, sizeof *told, by_cursor);
    for (size_t i = 0; i < n; i++)
        buf_putc(&b, told[i].letter);
    mem_free(&told);
    return buf_take_text(&b);
}

struct buf world_body(uint64_t id)
{
    struct msg_row m;
    struct buf b = {0};
    struct fail f;
    assert_true(world_message(id, &m));
    struct store_txn *t = store_begin(world.queue.store, false);
    if (body_head(t, world.queue.dirfd, id, &m, m.size, &b, &f) != 0)
        fail_msg("%s", f.text);
    store_abort(&t);
    msg_row_clear(&m);
    return b;
}

void world_check(void)
{
    struct consist c;
    world_settle();
    consist_check(world.queue.store, world.queue.dirfd, &c);
    if (c.problems > 0)
        fail_msg("%u problems:\n%s", c.problems, buf_text(&c.report));
    consist_clear(&c);
}

void world_expect_empty(void)
{
    static const unsigned tables[] = {TABLE_MSG,  TABLE_RCPT, TABLE_DUE,    TABLE_DEST,
                                      TABLE_BODY, TABLE_HOOK, TABLE_HOOKDUE};
    struct consist c;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (world_rows(tables[i]) != 0)
            fail_msg("%llu rows are left in %s", (unsigned long long)world_rows(tables[i]),
                     table_names[tables[i]]);
    }
    consist_check(world.queue.store, world.queue.dirfd, &c);
    assert_int_equal(c.problems, 0);
    assert_int_equal(c.files, 0);
    consist_clear(&c);
}

/* A change of the test's own, so that the one thread that writes does it. */
struct damage {
    struct change change;
    unsigned table;
    struct span key, value;
    bool *done;
};

static void apply_damage(struct change *change, struct store_txn *t)
{
    struct damage *d = (struct damage *)change;
    if (d->value.p == NULL)
        (void)store_delete(t, d->table, d->key);
    else
        store_put(t, d->table, d->key, d->value);
}

static void damage_done(struct change *change, const char *why)
{
    struct damage *d = (struct damage *)change;
    assert_null(why);
    *d->done = true;
    mem_free(&d);
}

void world_damage(unsigned table, struct span key, struct span value)
{
    bool done = false;
    struct damage *d = mem_zero(sizeof *d);
    *d = (struct damage){{.apply = apply_damage, .done = damage_done}, table, key, value, &done};
    commit_add(world.queue.commit, &d->change);
    rest();
    WORLD_UNTIL(done);
}

/* LMDB writes a transaction's pages through one descriptor and what names them, synchronously,
 * through another, which is let be. */
static int pages_fd(void)
{
    for (int fd = 0; fd < 4096; fd++) {
        char link[40], path[200];
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, sizeof path - 1);
        int flags = fcntl(fd, F_GETFL);
        if (n < 9 || memcmp(path + n - 9, "/data.mdb", 9) != 0 || (flags & O_DSYNC) != 0)
            continue;
        return fd;
    }
    fail_msg("the store is not open");
    return -1;
}

void world_fill_disk(bool full)
{
    if (full) {
        int no_room = open("/dev/full", O_RDWR | O_CLOEXEC);
        world.pages_at = pages_fd();
        world.pages_fd = fcntl(world.pages_at, F_DUPFD_CLOEXEC, 0);
        assert_true(no_room >= 0 && world.pages_fd >= 0);
        assert_int_equal(dup3(no_room, world.pages_at, O_CLOEXEC), world.pages_at);
        (void)close(no_room);
    } else if (world.pages_fd > 0) {
        assert_int_equal(dup3(world.pages_fd, world.pages_at, O_CLOEXEC), world.pages_at);
        (void)close(world.pages_fd);
        world.pages_fd = 0;
    }
}

uint64_t world_send_many(const char *domain, unsigned n)
{
    struct submit_envelope *e = world_envelope("", NULL); /* nobody is to be told */
    for (unsigned i = 0; i < n; i++) {
        char address[100];
        (void)snprintf(address, sizeof address, "r%u@%s", i, domain);
        (void)submit_add_recipient(e, address);
    }
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    assert_true(id != 0);
    return id;
}

uint64_t world_notice(struct buf *body)
{
    struct store_txn *t = store_begin(world.queue.store, false);
    struct store_cursor c = store_cursor(t, TABLE_MSG);
    uint64_t id, found = 0;
    for (bool at = store_seek(&c, (struct span){0}); at; at = store_next(&c)) {
        struct msg_row m;
        assert_int_equal(msg_row_read(c.value, &m), 0);
        assert_int_equal(key_read_id(c.key, &id), 0);
        if (m.envelope->origin == SUBMIT_DSN) {
            assert_int_equal(found, 0);
            assert_string_equal(m.envelope->sender, "");
            found = id;
        }
        msg_row_clear(&m);
    }
    store_cursor_close(&c);
    store_abort(&t);
    if (found != 0 && body != NULL)
        *body = world_body(found);
    return found;
}
