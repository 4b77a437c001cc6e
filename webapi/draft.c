#include "draft.h"

#include <assert.h>
#include <string.h>

#include "base64.h"
#include "confaddr.h"
#include "maildate.h"
#include "mem.h"
#include "utf8.h"

#define FILES_MAX 1000 /* of one kind */

/* ---- the table ---- */

static int bind_time(struct json_doc *doc, const struct json_value *v, void *field, struct fail *f)
{
    struct draft_time *t = field;
    if (jsonread_kind(v) == JSON_TEXT &&
        maildate_parse_rfc3339(jsonread_text(v), &t->ms, &t->zone_min, NULL) == 0)
        return 0;
    return fail_set(f, "must be a time like \"2006-01-02T15:04:05Z\" (RFC 3339)");
}

static const struct jsonbind_field mailbox_fields[] = {
    {"Name", JSONBIND_TEXT, offsetof(struct draft_mailbox, name)},
    {"Address", JSONBIND_TEXT, offsetof(struct draft_mailbox, address)},
    {0},
};
static const struct jsonbind_field a_mailbox = {
    .type = JSONBIND_OBJECT, .of = mailbox_fields, .size = sizeof(struct draft_mailbox)};

static const struct jsonbind_field file_fields[] = {
    {"Name", JSONBIND_TEXT, offsetof(struct draft_file, name)},
    {"ContentType", JSONBIND_TEXT, offsetof(struct draft_file, content_type)},
    {"ContentID", JSONBIND_TEXT, offsetof(struct draft_file, content_id)},
    {"Data", JSONBIND_TEXT, offsetof(struct draft_file, data)},
    {0},
};
static const struct jsonbind_field a_file = {
    .type = JSONBIND_OBJECT, .of = file_fields, .size = sizeof(struct draft_file)};

static const struct jsonbind_field a_text = {.type = JSONBIND_TEXT};
static const struct jsonbind_field a_header = {.type = JSONBIND_TEXTS, .count = 2};

#define AT(field) offsetof(struct draft_request, field)

const struct jsonbind_field draft_fields[] = {
    {"From", JSONBIND_ARRAY, AT(from), .of = &a_mailbox},
    {"To", JSONBIND_ARRAY, AT(to), .of = &a_mailbox},
    {"CC", JSONBIND_ARRAY, AT(cc), .of = &a_mailbox},
    {"BCC", JSONBIND_ARRAY, AT(bcc), .of = &a_mailbox},
    {"ReplyTo", JSONBIND_ARRAY, AT(reply_to), .of = &a_mailbox},
    {"MessageID", JSONBIND_TEXT, AT(message_id)},
    {"References", JSONBIND_ARRAY, AT(references), .of = &a_text},
    {"Date", JSONBIND_CALL, AT(date), .size = sizeof(struct draft_time), .call = bind_time,
     .pointer = true},
    {"Subject", JSONBIND_TEXT, AT(subject)},
    {"Text", JSONBIND_TEXT, AT(text)},
    {"HTML", JSONBIND_TEXT, AT(html)},
    {"Extra", JSONBIND_MAP, AT(extra)},
    {"Headers", JSONBIND_ARRAY, AT(headers), .of = &a_header},
    {"AlternativeFiles", JSONBIND_ARRAY, AT(alternative), .of = &a_file},
    {"InlineFiles", JSONBIND_ARRAY, AT(inlined), .of = &a_file},
    {"AttachedFiles", JSONBIND_ARRAY, AT(attached), .of = &a_file},
    {"RequireTLS", JSONBIND_BOOL, AT(require_tls), .pointer = true},
    {"FutureRelease", JSONBIND_CALL, AT(future_release), .size = sizeof(struct draft_time),
     .call = bind_time, .pointer = true},
    {"SaveSent", JSONBIND_BOOL, AT(save_sent)},
    {0},
};

/* ---- what is made on the way ---- */

/* A list of addresses of the request, read. */
struct mailboxes {
    struct compose_mailbox *list;
    struct address *addresses;
    size_t n;
};

