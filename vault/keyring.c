#include "keyring.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "address.h"
#include "ascii.h"
#include "confaddr.h"
#include "conftransport.h"
#include "dkimkey.h"
#include "file.h"
#include "mem.h"

#define PEM_MAX (64u * 1024)
#define PASSWORD_FILE_MAX 4096
#define TOKEN_FILE_MAX (16u * 1024)
#define READ_PIECE 16384 /* no less than file_read_fd makes room for at a time */

/* Reads what a hand holds; the caller wipes it. */
static int read_hand(const struct service_hand *h, size_t max, struct buf *out, struct fail *f)
{
    if (file_read_fd(h->fd, max, out, f) == 0)
        return 0;
    buf_wipe(out);
    return fail_prefix(f, "%s", h->purpose);
}

/* "key public" with prefix "key " gives "public"; NULL when it is something else. */
static const char *behind(const char *purpose, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(purpose, prefix, n) == 0 ? purpose + n : NULL;
}

static int take_credentials(struct keyring *k, const struct service_hand *h, struct fail *f)
{
    static const char label[] = "quartermaster unknown login";
    struct buf text = {0};
    if (read_hand(h, CREDFILE_MAX, &text, f) != 0)
        return -1;
    k->credentials = credfile_parse(buf_span(&text), f);
    /* A secret that all workers share and that survives a restart: the verifiers themselves. */
    buf_put(&text, label, sizeof label);
    (void)SHA256(buf_span(&text).p, text.n, k->fake_key);
    buf_wipe(&text);
    return k->credentials != NULL ? 0 : fail_prefix(f, "credentials");
}

static struct tlskey *read_tls_key(const struct service_hand *h, struct fail *f)
{
    struct buf pem = {0};
    if (read_hand(h, PEM_MAX, &pem, f) != 0)
        return NULL;
    struct tlskey *key = tlskey_load(buf_span(&pem), f);
    buf_wipe(&pem);
    return key;
}

static int take_tls_key(struct keyring *k, const struct service_hand *h, const char *listener,
                        struct fail *f)
{
    struct tlskey *key = read_tls_key(h, f);
    if (key == NULL)
        return fail_prefix(f, "key-file of listen %s", listener);
    k->tls = mem_resize(k->tls, (k->tls_n + 1) * sizeof *k->tls);
    k->tls[k->tls_n].listener = mem_text(listener);
    k->tls[k->tls_n++].key = key;
    return 0;
}

/* A key that is public only reads as well as any other, and would put off all mail of its domain.
 */
static int check_signs(EVP_PKEY *key, struct fail *f)
{
    static const unsigned char digest[DKIM_DIGEST];
    struct buf signature = {0};
    int rc = dkimkey_sign(key, dkimkey_algorithm(key), digest, &signature, f);
    buf_free(&signature);
    return rc;
}

static int take_dkim_key(struct keyring *k, const struct service_hand *h, const char *what,
                         struct fail *f)
{
    struct buf pem = {0};
    const char *space = strchr(what, ' ');
    if (space == NULL)
        return fail_set(f, "malformed purpose: %s", h->purpose);
    if (read_hand(h, PEM_MAX, &pem, f) != 0)
        return -1;
    EVP_PKEY *key = dkimkey_read_pem(buf_span(&pem), f);
    buf_wipe(&pem);
    if (key == NULL || check_signs(key, f) != 0) {
        EVP_PKEY_free(key);
        return fail_prefix(f, "%s", h->purpose);
    }
    k->dkim = mem_resize(k->dkim, (k->dkim_n + 1) * sizeof *k->dkim);
    k->dkim[k->dkim_n++] = (struct keyring_dkim){mem_textn(what, (size_t)(space - what)),
                                                 mem_text(space + 1), key, dkimkey_algorithm(key)};
    return 0;
}

static int take_hook_key(struct keyring *k, const struct service_hand *h, const char *webhook,
                         struct fail *f)
{
    struct buf text = {0};
    struct hookkey key;
    if (read_hand(h, PEM_MAX, &text, f) != 0)
        return -1;
    int rc = hookkey_parse(buf_span(&text), &key, f);
    buf_wipe(&text);
    if (rc != 0)
        return fail_prefix(f, "signing key of webhook %s", webhook);
    struct keyring_hook *list = mem_array(k->hooks_n + 1, sizeof *list);
    if (k->hooks_n > 0)
        memcpy(list, k->hooks, k->hooks_n * sizeof *list);
    mem_wipe(k->hooks, k->hooks_n * sizeof *list);
    mem_free(&k->hooks);
    list[k->hooks_n++] = (struct keyring_hook){mem_text(webhook), key};
    k->hooks = list;
    hookkey_wipe(&key);
    return 0;
}

static void read_mechanisms(struct keyring_login *l)
{
    size_t n;
    const struct conf_value *words = conf_list(l->auth, "mechanisms", &n);
    for (size_t i = 0; i < n && l->order_n < SASLCLIENT_MECHANISMS; i++)
        l->order[l->order_n++] = (enum saslclient_mechanism)words[i].number;
}

