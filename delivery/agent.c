#include "agent.h"

#include <assert.h>
#include <string.h>

#include "clock.h"
#include "file.h"
#include "hostlimits.h"
#include "log.h"
#include "maildir.h"
#include "mem.h"
#include "pool.h"
#include "proto_secret.h"
#include "proto_submit.h"
#include "proto_types.h"
#include "qid.h"
#include "recent.h"
#include "relay.h"
#include "report.h"
#include "sevenbit.h"
#include "stslookup.h"
#include "welcome.h"

/* Recipients, with whose results there is an eye on how much a message between processes may hold.
 */
#define MANY 4000
#define REPLY_MAX_OF_MANY 4096
#define RCPT_REPLY_MAX 1024 /* of each recipient */
#define PATIENCE_S 60       /* longer than master takes to start a process again */

/* A text no longer than the protocol allows. How long a reply is, a stranger decides. */
static void set_text(char **field, const char *text, size_t most)
{
    static const char mark[] = " [...]";
    if (text == NULL || strlen(text) <= most) {
        submit_set(field, text);
        return;
    }
    size_t n = most - strlen(mark);
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    char *cut = mem_format("%.*s%s", (int)n, text, mark);
    submit_set(field, cut);
    mem_free(&cut);
}

bool job_insists_on_tls(const struct job *j)
{
    return (j->order->flags & SUBMIT_REQUIRE_TLS) != 0 && j->order->sender[0] != '\0';
}

void job_settle(struct job *j, uint32_t i, const struct job_outcome *o)
{
    struct deliver_result *r = &j->results[i];
    r->status = o->status;
    r->code = (uint16_t)o->code;
    r->reports = o->reports;
    r->complaint = o->complaint;
    j->late = j->late || o->late;
    if (o->tls.policy != NULL)
        j->tls = counts_tls_of(o->tls.policy);
    submit_set(&r->enhanced, o->enhanced);
    set_text(&r->reply, o->reply,
             j->order->recipients_n > MANY ? REPLY_MAX_OF_MANY : PROTO_TEXT_MAX);
    submit_set(&r->error, o->error);
    submit_set(&r->stage, o->stage);
    submit_set(&r->remote_host, o->remote_host);
    submit_set(&r->remote_address, o->remote_address);
    submit_set(&r->tls, o->tls.text);
    submit_set(&r->tls_name, o->tls.name);
    submit_set(&r->tls_peer, o->tls.peer);
    submit_set(&r->tls_record, o->tls.record);
    r->octets = o->octets;
    submit_set(&r->stored_folder, o->stored_folder);
    submit_set(&r->stored_name, o->stored_name);
    r->stored_inode = o->stored_inode;
    r->duration_ms = (uint32_t)(clock_mono_ms() - j->start_mono_ms);
    j->settled[i] = true;
}

void job_note_taken(struct job *j, uint32_t i, const char *reply)
{
    set_text(&j->results[i].rcpt_reply, reply, RCPT_REPLY_MAX);
}

void job_settle_rest(struct job *j, const struct job_outcome *o)
{
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (!j->settled[i])
            job_settle(j, i, o);
    }
}

static void free_job(struct job *j)
{
    LIST_REMOVE(j, next);
    for (uint32_t i = 0; i < j->order->recipients_n; i++)
        deliver_result_clear(&j->results[i]);
    mem_free(&j->results);
    mem_free(&j->settled);
    mem_free(&j->stuck);
    sevenbit_plan_free(&j->seven);
    deliver_job_free(&j->order);
    file_close(&j->body);
    transport_drop(&j->transport);
    j->agent->jobs--;
    mem_free(&j);
}

static bool any_stored(const struct job *j)
{
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (j->results[i].status == DELIVER_DONE && j->results[i].stored_name[0] != '\0')
            return true;
    }
    return false;
}

static void answer(const struct job *j)
{
    struct deliver_report report;
    struct deliver_incoming incoming;
    bool reports = (j->order->wants & DELIVER_WANTS_REPORT) != 0;
    bool describes = (j->order->wants & DELIVER_WANTS_INCOMING) != 0 && any_stored(j) &&
                     report_describe(j, &incoming);
    if (reports)
        report_read(j, &report);
    deliver_answer_told(j->agent->qmgr, j->request, j->results, j->order->recipients_n,
                        reports ? &report : NULL, describes ? &incoming : NULL);
    if (reports)
        deliver_report_clear(&report);
    if (describes)
        mem_free(&incoming.members);
}

