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
/* Where the webhook's row of hookdue is, and whose turn it waits for: its URL's. */
struct due hookrow_due(uint64_t id, const struct hook_row *row);
struct stream_id hookrow_stream(const char *url);
void hookrow_insert(struct store_txn *t, uint64_t id, const struct hook_row *row);
/* Moves it to another time. was: where its row of hookdue is until now. */
void hookrow_reschedule(struct store_txn *t, uint64_t id, struct due was,
                        const struct hook_row *row);
/* Out of the queue; kept in the history if row->keep_until_ms is set. */
void hookrow_retire(struct store_txn *t, uint64_t id, struct due was, const struct hook_row *row);
int hookrow_get(struct store_txn *t, uint64_t id,
                struct hook_row *row); /* 0, or -1 when there is none */

#endif
