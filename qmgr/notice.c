#include "notice.h"

#include <string.h>

#include "dsn.h"
#include "log.h"
#include "mem.h"
#include "qid.h"

#define LINES_MAX 64 /* of one reply */

/* What NOTIFY must have for it, whether it is sent without NOTIFY, what the log says. */
static const struct {
    uint8_t notify;
    bool unasked;
    const char *log;
} kinds[] = {
    [DSN_FAILED] = {NOTIFY_FAILURE, true, "sender told of failure"},
    [DSN_DELAYED] = {NOTIFY_DELAY, true, "sender told of delay"},
    [DSN_DELIVERED] = {NOTIFY_SUCCESS, false, "sender told of delivery"},
    [DSN_RELAYED] = {NOTIFY_SUCCESS, false, "sender told of relaying"},
};

bool notice_is_wanted(const struct submit_envelope *e, const struct rcpt_row *r,
                      enum dsn_action action)
{
    if (e->sender[0] == '\0')
        return false;
    if (r->notify == 0)
        return kinds[action].unasked;
    return (r->notify & kinds[action].notify) != 0;
}

/* One recipient as the composer wants it, with what it points to. */
struct part {
    struct address address;
    struct span lines[LINES_MAX];
};

static size_t split_lines(const char *text, struct span *lines)
{
    size_t n = 0;
    while (*text != '\0' && n < LINES_MAX) {
        size_t length = strcspn(text, "\n");
        lines[n++] = span_of(text, length);
        text += length + (text[length] == '\n');
    }
    return n;
}

/* An address that came through our own parser once; should it not any more, the notice still has to
 * go out. */
static void read_address(const char *text, struct address *a)
{
    struct fail f;
    if (address_parse(span_text(text), a, &f) != 0) {
        log_error(NULL, "address in the queue does not parse", LS("address", text),
                  LS("why", f.text));
        (void)address_parse(span_text("unknown@invalid"), a, &f);
    }
}

static struct dsn_recipient describe(const struct notice *n, const struct rcpt_row *r,
                                     struct part *p)
{
    static const struct deliver_result none = {
        .reply = "", .error = "", .enhanced = "", .remote_host = "", .remote_address = ""};
    const struct deliver_result *last = r->results_n == 0 ? &none : &r->results[r->results_n - 1];
    size_t host_end = strlen(last->remote_address);
    const char *colon = strrchr(last->remote_address, ':');
    read_address(r->address, &p->address);
    struct dsn_recipient d = {.address = &p->address,
                              .original = span_text(r->orcpt),
                              .action = n->action,
                              .status = span_text(last->enhanced),
                              .reason = span_text(last->error),
                              .reply = p->lines,
                              .n_reply = split_lines(last->reply, p->lines),
                              .remote_host = span_text(last->remote_host),
                              .last_attempt_ms = last->start_ms,
                              .retry_until_ms = n->action == DSN_DELAYED ? n->retry_until_ms : 0};
    if (colon != NULL)
        host_end = (size_t)(colon - last->remote_address);
    d.remote_ip = span_of(last->remote_address, host_end);
    return d;
}

static struct span header_of(struct span head)
{
    for (size_t i = 0; i + 4 <= head.n; i++) {
        if (memcmp(head.p + i, "\r\n\r\n", 4) == 0)
            return span_of(head.p, i + 2);
    }
    return head;
}

/* RFC 3461 section 4.3: RET is of failures alone; without it only the header goes back, since the
 * body would make every bounce as large as its message. */
static bool returns_all(const struct ledger_message *m, const struct notice *n, struct span head)
{
    const struct submit_envelope *e = m->row.envelope;
    return n->action == DSN_FAILED && strcmp(e->ret, "FULL") == 0 &&
           (e->flags & SUBMIT_REQUIRE_TLS) == 0 && head.n == m->row.size;
}

static void compose(const struct settings *s, const struct ledger_message *m,
                    const struct notice *n, struct span head, struct dsn_message *out)
{
    const struct submit_envelope *e = m->row.envelope;
    struct address from, to;
    struct part *parts = mem_array(n->recipients_n, sizeof *parts);
    struct dsn_recipient *recipients = mem_array(n->recipients_n, sizeof *recipients);
    read_address(s->postmaster, &from);
    read_address(e->sender, &to);
    for (uint32_t i = 0; i < n->recipients_n; i++)
        recipients[i] = describe(n, n->recipients[i], &parts[i]);
    struct dsn dsn = {.hostname = s->hostname,
                      .from = &from,
                      .to = &to,
                      .recipients = recipients,
                      .n_recipients = n->recipients_n,
                      .header = header_of(head),
                      .message = returns_all(m, n, head) ? head : (struct span){0},
                      .envelope_id = span_text(e->envid),
                      .arrival_ms = e->received_ms,
                      .now_ms = n->now_ms,
                      .smtputf8 = (e->flags & SUBMIT_SMTPUTF8) != 0};
    dsn_compose(&dsn, out);
    for (uint32_t i = 0; i < n->recipients_n; i++)
        address_clear(&parts[i].address);
    address_clear(&from);
    address_clear(&to);
    mem_free(&parts);
    mem_free(&recipients);
}

uint64_t notice_stage(struct ledger *l, struct store_txn *t, const struct settings *s,
                      const struct ledger_message *m, const struct notice *n, struct span head,
                      char **to)
{
    struct dsn_message message = {0};
    char about[QID_SIZE], id_text[QID_SIZE];
    compose(s, m, n, head, &message);
    struct submit_envelope *e = submit_envelope_new(SUBMIT_DSN);
    e->flags =
        (message.has_8bit ? SUBMIT_EIGHT_BIT : 0) | (message.needs_smtputf8 ? SUBMIT_SMTPUTF8 : 0);
    e->received_ms = n->now_ms;
    submit_set(&e->message_id, message.message_id);
    submit_set(&e->subject, "Delivery status notification");
    (void)submit_add_recipient(e, m->row.envelope->sender);
    struct body_source body = {
        .type = SOURCE_OCTETS, .octets = buf_span(&message.message), .size = message.message.n};
    uint64_t id = ledger_stage(l, t, e, &body, NULL);
    *to = mem_text(m->row.envelope->sender);
    log_info(NULL, kinds[n->action].log, LS("qid", qid_text(m->id, about)),
             LS("dsn_qid", qid_text(id, id_text)), LS("to", *to), LU("rcpts", n->recipients_n));
    submit_envelope_free(&e);
    dsn_clear(&message);
    return id;
}
