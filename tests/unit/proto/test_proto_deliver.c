#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto_deliver.h"
#include "proto_help.h"
#include "proto_submit.h"

static struct scratch scratch;
static int body; /* of 5000 octets */

static struct deliver_job *full_job(void)
{
    static const struct deliver_recipient recipients[] = {
        {0x640000000001, (char *)"a@example.net", (char *)"rfc822;a@example.net", NOTIFY_DELAY},
        {0x640000000003, (char *)"b@example.net", (char *)"", 0},
    };
    struct deliver_job *job = mem_zero(sizeof *job);
    job->message = 0x640000000001;
    job->transport = mem_text("direct");
    job->destination = mem_text("example.net");
    job->sender = mem_text("s@example.org");
    job->envid = mem_text("e1");
    job->ret = mem_text("FULL");
    job->flags = SUBMIT_UTF8_HEADER;
    job->attempt = 3;
    job->size = 5000;
    job->sts.policy = mem_zero(sizeof *job->sts.policy); /* mode none: without hosts */
    job->sts.policy->max_age_s = 86400;
    (void)snprintf(job->sts.id, sizeof job->sts.id, "7a");
    job->sts.refresh_ms = 1732700000123;
    job->recipients_n = 2;
    job->recipients = mem_array(2, sizeof *job->recipients);
    for (int i = 0; i < 2; i++) {
        job->recipients[i] = recipients[i];
        job->recipients[i].address = mem_text(recipients[i].address);
        job->recipients[i].orcpt = mem_text(recipients[i].orcpt);
    }
    return job;
}

static struct deliver_result full_result(uint64_t id)
{
    struct deliver_result r = deliver_result_new(id, DELIVER_DEFERRED);
    r.code = 451;
    submit_set(&r.enhanced, "4.7.1");
    submit_set(&r.reply, "451-4.7.1 one\n451 4.7.1 two");
    submit_set(&r.error, "try later");
    submit_set(&r.remote_host, "mx.example.net");
    submit_set(&r.remote_address, "192.0.2.1:25");
    submit_set(&r.tls, "TLSv1.3 TLS_AES_256_GCM_SHA384 dane");
    submit_set(&r.stage, "dot");
    submit_set(&r.rcpt_reply, "250 2.1.5 taken");
    submit_set(&r.transport, "relay");
    r.start_ms = 1732700000123;
    r.duration_ms = 812;
    submit_set(&r.tls_name, "mx.example.net");
    submit_set(&r.tls_peer, "CN=mx.example.net");
    submit_set(&r.tls_record, "3 1 1 0b9f");
    r.octets = 123456789012;
    return r;
}

static void on_nothing(void *arg, const struct deliver_result *results, uint32_t n,
                       const struct deliver_report *report, const struct deliver_incoming *incoming)
{
}

static int read_job(struct span payload, int fd, struct deliver_job **job)
{
    struct ipc_message m = message_of(MSG_DELIVER_JOB, payload);
    struct fail f = {{0}};
    int got = -1;
    m.fd[0] = fd;
    m.fds = fd < 0 ? 0 : 1;
    int rc = deliver_read(&m, job, &got, &f);
    assert_int_equal(rc == 0 ? fd : -1, got);
    assert_int_equal(rc == 0, *job != NULL);
    if (rc == 0)
        (void)close(got);
    record_close_fds(&m);
    return rc;
}

static int job_again(uint16_t type, struct span payload, struct buf *out)
{
    struct deliver_job *job = NULL;
    int rc = read_job(payload, fcntl(body, F_DUPFD_CLOEXEC, 0), &job);
    if (rc == 0) {
        deliver_ask(scratch.ch, job, body, on_nothing, NULL);
        scratch_take(&scratch);
        buf_put_span(out, scratch.m.payload);
    }
    deliver_job_free(&job);
    return rc;
}

static void put_job(struct buf *b)
{
    struct deliver_job *job = full_job();
    deliver_ask(scratch.ch, job, body, on_nothing, NULL);
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, MSG_DELIVER_JOB);
    assert_int_equal(scratch.m.fds, 1);
    buf_put_span(b, scratch.m.payload);
    deliver_job_free(&job);
}

static void test_a_job_stands_the_battery(void **state)
{
    struct buf b = {0};
    put_job(&b);
    stand_battery("job", MSG_DELIVER_JOB, buf_span(&b), job_again);
    buf_free(&b);
}

