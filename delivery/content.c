#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "hostlimits.h"
#include "log.h"
#include "mem.h"
#include "session_impl.h"
#include "sevenbit.h"

/* The octets of the message on their way: read in pieces, converted for a server without 8BITMIME,
 * and sent behind DATA (RFC 5321) or in chunks (RFC 3030). */

#define PIECE 65536     /* of the message at a time */
#define LOOK (1u << 20) /* of it in one turn of the loop, while it is looked at */

/* ---- what is left out ---- */

#define SIGNATURE "DKIM-Signature:"

/* Octets of the field at the front, with the lines it goes on in; 0 when its end is not there. */
static size_t field_size(struct span s)
{
    size_t at = 0;
    do {
        ssize_t lf = span_find(span_of(s.p + at, s.n - at), '\n');
        if (lf < 0)
            return 0;
        at += (size_t)lf + 1;
    } while (at < s.n && (s.p[at] == ' ' || s.p[at] == '\t'));
    return at < s.n ? at : 0;
}

/* Signatures at the very front were put there here. Those that a client sent along, which are no
 * business of ours, stand behind the trace field that every message gets. */
void content_settle_begin(const struct session *s, struct job *j)
{
    if (s->transport->dkim)
        return;
    unsigned char *front = mem_alloc(PIECE);
    ssize_t got = pread(j->body, front, PIECE, 0);
    struct span rest = span_of(front, got > 0 ? (size_t)got : 0);
    size_t n = 1;
    for (j->begins = 0; n > 0 && span_starts_nocase(rest, SIGNATURE); j->begins += n) {
        n = field_size(rest);
        rest = span_of(rest.p + n, rest.n - n);
    }
    mem_free(&front);
}

/* ---- what it takes to convert it ---- */

static bool is_to_convert(const struct session *s)
{
    return transaction_has(s, SUBMIT_EIGHT_BIT) && !s->ehlo.eightbitmime;
}

bool content_is_known(const struct session *s)
{
    return !is_to_convert(s) || s->t.job->seven != NULL || s->t.job->stuck != NULL;
}

bool content_is_stuck(const struct session *s)
{
    return is_to_convert(s) && s->t.job->stuck != NULL;
}

uint64_t content_size(const struct session *s)
{
    const struct job *j = s->t.job;
    return is_to_convert(s) && j->seven != NULL ? sevenbit_size(j->seven)
                                                : j->order->size - j->begins;
}

/* The next octets of the message; how many, 0 at its end, or -1 when it is not what it should be.
 */
static ssize_t read_piece(struct session *s, unsigned char *piece, size_t n)
{
    struct transaction *t = &s->t;
    ssize_t got = pread(t->job->body, piece, n, (off_t)t->at);
    if (got > 0)
        t->at += (uint64_t)got;
    return t->at > t->job->order->size || (got == 0 && t->at < t->job->order->size) ? -1 : got;
}

static void looked(struct session *s)
{
    struct job *j = s->t.job;
    struct fail f;
    j->seven = sevenbit_looked(&s->t.seven, &f);
    if (j->seven == NULL)
        j->stuck = mem_format("the server does not take 8BITMIME, and the message cannot be "
                              "converted: %s",
                              f.text);
    content_clear(s);
    session_enter(s, STEP_READY);
    transaction_go_on(s);
}

/* In the next turn of the loop, so that everything else has its own. */
static void look_on(struct session *s)
{
    const struct timeval now = {0, 0};
    (void)evtimer_add(s->t.turn, &now);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;
    unsigned char *piece = mem_alloc(PIECE);
    ssize_t got = 1;
    session_hold(s);
    for (size_t n = 0; n < LOOK && got > 0; n += (size_t)got) {
        got = read_piece(s, piece, PIECE);
        if (got > 0)
            sevenbit_feed(s->t.seven, span_of(piece, (size_t)got));
    }
    mem_free(&piece);
    if (got < 0)
        transaction_on_closed(s, "4.3.0", "the message cannot be read");
    else if (got == 0)
        looked(s);
    else
        look_on(s);
    session_release(s);
}

void content_look(struct session *s)
{
    struct transaction *t = &s->t;
    t->at = t->job->begins;
    t->seven = sevenbit_look();
    t->turn = evtimer_new(s->agent->base, on_look, s);
    assert(t->turn != NULL);
    session_enter(s, STEP_LOOK);
    look_on(s);
}

void content_clear(struct session *s)
{
    struct transaction *t = &s->t;
    sevenbit_free(&t->seven);
    buf_free(&t->chunk);
    if (t->turn != NULL)
        event_free(t->turn);
    t->turn = NULL;
}

/* ---- sending ---- */

static void to_output(void *arg, struct span run)
{
    struct session *s = arg;
    s->t.octets += run.n;
    buf_put_span(s->t.chunking ? &s->t.chunk : conn_output(s->conn), run);
}

