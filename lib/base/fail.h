#ifndef QM_FAIL_H
#define QM_FAIL_H

#include <stdbool.h>

/* Failures the world causes. A function that can fail for such a reason takes a struct fail, writes
 * one sentence into it (no newline, no trailing period) and returns -1 or NULL. Failures that we
 * cause ourselves are assertions: crash, be restarted. */

struct fail {
    char text[400];
    int error; /* the errno behind it; 0 where there is none */
};

/* Writes the sentence, cut at the array's end. Always -1, so that a caller can
 * `return fail_set(f, ...)`. f may be NULL when the caller does not care for the reason. */
#define fail_set(f, ...) FAIL_IS(fail_write((f), __VA_ARGS__))

/* As fail_set, with ": " and the text of errno appended; errno is kept. */
#define fail_errno(f, ...) FAIL_IS(fail_write_errno((f), __VA_ARGS__))

/* Puts "<sentence>: " before what f already says, for a caller that knows the larger purpose. */
#define fail_prefix(f, ...) FAIL_IS(fail_write_prefix((f), __VA_ARGS__))

/* -1, whether it is looked at or not. */
#define FAIL_IS(written)                                                                           \
    __extension__({                                                                                \
        written;                                                                                   \
        -1;                                                                                        \
    })

/* Whether the disk is at fault: full, read-only, broken. It may be mended with nothing else
 * changed, so that the same is worth another try, unlike with a setting that is wrong. */
bool fail_is_of_disk(const struct fail *f);

/* What the three above call. They are macros so that the value is seen where it is used: by the
 * compiler, and by the analyzer, which follows what can happen after a failure. */
void fail_write(struct fail *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fail_write_errno(struct fail *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fail_write_prefix(struct fail *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
