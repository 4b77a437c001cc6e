#ifndef QM_WORLD_H
#define QM_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "consist.h"
#include "proto_deliver.h"
#include "proto_hook.h"
#include "queue.h"

/* A whole queue for a test: all the parts of qmgr over a real store in a folder of its own, its
 * peers played by the test at the other ends of real channels. Tests run inside the frame of a
 * process (service.h), which gives the event loop and the counters. */

struct intake;
struct admin;
struct janitor;
struct sweep;

/* A job that a delivery agent was given and has not answered yet. */
struct job {
    struct deliver_job *job;
    uint64_t request;
    int body;
};

struct agent {
    struct world *world;
    struct ipc *channel;
    char transport[64];
    /* What the agent does with a job: answers at once, or keeps it in jobs. Set to agent_delivers
     * etc. */
    void (*on_job)(struct agent *g, struct job *j);
    struct job jobs[1000];
    unsigned jobs_n;
    unsigned jobs_total, recipients_total;   /* ever given */
    struct deliver_result script;            /* for agent_answers: copied for each recipient */
    const struct deliver_report *report;     /* given with each answer; NULL for none */
    const struct deliver_incoming *incoming; /* the same */
};

/* A webhook call that the process hooks was given and has not answered yet. */
struct call {
    uint64_t request, id;
    uint32_t attempt;
    char *url, *payload, *authorization;
};

struct endpoint {
    struct world *world;
    struct ipc *channel;
    void (*on_call)(struct endpoint *e, struct call *c);
    struct call calls[1000];
    unsigned calls_n, calls_total;
    uint16_t code;          /* for endpoint_answers */
    uint32_t retry_after_s; /* with every answer */
};

struct world {
    struct queue queue;
    struct intake *intake;
    struct admin *admin;
    struct janitor *janitor;
    struct sweep *sweep;
    struct ipc *submitter; /* what smtpd has of its link */
    struct agent direct, local, relay;
    struct endpoint hooks;
    struct event *alarm;
    char folder[64];
    unsigned fds;           /* before it was opened */
    bool late;              /* a test has waited for half a minute */
    bool damaged;           /* the consistency check at the end is left out */
    int pages_fd, pages_at; /* while the disk is full: what the store's descriptor was, and which */
};
extern struct world world;

/* Runs the tests inside a process's frame; what main returns. */
int world_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n);
#define WORLD_MAIN(argc, argv, tests)                                                              \
    world_main(argc, argv, tests, sizeof(tests) / sizeof(tests)[0])

/* For setup and teardown of a test. The configuration is this, with `more` put behind; an agent for
 * "direct", "local" and "relay", and hooks, are there. At the end the store must be consistent and
 * no descriptor left open. */
void world_open(const char *more);
int world_setup(void **state); /* world_open("") */
int world_teardown(void **state);
#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
/* The same for a test that opens the world itself. */
#define BARE_TEST(test) cmocka_unit_test_teardown(test, world_teardown)

struct settings *world_settings(const char *more); /* a configuration alone */

/* Ends the parts and begins them anew over the same store, as a restart does. clean: the orderly
 * way. */
void world_restart(bool clean);
void world_reload(const char *more);

/* Turns of the loop until the condition holds; a test that waits in vain fails. */
#define WORLD_UNTIL(condition)                                                                     \
    while (!(condition)) {                                                                         \
        assert_int_equal(event_base_loop(world.queue.base, EVLOOP_ONCE), 0);                       \
        assert_false(world.late);                                                                  \
    }
/* Until nothing is under way: no change, no work, and nothing that is due now and can be begun. */
void world_settle(void);
/* How many turns the loop has in 0.3 s: few when nothing is to be done. */
unsigned world_turns(void);
/* Steps the clock and lets what is due then begin. */
void world_step(int64_t ms);

/* One more recipient. Returns the envelope. */
struct submit_envelope *world_envelope(const char *sender, const char *first);
/* Hands the message over as smtpd does; returns its id when it is accepted, 0 when not (the reply
 * is in world_reply). Frees e. */
uint64_t world_submit(struct submit_envelope *e, const char *message);
/* A message of nobody's for n recipients r0@domain, r1@domain, ... */
uint64_t world_send_many(const char *domain, unsigned n);
/* How many jobs for this domain the agent keeps. */
unsigned agent_jobs_for(const struct agent *g, const char *domain);
/* Answers all that it keeps, and from now on each at once, in this way (agent_delivers etc.). */
void agent_answer_all(struct agent *g, void (*how)(struct agent *g, struct job *j));
extern struct submit_reply world_reply;
enum { WORLD_FROM_IDS = 8 };
extern char *world_from_ids[WORLD_FROM_IDS]; /* of the last reply */
extern uint32_t world_from_ids_n;
/* A simple one: from a@b.example to that address. */
uint64_t world_send(const char *to);

void agent_link(struct agent *g);   /* a new channel */
void agent_unlink(struct agent *g); /* the agent ends, its jobs unanswered */
void agent_keeps(struct agent *g, struct job *j);
void agent_delivers(struct agent *g, struct job *j);
void agent_defers(struct agent *g, struct job *j);
void agent_fails(struct agent *g, struct job *j);
void agent_answers(struct agent *g, struct job *j); /* as g->script says */
/* Answers the job in this place with a status for each recipient: 'd'one, done and 'r'eported on by
 * the next hop, de'f'erred, 'x' failed. */
void agent_answer(struct agent *g, unsigned place, const char *statuses);

void endpoint_link(struct endpoint *e);
void endpoint_unlink(struct endpoint *e);
void endpoint_keeps(struct endpoint *e, struct call *c);
void endpoint_answers(struct endpoint *e, struct call *c);
/* The same with 200, and the payload is kept: world_heard, world_heard_n. */
void endpoint_hears(struct endpoint *e, struct call *c);
enum { WORLD_HEARD = 64 };
extern char *world_heard[WORLD_HEARD];
extern unsigned world_heard_n;
void endpoint_answer(struct endpoint *e, unsigned place, uint16_t code);

/* What is in the store. */
uint64_t world_rows(unsigned table);
bool world_recipient(uint64_t id, struct rcpt_row *r);
bool world_message(uint64_t id, struct msg_row *m);
bool world_retired(uint64_t id, struct retired_row *r);
/* The event's types of a recipient, a letter each: A D L F C H R S Y E U I X for accepted,
 * delivered, delayed ... (mem_free) */
char *world_events(uint64_t id);
struct buf world_body(uint64_t id); /* the octets of a message */
/* The one message of qmgr's own in the queue, whose sender is the null one; its octets in body,
 * where that is not NULL. 0 when there is none. */
uint64_t world_notice(struct buf *body);
static inline void world_expect_text(struct buf *body, const char *text)
{
    if (strstr(buf_text(body), text) == NULL)
        fail_msg("\"%s\" is not in\n%s", text, buf_text(body));
} /* fails unless it is in there */
void world_check(void); /* fails the test when the store is not consistent */
/* Nothing of any message is left but its history. */
void world_expect_empty(void);
/* From now on the database's file takes nothing more, as on a full disk; or it does again. */
void world_fill_disk(bool full);
/* Writes or removes (value.p NULL) a row behind qmgr's back. */
void world_damage(unsigned table, struct span key, struct span value);

#endif
