#include "dsnplain.h"

#include <string.h>

#include "addrlist.h"
#include "ascii.h"
#include "header.h"
#include "mem.h"
#include "mimedecode.h"

/* What is said of each recipient is looked for in the whole text: both have to be bounded. */
enum { LOOKED_AT = 65536 /* octets of the text */, RECIPIENTS_MAX = 100 };

/* The next line of the text, without its LF. */
static bool next_line(struct span *rest, struct span *line)
{
    if (rest->n == 0)
        return false;
    ssize_t lf = span_find(*rest, '\n');
    *line = span_of(rest->p, lf < 0 ? rest->n : (size_t)lf);
    size_t used = line->n + (lf >= 0);
    *rest = span_of(rest->p + used, rest->n - used);
    return true;
}

static bool contains(struct span s, const char *text)
{
    size_t n = strlen(text);
    return s.n >= n && memmem(s.p, s.n, text, n) != NULL;
}

static bool is_blank(struct span line)
{
    return ascii_trim(line).n == 0;
}

/* Whether the line is one of the rulers that programs put before a copy of the message. */
static bool is_ruler(struct span line)
{
    return span_starts_nocase(ascii_trim(line), "---");
}

/* Takes angle brackets off; empty when what is left is no address. */
static struct span address_of(struct span s)
{
    s = ascii_trim(s);
    if (s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
        s = span_of(s.p + 1, s.n - 2);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] == '<' || s.p[i] == '>')
            return span_of(s.p, 0);
    }
    return s.n <= ADDRESS_TEXT_MAX && span_find(s, '@') > 0 ? s : span_of(s.p, 0);
}

/* Adds a recipient with what was said of it, line by line in reason. */
static void add(struct dsnread *d, struct span address, struct span reason,
                enum dsnread_action action)
{
    struct dsnread_recipient *r = dsnread_add(d);
    if (r == NULL)
        return;
    dsnread_set(&r->final, address);
    dsnread_set(&r->diagnostic, reason);
    if (r->diagnostic[0] != '\0')
        dsnread_set(&r->diagnostic_type, span_text("x-unix"));
    r->code = dsncode_scan(span_text(r->diagnostic));
    if (action == DSNREAD_UNCLEAR && r->code.code >= 400)
        action = r->code.code < 500 ? DSNREAD_DELAYED : DSNREAD_FAILED;
    r->action = action;
}

static void put_line(struct buf *out, struct span line)
{
    line = ascii_trim(line);
    if (out->n > 0 && line.n > 0)
        buf_putc(out, ' ');
    if (out->n < DSNREAD_TEXT_MAX)
        buf_put_span(out, line);
}

static void read_qmail(struct dsnread *d, struct span text)
{
    struct span line, address;
    bool for_good = true;
    d->kind = DSNREAD_BOUNCE;
    while (next_line(&text, &line) && !is_ruler(line)) {
        struct buf reason = {0};
        if (contains(line, "not a permanent") || contains(line, "no need to resend"))
            for_good = false;
        line = ascii_trim(line);
        if (line.n < 4 || line.p[0] != '<' || line.p[line.n - 1] != ':')
            continue;
        address = address_of(span_of(line.p, line.n - 1));
        while (address.n > 0 && next_line(&text, &line) && !is_blank(line))
            put_line(&reason, line);
        if (address.n > 0)
            add(d, address, buf_span(&reason), for_good ? DSNREAD_FAILED : DSNREAD_DELAYED);
        buf_free(&reason);
    }
}

