#include "method_messagemove.h"

#include <string.h>

#include "foldername.h"
#include "mem.h"
#include "messages.h"

struct request {
    int64_t id;
    struct span folder;
};

static const char *const text[] = {"The message keeps its MsgID. Names are compared in their case; "
                                   "the parts of one are divided by "
                                   "slashes, and the mailbox where mail arrives is Inbox.",
                                   NULL};

static const struct method_field request_fields[] = {
    {"MsgID", "integer", "The message."},
    {"DestMailboxName", "string", "The mailbox to move it to. It must exist."},
    {NULL, NULL, NULL},
};
static const struct method_field response_fields[] = {{NULL, NULL, NULL}};
static const enum code codes[] = {CODE_USER, CODE_MESSAGE_NOT_FOUND, CODES};

static const struct jsonbind_field fields[] = {
    {"MsgID", JSONBIND_INT64, offsetof(struct request, id)},
    {"DestMailboxName", JSONBIND_TEXT, offsetof(struct request, folder)},
    {0},
};

static uint64_t ask(struct call *c, struct ipc *ch, const struct mailbox_which *which,
                    mailbox_on_answer *on_answer, void *arg)
{
    const struct request *r = c->parameters;
    char *folder = foldername_stored(r->folder);
    uint64_t id = mailbox_move(ch, which, folder, on_answer, arg);
    mem_free(&folder);
    return id;
}

static void then(struct call *c, struct messages *m)
{
    messages_answer_nothing(c);
}

static const struct messages_plan plan = {CODE_USER, CODE_USER, true, ask, then};

/* ---- first of all: is there such a mailbox? ---- */

struct looking {
    uint64_t asked;
};

static void end_looking(struct call *c)
{
    struct looking *w = c->work;
    c->work = NULL;
    mem_free(&w);
}

static void on_leave(struct call *c)
{
    const struct looking *w = c->work;
    mailbox_forget(peers_mailboxes(c->webapi->peers), w->asked);
    end_looking(c);
}

static bool has_folder(const struct mailbox_answer *a, const char *folder)
{
    for (uint32_t i = 0; folder != NULL && i < a->folders_n; i++) {
        if (strcmp(a->folders[i], folder) == 0)
            return true;
    }
    return folder != NULL && folder[0] == '\0';
}

static void on_folders(void *arg, struct mailbox_answer *answer)
{
    struct call *c = arg;
    const struct request *r = c->parameters;
    char *folder = foldername_stored(r->folder);
    bool there = has_folder(answer, folder);
    mem_free(&folder);
    end_looking(c);
    if (answer->result != MAILBOX_DONE)
        (void)refuse(&c->refusal, CODE_SERVER, "the mailbox cannot be reached now; try again");
    else if (!there)
        (void)refuse(&c->refusal, CODE_USER, "there is no mailbox of that name");
    if (answer->result == MAILBOX_DONE && there)
        messages_run(c, r->id, &plan);
    else
        call_refuse(c, &c->refusal);
}

static void run(struct call *c)
{
    const struct request *r = c->parameters;
    struct ipc *ch = peers_mailboxes(c->webapi->peers);
    struct looking *w;
    if (r->folder.n == 0 || ch == NULL) {
        (void)refuse(&c->refusal, r->folder.n == 0 ? CODE_USER : CODE_SERVER, "%s",
                     r->folder.n == 0 ? "DestMailboxName is empty"
                                      : "the mailboxes cannot be reached at the moment; try again");
        call_refuse(c, &c->refusal);
        return;
    }
    w = mem_zero(sizeof *w);
    c->work = w;
    c->cancel = on_leave;
    w->asked = mailbox_folders(ch, c->visit->account, on_folders, c);
}

const struct method method_messagemove = {
    .name = "MessageMove",
    .summary = "Moves a message to another mailbox of the account.",
    .text = text,
    .request = request_fields,
    .response = response_fields,
    .codes = codes,
    .example_request = "{\n  \"MsgID\": 1730000000001,\n  \"DestMailboxName\": \"Archive\"\n}",
    .example_response = "{}",
    .example_short = "{\"MsgID\":1730000000001,\"DestMailboxName\":\"Archive\"}",
    .bind = fields,
    .size = sizeof(struct request),
    .run = run,
};
