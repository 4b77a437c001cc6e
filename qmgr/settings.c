#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "confaddr.h"
#include "dsn.h"
#include "fdlimit.h"
#include "mem.h"
#include "rows.h"

#define BODIES_MAX 1000
#define DESCRIPTORS_A_DELIVERY 2 /* of the agent: the connection and the message */
/* One on its way out, one that is kept for its first attempt, one that comes in. */
#define DESCRIPTORS_A_MESSAGE 3

static unsigned read_copies(const struct conf_block *queue)
{
    static const struct {
        const char *word;
        enum dsn_action action;
    } kinds[] = {{"failed", DSN_FAILED},
                 {"delayed", DSN_DELAYED},
                 {"delivered", DSN_DELIVERED},
                 {"relayed", DSN_RELAYED}};
    unsigned all = 0;
    size_t n;
    const struct conf_value *words = conf_list(queue, "postmaster-copies", &n);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
            all |= strcmp(words[i].text, kinds[k].word) == 0 ? 1u << kinds[k].action : 0;
    }
    return all;
}

static void read_retry(struct settings_retry *r, const struct conf_block *b)
{
    r->first_retry_ms = conf_ms(b, "first-retry");
    r->longest_wait_ms = conf_ms(b, "longest-wait");
    r->lifetime_ms = conf_ms(b, "lifetime");
    r->attempts = conf_int(b, "attempts");
    r->jitter_percent = conf_int(b, "retry-jitter");
    r->delay_notice_attempt = conf_int(b, "delay-notice-attempt");
}

static void read_queue(struct settings *s, const struct conf_block *queue)
{
    read_retry(&s->retry, queue);
    s->keep_events_ms = conf_ms(queue, "keep-events");
    s->keep_removed_ms = conf_ms(queue, "keep-removed-messages");
    s->keep_once_ms = conf_ms(queue, "keep-idempotency-keys");
    s->double_bounces = conf_bool(queue, "double-bounces");
    s->postmaster_copies = read_copies(queue);
    s->destination_concurrency = conf_int(queue, "destination-concurrency");
    s->destination_concurrency_start = conf_int(queue, "destination-concurrency-start");
    s->destination_pause_ms = conf_ms(queue, "destination-pause");
    s->destination_recipients = conf_int(queue, "destination-recipients");
    s->bodies = fdlimit_room(BODIES_MAX, DESCRIPTORS_A_MESSAGE);
    s->transport_concurrency = conf_int(queue, "transport-concurrency");
    s->window = conf_int(queue, "window");
    s->concurrency = (int)fdlimit_fit("queue.concurrency", (unsigned)conf_int(queue, "concurrency"),
                                      DESCRIPTORS_A_MESSAGE);
    s->body_memory = conf_size(queue, "body-memory");
    s->large_body = conf_size(queue, "large-body");
    s->slow_down_ms = conf_ms(queue, "slow-down");
    s->minimum_free = conf_size(queue, "minimum-free");
    s->map_size = conf_size(queue, "map-size");
}

static int by_pointer(const void *pa, const void *pb)
{
    const struct conf_block *const *a = pa, *const *b = pb;
    return *a < *b ? -1 : *a > *b;
}

static void read_homes(struct settings *s)
{
    const struct conf_block *root = conf_root(s->conf), *a = NULL;
    while ((a = conf_next(root, "account", a)) != NULL) {
        size_t n;
        const struct conf_value *addresses = conf_list(a, "address", &n);
        if (!conf_bool(a, "mailbox"))
            continue;
        s->homes = mem_resize(s->homes, (s->homes_n + n + 1) * sizeof *s->homes);
        for (size_t i = 0; i < n; i++) {
            const char *domain = address_domain(addresses[i].text);
            s->homes[s->homes_n++] = confaddr_domain(s->conf, span_text(domain));
        }
    }
    if (s->homes_n > 0)
        qsort(s->homes, s->homes_n, sizeof *s->homes, by_pointer);
}

static void read_ways(struct settings *s);

struct settings *settings_new(struct conf *conf)
{
    struct settings *s = mem_zero(sizeof *s);
    const struct conf_block *root = conf_root(conf);
    const struct conf_block *webhooks = conf_child(root, "webhooks");
    s->references = 1;
    s->conf = conf;
    s->hostname = conf_text(root, "hostname");
    s->postmaster = confaddr_postmaster(conf);
    s->localserve = conf_bool(root, "localserve");
    s->message_size = conf_size(conf_child(root, "smtp"), "message-size");
    read_queue(s, conf_child(root, "queue"));
    s->webhook_attempts = conf_int(webhooks, "attempts");
    s->webhook_concurrency = conf_int(webhooks, "concurrency");
    s->webhook_per_url = conf_int(webhooks, "per-url");
    read_ways(s);
    read_homes(s);
    return s;
}

