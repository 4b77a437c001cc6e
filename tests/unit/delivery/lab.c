#include "lab.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "file.h"
#include "hostlimits.h"
#include "log.h"
#include "mem.h"
#include "pool.h"
#include "proto_fetch.h"
#include "proto_submit.h"
#include "tls.h"
#include "tlskey.h"

struct lab lab;

/* ---- the frame of a process ---- */

void service_count_time(struct service *s, unsigned first, const int64_t *bounds_ms, unsigned n,
                        int64_t ms)
{
    assert_int_equal(n, 0);
    /* Where a test has time go back, it is nothing. */
    service_count(s, first, ms > 0 ? ms * 1000 : 0);
    service_count(s, first + 1, 1);
}

void service_count(struct service *s, unsigned counter, int64_t n)
{
    assert_true(counter < DELIVERY_COUNTERS);
    lab.counters[counter] += (uint64_t)n;
}

void service_gauge(struct service *s, unsigned counter, uint64_t value)
{
    assert_true(counter < DELIVERY_COUNTERS);
    lab.counters[counter] = value;
}

bool service_stopping(const struct service *s)
{
    return lab.stopping;
}

void service_link_lost(struct service *s, const char *name)
{
    lab.links_lost++;
}

void service_done(struct service *s)
{
    lab.done = true;
}

/* ---- the loop ---- */

static struct event *guard;
static bool late;

static void on_guard(evutil_socket_t fd, short what, void *arg)
{
    late = true;
}

void lab_guard(bool on)
{
    const struct timeval limit = {30, 0};
    late = false;
    if (on)
        (void)evtimer_add(guard, &limit);
    else
        (void)evtimer_del(guard);
}

bool lab_is_late(void)
{
    return late;
}

void lab_turn(void)
{
    (void)event_base_loop(lab.base, EVLOOP_ONCE);
}

void lab_settle(void)
{
    for (int i = 0; i < 100; i++)
        (void)event_base_loop(lab.base, EVLOOP_NONBLOCK);
}

int64_t __real_clock_mono_ms(void);
int64_t __wrap_clock_mono_ms(void);

int64_t __wrap_clock_mono_ms(void)
{
    return __real_clock_mono_ms() + lab.passed_ms;
}

struct expiry {
    int minutes;
    struct event *found;
};

/* What is left of it may be less, by what this machine took for the test so far. */
static int find_deadline(const struct event_base *base, const struct event *e, void *arg)
{
    struct expiry *x = arg;
    struct timeval now, at;
    if (event_pending(e, EV_TIMEOUT, &at) == 0)
        return 0;
    (void)evutil_gettimeofday(&now, NULL);
    int64_t left_s = at.tv_sec - now.tv_sec;
    if (left_s > x->minutes * 60 || left_s <= (x->minutes - 1) * 60)
        return 0;
    x->found = (struct event *)e;
    return 1;
}

uint64_t lab_connections(void)
{
    return lab.counters[COUNT_CONNECTED] + lab.counters[COUNT_CONNECT_TIMEOUT] +
           lab.counters[COUNT_CONNECT_ERROR];
}

bool lab_expire(int minutes)
{
    struct expiry x = {.minutes = minutes};
    (void)event_base_foreach_event(lab.base, find_deadline, &x);
    if (x.found == NULL)
        return false;
    (void)event_del(x.found);
    event_active(x.found, EV_TIMEOUT, 0);
    return true;
}

void lab_wait(int ms)
{
    const struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    (void)event_base_loopexit(lab.base, &tv);
    (void)event_base_dispatch(lab.base);
}

/* ---- certificates ---- */

static SSL_CTX *server_of(const struct tlskey *key, struct buf *chain)
{
    struct buf pem = {0};
    struct fail f;
    static const char *const names[] = {"127.0.0.1", "::1", "mx1.test", "mx2.test"};
    assert_int_equal(tlskey_self_sign(key, names, 4, 10, chain, &f), 0);
    tlskey_write(key, &pem);
    BIO *bio = BIO_new_mem_buf(buf_span(chain).p, (int)chain->n);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    bio = BIO_new_mem_buf(buf_span(&pem).p, (int)pem.n);
    EVP_PKEY *private = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_non_null(ctx);
    tls_context_defaults(ctx);
    assert_int_equal(SSL_CTX_use_certificate(ctx, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, private), 1);
    X509_free(certificate);
    EVP_PKEY_free(private);
    buf_wipe(&pem);
    return ctx;
}

