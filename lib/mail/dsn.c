#include "dsn.h"

#include <assert.h>

#include "dsnstatus.h"
#include "fold.h"
#include "header.h"
#include "maildate.h"
#include "mem.h"
#include "mimepart.h"
#include "msgid.h"
#include "quotedprintable.h"
#include "utf8.h"

enum { LINE_MAX_OCTETS = 998 };

/* What the notification says, by action. */
static const struct {
    const char *subject, *fate;
} says[] = {
    [DSN_FAILED] = {"Message not delivered", "was not delivered, and will not be tried again."},
    [DSN_DELAYED] = {"Message delayed", "has not been delivered yet, and is being tried on."},
    [DSN_DELIVERED] = {"Message delivered", "has been delivered."},
    [DSN_RELAYED] = {"Message relayed", "has been passed to a mail system that does not report on"
                                        " deliveries."},
    [DSN_EXPANDED] = {"Message delivered", "has been delivered to a list of further recipients."},
};

/* The text for people, as a whole line; broken where it would be too long. */
static void put_line(struct buf *out, const char *indent, struct span text, bool utf8)
{
    struct buf line = {0};
    dsnstatus_escape(&line, text, utf8);
    while (line.n > 0) {
        size_t n = line.n < FOLD_WORD_MAX ? line.n : FOLD_WORD_MAX;
        struct span s = buf_span(&line);
        while (n < s.n && n > 1 && (s.p[n] & 0xc0) == 0x80)
            n--; /* not within a UTF-8 sequence */
        buf_puts(out, indent);
        buf_put(out, s.p, n);
        buf_puts(out, "\r\n");
        buf_drop(&line, n);
    }
    buf_free(&line);
}

static void put_host(struct buf *out, const struct dsn_recipient *r)
{
    buf_put_span(out, r->remote_host);
    if (r->remote_ip.n > 0) {
        buf_puts(out, r->remote_host.n > 0 ? " [" : "[");
        buf_put_span(out, r->remote_ip);
        buf_putc(out, ']');
    }
}

static void put_reply(struct buf *out, const struct dsn_recipient *r, bool utf8)
{
    struct buf line = {0};
    struct dsnstatus_lines at = {0};
    struct span said;
    if (r->n_reply == 0)
        return;
    buf_puts(&line, "The full SMTP response of ");
    put_host(&line, r);
    if (r->remote_host.n == 0 && r->remote_ip.n == 0)
        buf_puts(&line, "the remote host");
    buf_puts(&line, " is:");
    buf_puts(out, "\r\n");
    put_line(out, "    ", buf_span(&line), utf8);
    buf_puts(out, "\r\n");
    while (dsnstatus_next_line(r, &at, &said))
        put_line(out, "\t", said, utf8);
    if (at.cut)
        buf_puts(out, "\t[the rest is left out]\r\n");
    buf_free(&line);
}

static void put_attempts(struct buf *out, const struct dsn *in, const struct dsn_recipient *r,
                         bool utf8)
{
    struct buf line = {0};
    if (r->last_attempt_ms != 0) {
        buf_puts(&line, "Last tried: ");
        maildate_write(&line, r->last_attempt_ms, in->zone_min);
        if (r->remote_host.n > 0 || r->remote_ip.n > 0) {
            buf_puts(&line, ", at ");
            put_host(&line, r);
        }
        put_line(out, "    ", buf_span(&line), utf8);
    }
    if (r->action == DSN_DELAYED && r->retry_until_ms != 0) {
        buf_clear(&line);
        buf_puts(&line, "Will be tried until: ");
        maildate_write(&line, r->retry_until_ms, in->zone_min);
        put_line(out, "    ", buf_span(&line), utf8);
    }
    buf_free(&line);
}

static void put_recipient(struct buf *out, const struct dsn *in, const struct dsn_recipient *r,
                          bool utf8)
{
    struct buf line = {0};
    buf_putc(&line, '<');
    address_write(&line, r->address);
    buf_putc(&line, '>');
    buf_puts(out, "\r\n");
    put_line(out, "", buf_span(&line), utf8);
    buf_putf(out, "    %s\r\n", says[r->action].fate);
    put_line(out, "    ", r->reason, utf8);
    put_attempts(out, in, r, utf8);
    put_reply(out, r, utf8);
    buf_free(&line);
}

static enum dsn_action gravest(const struct dsn *in)
{
    enum dsn_action least = DSN_EXPANDED;
    for (size_t i = 0; i < in->n_recipients; i++) {
        if (in->recipients[i].action < least)
            least = in->recipients[i].action;
    }
    return least;
}

static void put_sender(struct buf *out, const struct dsn *in, bool utf8)
{
    struct buf line = {0};
    if (in->sender == NULL)
        buf_puts(&line, "from your address.");
    else if (in->sender[0] == '\0')
        buf_puts(&line, "without a sender to be told.");
    else
        buf_putf(&line, "from <%s>, who was told.", in->sender);
    put_line(out, "", buf_span(&line), utf8);
    buf_free(&line);
}

static void put_explanation(struct buf *out, const struct dsn *in, bool utf8)
{
    buf_putf(out, "Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
             utf8 ? "utf-8" : "us-ascii", utf8 ? "8bit" : "7bit");
    buf_putf(out, "This is the mail system at %s.\r\n\r\nIt reports on a message that was sent ",
             in->hostname);
    put_sender(out, in, utf8);
    buf_putf(out,
             "What became of it is told below for each recipient; the message%s follows\r\n"
             "at the end.\r\n",
             in->message.n > 0 ? " or its header" : "'s header");
    for (size_t i = 0; i < in->n_recipients; i++)
        put_recipient(out, in, &in->recipients[i], utf8);
}

