#include "learn.h"

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "proto_learned.h"
#include "stscache.h"
#include "tlscount.h"

struct learning {
    struct change change;
    struct queue *queue;
    struct learned learned;
    int64_t now_ms;
};

static void apply(struct change *change, struct store_txn *t)
{
    struct learning *g = (struct learning *)change;
    const struct ledger *l = &g->queue->ledger;
    for (uint32_t i = 0; i < g->learned.policies_n; i++)
        sts_learn(l, t, &g->learned.policies[i], g->now_ms);
    for (uint32_t i = 0; i < g->learned.results_n; i++)
        tlscount_add(l, t, g->learned.results[i]);
}

static void done(struct change *change, const char *why)
{
    struct learning *g = (struct learning *)change;
    if (why != NULL)
        log_warn(NULL, "what was learned of other domains is lost", LS("why", why));
    learned_clear(&g->learned);
    mem_free(&g);
}

int learn_on_message(struct queue *q, struct ipc_message *m, struct fail *f)
{
    struct learning *g = mem_zero(sizeof *g);
    if (learned_read(m, &g->learned, f) != 0) {
        mem_free(&g);
        return -1;
    }
    g->change.apply = apply;
    g->change.done = done;
    g->change.when = COMMIT_SOON;
    g->queue = q;
    g->now_ms = clock_wall_ms();
    commit_add(q->commit, &g->change);
    return 0;
}
