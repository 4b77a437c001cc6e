#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "confaddr.h"
#include "domain.h"
#include "fdlimit.h"
#include "file.h"
#include "handover.h"
#include "mem.h"

#define DESCRIPTORS_A_SESSION 2 /* the connection and a message */

static const char *const kinds[] = {
    [PORT_SMTP] = "smtp",
    [PORT_SUBMISSION] = "submission",
    [PORT_SUBMISSIONS] = "submissions",
    [PORT_LOCAL] = "local",
};

const char *port_kind_name(enum port_kind kind)
{
    return kinds[kind];
}

unsigned settings_recipients(const struct settings *s, enum port_kind kind)
{
    return kind == PORT_LOCAL ? s->local_recipients : s->recipients;
}

bool port_is_trusted(const struct port *p)
{
    return p->kind != PORT_SMTP;
}

static unsigned read_outstanding(const struct conf *conf)
{
    const struct conf_block *workers = conf_child(conf_root(conf), "workers");
    int all = conf_int(workers, "smtpd") + conf_int(workers, "webapi");
    return fdlimit_messages(HANDOVER_MAX, (unsigned)all);
}

static void read_limits(struct settings *s, const struct conf_block *smtp)
{
    s->message_size = conf_size(smtp, "message-size");
    s->memory = conf_size(smtp, "memory");
    s->command_line = (size_t)conf_int(smtp, "command-line");
    s->data_line = (size_t)conf_int(smtp, "data-line");
    s->recipients = (unsigned)conf_int(smtp, "recipients");
    s->local_recipients = (unsigned)conf_int(smtp, "local-recipients");
    s->errors = (unsigned)conf_int(smtp, "errors");
    s->transactions = (unsigned)conf_int(smtp, "transactions");
    s->connections = fdlimit_fit("smtp.connections", (unsigned)conf_int(smtp, "connections"),
                                 DESCRIPTORS_A_SESSION);
    s->outstanding = read_outstanding(s->conf);
    s->connections_per_address = (unsigned)conf_int(smtp, "connections-per-address");
    s->auth_failures = (unsigned)conf_int(smtp, "auth-failures");
    s->idle_commands = (unsigned)conf_int(smtp, "idle-commands");
    s->received_hops = (unsigned)conf_int(smtp, "received-hops");
    s->strip_extra = conf_bool(smtp, "strip-extra-headers");
    s->error_delay = conf_ms(smtp, "error-delay");
    s->slow_down = conf_ms(conf_child(conf_root(s->conf), "queue"), "slow-down");
    s->command_timeout = conf_ms(smtp, "command-timeout");
    s->data_timeout = conf_ms(smtp, "data-timeout");
    s->data_total = conf_ms(smtp, "data-total");
}

/* Mail for postmaster can be taken when its address is one of an account, or of another machine by
 * choice. The name of this host, which stands in when nothing is configured, would only lead back
 * here. */
static int read_postmaster(struct settings *s, struct fail *f)
{
    char *text = confaddr_postmaster(s->conf);
    int rc = address_parse(span_text(text), &s->postmaster, f);
    mem_free(&text);
    if (rc != 0)
        return fail_prefix(f, "postmaster");
    struct span local = span_text(s->postmaster.local), domain = span_text(s->postmaster.domain);
    bool chosen = conf_is_set(conf_root(s->conf), "postmaster");
    s->postmaster_reached = confaddr_account(s->conf, local, domain, NULL) != NULL ||
                            (chosen && confaddr_domain(s->conf, domain) == NULL);
    return 0;
}

/* What stands in /etc/mailname may end in a dot, or be no domain at all: sendmail reads it so too.
 */
static char *read_mailname(const char *text)
{
    struct span name = span_text(text);
    char *domain;
    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    return domain_parse(name, &domain, NULL) == 0 ? domain : NULL;
}

static void read_names(struct settings *s, const char *mailname)
{
    const struct conf_block *root = conf_root(s->conf);
    const char *given = conf_text(root, "mailname");
    s->hostname = conf_text(root, "hostname");
    s->localserve = conf_bool(root, "localserve");
    s->mailname = given != NULL ? mem_text(given) : read_mailname(mailname);
    if (s->mailname == NULL)
        s->mailname = mem_text(s->hostname);
}

/* ---- what came with it ---- */

/* The second word of a purpose, and what comes behind it. */
static struct span word(struct span *rest)
{
    struct span w = {0};
    (void)ascii_token(rest, " ", &w);
    return w;
}

