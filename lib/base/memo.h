#ifndef QM_MEMO_H
#define QM_MEMO_H

#include <stddef.h>
#include <stdint.h>

/* What is remembered of things that have names: of the last so many of them, each for a while. */

struct memo;

/* Gives back what a value holds, not the value itself. */
typedef void memo_release(void *value);

/* Empty. max: names at most, at least 1; the one that was written down longest ago makes room.
 * size: octets of each value. release may be NULL. */
struct memo *memo_new(unsigned max, size_t size, memo_release *release);
void memo_free(struct memo **m); /* NULL is let be */

/* The value of the name, or NULL when there is none or its time is over. Valid until the next call
 * that is not this one. now_ms: of whatever clock until_ms is of. */
void *memo_find(const struct memo *m, const char *name, int64_t now_ms);
/* As memo_find, but makes an all-zero value where there is none; it is the youngest, and lasts
 * until until_ms. */
void *memo_write(struct memo *m, const char *name, int64_t now_ms, int64_t until_ms);
/* It is not remembered any more, if it was. */
void memo_forget(struct memo *m, const char *name);
void memo_clear(struct memo *m); /* forgets everything */

#endif
