#include "path.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ascii.h"
#include "utf8.h"

static const struct {
    const char *keyword, *usage;
    const char *bad_address; /* enhanced code (RFC 3463 section 3.2) */
} kinds[] = {
    [PATH_MAIL] = {"FROM:", "MAIL FROM:<address>", "5.1.7"},
    [PATH_RCPT] = {"TO:", "RCPT TO:<address>", "5.1.3"},
};

int path_refuse(struct path_refusal *why, int code, const char *enhanced, const char *fmt, ...)
{
    va_list ap;
    why->code = code;
    why->enhanced = enhanced;
    va_start(ap, fmt);
    (void)vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return -1;
}

static struct span skip_spaces(struct span s)
{
    size_t i = 0;
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
        i++;
    return span_of(i == 0 ? s.p : s.p + i, s.n - i);
}

static bool is_control(int c)
{
    return c < ' ' || c == 0x7f;
}

/* How long the path at the beginning of s is, up to the first octet `stop` outside a quoted string,
 * or to the end of s if there is none. -1 if something is in it that cannot be in a path. */
static ssize_t path_length(struct span s, int stop)
{
    bool quoted = false;
    size_t i;
    for (i = 0; i < s.n; i++) {
        int c = s.p[i];
        if (is_control(c))
            return -1;
        if (quoted && c == '\\') {
            if (++i == s.n || is_control(s.p[i]))
                return -1;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && c == stop) {
            break;
        } else if (!quoted && (c == '<' || c == '>' || c == ' ')) {
            return -1;
        }
    }
    return quoted ? -1 : (ssize_t)i;
}

/* The length of the domain or address literal at the beginning of a source route's element, or 0.
 */
static size_t route_domain(struct span s)
{
    size_t i = 0;
    if (s.n > 0 && s.p[0] == '[') {
        ssize_t close = span_find(s, ']');
        return close < 0 ? 0 : (size_t)close + 1;
    }
    while (i < s.n && s.p[i] != ',' && s.p[i] != ':' && s.p[i] != '@' && s.p[i] != '"' &&
           s.p[i] != ' ')
        i++;
    return i;
}

/* Drops "@a,@b:" from the front of *mailbox (RFC 5321 appendix C). Returns 0, or -1 if it is
 * malformed or nothing follows. */
static int drop_route(struct span *mailbox)
{
    struct span s = *mailbox;
    while (s.n > 0 && s.p[0] == '@') {
        s = span_of(s.p + 1, s.n - 1);
        size_t n = route_domain(s);
        if (n == 0 || n == s.n)
            return -1;
        int after = s.p[n];
        s = span_of(s.p + n + 1, s.n - n - 1);
        if (after == ':') {
            *mailbox = s;
            return s.n > 0 && s.p[0] != '@' ? 0 : -1;
        }
        if (after != ',')
            return -1;
    }
    return -1;
}

/* Takes the path off the front of *rest. */
static int take_path(struct span *rest, struct path *out)
{
    struct span s = *rest;
    out->bare = s.n == 0 || s.p[0] != '<';
    if (!out->bare)
        s = span_of(s.p + 1, s.n - 1);
    ssize_t n = path_length(s, out->bare ? ' ' : '>');
    if (n < 0 || (out->bare && n == 0) || (!out->bare && (size_t)n == s.n))
        return -1;
    out->mailbox = span_of(s.p, (size_t)n);
    size_t used = (size_t)n + (out->bare ? 0 : 1);
    *rest = span_of(s.p + used, s.n - used);
    if (out->mailbox.n > 0 && out->mailbox.p[0] == '@') {
        out->routed = true;
        if (drop_route(&out->mailbox) != 0)
            return -1;
    }
    out->null = out->mailbox.n == 0;
    out->postmaster = span_is_nocase(out->mailbox, "postmaster");
    out->eight_bit = !utf8_is_ascii(out->mailbox);
    return out->mailbox.n <= PATH_MAILBOX_MAX ? 0 : -1;
}

/* esmtp-keyword ["=" esmtp-value] (RFC 5321 section 4.1.2). */
static int param_of(struct span token, struct path_param *param)
{
    ssize_t equals = span_find(token, '=');
    *param = (struct path_param){.keyword = token};
    if (equals >= 0) {
        param->keyword.n = (size_t)equals;
        param->value = span_of(token.p + equals + 1, token.n - (size_t)equals - 1);
        param->has_value = true;
    }
    if (param->keyword.n == 0 || (param->has_value && param->value.n == 0))
        return -1;
    for (size_t i = 0; i < param->keyword.n; i++) {
        int c = param->keyword.p[i];
        if (!ascii_is_alnum(c) && (i == 0 || c != '-'))
            return -1;
    }
    for (size_t i = 0; i < param->value.n; i++) {
        if (is_control(param->value.p[i]))
            return -1;
    }
    return 0;
}

static bool same_keyword(struct span a, struct span b)
{
    return a.n == b.n && strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0;
}

static int take_params(struct span rest, struct path *out, struct path_refusal *why)
{
    struct span token;
    struct path_param param;
    while (ascii_token(&rest, " ", &token)) {
        if (param_of(token, &param) != 0)
            return path_refuse(why, 501, "5.5.4", "malformed parameter");
        for (size_t i = 0; i < out->count; i++) {
            if (same_keyword(out->params[i].keyword, param.keyword))
                return path_refuse(why, 501, "5.5.4", "parameter %.*s given twice",
                                   (int)(param.keyword.n < 40 ? param.keyword.n : 40),
                                   (const char *)param.keyword.p);
        }
        if (out->count == PATH_PARAMS)
            return path_refuse(why, 501, "5.5.4", "more than %d parameters", PATH_PARAMS);
        out->params[out->count++] = param;
    }
    return 0;
}

int path_parse(enum path_kind kind, struct span argument, struct path *out,
               struct path_refusal *why)
{
    size_t n;
    assert(kind <= PATH_RCPT);
    n = strlen(kinds[kind].keyword);
    *out = (struct path){0};
    if (!span_starts_nocase(argument, kinds[kind].keyword))
        return path_refuse(why, 501, "5.5.4", "syntax: %s", kinds[kind].usage);
    argument = span_of(argument.p + n, argument.n - n);
    struct span rest = skip_spaces(argument);
    out->spaced = rest.n < argument.n;
    if (rest.n == 0)
        return path_refuse(why, 501, "5.5.4", "syntax: %s", kinds[kind].usage);
    if (take_path(&rest, out) != 0 || (kind == PATH_RCPT && out->null))
        return path_refuse(why, 501, kinds[kind].bad_address, "malformed address");
    if (rest.n > 0 && rest.p[0] != ' ')
        return path_refuse(why, 501, "5.5.4", "syntax: %s", kinds[kind].usage);
    return take_params(rest, out, why);
}

int path_check_eight_bit(enum path_kind kind, const struct path *path, bool smtputf8,
                         struct path_refusal *why)
{
    assert(kind <= PATH_RCPT);
    if (path->eight_bit && !utf8_valid(path->mailbox))
        return path_refuse(why, 501, kinds[kind].bad_address, "address is not UTF-8");
    if (path->eight_bit && !smtputf8)
        return path_refuse(why, 553, "5.6.7", "non-ASCII address needs SMTPUTF8");
    return 0;
}
