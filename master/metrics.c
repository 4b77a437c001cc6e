#include "metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "clock.h"
#include "mem.h"
#include "proto_control.h"

#define INTERVAL_MS 2000
#define FAMILIES_MAX 1000

/* All samples of one name stand together: Prometheus wants it so. */
struct family {
    char *name;
    struct buf samples;
};

struct metrics {
    struct world *world;
    struct event *timer;
    struct family *families;
    size_t families_n;
    unsigned waiting; /* processes that have not answered */
    unsigned round;   /* who answers later than the next one begins is not heard */
};

struct question {
    struct metrics *metrics;
    unsigned round;
    char process[80];
    enum role role;
};

/* A counter's name taken apart; the parts are in one buffer. */
struct parts {
    char text[256];
    char labels[256];         /* ",code=\"404\""; "" for none */
    const char *scope, *name; /* "" for no scope */
};

static bool is_word(const char *s, const char *more)
{
    for (const char *p = s; *p != '\0'; p++) {
        if (!ascii_is_alnum((unsigned char)*p) && strchr(more, *p) == NULL)
            return false;
    }
    return s[0] != '\0';
}

/* Ends the text at this octet, and returns what is behind it, or NULL when it is not there. */
static char *cut(char *s, int c)
{
    char *at = s == NULL ? NULL : strchr(s, c);
    if (at != NULL)
        *at = '\0';
    return at == NULL ? NULL : at + 1;
}

/* "label=value label=value". */
static bool take_labels(struct parts *p, char *text)
{
    size_t n = 0;
    p->labels[0] = '\0';
    while (text != NULL) {
        char *next = cut(text, ' '), *value = cut(text, '=');
        if (value == NULL || !is_word(text, "_") || !is_word(value, "_.+"))
            return false;
        n += (size_t)snprintf(p->labels + n, sizeof p->labels - n, ",%s=\"%s\"", text, value);
        if (n >= sizeof p->labels)
            return false;
        text = next;
    }
    return true;
}

/* A name from a process is put into the text, so it must be one: "things_total", "scope:things",
 * "things label=value". */
static bool take_apart(struct parts *p, const char *counter)
{
    if (strlen(counter) >= sizeof p->text)
        return false;
    memcpy(p->text, counter, strlen(counter) + 1);
    char *labels = cut(p->text, ' '), *name = cut(p->text, ':');
    p->scope = name == NULL ? "" : p->text;
    p->name = name == NULL ? p->text : name;
    return is_word(p->name, "_") && (name == NULL || is_word(p->scope, "_")) &&
           take_labels(p, labels);
}

static struct family *reach(struct metrics *m, const char *name)
{
    for (size_t i = 0; i < m->families_n; i++) {
        if (strcmp(m->families[i].name, name) == 0)
            return &m->families[i];
    }
    if (m->families_n >= FAMILIES_MAX)
        return NULL;
    m->families = mem_resize(m->families, (m->families_n + 1) * sizeof *m->families);
    m->families[m->families_n] = (struct family){.name = mem_text(name)};
    return &m->families[m->families_n++];
}

