#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/event.h>

#include "httprequest.h"
#include "httpserver.h"

/* Connections that are handed over, which the tests on real ports do not see. */

struct fixture {
    struct event_base *base;
    struct httpserver *server;
    struct httprequest *kept;
    unsigned cancelled;
    bool keep;
};

static void on_cancel(struct httprequest *req, void *arg)
{
    struct fixture *fx = arg;
    fx->cancelled++;
    fx->kept = NULL;
}

static void handle(struct httprequest *req, void *arg)
{
    struct fixture *fx = arg;
    struct sockaddr_storage ip;
    struct fail f = {0};
    if (fx->keep) {
        fx->kept = req;
        httprequest_on_cancel(req, on_cancel, fx);
        return;
    }
    httprequest_set_data(req, fx);
    assert_ptr_equal(httprequest_data(req), fx);
    int rc = httprequest_client_ip(req, false, &ip, &f);
    httprequest_respond_text(req, 200, NULL, "[%s] %s %d %s", httprequest_client(req),
                             (const char *)httprequest_listener(req), rc == 0 ? ip.ss_family : -1,
                             f.text);
}

static int set_up(void **state)
{
    static struct fixture fx;
    fx = (struct fixture){.base = event_base_new()};
    struct httpserver_settings settings = {.connections = 3, .connections_per_ip = 2};
    fx.server = httpserver_new(fx.base, &settings, handle, &fx, NULL);
    *state = &fx;
    return fx.server == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    struct fixture *fx = *state;
    httpserver_free(&fx->server);
    assert_null(fx->server);
    httpserver_free(&fx->server);
    event_base_free(fx->base);
    return 0;
}

static int give(struct fixture *fx, const struct sockaddr *peer, socklen_t peer_len, int *rc)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    *rc = httpserver_add(fx->server, pair[0], peer, peer_len, "tls", NULL);
    return pair[1];
}

static int give_ip(struct fixture *fx, const char *address, int *rc)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return give(fx, (struct sockaddr *)&v4, sizeof v4, rc);
    assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
    return give(fx, (struct sockaddr *)&v6, sizeof v6, rc);
}

/* Runs the loop until the other end has what ends in a line feed, or its end. */
static const char *answer(struct fixture *fx, int fd)
{
    static char text[4096];
    size_t n = 0;
    for (int turns = 0; turns < 100000; turns++) {
        (void)event_base_loop(fx->base, EVLOOP_NONBLOCK);
        ssize_t got = recv(fd, text + n, sizeof text - 1 - n, MSG_DONTWAIT);
        if (got == 0 || (got > 0 && text[n + (size_t)got - 1] == '\n')) {
            text[n + (size_t)got] = '\0';
            const char *body = strstr(text, "\r\n\r\n");
            return body == NULL ? text : body + 4;
        }
        n += got > 0 ? (size_t)got : 0;
    }
    fail_msg("no answer");
    return NULL;
}

static void ask(int fd)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_int_equal(send(fd, request, sizeof request - 1, 0), sizeof request - 1);
}

static void test_the_peer_that_was_named_is_the_client(void **state)
{
    struct fixture *fx = *state;
    static const char *const cases[][2] = {
        {"192.0.2.7", "[192.0.2.7] tls 2 \n"},
        {"2001:db8::7", "[2001:db8::7] tls 10 \n"},
    };
    for (size_t i = 0; i < 2; i++) {
        int rc, fd = give_ip(fx, cases[i][0], &rc);
        assert_int_equal(rc, 0);
        ask(fd);
        assert_string_equal(answer(fx, fd), cases[i][1]);
        assert_int_equal(close(fd), 0);
    }
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int rc, fd = give(fx, (struct sockaddr *)&un, sizeof(sa_family_t), &rc);
    assert_int_equal(rc, 0);
    ask(fd);
    assert_string_equal(answer(fx, fd), "[] tls -1 the client has no IP address\n");
    assert_int_equal(close(fd), 0);
}

static void test_too_many_connections_are_closed_on_arrival(void **state)
{
    struct fixture *fx = *state;
    int rc, fd[5];
    fd[0] = give_ip(fx, "192.0.2.1", &rc);
    assert_int_equal(rc, 0);
    fd[1] = give_ip(fx, "192.0.2.1", &rc);
    assert_int_equal(rc, 0);
    fd[2] = give_ip(fx, "192.0.2.1", &rc); /* a third from one address */
    assert_int_equal(rc, -1);
    assert_string_equal(answer(fx, fd[2]), "");
    fd[3] = give_ip(fx, "192.0.2.2", &rc);
    assert_int_equal(rc, 0);
    assert_int_equal(httpserver_connections(fx->server), 3);
    fd[4] = give_ip(fx, "192.0.2.3", &rc); /* a fourth in all */
    assert_int_equal(rc, -1);
    assert_string_equal(answer(fx, fd[4]), "");
    for (int i = 0; i < 5; i++)
        assert_int_equal(close(fd[i]), 0);
}

