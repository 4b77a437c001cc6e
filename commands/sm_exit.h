#ifndef QM_SM_EXIT_H
#define QM_SM_EXIT_H

#include "enhanced.h"

/* How a program is told what became of its message: the codes of sysexits.h. Kept stable, for
 * people read them in the logs of cron. */

enum sm_stage { SM_STAGE_GREETING, SM_STAGE_MAIL, SM_STAGE_RCPT, SM_STAGE_DATA, SM_STAGES };

/* The exit code for a refusal, code 400..599, at that stage; EX_PROTOCOL for a reply that makes no
 * sense there. Never EX_OK. */
int sm_exit_refused(enum sm_stage stage, int code, struct enhanced enhanced);

/* The exit code for an errno with which connecting to the suite failed. */
int sm_exit_unreachable(int error);

#endif
