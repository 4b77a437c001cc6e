#ifndef QM_CALL_H
#define QM_CALL_H

#include "front.h"
#include "httprequest.h"
#include "methods.h"
#include "proto_submit.h"

/* A POST to a method, in steps:
 *
 *     admit         the credentials are there and well formed, and the client's network may try a
 * password authenticate  the vault says whose they are read          the form decode        the
 * field request, by the method's table run           the method: it answers or refuses, now or
 * later
 *
 * A client that leaves ends it at any step. */

struct call {
    struct webapi *webapi;
    struct front *front;
    struct visit *visit;
    struct httprequest *request;
    const struct method *method;
    struct refusal refusal; /* room for a sentence */

    /* For run. */
    char *login; /* the address that was logged in with, as the client wrote it */
    const struct conf_block *account;
    char *once_key; /* of Idempotency-Key, or "" */
    unsigned char once_digest[SUBMIT_DIGEST];
    void *parameters; /* the struct that the method's table fills */
    void *work;       /* the method's own; NULL again before it answers */
    void (*cancel)(
        struct call *c); /* ends work if the client leaves; called only when work is not NULL */

    /* Of call.c alone. */
    struct json_doc *doc;
    struct gate_entry gate;
    struct httpbasic *credentials; /* until they are with the vault */
    uint64_t asked;                /* the vault, 0 when it is not */
    int64_t begun_us;
};

/* Begins the call; the request is the call's from now on. */
void call_begin(struct httprequest *request, struct visit *visit, const struct method *method);

/* The call is over: 200 with this JSON, whose content is taken, and a line end behind it. */
void call_answer(struct call *c, struct buf *json);

/* The call is over: 200 with these octets, whose content is taken. */
void call_answer_octets(struct call *c, const char *type, struct buf *octets);
/* Likewise with the size octets of a memory file, which is taken. */
void call_answer_file(struct call *c, const char *type, int fd, uint64_t size);

/* The call is over: 400 (or what else code_status has) with code and sentence. */
void call_refuse(struct call *c, const struct refusal *why);

#endif
