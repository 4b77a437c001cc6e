#include "lab.h"

#include <arpa/inet.h>
#include <string.h>

#include "mem.h"

/* What the configuration says of a transport. */

static int setup(void **state)
{
    lab_open_direct("");
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

static struct transport *read(const char *label, const char *text, struct fail *f)
{
    struct conf *conf = lab_configuration(text);
    static const struct dnsaddr interfaces[] = {{AF_INET, {192, 0, 2, 7}},
                                                {AF_INET6, {0x20, 1, 0xd, 0xb8, [15] = 7}}};
    const struct transport_machine machine = {.resolv_conf = span_text("nameserver 127.0.0.1\n"),
                                              .roots = lab.agent.roots,
                                              .interfaces = interfaces,
                                              .interfaces_n = 2};
    struct transport *t = transport_new(conf, label, lab.base, &machine, f);
    if (t == NULL)
        conf_free(&conf);
    return t;
}

static struct transport *read_good(const char *label, const char *text)
{
    struct fail f = {{0}};
    struct transport *t = read(label, text, &f);
    assert_string_equal(f.text, "");
    assert_non_null(t);
    return t;
}

static void refuses(const char *label, const char *text, const char *why)
{
    struct fail f = {{0}};
    assert_null(read(label, text, &f));
    assert_string_equal(f.text, why);
}

static void direct_and_local_are_always_there(void **state)
{
    struct transport *t = read_good("direct", "hostname us.test\n");
    assert_int_equal(t->kind, TRANSPORT_DIRECT);
    assert_string_equal(t->ehlo_name, "us.test");
    assert_int_equal(t->port, 25);
    assert_int_equal(t->tls, CONF_TLS_OPPORTUNISTIC);
    assert_int_equal(t->timeouts.connect_ms, 30000);
    assert_int_equal(t->timeouts.greeting_ms, 300000);
    assert_int_equal(t->timeouts.command_ms, 300000);
    assert_int_equal(t->timeouts.data_ms, 120000);
    assert_int_equal(t->timeouts.block_ms, 180000);
    assert_int_equal(t->timeouts.final_ms, 600000);
    assert_false(t->allow_loopback);
    assert_false(t->allow_private);
    transport_drop(&t);
    t = read_good("local", "hostname us.test\n");
    assert_int_equal(t->kind, TRANSPORT_LOCAL);
    transport_drop(&t);
}

static void put_address(struct dnsaddr *a, const char *text)
{
    *a = (struct dnsaddr){.family = strchr(text, ':') == NULL ? AF_INET : AF_INET6};
    assert_int_equal(inet_pton(a->family, text, a->octets), 1);
}

static bool is_own(const struct transport *t, const char *address)
{
    struct dnsaddr a;
    put_address(&a, address);
    return ownaddr_has(&t->own, &a);
}

static void own_addresses_are_those_where_mail_would_come_back(void **state)
{
    static const struct {
        const char *text, *own[6], *foreign[6];
    } cases[] = {
        {"", {NULL}, {"192.0.2.7", "127.0.0.1", "0.0.0.0", "::1"}},
        {"listen a { address 192.0.2.1 2001:db8::1  smtp 25 }\n"
         "listen b { address 127.0.0.1  smtp 25 }\n",
         {"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "127.0.0.1"},
         {"192.0.2.7", "2001:db8::7", "127.0.0.2"}},
        /* Another service, another port: who is there is another program. */
        {"listen a { address 192.0.2.1  submission 25  require-tls-for-auth no }\n",
         {NULL},
         {"192.0.2.1"}},
        {"listen a { address 192.0.2.1  smtp 2525 }\n", {NULL}, {"192.0.2.1"}},
        {"deliver { port 2525 }\nlisten a { address 192.0.2.1  smtp 2525 }\n",
         {"192.0.2.1"},
         {NULL}},
        {"deliver { source-address 192.0.2.8 2001:db8::8 }\n"
         "listen a { address 0.0.0.0  smtp 25 }\n",
         {"192.0.2.7", "192.0.2.8", "127.0.0.1", "127.1.2.3", "0.0.0.0"},
         {"2001:db8::7", "2001:db8::8", "::1", "192.0.2.1"}},
        {"listen a { address ::  smtp 25 }\n",
         {"2001:db8::7", "::1", "::"},
         {"192.0.2.7", "127.0.0.1"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = mem_format("hostname us.test\n%s", cases[i].text);
        struct transport *t = read_good("direct", text);
        for (size_t k = 0; k < 6 && cases[i].own[k] != NULL; k++) {
            if (!is_own(t, cases[i].own[k]))
                fail_msg("%zu: %s is its own", i, cases[i].own[k]);
        }
        for (size_t k = 0; k < 6 && cases[i].foreign[k] != NULL; k++) {
            if (is_own(t, cases[i].foreign[k]))
                fail_msg("%zu: %s is not its own", i, cases[i].foreign[k]);
        }
        transport_drop(&t);
        mem_free(&text);
    }
}

static void the_one_address_where_mail_is_taken_is_the_source_of_mail(void **state)
{
    static const struct {
        const char *text, *host, *source; /* NULL: the system's choice */
    } cases[] = {
        {"", "198.51.100.1", NULL},
        {"listen a { address 192.0.2.1 2001:db8::1  smtp 25 }", "198.51.100.1", "192.0.2.1"},
        {"listen a { address 192.0.2.1 2001:db8::1  smtp 25 }", "2001:db8:1::1", "2001:db8::1"},
        {"listen a { address 192.0.2.1  smtp 25 }", "2001:db8:1::1", NULL},
        {"listen a { address 127.0.0.1 192.0.2.1 ::1  smtp 25 }", "198.51.100.1", "192.0.2.1"},
        {"listen a { address 127.0.0.1 ::1  smtp 25 }", "198.51.100.1", NULL},
        {"listen a { address 127.0.0.1 ::1  smtp 25 }", "2001:db8:1::1", NULL},
        /* Which of them, nobody can say. */
        {"listen a { address 192.0.2.1 192.0.2.2 2001:db8::1  smtp 25 }", "198.51.100.1", NULL},
        {"listen a { address 192.0.2.1 192.0.2.2 2001:db8::1  smtp 25 }", "2001:db8:1::1",
         "2001:db8::1"},
        {"listen a { address 192.0.2.1  smtp 25 }\nlisten b { address 192.0.2.2  smtp 25 }",
         "198.51.100.1", NULL},
        {"listen a { address 192.0.2.1 10.0.0.1  smtp 25 }", "198.51.100.1", NULL},
        {"listen a { address 0.0.0.0 2001:db8::1  smtp 25 }", "198.51.100.1", NULL},
        {"listen a { address ::  smtp 25 }", "2001:db8:1::1", NULL},
        /* Where servers do not come. */
        {"listen a { address 192.0.2.1  submission 25  require-tls-for-auth no }", "198.51.100.1",
         NULL},
        {"listen a { address 192.0.2.1  smtp 2525 }", "198.51.100.1", NULL},
        {"listen a { address 192.0.2.1  smtp 25 }\n"
         "listen b { address 192.0.2.2  submission 587  require-tls-for-auth no }",
         "198.51.100.1", "192.0.2.1"},
        /* A network that has nothing to do with it. */
        {"listen a { address 10.0.0.1  smtp 25 }", "198.51.100.1", NULL},
        {"listen a { address fd00::1  smtp 25 }", "2001:db8:1::1", NULL},
        {"listen a { address 192.0.2.1  smtp 25 }", "10.0.0.2", NULL},
        {"listen a { address 192.0.2.1  smtp 25 }", "127.0.0.1", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = mem_format("hostname us.test\n%s\n", cases[i].text);
        char source[INET6_ADDRSTRLEN] = "the system's";
        struct transport *t = read_good("direct", text);
        struct dnsaddr host, from;
        put_address(&host, cases[i].host);
        if (ownaddr_source(&t->own, &host, &from))
            (void)inet_ntop(from.family, from.octets, source, sizeof source);
        if (strcmp(source, cases[i].source == NULL ? "the system's" : cases[i].source) != 0)
            fail_msg("%zu: %s", i, source);
        transport_drop(&t);
        mem_free(&text);
    }
}

static void a_block_of_that_name_comes_before(void **state)
{
    static const char text[] =
        "hostname us.test\n"
        "deliver { port 26  ehlo-name default.test  idle-timeout 3s }\n"
        "transport direct { smtp { host relay.test } }\n"
        "transport slow { direct { connections 2  ip-family 4  ehlo-name slow.test } }\n"
        "transport block { fail { code 451  text \"not now\" } }\n"
        "transport mailboxes { local { } }\n";
    struct transport *t = read_good("direct", text);
    assert_int_equal(t->kind, TRANSPORT_SMTP);
    assert_int_equal(t->hosts_n, 1);
    assert_string_equal(t->hosts[0], "relay.test");
    assert_true(transport_is_named(t));
    assert_int_equal(t->port, 25);
    assert_int_equal(t->tls, CONF_TLS_REQUIRED);
    assert_string_equal(t->ehlo_name, "default.test");
    assert_true(t->allow_loopback);
    assert_true(t->allow_private);
    transport_drop(&t);
    t = read_good("slow", text);
    assert_int_equal(t->kind, TRANSPORT_DIRECT);
    assert_int_equal(t->port, 26);
    assert_int_equal(t->connections, 2);
    assert_int_equal(t->family, CONF_FAMILY_4);
    assert_string_equal(t->ehlo_name, "slow.test");
    assert_int_equal(t->timeouts.idle_ms, 3000);
    transport_drop(&t);
    t = read_good("block", text);
    assert_int_equal(t->kind, TRANSPORT_FAIL);
    assert_int_equal(t->fail_code, 451);
    assert_string_equal(t->fail_text, "not now");
    transport_drop(&t);
    t = read_good("mailboxes", text);
    assert_int_equal(t->kind, TRANSPORT_LOCAL);
    transport_drop(&t);
}

/* Mail for a relay must never go straight to strangers because a name was not found. */
static void a_name_that_is_not_there_is_not_taken_for_another(void **state)
{
    refuses("relay", "hostname us.test\n", "there is no transport relay");
    refuses("relay", "hostname us.test\ntransport relay2 { fail { } }\n",
            "there is no transport relay");
    refuses("", "hostname us.test\n", "there is no transport ");
}

static void each_kind_is_read_as_what_it_is(void **state)
{
    static const char text[] =
        "hostname us.test\n"
        "transport sub { submission { host a.test  fallback-host b.test 192.0.2.1\n"
        "  ip-family prefer-4  auth { user u  password-file p } } }\n"
        "transport subs { submissions { host a.test } }\n"
        "transport store { lmtp { host 192.0.2.2 } }\n"
        "transport near { lmtp { socket \"/run/store/lmtp\" } }\n"
        "transport fenced { socks { address [2001:db8::1]:1080  remote-hostname out.test\n"
        "  remote-dns yes  auth { user u  password-file p } } }\n";
    struct transport *t = read_good("sub", text);
    assert_int_equal(t->kind, TRANSPORT_SUBMISSION);
    assert_int_equal(t->port, 587);
    assert_int_equal(t->hosts_n, 3);
    assert_string_equal(t->hosts[1], "b.test");
    assert_string_equal(t->hosts[2], "192.0.2.1");
    assert_int_equal(t->family, CONF_FAMILY_PREFER_4);
    assert_true(t->auth);
    transport_drop(&t);
    t = read_good("subs", text);
    assert_int_equal(t->kind, TRANSPORT_SUBMISSIONS);
    assert_int_equal(t->port, 465);
    assert_int_equal(t->tls, CONF_TLS_REQUIRED);
    assert_false(t->auth);
    transport_drop(&t);
    t = read_good("store", text);
    assert_true(t->lmtp && transport_is_named(t));
    assert_int_equal(t->port, 24);
    assert_int_equal(t->tls, CONF_TLS_OPPORTUNISTIC);
    transport_drop(&t);
    t = read_good("near", text);
    assert_true(t->lmtp && transport_is_named(t));
    assert_string_equal(t->socket, "lmtp");
    assert_int_equal(t->socket_folder, strlen("/run/store/"));
    assert_int_equal(t->tls, CONF_TLS_NONE);
    transport_drop(&t);
    t = read_good("fenced", text);
    assert_int_equal(t->kind, TRANSPORT_DIRECT);
    assert_false(transport_is_named(t));
    assert_true(t->proxy.used && t->proxy.remote_dns && t->proxy.auth);
    assert_int_equal(t->proxy.address.family, AF_INET6);
    assert_int_equal(t->proxy.port, 1080);
    assert_string_equal(t->ehlo_name, "out.test");
    transport_drop(&t);
}

static void name_servers_are_those_of_the_configuration_or_of_the_machine(void **state)
{
    struct transport *t =
        read_good("direct", "hostname us.test\ndns { server 127.0.0.1:53 [::1]:53 }\n");
    assert_true(dns_is_trusted(t->dns));
    transport_drop(&t);
    t = read_good("direct", "hostname us.test\ndns { server 127.0.0.1:53 192.0.2.53:53 }\n");
    assert_false(dns_is_trusted(t->dns));
    transport_drop(&t);
    t = read_good("direct", "hostname us.test\n"); /* what read() gave as resolv.conf */
    assert_true(dns_is_trusted(t->dns));
    transport_drop(&t);
}

static void it_lives_as_long_as_somebody_holds_it(void **state)
{
    struct transport *t = read_good("direct", "hostname us.test\n"), *held = transport_hold(t);
    transport_drop(&t);
    assert_null(t);
    lab_settle();
    assert_string_equal(held->hostname, "us.test");
    transport_drop(&held);
    transport_drop(&held); /* of nothing */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(direct_and_local_are_always_there),
        TEST(own_addresses_are_those_where_mail_would_come_back),
        TEST(the_one_address_where_mail_is_taken_is_the_source_of_mail),
        TEST(a_block_of_that_name_comes_before),
        TEST(a_name_that_is_not_there_is_not_taken_for_another),
        TEST(each_kind_is_read_as_what_it_is),
        TEST(name_servers_are_those_of_the_configuration_or_of_the_machine),
        TEST(it_lives_as_long_as_somebody_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
