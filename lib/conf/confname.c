#include "confname.h"

#include <arpa/inet.h>
#include <string.h>

#include "ascii.h"
#include "conftype.h"
#include "mem.h"
#include "utf8.h"

#define HOST_MAX 253
#define LABEL_MAX 63
#define LOCAL_MAX 64
#define URL_MAX 2048
#define USER_MAX 32
#define NAME_MAX_ 64

/* One DNS label of letters, digits and inner hyphens (RFC 1123 2.1), and of what else `also` lists.
 */
static bool is_label(struct span s, const char *also)
{
    if (s.n == 0 || s.n > LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_alnum(s.p[i]) && (s.p[i] == '\0' || strchr(also, s.p[i]) == NULL) &&
            s.p[i] != '-')
            return false;
    }
    return true;
}

/* Labels with dots between, no dot at the end; *last is the last of them. */
static bool is_dns(struct span s, const char *also, struct span *last)
{
    if (s.n > HOST_MAX)
        return false;
    for (;;) {
        ssize_t dot = span_find(s, '.');
        *last = dot < 0 ? s : span_of(s.p, (size_t)dot);
        if (!is_label(*last, also))
            return false;
        if (dot < 0)
            return true;
        s = span_of(s.p + dot + 1, s.n - (size_t)dot - 1);
    }
}

static bool all_digits(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_digit(s.p[i]))
            return false;
    }
    return true;
}

static int check_host(struct span s, struct fail *f)
{
    struct span last;
    if (!utf8_is_ascii(s))
        return fail_set(f, "must be ASCII: write an internationalised name in its A-label form "
                           "(xn--...)");
    if (s.n > 0 && s.p[s.n - 1] == '.')
        return fail_set(f, "must be a host name without a dot at its end");
    if (!is_dns(s, "", &last))
        return fail_set(f, "must be a host name: letters, digits and inner hyphens, with dots "
                           "between");
    if (all_digits(last))
        return fail_set(f, "must be a host name, and none ends in a number");
    return 0;
}

static char *lower(const char *text)
{
    char *copy = mem_text(text);
    ascii_lower_text(copy);
    return copy;
}

int confname_host(const char *text, struct conf_value *value, struct fail *f)
{
    if (check_host(span_text(text), f) != 0)
        return -1;
    value->text = lower(text);
    return 0;
}

static int parse_ip(const char *text, struct conf_value *value)
{
    if (inet_pton(AF_INET, text, value->ip) == 1)
        value->family = 4;
    else if (inet_pton(AF_INET6, text, value->ip) == 1)
        value->family = 6;
    else
        return -1;
    value->prefix = value->family == 4 ? 32 : 128;
    return 0;
}

static const char *ip_text(const struct conf_value *value, char out[INET6_ADDRSTRLEN])
{
    return inet_ntop(value->family == 4 ? AF_INET : AF_INET6, value->ip, out, INET6_ADDRSTRLEN);
}

int confname_address(const char *text, struct conf_value *value, struct fail *f)
{
    char canonical[INET6_ADDRSTRLEN];
    if (parse_ip(text, value) != 0)
        return fail_set(f, "must be an IPv4 or IPv6 address");
    value->text = mem_text(ip_text(value, canonical));
    return 0;
}

int confname_peer(const char *text, struct conf_value *value, struct fail *f)
{
    if (parse_ip(text, value) == 0)
        return confname_address(text, value, f);
    return confname_host(text, value, f);
}

/* Cuts text into address and port at the last colon; the address of IPv6 stands in brackets. */
static int split_endpoint(const char *text, char *address, size_t size, struct span *port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL)
        return -1;
    struct span host = span_of(text, (size_t)(colon - text));
    bool brackets = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (brackets)
        host = span_of(host.p + 1, host.n - 2);
    *port = span_text(colon + 1);
    return brackets == (span_find(host, ':') >= 0) ? span_copy(host, address, size) : -1;
}

