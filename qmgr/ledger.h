#ifndef QM_LEDGER_H
#define QM_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto_deliver.h"
#include "proto_submit.h"
#include "news.h"
#include "rows.h"
#include "settings.h"
#include "store.h"
#include "tables.h"

#define LEDGER_SCHEMA 5         /* of the store; another one is refused */
#define LEDGER_IDS (1ull << 53) /* all are below: numbers of JSON, exact wherever they are read */

/* The changes of a message's state, each inside a write transaction that the caller began: the one
 * place where rows of msg, rcpt, due, dest, body, retired, event and hook are written. The states
 * and the ways between them: quartermaster-queue(7). Only the writing thread calls this. */

struct ledger {
    struct store *store;
    int dirfd;        /* of bodies/ */
    uint64_t next_id; /* ids below were given out; below LEDGER_IDS */
    uint64_t next_event;
    unsigned char secret[16]; /* of name_hash */
    unsigned char fromid_key[32];
    bool whole_addresses; /* see suppress.h; set before the writing thread runs */
    /* Atomic: whether the tables suppress and failure may have rows. What has none costs nothing.
     */
    bool any_suppressed, any_failed;
};

/* Reads what the sys table holds; a new store gets its numbers. Call before the writing thread
 * exists. */
int ledger_open(struct ledger *l, struct store *store, int dirfd, struct fail *f);

/* An id that nothing had before, for something that is neither a message nor a webhook. */
uint64_t ledger_take_id(struct ledger *l, struct store_txn *t);

/* Where a new message's octets come from. */
struct body_source {
    enum { SOURCE_MEMORY_FILE, SOURCE_OCTETS, SOURCE_FILE } type;
    int fd;             /* SOURCE_MEMORY_FILE */
    struct span octets; /* SOURCE_OCTETS */
    uint64_t token;     /* SOURCE_FILE: already written and synced */
    uint64_t size;
};

/* The from ids of a message's recipients (fromid.h). */
struct ledger_ids {
    bool plain;  /* those that are made are */
    char **made; /* out: one for each recipient; ledger_ids_clear. Made anew if staged again */
    uint32_t n;
};
void ledger_ids_clear(struct ledger_ids *ids); /* frees those that were made */

/* An id for a hold rule: 1, 2, ... */
uint64_t ledger_take_rule_id(struct store_txn *t);

/* none → queued, or held where a rule says so. Returns the message's id; recipient n has id + n.
 * ids: from ids are to be made for those that have none; or NULL. Those that there are, of an
 * account, get their rows either way. held: NULL, or room for as many as there are recipients:
 * which of them are held. */
uint64_t ledger_stage(struct ledger *l, struct store_txn *t, const struct submit_envelope *e,
                      const struct body_source *body, struct ledger_ids *ids, bool *held);

/* A message during one change: its row is read once and written once. */
struct ledger_message {
    uint64_t id;
    struct msg_row row;
    uint32_t gone; /* recipients removed by this change */
};
/* 0, or -1 when there is no such (good) message. */
int ledger_message_open(struct store_txn *t, uint64_t id, struct ledger_message *m);
/* Writes the row back, or removes the message when no recipient is left. unlink_file: its file's
 * token, 0 for none, to be unlinked once the transaction is committed. Frees m. */
void ledger_message_close(struct ledger *l, struct store_txn *t, struct ledger_message *m,
                          uint64_t *unlink_file);

/* 0 and the row, or -1 when there is no such good recipient; a bad one is left to mend.h, which
 * counts it out of its message. */
int ledger_recipient(struct store_txn *t, uint64_t id, struct rcpt_row *r);

/* queued → queued, at another time; or held, or released. Writes r with its due and dest rows; was
 * is the row as it stands (held, again, next_ms, address and account of it). */
void ledger_reschedule(struct ledger *l, struct store_txn *t, uint64_t id,
                       const struct rcpt_row *was, const struct rcpt_row *r);
/* queued → retired (or gone, where nothing is kept). */
void ledger_retire(struct ledger *l, struct store_txn *t, const struct settings *s,
                   struct ledger_message *m, uint64_t id, const struct rcpt_row *r, bool success,
                   int64_t now_ms);

/* A retired row is removed: what else is known of the recipient goes with it. */
void ledger_forget(struct ledger *l, struct store_txn *t, const struct retired_row *r);

/* Writes an event, and the webhook of the account that wants to hear it. last: the attempt it is
 * about, or NULL. */
void ledger_event(struct ledger *l, struct store_txn *t, const struct settings *s,
                  const struct ledger_message *m, uint64_t id, const struct rcpt_row *r,
                  enum event_type type, const struct deliver_result *last, int64_t now_ms);
/* The same, with all that there may be to tell. message: the queue id. */
void ledger_tell(struct ledger *l, struct store_txn *t, const struct settings *s, uint64_t message,
                 const struct news *news, int64_t now_ms);

/* Where the recipient's rows of due and dest are, as r says; one that is held has a row of held in
 * their place. */
struct due ledger_due(uint64_t id, const struct rcpt_row *r);
struct stream_id ledger_stream(const struct ledger *l, const struct rcpt_row *r);
/* Writes these rows, or removes them. */
void ledger_index(struct ledger *l, struct store_txn *t, uint64_t id, const struct rcpt_row *r);
void ledger_unindex(struct ledger *l, struct store_txn *t, uint64_t id, const struct rcpt_row *r);

/* Away with the row of ended that finds a row of retired, which is removed next. */
void ledger_unindex_retired(struct store_txn *t, uint64_t id, struct span value);

/* Sets a row that does not decode aside: it goes to the sys table under "bad/<table>/<key in hex>",
 * and an error is logged. */
void ledger_quarantine(struct store_txn *t, unsigned table, struct span key, struct span value);
/* The same for a cursor's row; moves on as store_delete_here does. */
bool ledger_quarantine_here(struct store_txn *t, unsigned table, struct store_cursor *c);

#endif
