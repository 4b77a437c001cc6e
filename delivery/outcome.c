#include "outcome.h"

#include "mem.h"

static int rank(const struct job_outcome *o)
{
    return o->stage == NULL ? -1 : (o->status == DELIVER_DEFERRED ? 2 : 0) + (o->code != 0 ? 1 : 0);
}

static void keep(char **to, const char **field)
{
    char *copy = mem_text(*field == NULL ? "" : *field);
    mem_free(to);
    *to = copy;
    *field = copy;
}

/* What the texts point to goes with the session. */
static void note(struct outcome *o, const struct job_outcome *what, bool is_refusal)
{
    struct job_outcome n = *what;
    const char **fields[OUTCOME_TEXTS] = {
        &n.enhanced, &n.reply,    &n.error,    &n.remote_host, &n.remote_address,
        &n.tls.text, &n.tls.name, &n.tls.peer, &n.tls.record,  &n.tls.policy};
    if (rank(what) < rank(&o->best))
        return;
    for (size_t i = 0; i < OUTCOME_TEXTS; i++)
        keep(&o->texts[i], fields[i]);
    o->best = n;
    o->is_refusal = is_refusal;
}

void outcome_note(struct outcome *o, const struct job_outcome *what)
{
    note(o, what, false);
}

void outcome_note_refusal(struct outcome *o, const struct job_outcome *what)
{
    struct job_outcome refusal = *what;
    refusal.status = DELIVER_FAILED;
    refusal.code = 0;
    refusal.enhanced = "5.7.30";
    note(o, &refusal, true);
    tlspolicy_tally_add(&o->tally, true);
}

void outcome_note_other(struct outcome *o)
{
    tlspolicy_tally_add(&o->tally, false);
}

void outcome_settle(const struct outcome *o, bool more, struct job *j)
{
    struct job_outcome best = o->best;
    if (best.stage == NULL)
        return;
    if (o->is_refusal && (more || !tlspolicy_tally_is_final(&o->tally))) {
        best.status = DELIVER_DEFERRED;
        best.enhanced = "4.7.30";
    }
    job_settle_rest(j, &best);
}

void outcome_clear(struct outcome *o)
{
    for (size_t i = 0; i < OUTCOME_TEXTS; i++)
        mem_free(&o->texts[i]);
    *o = (struct outcome){.is_refusal = false};
}
