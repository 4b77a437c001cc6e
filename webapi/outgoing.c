#include "outgoing.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>

#include "clock.h"
#include "file.h"
#include "header.h"
#include "mem.h"

#define TURN_OCTETS (512u << 10) /* of the message, before others have their turn */

struct outgoing {
    struct peers *peers;
    struct submit_envelope *envelope;
    struct composed message;
    char *domain;
    struct buf trace;
    uint64_t front;                /* octets before the message: signatures, and that */
    struct composed_reader reader; /* of what is hashed or written */
    struct buf piece;
    struct dkim_body *hash;     /* NULL: no step of that kind is under way */
    struct signer_job *signing; /* likewise */
    int fd;                     /* the memory file; -1: not yet */
    struct peers_turn at_qmgr;
    uint64_t submitting; /* 0: likewise */
    struct event *turn;
    void (*step)(struct outgoing *o); /* for the next turn */
    enum outgoing_result result;
    struct fail why;
    outgoing_on_settled *on_settled;
    void *arg;
};

static void free_outgoing(struct outgoing *o)
{
    peers_end_turn(o->peers, &o->at_qmgr);
    submit_envelope_free(&o->envelope);
    composed_close(&o->reader);
    composed_clear(&o->message);
    dkim_body_free(&o->hash);
    file_close(&o->fd);
    buf_free(&o->trace);
    buf_free(&o->piece);
    mem_free(&o->domain);
    event_free(o->turn);
    mem_free(&o);
}

static void settled(struct outgoing *o, enum outgoing_result result,
                    const struct submit_reply *reply, const char *why)
{
    o->on_settled(o->arg, result, reply, why);
    free_outgoing(o);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct outgoing *o = arg;
    o->step(o);
}

/* Others first. */
static void next_turn(struct outgoing *o, void (*step)(struct outgoing *o))
{
    const struct timeval now = {0, 0};
    o->step = step;
    (void)evtimer_add(o->turn, &now);
}

static void settle(struct outgoing *o)
{
    settled(o, o->result, NULL, o->result == OUTGOING_MADE ? NULL : o->why.text);
}

/* Nobody will answer any more: tells so from the loop. o->why says why. */
static void settle_soon(struct outgoing *o, enum outgoing_result result)
{
    o->result = result;
    next_turn(o, settle);
}

/* Has take work on what one turn may read of the message. Returns 1 when there may be more, 0 at
 * its end, -1 with o->why. */
static int read_turn(struct outgoing *o, int (*take)(struct outgoing *o, struct span piece))
{
    size_t n = 0;
    int rc = 1;
    while (rc > 0 && n < TURN_OCTETS) {
        buf_clear(&o->piece);
        rc = composed_next(&o->reader, &o->piece, &o->why);
        n += o->piece.n;
        if (rc > 0 && take(o, buf_span(&o->piece)) != 0)
            rc = -1;
    }
    if (rc <= 0) {
        composed_close(&o->reader);
        buf_free(&o->piece);
    }
    return rc;
}

/* ---- submit ---- */

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

static void hand_over(void *arg)
{
    struct outgoing *o = arg;
    struct ipc *qmgr = peers_qmgr(o->peers);
    if (qmgr == NULL) {
        (void)fail_set(&o->why, "qmgr is not there");
        settle_soon(o, OUTGOING_LOST);
    } else if (!has_descriptor(o->fd, &o->why)) {
        settle_soon(o, OUTGOING_FAILED);
    } else {
        o->submitting = submit_message(qmgr, o->envelope, o->fd, on_reply, o);
    }
}

static void submit(struct outgoing *o)
{
    composed_clear(&o->message); /* the file is all that is needed from here on */
    if (file_seal(o->fd, &o->why) != 0)
        settle_soon(o, OUTGOING_FAILED);
    else if (o->envelope == NULL)
        settle_soon(o, OUTGOING_MADE);
    else
        peers_ask_turn(o->peers, &o->at_qmgr, hand_over, o);
}

int outgoing_take_file(struct outgoing *o, uint64_t *front)
{
    int fd = o->fd;
    o->fd = -1;
    *front = o->front;
    return fd;
}

/* ---- write ---- */

static int put_piece(struct outgoing *o, struct span piece)
{
    if (file_write_all(o->fd, piece.p, piece.n) == 0)
        return 0;
    return fail_errno(&o->why, "cannot write a memory file");
}

static void write_on(struct outgoing *o)
{
    int rc = read_turn(o, put_piece);
    if (rc > 0)
        next_turn(o, write_on);
    else if (rc == 0)
        submit(o);
    else
        settle_soon(o, OUTGOING_FAILED);
}

static void begin_file(struct outgoing *o, struct span signatures)
{
    o->fd = file_memory("message", &o->why);
    o->front = signatures.n + o->trace.n;
    /* As smtpd has it: signatures of ours are the first thing in a message, or not there. */
    if (o->fd < 0 || put_piece(o, signatures) != 0 || put_piece(o, buf_span(&o->trace)) != 0) {
        settle_soon(o, OUTGOING_FAILED);
        return;
    }
    composed_open(&o->reader, &o->message, 0);
    write_on(o);
}

/* ---- hash, sign ---- */

static void on_fields(void *arg, struct span fields, const char *why, bool never)
{
    struct outgoing *o = arg;
    o->signing = NULL;
    if (why == NULL)
        begin_file(o, fields);
    else
        settled(o, OUTGOING_UNSIGNED, NULL, why);
}

static struct span header_of(const struct outgoing *o)
{
    struct span frame = buf_span(&o->message.frame);
    return span_of(frame.p, header_end(frame));
}

static int hash_piece(struct outgoing *o, struct span piece)
{
    dkim_body_update(o->hash, piece);
    return 0;
}

static void hash_on(struct outgoing *o)
{
    unsigned char digest[DKIM_DIGEST];
    int rc = read_turn(o, hash_piece);
    if (rc > 0) {
        next_turn(o, hash_on);
        return;
    }
    if (rc < 0) {
        settle_soon(o, OUTGOING_FAILED);
        return;
    }
    dkim_body_final(o->hash, digest);
    dkim_body_free(&o->hash);
    o->signing = signer_sign(peers_signer(o->peers), o->domain, header_of(o), digest,
                             clock_wall_ms() / 1000, on_fields, o);
}

static void begin(struct outgoing *o)
{
    struct signer *signer = peers_signer(o->peers);
    if (!signer_has_key(signer, o->domain)) {
        begin_file(o, (struct span){0});
        return;
    }
    o->hash = dkim_body_new(signer_dkim(signer), DKIMCANON_RELAXED);
    composed_open(&o->reader, &o->message, header_of(o).n);
    hash_on(o);
}

struct outgoing *outgoing_start(struct event_base *base, struct peers *peers,
                                struct submit_envelope *envelope, struct composed *message,
                                const char *domain, struct span trace,
                                outgoing_on_settled *on_settled, void *arg)
{
    struct outgoing *o = mem_zero(sizeof *o);
    *o = (struct outgoing){.peers = peers,
                           .envelope = envelope,
                           .message = *message,
                           .domain = mem_text(domain),
                           .fd = -1,
                           .on_settled = on_settled,
                           .arg = arg};
    *message = (struct composed){0};
    buf_put_span(&o->trace, trace);
    o->turn = evtimer_new(base, on_turn, o);
    assert(o->turn != NULL);
    begin(o);
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