static int take_certificate(struct settings *s, struct span rest, int fd, struct signing *signing,
                            struct fail *f)
{
    char *label = span_dup(word(&rest));
    struct site *site = site_new(label, fd, signing, f);
    mem_free(&label);
    if (site == NULL)
        return -1;
    s->sites = mem_resize(s->sites, (s->sites_n + 1) * sizeof(struct site *));
    s->sites[s->sites_n++] = site;
    return 0;
}

static struct port *add_port(struct settings *s, struct service_hand *hand)
{
    s->ports = mem_resize(s->ports, (s->ports_n + 1) * sizeof *s->ports);
    struct port *p = &s->ports[s->ports_n++];
    *p = (struct port){.fd = hand->fd};
    hand->fd = -1;
    return p;
}

static int take_listener(struct settings *s, struct span rest, struct service_hand *hand,
                         struct fail *f)
{
    const struct conf_block *block;
    struct span whole = rest, label = word(&rest), kind = word(&rest);
    for (enum port_kind k = PORT_SMTP; k < PORT_LOCAL; k++) {
        if (!span_is(kind, kinds[k]))
            continue;
        struct port *p = add_port(s, hand);
        p->kind = k;
        p->label = span_dup(label);
        p->name = span_dup(whole);
        block = conf_find(conf_root(s->conf), "listen", p->label);
        p->clear_auth = block != NULL && !conf_bool(block, "require-tls-for-auth");
        p->no_requiretls = block != NULL && !conf_bool(block, "requiretls");
        return 0;
    }
    return fail_set(f, "a listening socket for an unknown purpose: %s", hand->purpose);
}

static int take_hand(struct settings *s, struct service_hand *hand, struct signing *signing,
                     struct fail *f)
{
    struct span rest = span_text(hand->purpose), first = word(&rest);
    rest = ascii_trim(rest);
    if (span_is(first, "certificate"))
        return take_certificate(s, rest, hand->fd, signing, f);
    if (span_is(first, "listen"))
        return take_listener(s, rest, hand, f);
    if (!span_is(first, "local"))
        return fail_set(f, "a descriptor for an unknown purpose: %s", hand->purpose);
    struct port *p = add_port(s, hand);
    p->kind = PORT_LOCAL;
    p->label = mem_text("");
    p->name = mem_text("local");
    return 0;
}

static struct site *find_site(const struct settings *s, const char *label)
{
    for (size_t i = 0; i < s->sites_n; i++) {
        if (strcmp(site_label(s->sites[i]), label) == 0)
            return s->sites[i];
    }
    return NULL;
}

static int take_hands(struct settings *s, struct service_hand *hands, size_t n,
                      struct signing *signing, struct fail *f)
{
    for (size_t i = 0; i < n; i++) {
        if (take_hand(s, &hands[i], signing, f) != 0)
            return -1;
    }
    for (size_t i = 0; i < s->ports_n; i++)
        s->ports[i].site = find_site(s, s->ports[i].label);
    return 0;
}

struct settings *settings_new(struct conf *conf, const char *mailname, struct service_hand *hands,
                              size_t hands_n, struct signing *signing, struct fail *f)
{
    struct settings *s = mem_zero(sizeof *s);
    s->references = 1;
    s->conf = conf;
    read_names(s, mailname);
    read_limits(s, conf_child(conf_root(conf), "smtp"));
    if (read_postmaster(s, f) == 0 && take_hands(s, hands, hands_n, signing, f) == 0)
        return s;
    s->conf = NULL;
    settings_drop(&s);
    return NULL;
}

struct settings *settings_hold(struct settings *s)
{
    s->references++;
    return s;
}

void settings_drop(struct settings **sp)
{
    struct settings *s = *sp;
    *sp = NULL;
    if (s == NULL || --s->references > 0)
        return;
    for (size_t i = 0; i < s->ports_n; i++) {
        file_close(&s->ports[i].fd);
        mem_free(&s->ports[i].label);
        mem_free(&s->ports[i].name);
    }
    for (size_t i = 0; i < s->sites_n; i++)
        site_free(&s->sites[i]);
    mem_free(&s->ports);
    mem_free(&s->sites);
    address_clear(&s->postmaster);
    mem_free(&s->mailname);
    conf_free(&s->conf);
    mem_free(&s);
}

const struct port *settings_port(const struct settings *s, enum port_kind kind, const char *label)
{
    for (size_t i = 0; i < s->ports_n; i++) {
        if (s->ports[i].kind == kind && strcmp(s->ports[i].label, label) == 0)
            return &s->ports[i];
    }
    return NULL;
}
