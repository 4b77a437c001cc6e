#include "trace.h"

#include <stdio.h>
#include <time.h>

#include "clock.h"
#include "maildate.h"
#include "received.h"
#include "transaction.h"

static int zone_min(int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    return localtime_r(&seconds, &tm) == NULL ? 0 : (int)(tm.tm_gmtoff / 60);
}

static struct received describe(const struct session *s, int64_t ms)
{
    bool local = s->port->kind == PORT_LOCAL;
    return (struct received){
        .ehlo = local ? NULL : s->name,
        .client_ip = local ? NULL : s->address,
        .by = s->settings->hostname,
        .via = local         ? RECEIVED_LOCAL
               : s->extended ? RECEIVED_ESMTP
                             : RECEIVED_SMTP,
        .tls = s->tls_version != NULL,
        .authenticated = s->account != NULL,
        .smtputf8 = s->transaction->mail.smtputf8,
        .requiretls = s->transaction->mail.requiretls,
        .tls_version = s->tls_version,
        .tls_cipher = s->tls_cipher,
        .recipient = s->transaction->only.local == NULL ? NULL : &s->transaction->only,
        .date_ms = ms,
        .zone_min = zone_min(ms),
    };
}

void trace_received(const struct session *s, struct buf *out)
{
    struct received r = describe(s, clock_wall_ms());
    char id[SESSION_ID_SIZE + 16];
    (void)snprintf(id, sizeof id, "%s.%u", s->id, s->transactions + 1);
    r.id = id;
    received_write(out, &r);
}

void trace_message_id(const char *id, struct buf *out)
{
    buf_putf(out, "Message-ID: %s\r\n", id);
}

void trace_date(struct buf *out)
{
    int64_t now = clock_wall_ms();
    buf_puts(out, "Date: ");
    maildate_write(out, now, zone_min(now));
    buf_puts(out, "\r\n");
}

void trace_client(const struct session *s, struct buf *out)
{
    struct received r = describe(s, 0);
    buf_putf(out, "%s %s", s->address, received_protocol(&r));
    if (r.ehlo != NULL) {
        buf_putc(out, ' ');
        received_put_name(out, r.ehlo);
    }
}
