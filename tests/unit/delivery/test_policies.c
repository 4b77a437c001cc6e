#include "lab.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "proto_submit.h"
#include "tlsseen.h"

/* Mail to a domain with one MX host, mx1.test, by what the domain has published of TLS, what the
 * message asks for and what the operator says. No message may go out in clear where that is
 * forbidden: the peer's commands tell. */

#define DELIVERED "delivered 250 2.0.0 dot [250 2.0.0 queued]"
#define ENFORCE "version: STSv1\nmode: enforce\nmax_age: 86400\nmx: mx1.test\n"
#define ELSEWHERE "version: STSv1\nmode: enforce\nmax_age: 86400\nmx: mx9.test\n"
#define TESTING "version: STSv1\nmode: testing\nmax_age: 86400\nmx: mx1.test\n"
#define TESTING_ELSEWHERE "version: STSv1\nmode: testing\nmax_age: 86400\nmx: mx9.test\n"
#define OFF "version: STSv1\nmode: none\nmax_age: 86400\n"
#define SELF_SIGNED "TLS: certificate verify failed: self-signed certificate"

enum server { CLEAR, TRUSTED, UNTRUSTED, REFUSES, CUTS, BUSY };
enum records { NONE, GOOD, WRONG, UNUSABLE, FAILS };

struct trial {
    const char *title;
    const char *settings; /* inside deliver */
    const char *blocks;   /* of the configuration */
    bool insecure;        /* no DNSSEC */
    enum records tlsa;    /* of mx1.test */
    const char *sts;
    uint32_t flags;
    enum server server;
    bool requiretls; /* it announces that */
    const char *outcome, *tls;
    const char *learned; /* NULL: not looked at */
};

