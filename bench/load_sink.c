#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/listener.h>

#include "ascii.h"
#include "conn.h"
#include "mem.h"

/* The receiving side: one object a connection. */

#define INPUT_MAX (256 * 1024)
#define HEAD_MAX 32768 /* where the number is */

struct peer {
    struct load *load;
    struct conn *conn;
    bool data;     /* within a message */
    bool at_start; /* nothing of the message was looked at so far */
    unsigned recipients;
    long number; /* the message's, -1 until it was seen */
};

static void answer(struct peer *p, struct span line)
{
    static const char ehlo[] = "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n";
    if (span_starts_nocase(line, "EHLO")) {
        buf_puts(conn_output(p->conn), ehlo);
    } else if (span_starts_nocase(line, "DATA")) {
        p->data = p->at_start = true;
        p->number = -1;
        buf_puts(conn_output(p->conn), "354 go on\r\n");
    } else if (span_starts_nocase(line, "QUIT")) {
        buf_puts(conn_output(p->conn), "221 bye\r\n");
        conn_finish(p->conn);
    } else {
        if (span_starts_nocase(line, "MAIL"))
            p->recipients = 0;
        else if (span_starts_nocase(line, "RCPT"))
            p->recipients++;
        buf_puts(conn_output(p->conn), "250 ok\r\n");
    }
}

/* The number stands near the top, behind the lines of trace. */
static void find_number(struct peer *p, struct span text)
{
    static const char name[] = "\nX-Load: ";
    const char *at = memmem(text.p, text.n, name, sizeof name - 1);
    if (at != NULL)
        p->number = strtol(at + sizeof name - 1, NULL, 10);
}

/* Returns false when more of the message has to come first. */
static bool take_data(struct peer *p)
{
    struct span in = conn_input(p->conn);
    const unsigned char *end = memmem(in.p, in.n, "\r\n.\r\n", 5);
    size_t n = end != NULL ? (size_t)(end - in.p) + 5 : in.n > 4 ? in.n - 4 : 0;
    if (p->number < 0)
        find_number(p, span_of(in.p, n));
    /* Mail that is not of the source has none. */
    bool may_come = p->number < 0 && end == NULL && in.n < HEAD_MAX;
    conn_consume(p->conn, may_come ? 0 : n);
    if (end == NULL)
        return false;
    p->data = false;
    load_sink_took(p->load, p->number, p->recipients);
    buf_puts(conn_output(p->conn), "250 taken\r\n");
    return true;
}

static bool take_line(struct peer *p)
{
    struct span in = conn_input(p->conn);
    const unsigned char *end = memmem(in.p, in.n, "\r\n", 2);
    if (end == NULL)
        return false;
    answer(p, span_of(in.p, (size_t)(end - in.p)));
    conn_consume(p->conn, (size_t)(end - in.p) + 2);
    return true;
}

static void on_input(struct conn *c, void *arg)
{
    struct peer *p = arg;
    while (p->data ? take_data(p) : take_line(p))
        ;
    conn_flush(c);
}

static void on_closed(struct conn *c, void *arg, const char *why, bool timed_out)
{
    struct peer *p = arg;
    conn_free(&p->conn);
    mem_free(&p);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                      int len, void *arg)
{
    static const struct conn_handler handler = {.on_input = on_input, .on_closed = on_closed};
    struct peer *p = mem_zero(sizeof *p);
    p->load = arg;
    p->conn = conn_new(p->load->base, fd, INPUT_MAX, &handler, p);
    conn_puts(p->conn, "220 sink.test ESMTP\r\n");
}

void load_sink_start(struct load *l)
{
    struct evconnlistener *listener = evconnlistener_new_bind(
        l->base, on_accept, l, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC,
        4096, (struct sockaddr *)&l->o.sink, l->o.sink_len);
    if (listener == NULL) {
        perror("bench-load: sink");
        exit(71);
    }
}
