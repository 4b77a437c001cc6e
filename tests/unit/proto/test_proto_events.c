#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mem.h"
#include "proto_events.h"
#include "proto_help.h"

static struct scratch scratch;

static struct event_item sample_event(void)
{
    static struct submit_extra extra[2] = {{(char *)"order", (char *)"1042"},
                                           {(char *)"", (char *)""}};
    return (struct event_item){.type = EVENT_COMPLAINED,
                               .suppressed = true,
                               .when_ms = 1732700000123,
                               .recipient = 0x0006400000000002,
                               .message = 0x0006400000000001,
                               .account = (char *)"billing",
                               .address = (char *)"c@d.example",
                               .message_id = (char *)"<1@b.example>",
                               .subject = (char *)"Hello",
                               .from_id = (char *)"",
                               .code = 550,
                               .enhanced = (char *)"5.1.1",
                               .text = (char *)"550 5.1.1 no",
                               .remote_host = (char *)"mx.d.example",
                               .remote_address = (char *)"192.0.2.1:25",
                               .tls = (char *)"TLSv1.3; policy may",
                               .tls_name = (char *)"mx.d.example",
                               .tls_peer = (char *)"CN=mx.d.example",
                               .tls_record = (char *)"3 1 1 0b9f",
                               .extra = extra,
                               .extra_n = 2};
}

/* ---- the request ---- */

static int request_again(uint16_t type, struct span s, struct buf *out)
{
    struct ipc_message m = {.type = type, .id = 1, .payload = s, .fd = {-1, -1, -1, -1}};
    struct events_request r;
    struct fail f = {{0}};
    if (events_request_read(&m, &r, &f) != 0)
        return -1;
    wire_put_text(out, r.account);
    wire_put_u64(out, r.after);
    wire_put_u32(out, r.limit);
    wire_put_u32(out, r.wait_ms);
    events_request_clear(&r);
    return 0;
}

static void put_request(struct buf *b, uint32_t limit, uint32_t wait_ms)
{
    buf_clear(b);
    wire_put_text(b, "billing");
    wire_put_u64(b, 17);
    wire_put_u32(b, limit);
    wire_put_u32(b, wait_ms);
}

static void test_the_request_stands_the_battery(void **state)
{
    struct buf b = {0}, out = {0};
    put_request(&b, 100, 30000);
    stand_battery("read", MSG_EVENTS_READ, buf_span(&b), request_again);
    put_request(&b, 0, 0);
    assert_int_equal(request_again(MSG_EVENTS_READ, buf_span(&b), &out), -1);
    put_request(&b, EVENTS_PAGE_MAX + 1, 0);
    assert_int_equal(request_again(MSG_EVENTS_READ, buf_span(&b), &out), -1);
    put_request(&b, EVENTS_PAGE_MAX, EVENTS_WAIT_MAX_MS + 1);
    assert_int_equal(request_again(MSG_EVENTS_READ, buf_span(&b), &out), -1);
    buf_free(&b);
    buf_free(&out);
}

/* ---- the answer ---- */

struct heard {
    struct buf *out;
    int calls, rc;
};

static void on_page(void *arg, const struct events_page *page)
{
    struct heard *h = arg;
    h->calls++;
    h->rc = page == NULL ? -1 : 0;
    if (page == NULL)
        return;
    events_answer(scratch.ch, 1, page);
    scratch_take(&scratch);
    buf_put_span(h->out, scratch.m.payload);
}

static void ask(struct ipc *ch, void *arg)
{
    (void)events_read(ch, "billing", 17, 100, 0, on_page, arg);
}

static int page_again(uint16_t type, struct span payload, struct buf *out)
{
    struct heard h = {.out = out};
    answer_with(ask, &h, type, payload);
    assert_int_equal(h.calls, 1);
    return h.rc;
}

static void test_the_answer_stands_the_battery(void **state)
{
    struct event_at events[2] = {{.cursor = 18, .item = sample_event()},
                                 {.cursor = 19, .item = sample_event()}};
    const struct events_page page = {events, 2, 19, true};
    struct buf sample = {0}, out = {0};
    events_answer(scratch.ch, 1, &page);
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, MSG_EVENTS_PAGE);
    buf_put_span(&sample, scratch.m.payload);
    stand_battery("page", MSG_EVENTS_PAGE, buf_span(&sample), page_again);
    assert_int_equal(page_again(MSG_EVENTS_READ, buf_span(&sample), &out), -1);
    events_answer(scratch.ch, 1, NULL);
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, MSG_EVENTS_REFUSED);
    assert_int_equal(page_again(MSG_EVENTS_REFUSED, (struct span){0}, &out), -1);
    buf_free(&sample);
    buf_free(&out);
}

static void test_every_type_has_a_name(void **state)
{
    for (int i = 0; i < EVENT_TYPES; i++)
        assert_true(event_names[i] != NULL && event_names[i][0] != '\0');
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

static void test_webhooks_tell_of_some_and_their_names_lead_back(void **state)
{
    struct buf names = {0};
    unsigned told = 0;
    for (unsigned i = 0; i < EVENT_TYPES; i++) {
        const char *name = event_hook_name((enum event_type)i);
        assert_int_equal(event_of_hook(event_names[i]), name == NULL ? EVENT_TYPES : i);
        if (name == NULL)
            continue;
        assert_string_equal(name, event_names[i]);
        told++;
    }
    assert_int_equal(told, 8);
    assert_int_equal(event_of_hook(""), EVENT_TYPES);
    assert_int_equal(event_of_hook("opened"), EVENT_TYPES);
    event_put_hook_names(&names);
    assert_string_equal(buf_text(&names),
                        "delivered, delayed, failed, canceled, suppressed, relayed, "
                        "expanded, unrecognized");
    buf_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_request_stands_the_battery),
        cmocka_unit_test(test_the_answer_stands_the_battery),
        cmocka_unit_test(test_every_type_has_a_name),
        cmocka_unit_test(test_webhooks_tell_of_some_and_their_names_lead_back),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
