#ifndef QM_FAIL_H
#define QM_FAIL_H

/* Failures the world causes. A function that can fail for such a reason takes a struct fail, writes
 * one sentence into it (no newline, no trailing period) and returns -1 or NULL. Failures that we
 * cause ourselves are assertions: crash, be restarted. */

struct fail {
    char text[400];
};

/* Writes the sentence, cut at the array's end. Always returns -1, so that a caller can
 * `return fail_set(f, ...)`. f may be NULL when the caller does not care for the reason. */
int fail_set(struct fail *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As fail_set, with ": " and the text of errno appended. */
int fail_errno(struct fail *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<sentence>: " before what f already says, for a caller that knows the larger purpose. */
int fail_prefix(struct fail *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
