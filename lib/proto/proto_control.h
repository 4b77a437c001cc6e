#ifndef QM_PROTO_CONTROL_H
#define QM_PROTO_CONTROL_H

#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"

/* The control protocol: master tells every other process what it works with and when to stop.
 *
 * At start and at reload the order is: HAND for each descriptor of the new configuration, then
 * CONFIG; the process prepares all of it and answers READY or REFUSED, and changes nothing yet.
 * When every process is ready master sends COMMIT to all, otherwise ABORT. LINK brings the other
 * end of a peer that was started anew, or of a pair that was made anew after LINK_LOST: the one
 * notice that goes to master. */

/* ---- master's side ---- */

void control_hand(struct ipc *ch, const char *purpose, int fd); /* takes fd */
void control_link(struct ipc *ch, const char *name, int fd);    /* takes fd */

/* refused: NULL when ready, else the sentence why not (also when the process went away). */
typedef void control_on_prepared(void *arg, const char *refused);
void control_config(struct ipc *ch, struct span share, control_on_prepared *on_prepared, void *arg);
void control_commit(struct ipc *ch);
void control_abort(struct ipc *ch);
void control_stop(struct ipc *ch);
void control_clock(struct ipc *ch, int64_t step_ms);

struct control_counter {
    char *name; /* "messages_accepted_total"; what does not end in _total goes up and down. More
                   of names: service.h */
    uint64_t value;
};
#define CONTROL_COUNTERS_MAX 2000
/* n = 0 when the process went away. */
typedef void control_on_counters(void *arg, const struct control_counter *counters, uint32_t n);
void control_counters(struct ipc *ch, control_on_counters *on_counters, void *arg);
/* Every process's counters as Prometheus text, for webapi to serve. */
void control_metrics(struct ipc *ch, struct span text);
/* Reads the one notice that a process may send to master, MSG_CONTROL_LINK_LOST: 0 and the name of
 * a link that has ended at its end (mem_free), or -1 with a sentence and NULL. */
int control_read_lost(const struct ipc_message *m, char **name, struct fail *f);

/* ---- every other process ---- */

struct control_message {
    uint16_t type;
    char *name;        /* HAND: the purpose; LINK: the link's name; owned by the message */
    int fd;            /* HAND, LINK: taken by setting it to -1, else closed by control_clear */
    struct span share; /* CONFIG, and METRICS: the text; points into the record */
    int64_t step_ms;   /* CLOCK */
    uint64_t request;  /* CONFIG, COUNTERS: for the answer */
};

/* Reads any message of master's: 0 and the caller clears it, or -1 with a sentence and nothing to
 * clear. CONFIG and COUNTERS are answered once. */
int control_read(struct ipc_message *m, struct control_message *c, struct fail *f);
void control_clear(struct control_message *c);
/* The link of this name has ended here, while both processes may well live on. */
void control_link_lost(struct ipc *ch, const char *name);
void control_ready(struct ipc *ch, uint64_t request);
void control_refuse(struct ipc *ch, uint64_t request, const char *why);
/* n names and values, CONTROL_COUNTERS_MAX at most. One with labels that has counted nothing is
 * left out; a histogram's bucket is not, nor the sum before a count that is not 0. */
void control_counters_are(struct ipc *ch, uint64_t request, const char *const *names,
                          const uint64_t *values, uint32_t n);

#endif
