#include "dnsconf.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "ascii.h"

/* An IPv6 address and its interface, a 64-character name at most. */
#define HOST_SIZE 128

/* Cuts "host", "host:port", "[host]:port" apart. Two colons without brackets are an IPv6 address
 * alone. Returns 0, or -1 when it is none of them. */
static int split(const char *text, char host[HOST_SIZE], uint16_t *port)
{
    struct span whole = span_text(text);
    const char *colon = strchr(text, ':'), *end = NULL;
    uint64_t number = 53;
    if (text[0] == '[') {
        end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return -1;
        whole = span_of(text + 1, (size_t)(end - text) - 1);
        colon = end[1] == ':' ? end + 1 : NULL;
    } else if (colon != NULL && strchr(colon + 1, ':') != NULL) {
        colon = NULL;
    } else if (colon != NULL) {
        whole.n = (size_t)(colon - text);
    }
    if (colon != NULL && (ascii_u64(span_text(colon + 1), 65535, &number) < 0 || number == 0))
        return -1;
    *port = (uint16_t)number;
    return span_copy(whole, host, HOST_SIZE);
}

static int parse_4(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    *out = (struct sockaddr_storage){0};
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -1;
}

static int parse_6(char *host, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)out;
    *out = (struct sockaddr_storage){0};
    char *interface = strchr(host, '%');
    if (interface != NULL) {
        *interface++ = '\0';
        in->sin6_scope_id = if_nametoindex(interface);
        if (in->sin6_scope_id == 0)
            return -1;
    }
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(port);
    return inet_pton(AF_INET6, host, &in->sin6_addr) == 1 ? 0 : -1;
}

int dnsconf_server(struct dns_settings *settings, const char *text, struct fail *f)
{
    char host[HOST_SIZE];
    uint16_t port;
    struct sockaddr_storage address;
    if (split(text, host, &port) < 0 ||
        (parse_4(host, port, &address) < 0 && parse_6(host, port, &address) < 0))
        return fail_set(f, "\"%.100s\" is not the address of a DNS server", text);
    if (settings->server_count == DNS_SERVERS_MAX)
        return fail_set(f, "more than %d DNS servers", DNS_SERVERS_MAX);
    settings->servers[settings->server_count++] = address;
    return 0;
}

/* "name:n" with n from 1 on; what is above most counts as most. Returns 0 when it is something
 * else. */
static unsigned option_number(struct span option, const char *name, unsigned most)
{
    uint64_t value;
    size_t n = strlen(name);
    if (!span_starts_nocase(option, name) || option.n <= n + 1 || option.p[n] != ':')
        return 0;
    if (ascii_u64(span_of(option.p + n + 1, option.n - n - 1), UINT32_MAX, &value) < 0)
        return 0;
    return value > most ? most : (unsigned)value;
}

static void take_option(struct dns_settings *settings, struct span option)
{
    unsigned timeout = option_number(option, "timeout", 30);
    unsigned attempts = option_number(option, "attempts", 5);
    if (timeout > 0)
        settings->timeout_ms = timeout * 1000;
    if (attempts > 0)
        settings->tries = attempts;
    if (span_is(option, "trust-ad"))
        settings->trust_ad = true;
}

static int take_line(struct dns_settings *settings, struct span line, struct fail *f)
{
    struct span word;
    if (!ascii_token(&line, " \t\r", &word))
        return 0;
    if (span_is(word, "nameserver") && settings->server_count < DNS_SERVERS_MAX) {
        char text[HOST_SIZE];
        if (!ascii_token(&line, " \t\r", &word) || span_copy(word, text, sizeof text) < 0)
            return fail_set(f, "a nameserver line without an address");
        return dnsconf_server(settings, text, f);
    }
    if (span_is(word, "options")) {
        while (ascii_token(&line, " \t\r", &word))
            take_option(settings, word);
    }
    return 0;
}

int dnsconf_resolv(struct dns_settings *settings, struct span text, struct fail *f)
{
    size_t before = settings->server_count;
    for (unsigned number = 1; text.n > 0; number++) {
        ssize_t end = span_find(text, '\n');
        struct span line = span_of(text.p, end < 0 ? text.n : (size_t)end);
        if (take_line(settings, line, f) < 0)
            return fail_prefix(f, "resolv.conf line %u", number);
        size_t used = line.n + (end < 0 ? 0 : 1);
        text = span_of(text.p + used, text.n - used);
    }
    if (settings->server_count == before)
        return dnsconf_server(settings, "127.0.0.1", f);
    return 0;
}
