#include "refusal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "enhanced.h"
#include "reply.h"

#define CODE_OCTETS 4 /* in front of each line's text: "550 " */

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

/* The last one of its lines, as struct reply has it; all-zero for none. */
static struct enhanced code_in(const char *reply)
{
    struct enhanced found = {0}, e;
    for (const char *line = reply; line != NULL && strlen(line) > CODE_OCTETS;) {
        const char *end = strchr(line, '\n');
        size_t n = end == NULL ? strlen(line) : (size_t)(end - line);
        if (n > CODE_OCTETS &&
            enhanced_scan(span_of(line + CODE_OCTETS, n - CODE_OCTETS), &e) > 0 && e.class == 5)
            found = e;
        line = end == NULL ? NULL : end + 1;
    }
    return found;
}

bool refusal_is_policy(int code, const char *stage, const char *reply)
{
    struct enhanced e = code_in(reply);
    if (!reply_is_permanent(code))
        return false;
    if (e.class != 0 && e.subject != 0)
        return e.subject == 7;
    return code == 554 || code == 571 || enhanced_default(code).subject == 7 ||
           (code == 550 && strcmp(stage, "mail") == 0) || speaks_of_us(reply);
}
