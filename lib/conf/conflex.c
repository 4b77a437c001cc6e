#include "conflex.h"

#include <assert.h>

#include "mem.h"
#include "utf8.h"

struct conflex conflex_open(struct conferror *errors, uint32_t file)
{
    struct conflex lex = {.errors = errors, .at = {file, 1, 0}};
    lex.text = buf_span(&errors->sources->v[file]->text);
    if (lex.text.n >= 3 && span_is(span_of(lex.text.p, 3), "\xef\xbb\xbf"))
        lex.at.offset = 3;
    return lex;
}

static int octet(const struct conflex *lex)
{
    return lex->at.offset < lex->text.n ? lex->text.p[lex->at.offset] : -1;
}

/* CR LF is one line end, of which the CR is passed over like a blank. */
static bool at_line_end(const struct conflex *lex)
{
    return octet(lex) == '\n' || (octet(lex) == '\r' && lex->at.offset + 1 < lex->text.n &&
                                  lex->text.p[lex->at.offset + 1] == '\n');
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks_and_comment(struct conflex *lex)
{
    while (is_blank(octet(lex)) || (octet(lex) == '\r' && at_line_end(lex)))
        lex->at.offset++;
    if (octet(lex) == '#') {
        while (octet(lex) >= 0 && octet(lex) != '\n')
            lex->at.offset++;
    }
}

/* Length of the character at the cursor, or 0 with the sentence why it may not stand in a word. */
static size_t character(const struct conflex *lex, const char **why)
{
    const unsigned char *p = lex->text.p + lex->at.offset;
    size_t n = utf8_sequence(p, lex->text.n - lex->at.offset);
    if (n == 0)
        *why = "this is not UTF-8";
    else if (p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0))
        *why = "a control character cannot stand here";
    else
        return n;
    return 0;
}

/* Passes over one character of a word. A wrong one is reported, once a word. */
static void advance(struct conflex *lex, struct conflex_token *token)
{
    const char *why = NULL;
    size_t n = character(lex, &why);
    if (n == 0 && !token->bad) {
        conferror_add(lex->errors, lex->at, "%s", why);
        token->bad = true;
    }
    lex->at.offset += n == 0 ? 1 : (uint32_t)n;
}

static bool ends_bare(const struct conflex *lex)
{
    int c = octet(lex);
    return c < 0 || is_blank(c) || c == '{' || c == '}' || at_line_end(lex);
}

/* Inside a bare word: passes over what is quoted in it, too, so that its blanks do not make further
 * words. */
static void wrong_quote(struct conflex *lex, struct conflex_token *token)
{
    if (!token->bad)
        conferror_add(lex->errors, lex->at, "a word with \" in it has to be quoted as a whole");
    token->bad = true;
    do
        advance(lex, token);
    while (octet(lex) >= 0 && octet(lex) != '"' && !at_line_end(lex));
    if (octet(lex) == '"')
        lex->at.offset++;
}

static void bare_word(struct conflex *lex, struct conflex_token *token)
{
    while (!ends_bare(lex)) {
        if (octet(lex) == '"') {
            wrong_quote(lex, token);
            continue;
        }
        if (octet(lex) == '#' && !token->bad) {
            conferror_add(
                lex->errors, lex->at,
                "a word with # in it has to be quoted (a comment needs a blank before it)");
            token->bad = true;
        }
        advance(lex, token);
    }
    token->text = span_of(lex->text.p + token->at.offset, lex->at.offset - token->at.offset);
}

static void escape(struct conflex *lex, struct conflex_token *token)
{
    struct confsource_pos at = lex->at;
    lex->at.offset++;
    if (octet(lex) == '"' || octet(lex) == '\\') {
        lex->at.offset++;
    } else if (!token->bad) {
        conferror_add(lex->errors, at, "only \\\" and \\\\ may follow a backslash in quotes");
        token->bad = true;
    }
}

static void quoted_word(struct conflex *lex, struct conflex_token *token)
{
    token->quoted = true;
    uint32_t start = ++lex->at.offset;
    while (octet(lex) != '"') {
        if (octet(lex) < 0 || at_line_end(lex)) {
            conferror_add(lex->errors, token->at,
                          "the quoted word that begins here does not end on "
                          "its line");
            token->bad = true;
            return;
        }
        if (octet(lex) == '\\')
            escape(lex, token);
        else
            advance(lex, token);
    }
    token->text = span_of(lex->text.p + start, lex->at.offset - start);
    lex->at.offset++;
    if (!ends_bare(lex) && octet(lex) != '#') {
        struct conflex_token rest = {.bad = true};
        if (!token->bad)
            conferror_add(lex->errors, lex->at, "a blank is missing after the quoted word");
        token->bad = true;
        while (!ends_bare(lex))
            advance(lex, &rest);
    }
}

static struct conflex_token scan(struct conflex *lex)
{
    skip_blanks_and_comment(lex);
    struct conflex_token token = {.kind = CONFLEX_WORD, .at = lex->at};
    switch (octet(lex)) {
    case -1:
        token.kind = CONFLEX_END;
        break;
    case '\n':
        token.kind = CONFLEX_LINE;
        lex->at.offset++;
        lex->at.line++;
        break;
    case '{':
    case '}':
        token.kind = octet(lex) == '{' ? CONFLEX_OPEN : CONFLEX_CLOSE;
        lex->at.offset++;
        break;
    case '"':
        quoted_word(lex, &token);
        break;
    default:
        bare_word(lex, &token);
    }
    return token;
}

struct conflex_token conflex_peek(struct conflex *lex)
{
    if (!lex->peeked)
        lex->token = scan(lex);
    lex->peeked = true;
    return lex->token;
}

struct conflex_token conflex_take(struct conflex *lex)
{
    struct conflex_token token = conflex_peek(lex);
    lex->peeked = false;
    return token;
}

char *conflex_word(const struct conflex_token *token)
{
    assert(token->kind == CONFLEX_WORD && !token->bad);
    char *word = span_dup(token->text);
    if (!token->quoted)
        return word;
    size_t n = 0;
    for (size_t i = 0; i < token->text.n; i++) {
        if (word[i] == '\\')
            i++;
        word[n++] = word[i];
    }
    word[n] = '\0';
    return word;
}

bool conflex_is_bare(struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        int c = text.p[i];
        if (c <= ' ' || c == 0x7f || c == '{' || c == '}' || c == '"' || c == '#')
            return false;
    }
    return text.n > 0;
}

void conflex_quote(struct span text, struct buf *out)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, text.p[i]);
    }
    buf_putc(out, '"');
}
