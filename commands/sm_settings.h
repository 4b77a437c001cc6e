#ifndef QM_SM_SETTINGS_H
#define QM_SM_SETTINGS_H

#include "sm_options.h"

/* The options whose values have a language of their own. Each is the apply function of a row in
 * sm_options.c: takes the value into *o and returns 0. A value that is not in order is passed over
 * with a warning where the mail can go without it, else refused: -1 with a sentence. */

int sm_settings_body(struct sm_options *o, const char *value, struct fail *f);   /* -B */
int sm_settings_notify(struct sm_options *o, const char *value, struct fail *f); /* -N, RFC 3461 */
int sm_settings_ret(struct sm_options *o, const char *value, struct fail *f);    /* -R, RFC 3461 */
int sm_settings_envid(struct sm_options *o, const char *value, struct fail *f);  /* -V, RFC 3461 */
int sm_settings_long(struct sm_options *o, const char *value, struct fail *f);   /* -O name=value */

/* Adds a line to what the user is warned of. A format as of printf, no newline at its end; control
 * characters in what it makes are shown as "?". */
void sm_settings_warn(struct sm_options *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
