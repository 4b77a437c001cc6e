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
    TABLE_SENT,
    TABLE_HELD,
    TABLE_ENDED,
    TABLE_FAILURE,
    TABLE_HOOKLAST,
    TABLE_MAIL,
    TABLE_MAILFILE,
    TABLE_MAILGONE,
    TABLE_HOOKENDED,
    TABLES
};
extern const char *const table_names[TABLES];

struct key {
    unsigned char p[40];
    size_t n;
};

/* The key's octets; valid as long as it is. */
struct span key_span(const struct key *k);

/* What was never tried, and what was put off before: each has its own part of everything, so that
 * attempts that failed once, and may well fail again, keep no new mail waiting. */
enum due_class { DUE_FIRST, DUE_AGAIN, DUE_CLASSES };

/* A place in the order of what is due. */
struct due {
    enum due_class class;
    int64_t next_ms;
    uint64_t id; /* recipient, or webhook */
};

/* Whose turns those are: the mail of one account to one destination; or the webhooks of one account
 * to one URL, where destination is of both (older rows: of the URL alone, and account 0). Both are
 * hashes. */
struct stream_id {
    uint64_t destination, account;
};

/* msg, rcpt, retired, hook, hookretired, held, and hooklast of a recipient; hold, whose ids are
 * their own; sts, with the hash of a domain: id u64 "\x00\x06\x40\x00\x00\x00\x00\x01" */
struct key key_id(uint64_t id);
/* due, hookdue: never tried (0) or put off before (1), when, who
 *   class u8 | next_ms u64 | id u64
 *   "\x01" "\x00\x00\x01\x93\x6f\x1a\x2b\x3c" "\x00\x06\x40\x00\x00\x00\x00\x01" */
struct key key_due(struct due d);
/* The value of such a row: to where, for whom
 *   destination hash u64 | account hash u64
 *   "\x11\x22\x33\x44\x55\x66\x77\x88" "\x99\xaa\xbb\xcc\xdd\xee\xff\x00" */
struct key due_value(struct stream_id s);
/* dest: to where, class, for whom, when, who
 *   destination hash u64 | class u8 | account hash u64 | next_ms u64 | recipient u64
 *   "\x11\x22\x33\x44\x55\x66\x77\x88" "\x00" "\x99\xaa\xbb\xcc\xdd\xee\xff\x00"
 *   "\x00\x00\x01\x93\x6f\x1a\x2b\x3c" "\x00\x06\x40\x00\x00\x00\x00\x01" */
struct key key_dest(struct stream_id s, struct due d);
/* ended, hookended: when a recipient, or a webhook, of the history ended, who; the value is empty
 *   ended_ms u64 | recipient or webhook u64
 *   "\x00\x00\x01\x93\x6f\x1a\x2b\x3c" "\x00\x06\x40\x00\x00\x00\x00\x01" */
struct key key_ended(int64_t ended_ms, uint64_t id);
/* body: whose, which piece
 *   message u64 | chunk u32 */
struct key key_body(uint64_t id, uint32_t chunk);

/* suppress: whose list, which address
 *   account hash u64 | base address hash u64
 *   "\x99\xaa\xbb\xcc\xdd\xee\xff\x00" "\x11\x22\x33\x44\x55\x66\x77\x88" */
struct key key_suppress(uint64_t account, uint64_t base);

/* idem: 0, whose, the client's key; and when which of these is forgotten: 1, until when, that
 *   0 u8 | account hash u64 | key hash u64
 *   1 u8 | until_ms u64 | account hash u64 | key hash u64
 *   "\x00" "\x99\xaa\xbb\xcc\xdd\xee\xff\x00" "\x11\x22\x33\x44\x55\x66\x77\x88" */
struct key key_once(uint64_t account, uint64_t key);
/* of.n may be 0: below all with this time. */
struct key key_once_until(int64_t until_ms, struct key of);

/* sent: what is counted, whose, the hour since 1970 or the recipient
 *   kind u8 | account hash u64 | hour, or recipient hash u64
 *   "\x00" "\x99\xaa\xbb\xcc\xdd\xee\xff\x00" "\x00\x00\x00\x00\x00\x07\x9b\x2c" */
enum sent { SENT_HOUR, SENT_RECIPIENT };
struct key key_sent(enum sent kind, uint64_t account, uint64_t what);

/* event: whose, which
 *   account hash u64 | cursor u64
 *   "\x99\xaa\xbb\xcc\xdd\xee\xff\x00" "\x00\x00\x00\x00\x00\x00\x00\x07" */
struct key key_event(uint64_t account, uint64_t cursor);

/* fromid: of which account, which id
 *   account hash u64 | id hash u64
 *   "\x99\xaa\xbb\xcc\xdd\xee\xff\x00" "\x11\x22\x33\x44\x55\x66\x77\x88" */
struct key key_fromid(uint64_t account, uint64_t text);

/* failure: whose mail, to which address
 *   account hash u64 | address hash u64
 *   "\x99\xaa\xbb\xcc\xdd\xee\xff\x00" "\x11\x22\x33\x44\x55\x66\x77\x88" */
struct key key_failure(uint64_t account, uint64_t address);

/* mail: whose mailbox, which message
 *   account hash u64 | id u64
 *   "\x99\xaa\xbb\xcc\xdd\xee\xff\x00" "\x00\x06\x40\x00\x00\x00\x00\x01"
 * mailfile: whose mailbox, and the hash of "n", a folder, a slash and the name of a file, or of "i"
 * and its inode as a decimal number account hash u64 | file hash u64 */
struct key key_mail(uint64_t account, uint64_t id);
/* mailgone: since when, whose, which message was removed
 *   removed_ms u64 | account hash u64 | id u64
 *   "\x00\x00\x01\x93\x6f\x1a\x2b\x3c" "\x99\xaa\xbb\xcc\xdd\xee\xff\x00"
 *   "\x00\x06\x40\x00\x00\x00\x00\x01" */
struct key key_mailgone(int64_t removed_ms, uint64_t account, uint64_t id);
/* tlsresult: the day since 1970-01-01, of which domain's policy, for which recipients' domain
 *   day u32 | policy domain hash u64 | recipient domain hash u64
 *   "\x00\x00\x4e\x20" "\x11\x22\x33\x44\x55\x66\x77\x88" "\x99\xaa\xbb\xcc\xdd\xee\xff\x00" */
struct key key_tlsresult(uint32_t day, uint64_t policy_domain, uint64_t recipient_domain);

/* Take a key apart. Return 0, or -1 when it is no such key. */
int key_read_id(struct span key, uint64_t *id);
int key_read_due(struct span key, struct due *d);
int due_value_read(struct span value, struct stream_id *s);
int key_read_once_until(struct span key, int64_t *until_ms, struct key *of);
int key_read_event(struct span key, uint64_t *account, uint64_t *cursor);
int key_read_sent(struct span key, enum sent *kind, uint64_t *account, uint64_t *what);
int key_read_suppress(struct span key, uint64_t *account, uint64_t *base);
int key_read_mail(struct span key, uint64_t *account, uint64_t *id);
int key_read_mailgone(struct span key, int64_t *removed_ms, uint64_t *account, uint64_t *id);
int key_read_dest(struct span key, struct stream_id *s, struct due *d);
int key_read_ended(struct span key, int64_t *ended_ms, uint64_t *id);
int key_read_tlsresult(struct span key, uint32_t *day);

/* The hash of a destination or an account in these rows: SipHash-2-4 of its name with a key of this
 * store, so that nobody can choose domains that share one. */
uint64_t name_hash(const unsigned char secret[16], const char *name);

#endif
