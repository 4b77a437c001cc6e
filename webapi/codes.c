#include "codes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name, *meaning;
} codes[CODES] = {
    [CODE_PROTOCOL] =
        {"protocol", "The request is not what it should be: its content type, the form, the field "
                     "request, or the JSON in it (syntax, an unknown field, a wrong type)."},
    [CODE_USER] = {"user", "Something in the request cannot be used, as the message says."},
    [CODE_SERVER] = {"server", "The server could not do it now; the same request may work later."},
    [CODE_ERROR] = {"error", "It cannot be done as things are, as the message says."},
    [CODE_BAD_ADDRESS] = {"badAddress", "An address is not one."},
    [CODE_MISSING_BODY] = {"missingBody", "Text and HTML are both empty."},
    [CODE_MULTIPLE_FROM] = {"multipleFrom", "More than one address in From."},
    [CODE_BAD_FROM] = {"badFrom", "The address in From is not one of the account's."},
    [CODE_DOMAIN_DISABLED] = {"domainDisabled",
                              "Nobody may send from the domain of From at present."},
    [CODE_NO_RECIPIENTS] = {"noRecipients", "To, CC and BCC are all empty."},
    [CODE_MESSAGE_LIMIT_REACHED] = {"messageLimitReached",
                                    "The account has sent as many messages as it may in a day."},
    [CODE_RECIPIENT_LIMIT_REACHED] =
        {"recipientLimitReached",
         "The account has written to as many new recipients as it may in a day."},
    [CODE_MESSAGE_TOO_LARGE] = {"messageTooLarge", "The message is larger than this server takes."},
    [CODE_MALFORMED_MESSAGE_ID] = {"malformedMessageID", "MessageID is not of the form <id>."},
    [CODE_SENT_OVER_QUOTA] =
        {"sentOverQuota", "The message was queued, but not stored: the account's mailbox is full."},
    [CODE_MESSAGE_NOT_FOUND] = {"messageNotFound", "There is no such message."},
    [CODE_PART_NOT_FOUND] = {"partNotFound", "The message has no such part."},
    [CODE_IDEMPOTENCY_CONFLICT] = {"idempotencyConflict",
                                   "The Idempotency-Key was used for another request; the status "
                                   "is 409."},
};

const char *code_name(enum code code)
{
    assert(code < CODES);
    return codes[code].name;
}

unsigned code_status(enum code code)
{
    assert(code < CODES);
    return code == CODE_IDEMPOTENCY_CONFLICT ? 409 : 400;
}

const char *code_meaning(enum code code)
{
    assert(code < CODES);
    return codes[code].meaning;
}

int refuse(struct refusal *r, enum code code, const char *fmt, ...)
{
    va_list ap;
    r->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(r->fail.text, sizeof r->fail.text, fmt, ap);
    va_end(ap);
    return -1;
}
