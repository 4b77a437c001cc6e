#ifndef QM_TABLES_H
#define QM_TABLES_H

#include <stdint.h>

#include "buf.h"

/* The tables of the store and their keys. All keys are big-endian numbers one after the other, so
 * that the order of octets is the order of numbers. The formats of the values stand above their
 * codecs (rows_*.c); what each table is for and the life of a message stand in
 * quartermaster-queue(7). */

enum table {
    TABLE_SYS,
    TABLE_MSG,
    TABLE_RCPT,
    TABLE_DUE,
    TABLE_DEST,
    TABLE_BODY,
    TABLE_RETIRED,
    TABLE_FROMID,
    TABLE_HOOK,
    TABLE_HOOKDUE,
    TABLE_HOOKRETIRED,
    TABLE_EVENT,
    TABLE_SUPPRESS,
    TABLE_HOLD,
    TABLE_STS,
    TABLE_TLSRESULT,
    TABLE_DMARCEVAL,
    TABLE_IDEM,
    TABLES
};
extern const char *const table_names[TABLES];

struct key {
    unsigned char p[32];
    size_t n;
};

/* The key's octets; valid as long as it is. */
struct span key_span(const struct key *k);

/* msg, rcpt, retired, hook, hookretired, event:
 *   id u64                          "\x00\x06\x40\x00\x00\x00\x00\x01" */
struct key key_id(uint64_t id);
/* due, hookdue: when, who
 *   next_ms u64 | recipient u64     "\x00\x00\x01\x93\x6f\x1a\x2b\x3c
 * \x00\x06\x40\x00\x00\x00\x00\x01" */
struct key key_due(int64_t next_ms, uint64_t id);
/* dest: where to, when, who
 *   domain hash u64 | next_ms u64 | recipient u64 */
struct key key_dest(uint64_t hash, int64_t next_ms, uint64_t id);
/* body: whose, which piece
 *   message u64 | chunk u32 */
struct key key_body(uint64_t id, uint32_t chunk);

/* Take a key apart. Return 0, or -1 when it is no such key. */
int key_read_id(struct span key, uint64_t *id);
int key_read_due(struct span key, int64_t *next_ms, uint64_t *id);
int key_read_dest(struct span key, uint64_t *hash, int64_t *next_ms, uint64_t *id);

/* The hash of a destination in the dest table: SipHash-2-4 of the domain with a key of this store,
 * so that nobody can choose domains that share one. */
uint64_t destination_hash(const unsigned char secret[16], const char *domain);

#endif
