#include "method_messagepartget.h"

#include "mapped.h"
#include "messages.h"
#include "mimedecode.h"
#include "mimepart.h"

struct request {
    int64_t id;
    struct jsonbind_array path; /* int64_t */
};

static const char *const text[] = {
    "PartPath leads from the message down its multiparts: each number is the index, from 0, of a "
    "part "
    "in Parts of the one before (MessageGet, Structure). An empty one is the body of the message.",
    "The content is given with its transfer encoding undone, in the charset that it has. "
    "Content-Type is what its first octets look like.",
    NULL};

static const struct method_field request_fields[] = {
    {"MsgID", "integer", "The message."},
    {"PartPath", "[integer]", "The way to the part."},
    {NULL, NULL, NULL},
};
static const enum code codes[] = {CODE_MESSAGE_NOT_FOUND, CODE_PART_NOT_FOUND,
                                  CODE_MESSAGE_TOO_LARGE, CODES};

static const struct jsonbind_field a_number = {.type = JSONBIND_INT64};
static const struct jsonbind_field fields[] = {
    {"MsgID", JSONBIND_INT64, offsetof(struct request, id)},
    {"PartPath", JSONBIND_ARRAY, offsetof(struct request, path), .of = &a_number, .max = 1000},
    {0},
};

static uint64_t ask(struct call *c, struct ipc *ch, const struct mailbox_which *which,
                    mailbox_on_answer *on_answer, void *arg)
{
    return mailbox_find(ch, which, messages_octets_max(c), on_answer, arg);
}

/* Whether there is such a part. */
static bool decode(struct span octets, const struct jsonbind_array *path, size_t max,
                   struct buf *out)
{
    struct mimeread m;
    mimeread_parse(&m, octets, NULL);
    const struct mimeread_part *part = mimeread_at(&m, path->p, path->n);
    if (part != NULL)
        mimedecode_part(part, max, out);
    mimeread_clear(&m);
    return part != NULL;
}

static void then(struct call *c, struct messages *m)
{
    const struct request *r = c->parameters;
    struct span octets;
    struct buf out = {0};
    if (mapped_open(m->fd, &octets) != 0) {
        (void)refuse(&c->refusal, CODE_SERVER, "the message cannot be read now; try again");
        messages_refuse(c);
        return;
    }
    bool there = decode(octets, &r->path, messages_octets_max(c), &out);
    mapped_release(&octets);
    if (!there) {
        (void)refuse(&c->refusal, CODE_PART_NOT_FOUND, "the message has no such part");
        messages_refuse(c);
        return;
    }
    messages_end_work(c);
    call_answer_octets(c, mimepart_sniff(buf_span(&out)), &out);
}

static const struct messages_plan plan = {CODE_SERVER, CODE_MESSAGE_NOT_FOUND, false, ask, then};

static void run(struct call *c)
{
    const struct request *r = c->parameters;
    messages_run(c, r->id, &plan);
}

const struct method method_messagepartget = {
    .name = "MessagePartGet",
    .summary = "Gives the content of a part of a message.",
    .text = text,
    .request = request_fields,
    .codes = codes,
    .example_request = "{\n  \"MsgID\": 1730000000001,\n  \"PartPath\": [0, 1]\n}",
    .example_short = "{\"MsgID\":1730000000001,\"PartPath\":[0,1]}",
    .bind = fields,
    .size = sizeof(struct request),
    .run = run,
};