static void make_certificates(void)
{
    struct tlskey *keys[] = {tlskey_generate(), tlskey_generate()};
    struct buf chain = {0}, other = {0};
    struct fail f;
    assert_int_equal(tls_init(&f), 0);
    lab.trusted = server_of(keys[0], &chain);
    lab.untrusted = server_of(keys[1], &other);
    lab.agent.roots = X509_STORE_new();
    BIO *bio = BIO_new_mem_buf(buf_span(&chain).p, (int)chain.n);
    X509 *root = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_int_equal(X509_STORE_add_cert(lab.agent.roots, root), 1);
    X509_free(root);
    BIO_free(bio);
    buf_free(&chain);
    buf_free(&other);
    tlskey_free(&keys[0]);
    tlskey_free(&keys[1]);
}

/* ---- configuration ---- */

struct conf *lab_configuration(const char *text)
{
    struct conf_errors errors;
    struct buf share = {0}, complaints = {0};
    struct fail f;
    struct conf *whole = conf_parse("/etc/test.conf", span_text(text), &errors);
    conf_errors_print(&errors, &complaints);
    assert_string_equal(buf_text(&complaints), "");
    conf_encode(whole, CONF_DELIVERY, &share);
    struct conf *mine = conf_decode(buf_span(&share), CONF_DELIVERY, &f);
    assert_non_null(mine);
    conf_free(&whole);
    conf_errors_free(&errors);
    buf_free(&share);
    buf_free(&complaints);
    return mine;
}

static struct transport *transport_of(const char *fmt, va_list ap)
{
    struct buf text = {0};
    struct fail f = {{0}};
    buf_putf(&text,
             "hostname us.test\n"
             "dns { server 127.0.0.1:%d  timeout 20s  tries 1 }\n",
             lab.names.port);
    buf_vputf(&text, fmt, ap);
    struct conf *conf = lab_configuration(buf_text(&text));
    const struct transport_machine machine = {.roots = lab.agent.roots, .dns_ended = counts_dns};
    struct transport *t = transport_new(conf, lab.agent.label, lab.base, &machine, &f);
    assert_string_equal(f.text, "");
    assert_non_null(t);
    buf_free(&text);
    return t;
}

static int count_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static void open_parts(const char *label)
{
    (void)signal(SIGPIPE, SIG_IGN);
    log_open("test", LOG_ERROR_);
    lab = (struct lab){.descriptors = count_descriptors()};
    lab.base = event_base_new();
    assert_non_null(lab.base);
    guard = evtimer_new(lab.base, on_guard, NULL);
    lab.agent.label = label;
    lab.agent.base = lab.base;
    names_open(&lab.names, lab.base);
    peer_open(&lab.peer, lab.base, "127.0.0.1", 0);
    make_certificates();
    lab.agent.pool = pool_new(&lab.agent);
    agent_open(&lab.agent);
}

void lab_open(const char *label, const char *fmt, ...)
{
    va_list ap;
    open_parts(label);
    va_start(ap, fmt);
    lab.agent.transport = transport_of(fmt, ap);
    va_end(ap);
    lab_link();
}

static struct transport *with_format(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct transport *t = transport_of(fmt, ap);
    va_end(ap);
    return t;
}

static struct transport *direct_with(const char *settings)
{
    const char *tls = strstr(settings, "tls ") != NULL ? "" : "tls none";
    return with_format("deliver { allow-loopback yes  port %d  %s  %s }\n", lab.peer.port, tls,
                       settings);
}

void lab_open_direct(const char *settings)
{
    open_parts("direct");
    lab.agent.transport = direct_with(settings);
    lab_link();
}

void lab_reload_direct(const char *settings)
{
    agent_reload(&lab.agent, direct_with(settings));
}

void lab_reload(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct transport *t = transport_of(fmt, ap);
    va_end(ap);
    agent_reload(&lab.agent, t);
}

static void on_qmgr_closed(struct ipc *ch, void *arg, const char *why)
{
    ipc_free(&lab.qmgr);
}

static const char *const whats[STS_WHATS] = {"fetched", "used", "failed", "no-record"};

