#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "file.h"
#include "ipc_help.h"
#include "mem.h"
#include "rand.h"
#include "record.h"
#include "wire.h"

/* Two ends of a socket and one place to receive into. */
struct pair {
    int fd[2];
    struct ipc_message m;
    struct buf storage;
    struct fail f;
};

static void open_pair(struct pair *p)
{
    *p = (struct pair){.fd = {-1, -1}};
    assert_int_equal(ipc_pair(p->fd, &p->f), 0);
}

static void close_pair(struct pair *p)
{
    file_close(&p->fd[0]);
    file_close(&p->fd[1]);
    buf_free(&p->storage);
}

static int receive(struct pair *p)
{
    return record_receive(p->fd[1], &p->m, &p->storage, &p->f);
}

static void put_head(struct buf *b, uint16_t type, uint16_t flags, uint32_t length, uint64_t id)
{
    wire_put_u16(b, type);
    wire_put_u16(b, flags);
    wire_put_u32(b, length);
    wire_put_u64(b, id);
}

static void pass(struct pair *p, struct span payload, const int *fds, unsigned n)
{
    struct record r;
    assert_int_equal(record_make(&r, 0x0102, IPC_REPLY, 7, payload, fds, n, &p->f), 0);
    assert_int_equal(record_send(p->fd[0], &r, &p->f), 0);
    record_free(&r);
    assert_int_equal(receive(p), 0);
    assert_int_equal(p->m.type, 0x0102);
    assert_true(p->m.reply);
    assert_int_equal(p->m.id, 7);
    assert_true(span_equal(p->m.payload, payload));
    assert_int_equal(p->m.fds, n);
}

static void test_octets_are_those_of_the_documented_example(void **state)
{
    struct record r;
    struct fail f;
    assert_int_equal(record_make(&r, 0x0102, 0, 7, span_text("abc"), NULL, 0, &f), 0);
    assert_int_equal(r.octets.n, 19);
    assert_memory_equal(buf_span(&r.octets).p,
                        "\x01\x02\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x07"
                        "abc",
                        19);
    record_free(&r);
}

static void test_payloads_of_every_kind_of_length_arrive(void **state)
{
    static const size_t lengths[] = {
        0, 1, 15, 16, 17, IPC_INLINE_MAX - 1, IPC_INLINE_MAX, IPC_INLINE_MAX + 1, 100000, 5u << 20};
    unsigned before = open_fds();
    struct pair p;
    open_pair(&p);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        unsigned char *octets = mem_alloc(lengths[i]);
        rand_bytes(octets, lengths[i]);
        pass(&p, span_of(octets, lengths[i]), NULL, 0);
        mem_free(&octets);
    }
    close_pair(&p);
    assert_int_equal(open_fds(), before);
}

static void pass_marked(struct pair *p, struct span payload)
{
    int fds[IPC_FDS];
    for (unsigned i = 0; i < IPC_FDS; i++)
        fds[i] = marked_fd((char)('a' + i));
    pass(p, payload, fds, IPC_FDS);
    for (unsigned i = 0; i < IPC_FDS; i++) {
        assert_int_equal(mark_of(p->m.fd[i]), 'a' + i);
        assert_int_equal(fcntl(p->m.fd[i], F_GETFD), FD_CLOEXEC);
    }
    record_close_fds(&p->m);
}

static void test_descriptors_arrive_in_their_order_beside_a_spilled_payload_too(void **state)
{
    unsigned before = open_fds();
    struct pair p;
    struct buf big = {0};
    open_pair(&p);
    memset(buf_room(&big, IPC_INLINE_MAX + 1), 'x', IPC_INLINE_MAX + 1);
    buf_grew(&big, IPC_INLINE_MAX + 1);
    pass_marked(&p, span_text("small"));
    pass_marked(&p, buf_span(&big));
    buf_free(&big);
    close_pair(&p);
    assert_int_equal(open_fds(), before);
}

/* Sends a head that says spilled, of this length, with that descriptor, which is closed here. */
static int receive_spilled(struct pair *p, uint32_t length, int fd)
{
    struct buf b = {0};
    put_head(&b, 1, IPC_SPILLED, length, 1);
    send_raw(p->fd[0], buf_span(&b), &fd, fd < 0 ? 0 : 1);
    buf_free(&b);
    file_close(&fd);
    return receive(p);
}

