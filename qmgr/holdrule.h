#ifndef QM_HOLDRULE_H
#define QM_HOLDRULE_H

#include "ledger.h"
#include "proto_admin.h"
#include "queue.h"

/* Rules by which mail is held: what comes and fits one of them waits for an operator who releases
 * it. */

/* What the rules say of one message. All-zero holds none. */
struct holdrule_set {
    bool all;       /* whoever it is for */
    char **domains; /* those at these */
    uint32_t domains_n;
};
/* Reads the rules that the message's account and sender fit, in the writing thread; a row that does
 * not decode is set aside. Costs a look at an empty table where there are none; at most
 * ADMIN_HOLD_RULES_MAX rows. holdrule_clear. */
struct holdrule_set holdrule_read(struct store_txn *t, const struct submit_envelope *e);
bool holdrule_holds(const struct holdrule_set *s, const char *address);
void holdrule_clear(struct holdrule_set *s);

/* All rules, in the order they were made; admin_hold_rules_clear. */
struct admin_hold_rules holdrule_list(struct store_txn *t);

/* Makes the rule, then holds what it means of what is in the queue, as act_start does; the texts of
 * the rule are copied. on_done: id is the new rule's, 0 when none was made, and why what prevented
 * that or the rest; acted as of act_start. */
typedef void holdrule_on_added(void *arg, uint64_t id, const struct admin_acted *acted,
                               const char *why);
void holdrule_add(struct queue *q, const struct admin_hold_rule *rule, holdrule_on_added *on_done,
                  void *arg);
/* Removes a rule; what it held stays held. why: NULL, or what prevented it. */
typedef void holdrule_on_removed(void *arg, const char *why);
void holdrule_remove(struct queue *q, uint64_t id, holdrule_on_removed *on_done, void *arg);

#endif
