#include "httpheader.h"

#include <string.h>

#include "ascii.h"

static bool is_token_octet(int c)
{
    return ascii_is_alnum(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t';
}

bool httpheader_is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_token_octet(s.p[i]))
            return false;
    }
    return s.n > 0;
}

static void skip(struct span *s, size_t n)
{
    if (n > 0)
        *s = span_of(s->p + n, s->n - n);
}

static void skip_blanks(struct span *s)
{
    while (s->n > 0 && is_blank(s->p[0]))
        skip(s, 1);
}

static struct span take_token(struct span *s)
{
    size_t n = 0;
    while (n < s->n && is_token_octet(s->p[n]))
        n++;
    struct span token = span_of(s->p, n);
    skip(s, n);
    return token;
}

int httpheader_word(struct span *value, struct span *word)
{
    skip_blanks(value);
    *word = take_token(value);
    if (word->n > 0 && value->n > 0 && value->p[0] == '/') {
        skip(value, 1);
        struct span subtype = take_token(value);
        if (subtype.n == 0)
            return -1;
        word->n += 1 + subtype.n;
    }
    skip_blanks(value);
    return word->n > 0 && (value->n == 0 || value->p[0] == ';') ? 0 : -1;
}

/* The opening quotation mark is at the front. */
static int take_quoted(struct span *s, struct buf *value)
{
    for (size_t i = 1; i < s->n; i++) {
        int c = s->p[i];
        if (c == '"') {
            skip(s, i + 1);
            return 0;
        }
        if (c == '\\' && i + 1 < s->n && (s->p[i + 1] == '"' || s->p[i + 1] == '\\'))
            c = s->p[++i];
        buf_putc(value, c);
    }
    return -1;
}

int httpheader_param(struct span *rest, struct span *name, struct buf *value)
{
    /* A semicolon with nothing behind it is common and harmless. */
    skip_blanks(rest);
    while (rest->n > 0 && rest->p[0] == ';') {
        skip(rest, 1);
        skip_blanks(rest);
    }
    if (rest->n == 0)
        return 0;
    buf_clear(value);
    *name = take_token(rest);
    if (name->n == 0 || rest->n == 0 || rest->p[0] != '=')
        return -1;
    skip(rest, 1);
    if (rest->n > 0 && rest->p[0] == '"') {
        if (take_quoted(rest, value) < 0)
            return -1;
    } else {
        struct span token = take_token(rest);
        if (token.n == 0)
            return -1;
        buf_put_span(value, token);
    }
    skip_blanks(rest);
    return rest->n == 0 || rest->p[0] == ';' ? 1 : -1;
}

int httpheader_find_param(struct span field, const char *wanted, struct buf *value)
{
    struct span word, name;
    struct buf current = {0};
    int found = 0, more = httpheader_word(&field, &word);
    if (more == 0)
        more = 1;
    while (more > 0 && (more = httpheader_param(&field, &name, &current)) > 0) {
        if (found == 0 && span_is_nocase(name, wanted)) {
            buf_clear(value);
            buf_put_span(value, buf_span(&current));
            found = 1;
        }
    }
    buf_free(&current);
    return more < 0 ? -1 : found;
}

/* Whether "q=0", "q=0.0" and the like stand among the parameters of one element. */
static bool weight_is_zero(struct span params)
{
    struct span name;
    struct buf value = {0};
    bool zero = false;
    while (httpheader_param(&params, &name, &value) > 0) {
        if (span_is_nocase(name, "q")) {
            struct span q = buf_span(&value);
            zero = q.n > 0;
            for (size_t i = 0; i < q.n; i++)
                zero = zero && (q.p[i] == '0' || q.p[i] == '.');
        }
    }
    buf_free(&value);
    return zero;
}

bool httpheader_accepts(struct span accept_encoding, const char *coding)
{
    struct span element, word;
    bool any = false;
    while (ascii_token(&accept_encoding, ",", &element)) {
        if (httpheader_word(&element, &word) < 0)
            continue;
        if (span_is_nocase(word, coding))
            return !weight_is_zero(element);
        if (span_is(word, "*"))
            any = !weight_is_zero(element);
    }
    return any;
}
