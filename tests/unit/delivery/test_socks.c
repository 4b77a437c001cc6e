#include "lab.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem.h"

/* Through a proxy, a process of its own here that leads every connection to the peer. */

static int listener;
static uint16_t proxy_port;
static pid_t proxy;

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(port)};
}

/* Passes on what either end says until one of them goes. */
static void pump(int a, int b)
{
    struct pollfd ends[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    char octets[4096];
    while (poll(ends, 2, -1) > 0) {
        for (int i = 0; i < 2; i++) {
            if (ends[i].revents == 0)
                continue;
            ssize_t n = read(ends[i].fd, octets, sizeof octets);
            if (n <= 0 || write(ends[1 - i].fd, octets, (size_t)n) != n)
                return;
        }
    }
}

/* RFC 1928: no login, and whatever is asked for succeeds. Each message comes in one piece. */
static void serve(int client, uint16_t peer_port)
{
    static const unsigned char method[] = {5, 0}, reply[10] = {5, 0, 0, 1};
    struct sockaddr_in to = loopback(peer_port);
    char octets[300];
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    if (read(client, octets, sizeof octets) > 0 &&
        write(client, method, sizeof method) == sizeof method &&
        read(client, octets, sizeof octets) > 0 &&
        connect(peer, (struct sockaddr *)&to, sizeof to) == 0 &&
        write(client, reply, sizeof reply) == sizeof reply)
        pump(client, peer);
    close(peer);
}

static void run_proxy(uint16_t peer_port)
{
    int client;
    (void)alarm(60);
    while ((client = accept(listener, NULL, NULL)) >= 0) {
        serve(client, peer_port);
        close(client);
    }
    _exit(1);
}

static int setup(void **state)
{
    struct sockaddr_in at = loopback(0);
    socklen_t len = sizeof at;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    proxy_port = ntohs(at.sin_port);
    lab_open_direct("tls opportunistic  idle-timeout 0");
    proxy = fork();
    assert_true(proxy >= 0);
    if (proxy == 0)
        run_proxy((uint16_t)lab.peer.port);
    return 0;
}

static int teardown(void **state)
{
    (void)kill(proxy, SIGKILL);
    (void)waitpid(proxy, NULL, 0);
    lab_close();
    close(listener);
    return 0;
}

static void what_is_counted_of_tls_names_the_address_behind_the_proxy(void **state)
{
    static const struct {
        const char *settings;
        bool six;
        const char *sending;
    } cases[] = {
        {"", false, ""},
        {"remote-ips 203.0.113.5 2001:db8::5", false, "203.0.113.5"},
        {"remote-ips 203.0.113.5 2001:db8::5", true, "2001:db8::5"},
        {"remote-ips 2001:db8::5", false, ""},
        {"remote-ips 203.0.113.5 203.0.113.6", false, ""}, /* one of them */
        {"remote-dns yes  remote-ips 203.0.113.5", false, "203.0.113.5"},
        {"remote-dns yes  remote-ips 203.0.113.5 2001:db8::5", false, ""},
    };
    lab.agent.label = "way";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {0};
        lab_reload("transport way { socks { address 127.0.0.1:%d  port %d  tls opportunistic\n"
                   "allow-loopback yes  idle-timeout 0  %s } }\n",
                   proxy_port, lab.peer.port, cases[i].settings);
        lab.names.n = 0;
        names_add(&lab.names, "example.net", "MX", "10 mx1.test");
        names_add(&lab.names, "mx1.test", cases[i].six ? "AAAA" : "A",
                  cases[i].six ? "::1" : "127.0.0.1");
        buf_clear(&lab.learned);
        (void)snprintf(lab.sending, sizeof lab.sending, "?");
        order_run(&o);
        assert_outcome(&o, 0, "delivered 250 2.0.0 dot [250 2.0.0 queued]");
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
        assert_non_null(strstr(buf_text(&lab.learned), "starttls-not-supported"));
        if (strcmp(lab.sending, cases[i].sending) != 0)
            fail_msg("%zu: %s", i, lab.sending);
        order_free(&o);
    }
}

static void without_a_proxy_it_is_that_of_the_connection(void **state)
{
    struct order o = {0};
    lab_reload_direct("tls opportunistic  idle-timeout 0  source-address 127.0.0.77");
    names_add(&lab.names, "example.net", "MX", "10 mx1.test");
    names_add(&lab.names, "mx1.test", "A", "127.0.0.1");
    order_run(&o);
    assert_string_equal(lab.sending, "127.0.0.77");
    order_free(&o);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_counted_of_tls_names_the_address_behind_the_proxy),
        TEST(without_a_proxy_it_is_that_of_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
