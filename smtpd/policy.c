#include "policy.h"

#include <string.h>

#include "confaddr.h"
#include "mem.h"

static bool belongs(const struct settings *s, const char *account, const struct address *a)
{
    const struct conf_block *owner =
        confaddr_account(s->conf, span_text(a->local), span_text(a->domain), NULL);
    return owner != NULL && strcmp(conf_label(owner), account) == 0;
}

/* A domain of ours that is switched off for the time being. */
static bool is_disabled(const struct settings *s, const struct address *a)
{
    const struct conf_block *domain = confaddr_domain(s->conf, span_text(a->domain));
    return domain != NULL && conf_bool(domain, "disabled");
}

static int check_enabled(const struct settings *s, const struct address *a,
                         struct path_refusal *why)
{
    return is_disabled(s, a) ? path_refuse(why, 451, "4.7.1", "domain %.80s is disabled", a->domain)
                             : 0;
}

int policy_sender(const struct settings *s, enum port_kind port, const char *account,
                  const struct address *sender, struct path_refusal *why)
{
    if (port == PORT_SMTP)
        return 0;
    if (port == PORT_LOCAL)
        return sender == NULL ? 0 : check_enabled(s, sender, why);
    if (account == NULL)
        return path_refuse(why, 530, "5.7.0", "authentication required");
    if (sender == NULL)
        return path_refuse(why, 550, "5.7.1", "an account has no use for the null sender");
    if (!belongs(s, account, sender))
        return path_refuse(why, 550, "5.7.1", "the sender is no address of your account");
    return check_enabled(s, sender, why);
}

int policy_from(const struct settings *s, const char *account, const struct addrlist *from,
                struct path_refusal *why)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct address *a = &from->items[i].address;
        if (!belongs(s, account, a))
            return path_refuse(why, 550, "5.7.1",
                               "%.60s@%.60s in From is no address of your account", a->local,
                               a->domain);
        if (check_enabled(s, a, why) != 0)
            return -1;
    }
    return 0;
}

static void replace(struct address *a, const struct address *by)
{
    address_clear(a);
    address_copy(a, by);
}

static int to_postmaster(const struct settings *s, struct address *recipient,
                         struct path_refusal *why)
{
    if (!s->postmaster_reached && !s->localserve)
        return path_refuse(why, 550, "5.1.1", "no postmaster is configured here");
    replace(recipient, &s->postmaster);
    return 0;
}

int policy_recipient(const struct settings *s, enum port_kind port, const struct path *path,
                     struct address *recipient, struct path_refusal *why)
{
    if (path->postmaster)
        return to_postmaster(s, recipient, why);
    struct span local = span_text(recipient->local), domain = span_text(recipient->domain);
    bool ours = confaddr_domain(s->conf, domain) != NULL;
    if (port == PORT_SMTP && path->routed)
        return path_refuse(why, 550, "5.7.1", "relaying denied: source routes are not followed");
    if (s->localserve && port != PORT_LOCAL)
        return 0;
    if (port == PORT_SMTP && !ours)
        return path_refuse(why, 550, "5.7.1", "relaying denied");
    if (is_disabled(s, recipient))
        return path_refuse(why, 450, "4.2.1", "domain %.80s is disabled", recipient->domain);
    if (!ours || confaddr_account(s->conf, local, domain, NULL) != NULL)
        return 0;
    if (span_is_nocase(local, "postmaster"))
        return to_postmaster(s, recipient, why);
    if (port == PORT_LOCAL)
        return 0;
    return path_refuse(why, 550, "5.1.1", "no such address here");
}

int policy_from_id(const struct settings *s, const char *account, const char *login,
                   const struct address *sender, struct path_refusal *why)
{
    struct fail f;
    struct span chosen = policy_detail(s, sender);
    if (!policy_wants_from_id(s, account, login) ||
        confaddr_takes_id(s->conf, span_text(sender->local), span_text(sender->domain),
                          chosen.n > 0 ? chosen.n : CONFADDR_ID_MAX, &f) == 0)
        return 0;
    return path_refuse(why, 554, "5.1.7", "%s", f.text);
}

struct span policy_detail(const struct settings *s, const struct address *sender)
{
    struct span local = span_text(sender->local), domain = span_text(sender->domain);
    const struct conf_block *block = confaddr_domain(s->conf, domain);
    size_t base = confaddr_base(s->conf, local, domain);
    if (block == NULL || base == local.n)
        return (struct span){0};
    size_t skip = base + strlen(conf_text(block, "catchall-separator"));
    return span_of(local.p + skip, local.n - skip);
}

bool policy_wants_from_id(const struct settings *s, const char *account, const char *login)
{
    const struct conf_block *block = conf_find(conf_root(s->conf), "account", account);
    struct address a;
    if (block == NULL || address_parse(span_text(login), &a, NULL) != 0)
        return false;
    bool found = confaddr_is_from_id_login(block, span_text(a.local), span_text(a.domain));
    address_clear(&a);
    return found;
}
