#ifndef QM_SUPPRESSIONS_H
#define QM_SUPPRESSIONS_H

#include "call.h"
#include "jsonwrite.h"
#include "proto_suppress.h"

/* What the methods of the suppression list share: a question to qmgr, its answer, the JSON. */

/* Asks: one of suppress_list, _add, _remove, _find. address is "" for suppressions_list. */
typedef uint64_t suppressions_ask(struct call *c, struct ipc *ch, const char *address,
                                  suppress_on_answer *on_answer, void *arg);
/* Gets an answer that is not SUPPRESS_UNAVAILABLE, in which case the call is refused without it.
 * Writes the members of the response's object to json and returns 0, or fills c->refusal and
 * returns -1. */
typedef int suppressions_then(struct call *c, const struct suppress_answer *answer,
                              struct jsonwrite *json);

/* Does the whole call. An address that is none is refused with badAddress. */
void suppressions_run(struct call *c, struct span address, suppressions_ask *ask,
                      suppressions_then *then);
/* Without an address; then is called for each page of the list, and the response has one object
 * with one array of this name around what it writes, and Next. limit: rows of one page, which
 * begins at after (the Next of the page before, or empty); 0: all that there are, from there on. */
void suppressions_run_list(struct call *c, const char *name, struct span after, uint32_t limit,
                           suppressions_then *then);

#endif
