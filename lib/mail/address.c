#include "address.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uninorm.h>

#include "ascii.h"
#include "domain.h"
#include "mem.h"
#include "utf8.h"

bool address_is_atext(int octet)
{
    return octet >= 0x80 || ascii_is_alnum(octet) ||
           (octet != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", octet) != NULL);
}

/* Control characters of ASCII and of ISO 6429's second set (U+0080..U+009F). s is valid UTF-8. */
static bool has_control(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
        if (s.p[i] == 0xc2 && i + 1 < s.n && s.p[i + 1] < 0xa0)
            return true;
    }
    return false;
}

static int check_local(struct span local, struct fail *f)
{
    if (local.n == 0)
        return fail_set(f, "local part is empty");
    if (local.n > ADDRESS_LOCAL_MAX)
        return fail_set(f, "local part is longer than %d octets", ADDRESS_LOCAL_MAX);
    if (!utf8_valid(local))
        return fail_set(f, "local part is not UTF-8");
    if (has_control(local))
        return fail_set(f, "local part holds a control character");
    return 0;
}

int address_make(struct span local, struct span domain, struct address *a, struct fail *f)
{
    *a = (struct address){0};
    if (check_local(local, f) < 0)
        return -1;
    int rc = domain.n > 0 && domain.p[0] == '[' ? domain_parse_literal(domain, &a->domain, f)
                                                : domain_parse(domain, &a->domain, f);
    if (rc < 0)
        return -1;
    a->local = span_dup(local);
    a->utf8 = !utf8_is_ascii(local);
    return 0;
}

/* Dot-string: atoms with single dots between. Returns how many octets of text it takes. */
static size_t take_dot_string(struct span text, struct buf *local)
{
    size_t i = 0;
    while (i < text.n) {
        bool dot = text.p[i] == '.' && i > 0 && text.p[i - 1] != '.' && i + 1 < text.n &&
                   address_is_atext(text.p[i + 1]);
        if (!dot && !address_is_atext(text.p[i]))
            break;
        i++;
    }
    buf_put(local, text.p, i);
    return i;
}

/* Quoted-string of SMTP, without folding. Returns how many octets of text it takes, 0 if it is
 * none. */
static size_t take_quoted(struct span text, struct buf *local)
{
    for (size_t i = 1; i < text.n; i++) {
        if (text.p[i] == '"')
            return i + 1;
        if (text.p[i] == '\\' && ++i == text.n)
            break;
        buf_putc(local, text.p[i]);
    }
    return 0;
}

int address_parse(struct span text, struct address *a, struct fail *f)
{
    struct buf local = {0};
    int rc;
    *a = (struct address){0};
    if (text.n > ADDRESS_TEXT_MAX)
        return fail_set(f, "address is longer than %d octets", ADDRESS_TEXT_MAX);
    bool quoted = text.n > 0 && text.p[0] == '"';
    size_t used = quoted ? take_quoted(text, &local) : take_dot_string(text, &local);
    if (used == 0)
        rc = fail_set(f, quoted ? "quoted local part has no end" : "local part is empty");
    else if (used == text.n)
        rc = fail_set(f, "address has no domain");
    else if (text.p[used] != '@')
        rc = fail_set(f, "local part holds a character that must be quoted");
    else
        rc = address_make(buf_span(&local), span_of(text.p + used + 1, text.n - used - 1), a, f);
    buf_free(&local);
    return rc;
}

void address_copy(struct address *to, const struct address *from)
{
    *to = (struct address){mem_text(from->local), mem_text(from->domain), from->utf8};
}

void address_clear(struct address *a)
{
    if (a == NULL)
        return;
    mem_free(&a->local);
    mem_free(&a->domain);
    a->utf8 = false;
}

static void write_local(struct buf *out, const char *local)
{
    struct buf plain = {0};
    bool dot_string = take_dot_string(span_text(local), &plain) == strlen(local);
    buf_free(&plain);
    if (dot_string) {
        buf_puts(out, local);
        return;
    }
    buf_putc(out, '"');
    for (; *local != '\0'; local++) {
        if (*local == '"' || *local == '\\')
            buf_putc(out, '\\');
        buf_putc(out, (unsigned char)*local);
    }
    buf_putc(out, '"');
}

void address_write(struct buf *out, const struct address *a)
{
    write_local(out, a->local);
    buf_putf(out, "@%s", a->domain);
}

void address_write_unicode(struct buf *out, const struct address *a)
{
    write_local(out, a->local);
    buf_putc(out, '@');
    domain_write_unicode(out, a->domain);
}

void address_write_shown(struct buf *out, const char *text)
{
    struct address a;
    if (address_parse(span_text(text), &a, NULL) != 0) {
        buf_puts(out, text);
        return;
    }
    address_write_unicode(out, &a);
    address_clear(&a);
}

char *address_text(const struct address *a)
{
    struct buf out = {0};
    address_write(&out, a);
    return buf_take_text(&out);
}

static bool same_nfc(const char *a, const char *b)
{
    size_t an = 0, bn = 0;
    uint8_t *an_text = u8_normalize(UNINORM_NFC, (const uint8_t *)a, strlen(a), NULL, &an);
    uint8_t *bn_text = u8_normalize(UNINORM_NFC, (const uint8_t *)b, strlen(b), NULL, &bn);
    bool same = an_text != NULL && bn_text != NULL &&
                span_equal(span_of(an_text, an), span_of(bn_text, bn));
    free(an_text); /* libunistring's memory */
    free(bn_text);
    return same;
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (strcmp(a->domain, b->domain) != 0)
        return false;
    return strcmp(a->local, b->local) == 0 ||
           ((a->utf8 || b->utf8) && same_nfc(a->local, b->local));
}

bool address_split(const char *local, const char *separator, struct span *base, struct span *detail)
{
    assert(separator[0] != '\0');
    const char *at = local[0] == '\0' ? NULL : strstr(local + 1, separator);
    *base = span_text(local);
    *detail = (struct span){0};
    if (at == NULL)
        return false;
    *base = span_of(local, (size_t)(at - local));
    *detail = span_text(at + strlen(separator));
    return true;
}
