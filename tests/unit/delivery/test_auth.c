#include "lab.h"

#include <string.h>

#include "log.h"
#include "mem.h"
#include "proto_secret.h"
#include "proto_types.h"

/* Logging in: what vault says is carried to the server and back. Vault is played here, by a row of
 * answers. */

#define DELIVERED "delivered 250 2.0.0 dot [250 2.0.0 queued]"

static struct {
    struct ipc *ch;
    struct secret_login answers[4]; /* one each time; with NULL for a mechanism: a refusal */
    unsigned next, canceled;
    bool silent;
    struct buf heard; /* challenges, with "|" before each */
    char offered[200];
    bool verified;
} vault;

static void on_start(const struct secret_request *r)
{
    vault.offered[0] = '\0';
    for (uint32_t i = 0; i < r->server.offered_n; i++) {
        size_t n = strlen(vault.offered);
        (void)snprintf(vault.offered + n, sizeof vault.offered - n, "%s ", r->server.offered[i]);
    }
    vault.verified = r->server.verified;
}

static int on_vault_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct secret_request r;
    assert_int_equal(secret_read(m, &r, f), 0);
    if (r.type == MSG_SECRET_AUTH_CANCEL) {
        vault.canceled++;
    } else if (!vault.silent) {
        const struct secret_login *l = &vault.answers[vault.next++];
        if (r.type == MSG_SECRET_LOGIN_START)
            on_start(&r);
        else
            buf_putf(&vault.heard, "|%.*s", (int)r.message.n, (const char *)r.message.p);
        if (l->mechanism != NULL)
            secret_answer_login(ch, m->id, l);
        else
            secret_refuse(ch, m->id, "vault will not");
    }
    secret_request_clear(&r);
    return 0;
}

static void on_vault_closed(struct ipc *ch, void *arg, const char *why)
{
    ipc_free(&vault.ch);
}

static void link_vault(void)
{
    static const struct ipc_handler handler = {on_vault_message, on_vault_closed};
    struct fail f;
    int fd[2];
    assert_int_equal(ipc_pair(fd, &f), 0);
    ipc_free(&vault.ch);
    vault.ch = ipc_new(lab.base, fd[0], "secret", &handler, NULL);
    agent_link_vault(&lab.agent, fd[1]);
}

static int setup(void **state)
{
    buf_free(&vault.heard);
    memset(&vault, 0, sizeof vault);
    lab_open_direct("");
    log_open("test", (enum log_level)(LOG_ERROR_ + 1)); /* each refusal is an error */
    lab_reload("transport direct { submission { host 127.0.0.1  port %d  tls none  idle-timeout 0\n"
               "  auth { user u  password-file p } } }\n",
               lab.peer.port);
    lab.peer.extensions = "AUTH PLAIN LOGIN";
    link_vault();
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    ipc_free(&vault.ch);
    buf_free(&vault.heard);
    return 0;
}

static struct span text(const char *s)
{
    return span_text(s);
}

static void answer(unsigned n, const char *mechanism, bool speaks, struct span message,
                   bool complete)
{
    vault.answers[n] = (struct secret_login){.handle = 5,
                                             .mechanism = (char *)mechanism,
                                             .speaks = speaks,
                                             .message = message,
                                             .complete = complete};
}

/* One message; with `commands`, only what the peer heard from AUTH to MAIL. */
static void expect(const char *outcome, const char *commands)
{
    struct order o = {0};
    order_run(&o);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    assert_outcome(&o, 0, outcome);
    if (commands != NULL) {
        const char *all = buf_text(&lab.peer.commands), *auth = strstr(all, " AUTH ");
        const char *end = auth == NULL ? NULL : strstr(auth, "1 MAIL");
        if (end == NULL && auth != NULL)
            end = strstr(auth, "1 QUIT");
        char *got =
            auth == NULL || end == NULL ? mem_text("") : mem_textn(auth, (size_t)(end - auth));
        assert_string_equal(got, commands);
        mem_free(&got);
    }
    order_free(&o);
}

/* Which may send under that name alone. */
static void the_sender_is_said_where_we_log_in_in_any_case(void **state)
{
    struct order o = {.never = 1};
    answer(0, "PLAIN", true, span_of("\0u\0secret", 9), true);
    peer_say(&lab.peer, SAY_OTHER, "235 2.7.0 welcome", NULL);
    order_run(&o);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    assert_outcome(&o, 0, DELIVERED);
    assert_non_null(strstr(buf_text(&lab.peer.commands), "1 MAIL FROM:<from@us.test>"));
    order_free(&o);
}

