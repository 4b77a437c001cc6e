#ifndef QM_ROWS_H
#define QM_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "enhanced.h"
#include "proto_admin.h"
#include "proto_deliver.h"
#include "proto_events.h"
#include "proto_learned.h"
#include "proto_mail.h"
#include "proto_submit.h"
#include "proto_suppress.h"

/* The rows of the store: structs in memory, octets on disk. Every row begins with a version octet.
 * The octets, with an example of each, are described above the codecs. A row that does not decode
 * exactly is bad: read returns -1, with nothing to free, and whoever read it sets it aside
 * (quarantine.h). Texts are owned, never NULL. */

/* Octets of a recipient's row: one page, as long as the texts of its attempts can be cut for that.
 */
#define ROW_MAX 4080

enum body_kind { BODY_CHUNKS, BODY_FILE, BODY_KINDS };

struct msg_row {
    struct submit_envelope *envelope; /* without recipients: those are rows of their own */
    uint32_t recipients;              /* they have the ids message .. message + recipients - 1 */
    uint32_t open;                    /* recipients that still have a row */
    uint64_t size;                    /* octets of the body */
    enum body_kind kind;
    uint64_t file; /* BODY_FILE: the file's name as a number */
};
/* put appends the octets; read gives an owned row (clear) or -1. */
void msg_row_put(struct buf *b, const struct msg_row *r);
int msg_row_read(struct span s, struct msg_row *r);
void msg_row_clear(struct msg_row *r);
/* Of the message's envelope, as rcpt_row_peek. */
int msg_row_peek(struct span s, struct submit_peek *p);
/* The file that a row names, whether the rest of it decodes or not. */
bool msg_row_names_file(struct span s, uint64_t *file);

struct rcpt_row {
    uint64_t message;
    bool held;
    bool again;       /* put off before: the class of its rows of due and dest */
    uint64_t account; /* the hash of its message's account, as in these rows */
    uint8_t notify;
    uint16_t attempts; /* made so far */
    bool delay_told;   /* the sender has had a delay notice */
    bool is_ordinary;  /* it came to a from id of ours, and is no report on that recipient */
    int64_t next_ms;
    char *address, *orcpt, *from_id;
    char *transport;    /* chosen by the operator, or "" */
    enum admin_tls tls; /* the operator's word */
    struct deliver_result *results;
    uint32_t results_n;
};
/* Shortens the texts of old attempts where the row would not fit into ROW_MAX. */
void rcpt_row_put(struct buf *b, const struct rcpt_row *r);
int rcpt_row_read(struct span s, struct rcpt_row *r);
void rcpt_row_clear(struct rcpt_row *r);
/* The head of a row, without copies and without a look at what follows it; 0, or -1 when it does
 * not decode so far. The spans point into s. */
struct rcpt_peek {
    uint64_t message, account;
    bool held;
    uint16_t attempts;
    int64_t next_ms;
    struct span address, transport;
};
int rcpt_row_peek(struct span s, struct rcpt_peek *r);
void rcpt_row_add_result(struct rcpt_row *r, const struct deliver_result *result);
/* Flags of a job for the recipient, and of what is told of it: those of its message (enum
 * submit_flag), with what the operator said of TLS in their place. */
uint32_t rcpt_row_flags(const struct rcpt_row *r, uint32_t flags);
/* The one line about an attempt that lists and the history show. mem_free. */
char *result_line(const struct deliver_result *r);
/* The stage of a result that a report tells of, which came back after the attempt. */
#define RESULT_OF_REPORT "dsn"
/* The enhanced code that the remote sent with its reply, or that a report tells of; "" for none,
 * and where there is no code at all. Not what stands for it in the history, which may be made up by
 * the rules of RFC 3463, and has class 4 as long as the mail is not given up. Returns out. */
const char *result_said(const struct deliver_result *r, char out[ENHANCED_SIZE]);
/* The one line about the last attempt that lists and the history show; "" before there was one.
 * mem_free. */
