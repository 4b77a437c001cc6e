#include "vault_help.h"

#include <openssl/evp.h>

#include "proto_secret.h"
#include "proto_types.h"
#include "wire.h"

/* Who asks over which link, and what of it is answered; whoever asks what it may not is shown out.
 */

static struct vault vault;

static int setup(void **state)
{
    help_be_quiet();
    memset(&vault, 0, sizeof vault);
    vault.service = help_run_.service;
    vault.base = service_base(vault.service);
    vault.keyring = help_keyring();
    vault.exchanges = exchanges_new(vault.base, EXCHANGE_LIFE_MS);
    vault.passwords = password_cache_new();
    vault.peers = peers_new(&vault);
    return 0;
}

static int teardown(void **state)
{
    peers_free(&vault.peers);
    exchanges_free(&vault.exchanges);
    password_cache_free(&vault.passwords);
    keyring_drop(&vault.keyring);
    return 0;
}

static struct ipc *link_as(const char *name)
{
    static const struct ipc_handler only_asks = {NULL, NULL};
    struct fail f;
    int fd[2];
    assert_int_equal(ipc_pair(fd, &f), 0);
    peers_link(vault.peers, name, fd[0]);
    return ipc_new(vault.base, fd[1], "peer", &only_asks, NULL);
}

static void turn(void)
{
    for (int i = 0; i < 5; i++)
        (void)event_base_loop(vault.base, EVLOOP_NONBLOCK);
}

static int answered;
static enum secret_auth_state auth_state;
static struct buf signature_got;
static char refused[200];
static uint32_t keys_n;

static void on_auth(void *arg, const struct secret_auth *a)
{
    answered++;
    auth_state = a->state;
}

static void on_signature(void *arg, struct span signature, const char *why)
{
    answered++;
    buf_clear(&signature_got);
    buf_put_span(&signature_got, signature);
    (void)snprintf(refused, sizeof refused, "%s", why);
}

static void on_keys(void *arg, const struct secret_dkim_key *keys, uint32_t n)
{
    answered++;
    keys_n = n;
}

static struct buf message_got;
static char mechanism_got[32];

static void on_login(void *arg, const struct secret_login *login, const char *why, bool there)
{
    answered++;
    buf_clear(&message_got);
    if (login != NULL) {
        buf_put_span(&message_got, login->message);
        (void)snprintf(mechanism_got, sizeof mechanism_got, "%s", login->mechanism);
    }
    (void)snprintf(refused, sizeof refused, "%s", why);
}

static const char digest[] = "0123456789abcdef0123456789abcdef";

static void ask_start(struct ipc *ch)
{
    (void)secret_auth_start(ch, "PLAIN", "192.0.2.1", (struct span){0}, true,
                            span_of("\0box@example.org\0" PASSWORD, 17 + sizeof PASSWORD - 1),
                            on_auth, NULL);
}

static void ask_step(struct ipc *ch)
{
    (void)secret_auth_step(ch, 1, span_text("x"), on_auth, NULL);
}

static void ask_cancel(struct ipc *ch)
{
    secret_auth_cancel(ch, 1);
}

static void ask_password(struct ipc *ch)
{
    (void)secret_password(ch, "box@example.org", span_text(PASSWORD), "192.0.2.1", on_auth, NULL);
}

static void ask_dkim(struct ipc *ch)
{
    (void)secret_dkim_sign(ch, "example.org", "2026a", span_of(digest, 32), on_signature, NULL);
}

static void ask_list(struct ipc *ch)
{
    (void)secret_dkim_list(ch, on_keys, NULL);
}

static int on_raw(void *arg, struct ipc_message *m, struct fail *f)
{
    return 0;
}

static uint16_t signed_as;

static int on_signed(void *arg, struct ipc_message *m, struct fail *f)
{
    signed_as = m == NULL ? 0 : m->type;
    return 0;
}

static void ask_tls(struct ipc *ch)
{
    struct buf b = {0};
    wire_put_text(&b, "public");
    wire_put_u32(&b, 1);
    wire_put_u32(&b, 1);
    wire_put_span(&b, span_text("x"));
    (void)ipc_request(ch, MSG_SECRET_TLS_SIGN, buf_span(&b), NULL, 0, on_raw, NULL);
    buf_free(&b);
}

static void ask_hook(struct ipc *ch)
{
    (void)secret_hook_sign(ch, "outgoing box", span_text("1.2.{}"), on_signature, NULL);
}

