#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto_control.h"
#include "proto_help.h"
#include "wire.h"

static struct scratch scratch;

static void on_no_preparation(void *arg, const char *refused)
{
}

static void on_no_counters(void *arg, const struct control_counter *counters, uint32_t n)
{
}

/* ---- from master ---- */

static void send_again(const struct control_message *c)
{
    struct ipc *ch = scratch.ch;
    switch (c->type) {
    case MSG_CONTROL_HAND:
        control_hand(ch, c->name, sealed_of(1));
        break;
    case MSG_CONTROL_LINK:
        control_link(ch, c->name, sealed_of(1));
        break;
    case MSG_CONTROL_CONFIG:
        control_config(ch, c->share, on_no_preparation, NULL);
        break;
    case MSG_CONTROL_METRICS:
        control_metrics(ch, c->share);
        break;
    case MSG_CONTROL_CLOCK:
        control_clock(ch, c->step_ms);
        break;
    case MSG_CONTROL_COMMIT:
        control_commit(ch);
        break;
    case MSG_CONTROL_ABORT:
        control_abort(ch);
        break;
    case MSG_CONTROL_STOP:
        control_stop(ch);
        break;
    default:
        control_counters(ch, on_no_counters, NULL);
    }
}

static bool has_fd(uint16_t type)
{
    return type == MSG_CONTROL_HAND || type == MSG_CONTROL_LINK;
}

static int message_again(uint16_t type, struct span payload, struct buf *out)
{
    struct ipc_message m = message_of(type, payload);
    struct control_message c;
    struct fail f = {{0}};
    if (has_fd(type)) {
        m.fd[0] = sealed_of(1);
        m.fds = 1;
    }
    int rc = control_read(&m, &c, &f);
    record_close_fds(&m);
    if (rc != 0) {
        assert_int_equal(c.fd, -1);
        return -1;
    }
    assert_int_equal(c.request, 7);
    send_again(&c);
    control_clear(&c);
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, type);
    assert_int_equal(scratch.m.fds, has_fd(type));
    buf_put_span(out, scratch.m.payload);
    return 0;
}

static void test_messages_of_master_stand_the_battery(void **state)
{
    static const struct control_message messages[] = {
        {.type = MSG_CONTROL_HAND, .name = (char *)"listen public smtp 192.0.2.1:25"},
        {.type = MSG_CONTROL_LINK, .name = (char *)"submit smtpd/0"},
        {.type = MSG_CONTROL_CLOCK, .step_ms = -86400000},
        {.type = MSG_CONTROL_COMMIT},
        {.type = MSG_CONTROL_ABORT},
        {.type = MSG_CONTROL_STOP},
        {.type = MSG_CONTROL_COUNTERS},
    };
    unsigned before = open_fds();
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct buf b = {0};
        send_again(&messages[i]);
        scratch_take(&scratch);
        assert_int_equal(scratch.m.type, messages[i].type);
        buf_put_span(&b, scratch.m.payload);
        char *name = mem_format("control 0x%04x", messages[i].type);
        stand_battery(name, messages[i].type, buf_span(&b), message_again);
        mem_free(&name);
        buf_free(&b);
    }
    assert_int_equal(open_fds(), before);
}

static int lost_again(uint16_t type, struct span payload, struct buf *out)
{
    struct ipc_message m = message_of(type, payload);
    struct fail f = {{0}};
    char *name;
    if (control_read_lost(&m, &name, &f) != 0) {
        assert_null(name);
        return -1;
    }
    control_link_lost(scratch.ch, name);
    mem_free(&name);
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, MSG_CONTROL_LINK_LOST);
    assert_int_equal(scratch.m.fds, 0);
    buf_put_span(out, scratch.m.payload);
    return 0;
}

static void test_the_loss_of_a_link_stands_the_battery(void **state)
{
    struct buf b = {0}, out = {0};
    control_link_lost(scratch.ch, "deliver relay");
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("link lost", MSG_CONTROL_LINK_LOST, buf_span(&b), lost_again);
    for (unsigned type = 0; type <= 0x0800; type++)
        assert_int_equal(lost_again((uint16_t)type, buf_span(&b), &out) == 0,
                         type == MSG_CONTROL_LINK_LOST);
    buf_free(&b);
    buf_free(&out);
}

