#include "httpbasic.h"

#include "ascii.h"
#include "base64.h"

static bool has_control(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    }
    return false;
}

enum httpbasic_result httpbasic_parse(struct span authorization, struct httpbasic *credentials)
{
    *credentials = (struct httpbasic){0};
    struct span rest = ascii_trim(authorization);
    if (!span_starts_nocase(rest, "basic") || (rest.n > 5 && rest.p[5] != ' '))
        return HTTPBASIC_MISSING;
    rest = ascii_trim(span_of(rest.p + 5, rest.n - 5));
    /* All the room at once: a buffer that grows would leave pieces of the password behind. */
    (void)buf_room(&credentials->octets, rest.n);
    if (base64_decode(&credentials->octets, rest) < 0)
        goto malformed;
    struct span octets = buf_span(&credentials->octets);
    ssize_t colon = span_find(octets, ':');
    if (colon < 0 || has_control(octets))
        goto malformed;
    credentials->user = span_of(octets.p, (size_t)colon);
    credentials->password = span_of(octets.p + colon + 1, octets.n - (size_t)colon - 1);
    return HTTPBASIC_OK;
malformed:
    httpbasic_wipe(credentials);
    return HTTPBASIC_MALFORMED;
}

void httpbasic_wipe(struct httpbasic *credentials)
{
    buf_wipe(&credentials->octets);
    *credentials = (struct httpbasic){0};
}
