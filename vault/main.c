/* vault: the process that holds every secret and has no way to the network. It answers:
 * authenticated or not, and this is the signature. */

#include "keyring.h"
#include "peers.h"
#include "saslserver.h"
#include "tls.h"

static bool nobody(void *arg, struct span login, struct scram_verifier *v, struct buf *canonical)
{
    return false;
}

/* Libraries load their tables and modules now: later there is no file to open. */
static int init(struct service *s, struct fail *f)
{
    struct saslserver_options options = {.lookup = nobody, .fake_iterations = SCRAM_ITERATIONS_MIN};
    struct saslserver *sasl = saslserver_new(&options, f);
    if (sasl == NULL)
        return -1;
    saslserver_free(&sasl);
    return tls_init(f);
}

static int start(struct service *s, struct fail *f)
{
    struct vault *v = service_user(s);
    v->service = s;
    v->base = service_base(s);
    v->exchanges = exchanges_new(v->base, EXCHANGE_LIFE_MS);
    v->passwords = password_cache_new();
    v->peers = peers_new(v);
    return 0;
}

static void *prepare(struct service *s, struct conf *conf, struct service_hand *hands,
                     size_t hands_n, struct fail *f)
{
    return keyring_new(conf, hands, hands_n, f);
}

static void commit(struct service *s, void *state, void *old)
{
    struct vault *v = service_user(s);
    struct keyring *before = old;
    v->keyring = state;
    password_cache_clear(v->passwords);
    keyring_drop(&before);
}

static void discard(struct service *s, void *state)
{
    struct keyring *k = state;
    keyring_drop(&k);
}

static void on_link(struct service *s, const char *name, int fd)
{
    struct vault *v = service_user(s);
    peers_link(v->peers, name, fd);
}

static const char *const counters[VAULT_COUNTERS + 1] = {
    "auth_ok_total",
    "auth_failed_total",
    "dkim_signatures_total",
    "tls_signatures_total",
    "webhook_signatures_total",
    "logins_begun_total",
    "logins_refused_total",
    "refused_total",
    NULL,
};

static const struct service_spec spec = {
    .name = "vault",
    .reader = CONF_VAULT,
    .counters = counters,
    .init = init,
    .start = start,
    .prepare = prepare,
    .commit = commit,
    .discard = discard,
    .on_link = on_link,
};

int main(int argc, char **argv)
{
    struct vault v = {0};
    int code = service_main(&spec, argc, argv, &v);
    peers_free(&v.peers);
    exchanges_free(&v.exchanges);
    password_cache_free(&v.passwords);
    keyring_drop(&v.keyring);
    return code;
}
