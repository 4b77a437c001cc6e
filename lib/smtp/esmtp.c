#include "esmtp.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "ascii.h"
#include "utf8.h"
#include "xtext.h"

/* What the functions below fill: one of the two. */
struct target {
    const struct ehlo *offered;
    struct esmtp_mail *mail;
    struct esmtp_rcpt *rcpt;
    struct path_refusal *why;
};

static int bad_value(const struct target *t, const char *keyword)
{
    return path_refuse(t->why, 501, "5.5.4", "bad value of parameter %s", keyword);
}

static int take_size(struct target *t, struct span value)
{
    uint64_t max = t->offered->size_max;
    for (size_t i = 0; i < value.n; i++) {
        if (!ascii_is_digit(value.p[i]) || value.n > 20)
            return bad_value(t, "SIZE");
    }
    t->mail->has_size = true;
    if (ascii_u64(value, UINT64_MAX, &t->mail->size) != 0)
        t->mail->size = UINT64_MAX;
    if (max > 0 && t->mail->size > max)
        return path_refuse(t->why, 552, "5.3.4", "message bigger than %" PRIu64 " octets", max);
    return 0;
}

static int take_body(struct target *t, struct span value)
{
    static const char *const names[] = {
        [ESMTP_BODY_7BIT] = "7BIT",
        [ESMTP_BODY_8BITMIME] = "8BITMIME",
        [ESMTP_BODY_BINARYMIME] = "BINARYMIME",
    };
    int limit = t->offered->binarymime ? ESMTP_BODY_BINARYMIME : ESMTP_BODY_8BITMIME;
    for (int i = ESMTP_BODY_7BIT; i <= limit; i++) {
        if (span_is_nocase(value, names[i])) {
            t->mail->body = (enum esmtp_body)i;
            return 0;
        }
    }
    return bad_value(t, "BODY");
}

static int take_smtputf8(struct target *t, struct span value)
{
    t->mail->smtputf8 = true;
    return 0;
}

static int take_requiretls(struct target *t, struct span value)
{
    t->mail->requiretls = true;
    return 0;
}

static int take_ret(struct target *t, struct span value)
{
    if (span_is_nocase(value, "FULL"))
        t->mail->ret = ESMTP_RET_FULL;
    else if (span_is_nocase(value, "HDRS"))
        t->mail->ret = ESMTP_RET_HDRS;
    else
        return bad_value(t, "RET");
    return 0;
}

static bool has_control(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || s.p[i] == 0x7f)
            return true;
    }
    return false;
}

/* Decodes value, of at most size - 1 octets, into dst. What it says goes into headers and reports:
 * control characters and octets that are not UTF-8 are refused, whatever the encoding allows. */
static int decode_into(char *dst, size_t size, struct span value,
                       int (*decode)(struct buf *out, struct span value))
{
    struct buf text = {0};
    int rc = -1;
    if (value.n < size && decode(&text, value) == 0 && !has_control(buf_span(&text)) &&
        utf8_valid(buf_span(&text)))
        rc = span_copy(buf_span(&text), dst, size);
    buf_free(&text);
    return rc;
}

static int take_envid(struct target *t, struct span value)
{
    t->mail->has_envid = true;
    if (decode_into(t->mail->envid, sizeof t->mail->envid, value, xtext_decode) != 0 ||
        !utf8_is_ascii(span_text(t->mail->envid)))
        return bad_value(t, "ENVID");
    return 0;
}

static int take_auth(struct target *t, struct span value)
{
    t->mail->has_auth = true;
    if (span_is(value, "<>"))
        return 0;
    if (decode_into(t->mail->auth, sizeof t->mail->auth, value, xtext_decode) != 0)
        return bad_value(t, "AUTH");
    return 0;
}

static int take_hold_for(struct target *t, struct span value)
{
    uint64_t seconds;
    if (value.n > 9 || ascii_u64(value, 999999999, &seconds) != 0 || seconds == 0)
        return bad_value(t, "HOLDFOR");
    t->mail->has_hold_for = true;
    t->mail->hold_for_s = (uint32_t)seconds;
    return 0;
}

