#include "message.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "confaddr.h"
#include "data.h"
#include "file.h"
#include "header.h"
#include "headers.h"
#include "log.h"
#include "mem.h"
#include "msgid.h"
#include "policy.h"
#include "session.h"
#include "trace.h"
#include "transaction.h"

#define COPY_SIZE 65536

struct message {
    struct session *session;
    struct data_decoder decoder;
    int fd;               /* -1 before the header is complete, and when nothing is kept */
    uint64_t size;        /* octets in the file */
    uint64_t held;        /* octets it is accounted with */
    uint64_t header_held; /* those of them that are in header */
    int64_t until_ms;
    struct header_scan scan;
    struct buf header; /* as the client sent it, until its end; then with what it lacked */
    struct buf lead;   /* goes into the file before what comes next */
    bool header_taken;
    bool refused; /* nothing more is kept */
    struct path_refusal why;
    char *domain; /* that signs, or NULL */
    struct dkim_body *body_hash;
};

static void on_run(void *arg, struct span run);

struct message *message_new(struct session *s)
{
    struct message *m = mem_zero(sizeof *m);
    m->session = s;
    m->fd = -1;
    m->until_ms = clock_mono_ms() + s->settings->data_total;
    data_open(&m->decoder, on_run, m, s->settings->message_size);
    return m;
}

static void unhold(struct message *m, uint64_t n)
{
    server_hold(m->session->server, -(int64_t)n);
    m->held -= n;
}

static void drop_header(struct message *m)
{
    buf_free(&m->header);
    unhold(m, m->header_held);
    m->header_held = 0;
}

/* Gives back all it keeps. */
static void let_go(struct message *m)
{
    drop_header(m);
    buf_free(&m->lead);
    unhold(m, m->held);
    file_close(&m->fd);
    dkim_body_free(&m->body_hash);
}

void message_free(struct message **mp)
{
    struct message *m = *mp;
    *mp = NULL;
    if (m == NULL)
        return;
    let_go(m);
    mem_free(&m->domain);
    mem_free(&m);
}

static void refuse(struct message *m, const struct path_refusal *why)
{
    m->refused = true;
    m->why = *why;
    let_go(m);
}

static void refuse_for_now(struct message *m)
{
    struct path_refusal why;
    (void)path_refuse(&why, 452, "4.3.1", "no room for the message, try again later");
    refuse(m, &why);
}

/* ---- octets ---- */

static bool hold(struct message *m, size_t n)
{
    const struct server *sv = m->session->server;
    if (sv->memory + n > m->session->settings->memory) {
        log_warn(&m->session->log, "no memory left for messages", LU("octets", sv->memory));
        refuse_for_now(m);
        return false;
    }
    server_hold(m->session->server, (int64_t)n);
    m->held += n;
    return true;
}

static void put(struct message *m, struct span octets)
{
    if (file_write_both(m->fd, buf_span(&m->lead), octets) != 0) {
        log_error(&m->session->log, "cannot keep the message in memory");
        refuse_for_now(m);
        return;
    }
    m->size += m->lead.n + octets.n;
    buf_free(&m->lead);
}

static void keep(struct message *m, struct span octets)
{
    if (!m->refused && octets.n > 0 && hold(m, octets.n))
        put(m, octets);
}

/* ---- the header ---- */

static enum headers_source source_of(const struct session *s)
{
    if (s->port->kind == PORT_SMTP)
        return HEADERS_STRANGER;
    return s->port->kind == PORT_LOCAL ? HEADERS_LOCAL : HEADERS_ACCOUNT;
}

/* A program that hands its mail to sendmail(1) does not know of SMTPUTF8. */
static int judge_eight_bit(const struct message *m, const struct headers *h,
                           struct path_refusal *why)
{
    const struct session *s = m->session;
    if (!h->eight_bit || s->transaction->mail.smtputf8 || s->port->kind == PORT_LOCAL)
        return 0;
    return path_refuse(why, 550, "5.6.7", "a header that is not ASCII needs SMTPUTF8");
}

