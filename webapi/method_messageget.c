#include "method_messageget.h"

#include "foldername.h"
#include "mailflags.h"
#include "mailjson.h"
#include "mapped.h"
#include "mem.h"
#include "messages.h"

struct request {
    int64_t id;
};

static const char *const text[] = {
    "The message is shown in the form in which Send takes one. Text and HTML are the first parts "
    "of "
    "these kinds, as UTF-8, cut at 1 MiB.",
    NULL};

static const struct method_field request_fields[] = {
    {"MsgID", "integer", "The message."},
    {NULL, NULL, NULL},
};

static const struct method_field response_fields[] = {
    {"Message", "message", "What it says."},
    {"Structure", "part", "What it is made of."},
    {"Meta", "meta", "What is known of it beside."},
    {NULL, NULL, NULL},
};

static const enum code codes[] = {CODE_MESSAGE_NOT_FOUND, CODE_MESSAGE_TOO_LARGE, CODES};

static const char example_response[] =
    "{\n"
    "  \"Message\": {\"From\": [{\"Name\": \"Alice\", \"Address\": \"alice@example.net\"}],\n"
    "    \"To\": [{\"Name\": \"\", \"Address\": \"billing@example.org\"}], \"CC\": [], \"BCC\": "
    "[],\n"
    "    \"ReplyTo\": [], \"MessageID\": \"<1@example.net>\", \"References\": [],\n"
    "    \"Date\": \"2026-11-27T10:15:00Z\", \"Subject\": \"hello\", \"Text\": \"hi\\n\", "
    "\"HTML\": "
    "\"\"},\n"
    "  \"Structure\": {\"ContentType\": \"text/plain\", \"ContentTypeParams\": {\"charset\": "
    "\"us-ascii\"},\n"
    "    \"ContentID\": \"\", \"ContentDisposition\": \"\", \"Filename\": \"\", \"DecodedSize\": "
    "4, "
    "\"Parts\": []},\n"
    "  \"Meta\": {\"Size\": 412, \"DSN\": false, \"Flags\": [\"\\\\seen\"], \"MailFrom\": "
    "\"alice@example.net\",\n"
    "    \"MailFromValidated\": false, \"RcptTo\": \"billing@example.org\", \"MsgFrom\": "
    "\"alice@example.net\",\n"
    "    \"MsgFromValidated\": false, \"DKIMVerifiedDomains\": [], \"RemoteIP\": \"192.0.2.1\",\n"
    "    \"MailboxName\": \"Inbox\"}\n"
    "}";

static const struct jsonbind_field fields[] = {
    {"MsgID", JSONBIND_INT64, offsetof(struct request, id)},
    {0},
};

static uint64_t ask(struct call *c, struct ipc *ch, const struct mailbox_which *which,
                    mailbox_on_answer *on_answer, void *arg)
{
    return mailbox_find(ch, which, messages_octets_max(c), on_answer, arg);
}

/* RFC 3464 section 2: the second part says it. */
static bool is_dsn(const struct mimeread *m)
{
    const int64_t second = 1;
    const struct mimeread_part *part = mimeread_at(m, &second, 1);
    return mimeread_is(&m->parts[0], "multipart/report") && part != NULL &&
           (mimeread_is(part, "message/delivery-status") ||
            mimeread_is(part, "message/global-delivery-status"));
}

static void write_text(struct jsonwrite *w, const char *key, const char *value)
{
    jsonwrite_key(w, key);
    jsonwrite_text(w, value);
}

static void write_bool(struct jsonwrite *w, const char *key, bool value)
{
    jsonwrite_key(w, key);
    jsonwrite_bool(w, value);
}

static void write_checks(struct jsonwrite *w, const struct mail_checks *checks)
{
    write_bool(w, "MsgFromValidated", checks->dmarc == MAIL_PASS);
    jsonwrite_key(w, "DKIMVerifiedDomains");
    jsonwrite_array(w);
    for (uint32_t i = 0; i < checks->dkim.n; i++)
        jsonwrite_text(w, checks->dkim.list[i]);
    jsonwrite_array_end(w);
}

static void write_meta(struct jsonwrite *w, const struct messages *m, const struct mimeread *parsed,
                       const struct mailfields *header, size_t size)
{
    char *folder = foldername_shown(m->file.place.folder);
    jsonwrite_object(w);
    jsonwrite_key(w, "Size");
    jsonwrite_uint64(w, size);
    write_bool(w, "DSN", is_dsn(parsed));
    jsonwrite_key(w, "Flags");
    mailflags_write(w, m->file.flags, &m->file.keywords, &m->row.keywords);
    write_text(w, "MailFrom", m->row.mail_from);
    write_bool(w, "MailFromValidated", m->row.checks.spf == MAIL_PASS);
    jsonwrite_key(w, "RcptTo");
    messages_write_address(w, m->row.rcpt_to);
    write_text(w, "MsgFrom", header->from.n > 0 ? header->from.items[0].address : "");
    write_checks(w, &m->row.checks);
    write_text(w, "RemoteIP", m->row.remote_ip);
    write_text(w, "MailboxName", folder);
    jsonwrite_object_end(w);
    mem_free(&folder);
}

static void write_response(struct buf *out, const struct messages *m, struct span octets,
                           const struct mailcharset *charsets)
{
    struct mimeread parsed;
    struct mailfields header;
    struct jsonwrite w;
    mimeread_parse(&parsed, octets, charsets);
    mailfields_read(&header, &parsed, charsets);
    jsonwrite_open(&w, out, 0);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "Message");
    jsonwrite_object(&w);
    mailjson_message(&w, &parsed, &header, charsets);
    jsonwrite_object_end(&w);
    jsonwrite_key(&w, "Structure");
    mailjson_structure(&w, &parsed, &parsed.parts[0]);
    jsonwrite_key(&w, "Meta");
    write_meta(&w, m, &parsed, &header, octets.n);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    mailfields_clear(&header);
    mimeread_clear(&parsed);
}

static void then(struct call *c, struct messages *m)
{
    struct span octets;
    struct buf out = {0};
    if (mapped_open(m->fd, &octets) != 0) {
        (void)refuse(&c->refusal, CODE_SERVER, "the message cannot be read now; try again");
        messages_refuse(c);
        return;
    }
    write_response(&out, m, octets, c->webapi->charsets);
    mapped_release(&octets);
    messages_end_work(c);
    call_answer(c, &out);
}

static const struct messages_plan plan = {CODE_SERVER, CODE_MESSAGE_NOT_FOUND, false, ask, then};

static void run(struct call *c)
{
    const struct request *r = c->parameters;
    messages_run(c, r->id, &plan);
}

const struct method method_messageget = {
    .name = "MessageGet",
    .summary = "Gives a message of the mailbox in parts.",
    .text = text,
    .request = request_fields,
    .response = response_fields,
    .codes = codes,
    .example_request = "{\n  \"MsgID\": 1730000000001\n}",
    .example_response = example_response,
    .example_short = "{\"MsgID\":1730000000001}",
    .bind = fields,
    .size = sizeof(struct request),
    .run = run,
};