static void start_login(struct ipc *ch, const char *mechanism, bool verified)
{
    const struct secret_login_server server = {.host = "smtp.test",
                                               .port = 587,
                                               .offered = &mechanism,
                                               .offered_n = 1,
                                               .verified = verified};
    (void)secret_login_start(ch, &server, on_login, NULL);
}

static void ask_login(struct ipc *ch)
{
    start_login(ch, "PLAIN", true);
}

static void ask_login_step(struct ipc *ch)
{
    (void)secret_login_step(ch, 1, span_text("x"), on_login, NULL);
}

static void ask_proxy(struct ipc *ch)
{
    (void)secret_proxy_login(ch, on_login, NULL);
}

static void test_who_may_ask_what(void **state)
{
    static const char *const names[] = {"secret smtpd/0",  "sign smtpd/0",
                                        "secret webapi/0", "secret delivery/direct",
                                        "secret hooks",    "sign delivery/known"};
    static const struct {
        void (*ask)(struct ipc *ch);
        const char *may; /* a letter for each of names */
    } table[] = {
        {ask_start, "y-----"},      {ask_step, "y-----"},  {ask_cancel, "y--y--"},
        {ask_password, "--y---"},   {ask_dkim, "y-y---"},  {ask_list, "y-y---"},
        {ask_tls, "-y---y"},        {ask_hook, "----y-"},  {ask_login, "---y--"},
        {ask_login_step, "---y--"}, {ask_proxy, "---y--"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            struct ipc *ch = link_as(names[k]);
            table[i].ask(ch);
            turn();
            if (ipc_is_open(ch) != (table[i].may[k] == 'y'))
                fail_msg("request %zu over \"%s\"", i, names[k]);
            ipc_free(&ch);
            turn();
        }
    }
}

static void test_a_transport_has_its_own_credentials_and_no_others(void **state)
{
    struct ipc *relay = link_as("secret delivery/relay"), *proxy = link_as("secret delivery/proxy"),
               *direct = link_as("secret delivery/direct");
    ask_login(relay);
    turn();
    assert_string_equal(mechanism_got, "PLAIN");
    assert_true(span_equal(buf_span(&message_got),
                           span_of("\0me\0" RELAY_PASSWORD, 4 + strlen(RELAY_PASSWORD))));
    start_login(relay, "XOAUTH2", true);
    turn();
    assert_true(span_is(buf_span(&message_got), "user=me\001auth=Bearer tok\001\001"));
    start_login(relay, "PLAIN", false);
    turn();
    assert_int_equal(message_got.n, 0);
    assert_non_null(strstr(refused, "TLS did not prove"));
    start_login(relay, "LOGIN", true); /* which is not among those allowed */
    turn();
    assert_non_null(strstr(refused, "LOGIN"));
    ask_proxy(proxy);
    turn();
    assert_true(span_is(buf_span(&message_got), "\1\2me\2pw"));
    ask_login(direct);
    turn();
    assert_string_equal(refused, "there are no credentials for transport direct");
    ask_proxy(direct);
    turn();
    assert_string_equal(refused, "there are no credentials for transport direct");
    ipc_free(&relay);
    ipc_free(&proxy);
    ipc_free(&direct);
    buf_free(&message_got);
    turn();
}

static const char *signs(const char *link, const char *key)
{
    struct ipc *ch = link_as(link);
    struct buf b = {0};
    answered = 0;
    wire_put_text(&b, key);
    wire_put_u32(&b, EVP_PKEY_EC);
    wire_put_u32(&b, NID_X9_62_prime256v1);
    wire_put_span(&b, span_of(digest, 32));
    signed_as = 0;
    (void)ipc_request(ch, MSG_SECRET_TLS_SIGN, buf_span(&b), NULL, 0, on_signed, NULL);
    turn();
    ipc_free(&ch);
    turn();
    buf_free(&b);
    return signed_as == MSG_SECRET_SIGNATURE ? "signed" : "refused";
}

/* Whatever key it names. */
static void test_a_handshake_is_signed_with_the_key_of_the_link(void **state)
{
    assert_string_equal(signs("sign smtpd/0", "public"), "signed");
    assert_string_equal(signs("sign smtpd/0", "known"), "refused");
    assert_string_equal(signs("sign delivery/known", ""), "signed");
    assert_string_equal(signs("sign delivery/bare", "known"), "refused");
    assert_string_equal(signs("sign delivery/relay", "public"), "refused");
}

