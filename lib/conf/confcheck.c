#include "confcheck.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "confaddr.h"
#include "conftls.h"
#include "mem.h"

static struct confsource_pos setting_at(const struct conf_block *block, const char *name)
{
    return conftree_slot(block, name)->at;
}

static struct confsource_pos value_at(const struct conf_block *block, const char *name, size_t i)
{
    return conftree_slot(block, name)->places[i];
}

/* "file:line" of a block or, with a name, its setting. The caller frees it. */
static char *place_of(const struct conf_block *block, const char *name)
{
    struct buf out = {0};
    conf_where(block, name, &out);
    return buf_take_text(&out);
}

/* Whether the setting is there, but its value was wrong. */
static bool is_broken(const struct conf_block *block, const char *name)
{
    const struct conftree_slot *slot = conftree_slot(block, name);
    return slot->given && slot->n == 0;
}

static void check_required(const struct conf_block *block, struct conferror *errors)
{
    for (size_t i = 0; i < block->kind->n_settings; i++) {
        const struct conf_setting *def = block->kind->settings[i].def;
        if ((def->flags & CONF_REQUIRED) == 0 || block->slots[i].given)
            continue;
        if (block->parent == NULL)
            conferror_add(errors, block->at, "%s is needed and not given", def->name);
        else
            conferror_add(errors, block->at, "%s%s%s needs %s", conf_name(block),
                          conf_label(block)[0] == '\0' ? "" : " ", conf_label(block), def->name);
    }
}

static void check_labels(const struct conf_block *block, struct conferror *errors)
{
    for (size_t i = 1; i < block->n_blocks; i++) {
        const struct conf_block *one = block->sorted[i - 1], *two = block->sorted[i];
        if (one->kind != two->kind || one->label == NULL || two->label == NULL ||
            strcmp(one->label, two->label) != 0)
            continue;
        char *place = place_of(one, NULL);
        conferror_add(errors, two->label_at, "%s %s is there already, in %s", conf_name(two),
                      two->label, place);
        mem_free(&place);
    }
}

static void check_block(const struct conf_block *block, struct conferror *errors)
{
    check_required(block, errors);
    check_labels(block, errors);
    for (size_t i = 0; i < block->n_blocks; i++)
        check_block(block->blocks[i], errors);
}

void confcheck_blocks(const struct conf *conf, struct conferror *errors)
{
    check_block(conf->root, errors);
}

static const char *const ports[] = {"smtp", "submission", "submissions", "http"};
#define PORTS (sizeof ports / sizeof ports[0])

/* A certificate and its key. Returns whether there is any of it. */
static bool check_pair(const struct conf_block *b, struct conferror *errors)
{
    bool certificate = conf_is_set(b, "certificate-file");
    bool key = conf_is_set(b, "key-file");
    if (certificate != key)
        conferror_add(errors, setting_at(b, certificate ? "certificate-file" : "key-file"),
                      "%s needs %s beside it", certificate ? "certificate-file" : "key-file",
                      certificate ? "key-file" : "certificate-file");
    return certificate || key;
}

static void check_certificate(const struct conf_block *listen, struct conferror *errors)
{
    if (check_pair(listen, errors))
        return;
    if (conf_is_set(listen, "submissions"))
        conferror_warn(errors, setting_at(listen, "submissions"),
                       "submissions needs certificate-file and key-file: without them no client "
                       "can verify this server");
    if (conf_is_set(listen, "submission") && conf_bool(listen, "require-tls-for-auth"))
        conferror_warn(errors, setting_at(listen, "submission"),
                       "submission needs certificate-file and key-file, or require-tls-for-auth "
                       "no: without them no client can verify this server");
}

/* As a client's path is once it is decoded and cleaned. */
static bool is_base_path(const char *path)
{
    size_t segment = 0; /* octets of the one under way */
    if (path[0] != '/')
        return false;
    for (const char *p = path + 1; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '/' && segment == 0)
            return false;
        if (c != '/' && !ascii_is_alpha(c) && !ascii_is_digit(c) && strchr("-._~", c) == NULL)
            return false;
        segment = c == '/' ? 0 : segment + 1;
        if (c == '.' && (p[-1] == '/' || (segment == 2 && p[-1] == '.')) &&
            (p[1] == '/' || p[1] == '\0'))
            return false;
    }
    return true;
}

