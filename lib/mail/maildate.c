#include "maildate.h"

#include <assert.h>

#include "ascii.h"

#define SECOND INT64_C(1000)
#define DAY_MS (INT64_C(86400) * SECOND)
#define MIN_MS (INT64_C(-719162) * DAY_MS)     /* 0001-01-01T00:00:00Z */
#define MAX_MS (INT64_C(2932897) * DAY_MS - 1) /* 9999-12-31T23:59:59.999Z */

struct date {
    int64_t year;
    int month, day, weekday; /* 1..12, 1..31, 0 = Sunday */
    int hour, minute, second, ms;
};

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char weekdays[] = "SunMonTueWedThuFriSat";

/* Days since 1970-01-01 of a date of the Gregorian calendar. Years are counted from March, so that
 * the leap day is the last of its year; 400 of them are 146097 days. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* The inverse. */
static void date_of(int64_t days, struct date *d)
{
    int64_t shifted = days + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;
    d->day = (int)(of_year - (153 * m + 2) / 5 + 1);
    d->month = (int)(m < 10 ? m + 3 : m - 9);
    d->year = y + era * 400 + (d->month <= 2);
    d->weekday = (int)(((days + 4) % 7 + 7) % 7);
}

static int64_t clamp(int64_t v, int64_t least, int64_t most)
{
    return v < least ? least : v > most ? most : v;
}

static struct date date_at(int64_t ms, int zone_min)
{
    struct date d;
    assert(zone_min >= -MAILDATE_ZONE_MAX && zone_min <= MAILDATE_ZONE_MAX);
    ms = clamp(ms, MIN_MS, MAX_MS) + zone_min * 60 * SECOND;
    ms = clamp(ms, MIN_MS, MAX_MS);
    int64_t days = ms / DAY_MS - (ms % DAY_MS < 0), left = ms - days * DAY_MS;
    date_of(days, &d);
    d.ms = (int)(left % SECOND);
    d.second = (int)(left / SECOND % 60);
    d.minute = (int)(left / (60 * SECOND) % 60);
    d.hour = (int)(left / (3600 * SECOND));
    return d;
}

static void write_date(struct buf *out, const struct date *d, int zone_min)
{
    int zone = zone_min < 0 ? -zone_min : zone_min;
    buf_putf(out, "%d %.3s %04d %02d:%02d:%02d %c%02d%02d", d->day, months + 3 * (d->month - 1),
             (int)d->year, d->hour, d->minute, d->second, zone_min < 0 ? '-' : '+', zone / 60,
             zone % 60);
}

void maildate_write(struct buf *out, int64_t ms, int zone_min)
{
    struct date d = date_at(ms, zone_min);
    buf_putf(out, "%.3s, ", weekdays + 3 * d.weekday);
    write_date(out, &d, zone_min);
}

void maildate_write_short(struct buf *out, int64_t ms, int zone_min)
{
    struct date d = date_at(ms, zone_min);
    write_date(out, &d, zone_min);
}

void maildate_write_rfc3339(struct buf *out, int64_t ms, int zone_min)
{
    struct date d = date_at(ms, zone_min);
    int zone = zone_min < 0 ? -zone_min : zone_min;
    buf_putf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03d", (int)d.year, d.month, d.day, d.hour,
             d.minute, d.second, d.ms);
    if (zone == 0)
        buf_putc(out, 'Z');
    else
        buf_putf(out, "%c%02d:%02d", zone_min < 0 ? '-' : '+', zone / 60, zone % 60);
}

