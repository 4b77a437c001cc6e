#ifndef QM_HOOKACT_H
#define QM_HOOKACT_H

#include <stdbool.h>
#include <stdint.h>

#include "match.h"
#include "proto_admin.h"
#include "settings.h"
#include "store.h"

/* What an operator has done to webhooks that wait (act.h). */

struct hookact {
    enum admin_hook_action action;
    int64_t by_ms; /* of a kick or a delay */
    int64_t now_ms;
};
const char *hookact_name(enum admin_hook_action action); /* what was done, for the log */

/* To the webhook with this id, if it is there and still meant: since it was looked for it may have
 * changed. Returns whether something was done; *soonest_ms becomes the time of its next attempt if
 * that is earlier. In the writing thread. */
bool hookact_on(const struct hookact *a, struct store_txn *t, const struct settings *s,
                const struct match *m, uint64_t id, int64_t *soonest_ms);

#endif
