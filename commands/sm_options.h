#ifndef QM_SM_OPTIONS_H
#define QM_SM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "esmtp.h"
#include "fail.h"

/* The command line of sendmail and of the names it is also called by, as callers have written it
 * since the 1980s: sendmail(8) lists every option.
 *
 * Options end at the first operand or at "--", so that a recipient can never act as an option.
 * Flags stand together ("-ti"); a value is glued to its option or is the next word, whatever that
 * word looks like. An option that is not known is passed over with a warning, together with the
 * rest of its word: mail of a cron job is worth more than the purity of its command line. What is
 * known but not offered is refused, for to misread it would be worse. */

enum sm_mode {
    SM_MODE_SUBMIT,
    SM_MODE_LIST,    /* mailq, -bp */
    SM_MODE_ALIASES, /* newaliases, -bi, -I */
    SM_MODE_VERIFY,  /* -bv */
    SM_MODE_FLUSH,   /* -q */
    SM_MODE_HELP,    /* --help */
    SM_MODE_VERSION, /* --version */
};

enum sm_flush { SM_FLUSH_ALL, SM_FLUSH_ID, SM_FLUSH_RECIPIENT, SM_FLUSH_SENDER };

/* Texts point into argv. */
struct sm_options {
    const char *program; /* the name it was called by, without folders */
    enum sm_mode mode;
    bool rmail;          /* called as rmail: the sender is in the message's first line */
    bool from_header;    /* -t */
    bool ignore_dots;    /* -i */
    bool gateway;        /* -G: the header stays as it is */
    bool quiet;          /* -oeq */
    bool verbose;        /* -v */
    bool json;           /* -j */
    const char *sender;  /* -f, -r; NULL when not given */
    const char *name;    /* -F; NULL when not given */
    const char *config;  /* -C; NULL when not given */
    enum sm_flush flush; /* -q */
    const char *flush_text;
    struct esmtp_mail mail; /* -B -R -V and -O requiretls, smtputf8, hold-until */
    struct esmtp_rcpt rcpt; /* -N */
    bool smtputf8_off;      /* -O smtputf8=no */
    char *const *operands;  /* the rest of argv */
    size_t operands_n;
    struct buf warnings; /* a line each */
    int refusal;         /* the exit code when the command line is refused */
};

/* Reads argv[0..argc), argv[0] being the program's name; argv must outlive *o. *o is written over
 * and to be cleared in any case. Returns 0, or -1 with a sentence: the exit code is o->refusal,
 * EX_UNAVAILABLE for a mode of operation that is not offered, else EX_USAGE. */
int sm_options_read(struct sm_options *o, int argc, char *const *argv, struct fail *f);

void sm_options_clear(struct sm_options *o); /* frees the warnings */

#endif
