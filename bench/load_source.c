#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "conn.h"
#include "mem.h"

/* The sending side: connections that go through the steps of a transaction. */

#define INPUT_MAX (64 * 1024)
#define PATIENCE_MS 120000
/* Of many connections at once some may be lost while nobody takes them up, without a word to who
 * made them; those begin again. */
#define GREETING_PATIENCE_MS 60000

enum step { GREETING, EHLO, STARTTLS, READY, MAIL, RCPT, DATA, CONTENT, RSET, QUIT };

struct client {
    struct source *source;
    struct conn *conn;
    enum step step;
    bool secure, paced;
    long number;  /* the message's, -1 without one */
    int answers;  /* of recipients that are still to come */
    int accepted; /* recipients */
};

struct source {
    struct load *load;
    struct buf body;    /* what all messages end with, CR LF dot CR LF last */
    struct event *tick; /* begins messages at the rate that was asked for */
    struct client **clients;
    long begun, ended, opening; /* messages; connections on their way to a paced message */
    int greeted, opened;        /* idle ones */
    double due;                 /* messages that may have begun */
    int64_t ticked_us;
};

static void reach(struct source *s, struct client *c);

/* The first thing that went wrong is what a reader wants to know. */
static void note(struct load *l, const char *what, struct span said)
{
    if (l->said == NULL)
        l->said =
            mem_format("%s: %.*s", what, (int)(said.n < 200 ? said.n : 200), (const char *)said.p);
}

/* ---- a message ---- */

static void put_body(struct source *s)
{
    static const char line[] =
        "All of these lines are alike, and there are as many as it takes to fill it.\r\n";
    while (s->body.n < s->load->o.size)
        buf_put(&s->body, line, sizeof line - 1);
    buf_puts(&s->body, ".\r\n");
}

/* Domains take turns from recipient to recipient and from message to message. */
static void put_recipient(struct client *c, int i)
{
    const struct load_options *o = &c->source->load->o;
    buf_putf(conn_output(c->conn), "RCPT TO:<r%d@d%ld.%s>\r\n", i,
             (c->number * o->recipients + i) % o->domains, o->domain);
}

static void put_envelope(struct client *c)
{
    const struct load_options *o = &c->source->load->o;
    struct buf *out = conn_output(c->conn);
    buf_putf(out, "MAIL FROM:<%s>\r\n", o->sender);
    c->step = MAIL;
    if (!o->pipelining)
        return;
    for (int i = 0; i < o->recipients; i++)
        put_recipient(c, i);
    buf_puts(out, "DATA\r\n");
}

static void put_content(struct client *c)
{
    const struct source *s = c->source;
    struct buf *out = conn_output(c->conn);
    buf_putf(out,
             "From: <%s>\r\nTo: <r0@d0.%s>\r\nX-Load: %ld\r\nSubject: message %ld\r\n"
             "Message-ID: <%ld.%lld@load.test>\r\nDate: Fri, 27 Nov 2026 12:00:00 +0000\r\n\r\n",
             s->load->o.sender, s->load->o.domain, c->number, c->number, c->number,
             (long long)s->load->began_us);
    buf_put(out, s->body.p + s->body.head, s->body.n);
    c->step = CONTENT;
}

static bool may_begin(const struct source *s)
{
    const struct load_options *o = &s->load->o;
    return s->begun < o->messages && (o->rate == 0 || (double)s->begun < s->due);
}

/* Of those that are on their way one each will begin one. */
static bool may_open(const struct source *s)
{
    return s->begun + s->opening < s->load->o.messages && (double)(s->begun + s->opening) < s->due;
}

static void begin(struct client *c)
{
    struct source *s = c->source;
    c->number = s->begun++;
    s->opening -= c->paced;
    c->paced = false;
    c->accepted = 0;
    c->answers = s->load->o.recipients;
    /* Where a connection was made for it, the time that took counts. */
    if (s->load->sent_us[c->number] == 0)
        s->load->sent_us[c->number] = clock_mono_us();
    put_envelope(c);
}

static void end_message(struct client *c, bool taken)
{
    struct source *s = c->source;
    struct load *l = s->load;
    int64_t now = clock_mono_us();
    if (taken) {
        l->took_ms[l->taken++] = (double)(now - l->sent_us[c->number]) / 1000;
        l->taken_us = now;
    } else {
        l->refused++;
    }
    c->number = -1;
    if (++s->ended == l->o.messages)
        load_source_done(l);
}

/* ---- the steps ---- */

static void go_on(struct client *c)
{
    struct source *s = c->source;
    c->step = READY;
    if (s->load->o.idle) {
        conn_deadline(c->conn, 0);
        if (++s->greeted == s->load->o.connections) {
            (void)puts("ready");
            (void)fflush(stdout);
        }
        if (s->opened < s->load->o.connections)
            reach(s, s->clients[s->opened++]);
        return;
    }
    if (may_begin(s)) {
        begin(c);
    } else if (s->load->o.rate == 0 || s->begun == s->load->o.messages || !s->load->o.reuse) {
        conn_puts(c->conn, "QUIT\r\n");
        c->step = QUIT;
    }
}

static void start_tls(struct client *c)
{
    conn_start_tls(c->conn, load_tls_connect(c->source->load->tls));
}

/* A refusal within a message ends it; the connection may go on. */
static void refused(struct client *c, struct span line)
{
    note(c->source->load, "refused", line);
    if (c->number >= 0)
        end_message(c, false);
    conn_puts(c->conn, "RSET\r\n");
    c->step = RSET;
}

