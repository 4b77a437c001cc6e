#ifndef QM_TEST_SMTPD_DIALOG_H
#define QM_TEST_SMTPD_DIALOG_H

#include "world.h"

/* What clients say in most tests. */

static struct world w;

static const char message[] =
    "Subject: hello\r\nFrom: <a@elsewhere.example>\r\n\r\n..stuffed\r\nbody\r\n.\r\n";

static inline void begin(struct client_end *c, enum port_kind kind)
{
    client_open(c, &w, kind);
    client_ask(c, "EHLO client.example", 250, NULL);
}

static inline void envelope(struct client_end *c)
{
    client_ask(c, "MAIL FROM:<a@elsewhere.example>", 250, NULL);
    client_ask(c, "RCPT TO:<qm@test.example>", 250, NULL);
}

static inline void send_one(struct client_end *c)
{
    envelope(c);
    client_ask(c, "DATA", 354, NULL);
    client_send(c, message);
}

static inline const char *body(size_t i)
{
    assert_true(i < w.arrived_n);
    return buf_text(&w.arrived[i].body);
}
#define TEST(name) cmocka_unit_test(name)

#endif
