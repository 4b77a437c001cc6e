#include "mailjson.h"

#include "maildate.h"
#include "mimedecode.h"

/* Octets of a date up to its seconds and up to its thousandths. */
enum { SECONDS = sizeof "2006-01-02T15:04:05" - 1, MILLISECONDS = SECONDS + 4 };

static void put_text(struct jsonwrite *w, const char *name, const char *text)
{
    jsonwrite_key(w, name);
    jsonwrite_text(w, text);
}

void mailjson_structure(struct jsonwrite *w, const struct mimeread *m,
                        const struct mimeread_part *part)
{
    jsonwrite_object(w);
    put_text(w, "ContentType", part->type.word);
    jsonwrite_key(w, "ContentTypeParams");
    jsonwrite_object(w);
    for (size_t i = 0; i < part->type.n; i++)
        put_text(w, part->type.params[i].name, part->type.params[i].value);
    jsonwrite_object_end(w);
    put_text(w, "ContentID", part->content_id);
    put_text(w, "ContentDisposition", part->disposition);
    put_text(w, "Filename", part->filename);
    jsonwrite_key(w, "DecodedSize");
    jsonwrite_uint64(w, mimedecode_size(part));
    jsonwrite_key(w, "Parts");
    jsonwrite_array(w);
    for (const struct mimeread_part *child = mimeread_first(m, part); child != NULL;
         child = mimeread_next(m, child))
        mailjson_structure(w, m, child);
    jsonwrite_array_end(w);
    jsonwrite_object_end(w);
}

static void put_mailboxes(struct jsonwrite *w, const char *name,
                          const struct mailfields_mailboxes *list)
{
    jsonwrite_key(w, name);
    jsonwrite_array(w);
    for (size_t i = 0; i < list->n; i++) {
        jsonwrite_object(w);
        put_text(w, "Name", list->items[i].name);
        put_text(w, "Address", list->items[i].address);
        jsonwrite_object_end(w);
    }
    jsonwrite_array_end(w);
}

static void put_addresses(struct jsonwrite *w, const struct mailfields *fields)
{
    put_mailboxes(w, "From", &fields->from);
    put_mailboxes(w, "To", &fields->to);
    put_mailboxes(w, "CC", &fields->cc);
    put_mailboxes(w, "BCC", &fields->bcc);
    put_mailboxes(w, "ReplyTo", &fields->reply_to);
}

static void put_references(struct jsonwrite *w, const struct mailfields_texts *list)
{
    jsonwrite_key(w, "References");
    jsonwrite_array(w);
    for (size_t i = 0; i < list->n; i++)
        jsonwrite_text(w, list->items[i]);
    jsonwrite_array_end(w);
}

static void put_date(struct jsonwrite *w, const struct mailfields *fields)
{
    jsonwrite_key(w, "Date");
    if (!fields->has_date) {
        jsonwrite_null(w);
        return;
    }
    struct buf date = {0};
    maildate_write_rfc3339(&date, fields->date_ms, fields->zone_min);
    /* A header's dates have whole seconds; clients are used to seeing no fraction then. */
    struct span all = buf_span(&date);
    struct buf whole = {0};
    buf_put(&whole, all.p, SECONDS);
    buf_put(&whole, all.p + MILLISECONDS, all.n - MILLISECONDS);
    jsonwrite_span(w, buf_span(&whole));
    buf_free(&whole);
    buf_free(&date);
}

/* A NUL cannot be read back by many a program, and stands for nothing in a text. */
static void put_without_nul(struct jsonwrite *w, struct span text)
{
    struct buf clean = {0};
    ssize_t nul;
    while ((nul = span_find(text, '\0')) >= 0) {
        buf_put(&clean, text.p, (size_t)nul);
        buf_puts(&clean, "\xef\xbf\xbd");
        text = span_of(text.p + nul + 1, text.n - (size_t)nul - 1);
    }
    buf_put_span(&clean, text);
    jsonwrite_span(w, buf_span(&clean));
    buf_free(&clean);
}

static void put_content(struct jsonwrite *w, const char *name, const struct mimeread_part *part,
                        const struct mailcharset *charsets)
{
    struct buf text = {0};
    if (part != NULL)
        mimedecode_text(part, charsets, &text);
    jsonwrite_key(w, name);
    if (span_find(buf_span(&text), '\0') >= 0)
        put_without_nul(w, buf_span(&text));
    else
        jsonwrite_span(w, buf_span(&text));
    buf_free(&text);
}

static void put_contents(struct jsonwrite *w, const struct mimeread *m,
                         const struct mailcharset *charsets)
{
    const struct mimeread_part *text, *html;
    mimeread_texts(m, &text, &html);
    put_content(w, "Text", text, charsets);
    put_content(w, "HTML", html, charsets);
}

void mailjson_message(struct jsonwrite *w, const struct mimeread *m,
                      const struct mailfields *fields, const struct mailcharset *charsets)
{
    put_addresses(w, fields);
    put_text(w, "MessageID", fields->message_id);
    put_references(w, &fields->references);
    put_date(w, fields);
    put_text(w, "Subject", fields->subject);
    put_contents(w, m, charsets);
}

void mailjson_incoming(struct jsonwrite *w, const struct mimeread *m,
                       const struct mailfields *fields, const struct mailcharset *charsets)
{
    put_addresses(w, fields);
    put_text(w, "Subject", fields->subject);
    put_text(w, "MessageID", fields->message_id);
    put_text(w, "InReplyTo", fields->in_reply_to);
    put_references(w, &fields->referenced_ids);
    put_date(w, fields);
    put_contents(w, m, charsets);
    jsonwrite_key(w, "Structure");
    mailjson_structure(w, m, &m->parts[0]);
}
