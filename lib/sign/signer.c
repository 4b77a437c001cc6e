#include "signer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "fail.h"
#include "mem.h"
#include "proto_secret.h"

/* The vault may have got other keys than it told: this one asks again, after a refusal at once. */
#define LIST_S 30

struct key {
    char *domain, *selector;
    enum dkim_algorithm algorithm;
    uint32_t order; /* as the vault gave them */
};

struct signer {
    struct event_base *base;
    struct dkim *dkim;
    struct ipc *vault;
    uint64_t listing; /* the request for the list of keys, 0 when none is under way */
    struct event *again;
    bool known;
    struct key *keys; /* sorted by domain, then in their order */
    uint32_t keys_n;
    unsigned jobs;
};

/* One signature of a job. */
struct part {
    struct signer_job *job;
    char *selector;
    struct dkim_pending pending;
    struct buf field; /* when it is finished */
};

struct signer_job {
    struct signer *signer;
    struct part *parts;
    unsigned parts_n, waiting;
    char why[200];
    bool never;                  /* nor ever will */
    signer_on_fields *on_fields; /* NULL when canceled */
    void *arg;
};

static void on_again(evutil_socket_t fd, short what, void *arg);

struct signer *signer_new(struct event_base *base)
{
    struct signer *s = mem_zero(sizeof *s);
    const struct timeval interval = {LIST_S, 0};
    s->base = base;
    s->dkim = dkim_new();
    s->again = event_new(base, -1, EV_PERSIST, on_again, s);
    assert(s->again != NULL);
    (void)event_add(s->again, &interval);
    return s;
}

static void forget_keys(struct signer *s)
{
    for (uint32_t i = 0; i < s->keys_n; i++) {
        mem_free(&s->keys[i].domain);
        mem_free(&s->keys[i].selector);
    }
    mem_free(&s->keys);
    s->keys_n = 0;
    s->known = false;
}

void signer_free(struct signer **sp)
{
    struct signer *s = *sp;
    if (s == NULL)
        return;
    assert(s->jobs == 0);
    signer_use(s, NULL);
    forget_keys(s);
    event_free(s->again);
    dkim_free(&s->dkim);
    mem_free(sp);
}

static int by_domain(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    int c = strcmp(x->domain, y->domain);
    return c != 0 ? c : x->order < y->order ? -1 : 1;
}

static void on_keys(void *arg, const struct secret_dkim_key *keys, uint32_t n)
{
    struct signer *s = arg;
    s->listing = 0;
    forget_keys(s);
    if (keys == NULL)
        return;
    s->keys = mem_array(n, sizeof *s->keys);
    s->keys_n = n;
    for (uint32_t i = 0; i < n; i++)
        s->keys[i] = (struct key){mem_text(keys[i].domain), mem_text(keys[i].selector),
                                  (enum dkim_algorithm)keys[i].algorithm, i};
    if (n > 0)
        qsort(s->keys, n, sizeof *s->keys, by_domain);
    s->known = true;
}

static void list_keys(struct signer *s)
{
    if (s->vault != NULL && s->listing == 0)
        s->listing = secret_dkim_list(s->vault, on_keys, s);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    list_keys(arg);
}

void signer_use(struct signer *s, struct ipc *vault)
{
    if (s->listing != 0)
        secret_forget(s->vault, s->listing);
    s->listing = 0;
    s->vault = vault;
    list_keys(s);
}

struct dkim *signer_dkim(struct signer *s)
{
    return s->dkim;
}

/* The first key of the domain, and how many it has. */
static uint32_t find_keys(const struct signer *s, const char *domain, uint32_t *n)
{
    uint32_t low = 0, high = s->keys_n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(s->keys[middle].domain, domain) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (*n = 0; low + *n < s->keys_n && strcmp(s->keys[low + *n].domain, domain) == 0;)
        (*n)++;
    return low;
}

bool signer_has_key(const struct signer *s, const char *domain)
{
    uint32_t n;
    (void)find_keys(s, domain, &n);
    return !s->known || n > 0;
}

static void free_job(struct signer_job *job)
{
    for (unsigned i = 0; i < job->parts_n; i++) {
        dkim_pending_clear(&job->parts[i].pending);
        buf_free(&job->parts[i].field);
        mem_free(&job->parts[i].selector);
    }
    job->signer->jobs--;
    mem_free(&job->parts);
    mem_free(&job);
}

static void finish(struct signer_job *job)
{
    struct buf fields = {0};
    if (job->why[0] == '\0') {
        for (unsigned i = 0; i < job->parts_n; i++)
            buf_put_span(&fields, buf_span(&job->parts[i].field));
    }
    if (job->on_fields != NULL)
        job->on_fields(job->arg, buf_span(&fields), job->why[0] == '\0' ? NULL : job->why,
                       job->never);
    buf_free(&fields);
    free_job(job);
}

static void on_signature(void *arg, struct span signature, const char *why)
{
    struct part *p = arg;
    struct signer_job *job = p->job;
    if (signature.n == 0) {
        (void)snprintf(job->why, sizeof job->why, "cannot sign: %s", why);
        list_keys(job->signer);
    } else {
        dkim_finish(&p->pending, signature, &p->field);
    }
    if (--job->waiting == 0)
        finish(job);
}

/* Where nobody is asked the job ends here, in the next turn of the loop. */
static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct signer_job *job = arg;
    (void)fd;
    (void)what;
    if (--job->waiting == 0)
        finish(job);
}

static int prepare(struct signer *s, struct signer_job *job, const char *domain, struct span header,
                   const unsigned char body_hash[DKIM_DIGEST], int64_t now_s, struct fail *f)
{
    uint32_t n, first = find_keys(s, domain, &n);
    job->parts = mem_array(n, sizeof *job->parts);
    for (uint32_t k = first; k < first + n; k++) {
        struct dkim_signer who = {domain, s->keys[k].selector, s->keys[k].algorithm, now_s, 0};
        struct part *p = &job->parts[job->parts_n];
        p->job = job;
        p->selector = mem_text(who.selector);
        job->parts_n++;
        if (dkim_prepare(s->dkim, &who, header, body_hash, &p->pending, f) != 0)
            return -1;
    }
    return 0;
}

struct signer_job *signer_sign(struct signer *s, const char *domain, struct span header,
                               const unsigned char body_hash[DKIM_DIGEST], int64_t now_s,
                               signer_on_fields *on_fields, void *arg)
{
    struct signer_job *job = mem_zero(sizeof *job);
    struct fail f = {{0}};
    *job = (struct signer_job){.signer = s, .on_fields = on_fields, .arg = arg, .waiting = 1};
    s->jobs++;
    if (s->vault == NULL || !s->known)
        (void)snprintf(job->why, sizeof job->why, "cannot sign: the vault is not there");
    else if (prepare(s, job, domain, header, body_hash, now_s, &f) != 0) {
        (void)snprintf(job->why, sizeof job->why, "cannot sign: %.180s", f.text);
        job->never = true;
    }
    for (unsigned i = 0; i < job->parts_n && job->why[0] == '\0'; i++) {
        struct part *p = &job->parts[i];
        job->waiting++;
        (void)secret_dkim_sign(s->vault, domain, p->selector,
                               span_of(p->pending.digest, DKIM_DIGEST), on_signature, p);
    }
    const struct timeval now = {0, 0};
    (void)event_base_once(s->base, -1, EV_TIMEOUT, on_turn, job, &now);
    return job;
}

void signer_cancel(struct signer_job **jp)
{
    if (*jp != NULL)
        (*jp)->on_fields = NULL;
    *jp = NULL;
}
