#include "method_messagerawget.h"

#include <sys/stat.h>

#include "messages.h"

struct request {
    int64_t id;
};

static const char *const text[] = {
    "The message as it is stored, with the fields that were put in front of it when it was "
    "delivered (Return-Path, Delivered-To, Received), lines ended by CR LF. Content-Type is "
    "text/plain.",
    NULL};

static const struct method_field request_fields[] = {
    {"MsgID", "integer", "The message."},
    {NULL, NULL, NULL},
};
static const enum code codes[] = {CODE_MESSAGE_NOT_FOUND, CODE_MESSAGE_TOO_LARGE, CODES};

static const struct jsonbind_field fields[] = {
    {"MsgID", JSONBIND_INT64, offsetof(struct request, id)},
    {0},
};

static uint64_t ask(struct call *c, struct ipc *ch, const struct mailbox_which *which,
                    mailbox_on_answer *on_answer, void *arg)
{
    return mailbox_find(ch, which, messages_octets_max(c), on_answer, arg);
}

static void then(struct call *c, struct messages *m)
{
    struct stat st;
    int fd = m->fd;
    if (fd < 0 || fstat(fd, &st) != 0) {
        (void)refuse(&c->refusal, CODE_SERVER, "the message cannot be handed out now; try again");
        messages_refuse(c);
        return;
    }
    m->fd = -1;
    messages_end_work(c);
    call_answer_file(c, "text/plain", fd, (uint64_t)st.st_size);
}

static const struct messages_plan plan = {CODE_SERVER, CODE_MESSAGE_NOT_FOUND, false, ask, then};

static void run(struct call *c)
{
    const struct request *r = c->parameters;
    messages_run(c, r->id, &plan);
}

const struct method method_messagerawget = {
    .name = "MessageRawGet",
    .summary = "Gives a message of the mailbox as it is stored.",
    .text = text,
    .request = request_fields,
    .codes = codes,
    .example_request = "{\n  \"MsgID\": 1730000000001\n}",
    .example_short = "{\"MsgID\":1730000000001}",
    .bind = fields,
    .size = sizeof(struct request),
    .run = run,
};
