#include "qid.h"

#include <stddef.h>
#include <string.h>

#include "ascii.h"

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const char *qid_text(uint64_t id, char *out)
{
    char reverse[QID_SIZE];
    size_t n = 0;
    do
        reverse[n++] = digits[id & 31];
    while ((id >>= 5) != 0);
    for (size_t i = 0; i < n; i++)
        out[i] = reverse[n - 1 - i];
    out[n] = '\0';
    return out;
}

static int value_of(int c)
{
    c = ascii_upper(c);
    if (c == 'I' || c == 'L')
        return 1;
    if (c == 'O')
        return 0;
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

int qid_parse(struct span text, uint64_t *id)
{
    uint64_t v = 0;
    if (text.n > 0 && text.p[0] == '#')
        return ascii_u64(span_of(text.p + 1, text.n - 1), INT64_MAX, id);
    if (text.n >= QID_SIZE && text.p[0] != '0')
        return ascii_u64(text, INT64_MAX, id);
    if (text.n == 0 || text.n >= QID_SIZE)
        return -1;
    for (size_t i = 0; i < text.n; i++) {
        int d = value_of(text.p[i]);
        if (d < 0 || v > INT64_MAX >> 5)
            return -1;
        v = v << 5 | (uint64_t)d;
    }
    *id = v;
    return 0;
}
