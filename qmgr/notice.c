#include "notice.h"

#include <string.h>

#include "dsn.h"
#include "log.h"
#include "mem.h"
#include "qid.h"
#include "retry.h"
#include "rfc3339.h"
#include "utf8.h"

#define LINES_MAX 64 /* of one reply */

/* What NOTIFY must have for it, whether it is sent without NOTIFY, what the log says. */
static const struct {
    uint8_t notify;
    bool unasked;
    const char *to_sender, *to_postmaster;
} kinds[] = {
    [DSN_FAILED] = {NOTIFY_FAILURE, true, "sender told of failure", "postmaster told of failure"},
    [DSN_DELAYED] = {NOTIFY_DELAY, true, "sender told of delay", "postmaster told of delay"},
    [DSN_DELIVERED] = {NOTIFY_SUCCESS, false, "sender told of delivery",
                       "postmaster told of delivery"},
    [DSN_RELAYED] = {NOTIFY_SUCCESS, false, "sender told of relaying",
                     "postmaster told of relaying"},
};

static bool has_sender(const struct submit_envelope *e)
{
    return e->sender[0] != '\0';
}

/* A notice that nobody takes is told to postmaster, if he wishes so; what he does not get himself
 * goes to nobody, or there would be no end of it. */
static bool is_double_bounce(const struct settings *s, const struct rcpt_row *r,
                             enum dsn_action action)
{
    return action == DSN_FAILED && s->double_bounces &&
           !span_is_nocase(span_text(r->address), s->postmaster);
}

bool notice_is_wanted(const struct settings *s, const struct submit_envelope *e,
                      const struct rcpt_row *r, enum dsn_action action)
{
    if (!has_sender(e) && !is_double_bounce(s, r, action))
        return false;
    if (r->notify == 0)
        return kinds[action].unasked;
    return (r->notify & kinds[action].notify) != 0;
}

bool notice_is_copied(const struct settings *s, const struct submit_envelope *e,
                      enum dsn_action action)
{
    return (s->postmaster_copies & 1u << action) != 0 && has_sender(e) &&
           !span_is_nocase(span_text(e->sender), s->postmaster);
}

static bool is_for_postmaster(const struct submit_envelope *e, const struct notice *n)
{
    return n->copy || !has_sender(e);
}

