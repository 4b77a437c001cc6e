#ifndef QM_MEM_H
#define QM_MEM_H

#include <stddef.h>

/* Allocation that cannot fail: when the machine has no memory left the process aborts and master
 * starts it anew. Everything here is released with mem_free. */

void *mem_alloc(size_t n);            /* n octets, not initialised */
void *mem_zero(size_t n);             /* n octets of zero */
void *mem_array(size_t n, size_t of); /* n * of octets of zero; aborts on overflow */
void *mem_resize(void *p, size_t n);
void *mem_copy(const void *p, size_t n);
char *mem_text(const char *s);            /* a copy of the C string; NULL stays NULL */
char *mem_textn(const void *p, size_t n); /* n octets and a NUL behind them */
char *mem_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* mem_free(&p): frees *p and sets it to NULL; *p may be NULL. */
#define mem_free(pp)                                                                               \
    __extension__({                                                                                \
        __typeof__(pp) mem_free_ = (pp);                                                           \
        mem_release(*mem_free_);                                                                   \
        *mem_free_ = NULL;                                                                         \
    })
void mem_release(void *p); /* what mem_free is made of; NULL is allowed */

/* Overwrites n octets so that the compiler cannot leave it out. For secrets, before they are freed.
 */
void mem_wipe(void *p, size_t n);

/* 1 if the two areas of n octets are equal, in a time that depends on n alone. For secrets. */
int mem_equal_secret(const void *a, const void *b, size_t n);

#endif