static void check_http(const struct conf_block *listen, struct conferror *errors)
{
    static const char *const services[] = {"webapi", "metrics"};
    bool any = false;
    for (size_t i = 0; i < 2; i++) {
        bool wanted = conf_bool(listen, services[i]);
        any = any || wanted || is_broken(listen, services[i]);
        if (wanted && !conf_is_set(listen, "http"))
            conferror_add(errors, setting_at(listen, services[i]), "%s needs an http port",
                          services[i]);
    }
    if (!is_broken(listen, "webapi-path") && !is_base_path(conf_text(listen, "webapi-path")))
        conferror_add(errors, setting_at(listen, "webapi-path"),
                      "webapi-path must be a path such as /webapi/, not %s",
                      conf_text(listen, "webapi-path"));
    if (!any && conf_is_set(listen, "http"))
        conferror_warn(errors, setting_at(listen, "http"),
                       "http serves nothing without webapi yes or metrics yes");
}

/* A request at its largest must fit, or it would be put off for ever. */
static void check_webapi(const struct conf_block *webapi, struct conferror *errors)
{
    if (is_broken(webapi, "memory") || is_broken(webapi, "request-size") ||
        is_broken(webapi, "upload-size"))
        return;
    if (conf_size(webapi, "memory") >=
        conf_size(webapi, "request-size") + conf_size(webapi, "upload-size"))
        return;
    static const char *const settings[] = {"memory", "upload-size", "request-size"};
    size_t i = 0;
    while (i < 2 && !conf_is_set(webapi, settings[i]))
        i++;
    conferror_add(errors, setting_at(webapi, settings[i]),
                  "webapi memory must be at least request-size and upload-size together");
}

/* As for a request: a message of the size that EHLO promises must fit. A transport's block has the
 * same name. */
static void check_smtp(const struct conf_block *smtp, struct conferror *errors)
{
    if (smtp->parent->parent != NULL || is_broken(smtp, "memory") ||
        is_broken(smtp, "message-size") ||
        conf_size(smtp, "memory") >= conf_size(smtp, "message-size"))
        return;
    conferror_add(errors, setting_at(smtp, conf_is_set(smtp, "memory") ? "memory" : "message-size"),
                  "smtp memory must be at least message-size");
}

static void check_listen(const struct conf_block *listen, struct conferror *errors)
{
    bool any = false;
    for (size_t i = 0; i < PORTS; i++)
        any = any || conf_is_set(listen, ports[i]);
    if (!any)
        conferror_add(errors, listen->at,
                      "listen %s serves nothing: it needs smtp, submission, submissions or http",
                      conf_label(listen));
    check_certificate(listen, errors);
    check_http(listen, errors);
}

static void check_route(const struct conf_block *route, struct conferror *errors)
{
    const char *name = conf_text(route, "transport");
    if (name != NULL && conf_find(conf_root(route->conf), "transport", name) == NULL)
        conferror_add(errors, value_at(route, "transport", 0), "there is no transport %s", name);
}

static void check_transport(const struct conf_block *transport, struct conferror *errors)
{
    if (transport->n_blocks == 0)
        conferror_add(errors, transport->at,
                      "transport %s needs one block inside: direct, smtp, submission, submissions, "
                      "socks, lmtp, fail or local",
                      conf_label(transport));
    for (size_t i = 1; i < transport->n_blocks; i++)
        conferror_add(errors, transport->blocks[i]->at,
                      "transport %s has a block %s already, and can have but one",
                      conf_label(transport), conf_name(transport->blocks[0]));
}

