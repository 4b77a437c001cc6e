#include "report.h"

#include <unistd.h>

#include "dsnread.h"
#include "log.h"
#include "proto_submit.h"
#include "qid.h"

static const enum deliver_action actions[] = {
    [DSNREAD_FAILED] = DELIVER_ACTION_FAILED,       [DSNREAD_DELAYED] = DELIVER_ACTION_DELAYED,
    [DSNREAD_DELIVERED] = DELIVER_ACTION_DELIVERED, [DSNREAD_RELAYED] = DELIVER_ACTION_RELAYED,
    [DSNREAD_EXPANDED] = DELIVER_ACTION_EXPANDED,
};

static void read_body(const struct job *j, struct buf *out)
{
    size_t want = j->order->size < REPORT_OCTETS_MAX ? (size_t)j->order->size : REPORT_OCTETS_MAX;
    unsigned char *room = buf_room(out, want);
    size_t got = 0;
    ssize_t n = 1;
    while (n > 0 && got < want) {
        n = pread(j->body, room + got, want - got, (off_t)got);
        got += n > 0 ? (size_t)n : 0;
    }
    buf_grew(out, got);
}

/* A notification in its proper form that cannot be used is one all the same; the text of a program
 * that writes none is only taken where it is clear. */
static void take(const struct dsnread *d, struct deliver_report *report)
{
    const struct dsnread_recipient *r = d->n == 1 ? &d->recipients[0] : NULL;
    if (r == NULL || r->action == DSNREAD_UNCLEAR) {
        report->said = d->kind == DSNREAD_REPORT ? DELIVER_SAID_UNCLEAR : DELIVER_SAID_NOTHING;
        return;
    }
    report->said = DELIVER_SAID_ACTION;
    report->action = actions[r->action];
    report->code = (uint16_t)r->code.code;
    submit_set(&report->enhanced, r->code.enhanced);
    submit_set(&report->final, r->final);
    submit_set(&report->original, r->original);
    submit_set(&report->reporter, d->reporting_mta);
    submit_set(&report->diagnostic, r->diagnostic);
}

void report_read(const struct job *j, struct deliver_report *report)
{
    struct buf octets = {0};
    struct mimeread m;
    struct dsnread d;
    char id[QID_SIZE];
    *report = deliver_report_new();
    read_body(j, &octets);
    mimeread_parse(&m, buf_span(&octets), NULL);
    dsnread_parse(&d, &m, NULL);
    if (d.kind != DSNREAD_NONE)
        take(&d, report);
    log_info(NULL, "read what came back", LS("qid", qid_text(j->order->message, id)),
             LS("action", report->said == DELIVER_SAID_ACTION
                              ? dsnread_action_name(d.recipients[0].action)
                              : ""),
             LS("rcpt", report->final), LU("code", report->code), LS("dsn", report->enhanced));
    dsnread_clear(&d);
    mimeread_clear(&m);
    buf_free(&octets);
}
