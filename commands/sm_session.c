#include "sm_session.h"

#include <string.h>
#include <sysexits.h>

#include "clock.h"
#include "data.h"
#include "ehlo.h"
#include "sm_exit.h"

/* Milliseconds that a part of the conversation may take as a whole. The server is on this machine;
 * these are for one that is busy with its disk. The last reply is waited for as long as RFC 5321
 * section 4.5.3.2.6 demands: whoever gives up earlier may cause the message to be sent twice. */
enum {
    ENVELOPE_MS = 300000,
    MESSAGE_MS = 300000,
    MESSAGE_MS_PER_MIB = 2000,
    END_MS = 600000,
    LEAVE_MS = 2000,
};

enum {
    PIECE = 65536,         /* octets of the message that are encoded at once */
    AT_ONCE = 500,         /* recipients that are told before their replies are read */
    COMPLAINTS_MAX = 65536 /* octets, then refusals are only counted */
};

struct session {
    struct sm_link *link;
    const struct sm_job *job;
    struct ehlo server;
    int64_t until; /* the present part of the conversation must be over by then */
    struct buf *complaints;
    size_t unsaid; /* refusals that are not in it */
    bool over;     /* nothing more can be said to the server */
    bool busy;     /* nothing is queued, and it may be another time soon */
    bool lost;     /* the last reply did not come: the message may be queued or not */
    int code;      /* to exit with; EX_OK as long as all is well */
};

static void begin_part(struct session *s, int64_t ms)
{
    s->until = clock_mono_ms() + ms;
}

/* The first permanent failure counts, else the first: a caller who is told of a temporary one tries
 * again, which is in vain when another is permanent. */
static void fail_with(struct session *s, int code)
{
    if (s->code == EX_OK || s->code == EX_TEMPFAIL)
        s->code = code;
}

/* The connection is of no more use. */
static int broken(struct session *s, const struct fail *f)
{
    buf_putf(s->complaints, "%s\n", f->text);
    fail_with(s, EX_TEMPFAIL);
    s->over = true;
    /* A server process that ended has a successor; one that is silent will be so again. */
    s->busy = !s->lost && clock_mono_ms() < s->until;
    return -1;
}

/* The last reply refuses something: what, and the server's words. */
static int refused(struct session *s, enum sm_stage stage, const char *what)
{
    const struct reply *r = &s->link->parser.reply;
    fail_with(s, sm_exit_refused(stage, r->code, r->enhanced));
    s->over = s->over || r->code == 421;
    if (s->complaints->n > COMPLAINTS_MAX) {
        s->unsaid++;
        return -1;
    }
    buf_putf(s->complaints, "%s: ", what);
    reply_text(s->complaints, r, " ");
    buf_putc(s->complaints, '\n');
    return -1;
}

/* Reads the reply to a command; what is how a refusal is introduced. */
static int expect(struct session *s, int class, enum sm_stage stage, const char *what)
{
    struct fail f;
    if (sm_link_reply(s->link, s->until, &f) != 0)
        return broken(s, &f);
    return s->link->parser.reply.code / 100 == class ? 0 : refused(s, stage, what);
}

static int greet(struct session *s)
{
    if (expect(s, 2, SM_STAGE_GREETING, "the mail system refuses") != 0) {
        s->busy = s->busy || s->link->parser.reply.code == 421;
        return -1;
    }
    sm_link_command(s->link, "EHLO %s", s->job->own_name);
    ehlo_clear(&s->server);
    s->link->parser.each = ehlo_each;
    s->link->parser.arg = &s->server;
    int rc = expect(s, 2, SM_STAGE_GREETING, "the mail system refuses");
    s->link->parser.each = NULL;
    return rc;
}

static int cannot(struct session *s, const char *why)
{
    buf_putf(s->complaints, "%s\n", why);
    fail_with(s, EX_UNAVAILABLE);
    return -1;
}

/* Fills in the parameters of MAIL. Refuses what the server would pass over or not take. */
static int choose_parameters(struct session *s, struct esmtp_mail *m)
{
    const struct sm_job *job = s->job;
    const struct ehlo *server = &s->server;
    *m = *job->mail;
    m->has_size = true;
    m->size = job->header.n + job->between.n + job->body.n;
    m->smtputf8 = (m->smtputf8 || job->envelope->utf8) && !job->smtputf8_off;
    if (job->eight_bit || m->smtputf8)
        m->body = ESMTP_BODY_8BITMIME;
    if (m->requiretls && !server->requiretls)
        return cannot(s, "the mail system does not offer REQUIRETLS");
    if (m->has_hold_until && !server->futurerelease)
        return cannot(s, "the mail system does not offer to hold messages");
    if (m->smtputf8 && !server->smtputf8)
        return cannot(s, "the mail system does not take addresses in UTF-8");
    if (server->rcptmax > 0 && job->envelope->recipients_n > server->rcptmax)
        return cannot(s, "there are more recipients than the mail system takes with one message");
    if (server->size && server->size_max > 0 && m->size > server->size_max)
        return cannot(s, "the message is larger than the mail system takes");
    return 0;
}

static void send_mail(struct session *s, const struct esmtp_mail *m)
{
    struct buf parameters = {0};
    esmtp_mail_write(&parameters, m, &s->server);
    sm_link_command(s->link, "MAIL FROM:<%s>%s", s->job->envelope->sender, buf_text(&parameters));
    buf_free(&parameters);
}