static void check_lmtp(const struct conf_block *lmtp, struct conferror *errors)
{
    bool host = conf_is_set(lmtp, "host"), path = conf_is_set(lmtp, "socket");
    if (!host && !path)
        conferror_add(errors, lmtp->at, "lmtp needs host or socket");
    else if (host && path)
        conferror_add(errors, setting_at(lmtp, "socket"),
                      "lmtp has a host already, and cannot have a socket too");
    if (conf_is_set(lmtp, "fallback-host") && !host)
        conferror_add(errors, setting_at(lmtp, "fallback-host"), "fallback-host needs a host");
}

/* What a mechanism shows to the server. */
static const char *needed_for(const char *mechanism)
{
    struct span m = span_text(mechanism);
    return span_is(m, "EXTERNAL")                               ? NULL
           : span_is(m, "OAUTHBEARER") || span_is(m, "XOAUTH2") ? "token-file"
                                                                : "password-file";
}

static void check_auth(const struct conf_block *auth, struct conferror *errors)
{
    size_t n;
    bool user = conf_is_set(auth, "user"), needs_user = false;
    if (strcmp(conf_name(auth->parent), "socks") == 0)
        return;
    const struct conf_value *mechanisms = conf_list(auth, "mechanisms", &n);
    bool certificate = check_pair(auth, errors);
    bool secret = conf_is_set(auth, "password-file") || conf_is_set(auth, "token-file");
    for (size_t i = 0; i < n; i++) {
        const char *needed = needed_for(mechanisms[i].text);
        needs_user = needs_user || needed != NULL;
        if (needed != NULL && !conf_is_set(auth, needed))
            conferror_add(errors, value_at(auth, "mechanisms", i), "%s needs %s",
                          mechanisms[i].text, needed);
    }
    if (n == 0 && !secret && !certificate)
        conferror_add(
            errors, auth->at,
            "auth needs password-file, token-file, certificate-file or mechanisms EXTERNAL");
    else if (!user && (n == 0 ? secret : needs_user))
        conferror_add(errors, auth->at, "auth needs user");
}

static void check_domain(const struct conf_block *domain, struct conferror *errors)
{
    const char *separator = conf_text(domain, "catchall-separator");
    if (strpbrk(separator, " @\"(),:;<>[\\]") != NULL)
        conferror_add(errors, value_at(domain, "catchall-separator", 0),
                      "catchall-separator must be of characters that a local part can have without "
                      "quotes");
}

static struct span domain_of(const struct conf_value *mailbox)
{
    return span_text(strrchr(mailbox->text, '@') + 1);
}

/* Whether the domain of the i-th value is ours; if it is not, that is an error. */
static bool check_mailbox_domain(const struct conf_block *account, const char *name,
                                 const struct conf_value *values, size_t i,
                                 struct conferror *errors)
{
    struct span domain = domain_of(&values[i]);
    if (confaddr_domain(account->conf, domain) != NULL)
        return true;
    conferror_add(errors, value_at(account, name, i),
                  "there is no domain %.*s in this configuration", (int)domain.n, domain.p);
    return false;
}

static void check_from_id_login(const struct conf_block *account, const struct conf_value *values,
                                size_t i, struct conferror *errors)
{
    struct span domain = domain_of(&values[i]);
    struct span local = {(const unsigned char *)values[i].text,
                         strlen(values[i].text) - domain.n - 1};
    struct confsource_pos at = value_at(account, "from-id-login", i);
    const struct conf_block *block = confaddr_domain(account->conf, domain);
    if (conf_text(block, "catchall-separator")[0] == '\0')
        conferror_add(errors, at, "from-id-login needs a catchall-separator in domain %s",
                      conf_label(block));
    if (confaddr_account(account->conf, local, domain, NULL) != account)
        conferror_add(errors, at, "from-id-login must be an address of account %s",
                      conf_label(account));
}

/* Mail for an account without a mailbox goes on by its routes: it does not arrive here. */
static void check_incoming(const struct conf_block *account, struct conferror *errors)
{
    if (conf_find(account, "webhook", "incoming") != NULL && !is_broken(account, "mailbox") &&
        !conf_bool(account, "mailbox"))
        conferror_add(errors, setting_at(account, "mailbox"),
                      "webhook incoming needs mailbox yes: other mail does not arrive here");
}