/* Whether octets can be sent as they are: CRLF line ends, no long line, no NUL. */
static bool is_well_formed(struct span s)
{
    size_t column = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n') {
            column = 0;
            i++;
        } else if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0' ||
                   ++column > LINE_MAX_OCTETS) {
            return false;
        }
    }
    return true;
}

/* As much of the header as is sent back, in whole fields, its line ends made CRLF. */
static void gather_header(struct buf *out, struct span header)
{
    struct header_field field;
    while (header_next(&header, &field) && out->n + field.whole.n <= DSN_RETURN_MAX) {
        for (size_t i = 0; i < field.whole.n; i++) {
            if (field.whole.p[i] == '\n' && (i == 0 || field.whole.p[i - 1] != '\r'))
                buf_putc(out, '\r');
            buf_putc(out, field.whole.p[i]);
        }
        if (field.whole.p[field.whole.n - 1] != '\n')
            buf_puts(out, "\r\n");
    }
}

static void put_returned_header(struct buf *out, const struct dsn *in, bool utf8)
{
    struct buf header = {0};
    gather_header(&header, in->header);
    struct span s = buf_span(&header);
    bool ascii = utf8_is_ascii(s), plain = is_well_formed(s) && (utf8 ? utf8_valid(s) : ascii);
    buf_putf(out, "Content-Type: %s%s\r\n", utf8 ? "message/global-headers" : "text/rfc822-headers",
             !utf8 && !ascii && utf8_valid(s) ? "; charset=utf-8" : "");
    buf_putf(out, "Content-Transfer-Encoding: %s\r\n\r\n",
             !plain ? "quoted-printable"
             : utf8 ? "8bit"
                    : "7bit");
    if (plain)
        buf_put_span(out, s);
    else
        quotedprintable_encode(out, s);
    buf_free(&header);
}

/* The original, or its header. Returns whether octets above 127 are in it. */
static bool put_returned(struct buf *out, const struct dsn *in, bool utf8)
{
    struct span m = in->message;
    /* A header in UTF-8 is a message/global (RFC 6533 section 4), which the ASCII forms have not.
     */
    bool global = !utf8 && !utf8_is_ascii(in->header);
    if (m.n == 0 || m.n > DSN_RETURN_MAX || !is_well_formed(m) || global) {
        put_returned_header(out, in, utf8);
        return utf8;
    }
    bool ascii = utf8_is_ascii(m);
    buf_putf(out, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
             utf8 ? "message/global" : "message/rfc822", ascii ? "7bit" : "8bit");
    buf_put_span(out, m);
    return !ascii;
}

static void put_original_id(struct buf *out, const struct dsn *in, bool utf8)
{
    struct buf id = {0};
    if (header_value(in->header, "Message-ID", MSGID_MAX, &id) &&
        msgid_is_safe(buf_span(&id), utf8))
        buf_putf(out, "In-Reply-To: %s\r\nReferences: %s\r\n", buf_text(&id), buf_text(&id));
    buf_free(&id);
}

static void put_header(struct dsn_message *out, const struct dsn *in, bool utf8)
{
    struct buf id = {0};
    struct fold fold;
    fold_begin(&fold, &out->message, "From", "\t");
    fold_mailbox(&fold, span_text("Mail Delivery System"), in->from, utf8, true);
    fold_end(&fold);
    fold_begin(&fold, &out->message, "To", "\t");
    fold_mailbox(&fold, span_text(""), in->to, utf8, true);
    fold_end(&fold);
    msgid_generate(&id, in->hostname);
    buf_putf(&out->message, "Subject: %s%s\r\nDate: ", in->sender == NULL ? "" : "For postmaster: ",
             says[gravest(in)].subject);
    maildate_write(&out->message, in->now_ms, in->zone_min);
    buf_putf(&out->message, "\r\nMessage-Id: %s\r\n", buf_text(&id));
    put_original_id(&out->message, in, utf8);
    buf_puts(&out->message, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
    out->message_id = buf_take_text(&id);
}

static void put_parts(struct buf *out, struct buf parts[3], bool has_8bit)
{
    const struct span contents[] = {buf_span(&parts[0]), buf_span(&parts[1]), buf_span(&parts[2])};
    struct buf boundary = {0};
    mimepart_boundary(&boundary, contents, 3);
    mimepart_multipart_begin(out, "report", "; report-type=delivery-status", buf_span(&boundary),
                             has_8bit);
    for (size_t i = 0; i < 3; i++) {
        mimepart_multipart_next(out, buf_span(&boundary), i == 0);
        buf_put_span(out, contents[i]);
    }
    mimepart_multipart_end(out, buf_span(&boundary));
    buf_free(&boundary);
}

void dsn_compose(const struct dsn *in, struct dsn_message *out)
{
    bool utf8 = in->smtputf8 || in->to->utf8 || in->from->utf8;
    struct buf parts[3] = {{0}};
    assert(in->n_recipients > 0);
    *out = (struct dsn_message){.needs_smtputf8 = utf8};
    put_explanation(&parts[0], in, utf8);
    buf_putf(&parts[1], "Content-Type: message/%sdelivery-status\r\n", utf8 ? "global-" : "");
    buf_putf(&parts[1], "Content-Transfer-Encoding: %s\r\n\r\n", utf8 ? "8bit" : "7bit");
    dsnstatus_write(&parts[1], in, utf8);
    out->has_8bit = put_returned(&parts[2], in, utf8) || utf8;
    put_header(out, in, utf8);
    put_parts(&out->message, parts, out->has_8bit);
    for (size_t i = 0; i < 3; i++)
        buf_free(&parts[i]);
}

void dsn_clear(struct dsn_message *out)
{
    if (out == NULL)
        return;
    buf_free(&out->message);
    mem_free(&out->message_id);
    *out = (struct dsn_message){0};
}
