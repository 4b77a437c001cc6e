#ifndef QM_REFUSAL_H
#define QM_REFUSAL_H

#include <stdbool.h>

/* Whether a refusal is a matter of policy: of where we come from, or what a server thinks of it,
 * and not of the recipient. Over an address of the other family we come from elsewhere, and may be
 * welcome.
 *
 * code and reply are the server's (the lines of reply separated by LF, each with its code), stage
 * as in struct session_failure. So is a 5xx reply with the enhanced code 5.7.z. One with another
 * that says something (5.1.1) is not, whatever its words. Where there is none, or 5.0.0: 554 and
 * 571 are; so is 550 to EHLO and to MAIL, when no recipient has been named; and else whatever
 * speaks of blocklists, reverse names and the like. */
bool refusal_is_policy(int code, const char *stage, const char *reply);

#endif