static void test_a_job_is_refused_without_the_message_it_speaks_of(void **state)
{
    struct deliver_job *job = NULL;
    struct buf b = {0};
    unsigned before = open_fds();
    put_job(&b);
    assert_int_equal(read_job(buf_span(&b), fcntl(body, F_DUPFD_CLOEXEC, 0), &job), 0);
    assert_string_equal(job->destination, "example.net");
    assert_int_equal(job->recipients[1].id, 0x640000000003);
    deliver_job_free(&job);
    deliver_job_free(&job);
    assert_int_equal(read_job(buf_span(&b), -1, &job), -1);
    assert_int_equal(read_job(buf_span(&b), sealed_of(4999), &job), -1);
    assert_int_equal(read_job(buf_span(&b), sealed_of(5001), &job), -1);
    assert_int_equal(read_job(buf_span(&b), open("/dev/null", O_RDONLY | O_CLOEXEC), &job), -1);
    buf_free(&b);
    assert_int_equal(open_fds(), before);
}

static int result_again(uint16_t type, struct span payload, struct buf *out)
{
    struct deliver_result r;
    struct wire w = wire_open(payload);
    deliver_result_get(&w, &r);
    int rc = wire_end(&w);
    if (rc == 0)
        deliver_result_put(out, &r);
    deliver_result_clear(&r);
    return rc;
}

static void test_a_result_stands_the_battery(void **state)
{
    struct deliver_result r = full_result(5), copy;
    struct buf b = {0}, of_copy = {0};
    deliver_result_put(&b, &r);
    stand_battery("result", 0, buf_span(&b), result_again);
    deliver_result_copy(&copy, &r);
    deliver_result_clear(&r);
    deliver_result_put(&of_copy, &copy);
    assert_true(span_equal(buf_span(&b), buf_span(&of_copy)));
    deliver_result_clear(&copy);
    buf_free(&b);
    buf_free(&of_copy);
}

static void test_long_texts_of_a_result_are_cut_and_do_not_break_the_channel(void **state)
{
    struct deliver_result r = deliver_result_new(1, DELIVER_FAILED), got;
    char *text = repeated('x', 100000);
    struct buf b = {0};
    char **const fields[] = {&r.enhanced,       &r.reply,    &r.error,    &r.remote_host,
                             &r.remote_address, &r.tls,      &r.stage,    &r.rcpt_reply,
                             &r.transport,      &r.tls_name, &r.tls_peer, &r.tls_record};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        submit_set(fields[i], text);
    deliver_result_put(&b, &r);
    struct wire w = wire_open(buf_span(&b));
    deliver_result_get(&w, &got);
    assert_int_equal(wire_end(&w), 0);
    assert_int_equal(strlen(got.reply), PROTO_TEXT_MAX);
    assert_int_equal(strlen(got.error), PROTO_TEXT_MAX);
    assert_int_equal(strlen(got.rcpt_reply), PROTO_TEXT_MAX);
    assert_int_equal(strlen(got.transport), PROTO_NAME_MAX);
    assert_int_equal(strlen(got.enhanced), PROTO_NAME_MAX);
    assert_int_equal(strlen(got.tls_peer), PROTO_NAME_MAX);
    assert_int_equal(strlen(got.tls_record), PROTO_NAME_MAX);
    assert_int_equal(strlen(got.stage), PROTO_NAME_MAX);
    deliver_result_clear(&r);
    deliver_result_clear(&got);
    mem_free(&text);
    buf_free(&b);
}

/* ---- the answer ---- */

struct heard {
    struct buf *out;
    int calls, rc;
};

static void on_results(void *arg, const struct deliver_result *results, uint32_t n,
                       const struct deliver_report *report, const struct deliver_incoming *incoming)
{
    struct heard *h = arg;
    h->calls++;
    h->rc = results == NULL ? -1 : 0;
    assert_int_equal(n, 2);
    if (results == NULL)
        return;
    deliver_answer_told(scratch.ch, 1, results, n, report, incoming);
    scratch_take(&scratch);
    buf_put_span(h->out, scratch.m.payload);
}

static void ask(struct ipc *ch, void *arg)
{
    struct deliver_job *job = full_job();
    deliver_ask(ch, job, body, on_results, arg);
    deliver_job_free(&job);
}

static int results_again(uint16_t type, struct span payload, struct buf *out)
{
    struct heard h = {.out = out};
    answer_with(ask, &h, type, payload);
    assert_int_equal(h.calls, 1);
    return h.rc;
}

/* The octets of an answer with results for these recipients. */
static void put_answer(struct buf *b, const uint64_t *ids, uint32_t n)
{
    struct deliver_result r[3] = {{0}};
    for (uint32_t i = 0; i < n; i++)
        r[i] = full_result(ids[i]);
    deliver_answer(scratch.ch, 1, r, n);
    scratch_take(&scratch);
    buf_clear(b);
    buf_put_span(b, scratch.m.payload);
    for (uint32_t i = 0; i < n; i++)
        deliver_result_clear(&r[i]);
}

