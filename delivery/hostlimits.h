#ifndef QM_HOSTLIMITS_H
#define QM_HOSTLIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "memo.h"

/* What servers have shown of their limits without announcing them (RFC 9422), by the names of the
 * hosts: kept for a while, since they may be changed, and for the last HOSTLIMITS of them. */

enum { HOSTLIMITS = 256, HOSTLIMITS_MS = 3600 * 1000 };

struct memo *hostlimits_new(void); /* empty */

/* The host takes so many recipients in one transaction, at least 1. now_ms: monotonic. */
void hostlimits_note_recipients(struct memo *h, const char *host, uint32_t n, int64_t now_ms);
/* 0: nothing is known. */
uint32_t hostlimits_recipients(const struct memo *h, const char *host, int64_t now_ms);

/* The host announces CHUNKING and does not know BDAT. */
void hostlimits_note_no_chunking(struct memo *h, const char *host, int64_t now_ms);
bool hostlimits_no_chunking(const struct memo *h, const char *host, int64_t now_ms);

#endif
