#include "dsncode.h"

#include <stdio.h>
#include <string.h>

#include "ascii.h"

/* The length of a number of at most three digits at at, or 0; a longer one is none. */
static size_t digits(struct span s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && n <= 3 && ascii_is_digit(s.p[at + n]))
        n++;
    return n > 3 ? 0 : n;
}

static int number(struct span s, size_t at, size_t n)
{
    int v = 0;
    for (size_t i = 0; i < n; i++)
        v = v * 10 + s.p[at + i] - '0';
    return v;
}

/* "c.s.d" at at, neither part of a longer word nor of an address of four numbers. There are no
 * subjects above 7 (RFC 3463 3): "4.96.2" is a version of Exim. Returns its length, or 0. */
static size_t take_enhanced(struct span s, size_t at, char enhanced[DSNCODE_SIZE])
{
    if (at + 5 > s.n || (s.p[at] != '2' && s.p[at] != '4' && s.p[at] != '5') ||
        s.p[at + 1] != '.' || digits(s, at) != 1)
        return 0;
    size_t subject = digits(s, at + 2), dot = at + 2 + subject;
    if (subject != 1 || s.p[at + 2] > '7' || dot >= s.n || s.p[dot] != '.')
        return 0;
    size_t detail = digits(s, dot + 1), end = dot + 1 + detail;
    bool goes_on = end < s.n && (ascii_is_alnum(s.p[end]) || s.p[end] == '-');
    if (end + 1 < s.n && s.p[end] == '.' && ascii_is_digit(s.p[end + 1]))
        goes_on = true;
    if (detail == 0 || goes_on)
        return 0;
    (void)snprintf(enhanced, DSNCODE_SIZE, "%c.%d.%d", s.p[at], number(s, at + 2, subject),
                   number(s, dot + 1, detail));
    return end - at;
}

/* A reply code at at with a space, a hyphen or nothing behind it; 0: none. */
static int code_at(struct span s, size_t at)
{
    if (digits(s, at) != 3)
        return 0;
    int code = number(s, at, 3);
    bool ends = at + 3 == s.n || ascii_is_space(s.p[at + 3]) || s.p[at + 3] == '-';
    return ends && code >= 200 && code <= 599 ? code : 0;
}

/* Whether a word can begin at at. */
static bool is_start(struct span s, size_t at)
{
    int before = at == 0 ? ' ' : s.p[at - 1];
    return !ascii_is_alnum(before) && before != '.' && before != '-' && before != '@';
}

/* The enhanced code behind a reply code at at: "550 5.1.1", "550-5.1.1", "550 #5.1.1", "550
 * [5.1.1]", "550-'5.1.1". */
static bool takes_both(struct span s, size_t at, struct dsncode *out)
{
    size_t next = at + 3;
    out->code = code_at(s, at);
    if (out->code == 0)
        return false;
    while (next < s.n && next < at + 6 && strchr(" -#(['\"\t", s.p[next]) != NULL)
        next++;
    return next > at + 3 && take_enhanced(s, next, out->enhanced) > 0;
}

static bool is_led_in(struct span s, size_t at)
{
    static const char *const leads[] = {
        "said: ", "error ", "<<< ", "reply: ", "response: ", "reason: ", "returned ", "]: "};
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
        size_t n = strlen(leads[i]);
        if (at >= n && span_starts_nocase(span_of(s.p + at - n, n), leads[i]))
            return true;
    }
    return at == 0;
}

static struct dsncode with_class(struct dsncode c)
{
    if (c.code > 0 && c.enhanced[0] != '\0')
        c.enhanced[0] = (char)('0' + c.code / 100);
    return c;
}

struct dsncode dsncode_scan(struct span text)
{
    struct dsncode found = {0}, alone = {0};
    text = ascii_trim(text);
    for (size_t i = 0; i < text.n; i++) {
        struct dsncode both = {0};
        if (!ascii_is_digit(text.p[i]) || !is_start(text, i))
            continue;
        if (takes_both(text, i, &both))
            return with_class(both);
        if (found.code == 0 && is_led_in(text, i))
            found.code = code_at(text, i);
        if (alone.enhanced[0] == '\0')
            (void)take_enhanced(text, i, alone.enhanced);
    }
    if (found.code == 0)
        return dsncode_merge(found, dsncode_status(span_text(alone.enhanced)));
    if (alone.enhanced[0] == '0' + found.code / 100)
        memcpy(found.enhanced, alone.enhanced, sizeof found.enhanced);
    return found;
}

struct dsncode dsncode_status(struct span value)
{
    struct dsncode c = {0};
    value = ascii_trim(value);
    if (take_enhanced(value, 0, c.enhanced) > 0 && c.enhanced[0] != '2')
        c.code = c.enhanced[0] == '4' ? 400 : 500;
    return c;
}

struct dsncode dsncode_merge(struct dsncode diagnostic, struct dsncode status)
{
    if (diagnostic.code == 0) {
        if (status.enhanced[0] == '\0')
            return diagnostic;
        return status;
    }
    if (diagnostic.enhanced[0] == '\0' && status.enhanced[0] == '0' + diagnostic.code / 100)
        memcpy(diagnostic.enhanced, status.enhanced, sizeof diagnostic.enhanced);
    return diagnostic;
}
