#ifndef QM_GATE_H
#define QM_GATE_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Who may try a password. Every network has a number of failures before it has to wait
 * (httplimit.h). Attempts that are being checked count as failures until they are known not to be,
 * so that many at once are no way around the limit; who would be over it on that account alone
 * waits for them. */

struct gate;

enum gate_pass { GATE_GO, GATE_REFUSED };

/* A place at the gate, a part of who stands there. All-zero before it is used. */
struct gate_entry {
    TAILQ_ENTRY(gate_entry) next;
    struct sockaddr_storage ip;
    enum { GATE_NOWHERE, GATE_WAITING, GATE_CHECKING } where;
    void (*on_pass)(void *arg, enum gate_pass pass);
    void *arg;
};

/* How often a network may fail in a minute and in a day; the networks around it three and nine
 * times. */
struct gate *gate_new(uint32_t per_minute, uint32_t per_day);
void gate_free(struct gate **g); /* nobody may stand there */

/* Puts other limits. What was counted is forgotten if they differ. */
void gate_limit(struct gate *g, uint32_t per_minute, uint32_t per_day);

/* Asks for an attempt from this address. on_pass is called once, before this returns or later: with
 * GATE_GO the attempt counts as being checked until gate_leave; with GATE_REFUSED the entry is out
 * again. */
void gate_enter(struct gate *g, struct gate_entry *e, const struct sockaddr *ip,
                void (*on_pass)(void *arg, enum gate_pass pass), void *arg);

enum gate_outcome { GATE_RIGHT, GATE_WRONG, GATE_UNKNOWN };

/* The attempt is over, or (GATE_UNKNOWN) given up, also while it still waits; one that is nowhere
 * is let be. Others may get their turn before this returns. */
void gate_leave(struct gate *g, struct gate_entry *e, enum gate_outcome outcome);

#endif
