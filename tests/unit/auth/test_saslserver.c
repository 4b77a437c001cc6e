#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gsasl.h>

#include "ascii.h"
#include "base64.h"
#include "mem.h"
#include "saslserver.h"

#define SPAN(text) span_of(text, sizeof(text) - 1)
#define LOGIN "user@mail.example"
#define PASSWORD "t\xc3\xa9st 123 "             /* NFC */
#define PASSWORD_NFD "te\xcc\x81st 123\xc2\xa0" /* NFD, with a no-break space */
#define FAKE_ITERATIONS 4096

static const unsigned char binding_octets[32] = {1, 2, 3, 0, 0xff};
static struct scram_verifier verifier;
static struct saslserver *server;

static struct span binding(void)
{
    return span_of(binding_octets, sizeof binding_octets);
}

/* Two logins exist. Spellings of one differ in case and in what follows '+'. */
static bool lookup(void *arg, struct span login, struct scram_verifier *v, struct buf *canonical)
{
    char *name = span_dup(login);
    char *plus = strchr(name, '+'), *at = strchr(name, '@');
    ascii_lower_text(name);
    if (plus != NULL && at != NULL && plus < at)
        memmove(plus, at, strlen(at) + 1);
    bool known = strcmp(name, LOGIN) == 0 || strcmp(name, "a,b=c") == 0;
    if (known)
        *v = verifier;
    else
        buf_puts(canonical, name);
    mem_free(&name);
    return known;
}

static struct saslserver_exchange *begin(const char *mechanism, struct span bound)
{
    struct fail f = {""};
    struct saslserver_exchange *x = saslserver_begin(server, span_text(mechanism), bound, &f);
    if (x == NULL)
        fail_msg("%s", f.text);
    return x;
}

/* One message of a new exchange. */
static enum saslserver_result first(const char *mechanism, struct span bound, struct span message,
                                    struct buf *reply, struct fail *f)
{
    struct saslserver_exchange *x = begin(mechanism, bound);
    enum saslserver_result result = saslserver_step(x, message, reply, f);
    saslserver_end(&x);
    assert_null(x);
    return result;
}

/* ---- PLAIN ---- */

