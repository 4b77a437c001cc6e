#include "method_messagelist.h"

#include "address.h"
#include "call.h"
#include "foldername.h"
#include "jsonwrite.h"
#include "mailflags.h"
#include "mem.h"
#include "messages.h"

#define LIMIT 100 /* unless the request says otherwise */

struct request {
    struct span folder, after;
    int64_t limit;
};

static const char *const text[] = {
    "An addition of this server: the interface that clients know has no way to find out which "
    "messages there are.",
    "Messages that other programs have put into the mailbox, over IMAP for example, get their "
    "MsgID "
    "when they are listed for the first time.",
    "What comes while a client goes from page to page is on the last page at the latest. The first "
    "page of a mailbox that has changed takes longer the more messages are in it: a second or so "
    "for a million; those behind it do not.",
    NULL};

static const struct method_field request_fields[] = {
    {"MailboxName", "string", "The mailbox. Without it, Inbox."},
    {"After", "string", "The Next of the page before; empty for the first page."},
    {"Limit", "integer", "How many messages at most, up to 1000. Without it, 100."},
    {NULL, NULL, NULL},
};

static const struct method_field response_fields[] = {
    {"Messages", "[listed]", "In the order of their arrival, as far as file names tell it."},
    {"Next", "string", "To be given as After for the page behind this one; empty for the last."},
    {NULL, NULL, NULL},
};

static const enum code codes[] = {CODE_USER, CODES};

static const char example_response[] =
    "{\n"
    "  \"Messages\": [\n"
    "    {\"MsgID\": 1730000000001, \"Flags\": [\"\\\\seen\"], \"Received\": "
    "\"2026-11-27T10:15:00Z\",\n"
    "     \"MailFrom\": \"alice@example.net\", \"RcptTo\": \"billing@example.org\"}\n"
    "  ],\n"
    "  \"Next\": \"\"\n"
    "}";

static const struct jsonbind_field fields[] = {
    {"MailboxName", JSONBIND_TEXT, offsetof(struct request, folder)},
    {"After", JSONBIND_TEXT, offsetof(struct request, after)},
    {"Limit", JSONBIND_INT64, offsetof(struct request, limit)},
    {0},
};

struct listing {
    uint64_t asked_box, asked_qmgr;
    struct mailbox_file *files;
    uint32_t files_n;
    char *next;
};

static void end_listing(struct call *c)
{
    struct listing *w = c->work;
    c->work = NULL;
    for (uint32_t i = 0; i < w->files_n; i++)
        mailbox_file_clear(&w->files[i]);
    mem_free(&w->files);
    mem_free(&w->next);
    mem_free(&w);
}

static void on_leave(struct call *c)
{
    const struct listing *w = c->work;
    if (w->asked_box != 0)
        mailbox_forget(peers_mailboxes(c->webapi->peers), w->asked_box);
    if (w->asked_qmgr != 0)
        mail_forget(peers_accounts(c->webapi->peers), w->asked_qmgr);
    end_listing(c);
}

static void refuse_with(struct call *c, enum code code, const char *why)
{
    (void)refuse(&c->refusal, code, "%s", why);
    if (c->work != NULL)
        end_listing(c);
    call_refuse(c, &c->refusal);
}

static void write_message(struct jsonwrite *w, const struct mail_message *m,
                          const struct mailbox_file *file)
{
    jsonwrite_object(w);
    jsonwrite_key(w, "MsgID");
    jsonwrite_uint64(w, m->id);
    jsonwrite_key(w, "Flags");
    mailflags_write(w, file->flags, &file->keywords, &m->keywords);
    jsonwrite_key(w, "Received");
    jsonwrite_time(w, m->received_ms);
    jsonwrite_key(w, "MailFrom");
    jsonwrite_text(w, m->mail_from);
    jsonwrite_key(w, "RcptTo");
    messages_write_address(w, m->rcpt_to);
    jsonwrite_object_end(w);
}