static void note_result(const struct tlsresult *r)
{
    for (size_t i = 0; i < r->entries_n; i++) {
        const struct tlsresult_entry *e = &r->entries[i];
        buf_putf(&lab.learned, "%s%s%s: %s %llu good %llu failed", r->recipient_domain,
                 r->is_host ? " at " : "", r->is_host ? r->policy_domain : "",
                 tlsresult_policy_name(e->policy), (unsigned long long)e->success,
                 (unsigned long long)e->failure);
        for (size_t k = 0; k < e->details_n; k++) {
            buf_putf(&lab.learned, ", %s %s", tlsresult_type_name(e->details[k].type),
                     e->details[k].reason);
            (void)snprintf(lab.sending, sizeof lab.sending, "%s", e->details[k].sending_ip);
        }
        buf_puts(&lab.learned, "\n");
    }
}

static int on_learned(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct learned l;
    assert_int_equal(learned_read(m, &l, f), 0);
    for (uint32_t i = 0; i < l.policies_n; i++)
        buf_putf(&lab.learned, "%s %s %s\n", whats[l.policies[i].what], l.policies[i].domain,
                 l.policies[i].id);
    for (uint32_t i = 0; i < l.results_n; i++)
        note_result(l.results[i]);
    learned_clear(&l);
    return 0;
}

void lab_link(void)
{
    static const struct ipc_handler handler = {on_learned, on_qmgr_closed};
    struct fail f;
    int fd[2];
    ipc_free(&lab.qmgr);
    assert_int_equal(ipc_pair(fd, &f), 0);
    lab.qmgr = ipc_new(lab.base, fd[0], "deliver", &handler, NULL);
    agent_link(&lab.agent, fd[1]);
}

static int on_fetch(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct fetched_policy p = {.end = FETCH_POLICY_FAILED};
    char *domain;
    assert_int_equal(fetch_policy_read(m, &domain, f), 0);
    lab.fetches++;
    if (lab.policy != NULL) {
        p.end = FETCH_POLICY_GOOD;
        p.policy = mtasts_policy_parse(span_text(lab.policy), f);
        assert_non_null(p.policy);
    }
    p.why = mem_text(lab.policy == NULL ? "http-status-404" : "");
    if (!lab.mute)
        fetch_policy_answer(ch, m->id, &p);
    fetched_policy_clear(&p);
    mem_free(&domain);
    return 0;
}

static void on_hooks_closed(struct ipc *ch, void *arg, const char *why)
{
    ipc_free(&lab.hooks);
}

void lab_link_hooks(void)
{
    static const struct ipc_handler handler = {on_fetch, on_hooks_closed};
    struct fail f;
    int fd[2];
    ipc_free(&lab.hooks);
    assert_int_equal(ipc_pair(fd, &f), 0);
    lab.hooks = ipc_new(lab.base, fd[0], "fetch", &handler, NULL);
    agent_link_hooks(&lab.agent, fd[1]);
}

char *lab_tlsa(SSL_CTX *ctx)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    struct buf text = {0};
    unsigned char *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(SSL_CTX_get0_certificate(ctx)), &der);
    assert_true(size > 0);
    assert_int_equal(EVP_Digest(der, (size_t)size, digest, &n, EVP_sha256(), NULL), 1);
    OPENSSL_free(der);
    buf_puts(&text, "3 1 1 ");
    for (unsigned i = 0; i < n; i++)
        buf_putf(&text, "%02x", digest[i]);
    return buf_take_text(&text);
}

void lab_close(void)
{
    pool_stop(lab.agent.pool);
    /* Whoever said QUIT gets its answer. */
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    lab_settle();
    assert_int_equal(lab.agent.jobs, 0);
    assert_int_equal(lab.counters[GAUGE_SESSIONS], 0);
    peer_close(&lab.peer);
    ipc_free(&lab.qmgr);
    ipc_free(&lab.hooks);
    buf_free(&lab.learned);
    lab_settle();
    pool_free(&lab.agent.pool);
    transport_drop(&lab.agent.transport);
    agent_close(&lab.agent);
    lab_settle();
    names_close(&lab.names);
    SSL_CTX_free(lab.trusted);
    SSL_CTX_free(lab.untrusted);
    event_free(guard);
    event_base_free(lab.base);
    assert_int_equal(count_descriptors(), lab.descriptors);
}

/* ---- messages ---- */

