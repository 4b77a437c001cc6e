#include "enhanced.h"

#include <stdio.h>
#include <string.h>

#include "ascii.h"

#define REPLY_CODE 4 /* "550 " or "550-" */

/* One to three digits at text[*at]. */
static int number(struct span text, size_t *at, unsigned short *value)
{
    size_t start = *at;
    unsigned v = 0;
    while (*at < text.n && *at - start < 3 && ascii_is_digit(text.p[*at]))
        v = v * 10 + (unsigned)(text.p[(*at)++] - '0');
    *value = (unsigned short)v;
    return *at > start ? 0 : -1;
}

static int dot(struct span text, size_t *at)
{
    if (*at >= text.n || text.p[*at] != '.')
        return -1;
    (*at)++;
    return 0;
}

size_t enhanced_scan(struct span text, struct enhanced *e)
{
    struct enhanced got = {0};
    size_t at = 1;
    *e = got;
    if (text.n == 0 || (text.p[0] != '2' && text.p[0] != '4' && text.p[0] != '5'))
        return 0;
    got.class = (unsigned char)(text.p[0] - '0');
    if (dot(text, &at) != 0 || number(text, &at, &got.subject) != 0 || dot(text, &at) != 0 ||
        number(text, &at, &got.detail) != 0)
        return 0;
    if (at < text.n && text.p[at] != ' ' && text.p[at] != '\t')
        return 0;
    *e = got;
    return at;
}

int enhanced_parse(struct span text, struct enhanced *e)
{
    if (text.n > 0 && enhanced_scan(text, e) == text.n)
        return 0;
    *e = (struct enhanced){0};
    return -1;
}

const char *enhanced_format(struct enhanced e, char out[ENHANCED_SIZE])
{
    out[0] = '\0';
    if (e.class != 0)
        (void)snprintf(out, ENHANCED_SIZE, "%u.%u.%u", e.class % 10u, e.subject % 1000u,
                       e.detail % 1000u);
    return out;
}

static const struct {
    short code;
    unsigned char subject, detail;
} defaults[] = {
    {235, 7, 0}, {251, 1, 5},  {421, 3, 2},  {432, 7, 12}, {450, 2, 0}, {451, 3, 0},  {452, 3, 1},
    {454, 7, 0}, {455, 5, 4},  {500, 5, 2},  {501, 5, 4},  {502, 5, 1}, {503, 5, 1},  {504, 5, 4},
    {521, 3, 2}, {523, 7, 10}, {525, 7, 13}, {530, 7, 0},  {534, 7, 9}, {535, 7, 8},  {538, 7, 11},
    {550, 2, 0}, {551, 1, 6},  {552, 2, 2},  {553, 1, 3},  {555, 5, 4}, {556, 1, 10},
};

struct enhanced enhanced_default(int code)
{
    struct enhanced e = {0};
    if (code < 200 || code > 599 || code / 100 == 3)
        return e;
    e.class = (unsigned char)(code / 100);
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        if (defaults[i].code == code) {
            e.subject = defaults[i].subject;
            e.detail = defaults[i].detail;
        }
    }
    return e;
}

/* The registry that RFC 5248 set up. Detail 0 stands for every code of a subject that has no row.
 */
