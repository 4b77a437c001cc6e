#include "method_send.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "call.h"
#include "clock.h"
#include "draft.h"
#include "file.h"
#include "jsonwrite.h"
#include "mem.h"
#include "outgoing.h"
#include "qid.h"
#include "received.h"
#include "sent.h"

/* ---- the page ---- */

static const char *const text[] = {
    "The message is composed, signed for its domain, and queued for all its recipients: when the "
    "answer comes it is on stable "
    "storage. Whatever becomes of it at each recipient is told later, by webhook or by a notice to "
    "the sender.",
    "With a header field Idempotency-Key, of up to 256 characters, a request that is sent again, "
    "since it is not known whether it got through, is answered as it was the first time, and "
    "nothing is sent or stored twice. A key is known for a day, unless the server is set up "
    "otherwise.",
    NULL,
};

static const struct method_field request_fields[] = {
    {"From", "[address]",
     "One address of the account's, which is the envelope sender too, with the FromID in it. "
     "Without it, the account's "
     "name and the address that was "
     "logged in with."},
    {"To, CC, BCC", "[address]",
     "The recipients, at least one in all. Those in BCC get the message and are not named in it."},
    {"ReplyTo", "[address]", "Where answers should go."},
    {"Subject", "string", "One line of text."},
    {"Text", "string",
     "The message as plain text, lines ended by \\n. Text or HTML is needed. With "
     "both, readers are shown the one that suits them."},
    {"HTML", "string", "The message as HTML."},
    {"MessageID", "string", "With angle brackets. Without it one is made."},
    {"References", "[string]",
     "Message ids of the conversation, oldest first. The last is what this message answers. "
     "What is none, such as an empty text or one with a space, is left out."},
    {"Date", "time", "For the message's header, as in RFC 3339. Without it, now."},
    {"Extra", "{string: string}",
     "Kept with the message and given back in webhooks; recipients do not see it."},
    {"Headers", "[[name, value]]", "Further header fields, in this order."},
    {"AlternativeFiles", "[attachment]", "Further forms of the text, such as a calendar event."},
    {"InlineFiles", "[attachment]", "What the HTML refers to, by cid: and a ContentID."},
    {"AttachedFiles", "[attachment]", "Attachments."},
    {"RequireTLS", "bool or null",
     "true: over verified TLS all the way (REQUIRETLS), or not at all. false: delivery matters "
     "more than TLS, and the message says so to each host on its way (TLS-Required: No), unless "
     "Headers has such a field. null: as the policies of the recipients' domains say."},
    {"FutureRelease", "time",
     "Not delivered before then, which may be 60 days ahead at most. A time that has passed is "
     "now."},
    {"SaveSent", "bool",
     "Store a copy, with the field Bcc, as a message that was seen: in the mailbox Sent if there "
     "is "
     "one, or in the one that the account's settings name. When only the copy cannot be stored, "
     "the "
     "answer is sentOverQuota or server and its Message begins with \"the message was queued\": do "
     "not send it again, unless with the same Idempotency-Key."},
    {NULL, NULL, NULL},
};

static const struct method_field response_fields[] = {
    {"MessageID", "string", "The message's, with angle brackets."},
    {"Submissions", "[submission]", "One for each recipient, in the order of To, CC and BCC."},
    {NULL, NULL, NULL},
};

static const struct method_field upload_fields[] = {
    {"alternativefile", "file",
     "As AlternativeFiles, and behind those. Any number of parts may have this name."},
    {"inlinefile", "file", "As InlineFiles."},
    {"attachedfile", "file", "As AttachedFiles."},
    {NULL, NULL, NULL},
};

static const enum code codes[] = {
    CODE_MISSING_BODY,
    CODE_MULTIPLE_FROM,
    CODE_BAD_ADDRESS,
    CODE_BAD_FROM,
    CODE_DOMAIN_DISABLED,
    CODE_NO_RECIPIENTS,
    CODE_MESSAGE_TOO_LARGE,
    CODE_MALFORMED_MESSAGE_ID,
    CODE_USER,
    CODE_SENT_OVER_QUOTA,
    CODE_MESSAGE_LIMIT_REACHED,
    CODE_RECIPIENT_LIMIT_REACHED,
    CODE_IDEMPOTENCY_CONFLICT,
    CODES,
};