static const char default_body[] = "Subject: hi\r\n\r\nhello\r\n";

void lab_on_results(void *arg, const struct deliver_result *results, uint32_t n,
                    const struct deliver_report *report, const struct deliver_incoming *incoming)
{
    struct order *o = arg;
    assert_false(o->done);
    o->done = true;
    o->lost = results == NULL;
    if (results == NULL)
        return;
    assert_int_equal(n, o->n);
    o->reported = report != NULL;
    if (incoming != NULL) {
        o->members = mem_text(incoming->members);
        o->automated = incoming->automated;
    }
    if (o->reported)
        o->said = report->said;
    o->results = mem_array(n, sizeof *o->results);
    for (uint32_t i = 0; i < n; i++) {
        deliver_result_copy(&o->results[i], &results[i]);
        assert_int_equal(results[i].id, o->id + i);
        assert_true(results[i].start_ms > 0);
    }
}

static void add_recipients(struct deliver_job *job, const struct order *o)
{
    job->recipients = mem_array(o->n, sizeof *job->recipients);
    job->recipients_n = o->n;
    for (uint32_t i = 0; i < o->n; i++) {
        bool given = i < 8 && o->recipients[i] != NULL;
        job->recipients[i].id = o->id + i;
        job->recipients[i].address =
            given ? mem_text(o->recipients[i]) : mem_format("r%u@%s", i, o->destination);
        job->recipients[i].orcpt = mem_text(o->orcpt == NULL ? "" : o->orcpt);
        job->recipients[i].notify = i < 32 && (o->never >> i & 1) != 0 ? NOTIFY_NEVER : o->notify;
    }
}

static char *or_empty(const char *s)
{
    return mem_text(s == NULL ? "" : s);
}