static int read_mail_reply(struct session *s)
{
    struct buf what = {0};
    const struct reply *r = &s->link->parser.reply;
    buf_putf(&what, "sender <%s>", s->job->envelope->sender);
    int rc = expect(s, 2, SM_STAGE_MAIL, buf_text(&what));
    /* X.3.X: the mail system's own trouble (RFC 3463 section 3.4), which has nothing to do with the
     * message. */
    if (rc != 0 && !s->over && r->code / 100 == 4 && r->enhanced.subject == 3)
        s->busy = true;
    buf_free(&what);
    return rc;
}

/* A refusal is only taken down, so that the user sees all of them. */
static void read_rcpt_reply(struct session *s, const char *recipient)
{
    struct buf what = {0};
    buf_putf(&what, "<%s>", recipient);
    (void)expect(s, 2, SM_STAGE_RCPT, buf_text(&what));
    buf_free(&what);
}

/* MAIL and all RCPTs, in groups where the server has PIPELINING (RFC 2920). */
static int send_envelope(struct session *s, const struct esmtp_mail *m)
{
    const struct sm_envelope *e = s->job->envelope;
    bool pipelining = s->server.pipelining;
    size_t group = pipelining ? AT_ONCE : 1;
    struct buf parameters = {0};
    esmtp_rcpt_write(&parameters, s->job->rcpt, &s->server);
    send_mail(s, m);
    int rc = pipelining ? 0 : read_mail_reply(s);
    for (size_t i = 0; rc == 0 && !s->over && i < e->recipients_n; i += group) {
        size_t end = i + group < e->recipients_n ? i + group : e->recipients_n;
        for (size_t k = i; k < end; k++)
            sm_link_command(s->link, "RCPT TO:<%s>%s", e->recipients[k], buf_text(&parameters));
        if (i == 0 && pipelining)
            rc = read_mail_reply(s);
        for (size_t k = i; rc == 0 && !s->over && k < end; k++)
            read_rcpt_reply(s, e->recipients[k]);
    }
    buf_free(&parameters);
    return s->code == EX_OK ? 0 : -1;
}

static void put_run(void *arg, struct span run)
{
    struct sm_link *l = arg;
    buf_put_span(&l->out, run);
}

/* Returns 0; 1 when the server has said something already; -1 when the connection is broken. */
static int send_part(struct session *s, struct data_encoder *e, struct span part)
{
    struct fail f;
    int rc = 0;
    while (part.n > 0 && rc == 0) {
        size_t n = part.n < PIECE ? part.n : PIECE;
        data_encode(e, span_of(part.p, n));
        part = span_of(part.p + n, part.n - n);
        rc = sm_link_flush(s->link, s->until, &f);
    }
    return rc < 0 ? broken(s, &f) : rc;
}

/* All of the message but its end. */
static int send_parts(struct session *s, struct data_encoder *e)
{
    const struct span parts[] = {s->job->header, s->job->between, s->job->body};
    int rc = 0;
    begin_part(s, MESSAGE_MS + (int64_t)(s->job->body.n >> 20) * MESSAGE_MS_PER_MIB);
    data_encode_open(e, put_run, s->link);
    for (size_t i = 0; rc == 0 && i < sizeof parts / sizeof parts[0]; i++)
        rc = send_part(s, e, parts[i]);
    if (rc > 0) { /* It gave up before the end, and says why. */
        s->over = true;
        return expect(s, 0, SM_STAGE_DATA, "the message is refused");
    }
    return rc;
}

static void send_message(struct session *s)
{
    const struct reply *r = &s->link->parser.reply;
    struct data_encoder e;
    struct fail f;
    sm_link_command(s->link, "DATA");
    if (expect(s, 3, SM_STAGE_DATA, "the message is refused") != 0 || send_parts(s, &e) != 0)
        return;
    data_encode_end(&e);
    begin_part(s, END_MS);
    if (sm_link_reply(s->link, s->until, &f) != 0) {
        s->lost = true;
        (void)broken(s, &f);
    } else if (!reply_is_ok(r->code)) {
        /* 4.3.0: the queue went away before it could answer; it may have the message. */
        s->lost = r->enhanced.class == 4 && r->enhanced.subject == 3 && r->enhanced.detail == 0;
        (void)refused(s, SM_STAGE_DATA, "the message is refused");
    }
}

/* The message is queued, or will not be: whether the server is still polite does not matter. There
 * may be replies that were not read, to commands that were sent together with one that failed. */
static void take_leave(struct session *s)
{
    struct fail f;
    if (s->code != EX_OK)
        sm_link_command(s->link, "RSET");
    sm_link_command(s->link, "QUIT");
    begin_part(s, LEAVE_MS);
    while (sm_link_reply(s->link, s->until, &f) == 0 && s->link->parser.reply.code != 221)
        continue;
}

int sm_session_run(struct sm_link *l, const struct sm_job *job, struct buf *complaints, bool *busy)
{
    struct session s = {.link = l, .job = job, .complaints = complaints};
    struct esmtp_mail mail;
    begin_part(&s, ENVELOPE_MS);
    if (greet(&s) == 0 && choose_parameters(&s, &mail) == 0 && send_envelope(&s, &mail) == 0)
        send_message(&s);
    if (!s.over)
        take_leave(&s);
    if (s.unsaid > 0)
        buf_putf(complaints, "and %zu more are refused\n", s.unsaid);
    if (s.code != EX_OK)
        buf_puts(complaints, s.lost ? "it is not known whether the message was queued\n"
                                    : "the message was not queued\n");
    *busy = s.busy;
    return s.code;
}