static void test_a_share_and_metrics_are_any_octets(void **state)
{
    char *large = repeated('s', 2u << 20);
    const struct span shares[] = {{0}, span_of("\0\1\2", 3), span_text(large)};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        struct buf out = {0};
        assert_int_equal(message_again(MSG_CONTROL_CONFIG, shares[i], &out), 0);
        assert_true(span_equal(buf_span(&out), shares[i]));
        buf_clear(&out);
        assert_int_equal(message_again(MSG_CONTROL_METRICS, shares[i], &out), 0);
        assert_true(span_equal(buf_span(&out), shares[i]));
        buf_free(&out);
    }
    mem_free(&large);
}

static void test_a_hand_has_exactly_one_descriptor(void **state)
{
    unsigned before = open_fds();
    for (unsigned n = 0; n <= IPC_FDS; n++) {
        struct ipc_message m = message_of(MSG_CONTROL_HAND, span_of("\0\0\0\1x", 5));
        struct control_message c;
        struct fail f;
        for (unsigned i = 0; i < n; i++)
            m.fd[m.fds++] = sealed_of(1);
        assert_int_equal(control_read(&m, &c, &f), n == 1 ? 0 : -1);
        if (n == 1) {
            assert_true(c.fd >= 0);
            assert_int_equal(m.fd[0], -1);
        }
        control_clear(&c);
        record_close_fds(&m);
    }
    assert_int_equal(open_fds(), before);
}

static void test_only_messages_of_master_are_read(void **state)
{
    for (unsigned type = 0; type <= 0x0800; type++) {
        struct ipc_message m = message_of((uint16_t)type, (struct span){0});
        struct control_message c;
        struct fail f;
        bool empty = type == MSG_CONTROL_CONFIG || type == MSG_CONTROL_METRICS ||
                     type == MSG_CONTROL_COMMIT || type == MSG_CONTROL_ABORT ||
                     type == MSG_CONTROL_STOP || type == MSG_CONTROL_COUNTERS;
        assert_int_equal(control_read(&m, &c, &f) == 0, empty);
    }
}

/* ---- to master ---- */

struct heard {
    struct buf *out;
    int calls, rc;
};

static void on_prepared(void *arg, const char *refused)
{
    struct heard *h = arg;
    h->calls++;
    if (refused == NULL)
        control_ready(scratch.ch, 1);
    else
        control_refuse(scratch.ch, 1, refused);
    scratch_take(&scratch);
    h->rc = scratch.m.type;
    buf_put_span(h->out, scratch.m.payload);
}

static void ask_config(struct ipc *ch, void *arg)
{
    control_config(ch, span_text("share"), on_prepared, arg);
}

/* A malformed answer counts as a refusal; whether the channel went on tells which it was. */
static int prepared_again(uint16_t type, struct span payload, struct buf *out)
{
    struct scratch s;
    struct record r;
    struct fail f;
    struct heard h = {.out = out};
    scratch_open(&s);
    ask_config(s.ch, &h);
    scratch_take(&s);
    assert_int_equal(record_make(&r, type, IPC_REPLY, s.m.id, payload, NULL, 0, &f), 0);
    assert_int_equal(record_send(s.raw, &r, &f), 0);
    record_free(&r);
    (void)event_base_loop(s.base, EVLOOP_NONBLOCK);
    int rc = ipc_is_open(s.ch) ? 0 : -1;
    scratch_close(&s);
    assert_int_equal(h.calls, 1);
    if (rc == 0)
        assert_int_equal(h.rc, type);
    else
        assert_int_equal(h.rc, MSG_CONTROL_REFUSED);
    return rc;
}

static void test_answers_to_a_configuration_stand_the_battery(void **state)
{
    struct buf b = {0}, out = {0};
    stand_battery("ready", MSG_CONTROL_READY, buf_span(&b), prepared_again);
    control_refuse(scratch.ch, 1, "the certificate does not belong to the key of listen public");
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("refused", MSG_CONTROL_REFUSED, buf_span(&b), prepared_again);
    assert_int_equal(prepared_again(MSG_CONTROL_COMMIT, (struct span){0}, &out), -1);
    buf_free(&b);
    buf_free(&out);
}

