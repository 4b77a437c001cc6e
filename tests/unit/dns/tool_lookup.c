/* Looks up what its arguments say and prints one JSON object a line: a result each, then the
 * counters.
 *
 *     dns-lookup [options] TYPE:name | hosts:domain | addr:host | mx:domain | named:host ...
 *
 * mx: TLSA records of the domain's first host; named: of a host that nothing had to lead to.
 *
 *     -s ADDRESS  a server (repeated)            -t MS       time for one try
 *     -f FILE     a resolv.conf                  -n N        tries
 *     -c N        results kept; 0 for none       -A          trust the AD bit of any server
 *     -p N        lookups in flight              -R N        run through the list N times
 *     -q          print only how many ended how  -l          no files and no threads from here on
 *     -o NAME     a name of this system          -m N        hosts or addresses at most
 *     -F FAMILY   6first 4first 4 6              -a          addresses of any kind
 *
 * "%d" in a name is the number of the lookup. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <arpa/inet.h>

#include "clock.h"
#include "dns.h"
#include "dnsaddr.h"
#include "dnsconf.h"
#include "dnshosts.h"
#include "dnstlsa.h"
#include "file.h"
#include "mem.h"

#define OWN_MAX 8

struct tool {
    struct event_base *base;
    struct dns *dns;
    struct dns_settings settings;
    struct dnshosts_options hosts;
    struct dnsaddr_options addr;
    const char *own[OWN_MAX];
    char **asks;
    unsigned ask_count;
    unsigned long parallel, next, total, in_flight;
    bool quiet, locked;
    bool calling; /* inside of a function that must not call back */
    unsigned long ended[8];
};

struct running {
    struct tool *tool;
    char *ask;
    struct dnshosts_result *hosts; /* of mx */
};

static const char *const statuses[] = {"OK", "NODATA", "NXDOMAIN", "TEMPORARY", "BAD"};
static const char *const hosts_statuses[] = {"OK",      "NULL_MX", "NO_DOMAIN",
                                             "NO_HOST", "SELF",    "TEMPORARY"};
static const char *const addr_statuses[] = {"OK", "NONE", "UNUSABLE", "TEMPORARY"};

static void start_more(struct tool *t);

static void put_json(struct buf *out, struct span s)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\')
            buf_putf(out, "\\u%04x", s.p[i]);
        else
            buf_putc(out, s.p[i]);
    }
    buf_putc(out, '"');
}

static void put_address(struct buf *out, int family, const unsigned char *octets)
{
    char text[INET6_ADDRSTRLEN];
    put_json(out, span_text(inet_ntop(family, octets, text, sizeof text)));
}

static void put_record(struct buf *out, enum dns_type type, const struct dns_record *r)
{
    switch (type) {
    case DNS_A:
        put_address(out, AF_INET, r->address);
        break;
    case DNS_AAAA:
        put_address(out, AF_INET6, r->address);
        break;
    case DNS_CNAME:
    case DNS_PTR:
        put_json(out, span_text(r->name));
        break;
    case DNS_MX:
        buf_putf(out, "[%u,", r->mx.preference);
        put_json(out, span_text(r->mx.name));
        buf_putc(out, ']');
        break;
    case DNS_TXT:
        put_json(out, r->text);
        break;
    case DNS_TLSA:
        buf_putf(out, "[%u,%u,%u,", r->tlsa.usage, r->tlsa.selector, r->tlsa.matching);
        put_json(out, r->tlsa.data);
        buf_putc(out, ']');
        break;
    }
}

/* What callers are promised about every name they get. */
static void check_name(const char *name)
{
    char normal[DNSNAME_TEXT];
    assert(dnsname_normal(name, normal) == 0 && strcmp(normal, name) == 0);
}

static void check_result(const struct dns_result *r)
{
    assert((r->status == DNS_OK) == (r->n > 0));
    assert((r->status == DNS_OK) == (r->text[0] == '\0'));
    for (size_t i = 0; i < r->n; i++) {
        if (r->type == DNS_CNAME || r->type == DNS_PTR)
            check_name(r->records[i].name);
        if (r->type == DNS_MX && r->records[i].mx.name[0] != '\0')
            check_name(r->records[i].mx.name);
    }
}

