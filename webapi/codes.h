#ifndef QM_CODES_H
#define QM_CODES_H

#include "fail.h"

/* What a client reads in the field Code of an error. The spelling is a contract with every client
 * there is. */

enum code {
    CODE_PROTOCOL,
    CODE_USER,
    CODE_SERVER,
    CODE_ERROR,
    CODE_BAD_ADDRESS,
    CODE_MISSING_BODY,
    CODE_MULTIPLE_FROM,
    CODE_BAD_FROM,
    CODE_DOMAIN_DISABLED,
    CODE_NO_RECIPIENTS,
    CODE_MESSAGE_LIMIT_REACHED,
    CODE_RECIPIENT_LIMIT_REACHED,
    CODE_MESSAGE_TOO_LARGE,
    CODE_MALFORMED_MESSAGE_ID,
    CODE_SENT_OVER_QUOTA,
    CODE_MESSAGE_NOT_FOUND,
    CODE_PART_NOT_FOUND,
    CODE_IDEMPOTENCY_CONFLICT,
    CODES
};

/* "malformedMessageID". */
const char *code_name(enum code code);

/* The HTTP status that goes with it: 400, but for what clients of the contract do not know. */
unsigned code_status(enum code code);

/* When it is sent, in a sentence for people. */
const char *code_meaning(enum code code);

/* Why a call is refused. */
struct refusal {
    enum code code;
    struct fail fail; /* a sentence for the client */
};

/* Fills it. Always -1, so that a caller can `return refuse(r, ...)`. */
int refuse(struct refusal *r, enum code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
