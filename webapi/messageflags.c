#include "messageflags.h"

const char *const messageflags_text[] = {
    "Flags are $forwarded, $junk, $mdnsent, $notjunk, $phishing, \\answered, \\deleted, \\draft, "
    "\\flagged, \\seen, and any word, which is a keyword. Upper and lower case are the same.",
    NULL};

#define AT(field) offsetof(struct messageflags_request, field)

static const struct jsonbind_field a_text = {.type = JSONBIND_TEXT};
const struct jsonbind_field messageflags_fields[] = {
    {"MsgID", JSONBIND_INT64, AT(id)},
    {"Flags", JSONBIND_ARRAY, AT(flags), .of = &a_text, .max = MAILFLAGS_MAX},
    {0},
};

const struct mail_words messageflags_none;

struct mailflags messageflags_of(struct call *c)
{
    const struct messageflags_request *r = c->parameters;
    struct mailflags flags;
    (void)mailflags_read(&flags, &r->flags, &c->refusal);
    return flags;
}

void messageflags_run(struct call *c, const struct messages_plan *plan)
{
    const struct messageflags_request *r = c->parameters;
    struct mailflags flags;
    if (mailflags_read(&flags, &r->flags, &c->refusal) != 0) {
        call_refuse(c, &c->refusal);
        return;
    }
    mailflags_clear(&flags);
    messages_run(c, r->id, plan);
}
