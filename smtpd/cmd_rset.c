#include "answer.h"
#include "cmd.h"
#include "transaction.h"

/* "RSET"   (RFC 5321 section 4.1.1.5) */

void cmd_rset(struct session *s, const struct verb_line *line)
{
    (void)line;
    transaction_end(s);
    answer(s, 250, "2.0.0", "forgotten");
}