static int judge(struct message *m, const struct headers *h, struct path_refusal *why)
{
    const struct session *s = m->session;
    if (h->received > s->settings->received_hops)
        return path_refuse(why, 554, "5.4.6", "%zu hops: this message runs in a circle",
                           h->received);
    if (judge_eight_bit(m, h, why) != 0)
        return -1;
    return s->account == NULL ? 0 : policy_from(s->settings, s->account, &h->from, why);
}

static void fill_envelope(struct message *m, const struct headers *h)
{
    struct transaction *t = m->session->transaction;
    struct submit_envelope *e = t->envelope;
    submit_set(&e->message_id, h->message_id);
    submit_set(&e->subject, h->subject);
    if (h->eight_bit)
        e->flags |= SUBMIT_UTF8_HEADER;
    /* REQUIRETLS prevails (RFC 8689 section 5). */
    if (h->tls_optional && port_is_trusted(m->session->port) && !t->mail.requiretls)
        e->flags |= SUBMIT_TLS_OPTIONAL;
    for (size_t i = 0; i < h->extra_n; i++)
        submit_add_extra(e, h->extra[i].key, h->extra[i].value);
}

static void strip_extra(struct message *m, const struct headers *h)
{
    struct buf rest = {0};
    if (!m->session->settings->strip_extra || h->extra_n == 0)
        return;
    headers_put_without_extra(buf_span(&m->header), &rest);
    buf_free(&m->header);
    m->header = rest;
}

/* The domain in From, if it is one of ours that signs. */
static void choose_signer(struct message *m, const struct headers *h)
{
    const struct session *s = m->session;
    if (!port_is_trusted(s->port) || h->from.n == 0)
        return;
    const char *domain = h->from.items[0].address.domain;
    const struct conf_block *block = confaddr_domain(s->settings->conf, span_text(domain));
    if (block == NULL || conf_child(block, "dkim") == NULL)
        return;
    m->domain = mem_text(conf_label(block));
    m->body_hash = dkim_body_new(signer_dkim(s->server->signer), DKIMCANON_RELAXED);
}

/* What a message of our own users must have and this one lacks goes before its header. */
static void complete(struct message *m, const struct headers *h)
{
    const struct session *s = m->session;
    struct buf whole = {0}, id = {0};
    if (!port_is_trusted(s->port) || (h->has_message_id && h->has_date))
        return;
    if (!h->has_message_id) {
        msgid_generate(&id, s->settings->hostname);
        submit_set(&s->transaction->envelope->message_id, buf_text(&id));
        trace_message_id(buf_text(&id), &whole);
    }
    if (!h->has_date)
        trace_date(&whole);
    buf_put_span(&whole, buf_span(&m->header));
    buf_free(&m->header);
    buf_free(&id);
    m->header = whole;
}

static void begin_file(struct message *m)
{
    struct fail f = {{0}};
    m->fd = file_memory("message", &f);
    if (m->fd < 0) {
        log_error(&m->session->log, "cannot keep the message in memory", LS("why", f.text));
        refuse_for_now(m);
        return;
    }
    trace_received(m->session, &m->lead);
    buf_put_span(&m->lead, buf_span(&m->header));
    if (hold(m, m->lead.n) && m->domain == NULL)
        drop_header(m);
}

static void take_header(struct message *m)
{
    const struct session *s = m->session;
    struct headers h;
    struct path_refusal why;
    m->header_taken = true;
    if (headers_read(buf_span(&m->header), source_of(s), s->settings->mailname, &h, &why) != 0) {
        refuse(m, &why);
        return;
    }
    if (judge(m, &h, &why) == 0) {
        fill_envelope(m, &h);
        strip_extra(m, &h);
        choose_signer(m, &h);
        complete(m, &h);
        begin_file(m);
    } else {
        refuse(m, &why);
    }
    headers_clear(&h);
}

/* The part of run that belongs to the header. */
static size_t gather_header(struct message *m, struct span run)
{
    size_t n = header_scan(&m->scan, run);
    if (m->header.n + n > MESSAGE_HEADER_MAX) {
        struct path_refusal why;
        (void)path_refuse(&why, 552, "5.3.4", "header bigger than %d octets", MESSAGE_HEADER_MAX);
        refuse(m, &why);
        return run.n;
    }
    if (!hold(m, n))
        return run.n;
    m->header_held += n;
    buf_put(&m->header, run.p, n);
    return n;
}