static void add(struct metrics *m, const char *scope, const char *counter, const char *process,
                uint64_t value)
{
    char *name = mem_format("quartermaster_%s_%s", scope, counter);
    struct family *f = reach(m, name);
    if (f != NULL)
        buf_putf(&f->samples, "%s{process=\"%s\"} %" PRIu64 "\n", name, process, value);
    mem_free(&name);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

/* What a process counted. */
static void add_counter(struct metrics *m, enum role role, const struct control_counter *c,
                        const char *process)
{
    struct parts p;
    if (!take_apart(&p, c->name))
        return;
    char *name =
        mem_format("quartermaster_%s_%s", p.scope[0] == '\0' ? role_names[role] : p.scope, p.name);
    struct family *f = reach(m, name);
    if (f != NULL) {
        buf_putf(&f->samples, "%s{process=\"%s\"%s", name, process, p.labels);
        if (ends_with(p.name, "_seconds_sum"))
            buf_putf(&f->samples, "} %" PRIu64 ".%06" PRIu64 "\n", c->value / 1000000,
                     c->value % 1000000);
        else
            buf_putf(&f->samples, "} %" PRIu64 "\n", c->value);
    }
    mem_free(&name);
}

static void clear(struct metrics *m)
{
    for (size_t i = 0; i < m->families_n; i++) {
        mem_free(&m->families[i].name);
        buf_free(&m->families[i].samples);
    }
    mem_free(&m->families);
    m->families_n = 0;
}

static void put_type_of(struct buf *text, const char *name, const char *part, const char *type)
{
    buf_putf(text, "# TYPE %.*s %s\n", (int)(strlen(name) - strlen(part)), name, type);
}

/* The families of a histogram stand one behind the other, that of its buckets first; those of times
 * without buckets likewise. */
static void put_type(struct buf *text, const char *name, const char *before)
{
    if (ends_with(name, "_bucket"))
        put_type_of(text, name, "_bucket", "histogram");
    else if (ends_with(name, "_seconds_sum") && !ends_with(before, "_bucket"))
        put_type_of(text, name, "_sum", "summary");
    else if (!ends_with(name, "_seconds_sum") && !ends_with(name, "_seconds_count"))
        buf_putf(text, "# TYPE %s %s\n", name, ends_with(name, "_total") ? "counter" : "gauge");
}

static void publish(struct metrics *m)
{
    struct buf text = {0};
    struct process *p;
    for (size_t i = 0; i < m->families_n; i++) {
        struct family *f = &m->families[i];
        put_type(&text, f->name, i == 0 ? "" : m->families[i - 1].name);
        buf_put_span(&text, buf_span(&f->samples));
    }
    TAILQ_FOREACH (p, &m->world->processes, next) {
        if (p->role == ROLE_WEBAPI && p->state == PROCESS_UP && p->control != NULL)
            control_metrics(p->control, buf_span(&text));
    }
    buf_free(&text);
}

static void on_counters(void *arg, const struct control_counter *counters, uint32_t n)
{
    struct question *q = arg;
    struct metrics *m = q->metrics;
    bool in_time = q->round == m->round;
    for (uint32_t i = 0; i < n && in_time; i++)
        add_counter(m, q->role, &counters[i], q->process);
    if (in_time && --m->waiting == 0)
        publish(m);
    mem_free(&q);
}

static void ask_all(struct metrics *m)
{
    struct process *p;
    int64_t now = clock_mono_ms();
    clear(m);
    m->round++;
    m->waiting = 1; /* ourselves, so that no answer is the last before all are asked */
    TAILQ_FOREACH (p, &m->world->processes, next) {
        add(m, "process", "restarts_total", p->name, p->restarts);
        add(m, "process", "uptime_seconds", p->name,
            p->pid > 0 ? (uint64_t)(now - p->started_ms) / 1000 : 0);
        /* One that owes an answer is not asked again. */
        if (p->state != PROCESS_UP || p->control == NULL || ipc_pending(p->control) > 0)
            continue;
        struct question *q = mem_zero(sizeof *q);
        q->metrics = m;
        q->round = m->round;
        q->role = p->role;
        (void)snprintf(q->process, sizeof q->process, "%s", p->name);
        m->waiting++;
        control_counters(p->control, on_counters, q);
    }
    if (--m->waiting == 0)
        publish(m);
}

static bool has_reader(const struct world *w)
{
    const struct process *p;
    TAILQ_FOREACH (p, &w->processes, next) {
        if (p->role == ROLE_WEBAPI && p->state == PROCESS_UP)
            return true;
    }
    return false;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct metrics *m = arg;
    if (!has_reader(m->world))
        return;
    if (m->waiting > 0)
        publish(m); /* without those that did not answer */
    ask_all(m);
}

struct metrics *metrics_new(struct world *w)
{
    int64_t ms = w->metrics_interval_ms > 0 ? w->metrics_interval_ms : INTERVAL_MS;
    const struct timeval interval = {ms / 1000, ms % 1000 * 1000};
    struct metrics *m = mem_zero(sizeof *m);
    m->world = w;
    m->timer = event_new(w->base, -1, EV_PERSIST, on_timer, m);
    assert(m->timer != NULL);
    (void)event_add(m->timer, &interval);
    return m;
}

void metrics_free(struct metrics **mp)
{
    if (*mp == NULL)
        return;
    event_free((*mp)->timer);
    clear(*mp);
    mem_free(mp);
}
