#include "method_messageflagsremove.h"

#include "mailflags.h"
#include "messages.h"

struct request {
    int64_t id;
    struct jsonbind_array flags; /* struct span */
};

static const char *const text[] = {
    "Flags are $forwarded, $junk, $mdnsent, $notjunk, $phishing, \\answered, \\deleted, \\draft, "
    "\\flagged, \\seen, and any word, which is a keyword. Upper and lower case are the same.",
    NULL};

static const struct method_field request_fields[] = {
    {"MsgID", "integer", "The message."},
    {"Flags", "[string]", "To remove. What is not set is passed over."},
    {NULL, NULL, NULL},
};
static const struct method_field response_fields[] = {{NULL, NULL, NULL}};
static const enum code codes[] = {CODE_USER, CODE_MESSAGE_NOT_FOUND, CODES};

static const struct jsonbind_field a_text = {.type = JSONBIND_TEXT};
static const struct jsonbind_field fields[] = {
    {"MsgID", JSONBIND_INT64, offsetof(struct request, id)},
    {"Flags", JSONBIND_ARRAY, offsetof(struct request, flags), .of = &a_text, .max = MAILFLAGS_MAX},
    {0},
};

static const struct mail_words none;

/* They were read before, so they are good. */
static struct mailflags flags_of(struct call *c)
{
    const struct request *r = c->parameters;
    struct mailflags flags;
    (void)mailflags_read(&flags, &r->flags, &c->refusal);
    return flags;
}

static uint64_t ask(struct call *c, struct ipc *ch, const struct mailbox_which *which,
                    mailbox_on_answer *on_answer, void *arg)
{
    struct mailflags flags = flags_of(c);
    uint64_t id = mailbox_flags(ch, which, 0, flags.letters, &none, &flags.words, on_answer, arg);
    mailflags_clear(&flags);
    return id;
}

static void then(struct call *c, struct messages *m)
{
    struct mailflags flags = flags_of(c);
    messages_end_with_keywords(c, &none, &flags.words);
    mailflags_clear(&flags);
}

static const struct messages_plan plan = {CODE_USER, CODE_USER, false, ask, then};

static void run(struct call *c)
{
    const struct request *r = c->parameters;
    struct mailflags flags;
    if (mailflags_read(&flags, &r->flags, &c->refusal) != 0) {
        call_refuse(c, &c->refusal);
        return;
    }
    mailflags_clear(&flags);
    messages_run(c, r->id, &plan);
}

const struct method method_messageflagsremove = {
    .name = "MessageFlagsRemove",
    .summary = "Removes flags of a message.",
    .text = text,
    .request = request_fields,
    .response = response_fields,
    .codes = codes,
    .example_request = "{\n  \"MsgID\": 1730000000001,\n  \"Flags\": [\"\\\\seen\", \"$junk\"]\n}",
    .example_response = "{}",
    .example_short = "{\"MsgID\":1730000000001,\"Flags\":[\"$junk\"]}",
    .bind = fields,
    .size = sizeof(struct request),
    .run = run,
};