static int setup(void **state)
{
    lab_open_direct("tls opportunistic  idle-timeout 0");
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

static char tlsa_name[64];
static char *tlsa_value;

static void publish(const struct trial *t)
{
    lab.names.n = 0;
    lab.names.authentic = !t->insecure;
    names_add(&lab.names, "example.net", "MX", "10 mx1.test");
    names_add(&lab.names, "mx1.test", "A", "127.0.0.1");
    if (t->sts != NULL)
        names_add(&lab.names, "_mta-sts.example.net", "TXT", "v=STSv1; id=1;");
    (void)snprintf(tlsa_name, sizeof tlsa_name, "_%d._tcp.mx1.test", lab.peer.port);
    tlsa_value = lab_tlsa(t->server == TRUSTED ? lab.trusted : lab.untrusted);
    if (t->tlsa == WRONG)
        tlsa_value[6] = tlsa_value[6] == '0' ? '1' : '0';
    if (t->tlsa == UNUSABLE)
        tlsa_value[0] = '1';
    if (t->tlsa == FAILS)
        names_add(&lab.names, tlsa_name, "FAIL", "TLSA");
    else if (t->tlsa != NONE)
        names_add(&lab.names, tlsa_name, "TLSA", tlsa_value);
}

static void serve(const struct trial *t)
{
    peer_reset(&lab.peer);
    buf_clear(&lab.learned);
    lab.peer.extensions = t->server == CLEAR ? "SIZE" : "SIZE\nSTARTTLS";
    lab.peer.tls = t->server == TRUSTED     ? lab.trusted
                   : t->server == UNTRUSTED ? lab.untrusted
                                            : NULL;
    lab.peer.tls_extensions = t->requiretls ? "SIZE\nREQUIRETLS" : "SIZE";
    if (t->server != TRUSTED && t->server != UNTRUSTED)
        peer_say(&lab.peer, SAY_STARTTLS, t->server == CUTS ? "!" : "502 5.5.1 no", NULL);
    if (t->server == BUSY)
        peer_say(&lab.peer, SAY_GREETING, "421 4.3.2 busy", NULL);
    if (lab.peer.tls != NULL)
        lab.peer.extensions = "SIZE";
}

static void try(const struct trial *t)
{
    struct order o = {.flags = t->flags, .sts = t->sts};
    lab_reload("deliver { allow-loopback yes  port %d  tls opportunistic  idle-timeout 0  %s }\n%s",
               lab.peer.port, t->settings == NULL ? "" : t->settings,
               t->blocks == NULL ? "" : t->blocks);
    publish(t);
    serve(t);
    order_run(&o);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    const struct deliver_result *r = &o.results[0];
    if (strcmp(order_text(&o, 0), t->outcome) != 0 || strstr(r->tls, t->tls) == NULL)
        fail_msg("%s:\n  %s {%s}\ninstead of\n  %s {%s}\nafter\n%s", t->title, order_text(&o, 0),
                 r->tls, t->outcome, t->tls, buf_text(&lab.peer.commands));
    if (t->learned != NULL && strcmp(buf_text(&lab.learned), t->learned) != 0)
        fail_msg("%s: learned\n%s\ninstead of\n%s", t->title, buf_text(&lab.learned), t->learned);
    bool clear = strncmp(t->tls, "clear", 5) == 0;
    if (!clear && !is_under_tls(r) && strstr(buf_text(&lab.peer.commands), "MAIL") != NULL)
        fail_msg("%s: in clear:\n%s", t->title, buf_text(&lab.peer.commands));
    mem_free(&tlsa_value);
    order_free(&o);
}

static void try_all(const struct trial *trials, size_t n)
{
    for (size_t i = 0; i < n; i++)
        try(&trials[i]);
}
#define TRY(trials) try_all(trials, sizeof trials / sizeof trials[0])

#define REFUSED_BECAUSE(code, why)                                                                 \
    "deferred " code " 4.7.4 starttls [502 5.5.1 no] (TLS is required and the server " why ")"
#define NO_MATCH                                                                                   \
    "deferred 0 4.7.5 starttls (TLS: certificate verify failed: no matching DANE TLSA records)"
#define USED "used example.net 1\n"

static void what_dane_says_holds(void **state)
{
    static const struct trial trials[] = {
        {"none", .server = UNTRUSTED, .outcome = DELIVERED, .tls = "unverified; policy may"},
        {"match", .tlsa = GOOD, .server = UNTRUSTED, .outcome = DELIVERED,
         .tls = " verified; policy dane",
         .learned =
             "example.net: no-policy-found 1 good 0 failed, certificate-not-trusted self-signed\n"
             "example.net at mx1.test: tlsa 1 good 0 failed\n"},
        {"no match", .tlsa = WRONG, .server = UNTRUSTED, .outcome = NO_MATCH, .tls = "policy dane",
         .learned =
             "example.net: no-policy-found 0 good 1 failed, validation-failure dane-no-match\n"
             "example.net at mx1.test: tlsa 0 good 1 failed, validation-failure dane-no-match\n"},
        {"unusable", .tlsa = UNUSABLE, .server = UNTRUSTED, .outcome = DELIVERED,
         .tls = "unverified; policy dane-unusable",
         .learned =
             "example.net: no-policy-found 1 good 0 failed, certificate-not-trusted self-signed\n"
             "example.net at mx1.test: tlsa 1 good 0 failed, tlsa-invalid "
             "all-unusable-records+ignored\n"},
        {"lookup fails", .tlsa = FAILS, .server = UNTRUSTED,
         .outcome = "deferred 0 4.7.5 policy (the host's TLSA records cannot be looked up)",
         .tls = "policy dane-failed",
         .learned = "example.net at mx1.test: tlsa 0 good 1 failed, tlsa-invalid lookup-failed\n"},
        {"insecure", .insecure = true, .tlsa = WRONG, .server = UNTRUSTED, .outcome = DELIVERED,
         .tls = "policy may"},
        {"match, not offered", .tlsa = GOOD, .server = CLEAR,
         .outcome = REFUSED_BECAUSE("502", "does not offer it"), .tls = "policy dane",
         .learned = "example.net: no-policy-found 0 good 1 failed, starttls-not-supported "
                    "smtp-starttls-reply-code-502\n"
                    "example.net at mx1.test: tlsa 0 good 1 failed, starttls-not-supported "
                    "smtp-starttls-reply-code-502\n"},
        {"match, refused", .tlsa = GOOD, .server = REFUSES,
         .outcome = REFUSED_BECAUSE("502", "refused it"), .tls = "policy dane"},
        {"match, cut", .tlsa = GOOD, .server = CUTS,
         .outcome = "deferred 0 4.4.2 starttls (closed by the peer)", .tls = "policy dane"},
        {"unusable, refused", .tlsa = UNUSABLE, .server = REFUSES,
         .outcome = REFUSED_BECAUSE("502", "refused it"), .tls = "policy dane-unusable"},
    };
    TRY(trials);
    assert_int_equal(lab.counters[COUNT_DANE], 5);
    assert_int_equal(lab.counters[COUNT_DANE_UNUSABLE], 2);
    assert_int_equal(lab.counters[COUNT_DANE_FAILED], 1);
    /* Where a record fits, and where none does; not where TLS came to nothing before that. */
    assert_int_equal(lab.counters[COUNT_DANE_VERIFIED], 1);
    assert_int_equal(lab.counters[COUNT_DANE_MISMATCH], 1);
    assert_int_equal(lab.counters[COUNT_DESTINATIONS], 10);
    assert_int_equal(lab.counters[COUNT_AUTHENTIC], 9);
}

static void what_mta_sts_says_holds(void **state)
{
    static const struct trial trials[] = {
        {"enforce", .sts = ENFORCE, .server = TRUSTED, .outcome = DELIVERED,
         .tls = " verified; policy sts",
         .learned = USED "example.net: sts 1 good 0 failed\n"
                         "example.net at mx1.test: no-policy-found 1 good 0 failed\n"},
        {"enforce, certificate", .sts = ENFORCE, .server = UNTRUSTED,
         .outcome = "deferred 0 4.7.5 starttls (" SELF_SIGNED ")", .tls = "policy sts",
         .learned = USED "example.net: sts 0 good 1 failed, certificate-not-trusted self-signed\n"
                         "example.net at mx1.test: no-policy-found 0 good 1 failed, "
                         "certificate-not-trusted self-signed\n"},
        {"enforce, refused", .sts = ENFORCE, .server = REFUSES,
         .outcome = REFUSED_BECAUSE("502", "refused it"), .tls = "policy sts"},
        {"enforce, cut", .sts = ENFORCE, .server = CUTS,
         .outcome = "deferred 0 4.4.2 starttls (closed by the peer)", .tls = "policy sts"},
        {"enforce, another host", .sts = ELSEWHERE, .server = TRUSTED,
         .outcome = "deferred 0 4.7.5 policy (the domain's MTA-STS policy leaves the host out)",
         .tls = "policy sts-mismatch",
         .learned = USED
         "example.net: sts 0 good 1 failed, validation-failure mtasts-policy-mx-mismatch\n"},
        {"testing, certificate", .sts = TESTING, .server = UNTRUSTED, .outcome = DELIVERED,
         .tls = "unverified; policy may",
         .learned = USED "example.net: sts 1 good 0 failed, certificate-not-trusted self-signed\n"
                         "example.net at mx1.test: no-policy-found 1 good 0 failed\n"},
        {"testing, another host", .sts = TESTING_ELSEWHERE, .server = TRUSTED, .outcome = DELIVERED,
         .tls = "policy may",
         .learned = USED "example.net: sts 1 good 0 failed, validation-failure "
                         "mtasts-policy-mx-mismatch\n"
                         "example.net at mx1.test: no-policy-found 1 good 0 failed\n"},
        {"testing, not offered", .sts = TESTING, .server = CLEAR, .outcome = DELIVERED,
         .tls = "clear, STARTTLS not offered; policy may",
         .learned = USED "example.net: sts 0 good 0 failed, starttls-not-supported \n"
                         "example.net at mx1.test: no-policy-found 0 good 0 failed, "
                         "starttls-not-supported \n"},
        {"none", .sts = OFF, .server = UNTRUSTED, .outcome = DELIVERED,
         .tls = "unverified; policy may",
         .learned = USED "example.net: sts 1 good 0 failed, certificate-not-trusted self-signed\n"
                         "example.net at mx1.test: no-policy-found 1 good 0 failed\n"},
        {"both", .tlsa = GOOD, .sts = ENFORCE, .server = TRUSTED, .outcome = DELIVERED,
         .tls = " verified; policy dane+sts"},
        {"both, the one not content", .tlsa = GOOD, .sts = ENFORCE, .server = UNTRUSTED,
         .outcome = "deferred 0 4.7.5 starttls (" SELF_SIGNED ")", .tls = "policy dane+sts"},
        {"both, nor the other", .tlsa = WRONG, .sts = ENFORCE, .server = TRUSTED,
         .outcome = NO_MATCH, .tls = "policy dane+sts"},
    };
    TRY(trials);
    assert_int_equal(lab.counters[COUNT_STS_MISMATCH], 1);
    /* An authority that does not stand for the host is no mismatch of records. */
    assert_int_equal(lab.counters[COUNT_DANE_VERIFIED], 1);
    assert_int_equal(lab.counters[COUNT_DANE_MISMATCH], 1);
    assert_int_equal(lab.counters[COUNT_TLS_SEEN + TLSSEEN_GOOD], 3);
    assert_int_equal(lab.counters[COUNT_TLS_SEEN + TLSSEEN_FAILED], 5);
    assert_int_equal(lab.counters[COUNT_TLS_SEEN + TLSSEEN_WITHOUT], 1);
    assert_int_equal(lab.counters[COUNT_TLS_SEEN + TLSSEEN_DOUBTFUL], 2);
}

static void what_the_message_asks_for_goes_before_that(void **state)
{
#define NO_POLICY                                                                                  \
    "failed 0 5.7.30 policy (the message asks for REQUIRETLS, and neither DANE nor MTA-STS says "  \
    "what certificate the host must have)"
    static const struct trial trials[] = {
        {"required, nothing published", .flags = SUBMIT_REQUIRE_TLS, .server = TRUSTED,
         .requiretls = true, .outcome = NO_POLICY, .tls = "policy requiretls no-policy"},
        {"required, testing", .flags = SUBMIT_REQUIRE_TLS, .sts = TESTING, .server = TRUSTED,
         .requiretls = true, .outcome = NO_POLICY, .tls = "policy requiretls no-policy"},
        {"required, unusable records", .flags = SUBMIT_REQUIRE_TLS, .tlsa = UNUSABLE,
         .server = TRUSTED, .requiretls = true, .outcome = NO_POLICY,
         .tls = "policy requiretls no-policy"},
        {"required, dane", .flags = SUBMIT_REQUIRE_TLS, .tlsa = GOOD, .server = UNTRUSTED,
         .requiretls = true, .outcome = DELIVERED, .tls = " verified; policy requiretls dane"},
        {"required, sts", .flags = SUBMIT_REQUIRE_TLS, .sts = ENFORCE, .server = TRUSTED,
         .requiretls = true, .outcome = DELIVERED, .tls = " verified; policy requiretls sts"},
        {"required, dane, not announced", .flags = SUBMIT_REQUIRE_TLS, .tlsa = GOOD,
         .server = UNTRUSTED,
         .outcome = "failed 0 5.7.30 mail (the server does not take REQUIRETLS, which this message "
                    "asks for)",
         .tls = "policy requiretls dane"},
        {"required, dane wrong", .flags = SUBMIT_REQUIRE_TLS, .tlsa = WRONG, .server = UNTRUSTED,
         .requiretls = true, .outcome = NO_MATCH, .tls = "policy requiretls dane"},
        {"not needed, dane wrong", .flags = SUBMIT_TLS_OPTIONAL, .tlsa = WRONG, .server = UNTRUSTED,
         .outcome = DELIVERED, .tls = "unverified; policy optional may", .learned = ""},
        {"not needed, lookup fails", .flags = SUBMIT_TLS_OPTIONAL, .tlsa = FAILS,
         .server = UNTRUSTED, .outcome = DELIVERED, .tls = "policy optional may"},
        {"not needed, sts", .flags = SUBMIT_TLS_OPTIONAL, .sts = ENFORCE, .server = UNTRUSTED,
         .outcome = DELIVERED, .tls = "unverified; policy optional may", .learned = USED},
        {"not needed, and nothing is there", .flags = SUBMIT_TLS_OPTIONAL, .sts = TESTING,
         .server = UNTRUSTED, .outcome = DELIVERED, .tls = "policy optional may"},
        {"not needed, sts, refused", .flags = SUBMIT_TLS_OPTIONAL, .sts = ELSEWHERE,
         .server = REFUSES, .outcome = DELIVERED,
         .tls = "clear, STARTTLS was refused; policy optional may"},
        {"not needed, sts, refused where it is demanded", .flags = SUBMIT_TLS_OPTIONAL,
         .sts = ENFORCE, .server = REFUSES, .outcome = DELIVERED,
         .tls = "clear, STARTTLS was refused; policy optional may"},
        {"not needed, dane, nobody greets", .flags = SUBMIT_TLS_OPTIONAL, .tlsa = WRONG,
         .server = BUSY,
         .outcome = "deferred 421 4.3.2 greeting [421 4.3.2 busy] (the server does "
                    "not greet)",
         .tls = "policy optional may"},
    };
    static const struct trial met[] = {
        {"not needed, dane right", .flags = SUBMIT_TLS_OPTIONAL, .tlsa = GOOD, .server = UNTRUSTED,
         .outcome = DELIVERED, .tls = "unverified; policy optional may"},
        {"not needed, unusable records", .flags = SUBMIT_TLS_OPTIONAL, .tlsa = UNUSABLE,
         .server = UNTRUSTED, .outcome = DELIVERED, .tls = "unverified; policy optional may"},
        {"not needed, sts right", .flags = SUBMIT_TLS_OPTIONAL, .sts = ENFORCE, .server = TRUSTED,
         .outcome = DELIVERED, .tls = "policy optional may"},
    };
    TRY(met);
    for (unsigned i = 0; i < TLSASK_IGNORABLE; i++)
        assert_int_equal(lab.counters[COUNT_TLS_OPTIONAL + i], i == TLSASK_NOTHING ? 3 : 0);
    lab.counters[COUNT_TLS_OPTIONAL + TLSASK_NOTHING] = 0;
    TRY(trials);
    assert_int_equal(lab.counters[COUNT_REQUIRETLS_NO_POLICY], 3);
    assert_int_equal(lab.counters[COUNT_REQUIRETLS_NOT_OFFERED], 1);
    /* Of each kind one; and nothing was ignored where the message did not get that far. */
    for (unsigned i = 0; i < TLSASK_IGNORABLE; i++)
        assert_int_equal(lab.counters[COUNT_TLS_OPTIONAL + i], 1);
    /* What does not count is not counted as if it did. */
    assert_int_equal(lab.counters[COUNT_DANE_UNUSABLE], 1);
    assert_int_equal(lab.counters[COUNT_DANE_FAILED], 0);
}

#define FOR_ALL(level) "tls-policy { to .test example.net  level " level " }\n"
#define ZEROS "00000000000000000000000000000000"

static void what_the_operator_says_goes_before_what_was_published(void **state)
{
    static const struct trial trials[] = {
        {"none", .blocks = FOR_ALL("none"), .tlsa = GOOD, .server = UNTRUSTED, .outcome = DELIVERED,
         .tls = "clear, TLS is switched off; policy none", .learned = ""},
        {"may", .blocks = FOR_ALL("may"), .tlsa = WRONG, .sts = ELSEWHERE, .server = UNTRUSTED,
         .outcome = DELIVERED, .tls = "unverified; policy may"},
        {"may, refused", .blocks = FOR_ALL("may"), .tlsa = GOOD, .server = REFUSES,
         .outcome = DELIVERED, .tls = "clear, STARTTLS was refused; policy may"},
        {"encrypt", .blocks = FOR_ALL("encrypt"), .tlsa = WRONG, .server = UNTRUSTED,
         .outcome = DELIVERED, .tls = "unverified; policy encrypt"},
        {"encrypt, cut", .blocks = FOR_ALL("encrypt"), .server = CUTS,
         .outcome = "deferred 0 4.4.2 starttls (closed by the peer)", .tls = "policy encrypt"},
        {"verify", .blocks = FOR_ALL("verify"), .server = TRUSTED, .outcome = DELIVERED,
         .tls = " verified; policy verify"},
        {"verify, not good", .blocks = FOR_ALL("verify"), .server = UNTRUSTED,
         .outcome = "deferred 0 4.7.5 starttls (" SELF_SIGNED ")", .tls = "policy verify"},
        {"verify, not needed by the message", .blocks = FOR_ALL("verify"),
         .flags = SUBMIT_TLS_OPTIONAL, .server = REFUSES,
         .outcome = REFUSED_BECAUSE("502", "refused it"), .tls = "policy optional verify"},
        {"dane-only", .blocks = FOR_ALL("dane-only"), .tlsa = GOOD, .server = UNTRUSTED,
         .outcome = DELIVERED, .tls = " verified; policy dane"},
        {"dane-only, without", .blocks = FOR_ALL("dane-only"), .server = TRUSTED,
         .outcome = "deferred 0 4.7.5 policy (the host has no usable TLSA records, and dane-only "
                    "asks for them)",
         .tls = "policy dane-missing"},
        {"fingerprint, another",
         .blocks =
             "tls-policy { to example.net  level fingerprint  fingerprint " ZEROS ZEROS " }\n",
         .server = TRUSTED, .outcome = NO_MATCH, .tls = "policy fingerprint"},
        {"none against REQUIRETLS", .blocks = FOR_ALL("none"), .flags = SUBMIT_REQUIRE_TLS,
         .tlsa = GOOD, .server = UNTRUSTED, .requiretls = true,
         .outcome = "failed 0 5.7.30 policy (the message asks for REQUIRETLS, and TLS is switched "
                    "off for this destination)",
         .tls = "policy requiretls none"},
        {"may against REQUIRETLS", .blocks = FOR_ALL("may"), .flags = SUBMIT_REQUIRE_TLS,
         .tlsa = GOOD, .server = UNTRUSTED, .requiretls = true, .outcome = DELIVERED,
         .tls = "policy requiretls dane"},
        {"published, where the transport says none", .settings = "tls-results no",
         .blocks = FOR_ALL("published"), .tlsa = GOOD, .server = UNTRUSTED, .outcome = DELIVERED,
         .tls = "policy dane", .learned = ""},
    };
    TRY(trials);
}

static void a_fingerprint_is_of_the_key_or_the_certificate(void **state)
{
    char *tlsa = lab_tlsa(lab.untrusted), *block;
    block = mem_format("tls-policy { to example.net  level fingerprint  fingerprint " ZEROS ZEROS
                       " %s }\n",
                       tlsa + 6);
    const struct trial t = {"the key's", .blocks = block, .server = UNTRUSTED, .outcome = DELIVERED,
                            .tls = " verified; policy fingerprint"};
    try(&t);
    mem_free(&block);
    mem_free(&tlsa);
}

/* The certificate has to be for the server that was named, whoever the mail is for. */
static void a_named_server_can_have_records_too(void **state)
{
    static const struct {
        const char *tls;
        enum records tlsa;
        const char *outcome, *text, *learned;
    } cases[] = {
        {"opportunistic", GOOD, DELIVERED, " verified; policy dane",
         "mx1.test at mx1.test: tlsa 1 good 0 failed\n"},
        {"opportunistic", WRONG, NO_MATCH, "policy dane",
         "mx1.test at mx1.test: tlsa 0 good 1 failed, validation-failure dane-no-match\n"},
        {"opportunistic", NONE, DELIVERED, "unverified; policy may",
         "mx1.test: no-policy-found 1 good 0 failed, certificate-not-trusted self-signed\n"},
        {"opportunistic  tls-results no", GOOD, DELIVERED, " verified; policy dane"},
        {"dane-only", GOOD, DELIVERED, " verified; policy dane"},
        {"dane-only", NONE,
         "deferred 0 4.7.5 policy (the host has no usable TLSA records, and dane-only asks for "
         "them)",
         "policy dane-missing"},
        {"required", GOOD, "deferred 0 4.7.5 starttls (" SELF_SIGNED ")", "policy verify"},
    };
    lab.agent.label = "relay";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.destination = "elsewhere.example"};
        const struct trial t = {.tlsa = cases[i].tlsa, .server = UNTRUSTED};
        lab_reload("transport relay { smtp { host mx1.test  port %d  tls %s  idle-timeout 0 } }\n",
                   lab.peer.port, cases[i].tls);
        publish(&t);
        serve(&t);
        order_run(&o);
        assert_outcome(&o, 0, cases[i].outcome);
        assert_non_null(strstr(o.results[0].tls, cases[i].text));
        assert_string_equal(buf_text(&lab.learned),
                            cases[i].learned == NULL ? "" : cases[i].learned);
        mem_free(&tlsa_value);
        order_free(&o);
    }
}