/* It is read for what it reports, and that is all. */
static void consume(struct job *j)
{
    const struct job_outcome o = {.status = DELIVER_DONE,
                                  .code = 250,
                                  .enhanced = "2.1.5",
                                  .stage = "consumed",
                                  .remote_host = "local"};
    job_settle_rest(j, &o);
    job_finish(j);
}

/* All recipients have an outcome. */
static enum counts_result result_of(const struct job *j)
{
    uint32_t n = j->order->recipients_n, taken = 0, failed = 0, silent = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct deliver_result *r = &j->results[i];
        taken += r->status == DELIVER_DONE ? 1 : 0;
        failed += r->status == DELIVER_FAILED ? 1 : 0;
        silent += r->status == DELIVER_DEFERRED && r->code == 0 ? 1 : 0;
    }
    return taken == n    ? COUNTS_OK
           : taken > 0   ? COUNTS_OK_PARTLY
           : failed == n ? COUNTS_PERMANENT
           : j->late     ? COUNTS_TIMEOUT
           : silent > 0  ? COUNTS_ERROR
                         : COUNTS_TEMPORARY;
}

void job_finish(struct job *j)
{
    static const unsigned counters[DELIVER_STATUSES] = {COUNT_DELIVERED, COUNT_DEFERRED,
                                                        COUNT_FAILED};
    struct agent *a = j->agent;
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        service_count(a->service, counters[j->results[i].status], 1);
        recent_note(a->recent, j->order->attempt, &j->results[i]);
    }
    counts_attempt(a->service, j->order->attempt, j->tls, result_of(j),
                   clock_mono_ms() - j->start_mono_ms);
    agent_tell_learned(a);
    if (a->qmgr != NULL && a->qmgr_number == j->channel)
        answer(j);
    free_job(j);
    if (!LIST_EMPTY(&a->held))
        event_active(a->resume, EV_TIMEOUT, 0);
    if (service_stopping(a->service) && a->jobs == 0)
        service_done(a->service);
}

static void fail_all(struct job *j)
{
    const struct transport *t = j->transport;
    char *reply = mem_format("%d %s", t->fail_code, t->fail_text);
    bool permanent = t->fail_code >= 500;
    struct job_outcome o = {.status = permanent ? DELIVER_FAILED : DELIVER_DEFERRED,
                            .code = t->fail_code,
                            .enhanced = permanent ? "5.7.0" : "4.7.0",
                            .reply = reply,
                            .stage = "transport"};
    job_settle_rest(j, &o);
    mem_free(&reply);
    job_finish(j);
}

/* What an earlier qmgr was told of this attempt, or could not be told any more. Whether that is all
 * there is to tell. */
static bool recall(struct job *j)
{
    uint32_t known = 0;
    char id[QID_SIZE];
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        j->settled[i] =
            recent_recall(j->agent->recent, j->results[i].id, j->order->attempt, &j->results[i]);
        known += j->settled[i];
    }
    if (known > 0)
        log_info(NULL, "told again what was done before",
                 LS("qid", qid_text(j->order->message, id)), LU("rcpts", known));
    return known == j->order->recipients_n;
}

static bool is_under_way(const struct agent *a, uint64_t message)
{
    const struct job *j;
    if (a->qmgr_number == 1)
        return false;
    LIST_FOREACH (j, &a->running, next) {
        if (j->order->message == message && j->channel != a->qmgr_number)
            return true;
    }
    return false;
}

static bool has_control(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return true;
    }
    return false;
}

/* Whoever checked the envelope faces the network: nothing in it may become a command of its own
 * here. */
static bool is_dangerous(const struct deliver_job *order)
{
    bool bad = has_control(order->sender) || has_control(order->destination);
    for (uint32_t i = 0; i < order->recipients_n && !bad; i++)
        bad = has_control(order->recipients[i].address);
    return bad;
}

static void refuse(struct job *j)
{
    struct job_outcome o = {.status = DELIVER_FAILED,
                            .enhanced = "5.1.3",
                            .stage = "agent",
                            .error = "a control character in the envelope"};
    job_settle_rest(j, &o);
    job_finish(j);
}