/* The files of one kind: those of the request, and the uploads behind them. */
struct files {
    struct mimepart_file *list;
    size_t n;
};

struct work {
    const struct draft_request *request;
    const struct draft_context *context;
    struct draft *draft;
    struct refusal *why;
    struct mailboxes from, to, cc, bcc, reply_to;
    struct files alternative, inlined, attached;
    bool from_ids; /* each recipient gets an envelope sender of its own */
};

static void free_mailboxes(struct mailboxes *m)
{
    for (size_t i = 0; i < m->n; i++)
        address_clear(&m->addresses[i]);
    mem_free(&m->addresses);
    mem_free(&m->list);
}

/* ---- addresses ---- */

static int check_name(struct work *w, struct span name, const char *field)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] < 0x20 || name.p[i] == 0x7f)
            return refuse(w->why, CODE_USER, "a name in %s holds a control character", field);
    }
    return 0;
}

static int read_mailboxes(struct work *w, const struct jsonbind_array *given, const char *field,
                          struct mailboxes *m)
{
    const struct draft_mailbox *mailbox = given->p;
    struct fail f;
    m->list = mem_array(given->n, sizeof *m->list);
    m->addresses = mem_array(given->n, sizeof *m->addresses);
    m->n = given->n;
    for (size_t i = 0; i < given->n; i++, mailbox++) {
        if (check_name(w, mailbox->name, field) != 0)
            return -1;
        if (address_parse(mailbox->address, &m->addresses[i], &f) != 0)
            return refuse(w->why, CODE_BAD_ADDRESS, "%s: \"%.*s\" is no address: %s", field,
                          (int)(mailbox->address.n < 100 ? mailbox->address.n : 100),
                          mailbox->address.p, f.text);
        m->list[i] = (struct compose_mailbox){mailbox->name, &m->addresses[i]};
    }
    return 0;
}

/* Without a From it is from the address that was logged in with. */
static int read_from(struct work *w)
{
    if (w->request->from.n > 0)
        return read_mailboxes(w, &w->request->from, "From", &w->from);
    struct draft_mailbox own = {span_text(conf_text(w->context->account, "full-name")),
                                span_text(w->context->login)};
    struct jsonbind_array one = {&own, 1};
    return read_mailboxes(w, &one, "the login address", &w->from);
}

static int check_from(struct work *w)
{
    const struct address *from = &w->from.addresses[0];
    struct span local = span_text(from->local), domain = span_text(from->domain);
    const struct conf_block *ours = confaddr_domain(w->context->conf, domain);
    if (ours != NULL && conf_bool(ours, "disabled"))
        return refuse(w->why, CODE_DOMAIN_DISABLED, "nobody may send from domain %s at present",
                      from->domain);
    if (confaddr_account(w->context->conf, local, domain, NULL) != w->context->account)
        return refuse(w->why, CODE_BAD_FROM, "the address in From is not one of account %s",
                      conf_label(w->context->account));
    return 0;
}

/* Whether the login is one whose messages get an envelope sender for each recipient. */
static bool wants_from_ids(const struct draft_context *c)
{
    struct address login;
    if (address_parse(span_text(c->login), &login, NULL) != 0)
        return false;
    bool wants =
        confaddr_is_from_id_login(c->account, span_text(login.local), span_text(login.domain));
    address_clear(&login);
    return wants;
}

static int check_from_ids(struct work *w)
{
    const struct address *from = &w->from.addresses[0];
    struct fail f;
    w->from_ids = wants_from_ids(w->context);
    if (!w->from_ids || confaddr_takes_id(w->context->conf, span_text(from->local),
                                          span_text(from->domain), CONFADDR_ID_MAX, &f) == 0)
        return 0;
    return refuse(w->why, CODE_USER, "From: %s", f.text);
}

static int check_recipients(struct work *w)
{
    size_t n = w->to.n + w->cc.n + w->bcc.n;
    if (n == 0)
        return refuse(w->why, CODE_NO_RECIPIENTS,
                      "there are no recipients: To, CC and BCC are empty");
    if (n > w->context->max_recipients)
        return refuse(w->why, CODE_USER,
                      "there are %zu recipients, and no message may have more than %zu", n,
                      w->context->max_recipients);
    return 0;
}

