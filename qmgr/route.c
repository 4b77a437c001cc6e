#include "route.h"

#include <string.h>

#include "confaddr.h"

static bool fits_any(const struct conf_block *route, const char *name, const char *domain)
{
    size_t n;
    const struct conf_value *patterns = conf_list(route, name, &n);
    for (size_t i = 0; i < n; i++) {
        if (confaddr_fits(patterns[i].text, span_text(domain)))
            return true;
    }
    return n == 0;
}

static const char *search(const struct conf_block *where, const struct submit_envelope *e,
                          const struct rcpt_row *r)
{
    const struct conf_block *route = NULL;
    if (where == NULL)
        return NULL;
    while ((route = conf_next(where, "route", route)) != NULL) {
        if (r->attempts >= conf_int(route, "min-attempts") &&
            fits_any(route, "from", address_domain(e->sender)) &&
            fits_any(route, "to", address_domain(r->address)))
            return conf_text(route, "transport");
    }
    return NULL;
}

struct route route_choose(const struct settings *s, const struct submit_envelope *e,
                          const struct rcpt_row *r)
{
    const char *domain = address_domain(r->address), *account, *transport = NULL;
    /* What strangers sent for us, and our own notices, go straight to the mailbox: localserve's
     * route, which takes everything submitted once around through its own SMTP listener, is not for
     * them. */
    bool arrived = e->origin == SUBMIT_SMTP || e->origin == SUBMIT_DSN;
    account = settings_mailbox(s, r->address);
    if (account == NULL && s->localserve && arrived) {
        const struct conf_block *first = conf_child(conf_root(s->conf), "account");
        account = first == NULL ? NULL : conf_label(first);
    }
    if (r->transport[0] != '\0')
        transport = r->transport;
    if (transport == NULL && account != NULL && (arrived || !s->localserve))
        return (struct route){"local", account};
    if (transport == NULL)
        transport = search(settings_account(s, e->account), e, r);
    if (transport == NULL)
        transport = search(confaddr_domain(s->conf, span_text(address_domain(e->sender))), e, r);
    if (transport == NULL)
        transport = search(conf_root(s->conf), e, r);
    return (struct route){transport == NULL ? "direct" : transport, domain};
}

bool route_is_shared(const struct settings *s, const char *domain)
{
    return !s->localserve && !settings_has_mailboxes(s, domain);
}