static const char example_request[] =
    "{\n"
    "  \"To\": [{\"Name\": \"Alice\", \"Address\": \"alice@example.net\"}],\n"
    "  \"CC\": [{\"Address\": \"bob@example.net\"}],\n"
    "  \"Subject\": \"Your order 1042\",\n"
    "  \"Text\": \"Hi Alice,\\n\\nit is on its way.\\n\",\n"
    "  \"HTML\": \"<p>Hi Alice,</p><p>it is <b>on its way</b>.</p>\",\n"
    "  \"Extra\": {\"order\": \"1042\"},\n"
    "  \"Headers\": [[\"X-Campaign\", \"shipping\"]],\n"
    "  \"AttachedFiles\": [\n"
    "    {\"Name\": \"hello.txt\", \"ContentType\": \"text/plain\", \"Data\": \"aGVsbG8K\"}\n"
    "  ]\n"
    "}";

static const char example_response[] =
    "{\n"
    "  \"MessageID\": \"<kVTha0Q-a5Zh1MuTh5rUjg@mail.example.org>\",\n"
    "  \"Submissions\": [\n"
    "    {\"Address\": \"alice@example.net\", \"QueueMsgID\": 10010, \"FromID\": \"\"},\n"
    "    {\"Address\": \"bob@example.net\", \"QueueMsgID\": 10011, \"FromID\": \"\"}\n"
    "  ]\n"
    "}";

/* ---- the call ---- */

struct sending {
    struct outgoing *outgoing;
    struct sent *sent; /* once it is queued, until its copy is stored */
    struct buf json;   /* the answer, once it is queued */
    struct buf bcc;    /* the field, for the copy */
    char *message_id;
    uint32_t recipients;
    /* Of what was sent before: its message was made again for the copy. */
    bool again;
    uint64_t id;
};

static void end_sending(struct call *c)
{
    struct sending *s = c->work;
    c->work = NULL;
    outgoing_cancel(&s->outgoing);
    sent_cancel(&s->sent);
    buf_free(&s->bcc);
    buf_free(&s->json);
    mem_free(&s->message_id);
    mem_free(&s);
}

/* n: how many of the message's recipients were written before. */
static void write_submissions(struct jsonwrite *w, const struct jsonbind_array *given,
                              const struct submit_reply *reply, uint32_t *n)
{
    const struct draft_mailbox *m = given->p;
    for (size_t i = 0; i < given->n; i++, (*n)++) {
        jsonwrite_object(w);
        jsonwrite_key(w, "Address");
        jsonwrite_span(w, m[i].address);
        jsonwrite_key(w, "QueueMsgID");
        jsonwrite_int64(w, (int64_t)(reply->id + *n));
        jsonwrite_key(w, "FromID");
        jsonwrite_text(w, *n < reply->from_ids_n ? reply->from_ids[*n] : "");
        jsonwrite_object_end(w);
    }
}

static void write_response(struct buf *out, const struct draft_request *r, const char *message_id,
                           const struct submit_reply *reply)
{
    struct jsonwrite w;
    uint32_t n = 0;
    jsonwrite_open(&w, out, 0);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "MessageID");
    jsonwrite_text(&w, message_id);
    jsonwrite_key(&w, "Submissions");
    jsonwrite_array(&w);
    write_submissions(&w, &r->to, reply, &n);
    write_submissions(&w, &r->cc, reply, &n);
    write_submissions(&w, &r->bcc, reply, &n);
    jsonwrite_array_end(&w);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
}

static void answer(struct call *c)
{
    struct sending *s = c->work;
    struct buf json = s->json;
    s->json = (struct buf){0};
    end_sending(c);
    call_answer(c, &json);
}

/* ---- the message ---- */

/* Minutes east of UTC here, at that time. */
static int local_zone(int64_t ms)
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;
    return localtime_r(&t, &tm) == NULL ? 0 : (int)(tm.tm_gmtoff / 60);
}

