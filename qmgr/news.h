#ifndef QM_NEWS_H
#define QM_NEWS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto_deliver.h"
#include "proto_events.h"
#include "proto_submit.h"
#include "rows.h"

/* What became of a recipient, as the event of it and its webhook tell. Nothing of it is owned. */
struct news {
    enum event_type type;
    const struct submit_envelope
        *envelope; /* of its message: account, message_id, subject, extra */
    uint64_t recipient;
    const char *address, *from_id;
    uint64_t account;                  /* its hash */
    uint16_t attempts;                 /* made so far */
    const struct deliver_result *last; /* the attempt it is about, or NULL */
    bool dsn;                          /* a DSN that came back told it */
    bool suppressing;                  /* and this has put the address on the suppression list */
};

#endif