static void on_run(void *arg, struct span run)
{
    struct message *m = arg;
    if (m->refused)
        return;
    if (!m->scan.done) {
        size_t n = gather_header(m, run);
        if (m->scan.done && !m->refused)
            take_header(m);
        run = span_of(run.p + n, run.n - n);
    }
    if (m->refused || run.n == 0)
        return;
    if (m->body_hash != NULL)
        dkim_body_update(m->body_hash, run);
    keep(m, run);
}

/* What is wrong with it as a whole. */
static int judge_octets(const struct message *m, struct path_refusal *why)
{
    const struct data_decoder *d = &m->decoder;
    const struct settings *settings = m->session->settings;
    if (d->refused != DATA_FINE)
        return path_refuse(why, 550, "5.6.0", "a line of the message ends in a bare %s",
                           d->refused == DATA_BARE_LF ? "LF" : "CR");
    if (d->over)
        return path_refuse(why, 552, "5.3.4", "message bigger than %llu octets",
                           (unsigned long long)settings->message_size);
    if (d->nul)
        return path_refuse(why, 550, "5.6.0", "the message has a NUL in it");
    /* Nothing that a program of this machine once mailed may be lost now for the length of its
     * lines; what a message may be as a whole bounds them. */
    if (m->session->port->kind != PORT_LOCAL && d->longest + 2 > settings->data_line)
        return path_refuse(why, 500, "5.6.0", "a line of the message is longer than %zu octets",
                           settings->data_line);
    return 0;
}

bool message_take(struct message *m, struct span *in)
{
    struct path_refusal why;
    bool ended = data_decode(&m->decoder, in);
    if (!m->refused && judge_octets(m, &why) != 0)
        refuse(m, &why);
    return ended;
}

int message_end(struct message *m, struct path_refusal *why)
{
    if (!m->refused && !m->header_taken)
        take_header(m); /* it had no body */
    if (!m->refused && m->lead.n > 0)
        put(m, span_of(NULL, 0));
    if (m->refused) {
        *why = m->why;
        return -1;
    }
    if (m->decoder.eight_bit)
        m->session->transaction->envelope->flags |= SUBMIT_EIGHT_BIT;
    return 0;
}

int64_t message_until_ms(const struct message *m)
{
    return m->until_ms;
}

/* ---- afterwards ---- */

const char *message_signed_by(const struct message *m)
{
    return m->domain;
}

struct span message_header(struct message *m)
{
    return buf_span(&m->header);
}

void message_body_hash(struct message *m, unsigned char digest[32])
{
    dkim_body_final(m->body_hash, digest);
    dkim_body_free(&m->body_hash);
}

static int copy(int from, int to, struct fail *f)
{
    unsigned char octets[COPY_SIZE];
    off_t at = 0;
    for (;;) {
        ssize_t got = pread(from, octets, sizeof octets, at);
        if (got < 0)
            return fail_errno(f, "cannot read the message back");
        if (got == 0)
            return 0;
        if (file_write_all(to, octets, (size_t)got) != 0)
            return fail_errno(f, "cannot copy the message");
        at += got;
    }
}

int message_prepend(struct message *m, struct span fields, struct fail *f)
{
    int fd = file_memory("message", f);
    if (fd < 0)
        return -1;
    int rc = file_write_all(fd, fields.p, fields.n) == 0
                 ? 0
                 : fail_errno(f, "cannot add to the message");
    if (rc == 0)
        rc = copy(m->fd, fd, f);
    if (rc != 0) {
        (void)close(fd);
        return -1;
    }
    file_close(&m->fd);
    m->fd = fd;
    m->size += fields.n;
    m->held += fields.n;
    server_hold(m->session->server, (int64_t)fields.n);
    return 0;
}

int message_seal(struct message *m, struct fail *f)
{
    drop_header(m);
    return file_seal(m->fd, f) == 0 ? m->fd : -1;
}

uint64_t message_size(const struct message *m)
{
    return m->size;
}

uint64_t message_unhold(struct message *m)
{
    uint64_t held = m->held;
    m->held = 0;
    return held;
}
