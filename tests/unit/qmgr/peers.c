#include "world.h"

#include <unistd.h>

#include "agents.h"
#include "clock.h"
#include "file.h"
#include "hookq.h"
#include "mem.h"
#include "proto_types.h"

/* The peers of a world: delivery agents, and the process that calls webhooks. */

/* ---- delivery agents ---- */

static int on_agent_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct agent *g = arg;
    struct job j = {.request = m->id, .body = -1};
    if (deliver_read(m, &j.job, &j.body, f) != 0)
        fail_msg("%s", f->text);
    assert_string_equal(j.job->transport, g->transport);
    g->jobs_total++;
    g->recipients_total += j.job->recipients_n;
    g->on_job(g, &j);
    return 0;
}

static void on_agent_closed(struct ipc *ch, void *arg, const char *why)
{
    struct agent *g = arg;
    ipc_free(&g->channel);
}

void agent_link(struct agent *g)
{
    static const struct ipc_handler handler = {on_agent_message, on_agent_closed};
    struct fail f;
    int fd[2];
    assert_int_equal(ipc_pair(fd, &f), 0);
    agents_link(world.queue.agents, g->transport, fd[0]);
    g->channel = ipc_new(world.queue.base, fd[1], g->transport, &handler, g);
}

static void free_job(struct job *j)
{
    deliver_job_free(&j->job);
    file_close(&j->body);
}

void agent_unlink(struct agent *g)
{
    ipc_free(&g->channel);
    while (g->jobs_n > 0)
        free_job(&g->jobs[--g->jobs_n]);
}

void agent_keeps(struct agent *g, struct job *j)
{
    assert_true(g->jobs_n < sizeof g->jobs / sizeof g->jobs[0]);
    g->jobs[g->jobs_n++] = *j;
}

static void answer(struct agent *g, struct job *j, const struct deliver_result *like,
                   const char *statuses)
{
    uint32_t n = j->job->recipients_n;
    struct deliver_result *r = mem_array(n, sizeof *r);
    assert_true(statuses == NULL || strlen(statuses) == n);
    for (uint32_t i = 0; i < n; i++) {
        if (like != NULL)
            deliver_result_copy(&r[i], like);
        else if (statuses[i] == 'd' || statuses[i] == 'r') {
            r[i] = deliver_result_new(0, DELIVER_DONE);
            r[i].reports = statuses[i] == 'r';
            r[i].code = 250;
            submit_set(&r[i].enhanced, "2.0.0");
            submit_set(&r[i].reply, "250 2.0.0 ok");
        } else {
            r[i] = deliver_result_new(0, statuses[i] == 'x' ? DELIVER_FAILED : DELIVER_DEFERRED);
            r[i].code = statuses[i] == 'x' ? 550 : 451;
            submit_set(&r[i].enhanced, statuses[i] == 'x' ? "5.1.1" : "4.7.1");
            submit_set(&r[i].reply, statuses[i] == 'x' ? "550-5.1.1 no such\n550 5.1.1 user"
                                                       : "451 4.7.1 try later");
        }
        r[i].id = j->job->recipients[i].id;
        r[i].start_ms = clock_wall_ms();
    }
    deliver_answer_told(g->channel, j->request, r, n, g->report, g->incoming);
    for (uint32_t i = 0; i < n; i++)
        deliver_result_clear(&r[i]);
    mem_free(&r);
    free_job(j);
}

static void answer_all(struct agent *g, struct job *j, char status)
{
    uint32_t n = j->job->recipients_n;
    char *statuses = mem_alloc(n + 1);
    memset(statuses, status, n);
    statuses[n] = '\0';
    answer(g, j, NULL, statuses);
    mem_free(&statuses);
}

void agent_delivers(struct agent *g, struct job *j)
{
    answer_all(g, j, 'd');
}

void agent_defers(struct agent *g, struct job *j)
{
    answer_all(g, j, 'f');
}

void agent_fails(struct agent *g, struct job *j)
{
    answer_all(g, j, 'x');
}

void agent_answers(struct agent *g, struct job *j)
{
    answer(g, j, &g->script, NULL);
}

void agent_answer(struct agent *g, unsigned place, const char *statuses)
{
    assert_true(place < g->jobs_n);
    struct job j = g->jobs[place];
    g->jobs_n--;
    memmove(&g->jobs[place], &g->jobs[place + 1], (g->jobs_n - place) * sizeof g->jobs[0]);
    answer(g, &j, NULL, statuses);
}

/* ---- hooks ---- */

static int on_hooks_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct endpoint *e = arg;
    struct hook_call k;
    if (hook_read(m, &k, f) != 0)
        fail_msg("%s", f->text);
    struct call c = {
        m->id, k.id, k.attempt, mem_text(k.url), span_dup(k.payload), mem_text(k.authorization)};
    hook_call_clear(&k);
    e->calls_total++;
    e->on_call(e, &c);
    return 0;
}

static void on_hooks_closed(struct ipc *ch, void *arg, const char *why)
{
    struct endpoint *e = arg;
    ipc_free(&e->channel);
}

void endpoint_link(struct endpoint *e)
{
    static const struct ipc_handler handler = {on_hooks_message, on_hooks_closed};
    struct fail f;
    int fd[2];
    e->world = &world;
    assert_int_equal(ipc_pair(fd, &f), 0);
    hookq_link(world.queue.hookq, fd[0]);
    e->channel = ipc_new(world.queue.base, fd[1], "hooks", &handler, e);
}

static void free_call(struct call *c)
{
    mem_free(&c->url);
    mem_free(&c->payload);
    mem_free(&c->authorization);
}

void endpoint_unlink(struct endpoint *e)
{
    ipc_free(&e->channel);
    while (e->calls_n > 0)
        free_call(&e->calls[--e->calls_n]);
}

void endpoint_keeps(struct endpoint *e, struct call *c)
{
    assert_true(e->calls_n < sizeof e->calls / sizeof e->calls[0]);
    e->calls[e->calls_n++] = *c;
}

static void answer_call(struct endpoint *e, struct call *c, uint16_t code)
{
    const struct hook_result r = {
        code / 100 == 2, code, (char *)(code / 100 == 2 ? "" : "http status"),
        (char *)"body",  5,    e->retry_after_s};
    hook_answer(e->channel, c->request, &r);
    free_call(c);
}

void endpoint_answers(struct endpoint *e, struct call *c)
{
    answer_call(e, c, e->code);
}

void endpoint_hears(struct endpoint *e, struct call *c)
{
    assert_true(world_heard_n < WORLD_HEARD);
    world_heard[world_heard_n++] = mem_text(c->payload);
    answer_call(e, c, 200);
}

void endpoint_answer(struct endpoint *e, unsigned place, uint16_t code)
{
    assert_true(place < e->calls_n);
    struct call c = e->calls[place];
    e->calls_n--;
    memmove(&e->calls[place], &e->calls[place + 1], (e->calls_n - place) * sizeof e->calls[0]);
    answer_call(e, &c, code);
}

unsigned agent_jobs_for(const struct agent *g, const char *domain)
{
    unsigned n = 0;
    for (unsigned i = 0; i < g->jobs_n; i++)
        n += strcmp(g->jobs[i].job->destination, domain) == 0;
    return n;
}

void agent_answer_all(struct agent *g, void (*how)(struct agent *g, struct job *j))
{
    g->on_job = how;
    while (g->jobs_n > 0) {
        struct job j = g->jobs[--g->jobs_n];
        how(g, &j);
    }
}
