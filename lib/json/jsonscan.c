#include "jsonscan.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "ascii.h"
#include "mem.h"
#include "utf8.h"

/* cJSON copies a number literal into 64 octets and would stumble over a longer one. */
#define NUMBER_MAX 63

enum expect {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_END, /* right after "[" */
    EXPECT_KEY,
    EXPECT_KEY_OR_END, /* right after "{" */
    EXPECT_COLON,
    EXPECT_COMMA_OR_END,
    EXPECT_NOTHING, /* the value is complete */
};

struct scanner {
    struct span text;
    size_t at;
    const struct jsonscan_limits *limits;
    struct jsonscan *scan;
    struct fail *f;
    enum expect expect;
    size_t depth;
    bool in_object[JSONSCAN_DEPTH_MAX];
};

static int refuse(struct scanner *s, const char *why)
{
    return fail_set(s->f, "invalid JSON at octet %zu: %s", s->at, why);
}

/* The octet at the cursor, or -1 at the end. */
static int peek(const struct scanner *s)
{
    return s->at < s->text.n ? s->text.p[s->at] : -1;
}

static void skip_space(struct scanner *s)
{
    while (s->at < s->text.n && ascii_is_space(s->text.p[s->at]))
        s->at++;
}

static bool take_digits(struct scanner *s)
{
    size_t from = s->at;
    while (ascii_is_digit(peek(s)))
        s->at++;
    return s->at > from;
}

/* Digits with an optional minus before them, to an integer. */
static struct jsonscan_number integer_of(struct span digits)
{
    struct jsonscan_number number = {.kind = JSONSCAN_INT64};
    bool negative = digits.p[0] == '-';
    for (size_t i = negative ? 1 : 0; i < digits.n; i++) {
        int digit = digits.p[i] - '0';
        if (__builtin_mul_overflow(number.value, 10, &number.value) ||
            __builtin_sub_overflow(number.value, negative ? digit : -digit, &number.value))
            return (struct jsonscan_number){.kind = JSONSCAN_RANGE};
    }
    return number;
}

static void note_number(struct jsonscan *scan, struct jsonscan_number number)
{
    if (scan->n == scan->cap) {
        scan->cap = scan->cap == 0 ? 16 : scan->cap * 2;
        scan->numbers = mem_resize(scan->numbers, scan->cap * sizeof *scan->numbers);
    }
    scan->numbers[scan->n++] = number;
}

static int scan_number(struct scanner *s)
{
    size_t from = s->at;
    bool real = false;
    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0')
        s->at++;
    else if (!take_digits(s))
        return refuse(s, "a digit is missing");
    if (ascii_is_digit(peek(s)))
        return refuse(s, "a number may not start with 0");
    if (peek(s) == '.') {
        real = true;
        s->at++;
        if (!take_digits(s))
            return refuse(s, "a digit is missing after the point");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        real = true;
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (!take_digits(s))
            return refuse(s, "a digit is missing in the exponent");
    }
    if (s->at - from > NUMBER_MAX)
        return refuse(s, "a number is too long");
    struct span literal = span_of(s->text.p + from, s->at - from);
    note_number(s->scan,
                real ? (struct jsonscan_number){.kind = JSONSCAN_REAL} : integer_of(literal));
    return 0;
}

/* Four hexadecimal digits, or -1. */
static int take_hex4(struct scanner *s)
{
    int v = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        int c = ascii_lower(peek(s));
        if (ascii_is_digit(c))
            v = v * 16 + c - '0';
        else if (c >= 'a' && c <= 'f')
            v = v * 16 + c - 'a' + 10;
        else
            return -1;
    }
    return v;
}

static int scan_unicode_escape(struct scanner *s)
{
    int unit = take_hex4(s);
    if (unit < 0)
        return refuse(s, "\\u needs four hexadecimal digits");
    if (unit == 0)
        return refuse(s, "\\u0000 is not accepted");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return refuse(s, "a low surrogate stands alone");
    if (unit < 0xd800 || unit > 0xdbff)
        return 0;
    if (peek(s) == '\\') {
        s->at++;
        if (peek(s) == 'u') {
            s->at++;
            int low = take_hex4(s);
            if (low >= 0xdc00 && low <= 0xdfff)
                return 0;
        }
    }
    return refuse(s, "a high surrogate stands alone");
}