static void finished(struct running *run, int status)
{
    struct tool *t = run->tool;
    assert(!t->calling);
    t->ended[status]++;
    t->in_flight--;
    mem_free(&run->ask);
    dnshosts_result_free(&run->hosts);
    mem_free(&run);
    start_more(t);
}

static void begin_line(struct buf *out, const struct running *run, const char *status,
                       bool authentic, int ede, const char *text)
{
    buf_puts(out, "{\"ask\":");
    put_json(out, span_text(run->ask));
    buf_putf(out, ",\"status\":\"%s\",\"authentic\":%s,\"ede\":%d,\"text\":", status,
             authentic ? "true" : "false", ede);
    put_json(out, span_text(text));
}

static void end_line(struct buf *out)
{
    buf_puts(out, "}\n");
    (void)file_write_all(STDOUT_FILENO, buf_span(out).p, out->n);
    buf_free(out);
}

static void on_result(const struct dns_result *r, void *arg)
{
    struct running *run = arg;
    struct buf out = {0};
    check_result(r);
    if (!run->tool->quiet) {
        begin_line(&out, run, statuses[r->status], r->authentic, r->ede, r->text);
        buf_putf(&out, ",\"ttl\":%u,\"name\":\"%s\",\"aliases\":%zu,\"dropped\":%zu,\"records\":[",
                 r->ttl_seconds, r->name, r->aliases, r->dropped);
        for (size_t i = 0; i < r->n; i++) {
            buf_puts(&out, i == 0 ? "" : ",");
            put_record(&out, r->type, &r->records[i]);
        }
        buf_putc(&out, ']');
        end_line(&out);
    }
    finished(run, (int)r->status);
}

static void on_hosts(struct dnshosts_result *r, void *arg)
{
    struct running *run = arg;
    struct buf out = {0};
    begin_line(&out, run, hosts_statuses[r->status], r->authentic, r->ede, r->text);
    buf_putf(&out,
             ",\"implicit\":%s,\"domain\":\"%s\",\"target\":\"%s\",\"dropped\":%zu,"
             "\"pruned\":%zu,\"enhanced\":\"%s\",\"hosts\":[",
             r->implicit ? "true" : "false", r->domain, r->target, r->dropped, r->pruned,
             dnshosts_enhanced(r->status));
    for (size_t i = 0; i < r->n; i++) {
        check_name(r->list[i].name);
        buf_putf(&out, "%s[%u,\"%s\"]", i == 0 ? "" : ",", r->list[i].preference, r->list[i].name);
    }
    buf_putc(&out, ']');
    end_line(&out);
    int status = (int)r->status;
    dnshosts_result_free(&r);
    finished(run, status);
}

static void on_addresses(struct dnsaddr_result *r, void *arg)
{
    struct running *run = arg;
    struct buf out = {0};
    begin_line(&out, run, addr_statuses[r->status], r->authentic, r->ede, r->text);
    buf_putf(&out,
             ",\"alias_authentic\":%s,\"partial\":%s,\"nxdomain\":%s,\"name\":\"%s\","
             "\"dropped\":%zu,\"addresses\":[",
             r->alias_authentic ? "true" : "false", r->partial ? "true" : "false",
             r->nxdomain ? "true" : "false", r->name, r->dropped);
    for (size_t i = 0; i < r->n; i++) {
        buf_puts(&out, i == 0 ? "" : ",");
        put_address(&out, r->list[i].family, r->list[i].octets);
    }
    buf_putc(&out, ']');
    end_line(&out);
    int status = (int)r->status;
    dnsaddr_result_free(&r);
    finished(run, status);
}

