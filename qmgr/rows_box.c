#include "mem.h"
#include "rows.h"
#include "wire.h"

#define VERSION 1

/* mail row: version u8 | message (proto_mail.c): id u64, removed i64, folder, name (texts), inode
 * u64, mtime i64, keywords (count u32 of texts), mail_from, rcpt_to, remote_ip (texts), received
 * i64, spf u8, dmarc u8, dkim (count u32 of texts). e.g. "\x01" "\x00\x06\x40\x00\x00\x00\x00\x01"
 * "\x00\x00\x00\x00\x00\x00\x00\x00" "\x00\x00\x00\x00"
 * "\x00\x00\x00\x1d""1764280277.M12P34.mail,S=8123" "\x00\x00\x00\x00\x00\x0a\xbc\xde"
 * "\x00\x00\x00\x00\x00\x00\x00\x00" "\x00\x00\x00\x01" "\x00\x00\x00\x05$junk"
 * "\x00\x00\x00\x0b""a@b.example" ... "\x00" "\x00" "\x00\x00\x00\x00" */
void mail_row_put(struct buf *b, const struct mail_message *m)
{
    wire_put_u8(b, VERSION);
    mail_message_put(b, m);
}

int mail_row_read(struct span s, struct mail_message *m)
{
    struct wire w = wire_open(s);
    if (wire_u8(&w) != VERSION)
        wire_fail(&w);
    mail_message_get(&w, m);
    if (wire_end(&w) == 0)
        return 0;
    mail_message_clear(m);
    return -1;
}

/* mailfile row: id u64 */
void mailfile_row_put(struct buf *b, uint64_t id)
{
    wire_put_u64(b, id);
}

int mailfile_row_read(struct span s, uint64_t *id)
{
    struct wire w = wire_open(s);
    *id = wire_u64(&w);
    return wire_end(&w);
}