static void free_login(struct keyring_login *l)
{
    mem_free(&l->transport);
    buf_wipe(&l->password);
    file_close(&l->token_fd);
    tlskey_free(&l->key);
}

/* Every transport that has an auth block; passwords and tokens come afterwards. */
static void make_logins(struct keyring *k, const struct conf *conf)
{
    const struct conf_block *t = NULL, *auth;
    while ((t = conf_next(conf_root(conf), "transport", t)) != NULL) {
        if ((auth = conftransport_auth(conf, conf_label(t))) == NULL)
            continue;
        k->logins = mem_resize(k->logins, (k->logins_n + 1) * sizeof *k->logins);
        struct keyring_login *l = &k->logins[k->logins_n++];
        *l = (struct keyring_login){.transport = mem_text(conf_label(t)),
                                    .auth = auth,
                                    .token_fd = -1,
                                    .proxy = conf_child(t, "socks") != NULL};
        /* A proxy has but one way to log in. */
        if (!l->proxy)
            read_mechanisms(l);
    }
}

static struct keyring_login *find_login(const struct keyring *k, const char *transport)
{
    for (size_t i = 0; i < k->logins_n; i++) {
        if (strcmp(k->logins[i].transport, transport) == 0)
            return &k->logins[i];
    }
    return NULL;
}

/* The first line of a file that holds a secret, appended to out. Everything else of it is
 * overwritten. */
static int read_line(int fd, size_t max, struct buf *out, struct fail *f)
{
    struct buf text = {0};
    /* So that it does not grow, which would leave copies behind. */
    (void)buf_room(&text, max + 2 * READ_PIECE);
    int rc = file_read_fd(fd, max, &text, f);
    struct span line = buf_span(&text);
    ssize_t end = span_find(line, '\n');
    if (end >= 0)
        line.n = (size_t)end;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (rc == 0 && line.n == 0)
        rc = fail_set(f, "the first line is empty");
    if (rc == 0 && span_find(line, '\0') >= 0)
        rc = fail_set(f, "there is a NUL in the first line");
    if (rc == 0)
        buf_put_span(out, line);
    buf_wipe(&text);
    return rc;
}

static int take_password(struct keyring *k, const struct service_hand *h, const char *transport,
                         struct fail *f)
{
    struct keyring_login *l = find_login(k, transport);
    if (l == NULL)
        return fail_set(f, "no such transport: %s", h->purpose);
    if (read_line(h->fd, PASSWORD_FILE_MAX, &l->password, f) != 0)
        return fail_prefix(f, "password-file of transport %s", transport);
    return 0;
}

static int take_token(struct keyring *k, struct service_hand *h, const char *transport,
                      struct fail *f)
{
    struct keyring_login *l = find_login(k, transport);
    if (l == NULL)
        return fail_set(f, "no such transport: %s", h->purpose);
    file_close(&l->token_fd);
    l->token_fd = h->fd;
    h->fd = -1;
    return 0;
}

static int take_client_key(struct keyring *k, const struct service_hand *h, const char *transport,
                           struct fail *f)
{
    struct keyring_login *l = find_login(k, transport);
    if (l == NULL || l->key != NULL)
        return fail_set(f, "no such transport: %s", h->purpose);
    l->key = read_tls_key(h, f);
    return l->key != NULL ? 0 : fail_prefix(f, "key-file of transport %s", transport);
}

static int take(struct keyring *k, struct service_hand *h, struct fail *f)
{
    const char *rest;
    if (strcmp(h->purpose, "credentials") == 0)
        return take_credentials(k, h, f);
    if ((rest = behind(h->purpose, "key ")) != NULL)
        return take_tls_key(k, h, rest, f);
    if ((rest = behind(h->purpose, "dkim ")) != NULL)
        return take_dkim_key(k, h, rest, f);
    if ((rest = behind(h->purpose, "webhook ")) != NULL)
        return take_hook_key(k, h, rest, f);
    if ((rest = behind(h->purpose, "password ")) != NULL)
        return take_password(k, h, rest, f);
    if ((rest = behind(h->purpose, "token ")) != NULL)
        return take_token(k, h, rest, f);
    if ((rest = behind(h->purpose, "client-key ")) != NULL)
        return take_client_key(k, h, rest, f);
    return 0; /* certificates come after their keys */
}

static int check_certificate(const struct keyring *k, const struct service_hand *h, struct fail *f)
{
    const char *listener = behind(h->purpose, "certificate "),
               *transport = behind(h->purpose, "client-certificate ");
    const struct keyring_login *l = transport == NULL ? NULL : find_login(k, transport);
    const struct tlskey *key = listener != NULL ? keyring_tls(k, listener)
                               : l != NULL      ? l->key
                                                : NULL;
    struct buf pem = {0};
    if (key == NULL)
        return 0;
    if (read_hand(h, PEM_MAX, &pem, f) != 0)
        return -1;
    int rc = tlskey_fits(key, buf_span(&pem), f);
    buf_free(&pem);
    if (rc != 0 && listener != NULL)
        return fail_prefix(f, "listen %s", listener);
    return rc == 0 ? 0 : fail_prefix(f, "transport %s", transport);
}