static void test_who_shows_a_certificate_and_no_more_has_nothing_to_say(void **state)
{
    struct ipc *known = link_as("secret delivery/known");
    (void)snprintf(mechanism_got, sizeof mechanism_got, "none yet");
    buf_clear(&message_got);
    ask_login(known);
    turn();
    assert_string_equal(mechanism_got, "");
    assert_int_equal(message_got.n, 0);
    ipc_free(&known);
    turn();
}

static void test_links_of_unknown_names_are_closed(void **state)
{
    static const char *const names[] = {
        "", "secret", "secret qmgr/0", "submit smtpd/0", "sign webapi/0", "xsecret smtpd/0"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct ipc *ch = link_as(names[i]);
        turn();
        assert_false(ipc_is_open(ch));
        ipc_free(&ch);
    }
}

static void test_answers_are_given_as_they_should_be(void **state)
{
    struct ipc *smtpd = link_as("secret smtpd/0"), *webapi = link_as("secret webapi/0");
    answered = 0;
    ask_start(smtpd);
    turn();
    assert_int_equal(auth_state, SECRET_OK);
    ask_password(webapi);
    turn();
    assert_int_equal(auth_state, SECRET_OK);
    (void)secret_password(webapi, "box@example.org", span_text("wrong"), "192.0.2.1", on_auth,
                          NULL);
    turn();
    assert_int_equal(auth_state, SECRET_DENIED);
    (void)secret_password(webapi, "shut@example.org", span_text(PASSWORD), "192.0.2.1", on_auth,
                          NULL);
    turn();
    assert_int_equal(auth_state, SECRET_DISABLED);
    (void)secret_password(webapi, "shut@example.org", span_text("wrong"), "192.0.2.1", on_auth,
                          NULL);
    turn();
    assert_int_equal(auth_state, SECRET_DENIED);
    ask_dkim(smtpd);
    turn();
    assert_int_equal(signature_got.n, 256);
    (void)secret_dkim_sign(webapi, "example.org", "2026b", span_of(digest, 32), on_signature, NULL);
    turn();
    assert_int_equal(signature_got.n, 64);
    ask_list(smtpd);
    turn();
    assert_int_equal(keys_n, 2);
    /* What cannot be signed is refused; the peer stays. */
    (void)secret_dkim_sign(smtpd, "example.org", "2026x", span_of(digest, 32), on_signature, NULL);
    turn();
    assert_string_equal(refused, "no such DKIM key");
    (void)secret_dkim_sign(smtpd, "example.org", "2026a", span_of(digest, 31), on_signature, NULL);
    turn();
    assert_string_equal(refused, "not a SHA-256 digest");
    assert_true(ipc_is_open(smtpd));
    struct ipc *hooks = link_as("secret hooks");
    ask_hook(hooks);
    turn();
    assert_string_equal(refused, "no signing key for this webhook");
    assert_int_equal(answered, 11);
    ipc_free(&hooks);
    ipc_free(&smtpd);
    ipc_free(&webapi);
    buf_free(&signature_got);
}

static void test_exchanges_end_with_the_peer_that_began_them(void **state)
{
    struct ipc *first = link_as("secret smtpd/0"), *second;
    (void)secret_auth_start(first, "PLAIN", "192.0.2.1", (struct span){0}, false, (struct span){0},
                            on_auth, NULL);
    turn();
    assert_int_equal(auth_state, SECRET_CONTINUE);
    second = link_as("secret smtpd/0"); /* started anew: it takes the other's place */
    turn();
    assert_false(ipc_is_open(first));
    for (uint64_t handle = 0; handle < 5; handle++) {
        (void)secret_auth_step(second, handle,
                               span_of("\0box@example.org\0" PASSWORD, 17 + sizeof PASSWORD - 1),
                               on_auth, NULL);
        turn();
        assert_int_equal(auth_state, SECRET_UNAVAILABLE);
    }
    ipc_free(&first);
    ipc_free(&second);
}

int main(int argc, char **argv)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(test_who_may_ask_what),
        EACH(test_a_transport_has_its_own_credentials_and_no_others),
        EACH(test_a_handshake_is_signed_with_the_key_of_the_link),
        EACH(test_who_shows_a_certificate_and_no_more_has_nothing_to_say),
        EACH(test_links_of_unknown_names_are_closed),
        EACH(test_answers_are_given_as_they_should_be),
        EACH(test_exchanges_end_with_the_peer_that_began_them),
    };
    return help_main(argv, tests, sizeof tests / sizeof tests[0]);
}