/* Each is counted for itself; an address is no domain that could be told. */
static void servers_that_are_named_are_counted_one_by_one(void **state)
{
    struct order o = {.destination = "elsewhere.example"};
    const struct trial t = {.server = UNTRUSTED};
    lab.agent.label = "relay";
    lab_reload("transport relay { smtp { host mx1.test  fallback-host 127.0.0.1 mx2.test\n"
               "port %d  tls opportunistic  idle-timeout 0 } }\n",
               lab.peer.port);
    publish(&t);
    names_add(&lab.names, "mx2.test", "A", "127.0.0.1");
    serve(&t);
    peer_say(&lab.peer, SAY_MAIL, "!421 4.3.2 busy", "!421 4.3.2 busy", "250 ok", NULL);
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_string_equal(
        buf_text(&lab.learned),
        "mx1.test: no-policy-found 1 good 0 failed, certificate-not-trusted self-signed\n"
        "mx2.test: no-policy-found 1 good 0 failed, certificate-not-trusted self-signed\n");
    mem_free(&tlsa_value);
    order_free(&o);
}

/* Another domain's mail may not learn from it that it talks to the same host; and what was judged
 * of the host's certificate was judged for that domain. */
static void a_tls_session_is_not_resumed_for_another_destination(void **state)
{
    static const struct {
        const char *destination;
        bool resumed;
    } cases[] = {
        {"example.net", false},
        {"example.net", true},
        {"other.example", false},
        {"other.example", true},
    };
    const struct trial t = {.server = UNTRUSTED};
    publish(&t);
    names_add(&lab.names, "other.example", "MX", "10 mx1.test");
    serve(&t);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.destination = cases[i].destination};
        order_run(&o);
        assert_outcome(&o, 0, DELIVERED);
        assert_int_equal(strstr(o.results[0].tls, " resumed ") != NULL, cases[i].resumed);
        order_free(&o);
    }
    mem_free(&tlsa_value);
}