char *rcpt_row_last_line(const struct rcpt_row *r);
/* The domain in an address "local@domain", or "" when there is none. Points into it. */
const char *address_domain(const char *address);

/* As for msg rows. */
void event_row_put(struct buf *b, const struct event_item *e);
int event_row_read(struct span s, struct event_item *e);
/* When it happened, without reading the rest; 0, or -1 when the row is not good so far. */
int event_row_time(struct span s, int64_t *when_ms);

/* What became of a recipient, kept for the account's or the queue's time. */
struct retired_row {
    int64_t keep_until_ms;
    struct admin_item item;
};
/* As for msg rows. */
void retired_row_put(struct buf *b, const struct retired_row *r);
int retired_row_read(struct span s, struct retired_row *r);
void retired_row_clear(struct retired_row *r);
/* As rcpt_row_peek. */
int retired_row_peek(struct span s, struct admin_peek *r);

struct hook_row {
    uint64_t recipient;
    char *account, *url, *authorization, *event;
    int64_t submitted_ms, next_ms; /* retired rows: next_ms is when it ended */
    uint16_t attempts;
    char *payload;
    struct admin_hook_attempt *results;
    uint32_t results_n;
    bool success;           /* retired rows */
    int64_t keep_until_ms;  /* retired rows */
    uint64_t superseded_by; /* retired rows: the webhook that was sent in its place, or 0 */
};
/* As for msg rows. */
void hook_row_put(struct buf *b, const struct hook_row *r);
int hook_row_read(struct span s, struct hook_row *r);
void hook_row_clear(struct hook_row *r);
/* As rcpt_row_peek, with the tail: what is between the two is not looked at. */
struct hook_peek {
    uint64_t recipient;
    struct span account, event;
    uint16_t attempts;
    int64_t submitted_ms, next_ms;
    bool success;
};
int hook_row_peek(struct span s, struct hook_peek *r);
/* The URL alone, without reading the rest (mem_free); NULL when the row is not good so far. */
char *hook_row_url(struct span s);

/* put appends the octets; read gives 0 and a span into them, or -1. */
void fromid_row_put(struct buf *b, uint64_t recipient, struct span text);
int fromid_row_read(struct span octets, uint64_t *recipient, struct span *text);

/* How often in a row delivery to an address failed in a way that is counted (suppress.h). */
struct failure_row {
    int64_t last_ms;
    uint8_t count;  /* 0: the last one was a success */
    uint8_t before; /* then: how many there were before it */
};
/* put appends the octets; read gives 0, or -1. */
void failure_row_put(struct buf *b, const struct failure_row *r);
int failure_row_read(struct span octets, struct failure_row *r);
/* As for msg rows; admin_hold_rule_clear. */
void hold_row_put(struct buf *b, const struct admin_hold_rule *r);
int hold_row_read(struct span s, struct admin_hold_rule *r);

/* As for msg rows. */
void suppress_row_put(struct buf *b, const struct suppression *s);
int suppress_row_read(struct span octets, struct suppression *s);

/* As for msg rows; mailfile is a number alone. */
void mail_row_put(struct buf *b, const struct mail_message *m);
int mail_row_read(struct span s, struct mail_message *m);
void mailfile_row_put(struct buf *b, uint64_t id);
int mailfile_row_read(struct span s, uint64_t *id);
/* What is known of a domain's MTA-STS policy (stscache.h). */
struct sts_row {
    char *domain;           /* lower case */
    struct sts_known known; /* its policy may be one whose time is over */
    int64_t fetched_ms;     /* when the policy was */
    int64_t used_ms;        /* when somebody needed to know, about */
    uint16_t failures;      /* fetches that failed since */
};
/* As for msg rows. */
void sts_row_put(struct buf *b, const struct sts_row *r);
int sts_row_read(struct span s, struct sts_row *r);
void sts_row_clear(struct sts_row *r);

/* The same for a row of tlscount.h; read gives an owned one (tlsresult_free) or NULL. */
void tlsresult_row_put(struct buf *b, const struct tlsresult *r);
struct tlsresult *tlsresult_row_read(struct span s);

#endif
