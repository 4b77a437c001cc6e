/* qmgr: the process that owns the queue. Everything it does is done through the store; what it
 * knows in memory can be rebuilt from there. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "admin.h"
#include "agents.h"
#include "bodies.h"
#include "body.h"
#include "file.h"
#include "eventlog.h"
#include "fromid.h"
#include "hookq.h"
#include "intake.h"
#include "janitor.h"
#include "log.h"
#include "mailcheck.h"
#include "mem.h"
#include "mend.h"
#include "queue.h"
#include "room.h"
#include "schedule.h"
#include "stsrefresh.h"
#include "sweep.h"
#include "tables.h"

#define STOP_TIMEOUT_S 8 /* of the ten that master gives everyone */
#define STOP_HOOKS_S 2   /* of these, for webhooks */

struct qmgr {
    struct queue queue;
    struct intake *intake;
    struct account *account;
    struct admin *admin;
    struct janitor *janitor;
    struct sweep *sweep;
    struct stsrefresh *stsrefresh;
    struct mailcheck *mailcheck;
    struct event *stopping;
    int admin_fd; /* of the configuration being prepared */
    int64_t admin_uid, admin_gid;
    int polls;
};

static int open_store(struct qmgr *m, uint64_t map_size, struct fail *f)
{
    struct queue *q = &m->queue;
    if (file_make_path(q->dirfd, "store", 0700, f) != 0 || body_make_folders(q->dirfd, f) != 0)
        return -1;
    q->store = store_open("store", table_names, TABLES, map_size, f);
    if (q->store == NULL || ledger_open(&q->ledger, q->store, q->dirfd, f) != 0)
        return -1;
    m->sweep = sweep_new(q, f);
    return m->sweep == NULL ? -1 : 0;
}

/* All of this needs a store that opened; it lives as long as the process. */
static void open_parts(struct qmgr *m)
{
    struct queue *q = &m->queue;
    q->room = true; /* until a look at the disk says otherwise */
    q->ledger.whole_addresses = q->settings->localserve;
    q->bodies = bodies_new(q);
    q->agents = agents_new(q);
    q->schedule = schedule_new(q);
    q->hookq = hookq_new(q);
    q->mend = mend_new(q);
    q->commit = commit_new(q->base, q->store);
    q->worker = worker_new(q->base);
    q->reader = worker_new(q->base);
    m->intake = intake_new(q);
    m->account = account_new(q);
    q->eventlog = eventlog_new(q);
    m->admin = admin_new(q);
    m->janitor = janitor_new(q);
    sweep_begin(m->sweep, SWEEP_SLICE_US);
    m->stsrefresh = stsrefresh_new(q);
    m->mailcheck = mailcheck_new(q);
}

static int init(struct service *s, struct fail *f)
{
    return fromid_init(f);
}

static int start(struct service *s, struct fail *f)
{
    struct qmgr *m = service_user(s);
    m->queue.service = s;
    m->queue.base = service_base(s);
    m->queue.dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return m->queue.dirfd >= 0 ? 0 : fail_errno(f, "cannot open the queue's folder");
}

static void *prepare(struct service *s, struct conf *conf, struct service_hand *hands,
                     size_t hands_n, struct fail *f)
{
    struct qmgr *m = service_user(s);
    uint64_t map_size = conf_size(conf_child(conf_root(conf), "queue"), "map-size");
    if (m->queue.store == NULL && open_store(m, map_size, f) != 0)
        return NULL;
    for (size_t i = 0; i < hands_n; i++) {
        long long uid, gid;
        if (sscanf(hands[i].purpose, "admin %lld %lld", &uid, &gid) != 2) {
            (void)fail_set(f, "a descriptor for an unknown purpose: %s", hands[i].purpose);
            return NULL;
        }
        file_close(&m->admin_fd);
        m->admin_fd = hands[i].fd;
        hands[i].fd = -1;
        m->admin_uid = uid;
        m->admin_gid = gid;
    }
    return settings_new(conf);
}

static void commit_settings(struct service *s, void *state, void *old)
{
    struct qmgr *m = service_user(s);
    struct settings *before = old;
    m->queue.settings = state;
    if (before == NULL)
        open_parts(m);
    if (m->admin_fd >= 0) {
        admin_listen(m->admin, m->admin_fd);
        m->admin_fd = -1;
    }
    admin_trust(m->admin, m->admin_uid, m->admin_gid);
    room_look(&m->queue);
    if (before != NULL && before->map_size != m->queue.settings->map_size)
        log_warn(NULL, "a changed map-size needs a restart");
    settings_drop(&before);
    schedule_look_at(m->queue.schedule, 0);
    schedule_forgive(m->queue.schedule);
    schedule_pump(m->queue.schedule);
    hookq_poke(m->queue.hookq, 0);
}