/* One host cannot have it, the other may: then the message waits. */
static void requiretls_is_final_only_if_it_is_so_of_every_host(void **state)
{
    static const struct {
        const char *second; /* the other MX record */
        const char *address, *greeting, *outcome;
    } cases[] = {
        {"20 mx2.test", "127.0.0.2", "220 hello",
         "failed 0 5.7.30 mail (the server does not take REQUIRETLS, which this message asks for)"},
        {"20 mx2.test", "127.0.0.2", "421 4.3.2 busy",
         "deferred 421 4.3.2 greeting [421 4.3.2 busy] (the server does not greet)"},
        {"5 mx2.test", "127.0.0.2", "554 5.3.2 never",
         "failed 554 5.3.2 greeting [554 5.3.2 never] (the server does not greet)"},
        {"5 mx2.test", NULL, "220 hello",
         "deferred 0 4.7.30 mail (the server does not take REQUIRETLS, which this message asks "
         "for)"},
    };
    struct peer second;
    peer_open(&second, lab.base, "127.0.0.2", lab.peer.port);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.flags = SUBMIT_REQUIRE_TLS,
                          .sts = "version: STSv1\nmode: enforce\nmax_age: 86400\nmx: *.test\n"};
        const struct trial t = {.server = TRUSTED};
        lab_reload_direct("tls opportunistic  idle-timeout 0");
        publish(&t);
        serve(&t);
        names_add(&lab.names, "example.net", "MX", cases[i].second);
        if (cases[i].address != NULL)
            names_add(&lab.names, "mx2.test", "A", cases[i].address);
        peer_reset(&second);
        second.tls = lab.trusted;
        second.tls_extensions = "SIZE";
        peer_say(&second, SAY_GREETING, cases[i].greeting, NULL);
        order_run(&o);
        assert_outcome(&o, 0, cases[i].outcome);
        RUN_UNTIL(second.closed == second.opened);
        mem_free(&tlsa_value);
        order_free(&o);
    }
    peer_close(&second);
}

