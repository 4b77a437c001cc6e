#ifndef QM_QID_H
#define QM_QID_H

#include <stdint.h>

#include "buf.h"

/* How people see a queue id: the number in base 32 with the digits 0-9 and A-Z but I, L, O, U, so
 * that it can be read out on the telephone. */

#define QID_SIZE 14

/* Writes it to out[QID_SIZE] and returns out. */
const char *qid_text(uint64_t id, char *out);
/* Reads such a text (either case, I and L as 1, O as 0), a decimal number after '#', or one that is
 * too long for such a text, as the numbers are that applications know. 0, or -1. */
int qid_parse(struct span text, uint64_t *id);

#endif
