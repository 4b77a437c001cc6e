#include "method_suppressionlist.h"

#include "messages.h"
#include "suppressions.h"

struct request {
    struct span after;
    int64_t limit;
};

static const char *const text[] = {
    "An account's suppression list has the addresses that its mail is not sent to any more. "
    "Addresses come onto it by themselves when a delivery fails in a way that says that another "
    "would, too; and by SuppressionAdd.",
    "Limit, After and Next are additions of this server.",
    NULL,
};

static const struct method_field request_fields[] = {
    {"Limit", "integer", "How many at most, up to 1000. Without it, or 0, all."},
    {"After", "string", "The Next of the page before; empty for the first page."},
    {NULL, NULL, NULL},
};

static const struct method_field response_fields[] = {
    {"Suppressions", "[suppression]", "In no particular order."},
    {"Next", "string",
     "To be given as After for the page behind this one; empty when there is none."},
    {NULL, NULL, NULL},
};

static const enum code codes[] = {CODE_USER, CODES};

static const char example_response[] =
    "{\n"
    "  \"Suppressions\": [\n"
    "    {\"ID\": 1730000000001, \"Created\": \"2026-11-27T10:15:00Z\", \"Account\": \"billing\",\n"
    "     \"BaseAddress\": \"bobsmith@example.net\", \"OriginalAddress\": "
    "\"bob.smith+shop@example.net\",\n"
    "     \"Manual\": false, \"Reason\": \"delivery failure from queue with smtp code 550, "
    "enhanced "
    "code \\\"1.1\\\"\"}\n"
    "  ],\n"
    "  \"Next\": \"\"\n"
    "}";

static const struct jsonbind_field fields[] = {
    {"Limit", JSONBIND_INT64, offsetof(struct request, limit)},
    {"After", JSONBIND_TEXT, offsetof(struct request, after)},
    {0},
};

static void write_address(struct jsonwrite *w, const char *key, const char *stored)
{
    jsonwrite_key(w, key);
    messages_write_address(w, stored);
}

static int then(struct call *c, const struct suppress_answer *answer, struct jsonwrite *w)
{
    for (uint32_t i = 0; i < answer->rows_n; i++) {
        const struct suppression *s = &answer->rows[i];
        jsonwrite_object(w);
        jsonwrite_key(w, "ID");
        jsonwrite_uint64(w, s->id);
        jsonwrite_key(w, "Created");
        jsonwrite_time(w, s->created_ms);
        jsonwrite_key(w, "Account");
        jsonwrite_text(w, s->account);
        write_address(w, "BaseAddress", s->base);
        write_address(w, "OriginalAddress", s->original);
        jsonwrite_key(w, "Manual");
        jsonwrite_bool(w, s->manual);
        jsonwrite_key(w, "Reason");
        jsonwrite_text(w, s->reason);
        jsonwrite_object_end(w);
    }
    return 0;
}

static void run(struct call *c)
{
    const struct request *r = c->parameters;
    if (r->limit >= 0 && r->limit <= SUPPRESS_PAGE_MAX) {
        suppressions_run_list(c, "Suppressions", r->after, (uint32_t)r->limit, then);
        return;
    }
    (void)refuse(&c->refusal, CODE_USER, "Limit must be 0 to 1000");
    call_refuse(c, &c->refusal);
}

const struct method method_suppressionlist = {
    .name = "SuppressionList",
    .summary = "Lists the addresses to which mail is not sent any more.",
    .text = text,
    .request = request_fields,
    .response = response_fields,
    .codes = codes,
    .example_request = "{}",
    .example_response = example_response,
    .example_short = "{}",
    .bind = fields,
    .size = sizeof(struct request),
    .run = run,
};