/* The next host is tried, and each by its own policy. */
static void a_host_that_may_not_be_tried_leaves_it_to_the_next(void **state)
{
    struct order o = {.sts = "version: STSv1\nmode: enforce\nmax_age: 86400\nmx: mx2.test\n"};
    const struct trial t = {.server = TRUSTED};
    publish(&t);
    serve(&t);
    names_add(&lab.names, "example.net", "MX", "20 mx2.test");
    names_add(&lab.names, "mx2.test", "A", "127.0.0.1");
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_string_equal(o.results[0].remote_host, "mx2.test");
    mem_free(&tlsa_value);
    order_free(&o);
}

static void a_connection_serves_only_what_goes_under_the_same_policy(void **state)
{
    struct order plain = {0}, again = {0}, strict = {.sts = ENFORCE},
                 strict_again = {.sts = ENFORCE},
                 required = {.sts = ENFORCE, .flags = SUBMIT_REQUIRE_TLS};
    const struct trial t = {.server = TRUSTED, .requiretls = true};
    publish(&t);
    serve(&t);
    lab_reload_direct("tls opportunistic  idle-timeout 1m");
    order_run(&plain);
    order_run(&again);
    assert_int_equal(lab.peer.opened, 1);
    order_run(&strict);
    assert_int_equal(lab.peer.opened, 2);
    order_run(&strict_again);
    order_run(&required);
    assert_int_equal(lab.peer.opened, 2);
    assert_int_equal(lab.counters[COUNT_REUSED], 3);
    assert_outcome(&required, 0, DELIVERED);
    assert_non_null(strstr(required.results[0].tls, "policy requiretls sts"));
    assert_non_null(strstr(buf_text(&lab.peer.commands), " REQUIRETLS\n"));
    mem_free(&tlsa_value);
    order_free(&plain);
    order_free(&again);
    order_free(&strict);
    order_free(&strict_again);
    order_free(&required);
}

