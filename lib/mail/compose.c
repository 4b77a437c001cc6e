#include "compose.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "encword.h"
#include "fold.h"
#include "header.h"
#include "maildate.h"
#include "mem.h"
#include "msgid.h"
#include "utf8.h"

enum { LINE_MAX_OCTETS = 998 }; /* RFC 5322 2.1.1 */

/* What compose_message works with. */
struct work {
    const struct compose *in;
    struct composed *out;
    enum compose_refusal why;
    struct fail *fail;
    struct mimepart_text text, html;
};

__attribute__((format(printf, 3, 4))) static int refuse(struct work *w, enum compose_refusal why,
                                                        const char *fmt, ...)
{
    char sentence[200];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    w->why = why;
    return fail_set(w->fail, "%s", sentence);
}

/* A value that goes into the header: UTF-8 without control characters, tab included. */
static int check_value(struct work *w, struct span value, const char *what)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < 0x20 || value.p[i] == 0x7f)
            return refuse(w, COMPOSE_BAD_VALUE, "%s holds a control character", what);
    }
    if (!utf8_valid(value))
        return refuse(w, COMPOSE_BAD_VALUE, "%s is not UTF-8", what);
    return 0;
}

static int check_mailboxes(struct work *w, const struct compose_mailboxes *m, const char *what)
{
    for (size_t i = 0; i < m->n; i++) {
        w->out->needs_smtputf8 |= m->list[i].address->utf8;
        if (check_value(w, m->list[i].name, what) < 0)
            return -1;
    }
    return 0;
}

static int check_message_id(struct work *w)
{
    struct span id = w->in->message_id;
    if (id.n == 0)
        return 0;
    if (check_value(w, id, "message id") < 0)
        return -1;
    if (!msgid_is_safe(id, w->out->needs_smtputf8))
        return refuse(w, COMPOSE_BAD_MESSAGE_ID, "message id is not of the form <id>");
    return 0;
}

static int check_references(struct work *w)
{
    for (size_t i = 0; i < w->in->n_references; i++) {
        if (check_value(w, w->in->references[i], "reference") < 0)
            return -1;
    }
    return 0;
}

/* Fields a caller may not add: those that the message has already and may have only once. */
static bool has_already(const struct compose *in, struct span name)
{
    const struct {
        const char *name;
        bool taken;
    } once[] = {
        {"From", true},
        {"Date", true},
        {"Message-ID", true},
        {"MIME-Version", true},
        {"Content-Type", true},
        {"Content-Transfer-Encoding", true},
        {"Bcc", true}, /* not there, and never to be */
        {"Reply-To", in->reply_to.n > 0},
        {"To", in->to.n > 0},
        {"Cc", in->cc.n > 0},
        {"Subject", in->subject.n > 0},
        {"References", in->n_references > 0},
    };
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++) {
        if (once[i].taken && span_is_nocase(name, once[i].name))
            return true;
    }
    return false;
}

static int check_field(struct work *w, const struct compose_field *field)
{
    if (!header_is_name(field->name) || field->name.n > COMPOSE_NAME_MAX)
        return refuse(w, COMPOSE_BAD_VALUE,
                      "header name must be 1 to %d octets of printable ASCII without colon",
                      COMPOSE_NAME_MAX);
    if (has_already(w->in, field->name))
        return refuse(w, COMPOSE_BAD_VALUE, "header \"%.*s\" cannot be added to this message",
                      (int)field->name.n, field->name.p);
    return check_value(w, field->value, "header value");
}

static int check_fields(struct work *w)
{
    for (size_t i = 0; i < w->in->n_fields; i++) {
        if (check_field(w, &w->in->fields[i]) < 0)
            return -1;
    }
    return 0;
}

static int check_files(struct work *w, const struct compose_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        struct fail f;
        if (mimepart_check_file(&files->list[i], &f) < 0)
            return refuse(w, COMPOSE_BAD_VALUE, "%s", f.text);
    }
    return 0;
}

