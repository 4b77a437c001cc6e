#include "answer.h"
#include "cmd.h"

/* "VRFY" SP String, "EXPN" SP String   (RFC 5321 sections 4.1.1.6, 4.1.1.7)
 *
 * Neither tells who has an address here: sending a message does (section 7.3). */

void cmd_vrfy(struct session *s, const struct verb_line *line)
{
    (void)line;
    answer(s, 252, "2.0.0", "not verified; send a message and see");
}