/* A preferred host that is down is not waited for by every message. */
static void where_a_connection_idles_its_host_comes_first(void **state)
{
    struct order first = {0}, second = {0}, strict = {.sts = TESTING, .flags = SUBMIT_TLS_OPTIONAL},
                 third = {.sts = "version: STSv1\nmode: enforce\nmax_age: 86400\nmx: *.test\n"};
    const struct trial t = {.server = TRUSTED};
    publish(&t);
    serve(&t);
    names_add(&lab.names, "example.net", "MX", "5 mx0.test");
    names_add(&lab.names, "mx0.test", "A", "127.0.0.9");
    lab_reload_direct("tls opportunistic  idle-timeout 1m");
    order_run(&first);
    assert_string_equal(first.results[0].remote_host, "mx1.test");
    assert_int_equal(lab_connections(), 2);
    order_run(&second);
    assert_outcome(&second, 0, DELIVERED);
    assert_int_equal(lab_connections(), 2);
    order_run(&strict); /* of which no less is asked, and no more */
    assert_int_equal(lab_connections(), 2);
    /* Where it is of no use after all they are tried from the preferred one on. */
    order_run(&third);
    assert_outcome(&third, 0, DELIVERED);
    assert_int_equal(lab_connections(), 4);
    order_free(&strict);
    order_free(&third);
    mem_free(&tlsa_value);
    order_free(&first);
    order_free(&second);
}

