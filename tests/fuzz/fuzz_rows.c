/* themes: core:qmgr base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "mem.h"
#include "once.h"
#include "rows.h"

/* The rows of the queue's store; the first octet chooses which. What decodes encodes to the same
 * octets again. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int msg(struct span s, struct buf *out)
{
    struct msg_row r;
    if (msg_row_read(s, &r) != 0)
        return -1;
    msg_row_put(out, &r);
    msg_row_clear(&r);
    return 0;
}

static int rcpt(struct span s, struct buf *out)
{
    struct rcpt_row r;
    if (rcpt_row_read(s, &r) != 0)
        return -1;
    assert(strlen(address_domain(r.address)) <= PROTO_NAME_MAX && r.next_ms >= 0);
    struct rcpt_peek p;
    assert(rcpt_row_peek(s, &p) == 0 && p.message == r.message && p.held == r.held &&
           p.attempts == r.attempts && p.next_ms == r.next_ms && span_is(p.address, r.address) &&
           span_is(p.transport, r.transport));
    rcpt_row_put(out, &r);
    /* A row too long is written shorter: it still decodes, with as many results. */
    if (s.n > ROW_MAX) {
        struct rcpt_row again;
        assert(rcpt_row_read(buf_span(out), &again) == 0 && again.results_n == r.results_n &&
               out->n <= s.n);
        rcpt_row_clear(&again);
        buf_clear(out);
        buf_put_span(out, s);
    }
    rcpt_row_clear(&r);
    return 0;
}

static int event(struct span s, struct buf *out)
{
    struct event_item r;
    if (event_row_read(s, &r) != 0)
        return -1;
    event_row_put(out, &r);
    event_item_clear(&r);
    return 0;
}

static int retired(struct span s, struct buf *out)
{
    struct retired_row r;
    if (retired_row_read(s, &r) != 0)
        return -1;
    const struct admin_row *row = &r.item.row;
    struct admin_peek p;
    assert(retired_row_peek(s, &p) == 0 && p.id == row->id && p.message == row->message &&
           p.success == row->success && p.attempts == row->attempts &&
           p.received_ms == row->received_ms && p.next_ms == row->next_ms &&
           span_is(p.account, row->account) && span_is(p.sender, row->sender) &&
           span_is(p.recipient, row->recipient) && span_is(p.transport, row->transport));
    retired_row_put(out, &r);
    retired_row_clear(&r);
    return 0;
}

static int hook(struct span s, struct buf *out)
{
    struct hook_row r;
    char *url = hook_row_url(s);
    int rc = hook_row_read(s, &r);
    if (rc == 0) {
        struct hook_peek p;
        assert(url != NULL && strcmp(url, r.url) == 0);
        assert(hook_row_peek(s, &p) == 0 && p.success == r.success && p.attempts == r.attempts &&
               p.submitted_ms == r.submitted_ms && p.next_ms == r.next_ms &&
               span_is(p.account, r.account) && span_is(p.event, r.event));
        hook_row_put(out, &r);
        hook_row_clear(&r);
    }
    mem_release(url);
    return rc;
}

static int suppress(struct span s, struct buf *out)
{
    struct suppression r;
    if (suppress_row_read(s, &r) != 0)
        return -1;
    suppress_row_put(out, &r);
    suppression_clear(&r);
    return 0;
}

static int failure(struct span s, struct buf *out)
{
    struct failure_row r;
    if (failure_row_read(s, &r) != 0)
        return -1;
    failure_row_put(out, &r);
    return 0;
}

static int fromid(struct span s, struct buf *out)
{
    struct span text;
    uint64_t recipient;
    if (fromid_row_read(s, &recipient, &text) != 0)
        return -1;
    fromid_row_put(out, recipient, text);
    return 0;
}

static int once(struct span s, struct buf *out)
{
    struct once_row r;
    if (once_row_read(s, &r) != 0)
        return -1;
    once_row_put(out, &r);
    once_row_clear(&r);
    return 0;
}

static int mail(struct span s, struct buf *out)
{
    struct mail_message m;
    if (mail_row_read(s, &m) != 0)
        return -1;
    assert(m.id != 0 && m.keywords.n <= MAIL_WORDS_MAX);
    mail_row_put(out, &m);
    mail_message_clear(&m);
    return 0;
}

static int hold(struct span s, struct buf *out)
{
    struct admin_hold_rule r;
    if (hold_row_read(s, &r) != 0)
        return -1;
    hold_row_put(out, &r);
    admin_hold_rule_clear(&r);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int (*const again[])(struct span s, struct buf * out) = {
        msg, rcpt, event, retired, hook, suppress, once, failure, fromid, mail, hold};
    struct buf out = {0};
    if (size == 0)
        return 0;
    struct span s = span_of(data + 1, size - 1);
    if (again[data[0] % (sizeof again / sizeof again[0])](s, &out) == 0)
        assert(span_equal(s, buf_span(&out)));
    buf_free(&out);
    return 0;
}
