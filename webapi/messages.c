#include "messages.h"

#include "address.h"
#include "file.h"
#include "mem.h"

#define RENAMED_MAX 3
#define HEAD_ROOM                                                                                  \
    (1u << 20) /* trace fields, and the carriage returns that a file does not have                 \
                */

uint64_t messages_octets_max(const struct call *c)
{
    const struct conf_block *root = conf_root(front_conf(c->front)),
                            *webapi = conf_child(root, "webapi");
    uint64_t size = (uint64_t)conf_size(conf_child(root, "smtp"), "message-size"),
             room = (uint64_t)(conf_size(webapi, "memory") - conf_size(webapi, "request-size"));
    size += size / 16 + HEAD_ROOM;
    return size < room ? size : room;
}

void messages_write_address(struct jsonwrite *w, const char *stored)
{
    struct buf b = {0};
    address_write_shown(&b, stored);
    jsonwrite_span(w, buf_span(&b));
    buf_free(&b);
}

void messages_end_work(struct call *c)
{
    struct messages *m = c->work;
    c->work = NULL;
    mail_message_clear(&m->row);
    mailbox_file_clear(&m->file);
    mail_words_clear(&m->unplaced);
    file_close(&m->fd);
    mem_free(&m);
}

static void on_leave(struct call *c)
{
    struct messages *m = c->work;
    if (m->asked_qmgr != 0)
        mail_forget(peers_accounts(c->webapi->peers), m->asked_qmgr);
    if (m->asked_box != 0)
        mailbox_forget(peers_mailboxes(c->webapi->peers), m->asked_box);
    messages_end_work(c);
}

void messages_refuse(struct call *c)
{
    if (c->work != NULL)
        messages_end_work(c);
    call_refuse(c, &c->refusal);
}

static void refuse_with(struct call *c, enum code code, const char *why)
{
    (void)refuse(&c->refusal, code, "%s", why);
    messages_refuse(c);
}

static void refuse_removed(struct call *c)
{
    const struct messages *m = c->work;
    refuse_with(c, m->plan->removed,
                m->plan->removed == CODE_USER ? "the message was removed"
                                              : "there is no such message");
}

void messages_answer_nothing(struct call *c)
{
    struct buf json = {0};
    messages_end_work(c);
    buf_puts(&json, "{}");
    call_answer(c, &json);
}

/* The channel to qmgr; without one the call is over. */
static struct ipc *need_qmgr(struct call *c)
{
    struct ipc *ch = peers_accounts(c->webapi->peers);
    if (ch == NULL)
        refuse_with(c, CODE_SERVER, "the queue is not there at the moment; try again");
    return ch;
}

/* Whether qmgr has done it; else the call is over. */
static bool is_done(struct call *c, const struct mail_answer *answer)
{
    switch (answer->result) {
    case MAIL_DONE:
        return true;
    case MAIL_ABSENT:
    case MAIL_TAKEN:
        refuse_with(c, CODE_MESSAGE_NOT_FOUND, "there is no such message");
        break;
    case MAIL_REMOVED:
        refuse_removed(c);
        break;
    case MAIL_FULL:
        refuse_with(c, CODE_USER, "the message has as many keywords as it can have");
        break;
    default:
        refuse_with(c, CODE_SERVER, "the queue cannot be asked now; try again");
    }
    return false;
}

/* ---- ends ---- */

static void on_last(void *arg, const struct mail_answer *answer)
{
    struct call *c = arg;
    struct messages *m = c->work;
    m->asked_qmgr = 0;
    if (is_done(c, answer))
        messages_answer_nothing(c);
}

void messages_end_with_keywords(struct call *c, const struct mail_words *add,
                                const struct mail_words *remove)
{
    struct messages *m = c->work;
    struct ipc *ch;
    if (add->n == 0 && remove->n == 0)
        messages_answer_nothing(c);
    else if ((ch = need_qmgr(c)) != NULL)
        m->asked_qmgr = mail_keywords(ch, c->visit->account, m->row.id, add, remove, on_last, c);
}

void messages_end_removed(struct call *c)
{
    struct messages *m = c->work;
    struct ipc *ch = need_qmgr(c);
    if (ch != NULL)
        m->asked_qmgr = mail_deleted(ch, c->visit->account, m->row.id, on_last, c);
}

/* ---- note ---- */

static void on_moved(void *arg, const struct mail_answer *answer)
{
    struct call *c = arg;
    struct messages *m = c->work;
    m->asked_qmgr = 0;
    if (is_done(c, answer))
        m->plan->then(c, m);
}

static void note(struct call *c)
{
    static const struct mail_words none;
    struct messages *m = c->work;
    struct ipc *ch;
    if (mail_place_equal(&m->row.place, &m->file.place))
        m->plan->then(c, m);
    else if ((ch = need_qmgr(c)) != NULL)
        m->asked_qmgr = mail_moved(ch, c->visit->account, m->row.id, &m->file.place,
                                   m->plan->moves ? &m->unplaced : &none, on_moved, c);
}

/* ---- do ---- */

static void ask_for_file(struct call *c);

