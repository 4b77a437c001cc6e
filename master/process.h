#ifndef QM_PROCESS_H
#define QM_PROCESS_H

#include "world.h"

/* The processes of the suite: which there are, how one is started, linked to its peers, configured,
 * and started again. */

/* Whether conf wants this process at all. */
bool process_is_in(const struct process *p, const struct conf *conf);
/* Brings the list in line with the configuration: adds what is missing, marks what is no longer
 * wanted. Starts nothing. */
void process_plan(struct world *w, const struct conf *conf);
/* Starts every planned process that is down and not waiting for its time. */
void process_start_all(struct world *w);
/* Asks it to end; it is not started again. One that is unwanted and down already is freed. */
void process_stop(struct process *p);
/* Sends what belongs to conf and asks whether the process can work with it. */
void process_configure(struct process *p, const struct conf *conf,
                       void (*on_answer)(struct process *p, const char *refused));
/* A reload is over: who became ready meanwhile is told what to work with. */
void process_resume(struct world *w);
/* A child ended. */
void process_reaped(struct world *w, int pid, int status);
/* All are up. */
bool process_all_up(const struct world *w);
void process_free_all(struct world *w);
void process_kill_all(struct world *w);

#endif
