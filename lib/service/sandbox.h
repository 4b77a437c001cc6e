#ifndef QM_SANDBOX_H
#define QM_SANDBOX_H

#include <stdbool.h>

#include "fail.h"

/* What a process gives up before it reads its first octet from anyone. */

enum sandbox_seccomp { SANDBOX_KILL, SANDBOX_ERRNO, SANDBOX_OFF };

/* As root: changes the root directory to root (and into it), drops supplementary groups, becomes
 * uid and gid for good. Not as root: only changes into root; the rest cannot be done, and is not.
 * In both cases sets no_new_privs, forbids core files of secrets (not dumpable) unless dumpable,
 * and asks to be killed with the parent. */
int sandbox_drop(int uid, int gid, const char *root, bool dumpable, struct fail *f);

/* Allows the system calls that every process of the suite needs and those named in extra
 * (NULL-terminated list of names; NULL for none); anything else kills the process (SANDBOX_KILL) or
 * fails with EPERM (SANDBOX_ERRNO). Cannot be taken back. A name the kernel's headers do not know
 * is an assertion. */
int sandbox_seccomp(enum sandbox_seccomp mode, const char *const *extra, struct fail *f);

#endif