/* The uploads of one kind. The form keeps the octets. */
static struct compose_files collect(struct httpform *form, const char *name)
{
    struct mimepart_file *list = mem_array(httpform_count(form), sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < httpform_count(form); i++) {
        struct httpform_part *p = httpform_part(form, i);
        if (p->filename != NULL && strcmp(p->name, name) == 0)
            list[n++] =
                (struct mimepart_file){.name = span_text(p->filename),
                                       .content_type = span_text(p->type),
                                       .content_id = span_text(p->content_id),
                                       .data = buf_span(&p->value),
                                       .form = p->spilled ? MIMEPART_RANGE : MIMEPART_OCTETS,
                                       .fd = httpform_spill(form),
                                       .at = p->at,
                                       .n = p->n};
    }
    return (struct compose_files){list, n};
}

/* The message, as *r asks for it and the call's uploads. */
static int make(struct call *c, const struct draft_request *r, struct draft *draft)
{
    const struct conf_block *root = conf_root(front_conf(c->front)),
                            *smtp = conf_child(root, "smtp");
    struct httpform *form = httprequest_form(c->request);
    char *client = mem_format("%s HTTP", c->visit->client);
    int64_t now = clock_wall_ms();
    struct draft_context context = {
        .conf = front_conf(c->front),
        .account = c->account,
        .login = c->login,
        .hostname = conf_text(root, "hostname"),
        .client = client,
        .max_size = (size_t)conf_size(smtp, "message-size"),
        .max_recipients = (size_t)conf_int(smtp, "recipients"),
        .now_ms = now,
        .zone_min = local_zone(now),
    };
    context.alternative = collect(form, upload_fields[0].name);
    context.inlined = collect(form, upload_fields[1].name);
    context.attached = collect(form, upload_fields[2].name);
    int rc = draft_make(r, &context, draft, &c->refusal);
    mem_release((void *)(uintptr_t)context.alternative.list);
    mem_release((void *)(uintptr_t)context.inlined.list);
    mem_release((void *)(uintptr_t)context.attached.list);
    mem_free(&client);
    return rc;
}

/* ---- its copy ---- */

/* The message is on its way, whatever became of the copy. */
static void on_saved(void *arg, enum sent_result result)
{
    struct call *c = arg;
    struct sending *s = c->work;
    s->sent = NULL;
    if (result == SENT_SAVED || result == SENT_NOWHERE) {
        answer(c);
        return;
    }
    log_warn(&c->visit->log, "copy of a sent message not stored", LS("account", c->visit->account));
    counts_submission(c->webapi->counts, COUNT_STORE_SENT_ERROR);
    (void)refuse(&c->refusal, result == SENT_FULL ? CODE_SENT_OVER_QUOTA : CODE_SERVER,
                 "the message was queued, but its copy cannot be stored: %s",
                 result == SENT_FULL ? "the mailbox is full" : "the mailbox cannot be reached now");
    end_sending(c);
    call_refuse(c, &c->refusal);
}

static void save(struct call *c, int file, uint64_t front)
{
    struct sending *s = c->work;
    const struct sent_once once = {c->once_key, s->id, s->again};
    enum sent_result result;
    s->sent = sent_save(c->webapi->peers, c->account, file, front, buf_span(&s->bcc),
                        c->once_key[0] == '\0' ? NULL : &once, on_saved, c, &result);
    if (s->sent == NULL)
        on_saved(c, result);
}

static void accepted(struct call *c, const struct submit_reply *reply, int file, uint64_t front)
{
    const struct draft_request *r = c->parameters;
    struct sending *s = c->work;
    struct webapi *w = c->webapi;
    char qid[QID_SIZE];
    log_info(&c->visit->log, "mail accepted", LS("qid", qid_text(reply->id, qid)),
             LU("rcpts", s->recipients), LS("msgid", s->message_id),
             LS("account", c->visit->account));
    counts_submission(w->counts, COUNT_SUBMITTED);
    service_count(w->service, COUNT_ACCEPTED, 1);
    service_count(w->service, COUNT_RECIPIENTS, s->recipients);
    write_response(&s->json, r, s->message_id, reply);
    s->id = reply->id;
    if (r->save_sent) {
        save(c, file, front);
        return;
    }
    file_close(&file);
    answer(c);
}

