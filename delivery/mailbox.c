#include "mailbox.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "boxop.h"
#include "file.h"
#include "log.h"
#include "maildir.h"
#include "mem.h"

#define AT_ONCE 8  /* requests under way, of a few descriptors each */
#define COPIES 512 /* the time until a client asks again is short beside that of so many */

struct peer {
    LIST_ENTRY(peer) next;
    struct mailbox *mailbox;
    struct ipc *channel;
    uint64_t number;
    char name[48];
};

struct mailbox {
    struct agent *agent;
    LIST_HEAD(, peer) peers;
    TAILQ_HEAD(, boxop) ops; /* the first AT_ONCE are under way */
    struct event *turn;
    struct boxnames_store *names; /* of folders that were listed lately */
    struct event *tidy;
    uint64_t last_number;
    uint64_t copies[COPIES]; /* numbers of the latest that were to be stored; 0: none */
    unsigned copies_at;
};

static const struct {
    uint16_t type;
    boxop_step *first;
} types[] = {
    {MSG_MAILBOX_FIND, boxop_find},       {MSG_MAILBOX_FLAGS, boxop_flags},
    {MSG_MAILBOX_MOVE, boxop_move},       {MSG_MAILBOX_DELETE, boxop_delete},
    {MSG_MAILBOX_STORE, boxop_store},     {MSG_MAILBOX_LIST, boxop_list},
    {MSG_MAILBOX_FOLDERS, boxop_folders}, {MSG_MAILBOX_CHECK, boxop_check},
};

static void answer(struct mailbox *m, uint64_t number, uint64_t request, struct mailbox_answer *a)
{
    struct peer *p;
    LIST_FOREACH (p, &m->peers, next) {
        if (p->number == number)
            mailbox_reply(p->channel, request, a);
    }
}

/* By a timer, so that whatever else is ready has its turn in between. */
static void go_on(struct mailbox *m)
{
    const struct timeval now = {0, 0};
    if (!TAILQ_EMPTY(&m->ops))
        (void)evtimer_add(m->turn, &now);
}

static bool is_same_copy(const struct boxop *a, const struct boxop *b)
{
    return a->r.type == MSG_MAILBOX_STORE && b->r.type == MSG_MAILBOX_STORE && a->r.number != 0 &&
           a->r.number == b->r.number && strcmp(a->r.account, b->r.account) == 0;
}

/* Whether what it may find is being stored by another just now. */
static bool has_to_wait(const struct mailbox *m, const struct boxop *op)
{
    const struct boxop *before;
    TAILQ_FOREACH (before, &m->ops, next) {
        if (before == op)
            return false;
        if (is_same_copy(before, op))
            return true;
    }
    return false;
}

/* Each list begins anew the time that names are kept for. */
static void tidy_later(struct mailbox *m)
{
    const struct timeval age = {BOXNAMES_AGE_MS / 1000 + 1, 0};
    (void)evtimer_add(m->tidy, &age);
}

static void on_tidy(evutil_socket_t fd, short what, void *arg)
{
    struct mailbox *m = arg;
    if (boxnames_tidy(m->names))
        tidy_later(m);
}

/* One that another has gone before in the queue keeps its place: those at the head are done in
 * turns, and make room. */
static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct mailbox *m = arg;
    struct boxop *op, *next;
    int n = 0;
    TAILQ_FOREACH_SAFE (op, &m->ops, next, next) {
        if (n++ == AT_ONCE)
            break;
        if (has_to_wait(m, op) || !op->step(op))
            continue;
        answer(m, op->peer, op->request, &op->a);
        if (op->r.type == MSG_MAILBOX_LIST)
            tidy_later(m);
        if (op->r.type == MSG_MAILBOX_STORE && op->folder.tmp >= 0)
            maildir_sweep(m->agent, &op->folder, op->r.account, op->r.folder);
        TAILQ_REMOVE(&m->ops, op, next);
        boxop_free(&op);
    }
    go_on(m);
}

struct mailbox *mailbox_new(struct agent *a)
{
    struct mailbox *m = mem_zero(sizeof *m);
    m->agent = a;
    LIST_INIT(&m->peers);
    TAILQ_INIT(&m->ops);
    m->turn = evtimer_new(a->base, on_turn, m);
    m->names = boxnames_store_new(BOXNAMES_MAX);
    m->tidy = evtimer_new(a->base, on_tidy, m);
    assert(m->turn != NULL && m->tidy != NULL);
    return m;
}