/* One recipient as the composer wants it, with what it points to. */
struct part {
    struct address address;
    struct span lines[LINES_MAX];
    char *reason, *host;
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

/* The last attempt may have been put off, had there been time for another: it is this that failed
 * (RFC 3463 section 3.5), and what the remote said stands beside it. */
static bool has_expired(const struct notice *n, const struct deliver_result *last)
{
    return n->action == DSN_FAILED && last->status == DELIVER_DEFERRED;
}

/* Between a server that the operator named and us there is trouble that only he can end: which one,
 * he reads here. */
static char *error_of(const struct settings *s, const struct deliver_result *last)
{
    const char *host;
    int port;
    if (last->error[0] == '\0' || !settings_server(s, last->transport, &host, &port))
        return mem_text(last->error);
    if (host[0] == '\0')
        return mem_format("over transport %s: %s", last->transport, last->error);
    return mem_format("over transport %s, %s:%d: %s", last->transport,
                      last->remote_host[0] == '\0' ? host : last->remote_host, port, last->error);
}

static char *reason_of(const struct settings *s, const struct notice *n, const struct rcpt_row *r,
                       const struct deliver_result *last)
{
    char *error = error_of(s, last);
    if (!has_expired(n, last))
        return error;
    char *reason =
        mem_format("time is up after %u attempt%s%s%s", r->attempts, r->attempts == 1 ? "" : "s",
                   error[0] == '\0' ? "" : "; the last one: ", error);
    mem_free(&error);
    return reason;
}

static struct span without_brackets(struct span s)
{
    return s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']' ? span_of(s.p + 1, s.n - 2) : s;
}

/* Name and address of the host; one that is known by its address alone is an address literal (RFC
 * 5321 section 4.1.3). */
static void describe_host(const struct deliver_result *last, struct dsn_recipient *d,
                          struct part *p)
{
    struct span host = span_text(last->remote_host), ip = span_text(last->remote_address);
    const char *colon = strrchr(last->remote_address, ':');
    if (colon != NULL)
        ip.n = (size_t)(colon - last->remote_address);
    ip = without_brackets(ip);
    struct span bare = without_brackets(host);
    if (span_starts_nocase(bare, "IPv6:"))
        bare = span_of(bare.p + 5, bare.n - 5);
    if (ip.n > 0 && span_equal(bare, ip)) {
        p->host = mem_format("[%s%.*s]", span_find(ip, ':') < 0 ? "" : "IPv6:", (int)ip.n, ip.p);
        d->remote_host = span_text(p->host);
    } else {
        d->remote_host = host;
        d->remote_ip = ip;
    }
}

/* When the last attempt was made; 0 when there was none. */
static int64_t tried_ms(const struct rcpt_row *r)
{
    for (uint32_t i = r->results_n; i > 0; i--) {
        if (deliver_was_tried(&r->results[i - 1]))
            return r->results[i - 1].start_ms;
    }
    return 0;
}

static struct dsn_recipient describe(const struct settings *s, const struct submit_envelope *e,
                                     const struct notice *n, const struct rcpt_row *r,
                                     struct part *p)
{
    static const struct deliver_result none = {.reply = "",
                                               .error = "",
                                               .enhanced = "",
                                               .remote_host = "",
                                               .remote_address = "",
                                               .transport = ""};
    const struct deliver_result *last = r->results_n == 0 ? &none : &r->results[r->results_n - 1];
    read_address(r->address, &p->address);
    p->reason = reason_of(s, n, r, last);
    struct dsn_recipient d = {.address = &p->address,
                              .original = span_text(r->orcpt),
                              .action = n->action,
                              .status = span_text(has_expired(n, last) ? "5.4.7" : last->enhanced),
                              .reason = span_text(p->reason),
                              .reply = p->lines,
                              .n_reply = split_lines(last->reply, p->lines),
                              .last_attempt_ms = tried_ms(r)};
    const struct settings_retry retry = settings_retry(s, last->transport);
    if (n->action == DSN_DELAYED)
        d.retry_until_ms = retry_until_ms(&retry, r->attempts, r->next_ms, retry_since_ms(e));
    describe_host(last, &d, p);
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

/* RFC 4865 section 5: as the client asked, for a while or until a time. */
static void put_future_release(struct buf *out, const struct submit_envelope *e)
{
    if (e->not_before_ms == 0)
        return;
    if ((e->flags & SUBMIT_HOLD_FOR) != 0) {
        buf_putf(out, "for;%lld", (long long)((e->not_before_ms - e->received_ms) / 1000));
        return;
    }
    buf_puts(out, "until;");
    rfc3339_format(out, e->not_before_ms);
}

/* RFC 3461 section 4.3: RET is of failures alone; without it only the header goes back, since the
 * body would make every bounce as large as its message. */
static bool returns_all(const struct ledger_message *m, const struct notice *n, struct span head)
{
    const struct submit_envelope *e = m->row.envelope;
    return n->action == DSN_FAILED && strcmp(e->ret, "FULL") == 0 && !is_for_postmaster(e, n) &&
           (e->flags & SUBMIT_REQUIRE_TLS) == 0 && head.n == m->row.size;
}

/* Whether there is something in it that only the forms of RFC 6533 can say as it is. */
static bool is_utf8(const struct submit_envelope *e, const struct notice *n)
{
    bool utf8 = (e->flags & SUBMIT_UTF8_HEADER) != 0 || !utf8_is_ascii(span_text(e->sender));
    for (uint32_t i = 0; i < n->recipients_n && !utf8; i++)
        utf8 = !utf8_is_ascii(span_text(n->recipients[i]->address));
    return utf8;
}

/* RFC 3464 section 2.2.4: who handed it over by SMTP, "192.0.2.1 ESMTPS client.example". */
static void describe_client(const struct submit_envelope *e, struct dsn *dsn)
{
    bool smtp = e->origin == SUBMIT_SMTP || e->origin == SUBMIT_SUBMISSION;
    const char *protocol = strchr(e->client, ' ');
    const char *name = protocol == NULL ? NULL : strchr(protocol + 1, ' ');
    if (!smtp || name == NULL)
        return;
    dsn->received_from = span_text(name + 1);
    dsn->received_ip = span_of(e->client, (size_t)(protocol - e->client));
}

static void compose(const struct settings *s, const struct ledger_message *m,
                    const struct notice *n, struct span head, const char *receiver,
                    struct dsn_message *out)
{
    const struct submit_envelope *e = m->row.envelope;
    struct address from, to;
    struct buf future = {0};
    struct part *parts = mem_array(n->recipients_n, sizeof *parts);
    struct dsn_recipient *recipients = mem_array(n->recipients_n, sizeof *recipients);
    read_address(s->postmaster, &from);
    read_address(receiver, &to);
    for (uint32_t i = 0; i < n->recipients_n; i++)
        recipients[i] = describe(s, e, n, n->recipients[i], &parts[i]);
    put_future_release(&future, e);
    struct dsn dsn = {.hostname = s->hostname,
                      .from = &from,
                      .to = &to,
                      .recipients = recipients,
                      .n_recipients = n->recipients_n,
                      .header = header_of(head),
                      .message = returns_all(m, n, head) ? head : (struct span){0},
                      .envelope_id = span_text(e->envid),
                      .future_release = buf_span(&future),
                      .arrival_ms = e->received_ms,
                      .now_ms = n->now_ms,
                      .sender = is_for_postmaster(e, n) ? e->sender : NULL,
                      .smtputf8 = is_utf8(e, n) && settings_mailbox(s, receiver) != NULL};
    describe_client(e, &dsn);
    dsn_compose(&dsn, out);
    for (uint32_t i = 0; i < n->recipients_n; i++) {
        address_clear(&parts[i].address);
        mem_free(&parts[i].reason);
        mem_free(&parts[i].host);
    }
    address_clear(&from);
    address_clear(&to);
    buf_free(&future);
    mem_free(&parts);
    mem_free(&recipients);
}

uint64_t notice_stage(struct ledger *l, struct store_txn *t, const struct settings *s,
                      const struct ledger_message *m, const struct notice *n, struct span head,
                      char **to)
{
    struct dsn_message message = {0};
    char about[QID_SIZE], id_text[QID_SIZE];
    const struct submit_envelope *original = m->row.envelope;
    bool for_postmaster = is_for_postmaster(original, n);
    *to = mem_text(for_postmaster ? s->postmaster : original->sender);
    compose(s, m, n, head, *to, &message);
    struct submit_envelope *e = submit_envelope_new(SUBMIT_DSN);
    e->flags = (message.has_8bit ? SUBMIT_EIGHT_BIT : 0) |
               (message.needs_smtputf8 ? SUBMIT_UTF8_HEADER : 0) |
               (original->flags & SUBMIT_REQUIRE_TLS);
    e->received_ms = n->now_ms;
    submit_set(&e->message_id, message.message_id);
    submit_set(&e->subject, "Delivery status notification");
    (void)submit_add_recipient(e, *to);
    struct body_source body = {
        .type = SOURCE_OCTETS, .octets = buf_span(&message.message), .size = message.message.n};
    bool held;
    uint64_t id = ledger_stage(l, t, e, &body, NULL, &held);
    log_info(NULL, for_postmaster ? kinds[n->action].to_postmaster : kinds[n->action].to_sender,
             LS("qid", qid_text(m->id, about)), LS("dsn_qid", qid_text(id, id_text)), LS("to", *to),
             LU("rcpts", n->recipients_n));
    if (held)
        mem_free(to);
    submit_envelope_free(&e);
    dsn_clear(&message);
    return id;
}
