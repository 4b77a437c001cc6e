#ifndef QM_CTL_H
#define QM_CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "buf.h"
#include "conf.h"
#include "fail.h"

/* What the subcommands of qmctl share. */

struct ctl {
    const char *config_path;
    bool config_given; /* by -c: then no other suite is meant */
    struct conf *conf; /* NULL when it cannot be read: then only the standard places are known */
    char *run_dir;
    bool json;
    int unreached; /* exit code, when a socket could not be reached */
};

/* A subcommand gets its own words, argv[0] being its name. Returns an exit code of sysexits.h. */
typedef int ctl_run(struct ctl *c, int argc, char **argv);

struct ctl_command {
    const char *name, *arguments, *doc;
    ctl_run *run;
    void (*help)(FILE *out); /* NULL: name, arguments and doc say all there is */
};

ctl_run ctl_queue, ctl_retired, ctl_message, ctl_hook, ctl_hold, ctl_suppress, ctl_status,
    ctl_account, ctl_account_purge, ctl_config, ctl_reload, ctl_stop, ctl_clock;

/* What -h prints about commands that have more to say than a line. */
void ctl_queue_help(FILE *out);
void ctl_retired_help(FILE *out);
void ctl_message_help(FILE *out);
void ctl_suppress_help(FILE *out);
void ctl_account_help(FILE *out);
void ctl_hook_help(FILE *out);
void ctl_hold_help(FILE *out);

/* Prints all that is wrong with the configuration file to standard error. Returns whether it is no
 * good. */
bool ctl_config_errors(const struct ctl *c);
/* Says "qmctl: <sentence>" on standard error and returns code. */
int ctl_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The exit code for what a daemon answered, or that it did not; otherwise for all else. */
int ctl_code(const char *why, int otherwise);
/* Connected sockets; -1 after having said why. */
int ctl_admin(struct ctl *c);
int ctl_master(struct ctl *c);

/* Appends a stranger's text fit for a terminal: what is a control character, or no UTF-8, as '?'.
 */
void ctl_put_safe(struct buf *out, const char *text);

/* A table for people. Headings end with NULL; cells are given row by row. Printed to standard
 * output. */
struct ctl_table;
struct ctl_table *ctl_table_new(const char *const *headings);
/* A cell's text is copied, and shown as ctl_put_safe has it. */
void ctl_table_cell(struct ctl_table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints the rows that are there, so that a long list comes as it is read, and forgets them; the
 * headings with the first. Columns grow wider with what comes, and never narrower. */
void ctl_table_flush(struct ctl_table *t);
/* Prints what is left, and frees the table. */
void ctl_table_print(struct ctl_table **t);

/* "3h12m", "in 5m", "2026-11-27 16:30:05" in local time. size 32 is enough. */
const char *ctl_span_text(int64_t ms, char *out, size_t size);
const char *ctl_time_text(int64_t wall_ms, char *out, size_t size);
/* A queue id as people write it. 0, or an exit code after having said what is wrong. */
int ctl_id(const char *text, uint64_t *id);
/* Writes the buffer and a newline to standard output. */
void ctl_print(struct buf *b);

#endif