static const struct {
    unsigned char subject, detail;
    const char *text;
} texts[] = {
    {0, 0, "no further status"},
    {1, 0, "address trouble"},
    {1, 1, "no such mailbox"},
    {1, 2, "no such domain"},
    {1, 3, "malformed recipient address"},
    {1, 4, "ambiguous recipient address"},
    {1, 5, "recipient address valid"},
    {1, 6, "mailbox has moved, new address not known"},
    {1, 7, "malformed sender address"},
    {1, 8, "sender domain does not accept replies"},
    {1, 9, "relayed to a system without delivery reports"},
    {1, 10, "recipient domain accepts no mail"},
    {2, 0, "mailbox trouble"},
    {2, 1, "mailbox disabled"},
    {2, 2, "mailbox full"},
    {2, 3, "message too long for the mailbox"},
    {2, 4, "mailing list could not be expanded"},
    {3, 0, "mail system trouble"},
    {3, 1, "mail system full"},
    {3, 2, "system not accepting mail now"},
    {3, 3, "feature not supported here"},
    {3, 4, "message too big for the system"},
    {3, 5, "system configured wrongly"},
    {3, 6, "requested priority was changed"},
    {4, 0, "network or routing trouble"},
    {4, 1, "no answer from host"},
    {4, 2, "connection broke"},
    {4, 3, "directory or name server failure"},
    {4, 4, "no route to host"},
    {4, 5, "mail system congested"},
    {4, 6, "routing loop"},
    {4, 7, "delivery time expired"},
    {5, 0, "protocol trouble"},
    {5, 1, "command out of place"},
    {5, 2, "syntax error"},
    {5, 3, "too many recipients"},
    {5, 4, "command argument not accepted"},
    {5, 5, "wrong protocol version"},
    {5, 6, "authentication exchange line too long"},
    {6, 0, "message content trouble"},
    {6, 1, "media type not supported"},
    {6, 2, "conversion required but prohibited"},
    {6, 3, "conversion required but not supported"},
    {6, 4, "conversion with loss performed"},
    {6, 5, "conversion failed"},
    {6, 6, "message content not available"},
    {6, 7, "non-ASCII address not permitted"},
    {6, 8, "UTF-8 reply needed but not permitted"},
    {6, 9, "UTF-8 header cannot be transferred"},
    {7, 0, "security or policy trouble"},
    {7, 1, "refused by policy"},
    {7, 2, "mailing list expansion prohibited"},
    {7, 3, "security conversion required but not possible"},
    {7, 4, "security feature not supported"},
    {7, 5, "cryptographic failure"},
    {7, 6, "cryptographic algorithm not supported"},
    {7, 7, "message integrity failure"},
    {7, 8, "authentication credentials invalid"},
    {7, 9, "authentication mechanism too weak"},
    {7, 10, "encryption needed"},
    {7, 11, "encryption needed for this authentication mechanism"},
    {7, 12, "password transition needed"},
    {7, 13, "user account disabled"},
    {7, 14, "trust relationship required"},
    {7, 15, "priority too low"},
    {7, 16, "message too big for its priority"},
    {7, 17, "mailbox owner has changed"},
    {7, 18, "domain owner has changed"},
    {7, 19, "validity of recipient cannot be tested"},
    {7, 20, "no passing DKIM signature"},
    {7, 21, "no acceptable DKIM signature"},
    {7, 22, "no valid author-matched DKIM signature"},
    {7, 23, "SPF validation failed"},
    {7, 24, "SPF validation error"},
    {7, 25, "reverse DNS validation failed"},
    {7, 26, "several authentication checks failed"},
    {7, 27, "sender address has null MX"},
    {7, 28, "mail flood detected"},
    {7, 29, "ARC validation failed"},
    {7, 30, "REQUIRETLS support required"},
};

const char *enhanced_text(struct enhanced e)
{
    const char *best = texts[0].text;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].subject != e.subject)
            continue;
        if (texts[i].detail == e.detail)
            return texts[i].text;
        if (texts[i].detail == 0)
            best = texts[i].text;
    }
    return best;
}

struct enhanced enhanced_in_reply(const char *reply, unsigned class)
{
    struct enhanced e, found = {0};
    while (*reply != '\0') {
        size_t n = strcspn(reply, "\n");
        if (n > REPLY_CODE && enhanced_scan(span_of(reply + REPLY_CODE, n - REPLY_CODE), &e) > 0 &&
            e.class == class)
            found = e;
        reply += n + (reply[n] == '\n');
    }
    return found;
}
