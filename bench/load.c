#include "load.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"

/* bench-load: sends mail to a server and takes it back from it, and tells on one line of JSON how
 * long that took. bench/run drives it. */

#define SINK_PATIENCE_S 600

static const char usage[] =
    "usage: bench-load --to ADDRESS:PORT [--sink ADDRESS:PORT] [--messages N] [--connections N]\n"
    "                  [--reuse] [--tls] [--no-pipelining] [--recipients N] [--domains N]\n"
    "                  [--domain NAME] [--sender ADDRESS] [--size OCTETS] [--rate PER-SECOND]\n"
    "       bench-load --to ADDRESS:PORT --idle N [--at-once N] [--tls]\n";

static struct load load = {.o = {.messages = 1000,
                                 .connections = 1,
                                 .pipelining = true,
                                 .recipients = 1,
                                 .domains = 1,
                                 .domain = "sink.test",
                                 .sender = "load@load.test",
                                 .size = 10240,
                                 .at_once = 50}};

static void bad(const char *what)
{
    (void)fprintf(stderr, "bench-load: %s\n%s", what, usage);
    exit(64);
}

static long number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*end != '\0' || n < 1 || n > 100000000)
        bad("a number from 1 to 100000000 is wanted");
    return n;
}

static void address(const char *text, struct sockaddr_storage *a, int *len)
{
    *len = sizeof *a;
    if (evutil_parse_sockaddr_port(text, (struct sockaddr *)a, len) != 0)
        bad("an address and port are wanted, as in 192.0.2.1:25 or [2001:db8::1]:25");
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {{"to", 1, NULL, 't'},
                                            {"sink", 1, NULL, 'k'},
                                            {"messages", 1, NULL, 'n'},
                                            {"connections", 1, NULL, 'c'},
                                            {"reuse", 0, NULL, 'r'},
                                            {"tls", 0, NULL, 'T'},
                                            {"no-pipelining", 0, NULL, 'P'},
                                            {"recipients", 1, NULL, 'R'},
                                            {"domains", 1, NULL, 'D'},
                                            {"domain", 1, NULL, 'd'},
                                            {"sender", 1, NULL, 'f'},
                                            {"size", 1, NULL, 's'},
                                            {"rate", 1, NULL, 'p'},
                                            {"idle", 1, NULL, 'i'},
                                            {"at-once", 1, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    struct load_options *o = &load.o;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 't':
            address(optarg, &o->to, &o->to_len);
            break;
        case 'k':
            address(optarg, &o->sink, &o->sink_len);
            break;
        case 'n':
            o->messages = number(optarg);
            break;
        case 'c':
            o->connections = (int)number(optarg);
            break;
        case 'r':
            o->reuse = true;
            break;
        case 'T':
            o->tls = true;
            break;
        case 'P':
            o->pipelining = false;
            break;
        case 'R':
            o->recipients = (int)number(optarg);
            break;
        case 'D':
            o->domains = (int)number(optarg);
            break;
        case 'd':
            o->domain = optarg;
            break;
        case 'f':
            o->sender = optarg;
            break;
        case 's':
            o->size = (size_t)number(optarg);
            break;
        case 'p':
            o->rate = (double)number(optarg);
            break;
        case 'i':
            o->idle = true;
            o->connections = (int)number(optarg);
            break;
        case 'o':
            o->at_once = (int)number(optarg);
            break;
        default:
            bad("no such option");
        }
    }
    if (optind != argc || o->to_len == 0)
        bad("--to is wanted, and options only");
}

/* ---- what is told ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print_times(const char *name, double *ms, long n)
{
    if (n == 0)
        return;
    qsort(ms, (size_t)n, sizeof *ms, by_size);
    printf(", \"%s_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}", name, ms[n / 2],
           ms[n * 99 / 100], ms[n - 1]);
}

static void report(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    double own = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf(
        "{\"taken\": %ld, \"refused\": %ld, \"arrived\": %ld, \"twice\": %ld, \"taken_s\": %.6f, "
        "\"arrived_s\": %.6f, \"load_cpu_s\": %.3f",
        load.taken, load.refused, load.arrived, load.twice,
        (double)(load.taken_us - load.began_us) / 1e6,
        (double)(load.arrived_us - load.began_us) / 1e6, own);
    print_times("took", load.took_ms, load.taken);
    print_times("way", load.way_ms, load.arrived);
    /* What was said may hold anything that a server says. */
    for (char *p = load.said; p != NULL && *p != '\0'; p++) {
        if (*p < ' ' || *p == '"' || *p == '\\' || *p == 127)
            *p = '?';
    }
    printf(", \"said\": \"%s\"}\n", load.said == NULL ? "" : load.said);
}

/* ---- the course of it ---- */

static bool is_over(void)
{
    return load.taken + load.refused == load.o.messages &&
           (load.o.sink_len == 0 || load.arrived >= load.taken);
}

void load_source_done(struct load *l)
{
    struct timeval patience = {SINK_PATIENCE_S, 0};
    if (is_over())
        (void)event_base_loopexit(l->base, NULL);
    else
        (void)event_base_loopexit(l->base, &patience);
}

void load_sink_took(struct load *l, long number, unsigned recipients)
{
    if (number < 0 || number >= l->o.messages)
        return; /* a notice, or another's */
    unsigned before = l->copies[number], wanted = (unsigned)l->o.recipients;
    int64_t now = clock_mono_us();
    l->copies[number] += recipients;
    if (before >= wanted)
        l->twice++;
    if (before < wanted && l->copies[number] >= wanted) {
        l->way_ms[l->arrived++] = (double)(now - l->sent_us[number]) / 1000;
        l->arrived_us = now;
    }
    if (is_over())
        (void)event_base_loopexit(l->base, NULL);
}

static void on_stdin(evutil_socket_t fd, short what, void *arg)
{
    char octets[64];
    if (read(fd, octets, sizeof octets) <= 0)
        (void)event_base_loopexit(load.base, NULL);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    read_options(argc, argv);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    size_t n = (size_t)load.o.messages;
    load.base = event_base_new();
    load.sent_us = mem_array(n, sizeof *load.sent_us);
    load.took_ms = mem_array(n, sizeof *load.took_ms);
    load.way_ms = mem_array(n, sizeof *load.way_ms);
    load.copies = mem_array(n, sizeof *load.copies);
    if (load.o.tls)
        load.tls = load_tls_new();
    if (load.o.sink_len > 0)
        load_sink_start(&load);
    load_source_start(&load);
    if (load.o.idle) {
        struct event *end = event_new(load.base, 0, EV_READ | EV_PERSIST, on_stdin, NULL);
        (void)event_add(end, NULL);
        (void)event_base_dispatch(load.base);
        return 0;
    }
    (void)event_base_dispatch(load.base);
    report();
    return load.refused > 0 || load.arrived < (load.o.sink_len > 0 ? load.taken : 0);
}
