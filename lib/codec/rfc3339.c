#include "rfc3339.h"

#include <stdbool.h>

#include "ascii.h"

/* Years are counted from the first of March, so that the leap day is a year's last. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    y += 400; /* y / 4 and the like must not round towards zero from below */
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 865565;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

struct cursor {
    const unsigned char *p;
    size_t n;
    bool bad;
};

static int64_t take_number(struct cursor *c, size_t digits, int64_t least, int64_t most)
{
    int64_t v = 0;
    if (c->bad || c->n < digits) {
        c->bad = true;
        return least;
    }
    for (size_t i = 0; i < digits; i++) {
        if (!ascii_is_digit(c->p[i]))
            c->bad = true;
        v = v * 10 + (c->p[i] - '0');
    }
    c->p += digits;
    c->n -= digits;
    if (v < least || v > most)
        c->bad = true;
    return c->bad ? least : v;
}

static bool take_octet(struct cursor *c, int octet)
{
    if (c->bad || c->n == 0 || c->p[0] != octet)
        return false;
    c->p++;
    c->n--;
    return true;
}

static void need_octet(struct cursor *c, int octet)
{
    if (!take_octet(c, octet))
        c->bad = true;
}

static int64_t take_fraction_ms(struct cursor *c)
{
    int64_t ms = 0, weight = 100;
    size_t digits = 0;
    if (!take_octet(c, '.'))
        return 0;
    for (; c->n > 0 && ascii_is_digit(c->p[0]); digits++) {
        ms += weight * (c->p[0] - '0');
        weight /= 10;
        c->p++;
        c->n--;
    }
    if (digits == 0 || digits > 18)
        c->bad = true;
    return ms;
}

static int64_t take_offset_minutes(struct cursor *c)
{
    int64_t sign = 1;
    if (take_octet(c, 'Z'))
        return 0;
    if (take_octet(c, '-'))
        sign = -1;
    else
        need_octet(c, '+');
    int64_t hours = take_number(c, 2, 0, 23);
    need_octet(c, ':');
    return sign * (hours * 60 + take_number(c, 2, 0, 59));
}

int rfc3339_parse(struct span s, int64_t *ms)
{
    struct cursor c = {.p = s.p, .n = s.n};
    int64_t year = take_number(&c, 4, 0, 9999);
    need_octet(&c, '-');
    int64_t month = take_number(&c, 2, 1, 12);
    need_octet(&c, '-');
    int64_t day = take_number(&c, 2, 1, days_in_month(year, month));
    need_octet(&c, 'T');
    int64_t hour = take_number(&c, 2, 0, 23);
    need_octet(&c, ':');
    int64_t minute = take_number(&c, 2, 0, 59);
    need_octet(&c, ':');
    int64_t second = take_number(&c, 2, 0, 59);
    int64_t fraction = take_fraction_ms(&c);
    int64_t offset = take_offset_minutes(&c);
    if (c.bad || c.n > 0)
        return -1;
    int64_t minutes = (days_from_date(year, month, day) * 24 + hour) * 60 + minute - offset;
    *ms = (minutes * 60 + second) * 1000 + fraction;
    return 0;
}

void rfc3339_format(struct buf *out, int64_t ms)
{
    if (ms < RFC3339_MIN)
        ms = RFC3339_MIN;
    if (ms > RFC3339_MAX)
        ms = RFC3339_MAX;
    int64_t since = ms - RFC3339_MIN; /* never negative from here on */
    int64_t days = since / 86400000, rest = since % 86400000;
    int64_t year = days / 366, month = 1; /* the year or one up to 21 before it */
    while (days_from_date(year + 1, 1, 1) + 719528 <= days)
        year++;
    int64_t day = days - (days_from_date(year, 1, 1) + 719528);
    for (; day >= days_in_month(year, month); month++)
        day -= days_in_month(year, month);
    buf_putf(out, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, (int)month, (int)day + 1,
             (int)(rest / 3600000), (int)(rest / 60000 % 60), (int)(rest / 1000 % 60));
    if (rest % 1000 != 0)
        buf_putf(out, ".%03d", (int)(rest % 1000));
    buf_putc(out, 'Z');
}
