#ifndef QM_MAILINDEX_H
#define QM_MAILINDEX_H

#include "account.h"
#include "ledger.h"
#include "proto_mail.h"

/* The index of the accounts' mailboxes: which message has which id, and what is known of it beside
 * its own octets. The messages themselves are files that delivery/local looks after, and that other
 * programs move, flag and remove as they like: so where one is is only where it was last seen. */

/* A message was delivered into the mailbox of this account, for this recipient, with what is known
 * of its sender: written together with that. Only the writing thread calls this, and the next one.
 */
void mailindex_stored(struct ledger *l, struct store_txn *t, const char *account,
                      const struct submit_envelope *e, const char *recipient,
                      const struct deliver_result *result, const struct mail_checks *checks);

/* Forgets removed messages, of which at most limit rows are looked at, that were removed at this
 * time or before. Returns how many rows went. */
unsigned mailindex_forget(struct store_txn *t, int64_t until_ms, unsigned limit);
/* Whether that has anything to do. */
bool mailindex_has_forgotten(struct store_txn *t, int64_t until_ms);

/* Messages of a mailbox whose files are gone: removed by another program. Those that are still
 * where they were looked for (place n belongs to id n) are removed from the index, too. Returns how
 * many. Only the writing thread calls this. */
unsigned mailindex_gone(const struct ledger *l, struct store_txn *t, uint64_t account,
                        const uint64_t *ids, const struct mail_place *places, uint32_t n);

/* The requests of the mail protocol. */
int mailindex_on_request(const struct account_ask *ask, struct ipc_message *m, struct fail *f);

#endif
