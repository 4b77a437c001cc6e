#ifndef QM_TEST_DELIVERY_WORDS_H
#define QM_TEST_DELIVERY_WORDS_H

#include "lab.h"

/* What the tests of transactions say alike. */

#define PLAYS(plays) plays_run((plays), sizeof(plays) / sizeof(plays)[0])
/* Extensions without PIPELINING: a command waits for the answer to the one before. */
#define PLAIN "8BITMIME"
#define DELIVERED "delivered 250 2.0.0 dot [250 2.0.0 queued]"
#define R0 "1 EHLO us.test\n1 MAIL FROM:<from@us.test> SIZE=22\n1 RCPT TO:<r0@example.net>\n"
#define R1 "1 RCPT TO:<r1@example.net>\n"
#define R2 "1 RCPT TO:<r2@example.net>\n"
#define P0 "1 EHLO us.test\n1 MAIL FROM:<from@us.test>\n1 RCPT TO:<r0@example.net>\n"

#endif
