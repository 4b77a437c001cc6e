#ifndef QM_HOOKROW_H
#define QM_HOOKROW_H

#include <stdbool.h>
#include <stdint.h>

#include "news.h"
#include "rows.h"
#include "settings.h"
#include "store.h"
#include "tables.h"

/* The webhook that an event makes: its payload, and its rows. */

/* True and a new row (hook_row_clear) when the message's account has a webhook that wants events of
 * this type. */
bool hookrow_make(const struct settings *s, const struct news *n, int64_t now_ms,
                  struct hook_row *row);
/* The same for mail that came for the account. Copies the payload. The row has no recipient: it is
 * of nothing that was sent. */
bool hookrow_make_incoming(const struct settings *s, const char *account, const char *payload,
                           int64_t now_ms, struct hook_row *row);
/* The same for nothing that happened, whatever events the account wants: an event with this name of
 * a message that is none. False as well when webhooks tell of no such event. */
bool hookrow_make_example(const struct settings *s, const char *account, const char *event,
                          int64_t now_ms, struct hook_row *row);
/* Where the webhook's row of hookdue is, and whose turn it waits for: its account's at its URL. The
 * destination is of both, so that two accounts with one URL have nothing to do with each other. */
struct due hookrow_due(uint64_t id, const struct hook_row *row);
struct stream_id hookrow_stream(const char *account, const char *url);
void hookrow_insert(struct store_txn *t, uint64_t id, const struct hook_row *row);
/* Moves it to another time. was: where its row of hookdue is until now. */
void hookrow_reschedule(struct store_txn *t, uint64_t id, struct due was,
                        const struct hook_row *row);
/* A webhook that tells of an account's outgoing mail goes into the queue. Where the account wants
 * it so (supersede), the one before that tells of the same recipient, if it is still queued, gives
 * way: into the history, with superseded_by. */
void hookrow_add(struct store_txn *t, const struct settings *s, uint64_t id,
                 const struct hook_row *row, int64_t now_ms);
/* Out of the queue, at this time; kept in the history if row->keep_until_ms is set. */
void hookrow_retire(struct store_txn *t, uint64_t id, struct due was, const struct hook_row *row,
                    int64_t now_ms);
/* A row of the history, and that of hookended which finds it; row->next_ms is when it ended. */
void hookrow_put_retired(struct store_txn *t, uint64_t id, const struct hook_row *row);
/* Away with the row of hookended that finds a row of hookretired, which is removed next. */
void hookrow_unindex_retired(struct store_txn *t, uint64_t id, struct span value);
int hookrow_get(struct store_txn *t, uint64_t id,
                struct hook_row *row); /* 0, or -1 when there is none */
/* One more attempt, of a webhook with fewer of them than any row may have. error and response are
 * copied. */
void hookrow_add_attempt(struct hook_row *row, const struct admin_hook_attempt *a);
/* An attempt of a webhook that was taken out of the queue while it was made: added to the history,
 * if it is there. */
void hookrow_late(struct store_txn *t, uint64_t id, const struct admin_hook_attempt *a);

#endif