static void test_a_request_that_waits_is_cancelled_once_with_the_server(void **state)
{
    struct fixture *fx = *state;
    int rc, fd = give_ip(fx, "192.0.2.1", &rc);
    fx->keep = true;
    ask(fd);
    for (int turns = 0; turns < 1000 && fx->kept == NULL; turns++)
        (void)event_base_loop(fx->base, EVLOOP_NONBLOCK);
    assert_non_null(fx->kept);
    httpserver_free(&fx->server);
    assert_int_equal(fx->cancelled, 1);
    assert_string_equal(answer(fx, fd), "");
    assert_int_equal(close(fd), 0);
}

static void test_an_answer_from_outside_the_loop_is_sent(void **state)
{
    struct fixture *fx = *state;
    int rc, fd = give_ip(fx, "192.0.2.1", &rc);
    fx->keep = true;
    ask(fd);
    for (int turns = 0; turns < 1000 && fx->kept == NULL; turns++)
        (void)event_base_loop(fx->base, EVLOOP_NONBLOCK);
    assert_non_null(fx->kept);
    httprequest_on_cancel(fx->kept, NULL, NULL);
    httprequest_respond_text(fx->kept, 200, NULL, "at last");
    assert_string_equal(answer(fx, fd), "at last\n");
    assert_int_equal(close(fd), 0);
}

static void test_an_answer_may_come_too_late(void **state)
{
    struct fixture *fx = *state;
    int rc, fd = give_ip(fx, "192.0.2.1", &rc);
    fx->keep = true;
    ask(fd);
    for (int turns = 0; turns < 1000 && fx->kept == NULL; turns++)
        (void)event_base_loop(fx->base, EVLOOP_NONBLOCK);
    assert_non_null(fx->kept);
    httprequest_respond_text(fx->kept, 200, NULL, "never seen");
    httpserver_free(&fx->server); /* before the loop could send it */
    assert_int_equal(fx->cancelled, 0);
    assert_int_equal(close(fd), 0);
}

static void test_only_a_listening_socket_is_listened_on(void **state)
{
    struct fixture *fx = *state;
    struct fail f = {0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(httpserver_listen(fx->server, fd, NULL, &f), -1);
    assert_string_equal(f.text, "the descriptor is not a listening socket");
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed */
}

struct heard {
    unsigned times;
    void *data;
    unsigned status;
};

static void on_access(const struct httpserver_access *access, void *arg)
{
    struct heard *heard = arg;
    *heard = (struct heard){heard->times + 1, access->data, access->status};
}

static void test_the_access_log_gets_what_the_handler_kept(void **state)
{
    struct fixture *fx = *state;
    struct heard heard = {0};
    int rc, fd = give_ip(fx, "192.0.2.1", &rc);
    httpserver_log(fx->server, on_access, &heard);
    ask(fd);
    assert_non_null(answer(fx, fd));
    assert_int_equal(heard.times, 1);
    assert_ptr_equal(heard.data, fx);
    assert_int_equal(heard.status, 200);
    static const char bad[] = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    assert_int_equal(send(fd, bad, sizeof bad - 1, 0), sizeof bad - 1);
    assert_non_null(answer(fx, fd));
    for (int turns = 0; turns < 1000 && heard.times < 2; turns++)
        (void)event_base_loop(fx->base, EVLOOP_NONBLOCK);
    assert_int_equal(heard.times, 2);
    assert_null(heard.data); /* the handler never saw it */
    assert_int_equal(heard.status, 400);
    assert_int_equal(close(fd), 0);
}

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

static void test_draining_without_connections_is_done_at_once(void **state)
{
    struct fixture *fx = *state;
    unsigned done = 0;
    httpserver_drain(fx->server, count, &done);
    assert_int_equal(done, 0); /* from the loop only */
    (void)event_base_loop(fx->base, EVLOOP_NONBLOCK);
    assert_int_equal(done, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_peer_that_was_named_is_the_client, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_connections_are_closed_on_arrival, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_request_that_waits_is_cancelled_once_with_the_server,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_answer_from_outside_the_loop_is_sent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_answer_may_come_too_late, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_a_listening_socket_is_listened_on, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_access_log_gets_what_the_handler_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_draining_without_connections_is_done_at_once, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
