#include "addrlist.h"

#include <string.h>

#include "ascii.h"
#include "mem.h"

/* Where the parser stands, and what it has gathered of the element it is in. */
struct parser {
    struct span s;
    size_t i;
    const char *default_domain;
    struct fail *fail;
    struct buf phrase;  /* the words, as a display name: one space where there was white space */
    struct buf local;   /* the words, as a local part: no space */
    struct buf comment; /* the last comment */
    size_t words;
    bool local_ok;  /* the words so far are a local part: single dots between, none at an end */
    bool after_dot; /* the last token was a dot */
    bool in_group;
};

static int peek(const struct parser *p)
{
    return p->i < p->s.n ? p->s.p[p->i] : -1;
}

static bool is_control(int octet)
{
    return (octet < 0x20 && octet != '\t') || octet == 0x7f;
}

/* One comment, with those in it. The outermost's text is kept: some write the name there. */
static int skip_comment(struct parser *p)
{
    size_t depth = 0;
    buf_clear(&p->comment);
    do {
        int c = peek(p);
        if (c == '\\' && ++p->i < p->s.n)
            c = 0x100 | p->s.p[p->i];
        if (c < 0 || p->i >= p->s.n)
            return fail_set(p->fail, "comment has no end");
        if (!ascii_is_space(c) && is_control(c & 0xff))
            return fail_set(p->fail, "comment holds a control character");
        p->i++;
        if (c == '(' && ++depth > ADDRLIST_COMMENT_DEPTH)
            return fail_set(p->fail, "comments are nested too deep");
        if (c == ')')
            depth--;
        if (depth > 0 && !(c == '(' && depth == 1) && c != '\r' && c != '\n')
            buf_putc(&p->comment, c & 0xff);
    } while (depth > 0);
    return 0;
}

/* White space and comments. Returns how many there were, or -1. */
static int skip_cfws(struct parser *p)
{
    int count = 0;
    for (int c; (c = peek(p)) >= 0 && (c == '(' || ascii_is_space(c)); count = 1) {
        if (c != '(')
            p->i++;
        else if (skip_comment(p) < 0)
            return -1;
    }
    return count;
}

static int take_quoted(struct parser *p, struct buf *word)
{
    for (p->i++; p->i < p->s.n; p->i++) {
        int c = p->s.p[p->i];
        if (c == '"') {
            p->i++;
            return 0;
        }
        if (c == '\r' || c == '\n')
            continue;
        if (c == '\\' && ++p->i < p->s.n)
            c = p->s.p[p->i];
        if (p->i >= p->s.n)
            break;
        if (is_control(c))
            return fail_set(p->fail, "quoted string holds a control character");
        buf_putc(word, c);
    }
    return fail_set(p->fail, "quoted string has no end");
}

static void take_atom(struct parser *p, struct buf *word)
{
    size_t start = p->i;
    while (p->i < p->s.n && address_is_atext(p->s.p[p->i]))
        p->i++;
    buf_put(word, p->s.p + start, p->i - start);
}

static void forget(struct parser *p)
{
    buf_clear(&p->phrase);
    buf_clear(&p->local);
    buf_clear(&p->comment);
    p->words = 0;
    p->local_ok = true;
    p->after_dot = false;
}

static int add_word(struct parser *p, bool spaced)
{
    struct buf word = {0};
    int rc = 0;
    if (peek(p) == '"')
        rc = take_quoted(p, &word);
    else
        take_atom(p, &word);
    if (p->words > 0 && !p->after_dot)
        p->local_ok = false;
    if (spaced && p->phrase.n > 0)
        buf_putc(&p->phrase, ' ');
    buf_put_span(&p->phrase, buf_span(&word));
    buf_put_span(&p->local, buf_span(&word));
    p->words++;
    p->after_dot = false;
    buf_free(&word);
    return rc;
}

static void add_dot(struct parser *p)
{
    if (p->words == 0 || p->after_dot)
        p->local_ok = false;
    buf_putc(&p->phrase, '.');
    buf_putc(&p->local, '.');
    p->after_dot = true;
    p->i++;
}