static void start(struct job *j)
{
    if (is_dangerous(j->order)) {
        refuse(j);
        return;
    }
    if (recall(j)) {
        job_finish(j);
        return;
    }
    switch (j->transport->kind) {
    case TRANSPORT_LOCAL:
        if ((j->order->wants & DELIVER_WANTS_CONSUMED) != 0)
            consume(j);
        else
            maildir_deliver(j);
        break;
    case TRANSPORT_FAIL:
        fail_all(j);
        break;
    default:
        relay_start(j);
    }
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct agent *a = arg;
    struct job *j, *next;
    LIST_FOREACH_SAFE (j, &a->held, next, next) {
        if (is_under_way(a, j->order->message))
            continue;
        LIST_REMOVE(j, next);
        LIST_INSERT_HEAD(&a->running, j, next);
        start(j);
    }
}

static void on_patience_over(evutil_socket_t fd, short what, void *arg)
{
    struct agent *a = arg;
    log_error(NULL, "qmgr does not come back: ending, to be started and linked anew");
    service_done(a->service);
}

/* ---- our certificate ---- */

static void drop_signs(struct agent *a)
{
    if (a->signs_end != NULL)
        event_free(a->signs_end);
    a->signs_end = NULL;
    file_close(&a->signs);
}

static void on_signs_end(evutil_socket_t fd, short what, void *arg)
{
    struct agent *a = arg;
    drop_signs(a);
    service_link_lost(a->service, "sign");
}

/* What is to be read there belongs to the handshake that waits for it: only the end shows here. */
void agent_link_sign(struct agent *a, int fd)
{
    drop_signs(a);
    a->signs = fd;
    a->signs_end = event_new(a->base, fd, EV_CLOSED | EV_PERSIST, on_signs_end, a);
    assert(a->signs_end != NULL);
    (void)event_add(a->signs_end, NULL);
}

/* OpenSSL asks in the middle of a handshake. Whose key it is vault knows by the link. */
static int sign(void *arg, int key_type, int nid_or_padding, struct span input, struct buf *out,
                struct fail *f)
{
    const struct agent *a = arg;
    if (a->signs < 0)
        return fail_set(f, "the vault is not there");
    return secret_tls_sign(a->signs, a->label, (uint32_t)key_type, (uint32_t)nid_or_padding, input,
                           out, f);
}

int agent_identify(struct agent *a, struct transport *t, bool *there, struct fail *f)
{
    const struct tls_remote remote = {sign, a};
    *there = a->signs >= 0;
    if (t->certificate.n == 0)
        return 0;
    if (a->signs < 0)
        return fail_set(f, "the vault is not there");
    if (t->identified)
        return 0;
    t->identified = tlsdane_identify(t->tlsdane, buf_span(&t->certificate), &remote, f) == 0;
    return t->identified ? 0 : -1;
}

void agent_open(struct agent *a)
{
    a->signs = -1;
    a->recent = recent_new(RECENT_OCTETS);
    a->welcome = welcome_new(WELCOME_HOSTS);
    a->limits = hostlimits_new();
    a->resume = event_new(a->base, -1, 0, on_resume, a);
    a->patience = evtimer_new(a->base, on_patience_over, a);
    assert(a->resume != NULL && a->patience != NULL);
    LIST_INIT(&a->running);
    LIST_INIT(&a->held);
    LIST_INIT(&a->fetches);
}

void agent_close(struct agent *a)
{
    stslookup_drop_all(a);
    ipc_free(&a->hooks);
    learned_clear(&a->learned);
    ipc_free(&a->qmgr);
    ipc_free(&a->vault);
    drop_signs(a);
    mem_free(&a->socket_folder);
    recent_free(&a->recent);
    memo_free(&a->welcome);
    memo_free(&a->limits);
    if (a->resume != NULL)
        event_free(a->resume);
    if (a->patience != NULL)
        event_free(a->patience);
    X509_STORE_free(a->roots);
    mem_free(&a->interfaces);
    buf_free(&a->resolv_conf);
}

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct agent *a = arg;
    struct job *j = mem_zero(sizeof *j);
    if (deliver_read(m, &j->order, &j->body, f) != 0) {
        mem_free(&j);
        return -1;
    }
    j->agent = a;
    j->transport = transport_hold(a->transport);
    j->channel = a->qmgr_number;
    j->request = m->id;
    j->start_mono_ms = clock_mono_ms();
    j->results = mem_array(j->order->recipients_n, sizeof *j->results);
    j->settled = mem_array(j->order->recipients_n, sizeof *j->settled);
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        j->results[i] = deliver_result_new(j->order->recipients[i].id, DELIVER_DEFERRED);
        j->results[i].start_ms = clock_wall_ms();
    }
    a->jobs++;
    service_count(a->service, COUNT_JOBS, 1);
    if (is_under_way(a, j->order->message)) {
        LIST_INSERT_HEAD(&a->held, j, next);
        return 0;
    }
    LIST_INSERT_HEAD(&a->running, j, next);
    start(j);
    return 0;
}