static void on_tlsa(struct dnstlsa_result *r, void *arg)
{
    static const char *const tlsa_statuses[] = {"OFF", "NONE", "FOUND", "FAILED"};
    struct running *run = arg;
    struct buf out = {0};
    assert((r->status == TLSPOLICY_TLSA_FOUND) == (r->records.n > 0));
    begin_line(&out, run, tlsa_statuses[r->status], r->records.n > 0, r->ede, r->text);
    buf_putf(&out, ",\"base\":\"%s\",\"records\":[", r->base);
    for (size_t i = 0; i < r->records.n; i++) {
        buf_puts(&out, i == 0 ? "\"" : ",\"");
        tlsa_text(&r->records.list[i], &out);
        buf_putc(&out, '"');
    }
    buf_putc(&out, ']');
    end_line(&out);
    int status = (int)r->status;
    dnstlsa_result_free(&r);
    finished(run, status);
}

static void on_addresses_of_tlsa(struct dnsaddr_result *r, void *arg)
{
    struct running *run = arg;
    const char *host = strchr(run->ask, ':') + 1;
    struct dnstlsa_bases bases =
        run->hosts == NULL ? dnstlsa_bases_of_named(host, r) : dnstlsa_bases_of(run->hosts, 0, r);
    dnsaddr_result_free(&r);
    (void)dnstlsa_find(run->tool->dns, &bases, 25, DNS_NEW, on_tlsa, run);
}

static void on_hosts_of_tlsa(struct dnshosts_result *r, void *arg)
{
    struct running *run = arg;
    if (r->status != DNSHOSTS_OK)
        exit(2);
    run->hosts = r;
    (void)dnsaddr_find(run->tool->dns, r->list[0].name, &run->tool->addr, on_addresses_of_tlsa,
                       run);
}

static int type_of(struct span text)
{
    static const enum dns_type types[] = {DNS_A,   DNS_CNAME, DNS_PTR, DNS_MX,
                                          DNS_TXT, DNS_AAAA,  DNS_TLSA};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (span_is(text, dnsresult_type_name(types[i])))
            return (int)types[i];
    }
    return -1;
}

static char *numbered(const char *name, unsigned long number)
{
    const char *at = strstr(name, "%d");
    if (at == NULL)
        return mem_text(name);
    return mem_format("%.*s%lu%s", (int)(at - name), name, number, at + 2);
}

static void start_one(struct tool *t, const char *ask)
{
    const char *colon = strchr(ask, ':');
    struct running *run = mem_zero(sizeof *run);
    if (colon == NULL)
        exit(2);
    struct span kind = span_of(ask, (size_t)(colon - ask));
    char *name = numbered(colon + 1, t->next);
    run->tool = t;
    run->ask = mem_format("%.*s:%s", (int)kind.n, ask, name);
    t->calling = true;
    t->in_flight++;
    int type = type_of(kind);
    if (span_is(kind, "hosts"))
        (void)dnshosts_find(t->dns, name, &t->hosts, on_hosts, run);
    else if (span_is(kind, "addr"))
        (void)dnsaddr_find(t->dns, name, &t->addr, on_addresses, run);
    else if (span_is(kind, "mx"))
        (void)dnshosts_find(t->dns, name, &t->hosts, on_hosts_of_tlsa, run);
    else if (span_is(kind, "named"))
        (void)dnsaddr_find(t->dns, name, &t->addr, on_addresses_of_tlsa, run);
    else if (type > 0)
        (void)dns_lookup(t->dns, name, (enum dns_type)type, DNS_NEW, on_result, run);
    else
        exit(2);
    t->calling = false;
    mem_free(&name);
}

static void start_more(struct tool *t)
{
    while (t->in_flight < t->parallel && t->next < t->total) {
        start_one(t, t->asks[t->next % t->ask_count]);
        t->next++;
    }
    if (t->in_flight == 0)
        (void)event_base_loopbreak(t->base);
}

/* The kernel ends the process at the first system call that opens a file or starts a thread. */
static void lock_down(void)
{
    static const unsigned refused[] = {SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_clone,
                                       SYS_fork, SYS_vfork,  SYS_clone3,  SYS_execve};
    struct sock_filter code[1 + 2 * sizeof refused / sizeof refused[0] + 1];
    unsigned short n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[i], 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {n, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        perror("seccomp");
        exit(1);
    }
}