static void on_gone(void *arg, const struct mail_answer *answer)
{
    struct call *c = arg;
    struct messages *m = c->work;
    m->asked_qmgr = 0;
    refuse_removed(c);
}

/* Somebody else has removed the file. */
static void remember_removed(struct call *c)
{
    struct messages *m = c->work;
    struct ipc *ch = need_qmgr(c);
    if (ch != NULL)
        m->asked_qmgr = mail_deleted(ch, c->visit->account, m->row.id, on_gone, c);
}

static void on_renamed(void *arg, const struct mail_answer *answer)
{
    struct call *c = arg;
    struct messages *m = c->work;
    m->asked_qmgr = 0;
    if (is_done(c, answer))
        ask_for_file(c);
}

/* Another program has renamed the file. */
static void follow(struct call *c, const struct mail_place *place)
{
    static const struct mail_words none;
    struct messages *m = c->work;
    struct ipc *ch;
    if (++m->renamed > RENAMED_MAX) {
        refuse_with(c, CODE_SERVER, "the message is being moved about; try again");
        return;
    }
    mail_place_clear(&m->row.place);
    mail_place_copy(&m->row.place, place);
    if ((ch = need_qmgr(c)) != NULL)
        m->asked_qmgr = mail_moved(ch, c->visit->account, m->row.id, place, &none, on_renamed, c);
}

static void explain(struct call *c, enum mailbox_result result)
{
    switch (result) {
    case MAILBOX_ABSENT:
        remember_removed(c);
        break;
    case MAILBOX_NO_FOLDER:
        refuse_with(c, CODE_USER, "there is no such mailbox");
        break;
    case MAILBOX_SAME_FOLDER:
        refuse_with(c, CODE_USER, "the message is in that mailbox already");
        break;
    case MAILBOX_TOO_LARGE:
        refuse_with(c, CODE_MESSAGE_TOO_LARGE, "the message is larger than this server hands out");
        break;
    default:
        refuse_with(c, CODE_SERVER, "the mailbox cannot be reached now; try again");
    }
}

static void on_file(void *arg, struct mailbox_answer *answer)
{
    struct call *c = arg;
    struct messages *m = c->work;
    m->asked_box = 0;
    bool found = answer->result == MAILBOX_DONE || answer->result == MAILBOX_ELSEWHERE;
    if (found && answer->files_n != 1)
        answer->result = MAILBOX_UNAVAILABLE;
    if (answer->result == MAILBOX_ELSEWHERE) {
        follow(c, &answer->files[0].place);
        return;
    }
    if (answer->result != MAILBOX_DONE) {
        explain(c, answer->result);
        return;
    }
    m->file = answer->files[0];
    answer->files_n = 0;
    m->unplaced = answer->unplaced;
    answer->unplaced = (struct mail_words){0};
    m->fd = answer->fd;
    answer->fd = -1;
    if (m->fd >= 0 && httprequest_hold(c->request, m->file.size) != 0) {
        refuse_with(c, CODE_SERVER, "the server is busy with other requests; try again");
        return;
    }
    note(c);
}

static void ask_for_file(struct call *c)
{
    struct messages *m = c->work;
    struct ipc *ch = peers_mailboxes(c->webapi->peers);
    const struct mailbox_which which = {c->visit->account, m->row.id, &m->row.place};
    if (ch == NULL)
        refuse_with(c, CODE_SERVER, "the mailboxes cannot be reached at the moment; try again");
    else
        m->asked_box = m->plan->ask(c, ch, &which, on_file, c);
}

/* ---- look up ---- */

static void on_row(void *arg, const struct mail_answer *answer)
{
    struct call *c = arg;
    struct messages *m = c->work;
    const struct mail_message *from;
    m->asked_qmgr = 0;
    if (!is_done(c, answer))
        return;
    from = &answer->messages[0];
    m->row = (struct mail_message){.id = from->id,
                                   .mail_from = mem_text(from->mail_from),
                                   .rcpt_to = mem_text(from->rcpt_to),
                                   .remote_ip = mem_text(from->remote_ip),
                                   .received_ms = from->received_ms,
                                   .checks = {from->checks.spf, from->checks.dmarc, {0}}};
    mail_place_copy(&m->row.place, &from->place);
    mail_words_copy(&m->row.keywords, &from->keywords);
    mail_words_copy(&m->row.checks.dkim, &from->checks.dkim);
    ask_for_file(c);
}

void messages_run(struct call *c, int64_t id, const struct messages_plan *plan)
{
    struct messages *m = mem_zero(sizeof *m);
    struct ipc *ch;
    m->plan = plan;
    m->fd = -1;
    c->work = m;
    c->cancel = on_leave;
    if (id == 0)
        refuse_with(c, plan->zero, "MsgID must not be 0");
    else if (id < 0)
        refuse_with(c, CODE_MESSAGE_NOT_FOUND, "there is no such message");
    else if ((ch = need_qmgr(c)) != NULL)
        m->asked_qmgr = mail_get(ch, c->visit->account, (uint64_t)id, on_row, c);
}
