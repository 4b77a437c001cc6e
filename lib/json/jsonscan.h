#ifndef QM_JSONSCAN_H
#define QM_JSONSCAN_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* The gate in front of cJSON: RFC 8259 to the letter, and the numbers.
 *
 * cJSON takes more than JSON ([01], [1.], octets that are not UTF-8, a NUL that cuts the text) and
 * keeps a number as a double, which is exact to 2^53 only. So every text is first walked here: what
 * is not JSON never reaches cJSON, and each number's value is noted in the order of the text. A
 * tree walked in the same order then finds the exact value of its k-th number in the k-th note. */

#define JSONSCAN_DEPTH_MAX 64

enum jsonscan_kind {
    JSONSCAN_INT64, /* an integer literal that fits: value holds it */
    JSONSCAN_REAL,  /* written with a fraction or an exponent */
    JSONSCAN_RANGE, /* an integer literal beyond 64 bits */
};

struct jsonscan_number {
    int64_t value; /* 0 unless JSONSCAN_INT64 */
    enum jsonscan_kind kind;
};

struct jsonscan_limits {
    size_t octets; /* of the whole text */
    size_t values; /* of every kind, keys not counted */
    size_t depth;  /* arrays and objects within each other, at most JSONSCAN_DEPTH_MAX */
};

/* All-zero is an empty one. */
struct jsonscan {
    struct jsonscan_number *numbers;
    size_t n, cap;
    size_t values;
};

/* Checks that the whole of text is one JSON value within the limits: the grammar of RFC 8259
 * without a byte order mark, well-formed UTF-8, no NUL whether raw or as \u0000, no lone surrogate,
 * no number literal longer than 63 characters. Appends to scan->numbers. Returns 0, or -1 with a
 * sentence that names the octet where it went wrong. The caller frees scan with jsonscan_free
 * either way. Duplicate keys are not seen here. */
int jsonscan_check(struct span text, const struct jsonscan_limits *limits, struct jsonscan *scan,
                   struct fail *f);

/* Gives the memory back; *scan is all-zero again. */
void jsonscan_free(struct jsonscan *scan);

#endif
