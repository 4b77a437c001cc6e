#include "dsnread.h"

#include <string.h>

#include "ascii.h"
#include "dsnplain.h"
#include "header.h"
#include "mem.h"
#include "mimedecode.h"

static const char *const actions[] = {
    [DSNREAD_UNCLEAR] = "",        [DSNREAD_FAILED] = "failed",
    [DSNREAD_DELAYED] = "delayed", [DSNREAD_DELIVERED] = "delivered",
    [DSNREAD_RELAYED] = "relayed", [DSNREAD_EXPANDED] = "expanded",
};

const char *dsnread_action_name(enum dsnread_action action)
{
    return actions[action];
}

void dsnread_set(char **to, struct span text)
{
    struct buf clean = {0};
    text = ascii_trim(text);
    bool cut = text.n > DSNREAD_TEXT_MAX;
    text.n = cut ? DSNREAD_TEXT_MAX : text.n;
    mailcharset_decode(NULL, MAILCHARSET_UNKNOWN, text, cut, &clean);
    for (size_t i = 0; i < clean.n; i++) {
        unsigned char *c = clean.p + clean.head + i;
        if (*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
    mem_free(to);
    *to = buf_take_text(&clean);
}

struct dsnread_recipient *dsnread_add(struct dsnread *d)
{
    if (d->n == DSNREAD_RECIPIENTS_MAX)
        return NULL;
    if (d->n == d->room) {
        d->room = d->room == 0 ? 4 : d->room * 2;
        d->recipients = mem_resize(d->recipients, d->room * sizeof d->recipients[0]);
    }
    struct dsnread_recipient *r = &d->recipients[d->n++];
    *r = (struct dsnread_recipient){0};
    char **const texts[] = {&r->final,           &r->original,   &r->remote_mta,
                            &r->diagnostic_type, &r->diagnostic, &r->status};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = mem_text("");
    return r;
}

/* Takes "type;" off the beginning of a value (RFC 3464 2.1.2). Empty when there is none. */
static struct span take_type(struct span *value)
{
    *value = ascii_trim(*value);
    ssize_t semicolon = span_find(*value, ';');
    struct span type = span_of(value->p, semicolon < 0 ? 0 : (size_t)semicolon);
    type = ascii_trim(type);
    for (size_t i = 0; i < type.n; i++) {
        if (!ascii_is_alnum(type.p[i]) && type.p[i] != '-' && type.p[i] != '_')
            return span_of(value->p, 0);
    }
    if (semicolon >= 0)
        *value = ascii_trim(span_of(value->p + semicolon + 1, value->n - (size_t)semicolon - 1));
    return type;
}

static int hex_digit(int c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "\x{20AC}" at the beginning of s (RFC 6533 3, utf-8-addr-xtext): its length, or 0. */
static size_t take_escape(struct span s, unsigned *c)
{
    size_t i = 3;
    if (s.n < 5 || memcmp(s.p, "\\x{", 3) != 0)
        return 0;
    for (*c = 0; i < s.n && i < 9 && hex_digit(s.p[i]) >= 0; i++)
        *c = *c << 4 | (unsigned)hex_digit(s.p[i]);
    bool good = *c >= 0x20 && *c <= 0x10ffff && (*c < 0xd800 || *c > 0xdfff);
    return i > 3 && i < s.n && s.p[i] == '}' && good ? i + 1 : 0;
}

static void put_character(struct buf *out, unsigned c)
{
    size_t tail = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned lead[] = {0, 0xc0, 0xe0, 0xf0};
    buf_putc(out, (int)(lead[tail] | c >> (6 * tail)));
    while (tail-- > 0)
        buf_putc(out, (int)(0x80 | (c >> (6 * tail) & 0x3f)));
}

static void set_address(char **to, struct span value)
{
    struct buf address = {0};
    struct span type = take_type(&value);
    bool utf8 = span_is_nocase(type, "utf-8");
    if (value.n > 2 && value.p[0] == '<') {
        ssize_t end = span_find(value, '>');
        value = span_of(value.p + 1, (end < 0 ? value.n : (size_t)end) - 1);
    }
    while (value.n > 0 && address.n < DSNREAD_TEXT_MAX) {
        unsigned c;
        size_t n = utf8 ? take_escape(value, &c) : 0;
        if (n > 0)
            put_character(&address, c);
        else
            buf_putc(&address, value.p[0]);
        n = n == 0 ? 1 : n;
        value = span_of(value.p + n, value.n - n);
    }
    dsnread_set(to, buf_span(&address));
    buf_free(&address);
}

/* A host, without its type and a comment behind it. */
static void set_host(char **to, struct span value)
{
    (void)take_type(&value);
    size_t n = 0;
    while (n < value.n && !ascii_is_space(value.p[n]) && value.p[n] != '(')
        n++;
    dsnread_set(to, span_of(value.p, n));
}

static void set_action(struct dsnread_recipient *r, struct span value)
{
    value = ascii_trim(value);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        size_t n = strlen(actions[i]);
        if (n > 0 && span_starts_nocase(value, actions[i]) &&
            (value.n == n || !ascii_is_alpha(value.p[n])))
            r->action = (enum dsnread_action)i;
    }
}

/* Folded lines are indented by as much as each program likes. */
static void set_diagnostic(struct dsnread_recipient *r, struct span value)
{
    struct span type = take_type(&value), word;
    struct buf text = {0};
    dsnread_set(&r->diagnostic_type, type);
    ascii_lower_text(r->diagnostic_type);
    while (text.n <= DSNREAD_TEXT_MAX && ascii_token(&value, " \t", &word)) {
        if (text.n > 0)
            buf_putc(&text, ' ');
        buf_put_span(&text, word);
    }
    dsnread_set(&r->diagnostic, buf_span(&text));
    buf_free(&text);
}

enum field { FINAL, ORIGINAL, ACTION, STATUS, REMOTE, DIAGNOSTIC, FIELDS };

/* One group of fields, or as many of them as belong to one recipient. */
struct group {
    struct span values[FIELDS];
    bool seen[FIELDS];
};

static void finish(struct dsnread *d, struct group *g)
{
    bool some = g->seen[FINAL] || g->seen[ORIGINAL] || g->seen[ACTION];
    struct dsnread_recipient *r = some ? dsnread_add(d) : NULL;
    if (r != NULL) {
        struct buf flat[FIELDS] = {{0}};
        for (size_t i = 0; i < FIELDS; i++)
            header_unfold(&flat[i], g->values[i]);
        set_address(&r->final, buf_span(&flat[FINAL]));
        set_address(&r->original, buf_span(&flat[ORIGINAL]));
        set_host(&r->remote_mta, buf_span(&flat[REMOTE]));
        set_diagnostic(r, buf_span(&flat[DIAGNOSTIC]));
        dsnread_set(&r->status, buf_span(&flat[STATUS]));
        struct dsncode status = dsncode_status(span_text(r->status));
        r->code = dsncode_merge(dsncode_scan(span_text(r->diagnostic)), status);
        set_action(r, buf_span(&flat[ACTION]));
        if (!g->seen[ACTION] && r->code.code >= 400)
            r->action = r->code.code < 500 ? DSNREAD_DELAYED : DSNREAD_FAILED;
        for (size_t i = 0; i < FIELDS; i++)
            buf_free(&flat[i]);
    }
    *g = (struct group){0};
}

static void take_field(struct dsnread *d, struct group *g, const struct header_field *field)
{
    static const char *const names[FIELDS] = {
        [FINAL] = "Final-Recipient", [ORIGINAL] = "Original-Recipient",
        [ACTION] = "Action",         [STATUS] = "Status",
        [REMOTE] = "Remote-MTA",     [DIAGNOSTIC] = "Diagnostic-Code"};
    if (span_is_nocase(field->name, "Reporting-MTA") && d->reporting_mta[0] == '\0')
        set_host(&d->reporting_mta, field->value);
    else if (span_is_nocase(field->name, "Original-Envelope-Id") && d->envelope_id[0] == '\0')
        dsnread_set(&d->envelope_id, field->value);
    for (size_t i = 0; i < FIELDS; i++) {
        if (!span_is_nocase(field->name, names[i]))
            continue;
        if (g->seen[i] && (i == FINAL || i == ORIGINAL))
            finish(d, g);
        if (!g->seen[i])
            g->values[i] = field->value;
        g->seen[i] = true;
    }
}

static void read_status(struct dsnread *d, struct span text)
{
    struct group group = {0};
    struct header_field field;
    while (text.n > 0) {
        while (header_next(&text, &field))
            take_field(d, &group, &field);
        finish(d, &group);
        /* The empty line. */
        ssize_t lf = span_find(text, '\n');
        size_t n = lf < 0 ? text.n : (size_t)lf + 1;
        text = span_of(text.p + n, text.n - n);
    }
}

void dsnread_parse(struct dsnread *d, const struct mimeread *m, const struct mailcharset *charsets)
{
    *d = (struct dsnread){.reporting_mta = mem_text(""), .envelope_id = mem_text("")};
    for (size_t i = 0; i < m->n; i++) {
        const struct mimeread_part *part = &m->parts[i];
        struct buf text = {0};
        if (!mimeread_is(part, "message/delivery-status") &&
            !mimeread_is(part, "message/global-delivery-status"))
            continue;
        mimedecode_part(part, DSNREAD_STATUS_MAX, &text);
        d->kind = DSNREAD_REPORT;
        read_status(d, buf_span(&text));
        buf_free(&text);
        dsnplain_complete(d, m, charsets);
        return;
    }
    dsnplain_read(d, m, charsets);
}

void dsnread_clear(struct dsnread *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->n; i++) {
        struct dsnread_recipient *r = &d->recipients[i];
        char **const texts[] = {&r->final,           &r->original,   &r->remote_mta,
                                &r->diagnostic_type, &r->diagnostic, &r->status};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
            mem_free(texts[k]);
    }
    mem_free(&d->recipients);
    mem_free(&d->reporting_mta);
    mem_free(&d->envelope_id);
    *d = (struct dsnread){0};
}