static void on_counters(void *arg, const struct control_counter *counters, uint32_t n)
{
    struct heard *h = arg;
    const char *names[3];
    uint64_t values[3];
    h->calls++;
    h->rc = n == 0 ? -1 : 0;
    if (n == 0)
        return;
    assert_true(n <= 3);
    for (uint32_t i = 0; i < n; i++) {
        names[i] = counters[i].name;
        values[i] = counters[i].value;
    }
    control_counters_are(scratch.ch, 1, names, values, n);
    scratch_take(&scratch);
    buf_put_span(h->out, scratch.m.payload);
}

static void ask_counters(struct ipc *ch, void *arg)
{
    control_counters(ch, on_counters, arg);
}

static int counters_again(uint16_t type, struct span payload, struct buf *out)
{
    struct heard h = {.out = out};
    answer_with(ask_counters, &h, type, payload);
    assert_int_equal(h.calls, 1);
    return h.rc;
}

static void test_counters_stand_the_battery(void **state)
{
    static const char *const names[] = {"messages_accepted_total", "window_recipients", "x"};
    static const uint64_t values[] = {1, UINT64_MAX, 0};
    struct buf b = {0};
    control_counters_are(scratch.ch, 1, names, values, 3);
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("counters", MSG_CONTROL_COUNTERS_ARE, buf_span(&b), counters_again);
    buf_free(&b);
}

static void test_what_has_counted_nothing_under_its_labels_is_left_out(void **state)
{
    static const char *const names[] = {"a_total",
                                        "b_total code=1",
                                        "b_total code=2",
                                        "c_seconds_bucket result=ok le=1",
                                        "c_seconds_sum result=ok",
                                        "c_seconds_count result=ok",
                                        "c_seconds_bucket result=no le=1",
                                        "c_seconds_sum result=no",
                                        "c_seconds_count result=no"};
    static const uint64_t values[] = {0, 0, 5, 0, 0, 3, 0, 0, 0};
    static const int told[] = {0, 2, 3, 4, 5, 6};
    struct buf expected = {0};
    wire_put_u32(&expected, 6);
    for (size_t i = 0; i < 6; i++) {
        wire_put_text(&expected, names[told[i]]);
        wire_put_u64(&expected, values[told[i]]);
    }
    control_counters_are(scratch.ch, 1, names, values, 9);
    scratch_take(&scratch);
    assert_int_equal(scratch.m.payload.n, expected.n);
    assert_memory_equal(scratch.m.payload.p, buf_span(&expected).p, expected.n);
    buf_free(&expected);
}

static void test_a_process_that_goes_away_has_refused_and_counts_nothing(void **state)
{
    struct scratch s;
    struct buf out = {0};
    struct heard prepared = {.out = &out}, counted = {.out = &out};
    scratch_open(&s);
    ask_config(s.ch, &prepared);
    ask_counters(s.ch, &counted);
    scratch_close(&s);
    assert_int_equal(prepared.calls, 1);
    assert_int_equal(prepared.rc, MSG_CONTROL_REFUSED);
    assert_int_equal(counted.calls, 1);
    assert_int_equal(counted.rc, -1);
    buf_free(&out);
}

static int open_group(void **state)
{
    scratch_open(&scratch);
    return log_nothing(state);
}

static int close_group(void **state)
{
    scratch_close(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_of_master_stand_the_battery),
        cmocka_unit_test(test_the_loss_of_a_link_stands_the_battery),
        cmocka_unit_test(test_a_share_and_metrics_are_any_octets),
        cmocka_unit_test(test_a_hand_has_exactly_one_descriptor),
        cmocka_unit_test(test_only_messages_of_master_are_read),
        cmocka_unit_test(test_answers_to_a_configuration_stand_the_battery),
        cmocka_unit_test(test_counters_stand_the_battery),
        cmocka_unit_test(test_what_has_counted_nothing_under_its_labels_is_left_out),
        cmocka_unit_test(test_a_process_that_goes_away_has_refused_and_counts_nothing),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