static void free_peer(struct peer *p)
{
    LIST_REMOVE(p, next);
    ipc_free(&p->channel);
    mem_free(&p);
}

void mailbox_free(struct mailbox **mp)
{
    struct mailbox *m = *mp;
    struct boxop *op;
    struct peer *p;
    if (m == NULL)
        return;
    while ((op = TAILQ_FIRST(&m->ops)) != NULL) {
        TAILQ_REMOVE(&m->ops, op, next);
        boxop_free(&op);
    }
    while ((p = LIST_FIRST(&m->peers)) != NULL)
        free_peer(p);
    boxnames_store_free(&m->names);
    event_free(m->turn);
    event_free(m->tidy);
    mem_free(mp);
}

/* What is stored may be the first that the account has. */
static int open_account(const struct mailbox_request *r, struct fail *f)
{
    struct boxfolder inbox;
    if (r->type != MSG_MAILBOX_STORE || !(r->make || r->folder[0] == '\0'))
        return boxfolder_account(r->account, f);
    if (boxfolder_make_inbox(&inbox, r->account, f) != 0)
        return -1;
    int account = inbox.dir;
    inbox.dir = -1;
    boxfolder_close(&inbox);
    return account;
}

/* What to say of a mailbox that cannot be opened: one that nothing was ever delivered to has
 * nothing. */
static enum mailbox_result result_without(const struct mailbox_request *r, const struct fail *why)
{
    int error = errno;
    if (error != ENOENT || !boxname_is_account(r->account)) {
        log_error(NULL, "mailbox cannot be opened", LS("account", r->account),
                  LS("why", why->text));
        return MAILBOX_UNAVAILABLE;
    }
    switch (r->type) {
    case MSG_MAILBOX_FOLDERS:
        return MAILBOX_DONE;
    case MSG_MAILBOX_LIST:
        return r->folder[0] == '\0' ? MAILBOX_DONE : MAILBOX_NO_FOLDER;
    case MSG_MAILBOX_STORE:
    case MSG_MAILBOX_MOVE:
        return MAILBOX_NO_FOLDER;
    default:
        return MAILBOX_ABSENT;
    }
}

/* Whether a copy of this number was to be stored lately: whoever asks first need not come first. */
static bool note_copy(struct mailbox *m, uint64_t number)
{
    for (size_t i = 0; i < COPIES; i++) {
        if (m->copies[i] == number)
            return true;
    }
    m->copies[m->copies_at++ % COPIES] = number;
    return false;
}

static void begin(struct peer *p, uint64_t request, struct mailbox_request *r)
{
    struct mailbox *m = p->mailbox;
    struct fail f = {{0}};
    size_t i = 0;
    while (types[i].type != r->type)
        i++;
    int account = open_account(r, &f);
    if (account < 0) {
        struct mailbox_answer a = mailbox_answer_new(result_without(r, &f));
        mailbox_reply(p->channel, request, &a);
        mailbox_answer_clear(&a);
        mailbox_request_clear(r);
        return;
    }
    if (r->number != 0 && note_copy(m, r->number))
        r->again = true;
    struct boxop *op = boxop_new(r, account, types[i].first);
    op->peer = p->number;
    op->request = request;
    op->kept = m->names;
    op->hostname = mem_text(m->agent->transport->hostname);
    TAILQ_INSERT_TAIL(&m->ops, op, next);
    go_on(m);
}

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct mailbox_request r;
    if (mailbox_read(m, &r, f) != 0)
        return -1;
    begin(arg, m->id, &r);
    return 0;
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct peer *p = arg;
    log_info(NULL, "who asks for mailboxes is gone", LS("peer", p->name), LS("why", why));
    free_peer(p);
}

void mailbox_link(struct mailbox *m, const char *peer, int fd)
{
    static const struct ipc_handler handler = {on_message, on_closed};
    struct peer *p, *old;
    char name[64];
    LIST_FOREACH (old, &m->peers, next) {
        if (strcmp(old->name, peer) == 0) {
            free_peer(old);
            break;
        }
    }
    p = mem_zero(sizeof *p);
    p->mailbox = m;
    p->number = ++m->last_number;
    (void)snprintf(p->name, sizeof p->name, "%s", peer);
    (void)snprintf(name, sizeof name, "mailbox %s", peer);
    p->channel = ipc_new(m->agent->base, fd, name, &handler, p);
    LIST_INSERT_HEAD(&m->peers, p, next);
}