static void on_recipient(struct client *c, bool good, struct span line)
{
    const struct load_options *o = &c->source->load->o;
    if (good)
        c->accepted++;
    else
        note(c->source->load, "recipient refused", line);
    if (--c->answers == 0 && !o->pipelining) {
        buf_puts(conn_output(c->conn), "DATA\r\n");
        c->step = DATA;
    } else if (c->answers == 0) {
        c->step = DATA;
    } else if (!o->pipelining) {
        put_recipient(c, o->recipients - c->answers);
    }
}

static void on_mail(struct client *c)
{
    c->step = RCPT;
    if (!c->source->load->o.pipelining)
        put_recipient(c, 0);
}

static void on_content(struct client *c)
{
    end_message(c, true);
    if (c->source->load->o.reuse) {
        go_on(c);
    } else {
        conn_puts(c->conn, "QUIT\r\n");
        c->step = QUIT;
    }
}

static void on_reply(struct client *c, int code, struct span line)
{
    bool good = code < 400;
    if (c->step == RCPT) {
        on_recipient(c, good, line);
        return;
    }
    if (!good && c->step != QUIT) {
        refused(c, line);
        return;
    }
    switch (c->step) {
    case GREETING:
        conn_puts(c->conn, "EHLO load.test\r\n");
        c->step = EHLO;
        break;
    case EHLO:
        if (c->source->load->o.tls && !c->secure) {
            conn_puts(c->conn, "STARTTLS\r\n");
            c->step = STARTTLS;
        } else {
            go_on(c);
        }
        break;
    case STARTTLS:
        start_tls(c);
        break;
    case MAIL:
        on_mail(c);
        break;
    case DATA:
        put_content(c);
        break;
    case CONTENT:
        on_content(c);
        break;
    case RSET:
        go_on(c);
        break;
    case READY:
    case RCPT:
    case QUIT:
        break;
    }
}

/* ---- connections ---- */

static void on_input(struct conn *conn, void *arg)
{
    struct client *c = arg;
    for (;;) {
        struct span in = conn_input(conn);
        const unsigned char *end = memmem(in.p, in.n, "\r\n", 2);
        if (end == NULL || end - in.p < 3)
            break;
        struct span line = span_of(in.p, (size_t)(end - in.p));
        bool last = line.n < 4 || line.p[3] == ' ';
        if (last)
            on_reply(c, (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + line.p[2] - '0', line);
        conn_consume(conn, line.n + 2);
    }
    conn_flush(conn);
}

static void on_secure(struct conn *conn, void *arg)
{
    struct client *c = arg;
    c->secure = true;
    conn_puts(conn, "EHLO load.test\r\n");
    c->step = EHLO;
}

static void on_closed(struct conn *conn, void *arg, const char *why, bool timed_out)
{
    struct client *c = arg;
    struct source *s = c->source;
    if (c->step != QUIT)
        note(s->load, "connection lost", span_text(why));
    if (c->number >= 0)
        end_message(c, false);
    conn_free(&c->conn);
    s->opening -= c->paced;
    c->paced = false;
    if (s->load->o.rate == 0)
        reach(s, c);
}

/* Connects, if there is work for one more. */
static void reach(struct source *s, struct client *c)
{
    static const struct conn_handler handler = {
        .on_input = on_input, .on_secure = on_secure, .on_closed = on_closed};
    if (!s->load->o.idle && !may_begin(s))
        return;
    int fd = conn_connect(&s->load->o.to, (unsigned)s->load->o.to_len, NULL, 0);
    if (fd < 0) {
        perror("bench-load: connect");
        exit(71);
    }
    *c = (struct client){.source = s, .number = -1, .step = GREETING};
    c->conn = conn_new(s->load->base, fd, INPUT_MAX, &handler, c);
    conn_deadline(c->conn, s->load->o.idle ? GREETING_PATIENCE_MS : PATIENCE_MS);
}

/* The clients that have nothing to do, at the pace that was asked for. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct source *s = arg;
    int64_t now = clock_mono_us();
    s->due += (double)(now - s->ticked_us) / 1e6 * s->load->o.rate;
    s->ticked_us = now;
    for (int i = 0; i < s->load->o.connections && may_open(s); i++) {
        struct client *c = s->clients[i];
        if (c->conn == NULL) {
            s->load->sent_us[s->begun + s->opening] = now;
            reach(s, c);
            c->paced = true;
            s->opening++;
        }
        if (c->step == READY) {
            begin(c);
            conn_flush(c->conn);
        }
    }
}

void load_source_start(struct load *l)
{
    struct source *s = mem_zero(sizeof *s);
    s->load = l;
    put_body(s);
    l->began_us = s->ticked_us = clock_mono_us();
    s->clients = mem_array((size_t)l->o.connections, sizeof *s->clients);
    for (int i = 0; i < l->o.connections; i++) {
        s->clients[i] = mem_zero(sizeof **s->clients);
        if (l->o.idle ? i < l->o.at_once : l->o.rate == 0)
            reach(s, s->clients[i]);
    }
    s->opened = l->o.connections < l->o.at_once ? l->o.connections : l->o.at_once;
    if (l->o.rate > 0) {
        struct timeval each = {0, 1000};
        s->tick = event_new(l->base, -1, EV_PERSIST, on_tick, s);
        (void)event_add(s->tick, &each);
    }
}
