#ifndef QM_SMTPD_ANSWER_H
#define QM_SMTPD_ANSWER_H

#include "path.h"
#include "session.h"

/* Replies. Each is written to the connection's output, which session_run sends. */

/* A reply: code, enhanced code (NULL in replies that have none) and a text, printf-like; several
 * lines are separated by LF. */
void answer(struct session *s, int code, const char *enhanced, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Likewise, so much later; the next command waits for it. */
void answer_after(struct session *s, int64_t ms, int code, const char *enhanced, const char *fmt,
                  ...) __attribute__((format(printf, 5, 6)));

/* The reply to a command that is wrong, which counts as a mistake of the client: the next command
 * waits for the penalty; too many mistakes get 421 and the end of the connection instead. */
void answer_mistake(struct session *s, int code, const char *enhanced, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Likewise, with a refusal's code and text. */
void answer_refusal(struct session *s, const struct path_refusal *why);

/* One more mistake, without a penalty in time. True when it was one too many: 421 is written and
 * the connection closes. */
bool answer_enough(struct session *s);

/* A reply after which the connection closes. */
void answer_last(struct session *s, int code, const char *enhanced, const char *text);

#endif