struct settings *settings_hold(struct settings *s)
{
    (void)__atomic_add_fetch(&s->references, 1, __ATOMIC_RELAXED);
    return s;
}

void settings_drop(struct settings **sp)
{
    struct settings *s = *sp;
    *sp = NULL;
    if (s == NULL || __atomic_sub_fetch(&s->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    conf_free(&s->conf);
    mem_free(&s->postmaster);
    mem_free(&s->ways);
    mem_free(&s->homes);
    mem_free(&s);
}

const struct conf_block *settings_account(const struct settings *s, const char *name)
{
    return name[0] == '\0' ? NULL : conf_find(conf_root(s->conf), "account", name);
}

static int64_t keep_ms(const struct settings *s, const char *account, const char *setting)
{
    const struct conf_block *a = settings_account(s, account);
    if (a != NULL && conf_is_set(a, setting))
        return conf_ms(a, setting);
    return conf_ms(conf_child(conf_root(s->conf), "queue"), setting);
}

int64_t settings_keep_messages_ms(const struct settings *s, const char *account)
{
    return keep_ms(s, account, "keep-retired-messages");
}

int64_t settings_keep_webhooks_ms(const struct settings *s, const char *account)
{
    return keep_ms(s, account, "keep-retired-webhooks");
}

bool settings_from_id_plain(const struct settings *s, const char *account)
{
    const struct conf_block *a = settings_account(s, account);
    return a != NULL && conf_word(a, "from-id") == CONF_FROM_ID_PLAIN;
}

bool settings_suppresses(const struct settings *s, const char *account, int64_t now_ms,
                         int64_t *until_ms)
{
    const struct conf_block *a = settings_account(s, account);
    int64_t ms = a == NULL ? 0 : conf_ms(a, "suppress-expiry");
    *until_ms = ms == 0 ? 0 : now_ms + ms;
    return a != NULL && conf_bool(a, "suppress");
}

bool settings_suppresses_at_send(const struct settings *s, const char *account)
{
    const struct conf_block *a = settings_account(s, account);
    return a != NULL && conf_bool(a, "suppress-at-send");
}

/* The block of the transport's kind, if that is one of these. */
static const struct conf_block *kind_of(const struct settings *s, const char *transport,
                                        const char *const *kinds, size_t n)
{
    const struct conf_block *block = conf_find(conf_root(s->conf), "transport", transport), *kind;
    for (size_t i = 0; block != NULL && i < n; i++) {
        if ((kind = conf_child(block, kinds[i])) != NULL)
            return kind;
    }
    return NULL;
}

static const char *const connecting[] = {"smtp", "submission", "submissions",
                                         "lmtp", "direct",     "socks"};
#define CONNECTING (sizeof connecting / sizeof connecting[0])
#define TO_ONE_SERVER 4 /* the first so many of them */

/* 0 for one that opens none. */
static int connections_of(const struct settings *s, const char *transport)
{
    const struct conf_block *root = conf_root(s->conf);
    const struct conf_block *kind = kind_of(s, transport, connecting, CONNECTING);
    if (kind == NULL && strcmp(transport, "direct") == 0 &&
        conf_find(root, "transport", transport) == NULL)
        kind = conf_child(root, "deliver");
    return kind == NULL ? 0 : conf_int(kind, "connections");
}

static struct settings_way find_way(const struct settings *s, const char *transport)
{
    struct settings_way w = {.transport = transport};
    const struct conf_block *kind = kind_of(s, transport, connecting, TO_ONE_SERVER);
    int connections = connections_of(s, transport), most = s->transport_concurrency;
    /* Its process has the same limit of descriptors as this one. */
    w.deliveries =
        fdlimit_room((unsigned)(connections > 0 && connections < most ? connections : most),
                     DESCRIPTORS_A_DELIVERY);
    w.to_server = kind != NULL;
    if (w.to_server) {
        w.host = conf_is_set(kind, "host") ? conf_text(kind, "host") : "";
        w.port = conf_int(kind, "port");
    }
    return w;
}

static void add_way(struct settings *s, const char *transport)
{
    s->ways = mem_resize(s->ways, (s->ways_n + 1) * sizeof *s->ways);
    s->ways[s->ways_n++] = find_way(s, transport);
}

static void read_ways(struct settings *s)
{
    const struct conf_block *root = conf_root(s->conf), *block = NULL;
    add_way(s, "direct"); /* whether it is configured or not */
    add_way(s, "local");
    while ((block = conf_next(root, "transport", block)) != NULL)
        add_way(s, conf_label(block));
}

/* A transport that is no more is looked up as though it was: a recipient may still name it. */
static struct settings_way way(const struct settings *s, const char *transport)
{
    for (size_t i = 0; i < s->ways_n; i++) {
        if (strcmp(s->ways[i].transport, transport) == 0)
            return s->ways[i];
    }
    return find_way(s, transport);
}

unsigned settings_deliveries(const struct settings *s, const char *transport)
{
    return way(s, transport).deliveries;
}

bool settings_may_choose(const struct settings *s, const char *transport)
{
    return strcmp(transport, "direct") == 0 ||
           conf_find(conf_root(s->conf), "transport", transport) != NULL;
}

bool settings_has_transport(const struct settings *s, const char *transport)
{
    return strcmp(transport, "local") == 0 || settings_may_choose(s, transport);
}

bool settings_server(const struct settings *s, const char *transport, const char **host, int *port)
{
    struct settings_way w = way(s, transport);
    *host = w.host;
    *port = w.port;
    return w.to_server;
}

const struct conf_block *settings_incoming(const struct settings *s, const char *account)
{
    const struct conf_block *a = settings_account(s, account);
    return a == NULL ? NULL : conf_find(a, "webhook", "incoming");
}

struct settings_retry settings_retry(const struct settings *s, const char *transport)
{
    struct settings_retry retry = s->retry;
    const struct conf_block *kind = kind_of(s, transport, connecting, CONNECTING);
    if (kind != NULL)
        read_retry(&retry, kind);
    return retry;
}

bool settings_is_final(const struct settings *s, const char *transport)
{
    static const char *const store[] = {"lmtp"};
    return strcmp(transport, "local") == 0 || kind_of(s, transport, store, 1) != NULL;
}

const char *settings_mailbox(const struct settings *s, const char *address)
{
    const char *domain = address_domain(address);
    if (domain[0] == '\0')
        return NULL;
    struct span local = span_of(address, (size_t)(domain - address) - 1);
    const struct conf_block *a = confaddr_account(s->conf, local, span_text(domain), NULL);
    return a != NULL && conf_bool(a, "mailbox") ? conf_label(a) : NULL;
}

bool settings_has_mailboxes(const struct settings *s, const char *domain)
{
    const struct conf_block *block = confaddr_domain(s->conf, span_text(domain));
    return block != NULL && s->homes_n > 0 &&
           bsearch(&block, s->homes, s->homes_n, sizeof *s->homes, by_pointer) != NULL;
}

bool settings_is_disabled(const struct settings *s, const char *domain)
{
    const struct conf_block *block = confaddr_domain(s->conf, span_text(domain));
    return block != NULL && conf_bool(block, "disabled");
}

bool settings_takes_from_id(const struct settings *s, const char *sender)
{
    struct address a;
    struct fail f;
    if (address_parse(span_text(sender), &a, NULL) != 0)
        return false;
    bool takes = confaddr_takes_id(s->conf, span_text(a.local), span_text(a.domain),
                                   CONFADDR_ID_MAX, &f) == 0;
    address_clear(&a);
    return takes;
}

/* NULL when there can be no such address. */
static char *with_id(const struct settings *s, const struct address *a, const char *from_id)
{
    struct span local = span_text(a->local), domain = span_text(a->domain);
    const struct conf_block *block = confaddr_domain(s->conf, domain);
    const char *separator = block == NULL ? "" : conf_text(block, "catchall-separator");
    struct address made;
    char *text = NULL;
    if (separator[0] == '\0')
        return NULL;
    char *unique = mem_format("%.*s%s%s", (int)confaddr_base(s->conf, local, domain), a->local,
                              separator, from_id);
    if (address_make(span_text(unique), domain, &made, NULL) == 0)
        text = address_text(&made);
    address_clear(&made);
    mem_free(&unique);
    return text;
}

char *settings_return_path(const struct settings *s, const char *sender, const char *from_id)
{
    struct address a;
    char *text = NULL;
    if (from_id[0] == '\0' || sender[0] == '\0')
        return mem_text(sender);
    if (address_parse(span_text(sender), &a, NULL) == 0)
        text = with_id(s, &a, from_id);
    address_clear(&a);
    return text == NULL ? mem_text(sender) : text;
}

struct settings_limits settings_limits(const struct settings *s, const char *account)
{
    const struct conf_block *block = account[0] == '\0' ? NULL : settings_account(s, account);
    if (block == NULL)
        return (struct settings_limits){0, 0};
    return (struct settings_limits){conf_int(block, "messages-per-day"),
                                    conf_int(block, "new-recipients-per-day")};
}