static int read_addresses(struct work *w)
{
    const struct draft_request *r = w->request;
    if (r->text.n == 0 && r->html.n == 0)
        return refuse(w->why, CODE_MISSING_BODY, "Text and HTML are both empty");
    if (r->from.n > 1)
        return refuse(w->why, CODE_MULTIPLE_FROM,
                      "there are %zu addresses in From, and only one may be there", r->from.n);
    if (read_from(w) != 0 || read_mailboxes(w, &r->to, "To", &w->to) != 0 ||
        read_mailboxes(w, &r->cc, "CC", &w->cc) != 0 ||
        read_mailboxes(w, &r->bcc, "BCC", &w->bcc) != 0)
        return -1;
    if (check_from(w) != 0 || check_from_ids(w) != 0 || check_recipients(w) != 0)
        return -1;
    return read_mailboxes(w, &r->reply_to, "ReplyTo", &w->reply_to);
}

/* ---- files ---- */

static int check_extra(struct work *w)
{
    const struct jsonbind_pair *pair = w->request->extra.p;
    size_t total = 0;
    if (w->request->extra.n > SUBMIT_EXTRA_MAX)
        return refuse(w->why, CODE_USER, "Extra holds more than %d keys", SUBMIT_EXTRA_MAX);
    for (size_t i = 0; i < w->request->extra.n; i++) {
        if (pair[i].key.n > PROTO_TEXT_MAX || pair[i].value.n > PROTO_TEXT_MAX)
            return refuse(w->why, CODE_USER, "a key or value of Extra is longer than %d octets",
                          PROTO_TEXT_MAX);
        total += pair[i].key.n + pair[i].value.n;
    }
    if (total > SUBMIT_EXTRA_OCTETS)
        return refuse(w->why, CODE_USER, "Extra holds more than %u octets", SUBMIT_EXTRA_OCTETS);
    return 0;
}

/* The uploads lie ready; what came in JSON is base64, and stays where it is. */
static int read_files(struct work *w, const struct jsonbind_array *given,
                      const struct compose_files *uploads, const char *field, struct files *files)
{
    const struct draft_file *file = given->p;
    if (given->n + uploads->n > FILES_MAX)
        return refuse(w->why, CODE_USER, "%s: more than %d files", field, FILES_MAX);
    files->n = given->n + uploads->n;
    files->list = mem_array(files->n, sizeof *files->list);
    for (size_t i = 0; i < given->n; i++, file++) {
        if (base64_check_loose(file->data) != 0)
            return refuse(w->why, CODE_USER, "%s: the data of file %zu is not base64", field,
                          i + 1);
        files->list[i] = (struct mimepart_file){.name = file->name,
                                                .content_type = file->content_type,
                                                .content_id = file->content_id,
                                                .data = file->data,
                                                .form = MIMEPART_BASE64};
    }
    if (uploads->n > 0)
        memcpy(files->list + given->n, uploads->list, uploads->n * sizeof *uploads->list);
    return 0;
}

static int read_all_files(struct work *w)
{
    const struct draft_request *r = w->request;
    const struct draft_context *c = w->context;
    if (read_files(w, &r->alternative, &c->alternative, "AlternativeFiles", &w->alternative) != 0 ||
        read_files(w, &r->inlined, &c->inlined, "InlineFiles", &w->inlined) != 0)
        return -1;
    return read_files(w, &r->attached, &c->attached, "AttachedFiles", &w->attached);
}

/* ---- the message ---- */

static const enum code code_of[] = {
    [COMPOSE_NO_BODY] = CODE_MISSING_BODY,
    [COMPOSE_BAD_MESSAGE_ID] = CODE_MALFORMED_MESSAGE_ID,
    [COMPOSE_BAD_VALUE] = CODE_USER,
    [COMPOSE_TOO_LARGE] = CODE_MESSAGE_TOO_LARGE,
};

