#include "rows.h"
#include "wire.h"

#define VERSION 1

/* hold row: version u8 | rule (proto_admin.c): id u64 | created i64 | account, from_domain, domain
 * (texts). e.g. "\x01" "\x00\x00\x00\x00\x00\x00\x00\x01" "\x00\x00\x01\x93\x6f\x1a\x2b\x3c"
 * "\x00\x00\x00\x07billing" "\x00\x00\x00\x00" "\x00\x00\x00\x0b""example.net" */
void hold_row_put(struct buf *b, const struct admin_hold_rule *r)
{
    wire_put_u8(b, VERSION);
    admin_hold_rule_put(b, r);
}

int hold_row_read(struct span s, struct admin_hold_rule *r)
{
    struct wire w = wire_open(s);
    *r = (struct admin_hold_rule){0};
    if (wire_u8(&w) != VERSION)
        wire_fail(&w);
    admin_hold_rule_get(&w, r);
    if (wire_end(&w) == 0)
        return 0;
    admin_hold_rule_clear(r);
    return -1;
}