/* Turns a date and its offset into a time, if there is such a date. */
static int time_of(const struct date *d, int zone_min, int64_t *ms, struct fail *f)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (d->year % 4 == 0 && d->year % 100 != 0) || d->year % 400 == 0;
    if (d->year < 1 || d->year > 9999 || d->month < 1 || d->month > 12 || d->day < 1 ||
        d->day > lengths[d->month - 1] + (d->month == 2 && leap))
        return fail_set(f, "no such day");
    if (d->hour > 23 || d->minute > 59 || d->second > 60)
        return fail_set(f, "no such time of day");
    if (zone_min < -MAILDATE_ZONE_MAX || zone_min > MAILDATE_ZONE_MAX)
        return fail_set(f, "no such time zone");
    int64_t seconds = d->hour * 3600 + d->minute * 60 + d->second - zone_min * 60;
    *ms = days_of(d->year, d->month, d->day) * DAY_MS + seconds * SECOND + d->ms;
    if (*ms < MIN_MS || *ms > MAX_MS)
        return fail_set(f, "time is out of range");
    return 0;
}

/* Exactly n digits at the beginning of *s. Returns the number, or -1. */
static int take_digits(struct span *s, size_t n)
{
    uint64_t v;
    if (s->n < n || ascii_u64(span_of(s->p, n), 9999, &v) < 0)
        return -1;
    *s = span_of(s->p + n, s->n - n);
    return (int)v;
}

static int take_octet(struct span *s, const char *either)
{
    if (s->n == 0 || (s->p[0] != either[0] && s->p[0] != either[1]))
        return -1;
    int c = s->p[0];
    *s = span_of(s->p + 1, s->n - 1);
    return c;
}

/* "hh:mm", with between being the octet between. Returns minutes, or -1. */
static int take_zone_digits(struct span *s, const char *between)
{
    int hours = take_digits(s, 2);
    if (hours < 0 || (between != NULL && take_octet(s, between) < 0))
        return -1;
    int minutes = take_digits(s, 2);
    return minutes < 0 || minutes > 59 ? -1 : hours * 60 + minutes;
}

static int take_fraction(struct span *s, int *ms)
{
    int unit = 100;
    *ms = 0;
    if (take_octet(s, "..") < 0)
        return 0;
    if (s->n == 0 || !ascii_is_digit(s->p[0]))
        return -1;
    while (s->n > 0 && ascii_is_digit(s->p[0])) {
        *ms += (s->p[0] - '0') * unit;
        unit /= 10;
        *s = span_of(s->p + 1, s->n - 1);
    }
    return 0;
}

static int take_rfc3339_zone(struct span *s, int *zone)
{
    *zone = 0;
    if (take_octet(s, "Zz") >= 0)
        return 0;
    int sign = take_octet(s, "+-");
    if (sign < 0 || (*zone = take_zone_digits(s, "::")) < 0)
        return -1;
    if (sign == '-')
        *zone = -*zone;
    return 0;
}

int maildate_parse_rfc3339(struct span text, int64_t *ms, int *zone_min, struct fail *f)
{
    struct date d = {0};
    int zone;
    int64_t at;
    bool ok = (d.year = take_digits(&text, 4)) >= 0 && take_octet(&text, "--") >= 0 &&
              (d.month = take_digits(&text, 2)) >= 0 && take_octet(&text, "--") >= 0 &&
              (d.day = take_digits(&text, 2)) >= 0 && take_octet(&text, "Tt") >= 0 &&
              (d.hour = take_digits(&text, 2)) >= 0 && take_octet(&text, "::") >= 0 &&
              (d.minute = take_digits(&text, 2)) >= 0 && take_octet(&text, "::") >= 0 &&
              (d.second = take_digits(&text, 2)) >= 0 && take_fraction(&text, &d.ms) == 0 &&
              take_rfc3339_zone(&text, &zone) == 0 && text.n == 0;
    if (!ok)
        return fail_set(f, "not a time as RFC 3339 writes it");
    if (time_of(&d, zone, &at, f) < 0)
        return -1;
    *ms = at;
    if (zone_min != NULL)
        *zone_min = zone;
    return 0;
}

/* White space and comments, nested as they may be; an unclosed one takes the rest. */
static void skip_cfws(struct span *s)
{
    size_t depth = 0, i = 0;
    for (; i < s->n && (depth > 0 || s->p[i] == '(' || ascii_is_space(s->p[i])); i++) {
        if (s->p[i] == '(')
            depth++;
        else if (s->p[i] == ')')
            depth--;
        else if (s->p[i] == '\\' && depth > 0)
            i++;
    }
    i = i > s->n ? s->n : i;
    *s = span_of(s->p + i, s->n - i);
}