static struct compose_mailboxes as_given(const struct mailboxes *m)
{
    return (struct compose_mailboxes){m->list, m->n};
}

static void fill_header(const struct work *w, struct compose *c)
{
    const struct draft_request *r = w->request;
    *c = (struct compose){
        .from = as_given(&w->from),
        .reply_to = as_given(&w->reply_to),
        .to = as_given(&w->to),
        .cc = as_given(&w->cc),
        .subject = r->subject,
        .message_id = r->message_id,
        .references = r->references.p,
        .n_references = r->references.n,
        .text = r->text,
        .html = r->html,
        .date_ms = r->date != NULL ? r->date->ms : w->context->now_ms,
        .zone_min = r->date != NULL ? r->date->zone_min : w->context->zone_min,
        .hostname = w->context->hostname,
        .max_size = w->context->max_size,
    };
}

static int compose_with(struct work *w, struct compose *c)
{
    enum compose_refusal why;
    struct fail f;
    if (compose_message(c, &w->draft->composed, &why, &f) == 0)
        return 0;
    return refuse(w->why, code_of[why], "%s", f.text);
}

/* What is wrong with the header is told before what is wrong with a file. */
static int compose_parts(struct work *w, struct compose *c)
{
    if (read_all_files(w) != 0) {
        struct refusal files = *w->why;
        if (compose_with(w, c) == 0)
            *w->why = files;
        return -1;
    }
    c->alternative = (struct compose_files){w->alternative.list, w->alternative.n};
    c->inlined = (struct compose_files){w->inlined.list, w->inlined.n};
    c->attached = (struct compose_files){w->attached.list, w->attached.n};
    return compose_with(w, c);
}

/* Whether the message is to say that it can do without TLS (RFC 8689 section 5), and the client has
 * not said anything of the kind itself. */
static bool needs_tls_field(const struct work *w)
{
    const struct draft_header *header = w->request->headers.p;
    const bool *tls = w->request->require_tls;
    bool needs = tls != NULL && !*tls;
    for (size_t i = 0; i < w->request->headers.n && needs; i++)
        needs = !span_is_nocase(header[i].words[0], "TLS-Required");
    return needs;
}

static int compose(struct work *w)
{
    const struct draft_header *header = w->request->headers.p;
    struct compose c;
    size_t n = w->request->headers.n;
    if (n > DRAFT_HEADERS_MAX)
        return refuse(w->why, CODE_USER, "there are more than %d Headers", DRAFT_HEADERS_MAX);
    fill_header(w, &c);
    struct compose_field *fields = mem_array(n + 1, sizeof *fields);
    for (size_t i = 0; i < n; i++)
        fields[i] = (struct compose_field){header[i].words[0], header[i].words[1]};
    if (needs_tls_field(w))
        fields[n++] = (struct compose_field){span_text("TLS-Required"), span_text("No")};
    c.fields = fields;
    c.n_fields = n;
    int rc = compose_parts(w, &c);
    mem_free(&fields);
    return rc;
}

/* ---- the envelope ---- */

static int check_release(struct work *w)
{
    const struct draft_time *t = w->request->future_release;
    if (t != NULL && t->ms - w->context->now_ms > DRAFT_FUTURE_DAYS * 86400000LL)
        return refuse(w->why, CODE_USER, "FutureRelease may be at most %d days ahead",
                      DRAFT_FUTURE_DAYS);
    return 0;
}

static uint32_t flags_of(const struct work *w)
{
    const struct composed *c = &w->draft->composed;
    const bool *tls = w->request->require_tls;
    return (c->has_8bit ? (uint32_t)SUBMIT_EIGHT_BIT : 0) |
           (c->needs_smtputf8 ? (uint32_t)SUBMIT_UTF8_HEADER : 0) |
           (tls == NULL ? 0
            : *tls      ? (uint32_t)SUBMIT_REQUIRE_TLS
                        : (uint32_t)SUBMIT_TLS_OPTIONAL) |
           (w->from_ids ? (uint32_t)SUBMIT_FROM_IDS : 0);
}

