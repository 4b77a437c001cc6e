#include "headers.h"

#include <string.h>

#include "ascii.h"
#include "encword.h"
#include "header.h"
#include "mem.h"
#include "msgid.h"
#include "utf8.h"

enum { SUBJECT_MAX = 8192 };

struct reading {
    enum headers_source source;
    const char *default_domain;
    struct path_refusal *why;
};

static const char *const prefixes[] = {"X-Mox-Extra-", "X-Quartermaster-Extra-"};

void headers_clear(struct headers *h)
{
    addrlist_clear(&h->from);
    mem_free(&h->message_id);
    mem_free(&h->subject);
    for (size_t i = 0; i < h->extra_n; i++) {
        mem_free(&h->extra[i].key);
        mem_free(&h->extra[i].value);
    }
    mem_free(&h->extra);
    *h = (struct headers){0};
}

static void take_message_id(struct headers *h, const struct header_field *field)
{
    struct buf value = {0};
    if (!h->has_message_id) {
        header_unfold(&value, field->value);
        if (msgid_is_safe(buf_span(&value), true))
            h->message_id = span_dup(buf_span(&value));
    }
    h->has_message_id = true;
    buf_free(&value);
}

/* Cut where a character begins. */
static size_t cut_at(struct span s, size_t max)
{
    if (s.n <= max)
        return s.n;
    while (max > 0 && (s.p[max] & 0xc0) == 0x80)
        max--;
    return max;
}

static void take_subject(struct headers *h, const struct header_field *field)
{
    struct buf value = {0}, decoded = {0};
    if (h->subject != NULL)
        return;
    header_unfold(&value, field->value);
    buf_cut(&value, cut_at(buf_span(&value), SUBJECT_MAX));
    encword_decode(&decoded, buf_span(&value));
    buf_cut(&decoded, cut_at(buf_span(&decoded), SUBJECT_MAX));
    h->subject = span_dup(buf_span(&decoded));
    buf_free(&value);
    buf_free(&decoded);
}

static int take_from(struct headers *h, const struct header_field *field, const struct reading *r)
{
    struct fail f = {{0}};
    if (h->from_fields++ > 0)
        return path_refuse(r->why, 550, "5.6.0", "more than one From field");
    int rc = addrlist_parse(field->value, r->default_domain, ADDRLIST_STRICT, &h->from, &f);
    if (rc != 0 && r->source == HEADERS_ACCOUNT)
        return path_refuse(r->why, 550, "5.6.0", "From: %s", f.text);
    if (h->from.n == 0 && r->source == HEADERS_ACCOUNT)
        return path_refuse(r->why, 550, "5.6.0", "no address in From");
    return 0;
}

static void take_tls_required(struct headers *h, const struct header_field *field)
{
    if (!span_is_nocase(ascii_trim(field->value), "no"))
        h->tls_unclear = true;
    h->tls_optional = !h->tls_unclear;
}

/* Each word between dashes begins in upper case and goes on in lower case, whatever the client
 * wrote. */
static char *canonical(struct span name)
{
    char *key = span_dup(name);
    bool first = true;
    for (char *p = key; *p != '\0'; p++) {
        *p = (char)(first ? ascii_upper((unsigned char)*p) : ascii_lower((unsigned char)*p));
        first = *p == '-';
    }
    return key;
}

static bool has_key(const struct headers *h, const char *key)
{
    for (size_t i = 0; i < h->extra_n; i++) {
        if (strcmp(h->extra[i].key, key) == 0)
            return true;
    }
    return false;
}

static int add_extra(struct headers *h, struct span name, const struct header_field *field,
                     struct path_refusal *why)
{
    struct buf value = {0};
    int rc = 0;
    char *key = canonical(name);
    header_unfold(&value, field->value);
    if (has_key(h, key))
        rc = path_refuse(why, 554, "5.6.0", "duplicate header for extra key %.80s", key);
    else if (h->extra_n >= HEADERS_EXTRA_MAX)
        rc = path_refuse(why, 554, "5.6.0", "more than %d headers for extra keys",
                         HEADERS_EXTRA_MAX);
    else if (name.n > HEADERS_EXTRA_KEY_MAX || value.n > HEADERS_EXTRA_VALUE_MAX)
        rc = path_refuse(why, 554, "5.6.0", "header for extra key %.80s too long", key);
    if (rc == 0) {
        h->extra = mem_resize(h->extra, (h->extra_n + 1) * sizeof *h->extra);
        h->extra[h->extra_n++] = (struct headers_extra){key, buf_take_text(&value)};
    } else {
        mem_free(&key);
    }
    buf_free(&value);
    return rc;
}

/* The key in a field's name; empty in that of another field. */
static struct span extra_key(struct span name)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t n = strlen(prefixes[i]);
        if (name.n > n && span_starts_nocase(name, prefixes[i]))
            return span_of(name.p + n, name.n - n);
    }
    return (struct span){0};
}

static int take_extra(struct headers *h, const struct header_field *field, struct path_refusal *why)
{
    struct span key = extra_key(field->name);
    return key.n == 0 ? 0 : add_extra(h, key, field, why);
}

void headers_put_without_extra(struct span header, struct buf *out)
{
    struct header_field field;
    while (header_next(&header, &field)) {
        if (extra_key(field.name).n == 0)
            buf_put_span(out, field.whole);
    }
    buf_put_span(out, header); /* the empty line */
}

static int take_field(struct headers *h, const struct header_field *field, const struct reading *r)
{
    if (field->name.n == 0)
        return path_refuse(r->why, 550, "5.6.0", "a header line is no header field");
    if (span_is_nocase(field->name, "Received"))
        h->received++;
    else if (span_is_nocase(field->name, "Date"))
        h->has_date = true;
    else if (span_is_nocase(field->name, "Message-ID"))
        take_message_id(h, field);
    else if (span_is_nocase(field->name, "Subject"))
        take_subject(h, field);
    else if (span_is_nocase(field->name, "TLS-Required"))
        take_tls_required(h, field);
    else if (r->source == HEADERS_STRANGER)
        return 0;
    else if (span_is_nocase(field->name, "From"))
        return take_from(h, field, r);
    else
        return take_extra(h, field, r->why);
    return 0;
}

int headers_read(struct span header, enum headers_source source, const char *default_domain,
                 struct headers *out, struct path_refusal *why)
{
    const struct reading r = {source, default_domain, why};
    struct header_field field;
    int rc = 0;
    *out = (struct headers){0};
    out->eight_bit = !utf8_is_ascii(header);
    if (out->eight_bit && !utf8_valid(header))
        rc = path_refuse(why, 550, "5.6.0", "the header is neither ASCII nor UTF-8");
    while (rc == 0 && header_next(&header, &field))
        rc = take_field(out, &field, &r);
    if (rc == 0 && source == HEADERS_ACCOUNT && out->from_fields == 0)
        rc = path_refuse(why, 550, "5.6.0", "no From field");
    if (rc != 0)
        headers_clear(out);
    return rc;
}