static void what_is_said_first_goes_with_the_command(void **state)
{
    answer(0, "PLAIN", true, span_of("\0u\0secret", 9), true);
    peer_say(&lab.peer, SAY_OTHER, "235 2.7.0 welcome", NULL);
    expect(DELIVERED, " AUTH PLAIN AHUAc2VjcmV0\n");
    assert_string_equal(vault.offered, "PLAIN LOGIN ");
    assert_false(vault.verified);
    assert_int_equal(lab.counters[COUNT_AUTH_OK], 1);
    lab_settle();
    assert_int_equal(vault.canceled, 1); /* that exchange can be forgotten */
}

static void an_empty_first_message_is_an_equals_sign(void **state)
{
    answer(0, "EXTERNAL", true, text(""), true);
    peer_say(&lab.peer, SAY_OTHER, "235 2.7.0 welcome", NULL);
    expect(DELIVERED, " AUTH EXTERNAL =\n");
}

static void challenges_and_answers_are_carried_in_base64(void **state)
{
    answer(0, "LOGIN", false, text(""), false);
    answer(1, "", true, text("user"), false);
    answer(2, "", true, text(""), true);
    peer_say(&lab.peer, SAY_OTHER, "334 VXNlcm5hbWU6", "334", "235 2.7.0 welcome", NULL);
    expect(DELIVERED, " AUTH LOGIN\n1 dXNlcg==\n1 \n");
    assert_string_equal(buf_text(&vault.heard), "|Username:|");
}

static void a_long_first_message_waits_until_it_is_asked_for(void **state)
{
    char token[600];
    memset(token, 'x', sizeof token);
    answer(0, "XOAUTH2", true, span_of(token, sizeof token), true);
    peer_say(&lab.peer, SAY_OTHER, "334 ", "235 2.7.0 welcome", NULL);
    struct order o = {0};
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_non_null(strstr(buf_text(&lab.peer.commands), " AUTH XOAUTH2\n1 eHh4"));
    assert_int_equal(vault.next, 1);
    order_free(&o);
}

