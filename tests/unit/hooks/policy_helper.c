/* Fetches policies as the process hooks does and prints a line for each: the end, the status, the
 * mode, and why; then a line for each counter that is not 0, "+name,label=value 3".
 *
 *     unit-hooks-policy DNS-SERVER PORT TIMEOUT-MS private|public DOMAIN ...
 *
 * Trusted authorities are those of SSL_CERT_FILE. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counts.h"
#include "dnsconf.h"
#include "log.h"
#include "mem.h"
#include "policy.h"
#include "tls.h"

static struct event_base *base;
static int left;

/* In place of the service, which there is none of here. */
struct event_base *service_base(struct service *s)
{
    return base;
}

static uint64_t counters[1000];

void service_count(struct service *s, unsigned counter, int64_t n)
{
    counters[counter] += (uint64_t)n;
}

void service_count_time(struct service *s, unsigned first, const int64_t *bounds_ms, unsigned n,
                        int64_t ms)
{
    assert(n == 0);
    service_count(s, first, ms * 1000);
    service_count(s, first + 1, 1);
}

static void print_counters(void)
{
    const char *const *names = counts_names();
    for (size_t i = 0; names[i] != NULL; i++) {
        if (counters[i] == 0)
            continue;
        (void)putchar('+');
        for (const char *c = names[i]; *c != '\0'; c++)
            (void)putchar(*c == ' ' ? ',' : *c);
        (void)printf(" %llu\n", (unsigned long long)counters[i]);
    }
}

static void on_end(void *arg, const struct fetched_policy *p)
{
    static const char *const ends[] = {"good", "failed", "untrusted", "invalid"};
    (void)printf("%s %s %u %s %u %s\n", (const char *)arg, p == NULL ? "gone" : ends[p->end],
                 p->status, p->policy == NULL ? "-" : mtasts_mode_name(p->policy->mode),
                 p->policy == NULL ? 0 : p->policy->max_age_s, p->why);
    if (--left == 0)
        (void)event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
    static const struct ipc_handler handler = {NULL, NULL};
    struct dns_settings d = {.timeout_ms = 2000, .on_ended = counts_dns};
    struct fail f;
    int fd[2];
    if (argc < 6)
        return 2;
    struct policy_settings settings = {.port = atoi(argv[2]),
                                       .timeout_ms = atoi(argv[3]),
                                       .allow_private = strcmp(argv[4], "private") == 0,
                                       .most = 8};
    log_open("test", LOG_ERROR_);
    base = event_base_new();
    if (tls_init(&f) != 0 || fetcher_init(&f) != 0 || dnsconf_server(&d, argv[1], &f) != 0 ||
        ipc_pair(fd, &f) != 0)
        return 1;
    struct dns *dns = dns_open(base, &d, &f);
    struct fetcher *fetcher = fetcher_new(base, &f);
    struct policies *policies = policies_new(NULL, fetcher);
    fetcher_set_dns(fetcher, dns);
    policies_use(policies, &settings);
    policies_link(policies, "test", fd[1]);
    struct ipc *ch = ipc_new(base, fd[0], "fetch", &handler, NULL);
    for (int i = 5; i < argc; i++, left++)
        (void)fetch_policy_ask(ch, argv[i], on_end, argv[i]);
    (void)event_base_dispatch(base);
    print_counters();
    ipc_free(&ch);
    policies_free(&policies);
    fetcher_free(&fetcher);
    dns_close(&dns);
    event_base_free(base);
    return 0;
}
