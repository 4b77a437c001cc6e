#ifndef QM_TLSA_H
#define QM_TLSA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* TLSA records (RFC 6698 section 2.1), wherever they came from. Nothing here knows certificates:
 * which records can be used at all, tlsdane.h tells. */

enum tlsa_usage { TLSA_PKIX_TA, TLSA_PKIX_EE, TLSA_DANE_TA, TLSA_DANE_EE }; /* RFC 7218 */
enum tlsa_selector { TLSA_CERT, TLSA_SPKI };
enum tlsa_matching { TLSA_FULL, TLSA_SHA2_256, TLSA_SHA2_512 };

struct tlsa {
    uint8_t usage, selector, matching; /* the numbers of the record, known or not */
    struct span data;                  /* whoever made the record says whose */
};

/* Records that own their octets. All-zero is an empty set. */
struct tlsa_set {
    size_t n;
    struct tlsa *list;
};

/* Appends a copy of the record. */
void tlsa_set_add(struct tlsa_set *set, const struct tlsa *record);

/* Appends copies of n records. */
void tlsa_set_copy(struct tlsa_set *to, const struct tlsa *list, size_t n);

/* Frees the records; the set is empty afterwards. */
void tlsa_set_clear(struct tlsa_set *set);

/* Whether both hold the same records, in whatever order. */
bool tlsa_set_equal(const struct tlsa_set *a, const struct tlsa_set *b);

/* Appends the record in the form of zone files and reports, "3 1 1 0b9f..." (RFC 8460
 * section 4.4). */
void tlsa_text(const struct tlsa *record, struct buf *out);

#endif