void lab_fill(struct buf *body, size_t n)
{
    static const char line[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678\r\n";
    if (body->n == 0)
        buf_puts(body, "Subject: large\r\n\r\n");
    while (body->n < n)
        buf_puts(body, line);
}

void order_send(struct order *o)
{
    struct fail f;
    if (o->destination == NULL)
        o->destination = "example.net";
    if (o->body == NULL)
        o->body = default_body;
    if (o->body_n == 0)
        o->body_n = o->empty ? 0 : strlen(o->body);
    if (o->n == 0)
        o->n = 1;
    if (o->id == 0)
        o->id = lab.last_id += ORDER_RECIPIENTS;
    struct deliver_job *job = mem_zero(sizeof *job);
    *job = (struct deliver_job){
        .message = o->id, .flags = o->flags, .attempt = o->attempt == 0 ? 1 : o->attempt};
    job->size = o->body_n;
    job->wants = o->wants;
    job->transport = mem_text(lab.agent.label);
    job->destination = mem_text(o->destination);
    job->sender = mem_text(o->sender == NULL ? "from@us.test" : o->sender);
    job->envid = or_empty(o->envid);
    job->ret = or_empty(o->ret);
    add_recipients(job, o);
    job->sts.retry_ms = o->sts_retry_ms;
    if (o->sts != NULL) {
        job->sts = (struct sts_known){.id = "1", .refresh_ms = INT64_MAX};
        job->sts.policy = mtasts_policy_parse(span_text(o->sts), &f);
        assert_non_null(job->sts.policy);
    }
    int body = file_sealed("body", span_of(o->body, o->body_n), &f);
    assert_true(body >= 0);
    deliver_ask(lab.qmgr, job, body, lab_on_results, o);
    (void)close(body);
    deliver_job_free(&job);
}

void order_free(struct order *o)
{
    mem_free(&o->members);
    for (uint32_t i = 0; o->results != NULL && i < o->n; i++)
        deliver_result_clear(&o->results[i]);
    mem_free(&o->results);
    o->done = o->lost = false;
    o->id = 0;
}

void order_run(struct order *o)
{
    order_send(o);
    RUN_UNTIL(o->done);
    assert_false(o->lost);
}

const char *order_text(const struct order *o, uint32_t i)
{
    static const char *const names[DELIVER_STATUSES] = {"delivered", "deferred", "failed"};
    static char text[LAB_TEXT + 1024];
    assert_true(o->done && !o->lost && i < o->n);
    const struct deliver_result *r = &o->results[i];
    bool replied = r->reply[0] != '\0', explained = r->error[0] != '\0';
    (void)snprintf(text, sizeof text, "%s %u %s %s%s%s%s%s%s%s", names[r->status], r->code,
                   r->enhanced, r->stage, replied ? " [" : "", r->reply, replied ? "]" : "",
                   explained ? " (" : "", r->error, explained ? ")" : "");
    return text;
}

bool is_under_tls(const struct deliver_result *r)
{
    return strncmp(r->tls, "TLSv", 4) == 0;
}

/* ---- plays ---- */

static void set_script(struct peer *p, const struct play *play)
{
    for (size_t i = 0; i < sizeof play->script / sizeof play->script[0]; i++) {
        struct peer_row *row = &p->rows[play->script[i].step];
        for (size_t k = 0; k < 8 && play->script[i].replies[k] != NULL; k++)
            row->replies[row->n++] = play->script[i].replies[k];
    }
    if (play->extensions != NULL)
        p->extensions = play->extensions;
}

static void check_results(const struct order *o, const struct play *play)
{
    const char *outcome = NULL;
    for (uint32_t i = 0; i < o->n; i++) {
        if (i < 6 && play->outcomes[i] != NULL)
            outcome = play->outcomes[i];
        if (strcmp(order_text(o, i), outcome) != 0)
            fail_msg("%s: recipient %u:\n  %s\ninstead of\n  %s\nafter\n%s", play->title, i,
                     order_text(o, i), outcome, buf_text(&lab.peer.commands));
        if (strcmp(o->results[i].remote_address, lab.peer.address) != 0)
            fail_msg("%s: recipient %u: address %s", play->title, i, o->results[i].remote_address);
        const char *host = transport_is_named(lab.agent.transport) ? "127.0.0.1" : "[127.0.0.1]";
        if (strcmp(o->results[i].remote_host, host) != 0)
            fail_msg("%s: recipient %u: host %s", play->title, i, o->results[i].remote_host);
        if (is_under_tls(&o->results[i]))
            fail_msg("%s: recipient %u: TLS %s", play->title, i, o->results[i].tls);
    }
}

/* The peer has said its last: whatever the agent makes of it, and then of the silence. */
static void expire(const struct play *play)
{
    lab.peer.silent = 0;
    lab_settle();
    if (!lab_expire(play->expires))
        fail_msg("%s: no deadline of %d minutes after\n%s", play->title, play->expires,
                 buf_text(&lab.peer.commands));
}

static void run_play(const struct play *play)
{
    struct order o = {.destination = "[127.0.0.1]", .n = play->recipients};
    /* What the one before has shown of its limits was another server's. */
    memo_free(&lab.agent.limits);
    lab.agent.limits = hostlimits_new();
    peer_reset(&lab.peer);
    set_script(&lab.peer, play);
    for (uint32_t i = 0; i < 8; i++)
        o.recipients[i] = (const char *[]){"r0@example.net", "r1@example.net", "r2@example.net",
                                           "r3@example.net", "r4@example.net", "r5@example.net",
                                           "r6@example.net", "r7@example.net"}[i];
    order_send(&o);
    lab_guard(true);
    while ((!o.done || lab.peer.closed < lab.peer.opened) && !lab_is_late()) {
        if (play->expires > 0 && lab.peer.silent > 0)
            expire(play);
        lab_turn();
    }
    lab_guard(false);
    if (!o.done || lab.peer.closed < lab.peer.opened)
        fail_msg("%s: %s after\n%s", play->title, o.done ? "connection stays open" : "no results",
                 buf_text(&lab.peer.commands));
    assert_false(o.lost);
    check_results(&o, play);
    if (play->commands != NULL && strcmp(buf_text(&lab.peer.commands), play->commands) != 0)
        fail_msg("%s: commands\n%s\ninstead of\n%s", play->title, buf_text(&lab.peer.commands),
                 play->commands);
    order_free(&o);
}

void plays_run(const struct play *plays, size_t n)
{
    const char *extensions = lab.peer.extensions;
    for (size_t i = 0; i < n; i++) {
        lab.peer.extensions = extensions;
        run_play(&plays[i]);
    }
    lab.peer.extensions = extensions;
}

int lab_setup(void **state)
{
    lab_open_direct("idle-timeout 0");
    return 0;
}

int lab_teardown(void **state)
{
    lab_close();
    return 0;
}
