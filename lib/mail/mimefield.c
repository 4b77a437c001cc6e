#include "mimefield.h"

#include <string.h>

#include "ascii.h"
#include "base64.h"
#include "header.h"
#include "mem.h"
#include "utf8.h"

enum { WORD_MAX = 100 };

/* One "name=value" as it was written. */
struct section {
    char *name;
    int number;    /* behind the first asterisk; -1: none */
    bool extended; /* an asterisk at the end: percent-encoded */
    struct buf value;
};

struct sections {
    struct section all[MIMEFIELD_SECTIONS];
    size_t n;
};

static int peek(struct span s)
{
    return s.n > 0 ? s.p[0] : -1;
}

static void step(struct span *s, size_t n)
{
    *s = span_of(s->p + n, s->n - n);
}

/* A comment, with those in it. One without an end goes to the end of all. */
static void skip_comment(struct span *s)
{
    size_t depth = 0;
    while (s->n > 0) {
        int c = s->p[0];
        step(s, c == '\\' && s->n > 1 ? 2 : 1);
        depth += c == '(';
        if (c == ')' && --depth == 0)
            return;
    }
}

static void skip_space(struct span *s)
{
    while (s->n > 0 && (ascii_is_space(s->p[0]) || s->p[0] == '(')) {
        if (s->p[0] == '(')
            skip_comment(s);
        else
            step(s, 1);
    }
}

static char *take_word(struct span *s)
{
    struct buf word = {0};
    for (skip_space(s); s->n > 0 && s->p[0] != ';'; skip_space(s)) {
        /* "text / plain" is one word; of "text/plain charset=x" the rest is no part of it. */
        if (word.n > 0 && s->p[0] != '/' && buf_span(&word).p[word.n - 1] != '/')
            break;
        while (s->n > 0 && s->p[0] != ';' && s->p[0] != '(' && !ascii_is_space(s->p[0])) {
            if (word.n < WORD_MAX)
                buf_putc(&word, ascii_lower(s->p[0]));
            step(s, 1);
        }
    }
    return buf_take_text(&word);
}

/* A backslash quotes a quotation mark or itself; before anything else it is one of those that some
 * writers leave in "C:\path\file" as they are. */
static void take_quoted(struct span *s, struct buf *value)
{
    for (step(s, 1); s->n > 0 && s->p[0] != '"'; step(s, 1)) {
        if (s->p[0] == '\\' && s->n > 1 && (s->p[1] == '"' || s->p[1] == '\\'))
            step(s, 1);
        buf_putc(value, s->p[0]);
    }
    step(s, s->n > 0 ? 1 : 0);
}

/* Up to the semicolon, so that a name with spaces in it that should have been quoted stays whole;
 * a comment behind it is left off. */
static void take_bare(struct span *s, struct buf *value)
{
    ssize_t semicolon = span_find(*s, ';');
    struct span text = span_of(s->p, semicolon < 0 ? s->n : (size_t)semicolon);
    step(s, text.n);
    text = ascii_trim(text);
    bool commented = text.n > 0 && text.p[text.n - 1] == ')';
    for (size_t i = 1; i < text.n && commented; i++) {
        if (text.p[i] == '(' && ascii_is_space(text.p[i - 1]))
            text.n = i;
    }
    buf_put_span(value, ascii_trim(text));
}

/* "name", "name*", "name*3", "name*3*" (RFC 2231 7). */
static void split_name(struct section *section, struct span name)
{
    uint64_t number;
    section->number = -1;
    if (name.n > 1 && name.p[name.n - 1] == '*') {
        section->extended = true;
        name.n--;
    }
    ssize_t star = span_find(name, '*');
    if (star > 0 && ascii_u64(span_of(name.p + star + 1, name.n - (size_t)star - 1),
                              MIMEFIELD_SECTIONS, &number) == 0) {
        section->number = (int)number;
        name.n = (size_t)star;
    }
    section->name = span_dup(name);
    ascii_lower_text(section->name);
}

static bool is_name(struct span name)
{
    return name.n <= WORD_MAX && header_is_name(name) && name.p[0] != '*';
}

/* Whatever stands up to the next semicolon. */
static void take_section(struct span *s, struct sections *sections)
{
    const unsigned char *start = s->p;
    while (s->n > 0 && s->p[0] != '=' && s->p[0] != ';' && s->p[0] != '"')
        step(s, 1);
    struct span name = ascii_trim(span_of(start, (size_t)(s->p - start)));
    struct section section = {0};
    if (peek(*s) == '=') {
        step(s, 1);
        skip_space(s);
        if (peek(*s) == '"')
            take_quoted(s, &section.value);
        else
            take_bare(s, &section.value);
        if (is_name(name)) {
            split_name(&section, name);
            sections->all[sections->n++] = section;
            section = (struct section){0};
        }
    } else if (peek(*s) == '"') {
        take_quoted(s, &section.value);
    }
    buf_free(&section.value);
    skip_space(s);
}

static void percent_decode(struct span s, struct buf *out)
{
    while (s.n > 0) {
        if (s.p[0] == '%' && s.n > 2 && hex_decode(out, span_of(s.p + 1, 2)) == 0) {
            step(&s, 3);
        } else {
            buf_putc(out, s.p[0]);
            step(&s, 1);
        }
    }
}

