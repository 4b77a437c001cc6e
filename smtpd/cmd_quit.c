#include "answer.h"
#include "cmd.h"

/* "QUIT"   (RFC 5321 section 4.1.1.10) */

void cmd_quit(struct session *s, const struct verb_line *line)
{
    (void)line;
    answer_last(s, 221, "2.0.0", "bye");
}