static int take_hold_until(struct target *t, struct span value)
{
    if (esmtp_time(value, &t->mail->hold_until_s) != 0)
        return bad_value(t, "HOLDUNTIL");
    t->mail->has_hold_until = true;
    return 0;
}

static const struct {
    const char *name;
    unsigned bit;
} notifies[] = {
    {"NEVER", ESMTP_NOTIFY_NEVER},
    {"SUCCESS", ESMTP_NOTIFY_SUCCESS},
    {"FAILURE", ESMTP_NOTIFY_FAILURE},
    {"DELAY", ESMTP_NOTIFY_DELAY},
};

enum { NOTIFIES = sizeof notifies / sizeof notifies[0] };

static unsigned notify_bit(struct span name)
{
    for (size_t i = 0; i < NOTIFIES; i++) {
        if (span_is_nocase(name, notifies[i].name))
            return notifies[i].bit;
    }
    return 0;
}

static int take_notify(struct target *t, struct span value)
{
    unsigned all = 0;
    for (;;) {
        ssize_t comma = span_find(value, ',');
        unsigned bit = notify_bit(span_of(value.p, comma < 0 ? value.n : (size_t)comma));
        if (bit == 0)
            return bad_value(t, "NOTIFY");
        all |= bit;
        if (comma < 0)
            break;
        value = span_of(value.p + comma + 1, value.n - (size_t)comma - 1);
    }
    if ((all & ESMTP_NOTIFY_NEVER) != 0 && all != ESMTP_NOTIFY_NEVER)
        return bad_value(t, "NOTIFY");
    t->rcpt->notify = all;
    return 0;
}

static int take_orcpt(struct target *t, struct span value)
{
    struct esmtp_rcpt *rcpt = t->rcpt;
    ssize_t semicolon = span_find(value, ';');
    if (semicolon < 1 || value.n >= ESMTP_ORCPT_SIZE)
        return bad_value(t, "ORCPT");
    struct span type = span_of(value.p, (size_t)semicolon);
    struct span address = span_of(value.p + semicolon + 1, value.n - (size_t)semicolon - 1);
    for (size_t i = 0; i < type.n; i++) {
        if (!ascii_is_alnum(type.p[i]) && type.p[i] != '-')
            return bad_value(t, "ORCPT");
    }
    if (span_copy(type, rcpt->orcpt_type, sizeof rcpt->orcpt_type) != 0)
        return bad_value(t, "ORCPT");
    ascii_lower_text(rcpt->orcpt_type);
    bool utf8 = strcmp(rcpt->orcpt_type, "utf-8") == 0;
    rcpt->has_orcpt = true;
    if (address.n == 0 || decode_into(rcpt->orcpt, sizeof rcpt->orcpt, address,
                                      utf8 ? xtext_decode_utf8 : xtext_decode) != 0)
        return bad_value(t, "ORCPT");
    return 0;
}

#define OFFERED(field) offsetof(struct ehlo, field)

static const struct rule {
    const char *keyword;
    enum path_kind kind;
    size_t offered; /* the flag of its extension in struct ehlo */
    bool has_value;
    int (*take)(struct target *t, struct span value);
} rules[] = {
    {"SIZE", PATH_MAIL, OFFERED(size), true, take_size},
    {"BODY", PATH_MAIL, OFFERED(eightbitmime), true, take_body},
    {"SMTPUTF8", PATH_MAIL, OFFERED(smtputf8), false, take_smtputf8},
    {"REQUIRETLS", PATH_MAIL, OFFERED(requiretls), false, take_requiretls},
    {"RET", PATH_MAIL, OFFERED(dsn), true, take_ret},
    {"ENVID", PATH_MAIL, OFFERED(dsn), true, take_envid},
    {"AUTH", PATH_MAIL, OFFERED(auth), true, take_auth},
    {"HOLDFOR", PATH_MAIL, OFFERED(futurerelease), true, take_hold_for},
    {"HOLDUNTIL", PATH_MAIL, OFFERED(futurerelease), true, take_hold_until},
    {"NOTIFY", PATH_RCPT, OFFERED(dsn), true, take_notify},
    {"ORCPT", PATH_RCPT, OFFERED(dsn), true, take_orcpt},
};

