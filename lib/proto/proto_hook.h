#ifndef QM_PROTO_HOOK_H
#define QM_PROTO_HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"

/* The hook protocol: qmgr has one webhook attempted, and hears how it went. */

struct hook_call {
    uint64_t id;
    uint32_t attempt; /* 1 for the first */
    bool incoming;    /* of mail that came; else of what became of mail that was sent */
    char *account, *url;
    char *authorization; /* the complete header value, or "" */
    struct span payload; /* JSON */
};

#define HOOK_RESPONSE_MAX 65536 /* octets; error is cut at PROTO_TEXT_MAX */

struct hook_result {
    bool success;
    uint16_t code;  /* HTTP status; 0 if there was no answer */
    char *error;    /* a sentence; "" on success */
    char *response; /* the beginning of the answer's body, as UTF-8 text */
    uint32_t duration_ms;
    uint32_t retry_after_s; /* what the endpoint asked for (429, 503), or 0 */
};

/* result is valid during the call; NULL when hooks went away: whether the endpoint heard is
 * unknown. */
typedef void hook_on_result(void *arg, const struct hook_result *result);

/* The side that asks: qmgr. */
void hook_ask(struct ipc *ch, const struct hook_call *call, hook_on_result *on_result, void *arg);

/* The side that answers: hooks. On 0 the call's texts are the caller's (hook_call_clear); the
 * payload points into the message and must be copied to be kept. */
int hook_read(struct ipc_message *m, struct hook_call *call, struct fail *f);
void hook_call_clear(struct hook_call *call);
void hook_answer(struct ipc *ch, uint64_t request, const struct hook_result *result);

#endif