/* Words and dots, up to something else. */
static int take_words(struct parser *p)
{
    for (;;) {
        int spaced = skip_cfws(p), c = peek(p);
        if (spaced < 0)
            return -1;
        if (c == '.')
            add_dot(p);
        else if (c != '"' && (c < 0 || !address_is_atext(c)))
            return 0;
        else if (add_word(p, spaced) < 0)
            return -1;
    }
}

static int take_literal(struct parser *p, struct buf *domain)
{
    size_t start = p->i;
    while (p->i < p->s.n && p->s.p[p->i] != ']')
        p->i++;
    if (p->i == p->s.n)
        return fail_set(p->fail, "address literal has no end");
    p->i++;
    buf_put(domain, p->s.p + start, p->i - start);
    return 0;
}

/* The domain behind an @: atoms and dots, around which white space and comments may stand. */
static int take_domain(struct parser *p, struct buf *domain)
{
    if (skip_cfws(p) < 0)
        return -1;
    if (peek(p) == '[')
        return take_literal(p, domain);
    for (;;) {
        size_t before = domain->n;
        take_atom(p, domain);
        if (domain->n == before)
            return fail_set(p->fail, "domain is missing or ends in a dot");
        size_t end = p->i;
        if (skip_cfws(p) < 0)
            return -1;
        if (peek(p) != '.') {
            p->i = end; /* what stands behind belongs to the element */
            return 0;
        }
        buf_putc(domain, '.');
        p->i++;
        if (skip_cfws(p) < 0)
            return -1;
    }
}

/* The mailbox whose local part has been gathered: reads its domain if there is one. */
static int make_address(struct parser *p, struct address *a)
{
    struct buf domain = {0};
    int rc = 0;
    if (!p->local_ok || p->words == 0 || p->after_dot)
        return fail_set(p->fail, p->words == 0 ? "an address was expected"
                                               : "words stand where an address was expected");
    if (peek(p) == '@') {
        p->i++;
        rc = take_domain(p, &domain);
    } else if (p->default_domain == NULL) {
        rc = fail_set(p->fail, "address has no domain");
    } else {
        buf_puts(&domain, p->default_domain);
    }
    if (rc == 0)
        rc = address_make(buf_span(&p->local), buf_span(&domain), a, p->fail);
    buf_free(&domain);
    return rc;
}

/* "@a,@b:" before the local part (RFC 5322 4.4 obs-route): read and forgotten. */
static int skip_route(struct parser *p)
{
    struct buf domain = {0};
    int rc = 0;
    while (rc == 0 && (peek(p) == '@' || peek(p) == ',')) {
        if (p->s.p[p->i++] == '@')
            rc = take_domain(p, &domain);
        if (rc == 0 && skip_cfws(p) < 0)
            rc = -1;
    }
    buf_free(&domain);
    if (rc < 0)
        return -1;
    if (peek(p) != ':')
        return fail_set(p->fail, "source route has no colon at its end");
    p->i++;
    return 0;
}

static int end_angle(struct parser *p)
{
    if (skip_cfws(p) < 0)
        return -1;
    if (peek(p) != '>')
        return fail_set(p->fail, "'>' is missing behind an address");
    p->i++;
    return 0;
}

/* "<...>". The words before it are the name. *a may be filled even on failure. */
static int take_angle(struct parser *p, struct address *a)
{
    p->i++;
    buf_clear(&p->local);
    p->words = 0;
    p->local_ok = true;
    p->after_dot = false;
    struct buf name = p->phrase;
    p->phrase = (struct buf){0};
    int rc = skip_cfws(p) < 0 ? -1 : 0;
    if (rc == 0 && peek(p) == '@')
        rc = skip_route(p);
    if (rc == 0 && (rc = take_words(p)) == 0 && (rc = make_address(p, a)) == 0)
        rc = end_angle(p);
    buf_free(&p->phrase);
    p->phrase = name;
    return rc;
}

/* "name@host <address>", as some programs write without quoting the name. */
static int take_address_as_name(struct parser *p, struct address *a)
{
    struct buf name = {0};
    address_write_unicode(&name, a);
    address_clear(a);
    buf_free(&p->phrase);
    p->phrase = name;
    return take_angle(p, a);
}