static void check_account(const struct conf_block *account, struct conferror *errors)
{
    size_t n;
    const struct conf_value *values = conf_list(account, "address", &n);
    bool any = n > 0;
    for (size_t i = 0; i < n; i++)
        (void)check_mailbox_domain(account, "address", values, i, errors);
    values = conf_list(account, "from-id-login", &n);
    for (size_t i = 0; i < n; i++) {
        if (check_mailbox_domain(account, "from-id-login", values, i, errors) && any)
            check_from_id_login(account, values, i, errors);
    }
    check_incoming(account, errors);
}

static void check_tls_policy(const struct conf_block *policy, struct conferror *errors)
{
    size_t n;
    const struct conf_value *values = conf_list(policy, "fingerprint", &n);
    unsigned char digest[CONFTLS_FINGERPRINT];
    for (size_t i = 0; i < n; i++) {
        if (conftls_fingerprint(values[i].text, digest) != 0)
            conferror_add(errors, value_at(policy, "fingerprint", i),
                          "fingerprint must be 64 hexadecimal digits, or 32 pairs with colons "
                          "between them");
    }
    if (!conf_is_set(policy, "level") || is_broken(policy, "level") ||
        is_broken(policy, "fingerprint"))
        return;
    bool wanted = conf_word(policy, "level") == CONF_TLS_LEVEL_FINGERPRINT;
    if (wanted && n == 0)
        conferror_add(errors, setting_at(policy, "level"), "level fingerprint needs fingerprint");
    else if (!wanted && n > 0)
        conferror_add(errors, setting_at(policy, "fingerprint"),
                      "fingerprint is for level fingerprint alone");
}

static const struct check {
    const char *block;
    void (*run)(const struct conf_block *block, struct conferror *errors);
} checks[] = {
    {"listen", check_listen},       {"route", check_route},
    {"transport", check_transport}, {"lmtp", check_lmtp},
    {"domain", check_domain},       {"account", check_account},
    {"webapi", check_webapi},       {"smtp", check_smtp},
    {"auth", check_auth},           {"tls-policy", check_tls_policy},
};

static void run_checks(const struct conf_block *block, struct conferror *errors)
{
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (strcmp(checks[i].block, conf_name(block)) == 0)
            checks[i].run(block, errors);
    }
    for (size_t i = 0; i < block->n_blocks; i++)
        run_checks(block->blocks[i], errors);
}

static bool is_before(struct confsource_pos a, struct confsource_pos b)
{
    return a.file != b.file ? a.file < b.file : a.offset < b.offset;
}

/* Each address belongs to one account, and is written there once. */
static void check_addresses(const struct conf *conf, struct conferror *errors)
{
    for (size_t i = 1; i < conf->n_addresses; i++) {
        struct confaddr_place one = confaddr_place(conf, i - 1), two = confaddr_place(conf, i);
        if (strcmp(one.key, two.key) != 0)
            continue;
        struct confsource_pos at = value_at(two.account, "address", two.value);
        char *place = place_of(one.account, NULL);
        conferror_add(errors, at, "%s belongs to account %s already, in %s", two.key,
                      conf_label(one.account), place);
        mem_free(&place);
    }
}

/* One address and port that somebody wants to listen on. */
struct endpoint {
    const struct conf_block *listen;
    const char *service;
    const struct conf_value *address;
    int port;
    struct confsource_pos at; /* of the address */
};

static int by_endpoint(const void *pa, const void *pb)
{
    const struct endpoint *a = pa, *b = pb;
    if (a->port != b->port)
        return a->port < b->port ? -1 : 1;
    if (a->address->family != b->address->family)
        return a->address->family < b->address->family ? -1 : 1;
    int c = memcmp(a->address->ip, b->address->ip, sizeof a->address->ip);
    if (c != 0)
        return c;
    return is_before(a->at, b->at)   ? -1
           : is_before(b->at, a->at) ? 1
                                     : strcmp(a->service, b->service);
}

