#include "dsnstatus.h"

#include "ascii.h"
#include "fold.h"
#include "maildate.h"
#include "utf8.h"

enum { TYPE_SIZE = 42 }; /* of ORCPT, as long as it comes (ESMTP_ORCPT_TYPE_SIZE), with its ";" */

/* Whether the UTF-8 sequence at p is a character that can be shown: not of the controls
 * U+0080..U+009F, nor one that ends a line or turns its direction (U+2028..U+202E, U+2066..U+2069),
 * by which a text could pass for something else. */
static bool is_shown(const unsigned char *p, size_t n)
{
    bool control = n == 2 && p[0] == 0xc2 && p[1] < 0xa0;
    bool turns = n == 3 && p[0] == 0xe2 &&
                 ((p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
                  (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
    return n > 1 && !control && !turns;
}

void dsnstatus_escape(struct buf *out, struct span text, bool utf8)
{
    for (size_t i = 0; i < text.n;) {
        size_t n = utf8_sequence(text.p + i, text.n - i);
        int c = text.p[i];
        if (c == '\t')
            buf_putc(out, ' ');
        else if (c >= ' ' && c < 0x7f)
            buf_putc(out, c);
        else if (utf8 && is_shown(text.p + i, n))
            buf_put(out, text.p + i, n);
        else
            for (size_t k = 0; k < (n == 0 ? 1 : n); k++)
                buf_putf(out, "\\x%02X", text.p[i + k]);
        i += n == 0 ? 1 : n;
    }
}

/* As escaped, with what means something within a comment (RFC 5322 3.2.2) replaced. */
static void put_comment(struct fold *fold, struct span text, bool utf8)
{
    struct buf word = {0};
    buf_putc(&word, '(');
    dsnstatus_escape(&word, text, utf8);
    for (size_t i = 1; i < word.n; i++) {
        unsigned char *c = word.p + word.head + i;
        *c = *c == '(' ? '[' : *c == ')' ? ']' : *c == '\\' ? '/' : *c;
    }
    buf_putc(&word, ')');
    fold_text(fold, buf_span(&word));
    buf_free(&word);
}

static void put_text(struct fold *fold, struct span text, bool utf8)
{
    struct buf line = {0};
    dsnstatus_escape(&line, text, utf8);
    fold_text(fold, buf_span(&line));
    buf_free(&line);
}

static void put_field(struct buf *out, const char *name, const char *type, struct span value,
                      bool utf8)
{
    struct fold fold;
    if (value.n == 0)
        return;
    fold_begin(&fold, out, name, " ");
    fold_words(&fold, type);
    put_text(&fold, value, utf8);
    fold_end(&fold);
}

static void put_date(struct buf *out, const char *name, int64_t ms, int zone_min)
{
    if (ms == 0)
        return;
    buf_putf(out, "%s: ", name);
    maildate_write(out, ms, zone_min);
    buf_puts(out, "\r\n");
}

static unsigned code_point(const unsigned char *p, size_t n)
{
    unsigned c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

/* utf-8-addr-xtext of RFC 6533 3: ASCII whatever the address. */
static void put_addr_xtext(struct buf *out, struct span address)
{
    for (size_t i = 0; i < address.n;) {
        size_t n = utf8_sequence(address.p + i, address.n - i);
        int c = address.p[i];
        n = n == 0 ? 1 : n;
        if (c > ' ' && c < 0x7f && c != '+' && c != '=' && c != '\\')
            buf_putc(out, c);
        else
            buf_putf(out, "\\x{%02X}", code_point(address.p + i, n));
        i += n;
    }
}

static void put_address(struct buf *out, const char *name, const char *type, struct span address,
                        bool utf8)
{
    struct buf value = {0};
    if (!utf8 && span_is_nocase(span_text(type), "utf-8;") && !utf8_is_ascii(address))
        put_addr_xtext(&value, address);
    else
        buf_put_span(&value, address);
    put_field(out, name, type, buf_span(&value), utf8);
    buf_free(&value);
}

/* "type;address" of ORCPT. */
static void put_original(struct buf *out, struct span original, bool utf8)
{
    char type[TYPE_SIZE];
    ssize_t at = span_find(original, ';');
    if (at < 1 || span_copy(span_of(original.p, (size_t)at + 1), type, sizeof type) < 0) {
        put_field(out, "Original-Recipient", "unknown;", original, utf8);
        return;
    }
    for (char *c = type; c[1] != '\0'; c++) {
        if (!ascii_is_alnum((unsigned char)*c) && *c != '-')
            *c = '-';
    }
    put_address(out, "Original-Recipient", type,
                ascii_trim(span_of(original.p + at + 1, original.n - (size_t)at - 1)), utf8);
}

/* The last two numbers of a status code, if that is what it is (RFC 3463 2). */
static struct span detail_of(struct span status)
{
    uint64_t subject, detail;
    ssize_t dot = status.n < 5 ? -1 : span_find(span_of(status.p + 2, status.n - 2), '.');
    if (dot < 1 || dot > 3 || status.p[1] != '.')
        return span_text(".0.0");
    struct span last = span_of(status.p + 3 + dot, status.n - 3 - (size_t)dot);
    if (ascii_u64(span_of(status.p + 2, (size_t)dot), 999, &subject) < 0 || last.n > 3 ||
        ascii_u64(last, 999, &detail) < 0)
        return span_text(".0.0");
    return span_of(status.p + 1, status.n - 1);
}

static void put_status(struct buf *out, const struct dsn_recipient *r, bool utf8)
{
    static const char classes[] = {
        [DSN_FAILED] = '5',  [DSN_DELAYED] = '4',  [DSN_DELIVERED] = '2',
        [DSN_RELAYED] = '2', [DSN_EXPANDED] = '2',
    };
    struct fold fold;
    struct buf code = {0};
    buf_putc(&code, classes[r->action]);
    buf_put_span(&code, detail_of(r->status));
    fold_begin(&fold, out, "Status", " ");
    fold_word(&fold, buf_span(&code));
    if (r->reason.n > 0)
        put_comment(&fold, r->reason, utf8);
    fold_end(&fold);
    buf_free(&code);
}

bool dsnstatus_next_line(const struct dsn_recipient *r, struct dsnstatus_lines *at,
                         struct span *line)
{
    if (at->next >= r->n_reply || at->cut)
        return false;
    size_t room = DSN_REPLY_MAX - at->octets;
    *line = r->reply[at->next++];
    at->cut = line->n > room;
    if (at->cut) {
        while (room > 0 && (line->p[room] & 0xc0) == 0x80)
            room--;
        line->n = room;
    }
    at->octets += line->n;
    return line->n > 0 || !at->cut;
}

static void put_diagnostic(struct buf *out, const struct dsn_recipient *r, bool utf8)
{
    struct fold fold;
    struct dsnstatus_lines at = {0};
    struct span line;
    if (r->n_reply == 0)
        return;
    fold_begin(&fold, out, "Diagnostic-Code", " ");
    fold_words(&fold, "smtp;");
    while (dsnstatus_next_line(r, &at, &line))
        put_text(&fold, line, utf8);
    if (at.cut)
        fold_words(&fold, "[...]");
    fold_end(&fold);
}

/* The address is a comment, as the field has room for one name (RFC 3464 sections 2.2.4 and 2.3.5).
 */
static void put_host(struct buf *out, const char *field, struct span host, struct span ip,
                     bool utf8)
{
    struct fold fold;
    if (host.n == 0)
        return;
    fold_begin(&fold, out, field, " ");
    fold_words(&fold, "dns;");
    put_text(&fold, host, utf8);
    if (ip.n > 0)
        put_comment(&fold, ip, utf8);
    fold_end(&fold);
}

static void put_recipient(struct buf *out, const struct dsn *in, const struct dsn_recipient *r,
                          bool utf8)
{
    static const char *const actions[] = {
        [DSN_FAILED] = "failed",   [DSN_DELAYED] = "delayed",   [DSN_DELIVERED] = "delivered",
        [DSN_RELAYED] = "relayed", [DSN_EXPANDED] = "expanded",
    };
    struct buf address = {0};
    if (r->original.n > 0)
        put_original(out, r->original, utf8);
    address_write(&address, r->address);
    put_address(out, "Final-Recipient", r->address->utf8 ? "utf-8;" : "rfc822;", buf_span(&address),
                utf8);
    buf_putf(out, "Action: %s\r\n", actions[r->action]);
    put_status(out, r, utf8);
    put_host(out, "Remote-MTA", r->remote_host, r->remote_ip, utf8);
    put_diagnostic(out, r, utf8);
    put_date(out, "Last-Attempt-Date", r->last_attempt_ms, in->zone_min);
    if (r->action == DSN_DELAYED)
        put_date(out, "Will-Retry-Until", r->retry_until_ms, in->zone_min);
    buf_free(&address);
}

void dsnstatus_write(struct buf *out, const struct dsn *in, bool utf8)
{
    put_field(out, "Original-Envelope-Id", "", in->envelope_id, utf8);
    put_field(out, "Reporting-MTA", "dns;", span_text(in->hostname), utf8);
    put_host(out, "Received-From-MTA", in->received_from, in->received_ip, utf8);
    put_date(out, "Arrival-Date", in->arrival_ms, in->zone_min);
    put_field(out, "Future-Release-Request", "", in->future_release, utf8);
    for (size_t i = 0; i < in->n_recipients; i++) {
        buf_puts(out, "\r\n");
        put_recipient(out, in, &in->recipients[i], utf8);
    }
}