static int take_mailbox(struct parser *p, struct address *a, char **name)
{
    int rc;
    bool bare = peek(p) != '<';
    if (!bare) {
        rc = take_angle(p, a);
    } else {
        rc = make_address(p, a);
        if (rc == 0 && skip_cfws(p) < 0)
            rc = -1;
        if (rc == 0 && peek(p) == '<') {
            bare = false;
            rc = take_address_as_name(p, a);
        }
    }
    if (rc < 0)
        return -1;
    struct span text = ascii_trim(buf_span(bare ? &p->comment : &p->phrase));
    *name = text.n > 0 ? span_dup(text) : NULL;
    return 0;
}

static void append(struct addrlist *list, const struct address *a, char *name)
{
    if (list->n == list->room) {
        list->room = list->room == 0 ? 8 : list->room * 2;
        list->items = mem_resize(list->items, list->room * sizeof list->items[0]);
    }
    list->items[list->n++] = (struct addrlist_item){name, *a};
}

static int end_element(struct parser *p)
{
    int c;
    if (skip_cfws(p) < 0)
        return -1;
    c = peek(p);
    if (c < 0 || c == ',' || (c == ';' && p->in_group))
        return 0;
    return fail_set(p->fail, "a comma was expected behind an address");
}

/* One element, up to the comma, semicolon or end behind it. */
static int take_element(struct parser *p, struct addrlist *list)
{
    struct address a = {0};
    char *name = NULL;
    forget(p);
    if (take_words(p) < 0)
        return -1;
    int c = peek(p);
    if (c == ':' && !p->in_group && p->words > 0) {
        p->i++;
        p->in_group = true;
        return take_element(p, list);
    }
    if (p->words == 0 && !p->after_dot && (c < 0 || c == ',' || (c == ';' && p->in_group)))
        return 0;
    if (take_mailbox(p, &a, &name) < 0 || end_element(p) < 0) {
        address_clear(&a);
        mem_free(&name);
        return -1;
    }
    append(list, &a, name);
    return 0;
}

/* Passes over a mistaken element, without being led astray by a comma in a quoted string. */
static void skip_element(struct parser *p)
{
    bool quoted = false;
    for (int c; (c = peek(p)) >= 0; p->i++) {
        if (c == '"')
            quoted = !quoted;
        else if (c == '\\' && quoted && p->i + 1 < p->s.n)
            p->i++;
        else if (!quoted && (c == ',' || c == ';'))
            break;
    }
}

static int take_all(struct parser *p, enum addrlist_mode mode, struct addrlist *list)
{
    for (;;) {
        size_t start = p->i;
        if (take_element(p, list) < 0) {
            if (mode == ADDRLIST_STRICT)
                return -1;
            p->i = start;
            skip_element(p);
            list->skipped++;
        }
        if (list->n > ADDRLIST_MAX)
            return fail_set(p->fail, "more than %d addresses in one list", ADDRLIST_MAX);
        if (p->i >= p->s.n)
            return 0;
        if (p->s.p[p->i++] == ';')
            p->in_group = false;
    }
}

static void cut(struct addrlist *list, size_t n)
{
    for (; list->n > n; list->n--) {
        mem_free(&list->items[list->n - 1].name);
        address_clear(&list->items[list->n - 1].address);
    }
}

int addrlist_parse(struct span text, const char *default_domain, enum addrlist_mode mode,
                   struct addrlist *list, struct fail *f)
{
    struct parser p = {.s = text, .default_domain = default_domain, .fail = f};
    size_t n = list->n, skipped = list->skipped;
    int rc = take_all(&p, mode, list);
    if (rc == 0 && p.in_group && mode == ADDRLIST_STRICT)
        rc = fail_set(f, "group has no semicolon at its end");
    if (rc < 0) {
        cut(list, n);
        list->skipped = skipped;
    }
    buf_free(&p.phrase);
    buf_free(&p.local);
    buf_free(&p.comment);
    return rc;
}

void addrlist_clear(struct addrlist *list)
{
    if (list == NULL)
        return;
    cut(list, 0);
    mem_free(&list->items);
    *list = (struct addrlist){0};
}
