#ifndef QM_MESSAGEFLAGS_H
#define QM_MESSAGEFLAGS_H

#include "mailflags.h"
#include "messages.h"

/* What MessageFlagsAdd and MessageFlagsRemove share: the request, and how it is read. */

struct messageflags_request {
    int64_t id;
    struct jsonbind_array flags; /* struct span */
};

extern const char *const messageflags_text[];
extern const struct jsonbind_field messageflags_fields[];
extern const struct mail_words messageflags_none;

/* The request's flags, which were read before and are good; mailflags_clear. */
struct mailflags messageflags_of(struct call *c);
/* Does the call by this plan, unless a flag is none. */
void messageflags_run(struct call *c, const struct messages_plan *plan);

#endif
