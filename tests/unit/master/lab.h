#ifndef QM_TEST_MASTER_LAB_H
#define QM_TEST_MASTER_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <bsd/sys/queue.h>
#include <cmocka.h>

#include "buf.h"
#include "world.h"

/* A world for master's parts, in a folder of its own, whose processes are played here: launch()
 * forks nothing and makes a child of the list below instead, at the other end of a true control
 * channel. */

enum answer {
    ANSWER_READY,
    ANSWER_REFUSE,
    ANSWER_NOTHING, /* until lab_answer */
    ANSWER_DIE,     /* the channel closes; nobody is reaped until lab_reap */
};

struct child_link {
    TAILQ_ENTRY(child_link) next;
    char *name;
    int fd;
};

struct child {
    TAILQ_ENTRY(child) next;
    int pid; /* of no process there is */
    char name[96];
    struct ipc *control; /* NULL once it is dead */
    TAILQ_HEAD(, child_link) links;
    struct buf hands; /* purposes since the last CONFIG, a line each */
    unsigned configs, commits, aborts, stops, counters;
    bool silent; /* about its counters */
    struct buf metrics;
    uint64_t waiting;  /* the request that ANSWER_NOTHING left open */
    char prepared[80]; /* the hostname in the configuration it prepared, and in the one it uses */
    char committed[80];
    char prepared_hands[4096]; /* purposes that came with the prepared one */
};

struct lab {
    struct world world;
    char folder[64];
    TAILQ_HEAD(, child) children;
    int last_pid;
    bool no_launch;     /* launch() fails */
    unsigned kills;     /* of children */
    enum answer answer; /* of every process that is not named */
    const char *odd;    /* this one's answer is odd_answer */
    enum answer odd_answer;
    int descriptors;
};

extern struct lab lab;

/* Opens the world with a configuration: "hostname one.test", the folders, and what fmt adds. Starts
 * nothing yet. */
void lab_open(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* As main.c does: users, folders, sockets, processes. */
void lab_start(void);
void lab_close(void); /* and checks that no descriptor is left */

/* The file as the next reload reads it: this hostname, the folders, and what fmt adds. */
void lab_write(const char *hostname, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lab_write_raw(const char *text); /* the whole file */
/* conf_parse of the same, for parts that take a configuration. conf_free. */
struct conf *lab_conf(const char *hostname, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

struct child *lab_child(const char *name); /* the one that runs under this name; NULL */
struct process *lab_process(const char *name);
void lab_answer(struct child *c, const char *refusal); /* NULL: ready */
void lab_close_channel(struct child *c);
void lab_reap(struct child *c, int status); /* it has ended; frees it */
/* The names of all processes planned, with "-" before those no longer wanted, space between. */
const char *lab_plan(void);

/* A reload's end. */
struct outcome {
    unsigned times;
    char why[1000]; /* "" for success */
};
void lab_on_reload(void *arg, const char *why); /* arg: struct outcome */

int lab_port(void); /* a TCP port on 127.0.0.1 that is free now */
void lab_settle(void);
void lab_wait(int ms); /* runs the loop for so long */

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
void lab_turn(void);

#endif
