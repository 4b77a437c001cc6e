#ifndef QM_BEGUN_H
#define QM_BEGUN_H

#include <stdbool.h>
#include <stdint.h>

#include "store.h"

/* Which attempts of webhooks have begun and are not yet written down as over. It is told of in the
 * row when the answer is there; a row before that would cost each call a transaction that it waits
 * for. So this stands in a small file beside the store, written and not synced: whatever ends the
 * process leaves it behind, and an attempt that a crash leaves without an answer is known to have
 * been one. What a power cut leaves may be older: then it is made again under its number. */

struct begun;
/* The file hooks-begun in that folder. What an earlier process left there counts as far as it fits
 * the rows of the store. Without the file, which an error is logged of, nothing is known. */
struct begun *begun_open(int dirfd, struct store *s);
void begun_close(struct begun **b);

/* An attempt begins. Returns its place, for begun_over once the end of it is on stable storage. */
uint32_t begun_note(struct begun *b, uint64_t id, uint32_t attempt, int64_t start_ms);
void begun_over(struct begun *b, uint32_t place);

/* How many attempts of the webhook, whose row has so many, an earlier process began beyond these,
 * and when the last of them began. It is told once. */
unsigned begun_left(struct begun *b, uint64_t id, unsigned attempts, int64_t *start_ms);

#endif