static bool is_unspecified(const struct conf_value *address)
{
    static const unsigned char zero[sizeof address->ip];
    return memcmp(address->ip, zero, sizeof zero) == 0;
}

static void report_clash(const struct endpoint *one, const struct endpoint *two,
                         struct conferror *errors)
{
    if (is_before(two->at, one->at)) {
        const struct endpoint *swap = one;
        one = two;
        two = swap;
    }
    char *place = place_of(one->listen, one->service);
    conferror_add(errors, two->at, "port %d of %s is taken by %s of listen %s already, in %s",
                  two->port, two->address->text, one->service, conf_label(one->listen), place);
    mem_free(&place);
}

static struct endpoint *endpoints_of(const struct conf *conf, size_t *count)
{
    struct endpoint *all = NULL;
    size_t n;
    *count = 0;
    for (const struct conf_block *l = NULL; (l = conf_next(conf->root, "listen", l)) != NULL;) {
        const struct conf_value *addresses = conf_list(l, "address", &n);
        if (n == 0)
            continue;
        all = mem_resize(all, (*count + n * PORTS) * sizeof *all);
        for (size_t i = 0; i < n * PORTS; i++) {
            const char *service = ports[i % PORTS];
            if (conf_int(l, service) != 0)
                all[(*count)++] =
                    (struct endpoint){l, service, &addresses[i / PORTS], conf_int(l, service),
                                      value_at(l, "address", i / PORTS)};
        }
    }
    return all;
}

/* No address and port twice. The unspecified address, which sorts before all others of its family,
 * takes the port of all of them. */
static void check_endpoints(const struct conf *conf, struct conferror *errors)
{
    size_t n;
    struct endpoint *all = endpoints_of(conf, &n);
    const struct endpoint *first = all;
    if (n > CONF_MAX_SOCKETS)
        conferror_add(errors, all[CONF_MAX_SOCKETS].at,
                      "there are more than %d addresses and ports to listen on", CONF_MAX_SOCKETS);
    if (n > 0)
        qsort(all, n, sizeof *all, by_endpoint);
    for (size_t i = 1; i < n; i++) {
        const struct endpoint *prev = &all[i - 1], *it = &all[i];
        if (it->port != first->port || it->address->family != first->address->family)
            first = it;
        else if (memcmp(prev->address->ip, it->address->ip, sizeof it->address->ip) == 0)
            report_clash(prev, it, errors);
        else if (is_unspecified(first->address))
            report_clash(first, it, errors);
    }
    mem_free(&all);
}

/* Each of them is an open descriptor on its way to another process. */
static void check_files(const struct conf_block *block, size_t *count, struct conferror *errors)
{
    for (size_t i = 0; block->parent != NULL && i < block->kind->n_settings; i++) {
        if (block->kind->settings[i].def->type == CONF_PATH && block->slots[i].given &&
            ++*count == CONF_MAX_FILES + 1)
            conferror_add(errors, block->slots[i].at,
                          "there are more than %d files with keys, certificates and passwords",
                          CONF_MAX_FILES);
    }
    for (size_t i = 0; i < block->n_blocks; i++)
        check_files(block->blocks[i], count, errors);
}

void confcheck_suite(const struct conf *conf, struct conferror *errors)
{
    size_t files = 0;
    run_checks(conf->root, errors);
    check_files(conf->root, &files, errors);
    check_addresses(conf, errors);
    check_endpoints(conf, errors);
}

/* By that name, before any route. */
void confcheck_local(const struct conf *conf, struct conferror *errors)
{
    for (const struct conf_block *t = NULL; (t = conf_next(conf->root, "transport", t)) != NULL;) {
        bool named = strcmp(conf_label(t), "local") == 0;
        if (t->n_blocks == 0 || named == (conf_child(t, "local") != NULL))
            continue;
        conferror_add(errors, t->label_at,
                      named ? "transport local is the one for mailboxes, and can hold no other "
                              "block than local"
                            : "mail for mailboxes goes over the transport local by itself: this "
                              "one cannot have another name");
    }
}