/* Beside the sentence there is what it was made of: which name, whose certificate, which record,
 * and how much of the message went over it. */
static void what_tls_was_like_is_kept_in_detail(void **state)
{
    static const struct {
        enum records tlsa;
        enum server server;
        const char *name, *peer;
        bool matches;
        uint64_t octets;
    } cases[] = {
        {GOOD, UNTRUSTED, "mx1.test", "CN=127.0.0.1", true, 27},
        {NONE, TRUSTED, "mx1.test", "CN=127.0.0.1", false, 27},
        {WRONG, UNTRUSTED, "mx1.test", "CN=127.0.0.1", false, 0}, /* the handshake failed */
        {NONE, CLEAR, "", "", false, 27},
        {FAILS, TRUSTED, "", "", false, 0}, /* nobody was connected to */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.body = "Subject: hi\r\n\r\n.hello\r\n"}; /* 23, a dot, the end */
        const struct trial t = {.tlsa = cases[i].tlsa, .server = cases[i].server};
        lab_reload_direct("tls opportunistic  idle-timeout 0");
        publish(&t);
        serve(&t);
        order_run(&o);
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
        const struct deliver_result *r = &o.results[0];
        assert_string_equal(r->tls_name, cases[i].name);
        assert_string_equal(r->tls_peer, cases[i].peer);
        assert_string_equal(r->tls_record, cases[i].matches ? tlsa_value : "");
        assert_int_equal(r->octets, cases[i].octets);
        mem_free(&tlsa_value);
        order_free(&o);
    }
}