static void discard(struct service *s, void *state)
{
    struct qmgr *m = service_user(s);
    struct settings *settings = state;
    file_close(&m->admin_fd);
    settings_drop(&settings);
}

static void on_link(struct service *s, const char *name, int fd)
{
    struct qmgr *m = service_user(s);
    if (strncmp(name, "submit ", 7) == 0)
        intake_link(m->intake, name + 7, fd);
    else if (strncmp(name, "account ", 8) == 0)
        account_link(m->account, name + 8, fd);
    else if (strncmp(name, "deliver ", 8) == 0)
        agents_link(m->queue.agents, name + 8, fd);
    else if (strcmp(name, "hook") == 0)
        hookq_link(m->queue.hookq, fd);
    else if (strcmp(name, "fetch") == 0)
        stsrefresh_link(m->stsrefresh, fd);
    else if (strcmp(name, "mailbox") == 0)
        mailcheck_link(m->mailcheck, fd);
    else {
        log_error(NULL, "unknown link", LS("name", name));
        (void)close(fd);
    }
}

/* Deliveries under way get their time; whatever has not ended by then is tried again after the next
 * start. */
static void on_stopping(evutil_socket_t fd, short what, void *arg)
{
    struct qmgr *m = arg;
    /* A webhook that is called a second time does no harm; a message that is sent twice does. */
    bool called = hookq_inflight(m->queue.hookq) == 0 || m->polls > STOP_HOOKS_S * 20;
    bool idle = schedule_trying(m->queue.schedule) == 0 && called &&
                commit_waiting(m->queue.commit) == 0 && worker_waiting(m->queue.worker) == 0;
    if (idle || ++m->polls > STOP_TIMEOUT_S * 20)
        service_done(m->queue.service);
}

static void on_stop(struct service *s)
{
    struct qmgr *m = service_user(s);
    const struct timeval interval = {0, 50000};
    if (m->queue.settings == NULL) {
        service_done(s);
        return;
    }
    intake_stop(m->intake);
    schedule_stop(m->queue.schedule);
    hookq_stop(m->queue.hookq);
    stsrefresh_stop(m->stsrefresh);
    mailcheck_stop(m->mailcheck);
    m->stopping = event_new(m->queue.base, -1, EV_PERSIST, on_stopping, m);
    (void)event_add(m->stopping, &interval);
}

static const char *const syscalls[] = {
    "openat",     "mkdirat",         "unlinkat",  "fsync",  "fdatasync", "fstatfs", "statfs",
    "getdents64", "accept4",         "msync",     "flock",  "clone",     "clone3",  "pwritev",
    "renameat",   "set_tid_address", "getcwd",    "access", "open",      "mkdir",   "mlock",
    "munlock",    "mincore",         "fallocate", NULL,
};

static const struct service_spec spec = {
    .name = "qmgr",
    .reader = CONF_QMGR,
    .syscalls = syscalls,
    .counters = queue_counters,
    .init = init,
    .start = start,
    .prepare = prepare,
    .commit = commit_settings,
    .discard = discard,
    .on_link = on_link,
    .on_stop = on_stop,
};

/* The threads end before what their last works and changes speak to. The worker is first, since a
 * message that it has written goes on to the commit; then the agents, whose unanswered jobs are
 * written down as deferred. */
static void close_parts(struct qmgr *m)
{
    struct queue *q = &m->queue;
    worker_free(&q->reader);
    sweep_free(&m->sweep);
    worker_free(&q->worker);
    agents_free(&q->agents);
    mailcheck_stop(m->mailcheck);
    commit_free(&q->commit);
    mailcheck_free(&m->mailcheck);
    janitor_free(&m->janitor);
    stsrefresh_free(&m->stsrefresh);
    intake_free(&m->intake);
    eventlog_free(&q->eventlog);
    account_free(&m->account);
    hookq_free(&q->hookq);
    mend_free(&q->mend);
    admin_free(&m->admin);
    schedule_free(&q->schedule);
    bodies_free(&q->bodies);
    store_close(&q->store);
    settings_drop(&q->settings);
    file_close(&q->dirfd);
}

int main(int argc, char **argv)
{
    struct qmgr m = {.admin_fd = -1, .queue = {.dirfd = -1}};
    int code = service_main(&spec, argc, argv, &m);
    close_parts(&m);
    return code;
}
