#ifndef QM_RAND_H
#define QM_RAND_H

#include <stddef.h>
#include <stdint.h>

/* Random octets from the kernel; aborts if it has none to give. */
void rand_bytes(void *p, size_t n);
uint64_t rand_u64(void);
/* Evenly from 0 .. limit-1; limit > 0. */
uint64_t rand_below(uint64_t limit);

#endif