static void to_encoder(void *arg, struct span run)
{
    data_encode(arg, run);
}

static void end_message(struct session *s)
{
    if (s->t.seven != NULL)
        sevenbit_end(&s->t.seven);
    data_encode_end(&s->t.encoder);
}

static void await_final(struct session *s)
{
    session_enter(s, STEP_DOT);
    conn_deadline(s->conn, s->transport->timeouts.final_ms);
    conn_flush(s->conn);
}

static bool are_answered(const struct transaction *t)
{
    return t->chunks_answered == t->chunks_sent;
}

static void put_chunk(struct session *s)
{
    struct transaction *t = &s->t;
    t->chunk_held = false;
    session_put(s, "BDAT %zu%s", t->chunk.n, t->chunk_last ? " LAST" : "");
    buf_put_span(conn_output(s->conn), buf_span(&t->chunk));
    buf_clear(&t->chunk);
    t->chunks_sent++;
    session_asks(s);
    if (t->chunk_last) {
        await_final(s);
        return;
    }
    conn_flush(s->conn);
    conn_ask_drained(s->conn);
}

/* What the last chunk is answered with must be an answer to that one: so there is none before it
 * that is not answered. */
static void send_chunk(struct session *s)
{
    struct transaction *t = &s->t;
    t->chunk_held = (t->chunk_last || !s->ehlo.pipelining) && !are_answered(t);
    if (!t->chunk_held && (t->chunk.n > 0 || t->chunk_last))
        put_chunk(s);
    else if (!t->chunk_held)
        conn_ask_drained(s->conn);
}

static void send_piece(struct session *s, bool last)
{
    if (last)
        end_message(s);
    s->t.chunk_last = last;
    if (s->t.chunking) {
        send_chunk(s);
    } else if (last) {
        await_final(s);
    } else {
        conn_flush(s->conn);
        conn_ask_drained(s->conn);
    }
}

void content_on_drained(struct session *s)
{
    struct transaction *t = &s->t;
    if (t->chunk_held || t->chunk_refused)
        return;
    if (transaction_give_time(s, s->transport->timeouts.block_ms) != 0)
        return;
    unsigned char *piece = mem_alloc(PIECE);
    ssize_t got = read_piece(s, piece, PIECE);
    if (got > 0 && t->seven != NULL)
        sevenbit_feed(t->seven, span_of(piece, (size_t)got));
    else if (got > 0)
        data_encode(&t->encoder, span_of(piece, (size_t)got));
    mem_free(&piece);
    /* Ending in the middle of a message, without its dot, makes the server throw it away. */
    if (got < 0)
        transaction_on_closed(s, "4.3.0", "the message cannot be read");
    else
        send_piece(s, t->at == t->job->order->size);
}

void content_begin(struct session *s)
{
    struct transaction *t = &s->t;
    t->at = t->job->begins;
    t->chunks_sent = t->chunks_answered = 0;
    t->chunk_held = t->chunk_refused = false;
    content_clear(s);
    if (t->chunking)
        data_encode_open_bare(&t->encoder, to_output, s);
    else
        data_encode_open(&t->encoder, to_output, s);
    if (is_to_convert(s))
        t->seven = sevenbit_convert(t->job->seven, to_encoder, &t->encoder);
    session_enter(s, STEP_BODY);
    if (!t->discard) {
        content_on_drained(s);
        return;
    }
    sevenbit_free(&t->seven);
    end_message(s);
    await_final(s);
}

/* ---- answers to chunks ---- */

bool content_is_unknown(struct session *s, const struct reply *r)
{
    if (!s->t.chunking || s->t.chunks_sent != 1 || (r->code != 500 && r->code != 502))
        return false;
    hostlimits_note_no_chunking(s->agent->limits, s->host, clock_mono_ms());
    log_warn(&s->log, "the server announces CHUNKING and does not know BDAT", LS("host", s->host));
    return true;
}

static void after_refusal(struct session *s)
{
    if (are_answered(&s->t))
        transaction_reset(s);
    else
        conn_deadline(s->conn, s->transport->timeouts.command_ms);
}

void content_on_reply(struct session *s, const struct reply *r)
{
    struct transaction *t = &s->t;
    if (are_answered(t)) {
        transaction_on_closed(s, "4.5.0", "the server speaks out of turn");
        return;
    }
    t->chunks_answered++;
    if (t->chunk_refused) {
        after_refusal(s);
    } else if (content_is_unknown(s, r)) {
        /* The message was read as commands. */
        transaction_put_off(s, r);
    } else if (!reply_is_ok(r->code)) {
        t->chunk_refused = true;
        transaction_refuse(s, r);
        after_refusal(s);
    } else if (t->chunk_held && are_answered(t)) {
        if (session_has_unread(s))
            transaction_on_closed(s, "4.5.0", "the server speaks out of turn");
        else if (transaction_give_time(s, s->transport->timeouts.block_ms) == 0)
            put_chunk(s);
    }
}
