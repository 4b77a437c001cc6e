#include "answer.h"
#include "cmd.h"
#include "hello.h"

/* "HELO" SP Domain   (RFC 5321 section 4.1.1.1) */

void cmd_helo(struct session *s, const struct verb_line *line)
{
    if (hello_take(s, line, false) == 0)
        answer(s, 250, NULL, "%s", s->settings->hostname);
}
