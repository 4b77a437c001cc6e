#ifndef QM_HOSTLIMITS_H
#define QM_HOSTLIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* What servers have shown of their limits without announcing them (RFC 9422), by the names of the
 * hosts: kept for a while, since they may be changed, and for the last HOSTLIMITS of them. */

enum { HOSTLIMITS = 256, HOSTLIMITS_MS = 3600 * 1000 };

struct hostlimits;

struct hostlimits *hostlimits_new(void);
void hostlimits_free(struct hostlimits **h); /* NULL is let be */

/* The host takes so many recipients in one transaction, at least 1. now_ms: monotonic. */
void hostlimits_note_recipients(struct hostlimits *h, const char *host, uint32_t n, int64_t now_ms);
/* 0: nothing is known. */
uint32_t hostlimits_recipients(const struct hostlimits *h, const char *host, int64_t now_ms);

/* The host announces CHUNKING and does not know BDAT. */
void hostlimits_note_no_chunking(struct hostlimits *h, const char *host, int64_t now_ms);
bool hostlimits_no_chunking(const struct hostlimits *h, const char *host, int64_t now_ms);

#endif
