#include "proto_types.h"
#include "rows.h"
#include "wire.h"

#define VERSION 1

/* fromid row: version u8 | recipient u64 | the id (text). e.g. "\x01"
 * "\x00\x06\x40\x00\x00\x00\x00\x01" "\x00\x00\x00\x07order-9" */
void fromid_row_put(struct buf *b, uint64_t recipient, struct span text)
{
    wire_put_u8(b, VERSION);
    wire_put_u64(b, recipient);
    wire_put_span(b, text);
}

int fromid_row_read(struct span octets, uint64_t *recipient, struct span *text)
{
    struct wire w = wire_open(octets);
    if (wire_u8(&w) != VERSION)
        wire_fail(&w);
    *recipient = wire_u64(&w);
    *text = wire_span(&w, PROTO_NAME_MAX);
    return wire_end(&w);
}
