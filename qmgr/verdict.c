#include "verdict.h"

#include <string.h>
#include <strings.h>

#include "enhanced.h"

#define ANY (-1)

static const struct {
    int class, subject, detail;
    struct verdict verdict;
} by_enhanced[] = {
    {ANY, 1, 1, {VERDICT_NOW, SUPPRESS_BAD_ADDRESS}},
    {ANY, 1, 2, {VERDICT_NOW, SUPPRESS_BAD_ADDRESS}},
    {ANY, 1, 3, {VERDICT_NOW, SUPPRESS_BAD_ADDRESS}},
    {ANY, 1, 6, {VERDICT_NOW, SUPPRESS_BAD_ADDRESS}},
    {ANY, 1, 10, {VERDICT_NOW, SUPPRESS_BAD_ADDRESS}},
    {ANY, 1, 7, {VERDICT_NEVER, SUPPRESS_POLICY}}, /* these two are about the sender */
    {ANY, 1, 8, {VERDICT_NEVER, SUPPRESS_POLICY}},
    {ANY, 2, 1, {VERDICT_NOW, SUPPRESS_BAD_ADDRESS}},
    {ANY, 2, 2, {VERDICT_COUNT, SUPPRESS_FULL}},
    {ANY, 2, 3, {VERDICT_COUNT, SUPPRESS_OTHER}},
    {ANY, 3, 4, {VERDICT_COUNT, SUPPRESS_OTHER}},
    {4, 4, ANY, {VERDICT_NEVER, SUPPRESS_OTHER}},
    {ANY, 5, ANY, {VERDICT_COUNT, SUPPRESS_OTHER}},
    {ANY, 6, ANY, {VERDICT_COUNT, SUPPRESS_OTHER}},
    {ANY, 7, ANY, {VERDICT_NEVER, SUPPRESS_POLICY}},
};

static const struct {
    int code;
    struct verdict verdict;
} by_code[] = {
    {421, {VERDICT_NEVER, SUPPRESS_OTHER}},     {452, {VERDICT_COUNT, SUPPRESS_FULL}},
    {454, {VERDICT_NEVER, SUPPRESS_POLICY}},    {521, {VERDICT_NOW, SUPPRESS_BAD_ADDRESS}},
    {523, {VERDICT_NEVER, SUPPRESS_POLICY}},    {530, {VERDICT_NEVER, SUPPRESS_POLICY}},
    {534, {VERDICT_NEVER, SUPPRESS_POLICY}},    {535, {VERDICT_NEVER, SUPPRESS_POLICY}},
    {538, {VERDICT_NEVER, SUPPRESS_POLICY}},    {550, {VERDICT_NOW, SUPPRESS_BAD_ADDRESS}},
    {551, {VERDICT_NOW, SUPPRESS_BAD_ADDRESS}}, {552, {VERDICT_COUNT, SUPPRESS_FULL}},
    {553, {VERDICT_NOW, SUPPRESS_BAD_ADDRESS}}, {556, {VERDICT_NOW, SUPPRESS_BAD_ADDRESS}},
};

/* Where a host says in words alone that it is the message, or we, that it does not like. */
static bool speaks_of_spam(const char *text)
{
    static const char *const words[] = {"spam",       "blacklist", "blocklist",  "black list",
                                        "block list", "blocked",   "reputation", "unsolicited",
                                        "phish",      "virus",     "malware",    "dnsbl"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasestr(text, words[i]) != NULL)
            return true;
    }
    return false;
}

static const struct verdict *look_up_enhanced(const struct enhanced *e)
{
    for (size_t i = 0; e->class != 0 && i < sizeof by_enhanced / sizeof by_enhanced[0]; i++) {
        if ((by_enhanced[i].class == ANY || by_enhanced[i].class == e->class) &&
            by_enhanced[i].subject == e->subject &&
            (by_enhanced[i].detail == ANY || by_enhanced[i].detail == e->detail))
            return &by_enhanced[i].verdict;
    }
    return NULL;
}

static struct verdict look_up_code(uint16_t code)
{
    for (size_t i = 0; i < sizeof by_code / sizeof by_code[0]; i++) {
        if (by_code[i].code == code)
            return by_code[i].verdict;
    }
    return (struct verdict){VERDICT_COUNT, SUPPRESS_OTHER};
}

static struct verdict judge(uint16_t code, const char *enhanced, const char *text, bool permanent)
{
    struct enhanced e;
    const struct verdict *found = NULL;
    if (enhanced_parse(span_text(enhanced), &e) == 0)
        found = look_up_enhanced(&e);
    struct verdict v = found != NULL ? *found : look_up_code(code);
    bool by_address = found != NULL && v.class == SUPPRESS_BAD_ADDRESS;
    if (!by_address && v.class != SUPPRESS_FULL && speaks_of_spam(text))
        v = (struct verdict){VERDICT_NEVER, SUPPRESS_SPAM};
    if (v.when == VERDICT_COUNT && look_up_code(code).when == VERDICT_NOW)
        v.when = VERDICT_NOW;
    if (v.when == VERDICT_NOW && (!permanent || code < 500))
        v.when = VERDICT_COUNT;
    return v;
}

/* Whether this step of the dialogue is about the recipient, or the message for it. */
static bool is_about_recipient(const char *stage)
{
    return strcmp(stage, "rcpt") == 0 || strcmp(stage, "data") == 0 || strcmp(stage, "dot") == 0;
}

struct verdict verdict_of_result(const struct deliver_result *last)
{
    bool takes_none = last->code == 521 || last->code == 556;
    bool permanent = last->status == DELIVER_FAILED;
    if (last->code < 400 || last->remote_host[0] == '\0' ||
        (!is_about_recipient(last->stage) && !(takes_none && permanent)))
        return (struct verdict){VERDICT_NEVER, SUPPRESS_OTHER};
    return judge(last->code, last->enhanced, last->reply, permanent);
}

struct verdict verdict_of_report(uint16_t code, const char *enhanced, const char *diagnostic)
{
    if (code < 400)
        return (struct verdict){VERDICT_NEVER, SUPPRESS_OTHER};
    return judge(code, enhanced, diagnostic, true);
}
