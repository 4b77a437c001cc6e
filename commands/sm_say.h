#ifndef QM_SM_SAY_H
#define QM_SM_SAY_H

#include "buf.h"

/* Writes each line of text to standard error with mark and a space before it. Control characters,
 * and octets that are not UTF-8, are shown as \xNN: they may be a stranger's. */
void sm_say(const char *mark, struct span text);

#endif
