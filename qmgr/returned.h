#ifndef QM_RETURNED_H
#define QM_RETURNED_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger.h"
#include "settings.h"
#include "store.h"

/* Mail that comes back from the network to a from id of ours: base+id@domain. What it says is
 * written down for the recipient that the id was made for, if the id is genuine and of the account
 * that the mail is for, and if the report is about that recipient. Everything else is ordinary
 * mail. */

#define RETURNED_MAX 20 /* reports that are written down for one recipient */

/* Whether this address, of incoming mail, has a genuine from id, of a recipient that is known
 * still. *account: whose it is, valid as long as the settings. */
bool returned_is_ours(const struct ledger *l, struct store_txn *t, const struct settings *s,
                      const char *address, const char **account);

/* Writes down what a message to such an address says: an attempt more of the recipient, event,
 * webhook, suppression. Returns false, with nothing done, where it is ordinary mail after all. The
 * writing thread's, within the change of an open message (ledger_message_close comes after). */
bool returned_note(struct ledger *l, struct store_txn *t, const struct settings *s,
                   const char *address, const struct deliver_report *report, int64_t now_ms);

#endif