static int check(struct work *w)
{
    const struct compose *in = w->in;
    assert(in->from.n > 0);
    w->out->needs_smtputf8 = in->smtputf8;
    if (in->text.n == 0 && in->html.n == 0)
        return refuse(w, COMPOSE_NO_BODY, "message has neither text nor HTML");
    if (check_mailboxes(w, &in->from, "name in From") < 0 ||
        check_mailboxes(w, &in->to, "name in To") < 0 ||
        check_mailboxes(w, &in->cc, "name in Cc") < 0 ||
        check_mailboxes(w, &in->reply_to, "name in Reply-To") < 0)
        return -1;
    if (check_value(w, in->subject, "subject") < 0 || check_message_id(w) < 0 ||
        check_references(w) < 0 || check_fields(w) < 0)
        return -1;
    if (!utf8_valid(in->text) || !utf8_valid(in->html))
        return refuse(w, COMPOSE_BAD_VALUE, "text or HTML is not UTF-8");
    if (check_files(w, &in->alternative) < 0 || check_files(w, &in->inlined) < 0 ||
        check_files(w, &in->attached) < 0)
        return -1;
    return check_value(w, in->user_agent, "user agent");
}

static void put_mailboxes(struct work *w, const char *name, const struct compose_mailboxes *m)
{
    struct fold fold;
    if (m->n == 0)
        return;
    fold_begin(&fold, &w->out->frame, name, "\t");
    for (size_t i = 0; i < m->n; i++)
        fold_mailbox(&fold, m->list[i].name, m->list[i].address, w->out->needs_smtputf8,
                     i + 1 == m->n);
    fold_end(&fold);
}

static void put_encoded(struct work *w, const char *name, struct span value)
{
    struct fold fold;
    fold_begin(&fold, &w->out->frame, name, " ");
    encword_text(&fold, value, w->out->needs_smtputf8);
    fold_end(&fold);
}

static void put_date_and_id(struct work *w)
{
    struct buf id = {0};
    buf_puts(&w->out->frame, "Date: ");
    maildate_write_short(&w->out->frame, w->in->date_ms, w->in->zone_min);
    if (w->in->message_id.n > 0)
        buf_put_span(&id, w->in->message_id);
    else
        msgid_generate(&id, w->in->hostname);
    buf_puts(&w->out->frame, "\r\nMessage-Id: ");
    buf_put_span(&w->out->frame, buf_span(&id));
    buf_puts(&w->out->frame, "\r\n");
    w->out->message_id = buf_take_text(&id);
}

static bool has_field(const struct compose *in, const char *name)
{
    for (size_t i = 0; i < in->n_fields; i++) {
        if (span_is_nocase(in->fields[i].name, name))
            return true;
    }
    return false;
}

static bool is_reference(const struct work *w, struct span id)
{
    return id.n > 0 && id.n <= MSGID_MAX && span_find(id, ' ') < 0 &&
           (w->out->needs_smtputf8 || utf8_is_ascii(id));
}

/* Whoever answers gives what the message had that he answers, be it strange or nothing. */
static void put_references(struct work *w)
{
    const struct compose *in = w->in;
    struct buf *message = &w->out->frame;
    struct span last = {0};
    for (size_t i = 0; i < in->n_references; i++) {
        if (!is_reference(w, in->references[i]))
            continue;
        buf_puts(message, last.n == 0 ? "References: " : "\r\n\t");
        last = in->references[i];
        buf_put_span(message, last);
    }
    if (last.n == 0)
        return;
    buf_puts(message, "\r\n");
    if (has_field(in, "In-Reply-To"))
        return;
    buf_puts(message, "In-Reply-To: ");
    buf_put_span(message, last);
    buf_puts(message, "\r\n");
}

static void put_field(struct work *w, const struct compose_field *field)
{
    bool raw_8bit = !utf8_is_ascii(field->value) && !w->out->needs_smtputf8;
    if (!raw_8bit && field->name.n + 2 + field->value.n <= LINE_MAX_OCTETS) {
        buf_put_span(&w->out->frame, field->name);
        buf_puts(&w->out->frame, ": ");
        buf_put_span(&w->out->frame, field->value);
        buf_puts(&w->out->frame, "\r\n");
        return;
    }
    char *name = span_dup(field->name);
    put_encoded(w, name, field->value);
    mem_free(&name);
}

static void put_user_agent(struct work *w)
{
    if (has_field(w->in, "User-Agent") || has_field(w->in, "X-Mailer"))
        return;
    put_encoded(w, "User-Agent",
                w->in->user_agent.n > 0 ? w->in->user_agent
                                        : span_text("quartermaster/" QM_VERSION));
}