/* ---- the queue's answer ---- */

/* The message as it was, but for what is new each time it is made, such as boundaries. */
static int make_again(struct call *c, const struct submit_reply *reply, struct draft *draft)
{
    struct draft_request r = *(const struct draft_request *)c->parameters;
    struct draft_time then = {.ms = reply->taken_ms, .zone_min = local_zone(reply->taken_ms)};
    r.message_id = span_text(reply->message_id);
    if (r.date == NULL)
        r.date = &then;
    return make(c, &r, draft);
}

static outgoing_on_settled on_settled;

/* Its copy was not stored, as far as is known. */
static void make_copy(struct call *c, const struct submit_reply *reply)
{
    struct sending *s = c->work;
    struct draft draft;
    if (make_again(c, reply, &draft) != 0) {
        on_saved(c, SENT_FAILED);
        return;
    }
    s->again = true;
    s->id = reply->id;
    buf_free(&s->bcc);
    s->bcc = draft.bcc;
    draft.bcc = (struct buf){0};
    s->outgoing = outgoing_start(c->webapi->base, c->webapi->peers, NULL, &draft.composed,
                                 draft.domain, (struct span){0}, on_settled, c);
    draft_clear(&draft);
}

/* The same request came before, and is answered as it was then. */
static void accepted_before(struct call *c, const struct submit_reply *reply)
{
    const struct draft_request *r = c->parameters;
    struct sending *s = c->work;
    log_info(&c->visit->log, "mail was accepted before", LS("key", c->once_key),
             LS("msgid", reply->message_id), LS("account", c->visit->account));
    write_response(&s->json, r, reply->message_id, reply);
    if (r->save_sent && !reply->copied)
        make_copy(c, reply);
    else
        answer(c);
}

/* What the client is told when the message is not in the queue. */
static void explain(enum outgoing_result result, const struct submit_reply *reply,
                    struct refusal *why)
{
    static const char *const again[] = {
        [OUTGOING_UNSIGNED] = "the message cannot be signed now; try again",
        [OUTGOING_LOST] = "the queue is not there at the moment; try again",
        [OUTGOING_FAILED] = "the message cannot be handled now; try again",
    };
    static const enum code codes_of[SUBMIT_WHYS] = {
        [SUBMIT_WHY_MESSAGE_LIMIT] = CODE_MESSAGE_LIMIT_REACHED,
        [SUBMIT_WHY_RECIPIENT_LIMIT] = CODE_RECIPIENT_LIMIT_REACHED,
        [SUBMIT_WHY_CONFLICT] = CODE_IDEMPOTENCY_CONFLICT,
        [SUBMIT_WHY_FROM_ID] = CODE_USER,
        [SUBMIT_WHY_SUPPRESSED] = CODE_USER,
    };
    assert(result != OUTGOING_REFUSED || reply != NULL);
    if (result != OUTGOING_REFUSED)
        (void)refuse(why, CODE_SERVER, "%s", again[result]);
    else if (reply->why != SUBMIT_WHY_OTHER)
        (void)refuse(why, codes_of[reply->why], "%s", reply->text);
    else if (reply->code == 552)
        (void)refuse(why, CODE_MESSAGE_TOO_LARGE, "%s", reply->text);
    else if (reply->code < 500)
        (void)refuse(why, CODE_SERVER, "the message cannot be queued now (%u %s %s); try again",
                     reply->code, reply->enhanced, reply->text);
    else
        (void)refuse(why, CODE_SERVER, "the message was not queued: %u %s %s", reply->code,
                     reply->enhanced, reply->text);
}

/* The message was made for its copy. */
static void save_again(struct call *c, enum outgoing_result result, int file, uint64_t front)
{
    if (result == OUTGOING_MADE) {
        save(c, file, front);
        return;
    }
    file_close(&file);
    on_saved(c, SENT_FAILED);
}

