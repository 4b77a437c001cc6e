#include "msgid.h"

#include "base64.h"
#include "rand.h"
#include "utf8.h"

void msgid_generate(struct buf *out, const char *host)
{
    unsigned char random[16];
    rand_bytes(random, sizeof random);
    buf_putc(out, '<');
    base64url_encode(out, span_of(random, sizeof random));
    buf_putf(out, "@%s>", host);
}

bool msgid_is_safe(struct span s, bool utf8)
{
    if (s.n < 3 || s.n > MSGID_MAX || s.p[0] != '<' || s.p[s.n - 1] != '>')
        return false;
    for (size_t i = 1; i < s.n - 1; i++) {
        if (s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '<' || s.p[i] == '>')
            return false;
    }
    return utf8 ? utf8_valid(s) : utf8_is_ascii(s);
}