int confname_endpoint(const char *text, struct conf_value *value, struct fail *f)
{
    char address[INET6_ADDRSTRLEN];
    struct span port;
    uint64_t number;
    if (split_endpoint(text, address, sizeof address, &port) != 0 ||
        parse_ip(address, value) != 0 || ascii_u64(port, 65535, &number) != 0 || number == 0)
        return fail_set(f, "must be an IP address and a port, as 192.0.2.1:53 or [2001:db8::1]:53");
    value->port = (uint16_t)number;
    (void)ip_text(value, address);
    value->text =
        mem_format(value->family == 4 ? "%s:%u" : "[%s]:%u", address, (unsigned)value->port);
    return 0;
}

/* Whether all bits of the address behind the prefix are zero. */
static bool is_network(const struct conf_value *value)
{
    unsigned size = value->family == 4 ? 32 : 128;
    for (unsigned bit = value->prefix; bit < size; bit++) {
        if (value->ip[bit / 8] & (0x80 >> bit % 8))
            return false;
    }
    return true;
}

int confname_network(const char *text, struct conf_value *value, struct fail *f)
{
    char address[INET6_ADDRSTRLEN];
    uint64_t prefix;
    ssize_t slash = span_find(span_text(text), '/');
    struct span host = span_text(text);
    if (slash >= 0)
        host.n = (size_t)slash;
    if (span_copy(host, address, sizeof address) != 0 || parse_ip(address, value) != 0)
        return fail_set(f, "must be a network, as 192.0.2.0/24 or 2001:db8::/32");
    if (slash >= 0) {
        if (ascii_u64(span_text(text + slash + 1), value->prefix, &prefix) != 0)
            return fail_set(f, "must have a prefix of 0 to %u bits", (unsigned)value->prefix);
        value->prefix = (uint8_t)prefix;
    }
    if (!is_network(value))
        return fail_set(f, "must be a network: the address has bits set behind its prefix");
    value->text = mem_format("%s/%u", ip_text(value, address), (unsigned)value->prefix);
    return 0;
}

int confname_pattern(const char *text, struct conf_value *value, struct fail *f)
{
    struct fail ignored;
    if (strcmp(text, "*") != 0 && check_host(span_text(text + (text[0] == '.')), &ignored) != 0)
        return fail_set(f, "must be a domain, .domain for it and all below it, or * for any "
                           "(ASCII; A-labels for internationalised names)");
    value->text = lower(text);
    return 0;
}

/* host, host:port, [address] or [address]:port. An underscore is no host name, but common inside
 * private networks. */
static bool is_authority(struct span s)
{
    char address[INET6_ADDRSTRLEN];
    struct conf_value ip = {0};
    struct span last;
    uint64_t port = 1;
    ssize_t end = span_find(s, ']');
    bool brackets = s.n > 0 && s.p[0] == '[' && end > 0;
    struct span host = brackets ? span_of(s.p + 1, (size_t)end - 1) : s;
    struct span rest = brackets ? span_of(s.p + end + 1, s.n - (size_t)end - 1) : s;
    ssize_t colon = span_find(rest, ':');
    if (brackets && rest.n > 0 && colon != 0)
        return false;
    if (!brackets && colon >= 0)
        host.n = (size_t)colon;
    if (colon >= 0 &&
        ascii_u64(span_of(rest.p + colon + 1, rest.n - (size_t)colon - 1), 65535, &port) != 0)
        return false;
    if (port == 0)
        return false;
    if (brackets)
        return span_copy(host, address, sizeof address) == 0 && parse_ip(address, &ip) == 0 &&
               ip.family == 6;
    return is_dns(host, "_", &last);
}