static int memory_of(size_t n, int seals)
{
    struct fail f;
    int fd = file_memory("test", &f);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)n), 0);
    if (seals != 0)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void test_forged_spills_are_refused(void **state)
{
    const int all = F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    unsigned before = open_fds();
    struct pair p;
    open_pair(&p);
    /* What is refused below is accepted when it is as it should be. */
    assert_int_equal(receive_spilled(&p, 40000, memory_of(40000, all)), 0);
    assert_int_equal(p.m.payload.n, 40000);
    assert_int_equal(receive_spilled(&p, 40000, memory_of(40000, 0)), -1);
    assert_int_equal(receive_spilled(&p, 40000, memory_of(40000, all & ~F_SEAL_WRITE)), -1);
    assert_int_equal(receive_spilled(&p, 40000, memory_of(40000, all & ~F_SEAL_SHRINK)), -1);
    assert_int_equal(receive_spilled(&p, 40000, memory_of(40000, all & ~F_SEAL_GROW)), -1);
    assert_int_equal(receive_spilled(&p, 40000, memory_of(40000, all & ~F_SEAL_SEAL)), -1);
    assert_int_equal(receive_spilled(&p, 40000, memory_of(39999, all)), -1);
    assert_int_equal(receive_spilled(&p, 40000, memory_of(40001, all)), -1);
    assert_int_equal(receive_spilled(&p, 40000, memory_of(0, all)), -1);
    assert_int_equal(receive_spilled(&p, 40000, marked_fd('x')), -1);
    assert_int_equal(receive_spilled(&p, 40000, -1), -1);
    assert_int_equal(
        receive_spilled(&p, IPC_PAYLOAD_MAX + 1, memory_of((size_t)IPC_PAYLOAD_MAX + 1, all)), -1);
    /* The socket is as good as before: it is the channel that ends, by its own decision. */
    pass(&p, span_text("still here"), NULL, 0);
    close_pair(&p);
    assert_int_equal(open_fds(), before);
}

static void test_more_descriptors_than_a_message_may_have_are_refused_and_closed(void **state)
{
    unsigned before = open_fds();
    struct pair p;
    struct buf b = {0};
    open_pair(&p);
    put_head(&b, 1, 0, 0, 1);
    for (unsigned n = IPC_FDS; n <= 12; n++) {
        int fds[16];
        for (unsigned i = 0; i < n; i++)
            fds[i] = marked_fd('x');
        send_raw(p.fd[0], buf_span(&b), fds, n);
        for (unsigned i = 0; i < n; i++)
            file_close(&fds[i]);
        assert_int_equal(receive(&p), n <= IPC_FDS ? 0 : -1);
        assert_int_equal(p.m.fds, n <= IPC_FDS ? n : 0);
        record_close_fds(&p.m);
    }
    buf_free(&b);
    close_pair(&p);
    assert_int_equal(open_fds(), before);
}

static void test_want_of_descriptors_is_no_fault_of_the_peer_s(void **state)
{
    enum { LIMIT = 64 };
    struct pair p;
    struct record r;
    struct rlimit before, few;
    int fds[2] = {marked_fd('x'), marked_fd('y')}, filler[LIMIT], n = 0;
    open_pair(&p);
    assert_int_equal(record_make(&r, 1, 0, 1, (struct span){0}, fds, 2, &p.f), 0);
    assert_int_equal(record_send(p.fd[0], &r, &p.f), 0);
    record_free(&r);
    unsigned count = open_fds();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){LIMIT, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while ((filler[n] = dup(p.fd[0])) >= 0)
        n++;
    file_close(&filler[--n]); /* place for one of the two */
    int rc = receive(&p);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    while (n > 0)
        file_close(&filler[--n]);
    assert_int_equal(rc, -1);
    assert_string_equal(p.f.text, "no descriptor is free for what came with a message");
    assert_int_equal(open_fds(), count);
    close_pair(&p);
}

static void test_a_record_without_octets_leaves_no_descriptor_behind(void **state)
{
    unsigned before = open_fds();
    struct pair p;
    open_pair(&p);
    int fds[5];
    for (unsigned i = 0; i < 5; i++)
        fds[i] = marked_fd('x');
    send_raw(p.fd[0], (struct span){0}, fds, 5);
    for (unsigned i = 0; i < 5; i++)
        file_close(&fds[i]);
    assert_int_equal(receive(&p), RECORD_CLOSED);
    close_pair(&p);
    assert_int_equal(open_fds(), before);
}

static void test_every_truncation_is_refused(void **state)
{
    struct pair p;
    struct buf b = {0};
    open_pair(&p);
    put_head(&b, 1, 0, 100, 1);
    for (int i = 0; i < 100; i++)
        buf_putc(&b, i);
    for (size_t n = 1; n < b.n; n++) {
        send_raw(p.fd[0], span_of(buf_span(&b).p, n), NULL, 0);
        assert_int_equal(receive(&p), -1);
    }
    send_raw(p.fd[0], buf_span(&b), NULL, 0);
    assert_int_equal(receive(&p), 0);
    buf_putc(&b, 'x');
    send_raw(p.fd[0], buf_span(&b), NULL, 0);
    assert_int_equal(receive(&p), -1);
    buf_free(&b);
    close_pair(&p);
}

