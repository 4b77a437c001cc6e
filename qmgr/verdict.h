#ifndef QM_VERDICT_H
#define QM_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto_deliver.h"
#include "proto_suppress.h"

/* What the final failure of a delivery says about the address: nothing that would keep us from
 * trying again, something if it goes on, or that nothing will ever be taken there. Only a remote
 * host's word counts. The enhanced code goes first, where there is one; but what only counts by it
 * is at once where it is so by the code:
 *
 *     x.1.1 x.1.2 x.1.3 x.1.6 x.1.10 x.2.1   bad address    at once
 *     x.2.2, and 452 552                     full           when it goes on
 *     x.7.*, x.1.7 x.1.8, and 421 454 523 530 534 535 538   policy   never
 *     words about spam in the reply          spam           never
 *     x.2.3 x.3.4 x.5.* x.6.*                other          when it goes on: about this message
 *     4.4.*                                  other          never: about the connection
 *     521 550 551 553 556                    bad address    at once
 *     the rest                               other          when it goes on
 *
 * "At once" needs a permanent failure: attempts that ended with a temporary one only count. And
 * what was said before RCPT is about us or the host, unless that takes no mail at all (521, 556:
 * RFC 7504). */

enum verdict_when { VERDICT_NEVER, VERDICT_COUNT, VERDICT_NOW };

struct verdict {
    enum verdict_when when;
    enum suppress_class class;
};

/* Of the last attempt in the queue. */
struct verdict verdict_of_result(const struct deliver_result *last);
/* Of a DSN that says "failed". code: 0 when there is none, then it says nothing. */
struct verdict verdict_of_report(uint16_t code, const char *enhanced, const char *diagnostic);

#endif