static const struct rule *rule_of(enum path_kind kind, struct span keyword)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].kind == kind && span_is_nocase(keyword, rules[i].keyword))
            return &rules[i];
    }
    return NULL;
}

static bool is_offered(const struct ehlo *e, const struct rule *rule)
{
    return *(const bool *)((const char *)e + rule->offered);
}

static int take_param(struct target *t, enum path_kind kind, const struct path_param *param)
{
    const struct rule *rule = rule_of(kind, param->keyword);
    if (rule != NULL && !is_offered(t->offered, rule) && rule->take == take_requiretls &&
        t->offered->requiretls_later)
        return path_refuse(t->why, 523, "5.7.10", "REQUIRETLS needs TLS on this connection");
    if (rule == NULL || !is_offered(t->offered, rule))
        return path_refuse(t->why, 555, "5.5.4", "parameter %.*s not supported",
                           (int)(param->keyword.n < 40 ? param->keyword.n : 40),
                           (const char *)param->keyword.p);
    if (rule->has_value != param->has_value)
        return path_refuse(t->why, 501, "5.5.4", "parameter %s takes %s value", rule->keyword,
                           rule->has_value ? "a" : "no");
    return rule->take(t, param->value);
}

static int take_params(struct target *t, enum path_kind kind, const struct path *path)
{
    for (size_t i = 0; i < path->count; i++) {
        if (take_param(t, kind, &path->params[i]) != 0)
            return -1;
    }
    return 0;
}

int esmtp_mail(const struct path *path, const struct ehlo *offered, struct esmtp_mail *out,
               struct path_refusal *why)
{
    struct target t = {.offered = offered, .mail = out, .why = why};
    *out = (struct esmtp_mail){0};
    if (take_params(&t, PATH_MAIL, path) != 0)
        return -1;
    if (out->has_hold_for && out->has_hold_until)
        return path_refuse(why, 501, "5.5.4", "HOLDFOR and HOLDUNTIL exclude each other");
    return 0;
}

int esmtp_rcpt(const struct path *path, const struct ehlo *offered, struct esmtp_rcpt *out,
               struct path_refusal *why)
{
    struct target t = {.offered = offered, .rcpt = out, .why = why};
    *out = (struct esmtp_rcpt){0};
    return take_params(&t, PATH_RCPT, path);
}

static void put_xtext(struct buf *out, const char *keyword, const char *text)
{
    buf_putf(out, " %s=", keyword);
    xtext_encode(out, span_text(text));
}

static void put_body(struct buf *out, enum esmtp_body body, const struct ehlo *peer)
{
    if (body == ESMTP_BODY_BINARYMIME ? !peer->binarymime : !peer->eightbitmime)
        return;
    if (body != ESMTP_BODY_NONE)
        buf_puts(out, body == ESMTP_BODY_7BIT       ? " BODY=7BIT"
                      : body == ESMTP_BODY_8BITMIME ? " BODY=8BITMIME"
                                                    : " BODY=BINARYMIME");
}

static void put_hold(struct buf *out, const struct esmtp_mail *mail)
{
    if (mail->has_hold_for)
        buf_putf(out, " HOLDFOR=%" PRIu32, mail->hold_for_s);
    if (mail->has_hold_until) {
        buf_puts(out, " HOLDUNTIL=");
        esmtp_time_write(out, mail->hold_until_s);
    }
}