int confname_url(const char *text, struct conf_value *value, struct fail *f)
{
    struct span s = span_text(text);
    size_t scheme = span_starts_nocase(s, "http://")    ? 7
                    : span_starts_nocase(s, "https://") ? 8
                                                        : 0;
    if (scheme == 0 || s.n > URL_MAX)
        return fail_set(f,
                        "must be a URL of at most %d octets that begins with http:// or "
                        "https://",
                        URL_MAX);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("\"<>\\^`{|}", s.p[i]) != NULL)
            return fail_set(f, "must be a URL with every other character percent-encoded "
                               "(RFC 3986)");
    }
    if (strchr(text, '#') != NULL)
        return fail_set(f, "must be a URL without a fragment (#...): it would never be sent");
    struct span authority = span_of(text + scheme, strcspn(text + scheme, "/?"));
    if (span_find(authority, '@') >= 0)
        return fail_set(f, "must be a URL without a user and password: use authorization for them");
    if (!is_authority(authority))
        return fail_set(f, "must be a URL with a host, and a port from 1 to 65535 if any");
    value->text = mem_text(text);
    return 0;
}

int confname_user(const char *text, struct conf_value *value, struct fail *f)
{
    struct span s = span_text(text);
    uint64_t id;
    value->number = -1;
    if (ascii_u64(s, UINT32_MAX - 1, &id) == 0) {
        value->number = (int64_t)id;
        value->text = mem_format("%llu", (unsigned long long)id);
        return 0;
    }
    bool ok = s.n > 0 && s.n <= USER_MAX && !all_digits(s) && s.p[0] != '-';
    for (size_t i = 0; i < s.n; i++)
        ok = ok && (ascii_is_alnum(s.p[i]) || strchr("._-", s.p[i]) != NULL);
    if (!ok)
        return fail_set(f,
                        "must be a name of letters, digits and . _ - (at most %d), or a numeric "
                        "id",
                        USER_MAX);
    value->text = mem_text(text);
    return 0;
}

static bool is_local_part(struct span s)
{
    bool dot = true; /* none at the start, none after another, none at the end */
    if (s.n > LOCAL_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        int c = s.p[i];
        if (c == '.' ? dot
                     : c < 0x80 && !ascii_is_alnum(c) && strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL)
            return false;
        dot = c == '.';
    }
    return !dot;
}

int confname_mailbox(const char *text, bool wild, struct conf_value *value, struct fail *f)
{
    const char *at = strrchr(text, '@');
    struct fail why;
    if (at == NULL)
        return fail_set(f, "must be a mail address, local@domain%s", wild ? " or *@domain" : "");
    struct span local = span_of(text, (size_t)(at - text));
    if (check_host(span_text(at + 1), &why) != 0)
        return fail_set(f, "must be a mail address, and its domain %s", why.text);
    if (span_is(local, "*") && !wild)
        return fail_set(f, "must be one mail address, not all of a domain");
    if (!is_local_part(local))
        return fail_set(f,
                        "must have a local part of at most %d octets without quotes: letters, "
                        "digits, !#$%%&'*+-/=?^_`{|}~ and inner dots",
                        LOCAL_MAX);
    value->text = mem_text(text);
    ascii_lower_text(value->text + (at - text));
    return 0;
}

static bool is_block_name(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-");
    return n > 0 && n <= NAME_MAX_ && text[n] == '\0';
}

char *confname_label(const struct conf_block_type *type, const char *text, struct fail *f)
{
    struct span last;
    switch (type->label) {
    case CONF_LABEL_HOST:
        return check_host(span_text(text), f) == 0 ? lower(text) : NULL;
    case CONF_LABEL_DNS:
        if (is_dns(span_text(text), "_", &last))
            return lower(text);
        (void)fail_set(f, "must be letters, digits, underscores and inner hyphens, dots between");
        return NULL;
    case CONF_LABEL_SET:
        if (conftype_word_index(type->words, span_text(text)) >= 0)
            return mem_text(text);
        (void)fail_set(f, "must be one of: %s", type->words);
        return NULL;
    case CONF_LABEL_NAME:
        if (is_block_name(text))
            return mem_text(text);
        (void)fail_set(f, "must be 1 to %d of a to z, 0 to 9 and . _ -", NAME_MAX_);
        return NULL;
    case CONF_LABEL_NONE:
        break;
    }
    (void)fail_set(f, "is not wanted");
    return NULL;
}
