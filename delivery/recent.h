#ifndef QM_RECENT_H
#define QM_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto_deliver.h"

/* What the last attempts came to. qmgr never asks twice for the same attempt at a recipient, unless it ended before it had
 * written down what it was told, or could be told at all: then it is told again, and no server gets the message twice. */

#define RECENT_OCTETS (8u << 20) /* of results remembered; the oldest make room */

struct recent;
/* Empty; free gives all it holds back. */
struct recent *recent_new(size_t octets_max);
void recent_free(struct recent **r);

/* Remembers the result of this attempt. One that is known already stays as it is. */
void recent_note(struct recent *r, uint16_t attempt, const struct deliver_result *result);
/* Whether the result of this attempt is remembered; then *result is replaced by a copy of it. */
bool recent_recall(const struct recent *r, uint64_t recipient, uint16_t attempt, struct deliver_result *result);

#endif
