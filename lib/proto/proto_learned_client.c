#include "proto_learned.h"
#include "proto_types.h"

/* MSG_DELIVER_LEARNED: count u32 of {domain (text), what u8, id (text), and of STS_FETCHED the
 * policy}, count u32 of results. */
void learned_tell(struct ipc *ch, const struct learned *l)
{
    struct buf b = {0};
    if (l->policies_n + l->results_n == 0)
        return;
    wire_put_u32(&b, l->policies_n);
    for (uint32_t i = 0; i < l->policies_n; i++) {
        const struct sts_learned *p = &l->policies[i];
        wire_put_text(&b, p->domain);
        wire_put_u8(&b, (uint8_t)p->what);
        wire_put_text(&b, p->id);
        if (p->what == STS_FETCHED)
            mtasts_policy_put(&b, p->policy);
    }
    wire_put_u32(&b, l->results_n);
    for (uint32_t i = 0; i < l->results_n; i++)
        tlsresult_put(&b, l->results[i]);
    ipc_notify(ch, MSG_DELIVER_LEARNED, buf_span(&b), NULL, 0);
    buf_free(&b);
}