static void a_refusal_has_mail_wait_whatever_its_code(void **state)
{
    static const struct {
        const char *reply, *outcome;
        uint64_t alarms;
    } cases[] = {
        {"535 5.7.8 wrong password",
         "deferred 535 4.7.8 auth [535 5.7.8 wrong password] (the server refused to authenticate "
         "us)",
         1},
        {"535 wrong", "deferred 535 4.7.8 auth [535 wrong] (the server refused to authenticate us)",
         1},
        {"504 5.5.4 no such thing",
         "deferred 504 4.7.8 auth [504 5.5.4 no such thing] (the server refused to authenticate "
         "us)",
         1},
        {"454 4.7.0 not now",
         "deferred 454 4.7.0 auth [454 4.7.0 not now] (the server refused to authenticate us)", 0},
        {"!421 4.3.2 going",
         "deferred 421 4.7.0 auth [421 4.3.2 going] (the server refused to authenticate us)", 0},
        {"250 2.0.0 what",
         "deferred 250 4.7.0 auth [250 2.0.0 what] (the server refused to authenticate us)", 0},
        {"!", "deferred 0 4.4.2 auth (closed by the peer)", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        peer_reset(&lab.peer);
        lab.counters[COUNT_AUTH_REFUSED] = 0;
        vault.next = 0;
        answer(0, "PLAIN", true, text("x"), true);
        peer_say(&lab.peer, SAY_OTHER, cases[i].reply, NULL);
        lab.peer.extensions = "AUTH PLAIN";
        expect(cases[i].outcome, NULL);
        assert_int_equal(lab.counters[COUNT_AUTH_REFUSED], cases[i].alarms);
    }
}

static void success_before_its_proof_is_not_believed(void **state)
{
    answer(0, "SCRAM-SHA-256", true, text("n,,n=u,r=x"), false);
    peer_say(&lab.peer, SAY_OTHER, "235 2.7.0 welcome", NULL);
    expect("deferred 0 4.7.8 auth (the server lets us in before it has shown that it knows the "
           "password)",
           NULL);
    assert_int_equal(lab.counters[COUNT_AUTH_OK], 0);
    assert_int_equal(lab.counters[COUNT_AUTH_REFUSED], 1);
}

static void what_makes_no_sense_is_cancelled(void **state)
{
    static const char *const challenges[] = {"334 %%%", "334-dGVzdA==\n334 dGVzdA=="};
    for (size_t i = 0; i < 2; i++) {
        peer_reset(&lab.peer);
        lab.peer.extensions = "AUTH LOGIN";
        vault.next = 0;
        answer(0, "LOGIN", false, text(""), false);
        peer_say(&lab.peer, SAY_OTHER, challenges[i], "501 5.0.0 cancelled", NULL);
        expect("deferred 0 4.7.8 auth (the server's challenge makes no sense)", NULL);
        assert_non_null(strstr(buf_text(&lab.peer.commands), " *\n"));
    }
    /* And what vault will not answer. */
    peer_reset(&lab.peer);
    lab.peer.extensions = "AUTH LOGIN";
    vault.next = 0;
    answer(0, "LOGIN", false, text(""), false);
    peer_say(&lab.peer, SAY_OTHER, "334 dGVzdA==", "501 5.0.0 cancelled", NULL);
    expect("deferred 0 4.7.8 auth (vault will not)", NULL);
    assert_non_null(strstr(buf_text(&lab.peer.commands), " *\n"));
}

static void no_mechanism_is_a_matter_for_the_operator(void **state)
{
    expect("deferred 0 4.7.8 auth (vault will not)", "");
    assert_int_equal(lab.counters[COUNT_AUTH_REFUSED], 1);
}

static void without_vault_mail_waits(void **state)
{
    unsigned asked = lab.links_lost;
    assert_int_equal(asked, 1); /* by the reload that brought the credentials */
    ipc_free(&vault.ch);
    lab_settle();
    assert_int_equal(lab.links_lost, asked + 1);
    expect("deferred 0 4.7.0 auth (the vault is not there)", "");
    assert_int_equal(lab.counters[COUNT_AUTH_REFUSED], 0);
    /* It goes away when it has been asked. */
    link_vault();
    vault.silent = true;
    struct order o = {0};
    order_send(&o);
    RUN_UNTIL(strstr(buf_text(&lab.peer.commands), "2 EHLO") != NULL);
    lab_settle();
    ipc_free(&vault.ch);
    RUN_UNTIL(o.done);
    assert_outcome(&o, 0, "deferred 0 4.7.0 auth (the vault is not there)");
    order_free(&o);
}

/* The handle of an exchange means nothing to another vault, or an exchange of somebody else. */
static void another_vault_is_not_asked_to_go_on(void **state)
{
    struct order o = {0};
    answer(0, "LOGIN", false, text(""), false);
    answer(1, "", true, text("somebody else's"), false);
    peer_say(&lab.peer, SAY_OTHER, "334 VXNlcm5hbWU6", "501 5.0.0 cancelled", NULL);
    order_send(&o);
    RUN_UNTIL(strstr(buf_text(&lab.peer.commands), "1 AUTH LOGIN") != NULL);
    link_vault();
    RUN_UNTIL(o.done);
    assert_outcome(&o, 0, "deferred 0 4.7.0 auth (the vault is not there)");
    assert_non_null(strstr(buf_text(&lab.peer.commands), " *\n"));
    lab_settle();
    assert_int_equal(vault.next, 1);
    assert_int_equal(vault.canceled, 0);
    assert_int_equal(lab.counters[COUNT_AUTH_REFUSED], 0);
    order_free(&o);
}

/* The session ends while vault still thinks: its answer finds nobody. */
static void a_server_that_goes_meanwhile_is_let_go(void **state)
{
    vault.silent = true;
    struct order o = {0};
    order_send(&o);
    RUN_UNTIL(strstr(buf_text(&lab.peer.commands), "1 EHLO") != NULL);
    lab_settle();
    peer_hang_up(&lab.peer);
    RUN_UNTIL(o.done);
    assert_outcome(&o, 0, "deferred 0 4.4.2 auth (closed by the peer)");
    order_free(&o);
}

static void a_server_that_wants_a_login_does_not_bounce_mail(void **state)
{
    lab_reload("transport direct { smtp { host 127.0.0.1  port %d  tls none  idle-timeout 0 } }\n",
               lab.peer.port);
    peer_say(&lab.peer, SAY_MAIL, "530 5.7.0 Authentication required", NULL);
    expect("deferred 530 4.7.0 mail [530 5.7.0 Authentication required]", NULL);
    assert_int_equal(lab.counters[COUNT_AUTH_REFUSED], 1);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(what_is_said_first_goes_with_the_command),
        EACH(the_sender_is_said_where_we_log_in_in_any_case),
        EACH(an_empty_first_message_is_an_equals_sign),
        EACH(challenges_and_answers_are_carried_in_base64),
        EACH(a_long_first_message_waits_until_it_is_asked_for),
        EACH(a_refusal_has_mail_wait_whatever_its_code),
        EACH(success_before_its_proof_is_not_believed),
        EACH(what_makes_no_sense_is_cancelled),
        EACH(no_mechanism_is_a_matter_for_the_operator),
        EACH(without_vault_mail_waits),
        EACH(another_vault_is_not_asked_to_go_on),
        EACH(a_server_that_goes_meanwhile_is_let_go),
        EACH(a_server_that_wants_a_login_does_not_bounce_mail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