static enum count_submission counted_as(const struct submit_reply *reply)
{
    if (reply != NULL && reply->why == SUBMIT_WHY_MESSAGE_LIMIT)
        return COUNT_MESSAGE_LIMIT;
    if (reply != NULL && reply->why == SUBMIT_WHY_RECIPIENT_LIMIT)
        return COUNT_RECIPIENT_LIMIT;
    return COUNT_QUEUE_ERROR;
}

static void on_settled(void *arg, enum outgoing_result result, const struct submit_reply *reply,
                       const char *why)
{
    struct call *c = arg;
    struct sending *s = c->work;
    uint64_t front;
    int file = outgoing_take_file(s->outgoing, &front);
    s->outgoing = NULL;
    if (result == OUTGOING_ACCEPTED && reply->message_id != NULL) {
        file_close(&file);
        accepted_before(c, reply);
        return;
    }
    if (result == OUTGOING_ACCEPTED) {
        accepted(c, reply, file, front);
        return;
    }
    if (s->again) {
        save_again(c, result, file, front);
        return;
    }
    if (reply == NULL || reply->why == SUBMIT_WHY_OTHER)
        counts_error(c->webapi->counts,
                     result == OUTGOING_UNSIGNED ? COUNT_DKIM_SIGN : COUNT_SUBMIT);
    log_warn(&c->visit->log, "mail not queued", LS("why", why), LS("account", c->visit->account));
    counts_submission(c->webapi->counts, counted_as(reply));
    explain(result, reply, &c->refusal);
    end_sending(c);
    call_refuse(c, &c->refusal);
}

static void write_trace(struct buf *out, const struct call *c, const struct draft *draft)
{
    struct received r = {.by = conf_text(conf_root(front_conf(c->front)), "hostname"),
                         .via = RECEIVED_HTTP,
                         .authenticated = true,
                         .id = c->visit->id,
                         .recipient = draft->recipient.local == NULL ? NULL : &draft->recipient,
                         .date_ms = draft->envelope->received_ms,
                         .zone_min = local_zone(draft->envelope->received_ms)};
    received_write(out, &r);
}

static void count_refusal(struct call *c)
{
    if (c->refusal.code == CODE_BAD_FROM)
        counts_submission(c->webapi->counts, COUNT_BAD_FROM);
    else if (c->refusal.code == CODE_DOMAIN_DISABLED)
        counts_submission(c->webapi->counts, COUNT_DOMAIN_DISABLED);
}

static void send_draft(struct call *c, struct draft *draft)
{
    struct sending *s = mem_zero(sizeof *s);
    struct submit_envelope *envelope = draft->envelope;
    struct buf trace = {0};
    write_trace(&trace, c, draft);
    s->message_id = mem_text(draft->composed.message_id);
    submit_set(&envelope->once_key, c->once_key);
    memcpy(envelope->once_digest, c->once_digest, SUBMIT_DIGEST);
    s->recipients = envelope->recipients_n;
    draft->envelope = NULL;
    s->bcc = draft->bcc;
    draft->bcc = (struct buf){0};
    c->work = s;
    c->cancel = end_sending;
    s->outgoing = outgoing_start(c->webapi->base, c->webapi->peers, envelope, &draft->composed,
                                 draft->domain, buf_span(&trace), on_settled, c);
    buf_free(&trace);
}

static void run(struct call *c)
{
    struct draft draft;
    if (make(c, c->parameters, &draft) != 0) {
        count_refusal(c);
        call_refuse(c, &c->refusal);
        return;
    }
    send_draft(c, &draft);
    draft_clear(&draft);
}

const struct method method_send = {
    .name = "Send",
    .summary = "Sends a message.",
    .text = text,
    .request = request_fields,
    .response = response_fields,
    .files = upload_fields,
    .codes = codes,
    .example_request = example_request,
    .example_response = example_response,
    .example_short = "{\"To\":[{\"Address\":\"alice@example.net\"}],\"Subject\":\"Hello\",\"Text\":"
                     "\"Hi Alice!\"}",
    .bind = draft_fields,
    .size = sizeof(struct draft_request),
    .once = true,
    .run = run,
};
