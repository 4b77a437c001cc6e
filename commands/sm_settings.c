#include "sm_settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ascii.h"

#define WARNINGS_MAX 8192 /* octets; a command line may have a million unknown options */

void sm_settings_warn(struct sm_options *o, const char *fmt, ...)
{
    char line[300];
    va_list ap;
    if (o->warnings.n > WARNINGS_MAX)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    for (char *p = line; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    }
    buf_putf(&o->warnings, "%s\n", line);
}

int sm_settings_body(struct sm_options *o, const char *value, struct fail *f)
{
    if (strcasecmp(value, "8BITMIME") == 0)
        o->mail.body = ESMTP_BODY_8BITMIME;
    else if (strcasecmp(value, "7BIT") == 0)
        o->mail.body = ESMTP_BODY_7BIT;
    else
        sm_settings_warn(o, "-B%s: neither 7BIT nor 8BITMIME, passed over", value);
    return 0;
}

static unsigned notify_bit(struct span word)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {
        {"never", ESMTP_NOTIFY_NEVER},
        {"success", ESMTP_NOTIFY_SUCCESS},
        {"failure", ESMTP_NOTIFY_FAILURE},
        {"delay", ESMTP_NOTIFY_DELAY},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (span_is_nocase(word, words[i].word))
            return words[i].bit;
    }
    return 0;
}

int sm_settings_notify(struct sm_options *o, const char *value, struct fail *f)
{
    struct span rest = span_text(value), word;
    unsigned all = 0;
    bool good = true;
    while (ascii_token(&rest, ", ", &word)) {
        unsigned bit = notify_bit(word);
        good = good && bit != 0;
        all |= bit;
    }
    bool never = (all & ESMTP_NOTIFY_NEVER) != 0;
    if (good && all != 0 && (!never || all == ESMTP_NOTIFY_NEVER))
        o->rcpt.notify = all;
    else
        sm_settings_warn(o, "-N%s: neither never nor a list of success, failure and delay", value);
    return 0;
}

int sm_settings_ret(struct sm_options *o, const char *value, struct fail *f)
{
    if (strcasecmp(value, "full") == 0)
        o->mail.ret = ESMTP_RET_FULL;
    else if (strcasecmp(value, "hdrs") == 0)
        o->mail.ret = ESMTP_RET_HDRS;
    else
        sm_settings_warn(o, "-R%s: neither full nor hdrs, passed over", value);
    return 0;
}

/* At most 100 characters as xtext (RFC 3461 section 4.4). */
int sm_settings_envid(struct sm_options *o, const char *value, struct fail *f)
{
    size_t encoded = 0;
    bool good = value[0] != '\0';
    for (const char *p = value; *p != '\0' && good; p++) {
        good = *p > ' ' && *p <= '~';
        encoded += *p == '+' || *p == '=' ? 3 : 1;
    }
    o->mail.has_envid = good && encoded < sizeof o->mail.envid;
    if (o->mail.has_envid)
        (void)snprintf(o->mail.envid, sizeof o->mail.envid, "%s", value);
    else
        sm_settings_warn(o, "-V%s: not 1 to 100 printable characters, passed over", value);
    return 0;
}

/* -1 when it is neither yes nor no, in one of sendmail's spellings. */
static int yes_or_no(const char *value)
{
    if (value[0] == '\0' || strchr("yYtT1", value[0]) != NULL)
        return 1;
    return strchr("nNfF0", value[0]) != NULL ? 0 : -1;
}

static int require_tls(struct sm_options *o, const char *value, struct fail *f)
{
    int yes = yes_or_no(value);
    o->mail.requiretls = yes == 1;
    return yes < 0 ? fail_set(f, "-O requiretls=%s: say yes or no", value) : 0;
}

static int smtputf8(struct sm_options *o, const char *value, struct fail *f)
{
    int yes = yes_or_no(value);
    o->mail.smtputf8 = yes == 1;
    o->smtputf8_off = yes == 0;
    return yes < 0 ? fail_set(f, "-O smtputf8=%s: say yes or no", value) : 0;
}

static int hold_until(struct sm_options *o, const char *value, struct fail *f)
{
    o->mail.has_hold_until = esmtp_time(span_text(value), &o->mail.hold_until_s) == 0;
    if (!o->mail.has_hold_until)
        return fail_set(f, "-O hold-until=%s: not a time such as 2030-01-02T15:04:05Z", value);
    return 0;
}

static int ignore_dots(struct sm_options *o, const char *value, struct fail *f)
{
    o->ignore_dots = yes_or_no(value) != 0;
    return 0;
}

/* Names are read in any case. Those of sendmail's that say nothing here are ignored. */
int sm_settings_long(struct sm_options *o, const char *value, struct fail *f)
{
    static const struct {
        const char *name;
        int (*apply)(struct sm_options *o, const char *value, struct fail *f);
    } settings[] = {
        {"requiretls", require_tls},
        {"smtputf8", smtputf8},
        {"hold-until", hold_until},
        {"IgnoreDots", ignore_dots},
    };
    size_t n = strcspn(value, "=");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (span_is_nocase(span_of(value, n), settings[i].name))
            return settings[i].apply(o, value[n] == '=' ? value + n + 1 : "", f);
    }
    return 0;
}
