#include "method_suppressionremove.h"

#include "suppressions.h"

struct request {
    struct span address;
};

static const char *const text[] = {"Any variant of the address is good.", NULL};

static const struct method_field request_fields[] = {
    {"EmailAddress", "string", "The address."},
    {NULL, NULL, NULL},
};
static const struct method_field response_fields[] = {
    {NULL, NULL, NULL},
};
static const enum code codes[] = {CODE_BAD_ADDRESS, CODE_ERROR, CODES};

static const struct jsonbind_field fields[] = {
    {"EmailAddress", JSONBIND_TEXT, offsetof(struct request, address)},
    {0},
};

static uint64_t ask(struct call *c, struct ipc *ch, const char *address,
                    suppress_on_answer *on_answer, void *arg)
{
    return suppress_remove(ch, c->visit->account, address, on_answer, arg);
}

static int then(struct call *c, const struct suppress_answer *answer, struct jsonwrite *w)
{
    return answer->result == SUPPRESS_DONE
               ? 0
               : refuse(&c->refusal, CODE_ERROR, "absent: the address is not on the list");
}

static void run(struct call *c)
{
    const struct request *r = c->parameters;
    suppressions_run(c, r->address, ask, then);
}

const struct method method_suppressionremove = {
    .name = "SuppressionRemove",
    .summary = "Takes an address off the suppression list.",
    .text = text,
    .request = request_fields,
    .response = response_fields,
    .codes = codes,
    .example_request = "{\n  \"EmailAddress\": \"bob@example.net\"\n}",
    .example_response = "{}",
    .example_short = "{\"EmailAddress\":\"bob@example.net\"}",
    .bind = fields,
    .size = sizeof(struct request),
    .run = run,
};