static void use_resolv_conf(struct tool *t, const char *path)
{
    struct buf text = {0};
    struct fail f;
    if (file_read(AT_FDCWD, path, 65536, &text, &f) < 0 ||
        dnsconf_resolv(&t->settings, buf_span(&text), &f) < 0) {
        fprintf(stderr, "%s\n", f.text);
        exit(1);
    }
    buf_free(&text);
}

static enum dnsaddr_family family_of(const char *text)
{
    static const char *const names[] = {"6first", "4first", "4", "6"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0)
            return (enum dnsaddr_family)i;
    }
    exit(2);
}

static void take_option(struct tool *t, int c, const char *value)
{
    unsigned number = value == NULL ? 0 : (unsigned)strtoul(value, NULL, 10);
    struct fail f;
    switch (c) {
    case 's':
        if (dnsconf_server(&t->settings, value, &f) == 0)
            break;
        fprintf(stderr, "%s\n", f.text);
        exit(1);
    case 'f':
        use_resolv_conf(t, value);
        break;
    case 't':
        t->settings.timeout_ms = number;
        break;
    case 'n':
        t->settings.tries = number;
        break;
    case 'c':
        t->settings.cache_entries = number == 0 ? DNS_NO_CACHE : number;
        break;
    case 'A':
        t->settings.trust_ad = true;
        break;
    case 'p':
        t->parallel = number;
        break;
    case 'R':
        t->total = number;
        break;
    case 'q':
        t->quiet = true;
        break;
    case 'l':
        t->locked = true;
        break;
    case 'o':
        assert(t->hosts.own_count < OWN_MAX);
        t->own[t->hosts.own_count++] = value;
        break;
    case 'm':
        t->hosts.max = t->addr.max = number;
        break;
    case 'F':
        t->addr.family = family_of(value);
        break;
    case 'a':
        t->addr.any_target = t->addr.private_target = true;
        break;
    default:
        exit(2);
    }
}

static void print_end(const struct tool *t, int64_t us)
{
    struct dns_counters c = dns_counters(t->dns);
    struct buf out = {0};
    buf_putf(&out, "{\"done\":%lu,\"us\":%lld,\"trusted\":%s", t->total, (long long)us,
             dns_is_trusted(t->dns) ? "true" : "false");
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        buf_putf(&out, ",\"%s\":%lu", statuses[i], t->ended[i]);
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {{"lookups", c.lookups},   {"hits", c.hits},       {"merged", c.merged},
                    {"dropped", c.dropped},   {"queries", c.queries}, {"tcp", c.tcp},
                    {"timeouts", c.timeouts}, {"strays", c.strays},   {"malformed", c.malformed}};
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        buf_putf(&out, ",\"%s\":%llu", counters[i].name, (unsigned long long)counters[i].value);
    end_line(&out);
}

int main(int argc, char **argv)
{
    struct tool t = {.parallel = 1, .total = 1};
    struct fail f;
    int c;
    t.hosts.own_names = t.own;
    while ((c = getopt(argc, argv, "s:f:t:n:c:Ap:R:qlo:m:F:a")) != -1)
        take_option(&t, c, optarg);
    t.asks = argv + optind;
    t.ask_count = (unsigned)(argc - optind);
    t.total *= t.ask_count;
    t.base = event_base_new();
    t.dns = dns_open(t.base, &t.settings, &f);
    if (t.dns == NULL) {
        fprintf(stderr, "%s\n", f.text);
        return 1;
    }
    if (t.locked)
        lock_down();
    int64_t began = clock_mono_us();
    start_more(&t);
    if (t.total > 0)
        (void)event_base_dispatch(t.base);
    assert(t.in_flight == 0 && t.next == t.total);
    print_end(&t, clock_mono_us() - began);
    dns_close(&t.dns);
    event_base_free(t.base);
    if (t.locked)
        _exit(0); /* past the leak check of a sanitizer, which starts a thread */
    return 0;
}