static struct span take_run(struct span *s, bool (*belongs)(int))
{
    size_t n = 0;
    skip_cfws(s);
    while (n < s->n && belongs(s->p[n]))
        n++;
    struct span run = span_of(s->p, n);
    *s = span_of(s->p + n, s->n - n);
    return run;
}

/* A number of least to most digits, -1 if there is none. *digits says how many there were. */
static int take_number(struct span *s, size_t least, size_t most, size_t *digits)
{
    uint64_t v;
    struct span run = take_run(s, ascii_is_digit);
    *digits = run.n;
    if (run.n < least || run.n > most || ascii_u64(run, 9999, &v) < 0)
        return -1;
    return (int)v;
}

/* The place, from 1, of a name of three letters in a row of them; 0 if it is not there. */
static int place_of(struct span name, const char *row)
{
    for (int i = 0; name.n == 3 && row[3 * i] != '\0'; i++) {
        char three[] = {row[3 * i], row[3 * i + 1], row[3 * i + 2], '\0'};
        if (span_is_nocase(name, three))
            return i + 1;
    }
    return 0;
}

static int take_year(struct span *s)
{
    size_t digits;
    int year = take_number(s, 2, 4, &digits);
    if (year < 0)
        return -1;
    if (digits == 2 && year < 50) /* RFC 5322 4.3 */
        return 2000 + year;
    return digits < 4 ? 1900 + year : year;
}

static int take_time_of_day(struct span *s, struct date *d)
{
    size_t digits;
    if ((d->hour = take_number(s, 1, 2, &digits)) < 0)
        return -1;
    skip_cfws(s);
    if (take_octet(s, "::") < 0 || (d->minute = take_number(s, 2, 2, &digits)) < 0)
        return -1;
    skip_cfws(s);
    if (take_octet(s, "::") >= 0 && (d->second = take_number(s, 2, 2, &digits)) < 0)
        return -1;
    return 0;
}

/* "+hhmm" or an obsolete zone; one that is unknown counts as UTC, RFC 5322 4.3. */
static int take_zone(struct span *s, int *zone)
{
    static const struct {
        const char *name;
        int hours;
    } named[] = {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
                 {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};
    *zone = 0;
    skip_cfws(s);
    int sign = take_octet(s, "+-");
    if (sign >= 0) {
        if ((*zone = take_zone_digits(s, NULL)) < 0)
            return -1;
        *zone = sign == '-' ? -*zone : *zone;
        return 0;
    }
    struct span name = take_run(s, ascii_is_alpha);
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (span_is_nocase(name, named[i].name))
            *zone = named[i].hours * 60;
    }
    return name.n > 0 ? 0 : -1;
}

static int take_date(struct span *s, struct date *d, int *zone)
{
    size_t digits;
    struct span weekday = take_run(s, ascii_is_alpha);
    if (weekday.n > 0) {
        skip_cfws(s);
        if (place_of(weekday, weekdays) == 0 || take_octet(s, ",,") < 0)
            return -1;
    }
    if ((d->day = take_number(s, 1, 2, &digits)) < 0)
        return -1;
    if ((d->month = place_of(take_run(s, ascii_is_alpha), months)) == 0)
        return -1;
    if ((d->year = take_year(s)) < 0 || take_time_of_day(s, d) < 0 || take_zone(s, zone) < 0)
        return -1;
    skip_cfws(s);
    return s->n == 0 ? 0 : -1;
}

int maildate_parse(struct span text, int64_t *ms, int *zone_min, struct fail *f)
{
    struct date d = {0};
    int zone = 0;
    int64_t at;
    if (take_date(&text, &d, &zone) < 0)
        return fail_set(f, "not a date as RFC 5322 writes it");
    if (time_of(&d, zone, &at, f) < 0)
        return -1;
    *ms = at;
    if (zone_min != NULL)
        *zone_min = zone;
    return 0;
}
