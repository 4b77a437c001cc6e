#include "rows.h"
#include "wire.h"

#include "mem.h"

#define VERSION 1

void sts_row_clear(struct sts_row *r)
{
    mem_free(&r->domain);
    sts_known_clear(&r->known);
}

/* sts row: version u8 | domain (text) | id (text) | refresh i64 | retry i64 | has a policy bool |
 * [mode u8 | max age u32 | count u32 of patterns (texts)] | fetched i64 | used i64 | failures u16.
 * e.g. "\x01" "\x00\x00\x00\x0b""example.com" "\x00\x00\x00\x02""7a"
 * "\x00\x00\x01\x93\x6f\x1a\x2b\x3c" "\x00\x00\x00\x00\x00\x00\x00\x00" "\x01" "\x02"
 * "\x00\x01\x51\x80" "\x00\x00\x00\x01" "\x00\x00\x00\x0e""mx.example.com"
 * "\x00\x00\x01\x93\x6a\x1a\x2b\x3c" "\x00\x00\x01\x93\x6a\x1a\x2b\x3c" "\x00\x00" */
void sts_row_put(struct buf *b, const struct sts_row *r)
{
    wire_put_u8(b, VERSION);
    wire_put_text(b, r->domain);
    sts_known_put(b, &r->known);
    wire_put_i64(b, r->fetched_ms);
    wire_put_i64(b, r->used_ms);
    wire_put_u16(b, r->failures);
}

int sts_row_read(struct span s, struct sts_row *r)
{
    struct wire w = wire_open(s);
    if (wire_u8(&w) != VERSION)
        wire_fail(&w);
    *r = (struct sts_row){.domain = wire_text(&w, PROTO_NAME_MAX)};
    sts_known_get(&w, &r->known);
    r->fetched_ms = wire_i64(&w);
    r->used_ms = wire_i64(&w);
    r->failures = wire_u16(&w);
    if (r->fetched_ms < 0 || r->used_ms < 0)
        wire_fail(&w);
    if (wire_end(&w) == 0)
        return 0;
    sts_row_clear(r);
    return -1;
}

/* tlsresult row: version u8 | what tlsresult_put writes: day u32 | policy domain, recipient domain
 * (texts) | is host, is wanted (bools) | count u32 of policies.
 * e.g. "\x01" "\x00\x00\x4e\x20" "\x00\x00\x00\x0b""example.com" "\x00\x00\x00\x0b""example.com"
 * "\x00" "\x01" "\x00\x00\x00\x01" "\x00" "\x00\x00\x00\x00" "\x00\x00\x00\x00\x00\x00\x00\x05"
 * "\x00\x00\x00\x00\x00\x00\x00\x00" "\x00\x00\x00\x00" */
void tlsresult_row_put(struct buf *b, const struct tlsresult *r)
{
    wire_put_u8(b, VERSION);
    tlsresult_put(b, r);
}

struct tlsresult *tlsresult_row_read(struct span s)
{
    struct wire w = wire_open(s);
    if (wire_u8(&w) != VERSION)
        wire_fail(&w);
    struct tlsresult *r = tlsresult_get(&w);
    if (wire_end(&w) != 0)
        tlsresult_free(&r);
    return r;
}