/* Takes "charset'language'" off a value's beginning. Without it the value counts as UTF-8. */
static int take_charset(struct span *s, const struct mailcharset *charsets)
{
    ssize_t first = span_find(*s, '\'');
    if (first < 0)
        return MAILCHARSET_UNKNOWN;
    struct span rest = span_of(s->p + first + 1, s->n - (size_t)first - 1);
    ssize_t second = span_find(rest, '\'');
    if (second < 0)
        return MAILCHARSET_UNKNOWN;
    struct span name = span_of(s->p, (size_t)first);
    *s = span_of(rest.p + second + 1, rest.n - (size_t)second - 1);
    return mailcharset_find(charsets, name);
}

static const struct section *find(const struct sections *sections, const char *name, int number,
                                  int extended)
{
    for (size_t i = 0; i < sections->n; i++) {
        const struct section *s = &sections->all[i];
        if (s->number == number && (extended < 0 || s->extended == extended) &&
            strcmp(s->name, name) == 0)
            return s;
    }
    return NULL;
}

/* Puts an extended value together from section number on; -1: it has but one. */
static void join(const struct sections *sections, const struct section *s,
                 const struct mailcharset *charsets, struct buf *out)
{
    struct buf octets = {0};
    int charset = MAILCHARSET_UNKNOWN;
    const struct section *first = s;
    for (int next = s->number + 1; s != NULL; s = find(sections, s->name, next++, -1)) {
        struct span value = buf_span(&s->value);
        if (s == first && s->extended)
            charset = take_charset(&value, charsets);
        if (s->extended)
            percent_decode(value, &octets);
        else
            buf_put_span(&octets, value);
        if (s->number < 0)
            break;
    }
    mailcharset_decode(charsets, charset, buf_span(&octets), false, out);
    buf_free(&octets);
}

/* Cuts what is too long, between characters, and makes spaces of controls. */
static char *finish(struct buf *value)
{
    size_t n = value->n;
    if (n > MIMEFIELD_VALUE_MAX) {
        n = MIMEFIELD_VALUE_MAX;
        while (n > MIMEFIELD_VALUE_MAX - 4 && (buf_span(value).p[n] & 0xc0) == 0x80)
            n--;
        buf_cut(value, n);
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char *c = value->p + value->head + i;
        if (*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
    return buf_take_text(value);
}

static char *value_of(const struct sections *sections, const char *name,
                      const struct mailcharset *charsets)
{
    struct buf value = {0};
    const struct section *s = find(sections, name, -1, true);
    if (s == NULL)
        s = find(sections, name, 0, -1);
    if (s != NULL) {
        join(sections, s, charsets, &value);
        return finish(&value);
    }
    s = find(sections, name, -1, false);
    if (s == NULL)
        return NULL;
    buf_put_span(&value, buf_span(&s->value));
    return finish(&value);
}

static void keep(struct mimefield *field, const struct sections *sections,
                 const struct mailcharset *charsets)
{
    if (sections->n == 0)
        return;
    field->params = mem_array(MIMEFIELD_PARAMS, sizeof field->params[0]);
    for (size_t i = 0; i < sections->n && field->n < MIMEFIELD_PARAMS; i++) {
        const char *name = sections->all[i].name;
        if (mimefield_get(field, name) != NULL)
            continue;
        char *value = value_of(sections, name, charsets);
        if (value != NULL)
            field->params[field->n++] = (struct mimefield_param){mem_text(name), value};
    }
    /* Kept as long as the message is looked at: no more than needed. */
    if (field->n == 0)
        mem_free(&field->params);
    else
        field->params = mem_resize(field->params, field->n * sizeof field->params[0]);
}

void mimefield_parse(struct mimefield *field, struct span value, const struct mailcharset *charsets)
{
    struct buf flat = {0};
    struct sections *sections = mem_zero(sizeof *sections);
    header_unfold(&flat, span_of(value.p, value.n > MIMEFIELD_MAX ? MIMEFIELD_MAX : value.n));
    struct span rest = buf_span(&flat);
    *field = (struct mimefield){.word = take_word(&rest)};
    while (rest.n > 0 && sections->n < MIMEFIELD_SECTIONS) {
        while (rest.n > 0 && (rest.p[0] == ';' || ascii_is_space(rest.p[0])))
            step(&rest, 1);
        skip_space(&rest);
        take_section(&rest, sections);
    }
    keep(field, sections, charsets);
    for (size_t i = 0; i < sections->n; i++) {
        mem_free(&sections->all[i].name);
        buf_free(&sections->all[i].value);
    }
    mem_free(&sections);
    buf_free(&flat);
}

const char *mimefield_get(const struct mimefield *field, const char *name)
{
    for (size_t i = 0; i < field->n; i++) {
        if (strcmp(field->params[i].name, name) == 0)
            return field->params[i].value;
    }
    return NULL;
}

bool mimefield_is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("()<>@,;:\\\"/[]?=", s.p[i]) != NULL)
            return false;
    }
    return s.n > 0;
}

bool mimefield_is_media_type(const char *word)
{
    struct span s = span_text(word);
    ssize_t slash = span_find(s, '/');
    return slash >= 0 && mimefield_is_token(span_of(s.p, (size_t)slash)) &&
           mimefield_is_token(span_of(s.p + slash + 1, s.n - (size_t)slash - 1));
}

void mimefield_clear(struct mimefield *field)
{
    for (size_t i = 0; i < field->n; i++) {
        mem_free(&field->params[i].name);
        mem_free(&field->params[i].value);
    }
    mem_free(&field->params);
    mem_free(&field->word);
    *field = (struct mimefield){0};
}
