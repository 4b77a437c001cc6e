#include "outgoing.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>

#include "clock.h"
#include "file.h"
#include "header.h"
#include "mem.h"

struct outgoing {
    struct peers *peers;
    struct submit_envelope *envelope;
    struct buf trace, message, copy_head;
    bool copies;
    int copy;                   /* -1: none */
    struct signer_job *signing; /* NULL: no step of that kind is under way */
    uint64_t submitting;        /* 0: likewise */
    struct event *settle;       /* when it is over without anybody's answer */
    enum outgoing_result result;
    struct fail why;
    outgoing_on_settled *on_settled;
    void *arg;
};

static void free_outgoing(struct outgoing *o)
{
    submit_envelope_free(&o->envelope);
    buf_free(&o->trace);
    buf_free(&o->message);
    buf_free(&o->copy_head);
    file_close(&o->copy);
    event_free(o->settle);
    mem_free(&o);
}

static void settled(struct outgoing *o, enum outgoing_result result,
                    const struct submit_reply *reply, const char *why)
{
    o->on_settled(o->arg, result, reply, why);
    free_outgoing(o);
}

static void on_settle(evutil_socket_t fd, short what, void *arg)
{
    struct outgoing *o = arg;
    settled(o, o->result, NULL, o->why.text);
}

/* Nobody will answer any more: tells so from the loop. o->why says why. */
static void settle_soon(struct outgoing *o, enum outgoing_result result)
{
    const struct timeval now = {0, 0};
    o->result = result;
    (void)evtimer_add(o->settle, &now);
}

static void on_reply(void *arg, const struct submit_reply *reply)
{
    struct outgoing *o = arg;
    o->submitting = 0;
    if (reply == NULL)
        settled(o, OUTGOING_LOST, NULL, "qmgr went away before it answered");
    else if (reply->accepted)
        settled(o, OUTGOING_ACCEPTED, reply, NULL);
    else
        settled(o, OUTGOING_REFUSED, reply, reply->text);
}

int outgoing_take_copy(struct outgoing *o)
{
    int fd = o->copy;
    o->copy = -1;
    return fd;
}

static int write_file(struct outgoing *o, struct span head, struct span signatures)
{
    struct fail *f = &o->why;
    const struct span pieces[] = {head, signatures, buf_span(&o->message)};
    int fd = file_memory("message", f);
    for (size_t i = 0; fd >= 0 && i < sizeof pieces / sizeof pieces[0]; i++) {
        if (file_write_all(fd, pieces[i].p, pieces[i].n) != 0) {
            (void)fail_errno(f, "cannot write a memory file");
            file_close(&fd);
        }
    }
    if (fd >= 0 && file_seal(fd, f) != 0)
        file_close(&fd);
    return fd;
}

/* What is handed over is a descriptor of its own. */
static bool has_descriptor(int fd, struct fail *f)
{
    int spare = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (spare < 0)
        (void)fail_errno(f, "no descriptor left to hand a message over");
    bool found = spare >= 0;
    file_close(&spare);
    return found;
}

static void submit(struct outgoing *o, struct span signatures)
{
    struct ipc *qmgr = peers_qmgr(o->peers);
    if (qmgr == NULL) {
        (void)fail_set(&o->why, "qmgr is not there");
        settle_soon(o, OUTGOING_LOST);
        return;
    }
    int fd = write_file(o, buf_span(&o->trace), signatures);
    if (fd >= 0 && o->copies)
        o->copy = write_file(o, buf_span(&o->copy_head), signatures);
    buf_free(&o->message); /* the file is all that is needed from here on */
    if (fd < 0 || !has_descriptor(fd, &o->why)) {
        file_close(&fd);
        settle_soon(o, OUTGOING_FAILED);
        return;
    }
    o->submitting = submit_message(qmgr, o->envelope, fd, on_reply, o);
    file_close(&fd);
}

static void on_fields(void *arg, struct span fields, const char *why, bool never)
{
    struct outgoing *o = arg;
    o->signing = NULL;
    if (why == NULL)
        submit(o, fields);
    else
        settled(o, OUTGOING_UNSIGNED, NULL, why);
}

static void sign(struct outgoing *o, const char *domain)
{
    struct signer *signer = peers_signer(o->peers);
    struct span message = buf_span(&o->message);
    unsigned char digest[DKIM_DIGEST];
    if (!signer_has_key(signer, domain)) {
        submit(o, (struct span){0});
        return;
    }
    size_t header = header_end(message);
    struct dkim_body *body = dkim_body_new(signer_dkim(signer), DKIMCANON_RELAXED);
    dkim_body_update(body, span_of(message.p + header, message.n - header));
    dkim_body_final(body, digest);
    dkim_body_free(&body);
    o->signing = signer_sign(signer, domain, span_of(message.p, header), digest,
                             clock_wall_ms() / 1000, on_fields, o);
}

struct outgoing *outgoing_start(struct event_base *base, struct peers *peers,
                                struct submit_envelope *envelope, struct buf *message,
                                const char *domain, struct span trace, const struct span *copy_head,
                                outgoing_on_settled *on_settled, void *arg)
{
    struct outgoing *o = mem_zero(sizeof *o);
    *o = (struct outgoing){.peers = peers,
                           .envelope = envelope,
                           .message = *message,
                           .copies = copy_head != NULL,
                           .copy = -1,
                           .on_settled = on_settled,
                           .arg = arg};
    *message = (struct buf){0};
    buf_put_span(&o->trace, trace);
    if (copy_head != NULL)
        buf_put_span(&o->copy_head, *copy_head);
    o->settle = evtimer_new(base, on_settle, o);
    assert(o->settle != NULL);
    sign(o, domain);
    return o;
}

void outgoing_cancel(struct outgoing **op)
{
    struct outgoing *o = *op;
    *op = NULL;
    if (o == NULL)
        return;
    signer_cancel(&o->signing);
    if (o->submitting != 0)
        submit_forget(peers_qmgr(o->peers), o->submitting);
    free_outgoing(o);
}
