#include "types.h"

#include <assert.h>
#include <string.h>

#include "ascii.h"

#define DEPTH_MAX 8 /* of lists in each other, and objects */
#define TYPES_MAX 64

static const struct method_field address_fields[] = {
    {"Name", "string", "For people to read; may be left out."},
    {"Address", "string", "The address itself, such as alice@example.net."},
    {NULL, NULL, NULL},
};
static const struct type address_type = {"address", "A person or mailbox.", address_fields};

static const struct method_field file_fields[] = {
    {"Name", "string", "The file's name, for whoever saves it."},
    {"ContentType", "string", "Such as image/png; found out from the data when left out."},
    {"ContentID", "string", "With angle brackets; what cid: in HTML refers to."},
    {"Data", "base64", "The content."},
    {NULL, NULL, NULL},
};
static const struct type file_type = {"attachment", "A file within a request.", file_fields};

static const struct method_field submission_fields[] = {
    {"Address", "string", "The recipient, as it was given."},
    {"QueueMsgID", "integer", "Its number in the queue, which webhooks come back with."},
    {"FromID", "string", "What makes its return path unique; empty when it is not."},
    {NULL, NULL, NULL},
};
static const struct type submission_type = {"submission", "A recipient that was queued.",
                                            submission_fields};

static const struct method_field suppression_fields[] = {
    {"ID", "integer", "A number of its own."},
    {"Created", "time", "Since when it stands there."},
    {"Account", "string", "Whose list it is."},
    {"BaseAddress", "string",
     "What is compared: lower case, without dots in the local part, which ends before its first + "
     "and its first -."},
    {"OriginalAddress", "string", "The address as it came onto the list."},
    {"Manual", "bool", "Whether somebody put it there."},
    {"Reason", "string", "Why, for people."},
    {NULL, NULL, NULL},
};
static const struct type suppression_type = {
    "suppression", "An address that an account's mail is not sent to.", suppression_fields};

static const struct method_field event_fields[] = {
    {"Cursor", "integer", "Its number."},
    {"Time", "time", "When it happened."},
    {"Event", "string",
     "accepted, delivered, delayed, failed, suppressed, canceled, held, released; by a notice that "
     "came back relayed, expanded, unrecognized; of mail to the account received; complained."},
    {"DSN", "bool", "Whether a notice from another server told it."},
    {"Suppressing", "bool", "Whether the recipient came onto the suppression list by it."},
    {"QueueMsgID", "integer", "The recipient's number, as Send returned it."},
    {"FromID", "string", "As Send returned it."},
    {"MessageID", "string", "The message's."},
    {"Subject", "string", "The message's."},
    {"Recipient", "string", "The address."},
    {"SMTPCode", "integer",
     "What the other server replied; 0 where none did, as where we found that the message cannot "
     "go: there SMTPEnhancedCode says why."},
    {"SMTPEnhancedCode", "string",
     "Likewise, or our own: 5.1.10 of a domain that takes no mail (null MX), 5.7.30 where no host "
     "has what REQUIRETLS asks for. Empty when there was none."},
    {"Reply", "string", "The first line of that reply, or what happened instead."},
    {"RemoteMTA", "string", "The other server's name; empty where there was none."},
    {"RemoteAddress", "string", "Its address and port, likewise."},
    {"TLS", "string",
     "How the connection was protected, and what policy held: version, cipher, key exchange, "
     "whether the server proved who it is; or that all went in clear, and why."},
    {"TLSName", "string", "What the server was called in TLS (SNI); empty in clear."},
    {"TLSPeer", "string", "The subject of its certificate; likewise."},
    {"TLSRecord", "string",
     "The TLSA record that the certificate matched; empty where there was none, and where TLS was "
     "resumed from an earlier connection that had met it."},
    {"Extra", "{string: string}", "What was given to Send."},
    {NULL, NULL, NULL},
};
static const struct type event_type = {"event", "What happened to a recipient of a message.",
                                       event_fields};

static const struct method_field message_fields[] = {
    {"From", "[address]", "As in the header, domains with U-labels."},
    {"To", "[address]", "Likewise."},
    {"CC", "[address]", "Likewise."},
    {"BCC", "[address]", "Likewise."},
    {"ReplyTo", "[address]", "Likewise."},
    {"MessageID", "string", "As in the header."},
    {"References", "[string]", "Message ids, oldest first; what is answered is among them."},
    {"Date", "time or null", "null when the message has none."},
    {"Subject", "string", "Decoded."},
    {"Text", "string", "The first part of text/plain, as UTF-8, cut at 1 MiB."},
    {"HTML", "string", "The first part of text/html, likewise."},
    {NULL, NULL, NULL},
};
static const struct type message_type = {
    "message", "A message, in the form in which Send takes one.", message_fields};

static const struct method_field part_fields[] = {
    {"ContentType", "string", "In lower case; / when the part has none."},
    {"ContentTypeParams", "{string: string}", "Its parameters, names in lower case."},
    {"ContentID", "string", "As it stands in the part."},
    {"ContentDisposition", "string", "A word in lower case; empty when there is none."},
    {"Filename", "string", "Decoded; empty when there is none."},
    {"DecodedSize", "integer", "Octets of the content; 0 for a multipart."},
    {"Parts", "[part]", "The parts in a multipart."},
    {NULL, NULL, NULL},
};
static const struct type part_type = {"part", "A part of a message, or the message itself.",
                                      part_fields};