static size_t indent_of(struct span line)
{
    size_t n = 0;
    while (n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
        n++;
    return n;
}

/* What Exim's text says of an address: the lines behind it that are indented further. */
static void exim_reason(struct span text, struct span address, struct buf *reason)
{
    struct span line;
    while (next_line(&text, &line) && !is_ruler(line)) {
        size_t indent = indent_of(line);
        struct span said = address_of(line);
        if (indent == 0 || said.n != address.n || memcmp(said.p, address.p, said.n) != 0)
            continue;
        while (next_line(&text, &line) && indent_of(line) > indent && !is_blank(line))
            put_line(reason, line);
        return;
    }
}

static void read_exim(struct dsnread *d, struct span failed, struct span text)
{
    struct span one;
    d->kind = DSNREAD_BOUNCE;
    while (d->n < RECIPIENTS_MAX && ascii_token(&failed, ", \t\r\n", &one)) {
        struct buf reason = {0};
        one = address_of(one);
        if (one.n == 0)
            continue;
        exim_reason(text, one, &reason);
        add(d, one, buf_span(&reason), DSNREAD_FAILED);
        buf_free(&reason);
    }
}

/* What the transcript of Sendmail's conversation says of an address: the first reply that names it,
 * else the first that names nobody. */
static void transcript(struct span text, struct span address, struct buf *reason)
{
    struct span line, any = {0};
    bool begun = false;
    while (next_line(&text, &line)) {
        if (is_ruler(line) && begun)
            break;
        begun |= is_ruler(line) && contains(line, "Transcript of session follows");
        line = ascii_trim(line);
        if (span_starts_nocase(line, "<<< "))
            line = span_of(line.p + 4, line.n - 4);
        if (!begun || line.n < 4 || (line.p[0] != '4' && line.p[0] != '5') ||
            dsncode_scan(line).code == 0)
            continue;
        if (memmem(line.p, line.n, address.p, address.n) != NULL) {
            put_line(reason, line);
            return;
        }
        if (any.n == 0 && span_find(line, '@') < 0)
            any = line;
    }
    put_line(reason, any);
}

/* An address; older versions put "(unrecoverable error)" behind it. */
static struct span listed_address(struct span line)
{
    line = ascii_trim(line);
    ssize_t end = line.n > 0 && line.p[0] == '<' ? span_find(line, '>') : -1;
    return address_of(end < 0 ? line : span_of(line.p, (size_t)end + 1));
}

/* Text begins behind the ruler over the addresses. "(reason: ...)" may stand below one. */
static void read_sendmail(struct dsnread *d, struct span text, enum dsnread_action action)
{
    struct span line, rest = text;
    d->kind = DSNREAD_BOUNCE;
    while (d->n < RECIPIENTS_MAX && next_line(&rest, &line) && !is_blank(line) && !is_ruler(line)) {
        struct span address = listed_address(line), next = rest;
        struct buf reason = {0};
        if (address.n == 0)
            continue;
        while (next_line(&next, &line) && indent_of(line) > 0 && ascii_trim(line).n > 0 &&
               ascii_trim(line).p[0] == '(') {
            if (span_starts_nocase(ascii_trim(line), "(reason: "))
                put_line(&reason, span_of(ascii_trim(line).p + 9, ascii_trim(line).n - 9));
        }
        if (reason.n == 0)
            transcript(text, address, &reason);
        add(d, address, buf_span(&reason), action);
        buf_free(&reason);
    }
}

static void find_sendmail(struct dsnread *d, struct span text)
{
    struct span line;
    while (next_line(&text, &line)) {
        struct span trimmed = ascii_trim(line);
        if (!span_starts_nocase(trimmed, "----- The following addresses "))
            continue;
        bool delayed = contains(trimmed, "transient") || contains(trimmed, "warning");
        read_sendmail(d, text, delayed ? DSNREAD_DELAYED : DSNREAD_FAILED);
    }
}

/* The text for people, as much of it as is looked at; false when there is none. */
static bool take_text(const struct mimeread *m, const struct mailcharset *charsets,
                      struct buf *text)
{
    const struct mimeread_part *part, *html;
    mimeread_texts(m, &part, &html);
    if (part == NULL)
        return false;
    mimedecode_text(part, charsets, text);
    if (text->n > LOOKED_AT)
        buf_cut(text, LOOKED_AT);
    return true;
}

void dsnplain_read(struct dsnread *d, const struct mimeread *m, const struct mailcharset *charsets)
{
    struct header_field failed;
    struct buf text = {0};
    if (!take_text(m, charsets, &text))
        return;
    struct span s = ascii_trim(buf_span(&text));
    if (header_find(mimeread_header(&m->parts[0]), "X-Failed-Recipients", 0, &failed))
        read_exim(d, failed.value, s);
    else if (span_starts_nocase(s, "Hi. This is the "))
        read_qmail(d, s);
    else
        find_sendmail(d, s);
    buf_free(&text);
}

/* What stands behind "address: " at the beginning of a line, if that begins with a reply code. */
static struct span reply_about(struct span text, const char *address)
{
    size_t n = strlen(address);
    struct span line;
    while (n > 0 && next_line(&text, &line)) {
        if (line.n < n + 2 || !span_starts_nocase(line, address) || line.p[n] != ':')
            continue;
        struct span reply = ascii_trim(span_of(line.p + n + 1, line.n - n - 1));
        if (reply.n > 3 && dsncode_scan(span_of(reply.p, 4)).code != 0)
            return reply;
    }
    return span_of(text.p, 0);
}

void dsnplain_complete(struct dsnread *d, const struct mimeread *m,
                       const struct mailcharset *charsets)
{
    struct buf text = {0};
    bool there = false;
    for (size_t i = 0; i < d->n && i < RECIPIENTS_MAX; i++) {
        struct dsnread_recipient *r = &d->recipients[i];
        if (r->diagnostic[0] != '\0')
            continue;
        if (!there && !take_text(m, charsets, &text))
            break;
        there = true;
        struct span reply = reply_about(buf_span(&text), r->final);
        if (reply.n == 0)
            continue;
        dsnread_set(&r->diagnostic, reply);
        r->code = dsncode_merge(dsncode_scan(reply), dsncode_status(span_text(r->status)));
    }
    buf_free(&text);
}