static void test_a_record_longer_than_any_may_be_is_refused(void **state)
{
    struct pair p;
    struct buf b = {0};
    open_pair(&p);
    put_head(&b, 1, 0, IPC_INLINE_MAX + 1, 1);
    memset(buf_room(&b, IPC_INLINE_MAX + 1), 'x', IPC_INLINE_MAX + 1);
    buf_grew(&b, IPC_INLINE_MAX + 1);
    send_raw(p.fd[0], buf_span(&b), NULL, 0);
    assert_int_equal(receive(&p), -1);
    buf_free(&b);
    close_pair(&p);
}

static void test_unknown_flags_are_refused(void **state)
{
    struct pair p;
    open_pair(&p);
    for (unsigned bit = 0; bit < 16; bit++) {
        struct buf b = {0};
        uint16_t flags = (uint16_t)(1u << bit);
        put_head(&b, 1, flags, 0, 1);
        send_raw(p.fd[0], buf_span(&b), NULL, 0);
        assert_int_equal(receive(&p), flags == IPC_REPLY ? 0 : -1);
        buf_free(&b);
    }
    close_pair(&p);
}

/* What a mutated record decodes to, if it does, is a record that says the same. */
static void test_random_mutations_are_refused_or_mean_what_they_say(void **state)
{
    struct pair p;
    open_pair(&p);
    for (int round = 0; round < 10000; round++) {
        struct buf b = {0}, again = {0};
        put_head(&b, 0x0203, round % 2 == 0 ? 0 : IPC_REPLY, 24, 99);
        buf_puts(&b, "twenty-four octets of it");
        for (uint64_t i = rand_below(3) + 1; i > 0; i--)
            b.p[b.head + rand_below(b.n)] = (unsigned char)rand_below(256);
        send_raw(p.fd[0], buf_span(&b), NULL, 0);
        if (receive(&p) == 0) {
            put_head(&again, p.m.type, p.m.reply ? IPC_REPLY : 0, (uint32_t)p.m.payload.n, p.m.id);
            buf_put_span(&again, p.m.payload);
            assert_true(span_equal(buf_span(&b), buf_span(&again)));
        }
        buf_free(&b);
        buf_free(&again);
    }
    close_pair(&p);
}

static void test_what_a_peer_sent_before_it_ended_can_be_read(void **state)
{
    struct pair p;
    struct record r;
    open_pair(&p);
    assert_int_equal(record_make(&r, 1, IPC_REPLY, 1, span_text("last words"), NULL, 0, &p.f), 0);
    assert_int_equal(record_send(p.fd[0], &r, &p.f), 0);
    record_free(&r);
    /* Something waits for the peer when it ends: the kernel reports a reset. */
    send_raw(p.fd[1], span_text("unread"), NULL, 0);
    file_close(&p.fd[0]);
    assert_int_equal(receive(&p), 0);
    assert_true(span_is(p.m.payload, "last words"));
    assert_int_equal(receive(&p), RECORD_CLOSED);
    close_pair(&p);
}

static void test_nothing_to_read_and_no_room_to_send_are_told_apart_from_failure(void **state)
{
    struct pair p;
    struct record r;
    int sent = 0, rc;
    open_pair(&p);
    assert_int_equal(receive(&p), RECORD_AGAIN);
    assert_int_equal(record_make(&r, 1, 0, 1, span_text("x"), NULL, 0, &p.f), 0);
    while ((rc = record_send(p.fd[0], &r, &p.f)) == 0)
        sent++;
    assert_int_equal(rc, RECORD_AGAIN);
    while (receive(&p) == 0)
        sent--;
    assert_int_equal(sent, 0);
    file_close(&p.fd[1]);
    assert_int_equal(record_send(p.fd[0], &r, &p.f), -1);
    record_free(&r);
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_octets_are_those_of_the_documented_example),
        cmocka_unit_test(test_payloads_of_every_kind_of_length_arrive),
        cmocka_unit_test(test_descriptors_arrive_in_their_order_beside_a_spilled_payload_too),
        cmocka_unit_test(test_forged_spills_are_refused),
        cmocka_unit_test(test_more_descriptors_than_a_message_may_have_are_refused_and_closed),
        cmocka_unit_test(test_want_of_descriptors_is_no_fault_of_the_peer_s),
        cmocka_unit_test(test_a_record_without_octets_leaves_no_descriptor_behind),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_a_record_longer_than_any_may_be_is_refused),
        cmocka_unit_test(test_unknown_flags_are_refused),
        cmocka_unit_test(test_random_mutations_are_refused_or_mean_what_they_say),
        cmocka_unit_test(test_what_a_peer_sent_before_it_ended_can_be_read),
        cmocka_unit_test(test_nothing_to_read_and_no_room_to_send_are_told_apart_from_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
