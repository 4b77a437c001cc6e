#ifndef QM_WEBHOOK_H
#define QM_WEBHOOK_H

#include "conf.h"
#include "fetch.h"
#include "ipc.h"
#include "proto_hook.h"
#include "service.h"

/* Webhooks: a call that qmgr wants made, in steps:
 *
 *     sign   the vault signs what is sent, if the configuration has a key for this webhook
 *     send   the POST
 *     tell   qmgr hears how it went */

/* What one configuration says. */
struct webhook_settings {
    struct conf *conf;
    bool allow_private;
    int64_t timeout_ms;
    size_t response_size;
    enum conf_success success;
};

struct webhooks;
struct webhooks *webhooks_new(struct service *s, struct fetcher *fetcher);
void webhooks_free(struct webhooks **w); /* what is under way is dropped */
/* What to go by from now on; stays the caller's. */
void webhooks_use(struct webhooks *w, const struct webhook_settings *settings);
/* Channels, whose descriptors it takes; the ones before are over. */
void webhooks_link_qmgr(struct webhooks *w, int fd);
void webhooks_link_vault(struct webhooks *w, int fd);

#endif
