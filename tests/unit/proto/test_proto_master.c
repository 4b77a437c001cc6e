#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto_help.h"
#include "proto_master.h"

static struct scratch scratch;

static const struct {
    uint16_t type;
    int64_t step_ms;
} requests[] = {
    {MSG_MASTER_STATUS, 0}, {MSG_MASTER_CONFIG, 0},      {MSG_MASTER_RELOAD, 0},
    {MSG_MASTER_STOP, 0},   {MSG_MASTER_CREDENTIALS, 0}, {MSG_MASTER_CLOCK, 3600000},
};

/* What the client's function sends for this request. */
static void send_request(uint16_t type, int64_t step_ms, struct buf *out)
{
    struct ipc_message m;
    struct buf storage = {0}, text = {0};
    struct master_status status;
    struct fail f;
    int other, fd = ready_answer(MSG_MASTER_REFUSED, span_of("\0\0\0\0", 4), &other);
    if (type == MSG_MASTER_STATUS)
        assert_int_equal(master_ask_status(fd, &status, &f), -1);
    else if (type == MSG_MASTER_CONFIG)
        assert_int_equal(master_ask_config(fd, &text, &f), -1);
    else
        assert_int_equal(master_ask(fd, type, step_ms, 1000, &f), -1);
    assert_int_equal(record_receive(other, &m, &storage, &f), 0);
    assert_int_equal(m.type, type);
    buf_put_span(out, m.payload);
    buf_free(&storage);
    buf_free(&text);
    (void)close(fd);
    (void)close(other);
}

static int request_again(uint16_t type, struct span payload, struct buf *out)
{
    struct ipc_message m = message_of(type, payload);
    struct master_request r;
    struct fail f;
    if (master_read(&m, &r, &f) != 0)
        return -1;
    assert_int_equal(r.type, type);
    send_request(r.type, r.step_ms, out);
    return 0;
}

static void test_requests_stand_the_battery(void **state)
{
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct buf b = {0};
        send_request(requests[i].type, requests[i].step_ms, &b);
        char *name = mem_format("request 0x%04x", requests[i].type);
        stand_battery(name, requests[i].type, buf_span(&b), request_again);
        mem_free(&name);
        buf_free(&b);
    }
}

static void test_only_requests_of_the_protocol_are_read(void **state)
{
    for (unsigned type = 0; type <= 0x0800; type++) {
        struct ipc_message m = message_of((uint16_t)type, (struct span){0});
        struct master_request r;
        struct fail f;
        bool known = false;
        for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
            known = known || (requests[i].type == type && type != MSG_MASTER_CLOCK);
        assert_int_equal(master_read(&m, &r, &f) == 0, known);
    }
}

static int status_again(uint16_t type, struct span payload, struct buf *out)
{
    struct master_status s;
    struct fail f;
    int other, fd = ready_answer(type, payload, &other);
    int rc = master_ask_status(fd, &s, &f);
    if (rc == 0) {
        master_answer_status(scratch.ch, 1, &s);
        scratch_take(&scratch);
        buf_put_span(out, scratch.m.payload);
    }
    master_status_clear(&s);
    (void)close(fd);
    (void)close(other);
    return rc;
}

static void test_a_status_stands_the_battery(void **state)
{
    struct master_process processes[] = {
        {(char *)"smtpd/0", 123, 997, (char *)"/var/lib/empty", (char *)"filter", 2, 60000,
         (char *)"up"},
        {(char *)"qmgr", 0, 998, (char *)"/var/lib/q", (char *)"off", 0, 0, (char *)"waiting"},
    };
    const struct master_status s = {
        .pid = 100,
        .uptime_ms = 61000,
        .config_path = (char *)"/etc/quartermaster/quartermaster.conf",
        .config_ms = 1732700000123,
        .privileged = true,
        .processes = processes,
        .processes_n = 2,
    };
    struct buf b = {0};
    master_answer_status(scratch.ch, 1, &s);
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("status", MSG_MASTER_STATUS_IS, buf_span(&b), status_again);
    buf_free(&b);
}

static int config_again(uint16_t type, struct span payload, struct buf *out)
{
    struct buf text = {0};
    struct fail f;
    int other, fd = ready_answer(type, payload, &other);
    int rc = master_ask_config(fd, &text, &f);
    if (rc == 0) {
        master_answer_config(scratch.ch, 1, buf_span(&text));
        scratch_take(&scratch);
        buf_put_span(out, scratch.m.payload);
    }
    buf_free(&text);
    (void)close(fd);
    (void)close(other);
    return rc;
}

static void test_a_configuration_stands_the_battery(void **state)
{
    struct buf b = {0};
    char *large = repeated('#', 300000);
    master_answer_config(scratch.ch, 1,
                         span_text("hostname mail.example.org\nqueue { attempts 8 }\n"));
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("config", MSG_MASTER_CONFIG_IS, buf_span(&b), config_again);
    buf_clear(&b);
    master_answer_config(scratch.ch, 1, span_text(large));
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    struct buf out = {0};
    assert_int_equal(config_again(MSG_MASTER_CONFIG_IS, buf_span(&b), &out), 0);
    assert_true(span_equal(buf_span(&b), buf_span(&out)));
    mem_free(&large);
    buf_free(&b);
    buf_free(&out);
}

static int done(uint16_t type, struct span payload, struct fail *f)
{
    int other, fd = ready_answer(type, payload, &other);
    int rc = master_ask(fd, MSG_MASTER_RELOAD, 0, 1000, f);
    (void)close(fd);
    (void)close(other);
    return rc;
}

static void test_done_and_refused_are_told_apart(void **state)
{
    struct buf b = {0};
    struct fail f;
    master_done(scratch.ch, 1);
    scratch_take(&scratch);
    assert_int_equal(done(scratch.m.type, scratch.m.payload, &f), 0);
    master_refuse(scratch.ch, 1, "line 3: no such setting");
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    assert_int_equal(done(MSG_MASTER_REFUSED, buf_span(&b), &f), -1);
    assert_string_equal(f.text, "line 3: no such setting");
    assert_int_equal(done(MSG_MASTER_STATUS_IS, buf_span(&b), &f), -1);
    assert_string_equal(f.text, "malformed answer from master");
    buf_free(&b);
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
        cmocka_unit_test(test_requests_stand_the_battery),
        cmocka_unit_test(test_only_requests_of_the_protocol_are_read),
        cmocka_unit_test(test_a_status_stands_the_battery),
        cmocka_unit_test(test_a_configuration_stands_the_battery),
        cmocka_unit_test(test_done_and_refused_are_told_apart),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