/* What a qmgr that is gone asked and that was not begun: the next one asks for it itself, and both
 * together would have it sent twice. */
static void drop_held(struct agent *a)
{
    struct job *j, *next;
    LIST_FOREACH_SAFE (j, &a->held, next, next)
        free_job(j);
}

/* Without qmgr there is nobody to tell; what is under way ends all the same, since stopping in the
 * middle of a message would have it sent twice for certain. */
static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    const struct timeval patience = {PATIENCE_S, 0};
    struct agent *a = arg;
    ipc_free(&a->qmgr);
    drop_held(a);
    if (service_stopping(a->service)) {
        service_done(a->service);
        return;
    }
    log_info(NULL, "qmgr is gone", LS("why", why), LU("jobs", a->jobs));
    (void)evtimer_add(a->patience, &patience);
}

static void on_vault_closed(struct ipc *ch, void *arg, const char *why)
{
    struct agent *a = arg;
    ipc_free(&a->vault);
    service_link_lost(a->service, "secret");
}

void agent_link_vault(struct agent *a, int fd)
{
    static const struct ipc_handler handler = {NULL, on_vault_closed};
    ipc_free(&a->vault);
    a->vault = ipc_new(a->base, fd, "secret vault", &handler, a);
    a->vault_number++;
}

static void on_hooks_closed(struct ipc *ch, void *arg, const char *why)
{
    struct agent *a = arg;
    ipc_free(&a->hooks);
    service_link_lost(a->service, "fetch");
}

void agent_link_hooks(struct agent *a, int fd)
{
    static const struct ipc_handler handler = {NULL, on_hooks_closed};
    ipc_free(&a->hooks);
    a->hooks = ipc_new(a->base, fd, "fetch hooks", &handler, a);
    stslookup_linked(a);
}

/* While qmgr is away it is kept for the next one; there is a limit to how much. */
void agent_tell_learned(struct agent *a)
{
    if (a->qmgr == NULL)
        return;
    learned_tell(a->qmgr, &a->learned);
    learned_clear(&a->learned);
}

/* With a resolver that is far away nobody can tell what DNSSEC says of an answer. */
static void warn_of_resolver(const struct agent *a, const struct transport *t)
{
    if (t->dns != NULL && t->socket == NULL && !t->localserve && !dns_is_trusted(t->dns))
        log_warn(NULL,
                 "DANE is off: the DNS servers are neither on this machine nor said to be trusted",
                 LS("transport", a->label));
}

void agent_reload(struct agent *a, struct transport *t)
{
    struct transport *before = a->transport;
    a->transport = t;
    memo_clear(a->welcome);
    warn_of_resolver(a, t);
    /* Credentials that were not there before: so it had no link. */
    if (before != NULL && (t->auth || t->proxy.auth) && a->vault == NULL)
        service_link_lost(a->service, "secret");
    if (before != NULL && t->certificate.n > 0 && a->signs < 0)
        service_link_lost(a->service, "sign");
    if (before != NULL && t->kind == TRANSPORT_DIRECT && a->hooks == NULL)
        service_link_lost(a->service, "fetch");
    transport_drop(&before);
    pool_reload(a->pool);
}

void agent_stop(struct agent *a)
{
    pool_stop(a->pool);
    if (a->jobs == 0 || a->qmgr == NULL)
        service_done(a->service);
}

void agent_link(struct agent *a, int fd)
{
    static const struct ipc_handler handler = {on_message, on_closed};
    (void)evtimer_del(a->patience);
    ipc_free(&a->qmgr);
    drop_held(a);
    a->qmgr_number++;
    a->qmgr = ipc_new(a->base, fd, "deliver qmgr", &handler, a);
}
