#include "confaddr.h"

#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "conftree.h"
#include "mem.h"

#define LOCAL_MAX 64 /* octets of a local part, RFC 5321 section 4.5.3.1.1 */
#define KEY_MAX 512  /* 64 octets, @ and 253 are the most that a configured address has */

/* One address of one account, lower-cased. */
struct confaddr_entry {
    char *key;
    const struct conf_block *account;
    size_t value; /* its index in the list, for the order of the file */
};

static int by_key(const void *pa, const void *pb)
{
    const struct confaddr_entry *a = pa, *b = pb;
    int c = strcmp(a->key, b->key);
    if (c != 0)
        return c;
    if (a->account != b->account)
        return a->account->index < b->account->index ? -1 : 1;
    return a->value < b->value ? -1 : a->value > b->value;
}

static void add_account(struct conf *conf, const struct conf_block *account, size_t *room)
{
    size_t n;
    const struct conf_value *addresses = conf_list(account, "address", &n);
    for (size_t i = 0; i < n; i++) {
        if (conf->n_addresses == *room) {
            *room = *room == 0 ? 16 : *room * 2;
            conf->addresses = mem_resize(conf->addresses, *room * sizeof *conf->addresses);
        }
        struct confaddr_entry *entry = &conf->addresses[conf->n_addresses++];
        *entry = (struct confaddr_entry){mem_text(addresses[i].text), account, i};
        ascii_lower_text(entry->key);
    }
}

void confaddr_index(struct conf *conf)
{
    size_t room = 0;
    const struct conftree_kind *kind = conftree_block_kind(conf->root->kind, span_text("account"));
    ssize_t row = kind == NULL ? -1 : conftree_setting(kind, span_text("address"));
    if (row < 0 || !conftree_visible(conf, kind->settings[row].def->readers))
        return;
    for (const struct conf_block *a = NULL; (a = conf_next(conf->root, "account", a)) != NULL;)
        add_account(conf, a, &room);
    if (conf->n_addresses > 0)
        qsort(conf->addresses, conf->n_addresses, sizeof *conf->addresses, by_key);
}

void confaddr_forget(struct conf *conf)
{
    for (size_t i = 0; i < conf->n_addresses; i++)
        mem_free(&conf->addresses[i].key);
    mem_free(&conf->addresses);
    conf->n_addresses = 0;
}

struct confaddr_place confaddr_place(const struct conf *conf, size_t i)
{
    const struct confaddr_entry *entry = &conf->addresses[i];
    return (struct confaddr_place){entry->key, entry->account, entry->value};
}

/* Writes local@domain in lower case. Returns -1 when it is longer than any that is configured, or
 * holds a NUL. */
static int make_key(struct span local, struct span domain, char key[KEY_MAX])
{
    if (local.n + domain.n + 2 > KEY_MAX || span_copy(local, key, KEY_MAX) != 0)
        return -1;
    key[local.n] = '@';
    if (span_copy(domain, key + local.n + 1, KEY_MAX - local.n - 1) != 0)
        return -1;
    ascii_lower_text(key);
    return 0;
}

static const struct conf_block *look_up(const struct conf *conf, struct span local,
                                        struct span domain)
{
    char key[KEY_MAX];
    size_t low = 0, high = conf->n_addresses;
    if (make_key(local, domain, key) != 0)
        return NULL;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcmp(conf->addresses[middle].key, key);
        if (c == 0)
            return conf->addresses[middle].account;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct conf_block *confaddr_domain(const struct conf *conf, struct span domain)
{
    char name[KEY_MAX];
    if (span_copy(domain, name, sizeof name) != 0)
        return NULL;
    ascii_lower_text(name);
    return conf_find(conf->root, "domain", name);
}

size_t confaddr_base(const struct conf *conf, struct span local, struct span domain)
{
    const struct conf_block *block = confaddr_domain(conf, domain);
    if (block == NULL || local.n == 0)
        return local.n;
    struct span separator = span_text(conf_text(block, "catchall-separator"));
    if (separator.n == 0)
        return local.n;
    const unsigned char *at = memmem(local.p, local.n, separator.p, separator.n);
    return at == NULL || at == local.p ? local.n : (size_t)(at - local.p);
}

const struct conf_block *confaddr_account(const struct conf *conf, struct span local,
                                          struct span domain, enum confaddr_match *how)
{
    enum confaddr_match ignored;
    if (how == NULL)
        how = &ignored;
    *how = CONFADDR_EXACT;
    const struct conf_block *account = NULL;
    if (!span_is(local, "*")) /* a legal local part, but the key of a catch-all */
        account = look_up(conf, local, domain);
    if (account != NULL)
        return account;
    *how = CONFADDR_SEPARATOR;
    struct span base = {local.p, confaddr_base(conf, local, domain)};
    if (base.n < local.n && !span_is(base, "*"))
        account = look_up(conf, base, domain);
    if (account != NULL)
        return account;
    *how = CONFADDR_CATCHALL;
    return look_up(conf, span_text("*"), domain);
}

bool confaddr_is_from_id_login(const struct conf_block *account, struct span local,
                               struct span domain)
{
    size_t n;
    const struct conf_value *logins = conf_list(account, "from-id-login", &n);
    for (size_t i = 0; i < n; i++) {
        const char *at = strrchr(logins[i].text, '@');
        if (span_equal(span_of(logins[i].text, (size_t)(at - logins[i].text)), local) &&
            span_is_nocase(domain, at + 1))
            return true;
    }
    return false;
}

int confaddr_takes_id(const struct conf *conf, struct span local, struct span domain, size_t id,
                      struct fail *f)
{
    const struct conf_block *block = confaddr_domain(conf, domain);
    size_t separator = block == NULL ? 0 : strlen(conf_text(block, "catchall-separator"));
    if (separator == 0)
        return fail_set(f,
                        "this login needs senders of their own, and domain %.*s has no "
                        "catchall-separator for them",
                        (int)(domain.n < 100 ? domain.n : 100), domain.p);
    if (confaddr_base(conf, local, domain) + separator + id > LOCAL_MAX)
        return fail_set(f, "this login needs senders of their own, and this one has no room for an "
                           "id in its local part");
    return 0;
}

bool confaddr_fits(const char *pattern, struct span domain)
{
    size_t n = strlen(pattern);
    if (strcmp(pattern, "*") == 0)
        return true;
    if (pattern[0] != '.' || span_is_nocase(domain, pattern + 1))
        return span_is_nocase(domain, pattern + (pattern[0] == '.'));
    return domain.n > n && span_is_nocase(span_of(domain.p + domain.n - n, n), pattern);
}

char *confaddr_postmaster(const struct conf *conf)
{
    const char *given = conf_text(conf->root, "postmaster");
    return given != NULL ? mem_text(given)
                         : mem_format("postmaster@%s", conf_text(conf->root, "hostname"));
}
