#include "method_suppressionadd.h"

#include <string.h>

#include "mem.h"
#include "suppressions.h"

struct request {
    struct span address, reason;
    bool manual;
};

static const char *const text[] = {
    "Whatever variant of the address is given: mail to none of them is sent any more.", NULL};

static const struct method_field request_fields[] = {
    {"EmailAddress", "string", "The address."},
    {"Manual", "bool", "Whether to call it put there by somebody."},
    {"Reason", "string", "For people."},
    {NULL, NULL, NULL},
};
static const struct method_field response_fields[] = {{NULL, NULL, NULL}};
static const enum code codes[] = {CODE_USER, CODE_BAD_ADDRESS, CODE_ERROR, CODES};

static const struct jsonbind_field fields[] = {
    {"EmailAddress", JSONBIND_TEXT, offsetof(struct request, address)},
    {"Manual", JSONBIND_BOOL, offsetof(struct request, manual)},
    {"Reason", JSONBIND_TEXT, offsetof(struct request, reason)},
    {0},
};

static uint64_t ask(struct call *c, struct ipc *ch, const char *address,
                    suppress_on_answer *on_answer, void *arg)
{
    const struct request *r = c->parameters;
    char *reason = span_dup(r->reason);
    const struct suppression s = {.account = c->visit->account,
                                  .original = (char *)address,
                                  .manual = r->manual,
                                  .class = SUPPRESS_MANUAL,
                                  .reason = reason};
    uint64_t id = suppress_add(ch, &s, on_answer, arg);
    mem_free(&reason);
    return id;
}

static int then(struct call *c, const struct suppress_answer *answer, struct jsonwrite *w)
{
    return answer->result == SUPPRESS_DONE
               ? 0
               : refuse(&c->refusal, CODE_ERROR,
                        "not unique: the address, or a variant of it, is on the list already");
}

static void run(struct call *c)
{
    const struct request *r = c->parameters;
    if (r->reason.n > PROTO_TEXT_MAX || (r->reason.n > 0 && memchr(r->reason.p, 0, r->reason.n))) {
        (void)refuse(&c->refusal, CODE_USER, "Reason is longer than %d octets, or has a NUL",
                     PROTO_TEXT_MAX);
        call_refuse(c, &c->refusal);
        return;
    }
    suppressions_run(c, r->address, ask, then);
}

const struct method method_suppressionadd = {
    .name = "SuppressionAdd",
    .summary = "Puts an address on the suppression list.",
    .text = text,
    .request = request_fields,
    .response = response_fields,
    .codes = codes,
    .example_request = "{\n  \"EmailAddress\": \"bob@example.net\",\n  \"Manual\": true,\n"
                       "  \"Reason\": \"asked us to stop\"\n}",
    .example_response = "{}",
    .example_short = "{\"EmailAddress\":\"bob@example.net\",\"Manual\":true}",
    .bind = fields,
    .size = sizeof(struct request),
    .run = run,
};