struct keyring *keyring_new(struct conf *conf, struct service_hand *hands, size_t hands_n,
                            struct fail *f)
{
    struct keyring *k = mem_zero(sizeof *k);
    int rc = 0;
    k->references = 1;
    make_logins(k, conf);
    for (size_t i = 0; rc == 0 && i < hands_n; i++)
        rc = take(k, &hands[i], f);
    for (size_t i = 0; rc == 0 && i < hands_n; i++)
        rc = check_certificate(k, &hands[i], f);
    if (rc == 0 && k->credentials == NULL)
        rc = fail_set(f, "no credentials were handed over");
    if (rc != 0) {
        keyring_drop(&k);
        return NULL;
    }
    k->conf = conf;
    return k;
}

struct keyring *keyring_hold(struct keyring *k)
{
    k->references++;
    return k;
}

void keyring_drop(struct keyring **kp)
{
    struct keyring *k = *kp;
    *kp = NULL;
    if (k == NULL || --k->references > 0)
        return;
    for (size_t i = 0; i < k->tls_n; i++) {
        mem_free(&k->tls[i].listener);
        tlskey_free(&k->tls[i].key);
    }
    for (size_t i = 0; i < k->dkim_n; i++) {
        mem_free(&k->dkim[i].domain);
        mem_free(&k->dkim[i].selector);
        EVP_PKEY_free(k->dkim[i].key);
    }
    for (size_t i = 0; i < k->hooks_n; i++) {
        mem_free(&k->hooks[i].webhook);
        hookkey_wipe(&k->hooks[i].key);
    }
    for (size_t i = 0; i < k->logins_n; i++)
        free_login(&k->logins[i]);
    mem_free(&k->logins);
    mem_free(&k->hooks);
    mem_free(&k->tls);
    mem_free(&k->dkim);
    credfile_free(&k->credentials);
    mem_wipe(k->fake_key, sizeof k->fake_key);
    conf_free(&k->conf);
    mem_free(&k);
}

const struct tlskey *keyring_tls(const struct keyring *k, const char *listener)
{
    for (size_t i = 0; i < k->tls_n; i++) {
        if (strcmp(k->tls[i].listener, listener) == 0)
            return k->tls[i].key;
    }
    return NULL;
}

const struct keyring_dkim *keyring_dkim(const struct keyring *k, const char *domain,
                                        const char *selector)
{
    for (size_t i = 0; i < k->dkim_n; i++) {
        if (strcmp(k->dkim[i].domain, domain) == 0 && strcmp(k->dkim[i].selector, selector) == 0)
            return &k->dkim[i];
    }
    return NULL;
}

size_t keyring_sign_hook(const struct keyring *k, const char *webhook, struct span input,
                         struct buf *signatures)
{
    unsigned char signature[HOOKKEY_SIGNATURE];
    size_t n = 0;
    for (size_t i = 0; i < k->hooks_n; i++) {
        if (strcmp(k->hooks[i].webhook, webhook) != 0)
            continue;
        hookkey_sign(&k->hooks[i].key, input, signature);
        buf_put(signatures, signature, sizeof signature);
        n++;
    }
    return n;
}

const struct keyring_login *keyring_login(const struct keyring *k, const char *transport)
{
    return find_login(k, transport);
}

bool keyring_login_is_silent(const struct keyring_login *l)
{
    return l->key != NULL && l->order_n == 0 && l->password.n == 0 && l->token_fd < 0;
}

int keyring_token(const struct keyring_login *l, struct buf *out, struct fail *f)
{
    if (read_line(l->token_fd, TOKEN_FILE_MAX, out, f) != 0)
        return fail_prefix(f, "token-file of transport %s", l->transport);
    return 0;
}

static void put_canonical(const struct keyring *k, const struct address *a, struct buf *out)
{
    struct span local = span_text(a->local), domain = span_text(a->domain);
    size_t base = confaddr_base(k->conf, local, domain);
    for (size_t i = 0; i < base; i++)
        buf_putc(out, ascii_lower(local.p[i]));
    buf_putc(out, '@');
    buf_put_span(out, domain);
}

bool keyring_find_login(const struct keyring *k, struct span login, const char **account,
                        struct scram_verifier *v, struct buf *canonical)
{
    struct address a;
    struct fail f;
    if (address_parse(login, &a, &f) != 0) {
        if (canonical != NULL)
            buf_put_span(canonical, login);
        return false;
    }
    const struct conf_block *block =
        confaddr_account(k->conf, span_text(a.local), span_text(a.domain), NULL);
    const struct scram_verifier *there =
        block == NULL ? NULL : credfile_find(k->credentials, span_text(conf_label(block)));
    if (there != NULL) {
        *v = *there;
        *account = conf_label(block);
    } else if (canonical != NULL) {
        put_canonical(k, &a, canonical);
    }
    address_clear(&a);
    return there != NULL;
}

bool keyring_is_shut(const struct keyring *k, const char *account)
{
    return conf_bool(conf_find(conf_root(k->conf), "account", account), "login-disabled");
}
