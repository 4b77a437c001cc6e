#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "file.h"
#include "ipc_help.h"
#include "log.h"
#include "mem.h"
#include "rand.h"
#include "record.h"
#include "wire.h"

/* The blocking half of ipc.h: ipc_call and ipc_connect. */

/* A peer in a thread of its own: reads one request, does with it as told. */
struct peer {
    int fd;
    enum { PEER_ECHO, PEER_SILENT, PEER_CLOSE, PEER_NOTICE, PEER_GARBAGE, PEER_LARGE } what;
    pthread_t thread;
};

static void *run_peer(void *arg)
{
    struct peer *p = arg;
    struct ipc_message m;
    struct buf storage = {0}, big = {0};
    struct record r = {0};
    struct fail f;
    int rc;
    while ((rc = record_receive(p->fd, &m, &storage, &f)) == RECORD_AGAIN)
        (void)usleep(1000);
    memset(buf_room(&big, 100000), 'z', 100000);
    buf_grew(&big, 100000);
    struct span payload = p->what == PEER_LARGE ? buf_span(&big) : m.payload;
    if (rc == 0)
        rc = record_make(&r, 9, p->what == PEER_NOTICE ? 0 : IPC_REPLY, m.id, payload, NULL, 0, &f);
    if (rc == 0 && p->what == PEER_GARBAGE)
        r.octets.n = 3;
    if (rc == 0 && p->what != PEER_SILENT && p->what != PEER_CLOSE)
        (void)record_send(p->fd, &r, &f);
    if (p->what == PEER_SILENT)
        while (record_receive(p->fd, &m, &storage, &f) == RECORD_AGAIN)
            (void)usleep(1000);
    record_free(&r);
    buf_free(&storage);
    buf_free(&big);
    (void)close(p->fd);
    return NULL;
}

static int call_peer(int what, int timeout_ms, struct buf *out, struct fail *f)
{
    struct peer p = {.what = what};
    int fd[2];
    uint16_t type = 0;
    *f = (struct fail){{0}};
    assert_int_equal(ipc_pair(fd, f), 0);
    p.fd = fd[1];
    assert_int_equal(pthread_create(&p.thread, NULL, run_peer, &p), 0);
    int rc = ipc_call(fd[0], 8, span_text("question"), NULL, 0, timeout_ms, &type, out, f);
    if (rc == 0)
        assert_int_equal(type, 9);
    (void)close(fd[0]);
    assert_int_equal(pthread_join(p.thread, NULL), 0);
    return rc;
}

static void test_a_blocking_call_gets_its_answer_or_a_sentence(void **state)
{
    unsigned before = open_fds();
    struct buf out = {0};
    struct fail f;
    assert_int_equal(call_peer(PEER_ECHO, 10000, &out, &f), 0);
    assert_true(span_is(buf_span(&out), "question"));
    buf_clear(&out);
    assert_int_equal(call_peer(PEER_LARGE, 10000, &out, &f), 0);
    assert_int_equal(out.n, 100000);
    buf_clear(&out);
    assert_int_equal(call_peer(PEER_SILENT, 50, &out, &f), -1);
    assert_string_equal(f.text, "no answer in time");
    assert_int_equal(call_peer(PEER_CLOSE, 10000, &out, &f), -1);
    assert_string_equal(f.text, "the other side closed the connection");
    assert_int_equal(call_peer(PEER_NOTICE, 10000, &out, &f), -1);
    assert_string_equal(f.text, "no reply to what was asked");
    assert_int_equal(call_peer(PEER_GARBAGE, 10000, &out, &f), -1);
    assert_string_equal(f.text, "malformed record");
    assert_int_equal(out.n, 0);
    buf_free(&out);
    assert_int_equal(open_fds(), before);
}

static void test_a_blocking_call_to_a_full_socket_ends_in_time(void **state)
{
    struct fail f;
    struct buf out = {0};
    struct record r;
    uint16_t type;
    int fd[2];
    assert_int_equal(ipc_pair(fd, &f), 0);
    assert_int_equal(record_make(&r, 1, 0, 1, span_text("x"), NULL, 0, &f), 0);
    while (record_send(fd[0], &r, &f) == 0)
        ;
    record_free(&r);
    assert_int_equal(ipc_call(fd[0], 8, span_text("q"), NULL, 0, 50, &type, &out, &f), -1);
    assert_string_equal(f.text, "no answer in time");
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void test_a_listening_socket_is_connected_to_by_its_path(void **state)
{
    char dir[] = "/tmp/qm-ipc-XXXXXX", path[64], too_long[200];
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct fail f;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/s", dir);
    memcpy(sa.sun_path, path, strlen(path) + 1);
    assert_int_equal(ipc_connect(path, &f), -1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 5), 0);
    int client = ipc_connect(path, &f);
    assert_true(client >= 0);
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    assert_int_equal(ipc_connect(too_long, &f), -1);
    (void)close(client);
    (void)close(fd);
    (void)unlink(path);
    (void)rmdir(dir);
}

static int be_quiet(void **state)
{
    log_open("test", LOG_ERROR_);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_blocking_call_gets_its_answer_or_a_sentence),
        cmocka_unit_test(test_a_blocking_call_to_a_full_socket_ends_in_time),
        cmocka_unit_test(test_a_listening_socket_is_connected_to_by_its_path),
    };
    return cmocka_run_group_tests(tests, be_quiet, NULL);
}