static void add_recipients(struct work *w, const struct mailboxes *m)
{
    for (size_t i = 0; i < m->n; i++) {
        char *text = address_text(&m->addresses[i]);
        (void)submit_add_recipient(w->draft->envelope, text);
        if (w->draft->envelope->recipients_n == 1)
            address_copy(&w->draft->recipient, &m->addresses[i]);
        mem_free(&text);
    }
}

/* At most as much of a text as the protocol takes, without cutting a character in two. */
static char *cut_text(struct span s)
{
    if (s.n <= PROTO_TEXT_MAX)
        return span_dup(s);
    size_t n = 0, step;
    while ((step = utf8_sequence(s.p + n, s.n - n)) > 0 && n + step <= PROTO_TEXT_MAX)
        n += step;
    return span_dup(span_of(s.p, n));
}

static void set_and_free(char **field, char *text)
{
    submit_set(field, text);
    mem_free(&text);
}

static void address_envelope(struct work *w)
{
    const struct draft_request *r = w->request;
    const struct jsonbind_pair *pair = r->extra.p;
    struct submit_envelope *e = w->draft->envelope = submit_envelope_new(SUBMIT_WEBAPI);
    e->flags = flags_of(w);
    e->received_ms = w->context->now_ms;
    if (r->future_release != NULL && r->future_release->ms > w->context->now_ms)
        e->not_before_ms = r->future_release->ms;
    submit_set(&e->account, conf_label(w->context->account));
    submit_set(&e->client, w->context->client);
    submit_set(&e->message_id, w->draft->composed.message_id);
    set_and_free(&e->sender, address_text(&w->from.addresses[0]));
    set_and_free(&e->subject, cut_text(r->subject));
    add_recipients(w, &w->to);
    add_recipients(w, &w->cc);
    add_recipients(w, &w->bcc);
    if (e->recipients_n > 1)
        address_clear(&w->draft->recipient);
    for (size_t i = 0; i < r->extra.n; i++)
        submit_add_extra(e, (const char *)pair[i].key.p,
                         pair[i].value.p == NULL ? "" : (const char *)pair[i].value.p);
    w->draft->domain = mem_text(w->from.addresses[0].domain);
}

static void write_bcc(struct work *w)
{
    struct fold fold;
    bool utf8 = w->draft->composed.needs_smtputf8;
    if (w->bcc.n == 0)
        return;
    for (size_t i = 0; i < w->bcc.n; i++)
        utf8 = utf8 || w->bcc.addresses[i].utf8;
    fold_begin(&fold, &w->draft->bcc, "Bcc", "\t");
    for (size_t i = 0; i < w->bcc.n; i++)
        fold_mailbox(&fold, w->bcc.list[i].name, w->bcc.list[i].address, utf8, i + 1 == w->bcc.n);
    fold_end(&fold);
}

int draft_make(const struct draft_request *request, const struct draft_context *context,
               struct draft *draft, struct refusal *why)
{
    struct work w = {.request = request, .context = context, .draft = draft, .why = why};
    *draft = (struct draft){0};
    int rc = read_addresses(&w);
    if (rc == 0)
        rc = check_extra(&w);
    if (rc == 0)
        rc = compose(&w);
    if (rc == 0)
        rc = check_release(&w);
    if (rc == 0)
        address_envelope(&w);
    if (rc == 0 && request->save_sent)
        write_bcc(&w);
    if (rc != 0)
        draft_clear(draft);
    free_mailboxes(&w.from);
    free_mailboxes(&w.to);
    free_mailboxes(&w.cc);
    free_mailboxes(&w.bcc);
    free_mailboxes(&w.reply_to);
    mem_free(&w.alternative.list);
    mem_free(&w.inlined.list);
    mem_free(&w.attached.list);
    return rc;
}

void draft_clear(struct draft *draft)
{
    composed_clear(&draft->composed);
    submit_envelope_free(&draft->envelope);
    mem_free(&draft->domain);
    buf_free(&draft->bcc);
    address_clear(&draft->recipient);
}
