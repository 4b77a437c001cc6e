#include "rows.h"
#include "wire.h"

#define VERSION 1

/* suppress row: version u8 | id u64 | created i64 | expires i64 | account, base, original (texts) |
 * manual bool | class u8 | reason (text). e.g. "\x01" "\x00\x06\x40\x00\x00\x00\x00\x01"
 * "\x00\x00\x01\x93\x6f\x1a\x2b\x3c" "\x00\x00\x00\x00\x00\x00\x00\x00" "\x00\x00\x00\x07billing"
 * "\x00\x00\x00\x0f""bob@example.net" "\x00\x00\x00\x13""b.ob+x@example.net"... "\x00" "\x00" ...
 */
void suppress_row_put(struct buf *b, const struct suppression *s)
{
    wire_put_u8(b, VERSION);
    suppression_put(b, s);
}

/* failure row: version u8 | last_ms i64 | count u8 | before u8. e.g. "\x01"
 * "\x00\x00\x01\x93\x6f\x1a\x2b\x3c" "\x02" "\x00" */
void failure_row_put(struct buf *b, const struct failure_row *r)
{
    wire_put_u8(b, VERSION);
    wire_put_i64(b, r->last_ms);
    wire_put_u8(b, r->count);
    wire_put_u8(b, r->before);
}

int failure_row_read(struct span octets, struct failure_row *r)
{
    struct wire w = wire_open(octets);
    if (wire_u8(&w) != VERSION)
        wire_fail(&w);
    r->last_ms = wire_i64(&w);
    r->count = wire_u8(&w);
    r->before = wire_u8(&w);
    return wire_end(&w);
}

int suppress_row_read(struct span octets, struct suppression *s)
{
    struct wire w = wire_open(octets);
    if (wire_u8(&w) != VERSION)
        wire_fail(&w);
    suppression_get(&w, s);
    if (wire_end(&w) == 0)
        return 0;
    suppression_clear(s);
    return -1;
}
