#ifndef QM_ARRIVAL_H
#define QM_ARRIVAL_H

#include <stdint.h>

#include "ledger.h"
#include "proto_deliver.h"
#include "proto_mail.h"
#include "settings.h"

/* A message has come into the mailbox of an account: its event, and the account's incoming webhook.
 * What is a report on mail sent from here is none (returned.h). */

struct arrival {
    const char *account; /* whose mailbox */
    const struct submit_envelope *envelope;
    uint64_t message;
    const char *recipient;               /* as the envelope has it */
    const struct deliver_result *result; /* done; its id is the recipient's */
    const struct deliver_incoming *says; /* NULL: nobody wanted to know when it was delivered */
    const struct mail_checks *checks;    /* those that the index of the mailbox gets */
};
/* In the writing thread, together with what became of the recipient. */
void arrival_note(struct ledger *l, struct store_txn *t, const struct settings *s,
                  const struct arrival *a, int64_t now_ms);

/* What the incoming webhook of an account would say of a message that is none: mem_free. */
char *arrival_example(const char *account, const char *recipient, int64_t now_ms);

#endif