static const struct method_field meta_fields[] = {
    {"Size", "integer", "Octets of the message, as MessageRawGet gives it."},
    {"DSN", "bool", "Whether it is a notice about the delivery of another message."},
    {"Flags", "[string]", "The well-known flags, then keywords, in lower case."},
    {"MailFrom", "string", "The reverse path; empty for the null one."},
    {"MailFromValidated", "bool",
     "Whether SPF says that it may come from RemoteIP; false also when nobody looked."},
    {"RcptTo", "string", "The recipient it was delivered for; empty when unknown."},
    {"MsgFrom", "string", "The address in From."},
    {"MsgFromValidated", "bool",
     "Whether DMARC says that it comes from that domain; false also when nobody looked."},
    {"DKIMVerifiedDomains", "[string]", "Domains whose signatures are good."},
    {"RemoteIP", "string", "The address of the client that brought it; empty when unknown."},
    {"MailboxName", "string", "Where it is."},
    {NULL, NULL, NULL},
};
static const struct type meta_type = {"meta", "What is known of a message beside its octets.",
                                      meta_fields};

static const struct method_field listed_fields[] = {
    {"MsgID", "integer", "What the other methods know it by."},
    {"Flags", "[string]", "As in MessageGet."},
    {"Received", "time", "When it was accepted for delivery, or put there."},
    {"MailFrom", "string", "The reverse path it came with; empty for the null one."},
    {"RcptTo", "string", "The recipient it was delivered for; empty when unknown."},
    {NULL, NULL, NULL},
};
static const struct type listed_type = {"listed", "A message in a list.", listed_fields};

static const struct method_field arrival_fields[] = {
    {"MsgID", "integer", "For MessageGet and the other methods."},
    {"MailFrom", "string", "The reverse path; empty for the null one."},
    {"RcptTo", "string", "The recipient it was delivered for."},
    {"MailFromValidated", "bool", "false: senders are not verified by this server yet."},
    {"MsgFromValidated", "bool", "false, likewise."},
    {"DKIMVerifiedDomains", "[string]", "[], likewise."},
    {"RemoteIP", "string", "Who brought it; empty if it came from this server."},
    {"Received", "time", "When it came."},
    {"MailboxName", "string", "Where it is."},
    {"Automated", "bool", "Whether a program sent it, such as a list or a vacation notice."},
    {NULL, NULL, NULL},
};
static const struct type arrival_type = {"arrival", "How a message came.", arrival_fields};

const struct type *const types[] = {
    &address_type, &file_type, &submission_type, &suppression_type, &event_type, &message_type,
    &part_type,    &meta_type, &listed_type,     &arrival_type,     NULL,
};

static_assert(sizeof types / sizeof types[0] <= TYPES_MAX, "TYPES_MAX is too small");

static const struct {
    const char *name;
    enum type_kind kind;
} simple[] = {
    {"string", TYPE_STRING},
    {"integer", TYPE_INTEGER},
    {"bool", TYPE_BOOL},
    {"time", TYPE_TIME},
    {"base64", TYPE_BASE64},
    {"file", TYPE_FILE},
    {"{string: string}", TYPE_MAP},
};

bool types_next_name(struct span *names, struct span *name)
{
    while (ascii_token(names, ",", name)) {
        *name = ascii_trim(*name);
        if (name->n > 0)
            return true;
    }
    return false;
}

static int read_brackets(struct span inside, struct type_of *of)
{
    struct span word;
    if (span_find(inside, ',') < 0 || inside.p[0] == '[') {
        *of = (struct type_of){.kind = TYPE_LIST, .element = inside};
        struct type_of element;
        return types_read(inside, &element);
    }
    *of = (struct type_of){.kind = TYPE_TUPLE};
    while (types_next_name(&inside, &word))
        of->count++;
    return 0;
}

static int read_plain(struct span text, struct type_of *of)
{
    for (size_t i = 0; i < sizeof simple / sizeof simple[0]; i++) {
        if (span_is(text, simple[i].name)) {
            *of = (struct type_of){.kind = simple[i].kind};
            return 0;
        }
    }
    for (size_t i = 0; types[i] != NULL; i++) {
        if (span_is(text, types[i]->name)) {
            *of = (struct type_of){.kind = TYPE_OBJECT, .object = types[i]};
            return 0;
        }
    }
    if (text.n >= 3 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        return read_brackets(span_of(text.p + 1, text.n - 2), of);
    return -1;
}

int types_read(struct span text, struct type_of *of)
{
    static const char null[] = " or null";
    size_t n = strlen(null);
    bool or_null = text.n > n && span_is(span_of(text.p + text.n - n, n), null);
    if (or_null)
        text.n -= n;
    *of = (struct type_of){.kind = TYPE_STRING};
    int rc = read_plain(text, of);
    of->or_null = or_null;
    return rc;
}

/* ---- a visit ---- */

struct visitor {
    const struct type *seen[TYPES_MAX];
    size_t n;
    void (*each)(const struct type *type, void *arg);
    void *arg;
};

static void visit_fields(struct visitor *v, const struct method_field *fields, int depth);

static void visit_type(struct visitor *v, const struct type *type, int depth)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->seen[i] == type)
            return;
    }
    v->seen[v->n++] = type;
    v->each(type, v->arg);
    visit_fields(v, type->fields, depth + 1);
}

static void visit_fields(struct visitor *v, const struct method_field *fields, int depth)
{
    assert(depth < DEPTH_MAX);
    for (; fields != NULL && fields->name != NULL; fields++) {
        struct type_of of;
        struct span text = span_text(fields->type);
        int rc = types_read(text, &of);
        while (rc == 0 && of.kind == TYPE_LIST)
            rc = types_read(of.element, &of);
        if (rc == 0 && of.object != NULL)
            visit_type(v, of.object, depth);
    }
}

void types_visit(const struct method_field *fields,
                 void (*each)(const struct type *type, void *arg), void *arg)
{
    struct visitor v = {.each = each, .arg = arg};
    visit_fields(&v, fields, 0);
}
