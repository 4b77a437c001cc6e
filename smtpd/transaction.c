#include "transaction.h"

#include <string.h>

#include "handover.h"
#include "listed.h"
#include "mem.h"
#include "message.h"
#include "policy.h"

#define RECIPIENT_OCTETS_MAX 2048 /* more than address, id and ORCPT can have */

/* So that a thousand recipients are not compared with a thousand others. */
struct recipient_name {
    RB_ENTRY(recipient_name) entry;
    const char *address; /* the envelope's */
};

static int compare(struct recipient_name *a, struct recipient_name *b)
{
    return strcmp(a->address, b->address);
}

RB_GENERATE_STATIC(recipient_names, recipient_name, entry, compare)

static enum submit_origin origin_of(const struct session *s)
{
    if (s->port->kind == PORT_SMTP)
        return SUBMIT_SMTP;
    return s->port->kind == PORT_LOCAL ? SUBMIT_LOCAL : SUBMIT_SUBMISSION;
}

static void set_parameters(struct submit_envelope *e, const struct esmtp_mail *mail)
{
    if (mail->requiretls)
        e->flags |= SUBMIT_REQUIRE_TLS;
    if (mail->has_envid)
        submit_set(&e->envid, mail->envid);
    if (mail->ret != ESMTP_RET_NONE)
        submit_set(&e->ret, mail->ret == ESMTP_RET_FULL ? "FULL" : "HDRS");
    if (mail->has_hold_for) {
        e->not_before_ms = e->received_ms + (int64_t)mail->hold_for_s * 1000;
        e->flags |= SUBMIT_HOLD_FOR;
    }
    if (mail->has_hold_until)
        e->not_before_ms = mail->hold_until_s * 1000;
}

/* For a login whose recipients get ids: the queue makes them, unless the client wrote one itself.
 */
static void set_from_ids(struct session *s, struct transaction *t, const struct address *sender)
{
    struct span detail = policy_detail(s->settings, sender);
    if (detail.n > 0)
        t->from_id = span_dup(detail);
    t->envelope->flags |= SUBMIT_FROM_IDS;
}

void transaction_begin(struct session *s, const struct address *sender,
                       const struct esmtp_mail *mail)
{
    struct transaction *t = mem_zero(sizeof *t);
    RB_INIT(&t->names);
    t->envelope = submit_envelope_new(origin_of(s));
    t->mail = *mail;
    set_parameters(t->envelope, mail);
    if (s->account != NULL)
        submit_set(&t->envelope->account, s->account);
    if (sender != NULL) {
        char *text = address_text(sender);
        submit_set(&t->envelope->sender, text);
        mem_free(&text);
    }
    if (sender != NULL && s->account != NULL &&
        policy_wants_from_id(s->settings, s->account, s->login))
        set_from_ids(s, t, sender);
    s->transaction = t;
}

static void set_orcpt(struct submit_recipient *r, const struct esmtp_rcpt *rcpt)
{
    if (!rcpt->has_orcpt)
        return;
    char *text = mem_format("%s;%s", rcpt->orcpt_type, rcpt->orcpt);
    submit_set(&r->orcpt, text);
    mem_free(&text);
}

/* As proto_submit.c puts it, about. */
static size_t octets_of(const struct submit_recipient *r)
{
    return strlen(r->address) + strlen(r->from_id) + strlen(r->orcpt) + 16;
}

static void account_for(struct session *s, const struct submit_recipient *r)
{
    struct transaction *t = s->transaction;
    size_t octets = octets_of(r), held = octets + sizeof *r + sizeof(struct recipient_name);
    t->octets += octets;
    t->held += held;
    server_hold(s->server, (int64_t)held);
}

bool transaction_has_place(const struct session *s)
{
    return s->transaction->octets + RECIPIENT_OCTETS_MAX <= TRANSACTION_OCTETS_MAX;
}

bool transaction_has_memory(const struct session *s)
{
    return s->server->memory + RECIPIENT_OCTETS_MAX <= s->settings->memory;
}

void transaction_add(struct session *s, const struct address *recipient,
                     const struct esmtp_rcpt *rcpt)
{
    struct transaction *t = s->transaction;
    char *text = address_text(recipient);
    struct recipient_name wanted = {.address = text};
    if (RB_FIND(recipient_names, &t->names, &wanted) == NULL) {
        struct submit_recipient *r = submit_add_recipient(t->envelope, text);
        struct recipient_name *name = mem_zero(sizeof *name);
        r->notify = (uint8_t)rcpt->notify;
        set_orcpt(r, rcpt);
        submit_set(&r->from_id, t->from_id);
        name->address = r->address;
        (void)RB_INSERT(recipient_names, &t->names, name);
        account_for(s, r);
        address_clear(&t->only);
        if (t->envelope->recipients_n == 1)
            address_copy(&t->only, recipient);
    }
    mem_free(&text);
}

static void forget_names(struct transaction *t)
{
    struct recipient_name *name, *next;
    for (name = RB_MIN(recipient_names, &t->names); name != NULL; name = next) {
        next = RB_NEXT(recipient_names, &t->names, name);
        (void)RB_REMOVE(recipient_names, &t->names, name);
        mem_free(&name);
    }
}

void transaction_end(struct session *s)
{
    struct transaction *t = s->transaction;
    s->transaction = NULL;
    if (t == NULL)
        return;
    listed_forget(&t->question);
    signer_cancel(&t->signing);
    handover_forget(&t->handover);
    message_free(&t->message);
    forget_names(t);
    address_clear(&t->only);
    mem_free(&t->from_id);
    mem_free(&t->simulate_for);
    if (t->slow != NULL)
        event_free(t->slow);
    submit_envelope_free(&t->envelope);
    server_hold(s->server, -(int64_t)t->held);
    mem_free(&t);
}
