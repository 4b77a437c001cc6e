#include "pretend.h"

#include <assert.h>

#include "answer.h"
#include "log.h"
#include "transaction.h"

static bool act(struct session *s, const struct simulate *what)
{
    char enhanced[ENHANCED_SIZE];
    bool fails = what->kind == SIMULATE_REPLY || what->kind == SIMULATE_TIMEOUT ||
                 what->kind == SIMULATE_DEFER;
    if (!fails)
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
    if (!s->settings->localserve || s->port->kind == PORT_LOCAL ||
        t->simulate.kind != SIMULATE_NONE)
        return;
    t->simulate = simulate_at(s->port->kind == PORT_SMTP ? SIMULATE_DATA : SIMULATE_SUBMISSION,
                              span_text(recipient->local));
    if (t->simulate.kind == SIMULATE_DEFER)
        t->simulate_for = address_text(recipient);
}

bool pretend_now(struct session *s)
{
    const struct transaction *t = s->transaction;
    const struct submit_envelope *e = t->envelope;
    if (t->simulate.kind == SIMULATE_DEFER &&
        !simulate_defers(&s->server->deferred,
                         simulate_key(e->sender, t->simulate_for, e->message_id),
                         t->simulate.times))
        return false;
    return act(s, &t->simulate);
}

static void on_slow(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;
    if (s->step != STEP_SLOW)
        return; /* it was told good-bye meanwhile */
    s->transaction->go_on(s);
    session_run(s);
}

bool pretend_slow(struct session *s, void (*go_on)(struct session *s))
{
    const struct timeval wait = {SIMULATE_SLOW_MS / 1000, SIMULATE_SLOW_MS % 1000 * 1000};
    struct transaction *t = s->transaction;
    if (t->simulate.kind != SIMULATE_SLOW)
        return false;
    log_info(&s->log, "delay simulated", LI("ms", SIMULATE_SLOW_MS));
    t->go_on = go_on;
    t->slow = evtimer_new(s->server->base, on_slow, s);
    assert(t->slow != NULL);
    (void)evtimer_add(t->slow, &wait);
    session_enter(s, STEP_SLOW);
    return true;
}
