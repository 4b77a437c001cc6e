#ifndef QM_SMTPD_CMD_H
#define QM_SMTPD_CMD_H

#include "address.h"
#include "esmtp.h"
#include "session.h"
#include "verb.h"

/* One function a verb, each in a file of its own. Each replies, and changes the step if something
 * else than the next command comes now. The line has been checked as far as the table in command.c
 * says; its spans are valid during the call. */

void cmd_ehlo(struct session *s, const struct verb_line *line);
void cmd_helo(struct session *s, const struct verb_line *line);
void cmd_mail(struct session *s, const struct verb_line *line);
void cmd_rcpt(struct session *s, const struct verb_line *line);
/* A recipient that nothing speaks against any more: into the envelope, and 250. */
void cmd_rcpt_take(struct session *s, const struct address *a, const struct esmtp_rcpt *rcpt);
void cmd_data(struct session *s, const struct verb_line *line);
void cmd_rset(struct session *s, const struct verb_line *line);
void cmd_noop(struct session *s, const struct verb_line *line);
void cmd_quit(struct session *s, const struct verb_line *line);
void cmd_vrfy(struct session *s, const struct verb_line *line); /* and EXPN */
void cmd_help(struct session *s, const struct verb_line *line);
void cmd_starttls(struct session *s, const struct verb_line *line);
void cmd_auth(struct session *s, const struct verb_line *line);

/* The client's answer to a challenge: takes one line off the front of *in. False when it is not
 * complete. */
bool auth_take(struct session *s, struct span *in);
/* The message: takes octets off the front of *in, up to its end at most. Always true. */
bool data_take(struct session *s, struct span *in);

#endif
