#include "pretend.h"

#include "answer.h"
#include "log.h"
#include "transaction.h"

static bool act(struct session *s, const struct simulate *what)
{
    char enhanced[ENHANCED_SIZE];
    if (what->kind == SIMULATE_NONE)
        return false;
    log_info(&s->log, "failure simulated", LI("code", what->code));
    if (what->kind == SIMULATE_TIMEOUT)
        session_enter(s, STEP_HOLD);
    else
        answer(s, what->code, enhanced_format(what->enhanced, enhanced), "simulated failure");
    return true;
}

bool pretend(struct session *s, enum simulate_stage stage, const struct address *a)
{
    if (!s->settings->localserve || s->port->kind != PORT_SMTP || a == NULL)
        return false;
    struct simulate what = simulate_at(stage, span_text(a->local));
    return act(s, &what);
}

void pretend_later(struct session *s, const struct address *recipient)
{
    struct transaction *t = s->transaction;
    if (s->settings->localserve && s->port->kind != PORT_LOCAL && t->simulate.kind == SIMULATE_NONE)
        t->simulate = simulate_at(SIMULATE_DATA, span_text(recipient->local));
}

bool pretend_now(struct session *s)
{
    return act(s, &s->transaction->simulate);
}