static int scan_escape(struct scanner *s)
{
    int c = peek(s);
    if (c < 0)
        return refuse(s, "a string does not end");
    s->at++;
    if (c == 'u')
        return scan_unicode_escape(s);
    if (c == 0 || strchr("\"\\/bfnrt", c) == NULL)
        return refuse(s, "unknown escape in a string");
    return 0;
}

/* The opening quote is at the cursor. */
static int scan_string(struct scanner *s)
{
    s->at++;
    for (;;) {
        int c = peek(s);
        if (c < 0)
            return refuse(s, "a string does not end");
        if (c < 0x20)
            return refuse(s, "a control character in a string");
        if (c == '"') {
            s->at++;
            return 0;
        }
        if (c == '\\') {
            s->at++;
            if (scan_escape(s) < 0)
                return -1;
            continue;
        }
        size_t len = utf8_sequence(s->text.p + s->at, s->text.n - s->at);
        if (len == 0)
            return refuse(s, "octets that are not UTF-8");
        s->at += len;
    }
}

static int scan_word(struct scanner *s)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t n = strlen(words[i]);
        if (s->text.n - s->at >= n && memcmp(s->text.p + s->at, words[i], n) == 0) {
            s->at += n;
            return 0;
        }
    }
    return refuse(s, "a value is missing");
}

static int open_level(struct scanner *s, bool object)
{
    if (s->depth >= s->limits->depth)
        return refuse(s, "nested too deeply");
    s->at++;
    s->in_object[s->depth++] = object;
    s->expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return 0;
}

static void after_value(struct scanner *s)
{
    s->expect = s->depth == 0 ? EXPECT_NOTHING : EXPECT_COMMA_OR_END;
}

static int close_level(struct scanner *s)
{
    s->at++;
    s->depth--;
    after_value(s);
    return 0;
}

static int step_value(struct scanner *s)
{
    int c = peek(s), rc;
    if (++s->scan->values > s->limits->values)
        return refuse(s, "too many values");
    if (c == '{' || c == '[')
        return open_level(s, c == '{');
    if (c == '"')
        rc = scan_string(s);
    else if (c == '-' || ascii_is_digit(c))
        rc = scan_number(s);
    else
        rc = scan_word(s);
    after_value(s);
    return rc;
}

static int step_key(struct scanner *s)
{
    if (peek(s) != '"')
        return refuse(s, "a field name is missing");
    s->expect = EXPECT_COLON;
    return scan_string(s);
}

static int step_colon(struct scanner *s)
{
    if (peek(s) != ':')
        return refuse(s, "a colon is missing");
    s->at++;
    s->expect = EXPECT_VALUE;
    return 0;
}

static int step_comma_or_end(struct scanner *s)
{
    bool object = s->in_object[s->depth - 1];
    if (peek(s) == (object ? '}' : ']'))
        return close_level(s);
    if (peek(s) != ',')
        return refuse(s, object ? "a comma or } is missing" : "a comma or ] is missing");
    s->at++;
    s->expect = object ? EXPECT_KEY : EXPECT_VALUE;
    return 0;
}

static int step(struct scanner *s)
{
    switch (s->expect) {
    case EXPECT_VALUE:
        return step_value(s);
    case EXPECT_VALUE_OR_END:
        return peek(s) == ']' ? close_level(s) : step_value(s);
    case EXPECT_KEY:
        return step_key(s);
    case EXPECT_KEY_OR_END:
        return peek(s) == '}' ? close_level(s) : step_key(s);
    case EXPECT_COLON:
        return step_colon(s);
    case EXPECT_COMMA_OR_END:
        return step_comma_or_end(s);
    case EXPECT_NOTHING:
        break;
    }
    return refuse(s, "something follows the value");
}

int jsonscan_check(struct span text, const struct jsonscan_limits *limits, struct jsonscan *scan,
                   struct fail *f)
{
    assert(limits->depth <= JSONSCAN_DEPTH_MAX);
    struct scanner s = {.text = text, .limits = limits, .scan = scan, .f = f};
    if (text.n > limits->octets)
        return fail_set(f, "the JSON text is longer than %zu octets", limits->octets);
    for (skip_space(&s); s.expect != EXPECT_NOTHING || s.at < text.n; skip_space(&s)) {
        if (step(&s) < 0)
            return -1;
    }
    return 0;
}

void jsonscan_free(struct jsonscan *scan)
{
    mem_release(scan->numbers);
    *scan = (struct jsonscan){0};
}
