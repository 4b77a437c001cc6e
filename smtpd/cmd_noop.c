#include "answer.h"
#include "cmd.h"

/* "NOOP" [ SP String ]   (RFC 5321 section 4.1.1.9) */

void cmd_noop(struct session *s, const struct verb_line *line)
{
    (void)line;
    answer(s, 250, "2.0.0", "still here");
}