/* messages: one for each file, or NULL where there are none. */
static void answer_page(struct call *c, const struct mail_message *messages)
{
    struct listing *l = c->work;
    struct buf out = {0};
    struct jsonwrite w;
    jsonwrite_open(&w, &out, 0);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "Messages");
    jsonwrite_array(&w);
    for (uint32_t i = 0; i < l->files_n; i++)
        write_message(&w, &messages[i], &l->files[i]);
    jsonwrite_array_end(&w);
    jsonwrite_key(&w, "Next");
    jsonwrite_text(&w, l->next);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    end_listing(c);
    call_answer(c, &out);
}

static void on_messages(void *arg, const struct mail_answer *answer)
{
    struct call *c = arg;
    struct listing *w = c->work;
    w->asked_qmgr = 0;
    if (answer->result == MAIL_DONE)
        answer_page(c, answer->messages);
    else
        refuse_with(c, CODE_SERVER, "the queue cannot be asked now; try again");
}

/* What a file tells of itself, as qmgr is told. The texts stay the file's. */
static struct mail_seen seen_of(const struct mailbox_file *f)
{
    return (struct mail_seen){.place = f->place,
                              .line_id = f->line_id,
                              .links = f->links,
                              .mail_from = f->mail_from,
                              .rcpt_to = f->rcpt_to};
}

static void ask_ids(struct call *c)
{
    struct listing *w = c->work;
    struct ipc *ch = peers_accounts(c->webapi->peers);
    if (ch == NULL) {
        refuse_with(c, CODE_SERVER, "the queue is not there at the moment; try again");
        return;
    }
    struct mail_seen *seen = mem_array(w->files_n, sizeof *seen);
    for (uint32_t i = 0; i < w->files_n; i++)
        seen[i] = seen_of(&w->files[i]);
    w->asked_qmgr = mail_note(ch, c->visit->account, seen, w->files_n, on_messages, c);
    mem_free(&seen);
}

static void on_files(void *arg, struct mailbox_answer *answer)
{
    struct call *c = arg;
    struct listing *w = c->work;
    w->asked_box = 0;
    if (answer->result == MAILBOX_NO_FOLDER) {
        refuse_with(c, CODE_USER, "there is no mailbox of that name");
        return;
    }
    if (answer->result != MAILBOX_DONE) {
        refuse_with(c, CODE_SERVER, "the mailbox cannot be reached now; try again");
        return;
    }
    w->files = answer->files;
    w->files_n = answer->files_n;
    w->next = answer->next;
    answer->files = NULL;
    answer->files_n = 0;
    answer->next = NULL;
    if (w->files_n == 0)
        answer_page(c, NULL);
    else
        ask_ids(c);
}

static void begin(struct call *c, const char *folder, uint32_t limit)
{
    const struct request *r = c->parameters;
    struct ipc *ch = peers_mailboxes(c->webapi->peers);
    struct listing *w = mem_zero(sizeof *w);
    c->work = w;
    c->cancel = on_leave;
    if (ch == NULL) {
        refuse_with(c, CODE_SERVER, "the mailboxes cannot be reached at the moment; try again");
        return;
    }
    char *after = span_dup(r->after);
    w->asked_box = mailbox_list(ch, c->visit->account, folder, after, limit, on_files, c);
    mem_free(&after);
}

static void run(struct call *c)
{
    const struct request *r = c->parameters;
    int64_t limit = r->limit == 0 ? LIMIT : r->limit;
    char *folder = r->folder.n == 0 ? mem_text("") : foldername_stored(r->folder);
    if (limit < 1 || limit > MAILBOX_PAGE_MAX)
        refuse_with(c, CODE_USER, "Limit must be 1 to 1000");
    else if (r->after.n > MAILPLACE_NAME_MAX)
        refuse_with(c, CODE_USER, "After is not from a page before");
    else if (folder == NULL)
        refuse_with(c, CODE_USER, "there is no mailbox of that name");
    else
        begin(c, folder, (uint32_t)limit);
    mem_free(&folder);
}

const struct method method_messagelist = {
    .name = "MessageList",
    .summary = "Lists the messages of a mailbox.",
    .text = text,
    .request = request_fields,
    .response = response_fields,
    .codes = codes,
    .example_request = "{\n  \"MailboxName\": \"Inbox\",\n  \"Limit\": 100\n}",
    .example_response = example_response,
    .example_short = "{\"MailboxName\":\"Inbox\"}",
    .bind = fields,
    .size = sizeof(struct request),
    .run = run,
};
