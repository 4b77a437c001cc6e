#include "refusal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "enhanced.h"
#include "reply.h"

/* Beginnings of words. */
static const char *const words[] = {
    "blocked",    "blocklist",      "block list",   "blacklist",
    "black list", "block-list",     "black-list",   "denylist",
    "banned",     "dnsbl",          "rbl",          "rdns",
    "ptr",        "reverse dns",    "reverse name", "reverse host",
    "reverse ip", "reverse lookup", "reputation",   "spam",
    "antispam",   "anti-spam",      "unsolicited",  "spf",
    "dynamic ip", "your ip",        "ip address",   "client host",
    "client ip",  "access denied",  "policy",       "not allowed to connect",
};

/* Whether a word of text begins so. */
static bool has_word(const char *text, const char *word)
{
    const char *at = text;
    while ((at = strcasestr(at, word)) != NULL) {
        if (at == text || !isalnum((unsigned char)at[-1]))
            return true;
        at++;
    }
    return false;
}

static bool speaks_of_us(const char *reply)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (has_word(reply, words[i]))
            return true;
    }
    return false;
}

/* No recipient has been named yet. */
static bool names_nobody(const char *stage)
{
    return strcmp(stage, "ehlo") == 0 || strcmp(stage, "mail") == 0;
}

bool refusal_is_policy(int code, const char *stage, const char *reply)
{
    struct enhanced e = enhanced_in_reply(reply, 5);
    if (!reply_is_permanent(code))
        return false;
    if (e.class != 0 && e.subject != 0)
        return e.subject == 7;
    return code == 554 || code == 571 || enhanced_default(code).subject == 7 ||
           (code == 550 && names_nobody(stage)) || speaks_of_us(reply);
}