static void put_header(struct work *w)
{
    put_mailboxes(w, "From", &w->in->from);
    put_mailboxes(w, "Reply-To", &w->in->reply_to);
    put_mailboxes(w, "To", &w->in->to);
    put_mailboxes(w, "Cc", &w->in->cc);
    if (w->in->subject.n > 0)
        put_encoded(w, "Subject", w->in->subject);
    put_date_and_id(w);
    put_references(w);
    buf_puts(&w->out->frame, "MIME-Version: 1.0\r\n");
    for (size_t i = 0; i < w->in->n_fields; i++)
        put_field(w, &w->in->fields[i]);
    put_user_agent(w);
}

/* A boundary that is not in what can hold one: the texts. Base64 cannot, having no hyphen. */
static void make_boundary(struct work *w, struct buf *boundary)
{
    const struct span contents[] = {buf_span(&w->text.body), buf_span(&w->html.body)};
    mimepart_boundary(boundary, contents, sizeof contents / sizeof contents[0]);
}

static void begin_multipart(struct work *w, const char *subtype, const char *more,
                            struct buf *boundary)
{
    make_boundary(w, boundary);
    mimepart_multipart_begin(&w->out->frame, subtype, more, buf_span(boundary), w->out->has_8bit);
}

static void put_files(struct work *w, const struct compose_files *files, const char *disposition,
                      struct buf *boundary)
{
    for (size_t i = 0; i < files->n; i++) {
        mimepart_multipart_next(&w->out->frame, buf_span(boundary), false);
        mimepart_file_begin(&w->out->frame, &files->list[i], disposition);
        composed_put_file(w->out, &files->list[i]);
    }
    mimepart_multipart_end(&w->out->frame, buf_span(boundary));
    buf_free(boundary);
}

static bool needs_alternative(const struct compose *in)
{
    return (in->text.n > 0 && in->html.n > 0) || in->alternative.n > 0;
}

static void put_alternative(struct work *w)
{
    struct buf *message = &w->out->frame;
    struct buf boundary = {0};
    bool several = needs_alternative(w->in), first = true;
    if (several)
        begin_multipart(w, "alternative", "", &boundary);
    if (w->in->text.n > 0) {
        if (several)
            mimepart_multipart_next(message, buf_span(&boundary), true);
        mimepart_text_write(message, &w->text, "plain");
        first = false;
    }
    if (w->in->html.n > 0) {
        if (several)
            mimepart_multipart_next(message, buf_span(&boundary), first);
        mimepart_text_write(message, &w->html, "html");
    }
    if (several)
        put_files(w, &w->in->alternative, "inline", &boundary);
}

static void put_related(struct work *w)
{
    struct buf boundary = {0};
    if (w->in->inlined.n == 0) {
        put_alternative(w);
        return;
    }
    /* RFC 2387 3.1: the type of the first part must be told. */
    begin_multipart(w, "related",
                    needs_alternative(w->in) ? "; type=\"multipart/alternative\""
                    : w->in->html.n > 0      ? "; type=\"text/html\""
                                             : "; type=\"text/plain\"",
                    &boundary);
    mimepart_multipart_next(&w->out->frame, buf_span(&boundary), true);
    put_alternative(w);
    put_files(w, &w->in->inlined, "inline", &boundary);
}

static void put_mixed(struct work *w)
{
    struct buf boundary = {0};
    if (w->in->attached.n == 0) {
        put_related(w);
        return;
    }
    begin_multipart(w, "mixed", "", &boundary);
    mimepart_multipart_next(&w->out->frame, buf_span(&boundary), true);
    put_related(w);
    put_files(w, &w->in->attached, "attachment", &boundary);
}

static int compose_all(struct work *w)
{
    if (check(w) < 0)
        return -1;
    mimepart_text_prepare(&w->text, w->in->text);
    mimepart_text_prepare(&w->html, w->in->html);
    w->out->has_8bit = w->text.encoding[0] == '8' || w->html.encoding[0] == '8';
    put_header(w);
    put_mixed(w);
    w->out->size += w->out->frame.n;
    w->out->has_8bit |= w->out->needs_smtputf8;
    if (w->in->max_size > 0 && w->out->size > w->in->max_size)
        return refuse(w, COMPOSE_TOO_LARGE, "message is larger than %zu octets", w->in->max_size);
    return 0;
}

int compose_message(const struct compose *in, struct composed *out, enum compose_refusal *why,
                    struct fail *f)
{
    struct work w = {.in = in, .out = out, .fail = f};
    *out = (struct composed){0};
    int rc = compose_all(&w);
    buf_free(&w.text.body);
    buf_free(&w.html.body);
    if (rc < 0) {
        composed_clear(out);
        *why = w.why;
    }
    return rc;
}
