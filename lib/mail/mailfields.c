#include "mailfields.h"

#include <string.h>

#include "addrlist.h"
#include "ascii.h"
#include "domain.h"
#include "encword.h"
#include "header.h"
#include "maildate.h"
#include "mem.h"
#include "utf8.h"

/* The content as a C string, control characters turned into spaces, what is no UTF-8 into U+FFFD.
 * text is empty afterwards. */
static char *take_clean(struct buf *text)
{
    struct buf clean = {0};
    mailcharset_decode(NULL, MAILCHARSET_UNKNOWN, buf_span(text), false, &clean);
    for (size_t i = 0; i < clean.n; i++) {
        unsigned char *c = clean.p + clean.head + i;
        if (*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
    buf_free(text);
    return buf_take_text(&clean);
}

static char *decoded(struct span text, const struct mailcharset *charsets)
{
    struct buf out = {0};
    encword_decode_in(charsets, &out, text);
    return take_clean(&out);
}

static void add_mailbox(struct mailfields_mailboxes *list, char *name, char *address)
{
    if (list->n == list->room) {
        list->room = list->room == 0 ? 4 : list->room * 2;
        list->items = mem_resize(list->items, list->room * sizeof list->items[0]);
    }
    list->items[list->n++] = (struct mailfields_mailbox){name, address};
}

static void add_text(struct mailfields_texts *list, char *text)
{
    if (list->n == list->room) {
        list->room = list->room == 0 ? 4 : list->room * 2;
        list->items = mem_resize(list->items, list->room * sizeof list->items[0]);
    }
    list->items[list->n++] = text;
}

static void add_read(struct mailfields_mailboxes *list, const struct addrlist *read,
                     const struct mailcharset *charsets)
{
    for (size_t i = 0; i < read->n && list->n < MAILFIELDS_ADDRESSES_MAX; i++) {
        struct buf address = {0};
        address_write_unicode(&address, &read->items[i].address);
        add_mailbox(list, decoded(span_text(read->items[i].name), charsets), take_clean(&address));
    }
}

/* The length of the list's next element, up to a comma outside of quotes, comments and angle
 * brackets; a group's begin and end are cut off, too. */
static size_t element_length(struct span s, bool in_group)
{
    size_t depth = 0;
    bool quoted = false, angle = false;
    for (size_t i = 0; i < s.n; i++) {
        int c = s.p[i];
        if (c == '\\' && (quoted || depth > 0))
            i++;
        else if (c == '"' && depth == 0)
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (depth == 0 && (c == '<' || c == '>'))
            angle = c == '<';
        else if (depth == 0 && !angle && (c == ',' || (c == ';' && in_group)))
            return i;
        else if (depth == 0 && !angle && c == ':' && !in_group)
            return i + 1;
    }
    return s.n;
}

/* An element that is no address: what stands in its place, "Name <text>" taken apart. */
static void add_unread(struct mailfields_mailboxes *list, struct span text,
                       const struct mailcharset *charsets)
{
    struct span name = span_of(text.p, 0);
    ssize_t open = span_find(text, '<');
    ssize_t close = open < 0 ? -1 : span_find(span_of(text.p + open, text.n - (size_t)open), '>');
    if (close > 0) {
        name = ascii_trim(span_of(text.p, (size_t)open));
        text = span_of(text.p + open + 1, (size_t)close - 1);
        if (name.n >= 2 && name.p[0] == '"' && name.p[name.n - 1] == '"')
            name = span_of(name.p + 1, name.n - 2);
    }
    text = ascii_trim(text);
    if (text.n > MAILFIELDS_TEXT_MAX)
        text.n = MAILFIELDS_TEXT_MAX;
    add_mailbox(list, decoded(name, charsets), decoded(text, charsets));
}

/* A list that cannot be read as a whole, element by element. */
static void add_elements(struct mailfields_mailboxes *list, struct span rest,
                         const struct mailcharset *charsets)
{
    bool in_group = false;
    while (rest.n > 0 && list->n < MAILFIELDS_ADDRESSES_MAX) {
        size_t n = element_length(rest, in_group);
        struct span element = ascii_trim(span_of(rest.p, n));
        bool begins_group = n > 0 && rest.p[n - 1] == ':' && !in_group;
        in_group = begins_group || (in_group && !(n < rest.n && rest.p[n] == ';'));
        n += n < rest.n && !begins_group;
        rest = span_of(rest.p + n, rest.n - n);
        struct addrlist read = {0};
        if (begins_group || element.n == 0)
            continue;
        if (addrlist_parse(element, NULL, ADDRLIST_STRICT, &read, NULL) == 0)
            add_read(list, &read, charsets);
        else
            add_unread(list, element, charsets);
        addrlist_clear(&read);
    }
}

static void read_mailboxes(struct mailfields_mailboxes *list, struct span header, const char *name,
                           const struct mailcharset *charsets)
{
    struct header_field field;
    while (header_next(&header, &field)) {
        if (!span_is_nocase(field.name, name))
            continue;
        struct addrlist read = {0};
        struct buf flat = {0};
        header_unfold(&flat, field.value);
        if (addrlist_parse(buf_span(&flat), NULL, ADDRLIST_STRICT, &read, NULL) == 0)
            add_read(list, &read, charsets);
        else
            add_elements(list, buf_span(&flat), charsets);
        addrlist_clear(&read);
        buf_free(&flat);
    }
}

/* The first field of that name as it stands, unfolded; "" when there is none. */
static char *raw_value(struct span header, const char *name)
{
    struct buf value = {0};
    (void)header_value(header, name, MAILFIELDS_TEXT_MAX, &value);
    return take_clean(&value);
}

static bool holds(const struct mailfields_texts *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}

static char *clean_word(struct span word)
{
    struct buf text = {0};
    buf_put(&text, word.p, word.n > MAILFIELDS_TEXT_MAX ? MAILFIELDS_TEXT_MAX : word.n);
    return take_clean(&text);
}

static void read_references(struct mailfields *fields, struct span header)
{
    struct mailfields_texts words = {0};
    struct header_field field;
    struct span word;
    while (header_next(&header, &field)) {
        if (!span_is_nocase(field.name, "References"))
            continue;
        while (words.n < MAILFIELDS_REFERENCES_MAX && ascii_token(&field.value, " \t\r\n", &word))
            add_text(&words, clean_word(word));
    }
    if (fields->in_reply_to[0] != '\0' && !holds(&words, fields->in_reply_to))
        add_text(&fields->references, mem_text(fields->in_reply_to));
    for (size_t i = 0; i < words.n; i++)
        add_text(&fields->references, words.items[i]);
    mem_free(&words.items);
}

/* "a.b"@c and a.b@c are one id: the local part without quoting where it needs none, the domain as
 * it stands. */
static void put_canonical(struct buf *out, struct span id)
{
    struct address a;
    const unsigned char *at = memrchr(id.p, '@', id.n);
    if (address_parse(id, &a, NULL) < 0) {
        buf_put_span(out, id);
        return;
    }
    struct buf text = {0};
    address_write(&text, &a);
    const unsigned char *p = buf_span(&text).p, *end = memrchr(p, '@', text.n);
    buf_put(out, p, (size_t)(end - p));
    buf_put(out, at, (size_t)(id.p + id.n - at));
    buf_free(&text);
    address_clear(&a);
}

static void add_id(struct mailfields_texts *ids, struct span inner)
{
    struct buf id = {0}, text = {0};
    for (size_t i = 0; i < inner.n && i < MAILFIELDS_TEXT_MAX; i++) {
        if (!ascii_is_space(inner.p[i]))
            buf_putc(&id, ascii_lower(inner.p[i]));
    }
    if (id.n > 0) {
        buf_putc(&text, '<');
        put_canonical(&text, buf_span(&id));
        buf_putc(&text, '>');
        add_text(ids, take_clean(&text));
    }
    buf_free(&id);
    buf_free(&text);
}

/* Each "<...>" of the text, up to max of them; one in which another begins is cut off and let be.
 */
static void add_ids(struct mailfields_texts *ids, struct span text, size_t max)
{
    for (size_t i = 0; i < text.n && ids->n < max;) {
        size_t end = i + 1;
        if (text.p[i++] != '<')
            continue;
        while (end < text.n && text.p[end] != '<' && text.p[end] != '>')
            end++;
        if (end < text.n && text.p[end] == '>')
            add_id(ids, span_of(text.p + i, end - i));
        i = end;
    }
}

static void read_ids(struct mailfields_texts *ids, struct span header, const char *name, size_t max)
{
    struct header_field field;
    while (header_next(&header, &field)) {
        if (span_is_nocase(field.name, name))
            add_ids(ids, field.value, max);
    }
}

static void read_date(struct mailfields *fields, struct span header)
{
    struct header_field field;
    fields->has_date = header_find(header, "Date", 0, &field) &&
                       field.value.n <= MAILFIELDS_TEXT_MAX &&
                       maildate_parse(field.value, &fields->date_ms, &fields->zone_min, NULL) == 0;
}

static void read_subject(struct mailfields *fields, struct span header,
                         const struct mailcharset *charsets)
{
    struct buf value = {0};
    (void)header_value(header, "Subject", MIMEREAD_HEADER_MAX, &value);
    fields->subject = decoded(buf_span(&value), charsets);
    buf_free(&value);
}

void mailfields_read(struct mailfields *fields, const struct mimeread *m,
                     const struct mailcharset *charsets)
{
    struct span header = mimeread_header(&m->parts[0]);
    *fields = (struct mailfields){0};
    read_mailboxes(&fields->from, header, "From", charsets);
    read_mailboxes(&fields->to, header, "To", charsets);
    read_mailboxes(&fields->cc, header, "Cc", charsets);
    read_mailboxes(&fields->bcc, header, "Bcc", charsets);
    read_mailboxes(&fields->reply_to, header, "Reply-To", charsets);
    read_subject(fields, header, charsets);
    fields->message_id = raw_value(header, "Message-Id");
    fields->in_reply_to = raw_value(header, "In-Reply-To");
    read_references(fields, header);
    read_ids(&fields->referenced_ids, header, "References", MAILFIELDS_REFERENCES_MAX);
    if (fields->referenced_ids.n == 0)
        read_ids(&fields->referenced_ids, header, "In-Reply-To", 1);
    read_date(fields, header);
}

static void clear_mailboxes(struct mailfields_mailboxes *list)
{
    for (size_t i = 0; i < list->n; i++) {
        mem_free(&list->items[i].name);
        mem_free(&list->items[i].address);
    }
    mem_free(&list->items);
}

static void clear_texts(struct mailfields_texts *list)
{
    for (size_t i = 0; i < list->n; i++)
        mem_free(&list->items[i]);
    mem_free(&list->items);
}

void mailfields_clear(struct mailfields *fields)
{
    if (fields == NULL)
        return;
    clear_mailboxes(&fields->from);
    clear_mailboxes(&fields->to);
    clear_mailboxes(&fields->cc);
    clear_mailboxes(&fields->bcc);
    clear_mailboxes(&fields->reply_to);
    clear_texts(&fields->references);
    clear_texts(&fields->referenced_ids);
    mem_free(&fields->subject);
    mem_free(&fields->message_id);
    mem_free(&fields->in_reply_to);
    *fields = (struct mailfields){0};
}

static bool is_automatic(struct span auto_submitted)
{
    struct mimefield field; /* parameters and comments may stand behind the word */
    mimefield_parse(&field, auto_submitted, NULL);
    bool automatic = field.word[0] != '\0' && strcmp(field.word, "no") != 0;
    mimefield_clear(&field);
    return automatic;
}

bool mailfields_automated(const struct mimeread *m, bool null_sender)
{
    static const char *const names[] = {"List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
                                        "Precedence"};
    struct span header = mimeread_header(&m->parts[0]);
    struct header_field field;
    if (null_sender || mimeread_is(&m->parts[0], "multipart/report"))
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (header_find(header, names[i], 0, &field) && ascii_trim(field.value).n > 0)
            return true;
    }
    return header_find(header, "Auto-Submitted", 0, &field) && is_automatic(field.value);
}
