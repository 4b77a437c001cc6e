#include "method_messageflagsadd.h"

#include "messageflags.h"

static const struct method_field request_fields[] = {
    {"MsgID", "integer", "The message."},
    {"Flags", "[string]", "To set. What is set already stays."},
    {NULL, NULL, NULL},
};
static const struct method_field response_fields[] = {{NULL, NULL, NULL}};
static const enum code codes[] = {CODE_USER, CODE_MESSAGE_NOT_FOUND, CODES};

static uint64_t ask(struct call *c, struct ipc *ch, const struct mailbox_which *which,
                    mailbox_on_answer *on_answer, void *arg)
{
    struct mailflags flags = messageflags_of(c);
    uint64_t id = mailbox_flags(ch, which, flags.letters, 0, &flags.words, &messageflags_none,
                                on_answer, arg);
    mailflags_clear(&flags);
    return id;
}

static void then(struct call *c, struct messages *m)
{
    messages_end_with_keywords(c, &m->unplaced, &messageflags_none);
}

static const struct messages_plan plan = {CODE_USER, CODE_USER, false, ask, then};

static void run(struct call *c)
{
    messageflags_run(c, &plan);
}

const struct method method_messageflagsadd = {
    .name = "MessageFlagsAdd",
    .summary = "Sets flags of a message.",
    .text = messageflags_text,
    .request = request_fields,
    .response = response_fields,
    .codes = codes,
    .example_request = "{\n  \"MsgID\": 1730000000001,\n  \"Flags\": [\"\\\\seen\", \"$junk\"]\n}",
    .example_response = "{}",
    .example_short = "{\"MsgID\":1730000000001,\"Flags\":[\"$junk\"]}",
    .bind = messageflags_fields,
    .size = sizeof(struct messageflags_request),
    .run = run,
};
