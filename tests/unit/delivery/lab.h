#ifndef QM_TEST_DELIVERY_LAB_H
#define QM_TEST_DELIVERY_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent.h"
#include "names.h"
#include "peer.h"

/* What the tests of the delivery agent share: the agent's parts in an event loop, with qmgr's end
 * of their channel, a name server and an SMTP server beside them. The frame of a process
 * (service.h) is played here too. */

#define LAB_TEXT 8192

struct lab {
    struct event_base *base;
    struct agent agent;
    struct ipc *qmgr;   /* the other end of the channel */
    struct ipc *hooks;  /* the other end of that channel, where lab_link_hooks made one */
    const char *policy; /* what hooks fetches; NULL: nothing, and a failure */
    bool mute;          /* it does not answer */
    unsigned fetches;   /* that it was asked for */
    struct buf learned; /* what qmgr was told: "fetched example.net 1\n", "example.net at
                           mx1.test: tlsa 1 good 0 failed, ...\n" */
    char sending[64];   /* where a session came from, as the last detail of these says */
    struct names names;
    struct peer peer; /* on 127.0.0.1 */
    uint64_t counters[DELIVERY_COUNTERS];
    unsigned links_lost;
    bool stopping, done;
    SSL_CTX *trusted, *untrusted; /* for a peer: a certificate for 127.0.0.1 and *.test; one that no
                                     root stands for */
    int descriptors;              /* open before the lab was */
    int64_t passed_ms;            /* added to what clock_mono_ms says */
    uint64_t last_id;             /* of a message */
};

/* A certificate of a context as a TLSA record, "3 1 1 ..."; the caller frees it (mem_free). */
char *lab_tlsa(SSL_CTX *ctx);

extern struct lab lab;

/* Opens the lab with an agent for this transport. The configuration begins with a hostname,
 * us.test, the name server, and a block `deliver` that allows loopback addresses and the peer's
 * port; fmt adds the rest. */
void lab_open(const char *label, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As lab_open, with these settings inside `deliver`, and nothing else. Connections are in clear
 * unless they say otherwise. */
void lab_open_direct(const char *settings);
/* As lab_open_direct, with connections that do not idle; and the end: for tests that begin so. */
int lab_setup(void **state);
int lab_teardown(void **state);
/* Closes it, and fails the test if the agent holds a job, a connection or a descriptor then. */
void lab_close(void);
/* A configuration as it comes to the agent: checked, cut to its share, encoded and decoded. */
struct conf *lab_configuration(const char *text);
/* The configuration as lab_open makes it of fmt goes into use: a reload. Sessions and jobs under
 * way keep theirs. */
void lab_reload(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Reloads with settings for `deliver` in place of those that lab_open_direct was given. */
void lab_reload_direct(const char *settings);
/* A new channel from qmgr; the one before is gone. */
void lab_link(void);

/* A channel to hooks; the one before is gone. */
void lab_link_hooks(void);

/* A message on its way through the agent. */
#define ORDER_RECIPIENTS 1000
struct order {
    const char *destination; /* "example.net" if NULL */
    const char *sender;      /* "from@us.test" if NULL */
    const char *body;        /* "Subject: hi\r\n\r\nhello\r\n" if NULL */
    size_t body_n;           /* strlen if 0 */
    bool empty;              /* no body at all */
    const char *ret, *envid;
    uint32_t flags;
    uint16_t attempt;          /* 1 if 0 */
    uint32_t n;                /* recipients: r0@<destination>, r1@..., 1 if 0 */
    const char *recipients[8]; /* instead of those, where not NULL */
    const char *orcpt;         /* of every recipient */
    uint8_t notify;
    uint32_t never; /* recipients with NOTIFY=NEVER instead: a bit for each of the first 32 */
    uint8_t wants;
    const char *sts;      /* what is known of the destination: the text of a policy, of id "1" */
    int64_t sts_retry_ms; /* fetching one failed: none before then */
    uint64_t id;          /* of the message; 0: a new one */
    /* what came back */
    bool done, lost;
    struct deliver_result *results;
    char *members; /* what was described, or NULL */
    bool automated;
    bool reported;
    enum deliver_said said;
};

/* arg: the order; for whoever asks by hand. */
void lab_on_results(void *arg, const struct deliver_result *results, uint32_t n,
                    const struct deliver_report *report, const struct deliver_incoming *incoming);
void order_send(struct order *o);
void order_free(struct order *o);
/* Sends it and waits for its results. */
void order_run(struct order *o);
/* "failed 550 5.1.1 rcpt [550 5.1.1 no such user] (our sentence)", without brackets around nothing.
 */
const char *order_text(const struct order *o, uint32_t i);

/* Whether what is told of TLS is that there was some. */
bool is_under_tls(const struct deliver_result *r);

/* A message of at least so many octets, all of them ASCII. */
void lab_fill(struct buf *body, size_t n);

void lab_fail_unless(bool condition, const char *what, const char *file, int line);

/* How many there were, whatever became of them. */
uint64_t lab_connections(void);

void lab_turn(void); /* one turn of the loop, which may wait for something */

/* Runs the loop until the condition holds; fails the test when that takes too long. */
#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        lab_guard(true);                                                                           \
        while (!(condition) && !lab_is_late())                                                     \
            lab_turn();                                                                            \
        lab_guard(false);                                                                          \
        if (!(condition))                                                                          \
            fail_msg("never came: %s", #condition);                                                \
    } while (0)
void lab_guard(bool on);
bool lab_is_late(void);
void lab_settle(void); /* whatever is ready now is done */
/* As if the deadline that was set for so many minutes had passed: nothing that a busy machine does
 * can pass for it. Returns whether there was one. */
bool lab_expire(int minutes);
void lab_wait(int ms); /* runs the loop for so long: for what must not happen in it */

/* The commands that the peer got, a line each. */
#define assert_commands(p, text) assert_string_equal(buf_text(&(p)->commands), (text))
#define assert_outcome(o, i, text) assert_string_equal(order_text((o), (i)), (text))

/* A conversation as a row of a table: what the peer says at each step and what becomes of the
 * recipients. */
struct play {
    const char *title;
    const char *extensions; /* NULL: as the peer has them */
    struct {
        enum say step;
        const char *replies[8];
    } script[5];
    uint32_t recipients;     /* 1 if 0 */
    const char *outcomes[6]; /* one for each recipient; the last one stays */
    const char *commands;    /* NULL: not looked at */
    int expires;             /* once the peer is silent the deadline of so many minutes passes */
};
/* Plays each in a lab that is open, one after the other, on connections of their own. */
void plays_run(const struct play *plays, size_t n);

#endif
