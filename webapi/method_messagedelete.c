#include "method_messagedelete.h"

#include "messages.h"

struct request {
    int64_t id;
};

static const char *const text[] = {
    "The message is gone for good; it is not moved to a mailbox for deleted mail.", NULL};

static const struct method_field request_fields[] = {
    {"MsgID", "integer", "The message."},
    {NULL, NULL, NULL},
};
static const struct method_field response_fields[] = {{NULL, NULL, NULL}};
static const enum code codes[] = {CODE_USER, CODE_MESSAGE_NOT_FOUND, CODES};

static const struct jsonbind_field fields[] = {
    {"MsgID", JSONBIND_INT64, offsetof(struct request, id)},
    {0},
};

static uint64_t ask(struct call *c, struct ipc *ch, const struct mailbox_which *which,
                    mailbox_on_answer *on_answer, void *arg)
{
    return mailbox_delete(ch, which, on_answer, arg);
}

static void then(struct call *c, struct messages *m)
{
    messages_end_removed(c);
}

static const struct messages_plan plan = {CODE_USER, CODE_USER, false, ask, then};

static void run(struct call *c)
{
    const struct request *r = c->parameters;
    messages_run(c, r->id, &plan);
}

const struct method method_messagedelete = {
    .name = "MessageDelete",
    .summary = "Removes a message from the mailbox.",
    .text = text,
    .request = request_fields,
    .response = response_fields,
    .codes = codes,
    .example_request = "{\n  \"MsgID\": 1730000000001\n}",
    .example_response = "{}",
    .example_short = "{\"MsgID\":1730000000001}",
    .bind = fields,
    .size = sizeof(struct request),
    .run = run,
};
