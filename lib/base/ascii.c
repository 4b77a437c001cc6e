#include "ascii.h"

#include <string.h>

void ascii_lower_text(char *s)
{
    for (; *s != '\0'; s++)
        *s = (char)ascii_lower((unsigned char)*s);
}

int ascii_u64(struct span s, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;
    if (s.n == 0)
        return -1;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_digit(s.p[i]) || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v) || v > max)
            return -1;
    }
    *value = v;
    return 0;
}

struct span ascii_trim(struct span s)
{
    while (s.n > 0 && ascii_is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && ascii_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool ascii_token(struct span *rest, const char *seps, struct span *token)
{
    size_t i = 0, start;
    while (i < rest->n && rest->p[i] != '\0' && strchr(seps, rest->p[i]) != NULL)
        i++;
    start = i;
    while (i < rest->n && (rest->p[i] == '\0' || strchr(seps, rest->p[i]) == NULL))
        i++;
    *token = span_of(rest->p == NULL ? NULL : rest->p + start, i - start);
    rest->p = rest->p == NULL ? NULL : rest->p + i;
    rest->n -= i;
    return token->n > 0;
}
