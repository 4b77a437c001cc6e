#ifndef QM_SM_ENVELOPE_H
#define QM_SM_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"
#include "addrlist.h"
#include "fail.h"

/* The envelope: who sends, and to whom. */

struct sm_envelope {
    char *sender;      /* as MAIL has it between the angle brackets; "" for the null sender */
    char **recipients; /* likewise, each once, in the order they were given */
    size_t recipients_n;
    bool utf8; /* one of them needs SMTPUTF8 */
};

/* Reads a sender as -f has it: with or without angle brackets, with or without a domain. *null is
 * set, and *a all-zero, for "" and "<>". Returns 0 (address_clear), or -1 with a sentence. */
int sm_envelope_sender(const char *text, const char *default_domain, struct address *a, bool *null,
                       struct fail *f);

/* Appends the mailboxes of an operand, which is itself a list. Returns 0, or -1 with a sentence. */
int sm_envelope_operand(const char *text, const char *default_domain, struct addrlist *list,
                        struct fail *f);

/* Makes an envelope; sender NULL is the null sender. */
void sm_envelope_make(struct sm_envelope *e, const struct address *sender,
                      const struct addrlist *recipients);
void sm_envelope_clear(struct sm_envelope *e); /* frees what it holds; all-zero again */

#endif
