#ifndef QM_LINKS_H
#define QM_LINKS_H

#include "world.h"

/* Who may talk to whom: the edges of the picture in DESIGN.md, as a table. An edge is a socket pair
 * that master makes: one end is inherited by the process being started, the other goes to the peer
 * that is already there. */

struct link_end {
    char name[96];
    int fd;
};

/* Makes the socket pairs between p, which is about to start, and the peers that run. Sends those
 * their ends; returns p's ends, at most max, in ends (the caller closes them). Returns how many, or
 * -1. */
int links_make(struct process *p, struct link_end *ends, int max, struct fail *f);

/* How many vaults are wanted. */
unsigned links_vaults(const struct world *w);
/* There were `before` vaults and now are fewer: those who asked one that goes are linked to one
 * that stays. */
void links_share_out(struct world *w, unsigned before);

/* asks has told that the link of that name has ended at its end: the pair is made anew if the
 * process it led to runs, and the last one is a second old at least. Otherwise nothing happens: a
 * process that starts brings its links, and asks tells again. Any name may come. */
void links_lost(struct process *asks, const char *name);

#endif
