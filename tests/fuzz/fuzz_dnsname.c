/* themes: dns base */
/* Names in both forms: what one direction makes, the other takes back unchanged. The settings' text
 * goes along. */
#include <assert.h>
#include <string.h>

#include "dnsconf.h"
#include "dnsname.h"
#include "mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_wire(struct span wire)
{
    struct dnsname name, again;
    char text[DNSNAME_TEXT];
    if (dnsname_take(wire, &name) < 0)
        return;
    assert(name.n == wire.n);
    if (dnsname_text(&name, text) < 0 || text[0] == '\0')
        return;
    assert(dnsname_parse(text, &again) == 0 && dnsname_equal(&name, &again));
}

static void check_text(const char *text)
{
    struct dnsname name, again;
    char normal[DNSNAME_TEXT], back[DNSNAME_TEXT];
    if (dnsname_normal(text, normal) < 0) {
        assert(dnsname_parse(text, &name) < 0);
        return;
    }
    assert(dnsname_parse(text, &name) == 0 && dnsname_text(&name, back) == 0);
    assert(strcmp(normal, back) == 0);
    assert(dnsname_take(span_of(name.p, name.n), &again) == 0 && dnsname_equal(&name, &again));
    (void)dnsname_is_host(normal);
    if (dnsname_reverse(AF_INET, "\xc0\0\2\1", text, back) == 0)
        assert(strncmp(back, "1.2.0.192.", 10) == 0 && strcmp(back + 10, normal) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_settings settings = {0};
    struct span whole = span_of(data, size);
    char *text = mem_textn(data, size);
    check_wire(whole);
    check_text(text);
    if (dnsconf_resolv(&settings, whole, NULL) == 0)
        assert(settings.server_count > 0);
    assert(settings.server_count <= DNS_SERVERS_MAX);
    (void)dnsconf_server(&settings, text, NULL);
    mem_free(&text);
    return 0;
}
