#include "httpurl.h"

#include <string.h>

#include "ascii.h"

static int hex_digit(int c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int httpurl_decode(struct buf *out, struct span s, bool plus)
{
    size_t before = out->n;
    for (size_t i = 0; i < s.n; i++) {
        int c = s.p[i];
        if (c == '+' && plus)
            c = ' ';
        if (c == '%') {
            int high = i + 1 < s.n ? hex_digit(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                buf_cut(out, before);
                return -1;
            }
            c = high << 4 | low;
            i += 2;
        }
        buf_putc(out, c);
    }
    return 0;
}

/* Takes "http://host:port" off the front, if it is there. */
static int take_authority(struct span *target, struct httpurl_target *parts, struct fail *f)
{
    size_t scheme = span_starts_nocase(*target, "http://")    ? 7
                    : span_starts_nocase(*target, "https://") ? 8
                                                              : 0;
    if (scheme == 0)
        return 0;
    size_t end = scheme;
    while (end < target->n && target->p[end] != '/' && target->p[end] != '?')
        end++;
    if (end == scheme)
        return fail_set(f, "the request target names no host");
    for (size_t i = scheme; i < end; i++) {
        if (!ascii_is_alnum(target->p[i]) && strchr("-._~:[]%", target->p[i]) == NULL)
            return fail_set(f, "the request target's host is malformed");
    }
    parts->authority = span_of(target->p + scheme, end - scheme);
    *target = span_of(target->p + end, target->n - end);
    return 0;
}

int httpurl_split(struct span target, struct httpurl_target *parts, struct fail *f)
{
    *parts = (struct httpurl_target){0};
    for (size_t i = 0; i < target.n; i++) {
        if (target.p[i] <= ' ' || target.p[i] >= 0x7f || target.p[i] == '#')
            return fail_set(f, "the request target holds octet 0x%02x", target.p[i]);
    }
    if (take_authority(&target, parts, f) < 0)
        return -1;
    ssize_t mark = span_find(target, '?');
    parts->path = mark < 0 ? target : span_of(target.p, (size_t)mark);
    if (mark >= 0)
        parts->query = span_of(target.p + mark + 1, target.n - (size_t)mark - 1);
    if (parts->authority.n > 0 && parts->path.n == 0)
        parts->path = span_text("/");
    if (span_is(parts->path, "*") && mark < 0 && parts->authority.n == 0)
        return 0;
    if (parts->path.n == 0 || parts->path.p[0] != '/')
        return fail_set(f, "the request target is not a path");
    return 0;
}

/* Removes the last segment that stands behind position root in out. */
static void drop_segment(struct buf *out, size_t root)
{
    size_t n = out->n;
    while (n > root && buf_span(out).p[n - 1] != '/')
        n--;
    buf_cut(out, n > root ? n - 1 : root);
}

/* Segments of decoded go behind root in out, each with a slash before it. */
static void put_clean(struct buf *out, size_t root, struct span decoded)
{
    bool slash_at_end = false;
    for (size_t i = 0; i < decoded.n;) {
        size_t from = ++i; /* behind the slash */
        while (i < decoded.n && decoded.p[i] != '/')
            i++;
        struct span segment = span_of(decoded.p + from, i - from);
        bool up = span_is(segment, ".."), stay = segment.n == 0 || span_is(segment, ".");
        slash_at_end = up || stay;
        if (up)
            drop_segment(out, root);
        if (up || stay)
            continue;
        buf_putc(out, '/');
        buf_put_span(out, segment);
    }
    if (slash_at_end || out->n == root)
        buf_putc(out, '/');
}

int httpurl_path(struct buf *out, struct span path, struct fail *f)
{
    struct buf decoded = {0};
    int rc = 0;
    if (span_is(path, "*")) {
        buf_putc(out, '*');
        return 0;
    }
    if (path.n == 0 || path.p[0] != '/')
        return fail_set(f, "the path does not begin with a slash");
    if (httpurl_decode(&decoded, path, false) < 0)
        rc = fail_set(f, "the path holds a bad escape");
    struct span s = buf_span(&decoded);
    for (size_t i = 0; i < s.n && rc == 0; i++) {
        if (s.p[i] < ' ' || s.p[i] == 0x7f)
            rc = fail_set(f, "the path hides a control character");
    }
    if (rc == 0)
        put_clean(out, out->n, s);
    buf_free(&decoded);
    return rc;
}

int httpurl_next(struct span *query, struct buf *name, struct buf *value)
{
    struct span field;
    if (!ascii_token(query, "&", &field))
        return 0;
    ssize_t equals = span_find(field, '=');
    size_t n = equals < 0 ? field.n : (size_t)equals, at = equals < 0 ? field.n : n + 1;
    bool good = httpurl_decode(name, span_of(field.p, n), true) == 0 &&
                httpurl_decode(value, span_of(field.p + at, field.n - at), true) == 0;
    return good ? 1 : -1;
}
