#ifndef QM_ASCII_H
#define QM_ASCII_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* Character classes and numbers that do not depend on a locale. */

static inline bool ascii_is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool ascii_is_alnum(int c)
{
    return ascii_is_digit(c) || ascii_is_alpha(c);
}

static inline bool ascii_is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline int ascii_lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static inline int ascii_upper(int c)
{
    return c >= 'a' && c <= 'z' ? c - 32 : c;
}

void ascii_lower_text(char *s); /* in place */

/* A whole decimal number with nothing around it. Returns 0, or -1 when it is not one or is above
 * max. */
int ascii_u64(struct span s, uint64_t max, uint64_t *value);

struct span ascii_trim(struct span s); /* without spaces, tabs, CR, LF at both ends */

/* Cuts the next token off *rest at any octet of seps; runs of separators count as one. Returns
 * false when nothing is left. */
bool ascii_token(struct span *rest, const char *seps, struct span *token);

#endif
