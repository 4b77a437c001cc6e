#include "mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

void *mem_alloc(size_t n)
{
    return must(malloc(n > 0 ? n : 1));
}

void *mem_zero(size_t n)
{
    return must(calloc(1, n > 0 ? n : 1));
}

void *mem_array(size_t n, size_t of)
{
    size_t total;
    if (__builtin_mul_overflow(n, of, &total))
        abort();
    return mem_zero(total);
}

void *mem_resize(void *p, size_t n)
{
    return must(realloc(p, n > 0 ? n : 1));
}

void *mem_copy(const void *p, size_t n)
{
    void *copy = mem_alloc(n);
    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

char *mem_text(const char *s)
{
    return s == NULL ? NULL : mem_copy(s, strlen(s) + 1);
}

char *mem_textn(const void *p, size_t n)
{
    char *s = mem_alloc(n + 1);
    if (n > 0)
        memcpy(s, p, n);
    s[n] = '\0';
    return s;
}

char *mem_format(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        abort();
    return s;
}

void mem_release(void *p)
{
    free(p);
}

void mem_wipe(void *p, size_t n)
{
    if (n > 0)
        explicit_bzero(p, n);
}

int mem_equal_secret(const void *a, const void *b, size_t n)
{
    const volatile unsigned char *x = a, *y = b;
    unsigned char differ = 0;
    for (size_t i = 0; i < n; i++)
        differ |= x[i] ^ y[i];
    return differ == 0;
}
