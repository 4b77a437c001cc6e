#include "domain.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

#include "ascii.h"
#include "mem.h"
#include "utf8.h"

static bool label_is_ldh(struct span label)
{
    if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++) {
        if (!ascii_is_alnum(label.p[i]) && label.p[i] != '-')
            return false;
    }
    return true;
}

bool domain_is_ldh(struct span s)
{
    if (s.n == 0 || s.n > DOMAIN_MAX)
        return false;
    for (;;) {
        ssize_t dot = span_find(s, '.');
        size_t n = dot < 0 ? s.n : (size_t)dot;
        if (!label_is_ldh(span_of(s.p, n)))
            return false;
        if (dot < 0)
            return true;
        s = span_of(s.p + n + 1, s.n - n - 1);
    }
}

/* Characters that the transitional mapping of UTS #46 makes other names of. */
static bool has_deviation(const char *text)
{
    static const char *const deviations[] = {"\xc3\x9f", "\xe1\xba\x9e", "\xcf\x82", "\xe2\x80\x8c",
                                             "\xe2\x80\x8d"};
    for (size_t i = 0; i < sizeof deviations / sizeof deviations[0]; i++) {
        if (strstr(text, deviations[i]) != NULL)
            return true;
    }
    return false;
}

/* U-labels to A-labels; *ascii is libidn2's memory. IDNA2008 has no symbols, as in names that some
 * registries give away, but UTS #46 has: libidn2 lets them pass in its transitional mode alone,
 * which for all but a few characters maps alike. */
static int to_ascii(const char *text, char **ascii, struct fail *f)
{
    int rc = idn2_to_ascii_8z(text, ascii, IDN2_NONTRANSITIONAL);
    if (rc == IDN2_DISALLOWED && !has_deviation(text))
        rc = idn2_to_ascii_8z(text, ascii, IDN2_TRANSITIONAL);
    if (rc != IDN2_OK)
        return fail_set(f, "domain cannot be written as A-labels: %s", idn2_strerror(rc));
    return 0;
}

static int keep_name(const char *text, char **domain, struct fail *f)
{
    if (!domain_is_ldh(span_text(text)))
        return fail_set(f, "domain is not a host name of letters, digits and hyphens");
    *domain = mem_text(text);
    ascii_lower_text(*domain);
    return 0;
}

int domain_parse(struct span text, char **domain, struct fail *f)
{
    char copy[DOMAIN_TEXT_MAX + 1];
    *domain = NULL;
    if (text.n == 0)
        return fail_set(f, "domain is empty");
    if (span_copy(text, copy, sizeof copy) < 0)
        return fail_set(f, "domain is longer than %d octets or holds a NUL", DOMAIN_TEXT_MAX);
    if (utf8_is_ascii(text))
        return keep_name(copy, domain, f);
    if (!utf8_valid(text))
        return fail_set(f, "domain is not UTF-8");
    char *ascii = NULL;
    if (to_ascii(copy, &ascii, f) < 0)
        return -1;
    int rc = keep_name(ascii, domain, f);
    idn2_free(ascii);
    return rc;
}

int domain_parse_literal(struct span text, char **domain, struct fail *f)
{
    char inner[64], canonical[INET6_ADDRSTRLEN];
    unsigned char octets[16];
    *domain = NULL;
    if (text.n < 2 || text.p[0] != '[' || text.p[text.n - 1] != ']' ||
        span_copy(span_of(text.p + 1, text.n - 2), inner, sizeof inner) < 0)
        return fail_set(f, "not an address literal");
    bool v6 = span_starts_nocase(span_text(inner), "IPv6:");
    int family = v6 ? AF_INET6 : AF_INET;
    if (inet_pton(family, inner + (v6 ? 5 : 0), octets) != 1)
        return fail_set(f, "address literal holds no valid IP address");
    (void)inet_ntop(family, octets, canonical, sizeof canonical);
    *domain = mem_format("[%s%s]", v6 ? "IPv6:" : "", canonical);
    return 0;
}

bool domain_is_literal(const char *domain)
{
    return domain[0] == '[';
}

static bool leads_back(const char *unicode, const char *domain)
{
    char *ascii = NULL;
    bool same = to_ascii(unicode, &ascii, NULL) == 0 && strcmp(ascii, domain) == 0;
    if (ascii != NULL)
        idn2_free(ascii);
    return same;
}

void domain_write_unicode(struct buf *out, const char *domain)
{
    char *unicode = NULL;
    if (!domain_is_literal(domain) && strstr(domain, "xn--") != NULL &&
        idn2_to_unicode_8z8z(domain, &unicode, IDN2_NONTRANSITIONAL) == IDN2_OK &&
        leads_back(unicode, domain))
        buf_puts(out, unicode);
    else
        buf_puts(out, domain);
    if (unicode != NULL)
        idn2_free(unicode);
}
