#include <strings.h>

#include "clock.h"
#include "hostlimits.h"
#include "mem.h"
#include "session_impl.h"
#include "utf8.h"

/* Which of a job's recipients the next transaction is for, and whether this server can have the
 * message at all. */

/* Different domains that are counted in one session, whatever the server takes. */
#define DOMAINS_MAX 64

static bool is_utf8_sender(const struct session *s)
{
    return !utf8_is_ascii(span_text(s->t.job->order->sender));
}

static bool is_utf8_recipient(const struct session *s, uint32_t index)
{
    return !utf8_is_ascii(span_text(s->t.job->order->recipients[index].address));
}

bool takers_need_smtputf8(const struct session *s)
{
    bool utf8 = transaction_has(s, SUBMIT_UTF8_HEADER) || is_utf8_sender(s);
    for (uint32_t i = 0; i < s->t.takers_n && !utf8; i++)
        utf8 = is_utf8_recipient(s, s->t.takers[i].index);
    return utf8;
}

/* ---- domains ---- */

static const char *domain_of(const char *address)
{
    const char *at = strrchr(address, '@');
    return at == NULL ? "" : at + 1;
}

static bool is_counted(const struct session *s, const char *domain)
{
    for (uint32_t i = 0; i < s->domains_n; i++) {
        if (strcasecmp(s->domains[i], domain) == 0)
            return true;
    }
    return false;
}

/* RFC 9422 section 4.3: so many domains in one session, over all its transactions. */
static bool has_room_for(const struct session *s, const char *domain)
{
    uint32_t max = s->ehlo.rcptdomainmax < DOMAINS_MAX ? s->ehlo.rcptdomainmax : DOMAINS_MAX;
    return s->ehlo.rcptdomainmax == 0 || s->domains_n < max || is_counted(s, domain);
}

static void count_domain(struct session *s, const char *domain)
{
    if (s->ehlo.rcptdomainmax == 0 || is_counted(s, domain))
        return;
    s->domains = mem_resize(s->domains, (s->domains_n + 1) * sizeof *s->domains);
    s->domains[s->domains_n++] = mem_text(domain);
}

bool session_fits(const struct session *s, const struct job *j)
{
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (!j->settled[i] && has_room_for(s, domain_of(j->order->recipients[i].address)))
            return true;
    }
    return false;
}

void takers_clear(struct session *s)
{
    mem_free(&s->t.takers);
    for (uint32_t i = 0; i < s->domains_n; i++)
        mem_free(&s->domains[i]);
    mem_free(&s->domains);
    s->domains_n = 0;
}

/* ---- recipients ---- */

static uint32_t takers_max(const struct session *s)
{
    uint32_t known = s->most_takers, max = s->ehlo.rcptmax;
    if (max == 0)
        max = (uint32_t)s->transport->transaction_recipients;
    if (known == 0)
        known = hostlimits_recipients(s->agent->limits, s->host, clock_mono_ms());
    return known > 0 && known < max ? known : max;
}

/* Whether the recipient is yet to be sent to, and can be here. One whose address this server cannot
 * take is left for another one. */
static bool is_eligible(const struct session *s, uint32_t index)
{
    return !s->t.job->settled[index] && (s->ehlo.smtputf8 || !is_utf8_recipient(s, index));
}

static bool has_eligible(const struct session *s)
{
    for (uint32_t i = 0; i < s->t.job->order->recipients_n; i++) {
        if (is_eligible(s, i))
            return true;
    }
    return false;
}

/* A server that knows nothing of NOTIFY would tell a sender who asked not to be told (RFC 3461
 * section 5.2.2), unless it does not know the sender. Where mail is stored, and where we log in,
 * the sender says more than where notices go. */
static bool hides_sender(const struct session *s, const struct deliver_recipient *r)
{
    return (r->notify & NOTIFY_NEVER) != 0 && !s->ehlo.dsn && !s->transport->lmtp &&
           !s->transport->auth;
}

bool takers_hide_sender(const struct session *s)
{
    return hides_sender(s, &s->t.job->order->recipients[s->t.takers[0].index]);
}

/* All of one transaction have the same sender. */
static bool goes_along(const struct session *s, uint32_t index)
{
    return s->t.takers_n == 0 ||
           hides_sender(s, &s->t.job->order->recipients[index]) == takers_hide_sender(s);
}

void takers_choose(struct session *s)
{
    struct transaction *t = &s->t;
    const struct deliver_job *order = t->job->order;
    uint32_t max = takers_max(s);
    mem_free(&t->takers);
    t->takers = mem_array(order->recipients_n, sizeof *t->takers);
    t->takers_n = 0;
    for (uint32_t i = 0; i < order->recipients_n && t->takers_n < max; i++) {
        const char *domain = domain_of(order->recipients[i].address);
        if (!is_eligible(s, i) || !has_room_for(s, domain) || !goes_along(s, i))
            continue;
        count_domain(s, domain);
        t->takers[t->takers_n++].index = i;
    }
}

void takers_learn(struct session *s)
{
    if (!s->t.full || s->t.accepted == 0)
        return;
    s->most_takers = s->t.accepted;
    hostlimits_note_recipients(s->agent->limits, s->host, s->most_takers, clock_mono_ms());
}

bool takers_refused(const struct session *s, const char **enhanced, const char **why)
{
    uint64_t size = content_size(s), max = s->ehlo.size ? s->ehlo.size_max : 0;
    const struct {
        bool is;
        const char *enhanced, *why;
    } refusals[] = {
        {!tlsstep_lets_pass(s), "5.7.30",
         "the server does not take REQUIRETLS, which this message asks for"},
        {(is_utf8_sender(s) && !s->ehlo.smtputf8) || !has_eligible(s), "5.6.7",
         "the server does not take SMTPUTF8, which an address needs"},
        {transaction_has(s, SUBMIT_UTF8_HEADER) && !s->ehlo.smtputf8, "5.6.9",
         "the server does not take SMTPUTF8, which this message needs"},
        {content_is_stuck(s), "5.6.3", s->t.job->stuck},
        {max > 0 && size > max, "5.3.4", "the message is larger than the server takes"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        *enhanced = refusals[i].enhanced;
        *why = refusals[i].why;
        if (refusals[i].is)
            return true;
    }
    return false;
}
