#include "answer.h"
#include "cmd.h"

/* "HELP" [ SP String ]   (RFC 5321 section 4.1.1.8) */

void cmd_help(struct session *s, const struct verb_line *line)
{
    (void)line;
    answer(s, 214, "2.0.0",
           "Quartermaster takes these commands:\n"
           "EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY EXPN HELP STARTTLS AUTH\n"
           "as RFC 5321 and its extensions have them");
}