void esmtp_mail_write(struct buf *out, const struct esmtp_mail *mail, const struct ehlo *peer)
{
    if (mail->has_size && peer->size)
        buf_putf(out, " SIZE=%" PRIu64, mail->size);
    put_body(out, mail->body, peer);
    if (mail->smtputf8 && peer->smtputf8)
        buf_puts(out, " SMTPUTF8");
    if (mail->requiretls && peer->requiretls)
        buf_puts(out, " REQUIRETLS");
    if (mail->ret != ESMTP_RET_NONE && peer->dsn)
        buf_puts(out, mail->ret == ESMTP_RET_FULL ? " RET=FULL" : " RET=HDRS");
    if (mail->has_envid && peer->dsn)
        put_xtext(out, "ENVID", mail->envid);
    if (mail->has_auth && peer->auth && mail->auth[0] != '\0')
        put_xtext(out, "AUTH", mail->auth);
    else if (mail->has_auth && peer->auth)
        buf_puts(out, " AUTH=<>");
    if (peer->futurerelease)
        put_hold(out, mail);
}

void esmtp_rcpt_write(struct buf *out, const struct esmtp_rcpt *rcpt, const struct ehlo *peer)
{
    const char *before = " NOTIFY=";
    if (!peer->dsn)
        return;
    for (size_t i = 0; i < NOTIFIES; i++) {
        if ((rcpt->notify & notifies[i].bit) != 0) {
            buf_putf(out, "%s%s", before, notifies[i].name);
            before = ",";
        }
    }
    if (!rcpt->has_orcpt)
        return;
    buf_putf(out, " ORCPT=%s;", rcpt->orcpt_type);
    if (strcmp(rcpt->orcpt_type, "utf-8") == 0)
        xtext_encode_utf8(out, span_text(rcpt->orcpt), !peer->smtputf8);
    else
        xtext_encode(out, span_text(rcpt->orcpt));
}

/* Takes digits off the front of *s, exactly n of them, and the octet behind them if that is not 0.
 */
static int field(struct span *s, size_t n, int behind, int *value)
{
    uint64_t v;
    size_t used = n + (behind == 0 ? 0 : 1);
    if (s->n < used || ascii_u64(span_of(s->p, n), 9999, &v) != 0)
        return -1;
    if (behind != 0 && ascii_upper(s->p[n]) != behind)
        return -1;
    *value = (int)v;
    *s = span_of(s->p + used, s->n - used);
    return 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* "Z", or "+hh:mm" and "-hh:mm", in minutes east of UTC. */
static int zone(struct span s, int *minutes)
{
    int hour, minute, sign;
    *minutes = 0;
    if (span_is_nocase(s, "Z"))
        return 0;
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-'))
        return -1;
    sign = s.p[0] == '-' ? -1 : 1;
    s = span_of(s.p + 1, s.n - 1);
    if (field(&s, 2, ':', &hour) != 0 || field(&s, 2, 0, &minute) != 0 || hour > 23 || minute > 59)
        return -1;
    *minutes = sign * (hour * 60 + minute);
    return 0;
}

static struct span skip_fraction(struct span s)
{
    size_t i = 1;
    if (s.n < 2 || s.p[0] != '.' || !ascii_is_digit(s.p[1]))
        return s;
    while (i < s.n && ascii_is_digit(s.p[i]))
        i++;
    return span_of(s.p + i, s.n - i);
}

int esmtp_time(struct span text, int64_t *seconds)
{
    struct tm tm = {0};
    int year, month, minutes;
    if (field(&text, 4, '-', &year) != 0 || field(&text, 2, '-', &month) != 0 ||
        field(&text, 2, 'T', &tm.tm_mday) != 0 || field(&text, 2, ':', &tm.tm_hour) != 0 ||
        field(&text, 2, ':', &tm.tm_min) != 0 || field(&text, 2, 0, &tm.tm_sec) != 0 ||
        zone(skip_fraction(text), &minutes) != 0)
        return -1;
    if (year < 1970 || month < 1 || month > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > days_in_month(year, month) || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return -1;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *seconds = (int64_t)timegm(&tm) - (int64_t)minutes * 60;
    return *seconds < 0 || *seconds > 253402300799 ? -1 : 0;
}

void esmtp_time_write(struct buf *out, int64_t seconds)
{
    struct tm tm;
    time_t t = (time_t)seconds;
    assert(seconds >= 0 && seconds <= 253402300799);
    (void)gmtime_r(&t, &tm);
    buf_putf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
}