static void test_an_answer_stands_the_battery(void **state)
{
    const uint64_t ids[] = {0x640000000001, 0x640000000003};
    struct buf b = {0};
    put_answer(&b, ids, 2);
    stand_battery("results", MSG_DELIVER_RESULT, buf_span(&b), results_again);
    buf_free(&b);
}

static void test_an_answer_with_a_report_and_a_description_stands_the_battery(void **state)
{
    struct deliver_result r[2] = {full_result(0x640000000001), full_result(0x640000000003)};
    struct deliver_report report = deliver_report_new(), copy;
    report.said = DELIVER_SAID_ACTION;
    report.action = DELIVER_ACTION_EXPANDED;
    report.code = 250;
    submit_set(&report.enhanced, "2.1.5");
    submit_set(&report.final, "bob@example.net");
    submit_set(&report.original, "list@example.net");
    submit_set(&report.reporter, "mx.example.net");
    submit_set(&report.diagnostic, "250 2.1.5 expanded");
    deliver_report_copy(&copy, &report);
    deliver_report_clear(&report);
    const struct deliver_incoming incoming = {(char *)"\"From\":[],\"Subject\":\"x\"", true};
    deliver_answer_told(scratch.ch, 1, r, 2, &copy, &incoming);
    scratch_take(&scratch);
    struct buf b = {0};
    buf_put_span(&b, scratch.m.payload);
    stand_battery("report", MSG_DELIVER_RESULT, buf_span(&b), results_again);
    deliver_report_clear(&copy);
    deliver_result_clear(&r[0]);
    deliver_result_clear(&r[1]);
    buf_free(&b);
}

static void test_results_are_taken_for_every_recipient_of_the_job_in_its_order_only(void **state)
{
    static const struct {
        uint64_t ids[3];
        uint32_t n;
        int rc;
    } cases[] = {
        {{0x640000000001, 0x640000000003}, 2, 0},
        {{0x640000000003, 0x640000000001}, 2, -1},
        {{0x640000000001, 0x640000000001}, 2, -1},
        {{0x640000000001}, 1, -1},
        {{0}, 0, -1},
        {{0x640000000001, 0x640000000003, 0x640000000005}, 3, -1},
    };
    struct buf b = {0}, out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_answer(&b, cases[i].ids, cases[i].n);
        assert_int_equal(results_again(MSG_DELIVER_RESULT, buf_span(&b), &out), cases[i].rc);
    }
    put_answer(&b, cases[0].ids, 2);
    assert_int_equal(results_again(MSG_DELIVER_JOB, buf_span(&b), &out), -1);
    buf_free(&b);
    buf_free(&out);
}

static void test_only_what_is_done_can_be_reported_or_complained_of(void **state)
{
    for (int status = 0; status < DELIVER_STATUSES; status++) {
        for (int bits = 0; bits < 4; bits++) {
            struct deliver_result r = deliver_result_new(1, (enum deliver_status)status), again;
            struct buf b = {0};
            r.reports = (bits & 1) != 0;
            r.complaint = (bits & 2) != 0;
            deliver_result_put(&b, &r);
            struct wire w = wire_open(buf_span(&b));
            deliver_result_get(&w, &again);
            assert_int_equal(wire_end(&w), 0);
            assert_int_equal(again.status, status);
            assert_int_equal(again.reports, r.reports && status == DELIVER_DONE);
            assert_int_equal(again.complaint, r.complaint && status == DELIVER_DONE);
            deliver_result_clear(&r);
            deliver_result_clear(&again);
            buf_free(&b);
        }
    }
}

static int open_group(void **state)
{
    scratch_open(&scratch);
    body = sealed_of(5000);
    return log_nothing(state);
}

static int close_group(void **state)
{
    scratch_close(&scratch);
    (void)close(body);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_stands_the_battery),
        cmocka_unit_test(test_a_job_is_refused_without_the_message_it_speaks_of),
        cmocka_unit_test(test_a_result_stands_the_battery),
        cmocka_unit_test(test_only_what_is_done_can_be_reported_or_complained_of),
        cmocka_unit_test(test_long_texts_of_a_result_are_cut_and_do_not_break_the_channel),
        cmocka_unit_test(test_an_answer_stands_the_battery),
        cmocka_unit_test(test_an_answer_with_a_report_and_a_description_stands_the_battery),
        cmocka_unit_test(test_results_are_taken_for_every_recipient_of_the_job_in_its_order_only),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
