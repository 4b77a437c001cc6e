#include "dnsname.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#include "ascii.h"

#define LABEL_MAX 63

static bool is_name_octet(int c)
{
    return ascii_is_alnum(c) || c == '-' || c == '_';
}

int dnsname_normal(const char *text, char out[static DNSNAME_TEXT])
{
    size_t n = 0, label = 0;
    out[0] = '\0';
    for (; *text != '\0'; text++) {
        bool dot = *text == '.';
        if (dot && text[1] == '\0' && label > 0)
            break;
        if (dot ? label == 0 : !is_name_octet(*text) || label == LABEL_MAX)
            goto malformed;
        if (n == DNSNAME_TEXT - 1)
            goto malformed;
        label = dot ? 0 : label + 1;
        out[n++] = (char)ascii_lower(*text);
    }
    if (n == 0)
        goto malformed;
    out[n] = '\0';
    return 0;
malformed:
    out[0] = '\0';
    return -1;
}

int dnsname_parse(const char *text, struct dnsname *name)
{
    char normal[DNSNAME_TEXT];
    if (dnsname_normal(text, normal) < 0)
        return -1;
    struct span rest = span_text(normal), label;
    name->n = 0;
    while (ascii_token(&rest, ".", &label)) {
        name->p[name->n++] = (unsigned char)label.n;
        memcpy(name->p + name->n, label.p, label.n);
        name->n += label.n;
    }
    name->p[name->n++] = 0;
    return 0;
}

int dnsname_take(struct span wire, struct dnsname *name)
{
    if (wire.n == 0 || wire.n > sizeof name->p)
        return -1;
    size_t at = 0;
    while (wire.p[at] != 0) {
        size_t length = wire.p[at];
        if (length > LABEL_MAX || length + 2 > wire.n - at)
            return -1;
        name->p[at++] = (unsigned char)length;
        for (; length > 0; length--, at++)
            name->p[at] = (unsigned char)ascii_lower(wire.p[at]);
    }
    name->p[at++] = 0;
    name->n = at;
    return at == wire.n ? 0 : -1;
}

int dnsname_text(const struct dnsname *name, char out[static DNSNAME_TEXT])
{
    size_t n = 0;
    for (size_t at = 0; name->p[at] != 0;) {
        if (n > 0)
            out[n++] = '.';
        size_t length = name->p[at++];
        for (; length > 0; length--, at++) {
            if (!is_name_octet(name->p[at])) {
                out[0] = '\0';
                return -1;
            }
            out[n++] = (char)name->p[at];
        }
    }
    out[n] = '\0';
    return 0;
}

bool dnsname_equal(const struct dnsname *a, const struct dnsname *b)
{
    return span_equal(span_of(a->p, a->n), span_of(b->p, b->n));
}

int dnsname_compare(const struct dnsname *a, const struct dnsname *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return memcmp(a->p, b->p, a->n);
}

bool dnsname_is_host(const char *normal)
{
    const char *dot = strrchr(normal, '.');
    const char *last = dot == NULL ? normal : dot + 1;
    return last[strspn(last, "0123456789")] != '\0';
}

static void put_reverse_4(struct buf *out, const unsigned char *address)
{
    for (int i = 3; i >= 0; i--)
        buf_putf(out, "%u.", address[i]);
}

static void put_reverse_6(struct buf *out, const unsigned char *address)
{
    for (int i = 15; i >= 0; i--)
        buf_putf(out, "%x.%x.", address[i] & 15u, address[i] >> 4);
}

int dnsname_reverse(int family, const void *address, const char *zone,
                    char out[static DNSNAME_TEXT])
{
    assert(family == AF_INET || family == AF_INET6);
    struct buf text = {0};
    if (family == AF_INET)
        put_reverse_4(&text, address);
    else
        put_reverse_6(&text, address);
    if (zone == NULL)
        zone = family == AF_INET ? "in-addr.arpa" : "ip6.arpa";
    buf_puts(&text, zone);
    int done = dnsname_normal(buf_text(&text), out);
    buf_free(&text);
    return done;
}