static void test_plain_takes_the_right_password_and_says_in_the_log_what_was_wrong(void **state)
{
    static const struct {
        const char *why; /* NULL: authenticated */
        const char *message;
        size_t n;
    } cases[] = {
#define MESSAGE(text) (text), sizeof(text) - 1
        {NULL, MESSAGE("\0" LOGIN "\0" PASSWORD)},
        {NULL, MESSAGE("\0" LOGIN "\0" PASSWORD_NFD)},
        {NULL, MESSAGE(LOGIN "\0" LOGIN "\0" PASSWORD)},
        {NULL, MESSAGE("\0User+news@MAIL.example\0" PASSWORD)},
        {"wrong password", MESSAGE("\0" LOGIN "\0t\xc3\xa9st 123")},
        {"wrong password", MESSAGE("\0" LOGIN "\0")},
        {"wrong password", MESSAGE("\0" LOGIN "\0\xff")},
        {"wrong password", MESSAGE("other@mail.example\0" LOGIN "\0wrong")},
        {"unknown login name", MESSAGE("\0nobody@mail.example\0" PASSWORD)},
        {"to act as somebody else is not allowed",
         MESSAGE("other@mail.example\0" LOGIN "\0" PASSWORD)},
        {"to act as somebody else is not allowed", MESSAGE(LOGIN "\0User@mail.example\0" PASSWORD)},
        {"malformed message", MESSAGE("")},
        {"malformed message", MESSAGE("\0")},
        {"malformed message", MESSAGE(LOGIN)},
        {"malformed message", MESSAGE("\0" LOGIN)},
        {"malformed message", MESSAGE(LOGIN "\0" PASSWORD)},
        {"malformed message", MESSAGE("\0" LOGIN "\0" PASSWORD "\0")},
        {"malformed message", MESSAGE("\0" LOGIN "\0pass\0word")},
        {"malformed login name", MESSAGE("\0\0" PASSWORD)},
        {"malformed login name", MESSAGE("\0us\ner\0" PASSWORD)},
        {"malformed login name", MESSAGE("\0us\x7f\0" PASSWORD)},
        {"malformed login name", MESSAGE("\0us\xff\0" PASSWORD)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf reply = {0};
        struct fail f = {""};
        struct saslserver_exchange *x = begin("PLAIN", span_of(NULL, 0));
        buf_puts(&reply, "left over");
        enum saslserver_result result =
            saslserver_step(x, span_of(cases[i].message, cases[i].n), &reply, &f);
        if (result != (cases[i].why == NULL ? SASLSERVER_OK : SASLSERVER_FAIL))
            fail_msg("case %zu: %d, %s", i, (int)result, f.text);
        assert_string_equal(f.text, cases[i].why == NULL ? "" : cases[i].why);
        assert_int_equal(reply.n, 0);
        saslserver_end(&x);
        buf_free(&reply);
    }
}

static void test_the_login_is_told_as_the_client_spelled_it(void **state)
{
    struct buf reply = {0};
    struct saslserver_exchange *x = begin("plain", span_of(NULL, 0));
    assert_string_equal(saslserver_login(x), "");
    assert_int_equal(saslserver_step(x, SPAN("\0User+x@mail.example\0" PASSWORD), &reply, NULL),
                     SASLSERVER_OK);
    assert_string_equal(saslserver_login(x), "User+x@mail.example");
    assert_int_equal(saslserver_step(x, SPAN("\0" LOGIN "\0" PASSWORD), &reply, NULL),
                     SASLSERVER_FAIL);
    saslserver_end(&x);
    buf_free(&reply);
}

static void test_lengths_are_limited(void **state)
{
    static const char *const names[] = {"PLAIN", "SCRAM-SHA-256"};
    for (size_t i = 0; i < 2; i++) {
        for (size_t n = SASLSERVER_LOGIN_MAX; n <= SASLSERVER_LOGIN_MAX + 1; n++) {
            struct buf message = {0}, reply = {0};
            struct fail f = {""};
            buf_put(&message, i == 0 ? "\0" : "n,,n=", i == 0 ? 1 : 5);
            for (size_t k = 0; k < n; k++)
                buf_putc(&message, 'u');
            buf_put(&message, i == 0 ? "\0p" : ",r=nonce", i == 0 ? 2 : 8);
            (void)first(names[i], span_of(NULL, 0), buf_span(&message), &reply, &f);
            assert_string_equal(f.text, n > SASLSERVER_LOGIN_MAX ? "malformed login name"
                                        : i == 0                 ? "unknown login name"
                                                                 : "");
            buf_free(&message);
            buf_free(&reply);
        }
        struct buf message = {0}, reply = {0};
        struct fail f = {""};
        buf_puts(&message, "n,,n=user,r=");
        while (message.n <= SASLSERVER_MESSAGE_MAX)
            buf_putc(&message, 'x');
        assert_int_equal(first(names[i], span_of(NULL, 0), buf_span(&message), &reply, &f),
                         SASLSERVER_FAIL);
        assert_string_equal(f.text, "message too long");
        buf_cut(&message, SASLSERVER_MESSAGE_MAX);
        f.text[0] = '\0';
        (void)first(names[i], span_of(NULL, 0), buf_span(&message), &reply, &f);
        assert_string_equal(f.text, i == 0 ? "malformed message" : "");
        buf_free(&message);
        buf_free(&reply);
    }
}

/* ---- SCRAM, with a client that is Python's ---- */

struct peer {
    pid_t pid;
    FILE *from, *to;
};

static void peer_start(struct peer *peer, const char *const arguments[4])
{
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    peer->pid = fork();
    assert_true(peer->pid >= 0);
    if (peer->pid == 0) {
        if (dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1)
            (void)execlp("python3", "python3", "tests/unit/auth/scram_peer.py", arguments[0],
                         arguments[1], arguments[2], arguments[3], (char *)NULL);
        _exit(121);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    peer->to = fdopen(in[1], "w");
    peer->from = fdopen(out[0], "r");
}

static bool peer_says(struct peer *peer, struct buf *message)
{
    char line[8192];
    buf_clear(message);
    if (fgets(line, sizeof line, peer->from) == NULL)
        return false;
    assert_int_equal(base64_decode_loose(message, span_text(line)), 0);
    return true;
}

static int peer_end(struct peer *peer)
{
    int status;
    (void)fclose(peer->to);
    (void)fclose(peer->from);
    assert_int_equal(waitpid(peer->pid, &status, 0), peer->pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Has the peer talk to the server until one has enough. Returns the peer's exit code. */
static int converse(const char *mechanism, struct span bound, const char *const arguments[4],
                    enum saslserver_result *result, struct fail *f)
{
    struct peer peer;
    struct buf message = {0}, reply = {0}, line = {0};
    struct saslserver_exchange *x = begin(mechanism, bound);
    peer_start(&peer, arguments);
    *result = SASLSERVER_CONTINUE;
    while (*result == SASLSERVER_CONTINUE && peer_says(&peer, &message)) {
        *result = saslserver_step(x, buf_span(&message), &reply, f);
        if (*result != SASLSERVER_CONTINUE)
            break;
        buf_clear(&line);
        base64_encode(&line, buf_span(&reply));
        (void)fprintf(peer.to, "%s\n", buf_text(&line));
        (void)fflush(peer.to);
    }
    assert_true(*result == SASLSERVER_CONTINUE || reply.n == 0);
    if (*result == SASLSERVER_OK)
        assert_string_equal(saslserver_login(x), arguments[0]);
    int code = peer_end(&peer);
    saslserver_end(&x);
    buf_free(&message);
    buf_free(&reply);
    buf_free(&line);
    return code;
}

#define BINDING_HEX "01020300ff000000000000000000000000000000000000000000000000000000"

static void test_a_client_of_other_make_is_authenticated_and_believes_us(void **state)
{
    static const struct {
        const char *mechanism;
        bool bound;
        const char *arguments[4]; /* login, password, gs2-header, binding */
        int code;                 /* of the client: 0 content, 1 given up on */
        const char *why;
    } cases[] = {
        {"SCRAM-SHA-256", false, {LOGIN, PASSWORD, "n,,", ""}, 0, ""},
        {"SCRAM-SHA-256", true, {LOGIN, PASSWORD, "n,,", ""}, 0, ""},
        {"SCRAM-SHA-256", false, {LOGIN, PASSWORD, "y,,", ""}, 0, ""},
        {"SCRAM-SHA-256", false, {"USER+a@mail.example", PASSWORD, "n,,", ""}, 0, ""},
        {"SCRAM-SHA-256", false, {LOGIN, PASSWORD, "n,a=" LOGIN ",", ""}, 0, ""},
        {"SCRAM-SHA-256", false, {"a,b=c", PASSWORD, "n,a=a=2Cb=3Dc,", ""}, 0, ""},
        {"SCRAM-SHA-256-PLUS", true, {LOGIN, PASSWORD, "p=tls-exporter,,", BINDING_HEX}, 0, ""},
        /* This client does not normalise. */
        {"SCRAM-SHA-256",
         false,
         {LOGIN, PASSWORD_NFD, "n,,", ""},
         1,
         "wrong password or channel binding"},
        {"SCRAM-SHA-256",
         false,
         {LOGIN, "wrong", "n,,", ""},
         1,
         "wrong password or channel binding"},
        {"SCRAM-SHA-256", false, {"nobody", PASSWORD, "n,,", ""}, 1, "unknown login name"},
        {"SCRAM-SHA-256",
         false,
         {LOGIN, PASSWORD, "n,a=other,", ""},
         1,
         "to act as somebody else is not allowed"},
        {"SCRAM-SHA-256",
         false,
         {LOGIN, "wrong", "n,a=other,", ""},
         1,
         "wrong password or channel binding"},
        /* RFC 5802 section 6: we could have bound, and somebody made the client believe otherwise.
         */
        {"SCRAM-SHA-256",
         true,
         {LOGIN, PASSWORD, "y,,", ""},
         1,
         "channel binding or login name refused"},
        {"SCRAM-SHA-256",
         true,
         {LOGIN, PASSWORD, "p=tls-exporter,,", BINDING_HEX},
         1,
         "malformed message"},
        {"SCRAM-SHA-256", false, {LOGIN, PASSWORD, "p=tls-exporter,,", ""}, 1, "malformed message"},
        {"SCRAM-SHA-256-PLUS", true, {LOGIN, PASSWORD, "n,,", ""}, 1, "malformed message"},
        {"SCRAM-SHA-256-PLUS", true, {LOGIN, PASSWORD, "y,,", ""}, 1, "malformed message"},
        {"SCRAM-SHA-256-PLUS",
         true,
         {LOGIN, PASSWORD, "p=tls-exporter,,", "00"},
         1,
         "wrong password or channel binding"},
        {"SCRAM-SHA-256-PLUS",
         true,
         {LOGIN, PASSWORD, "p=tls-unique,,", BINDING_HEX},
         1,
         "Authentication failed because a tls-unique CB"},
        {"SCRAM-SHA-256-PLUS",
         true,
         {LOGIN, PASSWORD, "p=what,,", BINDING_HEX},
         1,
         "channel binding or login name refused"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fail f = {""};
        enum saslserver_result result;
        int code = converse(cases[i].mechanism, cases[i].bound ? binding() : span_of(NULL, 0),
                            cases[i].arguments, &result, &f);
        if (code != cases[i].code || strncmp(f.text, cases[i].why, strlen(cases[i].why)) != 0 ||
            (*cases[i].why == '\0') != (f.text[0] == '\0'))
            fail_msg("case %zu: client %d, \"%s\"", i, code, f.text);
        assert_int_equal(result, code == 0 ? SASLSERVER_OK : SASLSERVER_FAIL);
    }
}

/* ---- SCRAM, with libgsasl's client ---- */

struct client {
    const char *login, *password, *bound; /* bound: base64, NULL for none */
};

static int answer(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
    const struct client *client = gsasl_callback_hook_get(gsasl);
    const char *value = property == GSASL_AUTHID            ? client->login
                        : property == GSASL_PASSWORD        ? client->password
                        : property == GSASL_CB_TLS_EXPORTER ? client->bound
                                                            : NULL;
    return value == NULL ? GSASL_NO_CALLBACK : gsasl_property_set(session, property, value);
}

struct talk {
    Gsasl *gsasl;
    Gsasl_session *session;
    struct saslserver_exchange *x;
    struct client client;
    struct buf message, reply;
};

static void talk_begin(struct talk *t, const char *mechanism, struct client client,
                       struct span bound)
{
    *t = (struct talk){.client = client, .x = begin(mechanism, bound)};
    assert_int_equal(gsasl_init(&t->gsasl), GSASL_OK);
    gsasl_callback_set(t->gsasl, answer);
    gsasl_callback_hook_set(t->gsasl, &t->client);
    assert_int_equal(gsasl_client_start(t->gsasl, mechanism, &t->session), GSASL_OK);
}

/* The client reads our reply and makes its next message of it. */
static int talk_client(struct talk *t)
{
    char *output = NULL;
    size_t n = 0;
    int rc = gsasl_step(t->session, (const char *)buf_span(&t->reply).p, t->reply.n, &output, &n);
    buf_clear(&t->message);
    buf_put(&t->message, output, n);
    gsasl_free(output);
    return rc;
}

static enum saslserver_result talk_server(struct talk *t, struct fail *f)
{
    return saslserver_step(t->x, buf_span(&t->message), &t->reply, f);
}

static void talk_end(struct talk *t)
{
    gsasl_finish(t->session);
    gsasl_done(t->gsasl);
    saslserver_end(&t->x);
    buf_free(&t->message);
    buf_free(&t->reply);
}

/* To where the server has the client's proof and says its own. */
static void talk_to_the_proof(struct talk *t)
{
    assert_int_equal(talk_client(t), GSASL_NEEDS_MORE);
    assert_int_equal(talk_server(t, NULL), SASLSERVER_CONTINUE);
    assert_int_equal(talk_client(t), GSASL_NEEDS_MORE);
    assert_int_equal(talk_server(t, NULL), SASLSERVER_CONTINUE);
    assert_memory_equal(buf_span(&t->reply).p, "v=", 2);
}

static void test_libgsasls_client_is_authenticated_with_and_without_binding(void **state)
{
    static const char *const mechanisms[] = {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};
    struct buf bound = {0};
    base64_encode(&bound, binding());
    for (size_t i = 0; i < 2; i++) {
        struct talk t;
        struct client client = {LOGIN, PASSWORD, i == 0 ? NULL : buf_text(&bound)};
        talk_begin(&t, mechanisms[i], client, binding());
        talk_to_the_proof(&t);
        assert_int_equal(talk_client(&t), GSASL_OK);
        assert_int_equal(t.message.n, 0);
        assert_int_equal(talk_server(&t, NULL), SASLSERVER_OK);
        assert_int_equal(t.reply.n, 0);
        assert_string_equal(saslserver_login(t.x), LOGIN);
        assert_int_equal(talk_server(&t, NULL), SASLSERVER_FAIL);
        talk_end(&t);
    }
    buf_free(&bound);
}

/* RFC 4954 section 4: success has no data of its own, so our proof goes out as a challenge, and
 * what answers it is empty. */
static void test_the_answer_to_the_servers_proof_must_be_empty(void **state)
{
    struct talk t;
    struct fail f = {""};
    talk_begin(&t, "SCRAM-SHA-256", (struct client){LOGIN, PASSWORD, NULL}, span_of(NULL, 0));
    talk_to_the_proof(&t);
    buf_puts(&t.message, "x");
    assert_int_equal(talk_server(&t, &f), SASLSERVER_FAIL);
    assert_string_equal(f.text, "malformed message");
    buf_clear(&t.message);
    assert_int_equal(talk_server(&t, &f), SASLSERVER_FAIL);
    assert_string_equal(f.text, "the exchange is over");
    talk_end(&t);
}

static void test_any_changed_octet_of_the_clients_last_message_is_fatal(void **state)
{
    size_t length = 1;
    for (size_t i = 0; i < length; i++) {
        struct talk t;
        talk_begin(&t, "SCRAM-SHA-256", (struct client){LOGIN, PASSWORD, NULL}, span_of(NULL, 0));
        assert_int_equal(talk_client(&t), GSASL_NEEDS_MORE);
        assert_int_equal(talk_server(&t, NULL), SASLSERVER_CONTINUE);
        assert_int_equal(talk_client(&t), GSASL_NEEDS_MORE);
        length = t.message.n;
        buf_room(&t.message, 0)[-(ssize_t)(length - i)] ^= 4;
        assert_int_equal(talk_server(&t, NULL), SASLSERVER_FAIL);
        assert_int_equal(t.reply.n, 0);
        talk_end(&t);
    }
    assert_true(length > 90);
}

static void test_nothing_may_follow_the_clients_last_message(void **state)
{
    static const char more[] = {'\0', '\n', ' ', '='};
    for (size_t i = 0; i < sizeof more; i++) {
        struct talk t;
        talk_begin(&t, "SCRAM-SHA-256", (struct client){LOGIN, PASSWORD, NULL}, span_of(NULL, 0));
        assert_int_equal(talk_client(&t), GSASL_NEEDS_MORE);
        assert_int_equal(talk_server(&t, NULL), SASLSERVER_CONTINUE);
        assert_int_equal(talk_client(&t), GSASL_NEEDS_MORE);
        buf_putc(&t.message, more[i]);
        if (talk_server(&t, NULL) != SASLSERVER_FAIL)
            fail_msg("octet %d was taken", more[i]);
        talk_end(&t);
    }
}

/* libgsasl computes the proof over what stands before a NUL, so this one would be right. */
static void test_nothing_may_hide_behind_a_nul_in_the_clients_last_message(void **state)
{
    static const char hidden[] = "\0hidden";
    struct talk t;
    struct buf changed = {0};
    talk_begin(&t, "SCRAM-SHA-256", (struct client){LOGIN, PASSWORD, NULL}, span_of(NULL, 0));
    assert_int_equal(talk_client(&t), GSASL_NEEDS_MORE);
    assert_int_equal(talk_server(&t, NULL), SASLSERVER_CONTINUE);
    assert_int_equal(talk_client(&t), GSASL_NEEDS_MORE);
    struct span message = buf_span(&t.message);
    const unsigned char *proof = memmem(message.p, message.n, ",p=", 3);
    assert_non_null(proof);
    size_t before = (size_t)(proof - message.p);
    buf_put(&changed, message.p, before);
    buf_put(&changed, hidden, sizeof hidden - 1);
    buf_put(&changed, proof, message.n - before);
    assert_int_equal(saslserver_step(t.x, buf_span(&changed), &t.reply, NULL), SASLSERVER_FAIL);
    buf_free(&changed);
    talk_end(&t);
}

static void test_a_malformed_first_message_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,n=,r=nonce",
        "n,,n=user,r=",
        "x,,n=user,r=nonce",
        ",,n=user,r=nonce",
        "n,a,n=user,r=nonce",
        "n,,user,r=nonce",
        "n,,m=ext,n=user,r=nonce",
        "n,,n=us=er,r=nonce",
        "n,,n=user=,r=nonce",
        "n,,n=us=2cer,r=nonce",
        "n,,n=us=41er,r=nonce",
        "n,a=us=er,n=user,r=nonce",
        "n,,n=us\ner,r=nonce",
        "n,,n=us\xff,r=nonce",
        "n,,n=us\x7f,r=nonce",
        "n=x,,n=user,r=nonce",
        "n,,n=user,r=no\x01nce",
        "n,,n=user,r=no\xffnce",
        "n,,n=\xc2\xad,r=nonce",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf reply = {0};
        struct fail f = {""};
        if (first("SCRAM-SHA-256", span_of(NULL, 0), span_text(bad[i]), &reply, &f) !=
            SASLSERVER_FAIL)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_true(f.text[0] != '\0');
        buf_free(&reply);
    }
    /* What libgsasl would read up to the NUL. */
    struct buf reply = {0};
    assert_int_equal(
        first("SCRAM-SHA-256", span_of(NULL, 0), SPAN("n,,n=" LOGIN "\0er,r=nonce"), &reply, NULL),
        SASLSERVER_FAIL);
    buf_free(&reply);
}

/* ---- what a stranger can learn of who exists ---- */

/* The server's first message for a login: "r=<nonce>,s=<salt>,i=<iterations>". */
static void ask_salt(const char *login, char salt[64], size_t *length)
{
    struct buf message = {0}, reply = {0};
    buf_putf(&message, "n,,n=%s,r=nonce", login);
    assert_int_equal(first("SCRAM-SHA-256", span_of(NULL, 0), buf_span(&message), &reply, NULL),
                     SASLSERVER_CONTINUE);
    *length = reply.n;
    assert_int_equal(sscanf(buf_text(&reply), "r=%*[^,],s=%63[^,],i=4096", salt), 1);
    buf_free(&message);
    buf_free(&reply);
}

static void test_an_unknown_login_gets_messages_of_the_same_shape(void **state)
{
    char known[64], unknown[64], again[64], spelled[64], other[64];
    size_t a, b, n;
    ask_salt(LOGIN, known, &a);
    ask_salt("nobody@mail.example", unknown, &b);
    ask_salt("nobody@mail.example", again, &n);
    ask_salt("NoBody+any@mail.example", spelled, &n);
    ask_salt("somebody@mail.example", other, &n);
    assert_int_equal(a, b);
    assert_int_equal(strlen(known), strlen(unknown));
    assert_string_equal(unknown, again);
    assert_string_equal(unknown, spelled);
    assert_string_not_equal(unknown, other);
    assert_string_not_equal(unknown, known);
}

static void test_processes_that_share_a_key_have_the_same_fakes(void **state)
{
    struct saslserver *real = server;
    char salts[3][64];
    size_t n;
    for (unsigned char i = 0; i < 3; i++) {
        struct saslserver_options options = {
            .lookup = lookup, .fake_key = {i / 2}, .fake_iterations = FAKE_ITERATIONS};
        server = saslserver_new(&options, NULL);
        memset(options.fake_key, 9, sizeof options.fake_key);
        ask_salt("nobody@mail.example", salts[i], &n);
        saslserver_free(&server);
    }
    server = real;
    assert_string_equal(salts[0], salts[1]);
    assert_string_not_equal(salts[0], salts[2]);
}

static void test_an_unknown_login_fails_where_a_wrong_password_does(void **state)
{
    static const char *const logins[] = {LOGIN, "nobody@mail.example"};
    for (size_t i = 0; i < 2; i++) {
        struct talk t;
        struct fail f = {""};
        talk_begin(&t, "SCRAM-SHA-256", (struct client){logins[i], "wrong", NULL},
                   span_of(NULL, 0));
        assert_int_equal(talk_client(&t), GSASL_NEEDS_MORE);
        assert_int_equal(talk_server(&t, &f), SASLSERVER_CONTINUE);
        assert_int_equal(talk_client(&t), GSASL_NEEDS_MORE);
        assert_int_equal(talk_server(&t, &f), SASLSERVER_FAIL);
        assert_int_equal(t.reply.n, 0);
        talk_end(&t);
    }
}

/* Says that a login is unknown, after all but letting it in. */
static bool lookup_that_stumbles(void *arg, struct span login, struct scram_verifier *v,
                                 struct buf *canonical)
{
    *v = verifier;
    return false;
}

static void test_nobody_is_authenticated_who_does_not_exist(void **state)
{
    struct saslserver_options options = {.lookup = lookup_that_stumbles,
                                         .fake_iterations = FAKE_ITERATIONS};
    struct saslserver *real = server;
    struct buf reply = {0};
    struct fail f = {""};
    struct talk t;
    server = saslserver_new(&options, NULL);
    assert_int_equal(first("PLAIN", span_of(NULL, 0), SPAN("\0" LOGIN "\0" PASSWORD), &reply, &f),
                     SASLSERVER_FAIL);
    assert_string_equal(f.text, "unknown login name");
    talk_begin(&t, "SCRAM-SHA-256", (struct client){LOGIN, PASSWORD, NULL}, span_of(NULL, 0));
    assert_int_equal(talk_client(&t), GSASL_NEEDS_MORE);
    assert_int_equal(talk_server(&t, &f), SASLSERVER_CONTINUE);
    assert_int_equal(talk_client(&t), GSASL_NEEDS_MORE);
    assert_int_equal(talk_server(&t, &f), SASLSERVER_FAIL);
    talk_end(&t);
    saslserver_free(&server);
    assert_null(server);
    server = real;
    buf_free(&reply);
}

/* ---- beginning ---- */

static void test_mechanisms_are_offered_where_they_can_be_used(void **state)
{
    static const struct {
        const char *mechanism;
        bool bound;
        const char *why;
    } cases[] = {
        {"PLAIN", false, NULL},
        {"scram-sha-256", false, NULL},
        {"SCRAM-SHA-256-PLUS", true, NULL},
        {"SCRAM-SHA-256-PLUS", false, "there is no channel to bind to"},
        {"SCRAM-SHA-1", true, "no such mechanism"},
        {"CRAM-MD5", true, "no such mechanism"},
        {"LOGIN", true, "no such mechanism"},
        {"", true, "no such mechanism"},
        {"PLAIN ", true, "no such mechanism"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fail f = {""};
        struct saslserver_exchange *x =
            saslserver_begin(server, span_text(cases[i].mechanism),
                             cases[i].bound ? binding() : span_of(NULL, 0), &f);
        assert_int_equal(x != NULL, cases[i].why == NULL);
        if (cases[i].why != NULL)
            assert_string_equal(f.text, cases[i].why);
        saslserver_end(&x);
    }
    static const unsigned char octets[SASLSERVER_BINDING_MAX + 1];
    struct fail f = {""};
    assert_null(saslserver_begin(server, SPAN("PLAIN"), span_of(octets, sizeof octets), &f));
    assert_string_equal(f.text, "the channel binding is too long");
    assert_string_equal(saslserver_mechanisms(false, false), "SCRAM-SHA-256");
    assert_string_equal(saslserver_mechanisms(true, false), "SCRAM-SHA-256 PLAIN");
    assert_string_equal(saslserver_mechanisms(true, true),
                        "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN");
}

/* A process that is begun anew, so that nothing has been read before, and is killed if it opens a
 * file from here on. */
static int be_sealed(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0
               ? 0
               : -1;
}

static int start(void)
{
    struct saslserver_options options = {
        .lookup = lookup, .fake_key = {1, 2, 3}, .fake_iterations = FAKE_ITERATIONS};
    (void)signal(SIGPIPE, SIG_IGN);
    server = saslserver_new(&options, NULL);
    return server == NULL ? -1 : 0;
}

static int talk_sealed(void)
{
    struct buf reply = {0};
    if (start() != 0 || be_sealed() != 0 || scram_make(&verifier, SPAN(PASSWORD), 4096, NULL) != 0)
        return 2;
    return first("SCRAM-SHA-256", span_of(NULL, 0), SPAN("n,,n=" LOGIN ",r=nonce"), &reply, NULL) !=
               SASLSERVER_CONTINUE ||
           first("PLAIN", span_of(NULL, 0), SPAN("\0" LOGIN "\0" PASSWORD), &reply, NULL) !=
               SASLSERVER_OK;
}

static void test_after_the_start_no_file_is_opened(void **state)
{
    pid_t pid = fork();
    int status;
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execl("/proc/self/exe", "sealed", "sealed", (char *)NULL);
        _exit(120);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int set_up(void **state)
{
    return start() == 0 ? scram_make(&verifier, SPAN(PASSWORD), 4096, NULL) : -1;
}

static int tear_down(void **state)
{
    saslserver_free(&server);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        _exit(talk_sealed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_takes_the_right_password_and_says_in_the_log_what_was_wrong),
        cmocka_unit_test(test_the_login_is_told_as_the_client_spelled_it),
        cmocka_unit_test(test_lengths_are_limited),
        cmocka_unit_test(test_a_client_of_other_make_is_authenticated_and_believes_us),
        cmocka_unit_test(test_libgsasls_client_is_authenticated_with_and_without_binding),
        cmocka_unit_test(test_the_answer_to_the_servers_proof_must_be_empty),
        cmocka_unit_test(test_any_changed_octet_of_the_clients_last_message_is_fatal),
        cmocka_unit_test(test_nothing_may_follow_the_clients_last_message),
        cmocka_unit_test(test_nothing_may_hide_behind_a_nul_in_the_clients_last_message),
        cmocka_unit_test(test_a_malformed_first_message_is_refused),
        cmocka_unit_test(test_an_unknown_login_gets_messages_of_the_same_shape),
        cmocka_unit_test(test_processes_that_share_a_key_have_the_same_fakes),
        cmocka_unit_test(test_an_unknown_login_fails_where_a_wrong_password_does),
        cmocka_unit_test(test_nobody_is_authenticated_who_does_not_exist),
        cmocka_unit_test(test_mechanisms_are_offered_where_they_can_be_used),
        cmocka_unit_test(test_after_the_start_no_file_is_opened),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
