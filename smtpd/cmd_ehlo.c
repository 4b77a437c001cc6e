#include "cmd.h"
#include "hello.h"
#include "offer.h"

/* "EHLO" SP ( Domain / address-literal )   (RFC 5321 section 4.1.1.1)
 *
 * The name need not be true: many clients do not know theirs. */

void cmd_ehlo(struct session *s, const struct verb_line *line)
{
    struct ehlo e;
    if (hello_take(s, line, true) != 0)
        return;
    offer_fill(s, &e);
    ehlo_write(conn_output(s->conn), s->settings->hostname, &e);
}