/* Somebody may have put it there who wants the mail. Nobody is asked then, but it is told. */
static void what_dnssec_does_not_vouch_for_is_counted(void **state)
{
    static const struct {
        const char *name, *type; /* what fails so */
        const char *sts, *learned;
    } cases[] = {
        {"example.net", "MX", NULL,
         "example.net: no-policy-found 0 good 1 failed, validation-failure "
         "dns-extended-error-6-dnssec-bogus\n"},
        {"example.net", "MX", ENFORCE,
         USED "example.net: sts 0 good 1 failed, validation-failure "
              "dns-extended-error-6-dnssec-bogus\n"},
        {"mx1.test", "A", NULL,
         "example.net at mx1.test: no-policy-found 0 good 1 failed, validation-failure "
         "dns-extended-error-6-dnssec-bogus\n"},
        {"example.net", "A", NULL,
         "example.net: no-policy-found 0 good 1 failed, validation-failure "
         "dns-extended-error-6-dnssec-bogus\n"},
        {"_65535._tcp.mx1.test", "TLSA", NULL,
         "example.net at mx1.test: tlsa 0 good 1 failed, dnssec-invalid "
         "extended-dns-error-6-dnssec-bogus\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.sts = cases[i].sts};
        const struct trial t = {.sts = cases[i].sts, .server = TRUSTED};
        bool mx = strcmp(cases[i].type, "MX") == 0, records = strcmp(cases[i].type, "TLSA") == 0;
        lab_reload_direct("tls opportunistic  idle-timeout 0");
        publish(&t);
        serve(&t);
        if (!mx && strcmp(cases[i].name, "example.net") == 0)
            lab.names.n = 0; /* without MX records the domain is its own host */
        names_add(&lab.names, records ? tlsa_name : cases[i].name, "FORGED", cases[i].type);
        order_run(&o);
        assert_int_equal(o.results[0].status, DELIVER_DEFERRED);
        assert_int_equal(lab.peer.opened, 0);
        if (strcmp(buf_text(&lab.learned), cases[i].learned) != 0)
            fail_msg("%s %s: learned\n%s\ninstead of\n%s", cases[i].type, cases[i].name,
                     buf_text(&lab.learned), cases[i].learned);
        mem_free(&tlsa_value);
        order_free(&o);
    }
}

/* ---- why a handshake failed ---- */

/* After its 220, in clear: octets of its own, or nothing until the time is over. */
static void break_off(const char *octets)
{
    RUN_UNTIL(strstr(buf_text(&lab.peer.commands), "STARTTLS") != NULL);
    lab_settle();
    if (octets != NULL)
        peer_interject(&lab.peer, octets);
    else
        assert_true(lab_expire(25));
}

static void alert_at_once(void)
{
    lab.peer.tls = lab.trusted;
    (void)SSL_CTX_set_max_proto_version(lab.trusted, TLS1_1_VERSION);
}

/* It is known to the server alone, after the client has had its last word of the handshake. */
static void alert_late(void)
{
    lab.peer.tls = lab.trusted;
    (void)SSL_CTX_set_max_proto_version(lab.trusted, 0);
    SSL_CTX_set_verify(lab.trusted, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static void why_a_handshake_failed_is_told(void **state)
{
    static char odd[300] = "=\x16\x03\x03\x01\x01"; /* a message of the handshake of type 'A' */
    static const struct {
        void (*serve)(void);
        const char *octets, *reason;
    } cases[] = {
        {alert_at_once, NULL, "tls-remote-alert-70-protocol-version"},
        {alert_late, NULL, "tls-remote-alert-116-certificate-required"},
        {NULL, odd, "tls-local-alert-10-unexpected-message"},
        {NULL, "=454 4.7.0 not now\r\n", "tls-record-header-error"},
        {NULL, "!", "connection-closed-during-handshake"},
        {NULL, NULL, "io-timeout-during-handshake"},
    };
    memset(odd + 6, 'A', 257);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.sts = ENFORCE};
        const struct trial t = {.sts = ENFORCE};
        char expected[400];
        lab_reload_direct("tls opportunistic  idle-timeout 0  command-timeout 25m");
        publish(&t);
        serve(&t);
        lab.peer.extensions = "SIZE\nSTARTTLS";
        if (cases[i].serve != NULL) {
            cases[i].serve();
            lab.peer.extensions = "SIZE";
        }
        peer_say(&lab.peer, SAY_STARTTLS, "220 go", NULL);
        peer_say(&lab.peer, SAY_OTHER, "~", NULL); /* to a handshake that has a line feed in it */
        order_send(&o);
        if (cases[i].serve == NULL)
            break_off(cases[i].octets);
        RUN_UNTIL(o.done);
        assert_int_equal(o.results[0].status, DELIVER_DEFERRED);
        (void)snprintf(expected, sizeof expected,
                       USED "example.net: sts 0 good 1 failed, validation-failure %s\n"
                            "example.net at mx1.test: no-policy-found 0 good 1 failed, "
                            "validation-failure %s\n",
                       cases[i].reason, cases[i].reason);
        if (strcmp(buf_text(&lab.learned), expected) != 0)
            fail_msg("%s: learned\n%s", cases[i].reason, buf_text(&lab.learned));
        mem_free(&tlsa_value);
        order_free(&o);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_dane_says_holds),
        TEST(what_mta_sts_says_holds),
        TEST(what_the_message_asks_for_goes_before_that),
        TEST(what_the_operator_says_goes_before_what_was_published),
        TEST(a_fingerprint_is_of_the_key_or_the_certificate),
        TEST(a_named_server_can_have_records_too),
        TEST(servers_that_are_named_are_counted_one_by_one),
        TEST(a_tls_session_is_not_resumed_for_another_destination),
        TEST(requiretls_is_final_only_if_it_is_so_of_every_host),
        TEST(a_host_that_may_not_be_tried_leaves_it_to_the_next),
        TEST(a_connection_serves_only_what_goes_under_the_same_policy),
        TEST(where_a_connection_idles_its_host_comes_first),
        TEST(what_tls_was_like_is_kept_in_detail),
        TEST(what_dnssec_does_not_vouch_for_is_counted),
        TEST(why_a_handshake_failed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
