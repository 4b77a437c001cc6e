/* themes: proto ipc smtp tlspolicy codec base */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "proto_admin.h"
#include "proto_control.h"
#include "proto_deliver.h"
#include "proto_events.h"
#include "proto_fetch.h"
#include "proto_hook.h"
#include "proto_learned.h"
#include "proto_mail.h"
#include "proto_mailbox.h"
#include "proto_master.h"
#include "proto_secret.h"
#include "proto_submit.h"
#include "proto_suppress.h"
#include "record.h"

/* Messages between processes, as whoever is asked reads them; the first octet chooses the protocol,
 * the second the type of message in it. Those with codecs of their own for both directions encode
 * to the same octets again. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int sealed = -1;

static struct ipc_message message_of(uint16_t type, struct span payload)
{
    return (struct ipc_message){.type = type, .id = 1, .payload = payload, .fd = {-1, -1, -1, -1}};
}

/* With the descriptor of a message of no octets. */
static void add_fd(struct ipc_message *m)
{
    if (sealed < 0)
        sealed = file_sealed("fuzz", (struct span){0}, NULL);
    m->fd[m->fds++] = fcntl(sealed, F_DUPFD_CLOEXEC, 0);
}

static void read_submit(uint8_t which, struct span s)
{
    struct ipc_message m = message_of(MSG_SUBMIT_MESSAGE, s);
    struct submit_envelope *e;
    struct buf out = {0};
    struct fail f;
    uint64_t n;
    int body;
    if (which % 2 == 0)
        add_fd(&m);
    if (submit_read(&m, UINT64_MAX, &e, &body, &n, &f) == 0) {
        submit_envelope_put(&out, e);
        wire_put_text(&out, e->once_key);
        wire_put_span(&out, span_of(e->once_digest, e->once_key[0] == '\0' ? 0 : SUBMIT_DIGEST));
        assert(span_equal(s, buf_span(&out)));
        assert(e->recipients_n > 0 && e->received_ms >= 0);
        (void)close(body);
    }
    submit_envelope_free(&e);
    record_close_fds(&m);
    buf_free(&out);
}

static void read_deliver(uint8_t which, struct span s)
{
    struct ipc_message m = message_of(MSG_DELIVER_JOB, s);
    struct deliver_job *job;
    struct deliver_result r;
    struct deliver_report report;
    struct buf out = {0};
    struct fail f;
    int body;
    if (which % 2 == 0) {
        add_fd(&m);
        if (deliver_read(&m, &job, &body, &f) == 0) {
            assert(job->recipients_n > 0 && job->size == 0);
            (void)close(body);
        }
        deliver_job_free(&job);
    } else {
        struct wire w = wire_open(s);
        deliver_result_get(&w, &r);
        if (wire_end(&w) == 0) {
            deliver_result_put(&out, &r);
            assert(span_equal(s, buf_span(&out)));
        }
        deliver_result_clear(&r);
        buf_clear(&out);
        w = wire_open(s);
        deliver_report_get(&w, &report);
        if (wire_end(&w) == 0) {
            deliver_report_put(&out, &report);
            assert(span_equal(s, buf_span(&out)));
        }
        deliver_report_clear(&report);
    }
    record_close_fds(&m);
    buf_free(&out);
}

static void read_hook(uint8_t which, struct span s)
{
    struct ipc_message m = message_of(MSG_HOOK_CALL, s);
    struct hook_call call;
    struct fail f;
    if (hook_read(&m, &call, &f) == 0)
        hook_call_clear(&call);
}

static void read_secret(uint8_t which, struct span s)
{
    struct ipc_message m = message_of((uint16_t)(0x0500 + which % 32), s);
    struct secret_request r;
    struct fail f;
    if (secret_read(&m, &r, &f) == 0)
        secret_request_clear(&r);
}

static void read_admin(uint8_t which, struct span s)
{
    struct ipc_message m = message_of((uint16_t)(0x0600 + which % 32), s);
    struct admin_request r;
    struct admin_filter filter;
    struct admin_item item;
    struct admin_hold_rule rule;
    struct buf out = {0};
    struct fail f;
    if (admin_read(&m, &r, &f) == 0) {
        assert(r.query.limit <= ADMIN_PAGE_MAX && r.query.filter.ids_n <= ADMIN_IDS_MAX);
        assert(r.terms.ms <= ADMIN_MS_MAX && r.terms.ms >= -ADMIN_MS_MAX);
        admin_request_clear(&r);
    }
    struct wire w = wire_open(s);
    admin_filter_get(&w, &filter);
    if (wire_end(&w) == 0) {
        admin_filter_put(&out, &filter);
        assert(span_equal(s, buf_span(&out)));
    }
    admin_filter_clear(&filter);
    buf_clear(&out);
    w = wire_open(s);
    admin_item_get(&w, &item);
    if (wire_end(&w) == 0) {
        admin_item_put(&out, &item);
        assert(span_equal(s, buf_span(&out)));
    }
    admin_item_clear(&item);
    buf_clear(&out);
    w = wire_open(s);
    admin_hold_rule_get(&w, &rule);
    if (wire_end(&w) == 0) {
        admin_hold_rule_put(&out, &rule);
        assert(span_equal(s, buf_span(&out)));
    }
    admin_hold_rule_clear(&rule);
    buf_free(&out);
}

/* As master reads what a process tells it. */
static void read_lost(const struct ipc_message *m)
{
    struct buf out = {0};
    struct fail f;
    char *name;
    if (control_read_lost(m, &name, &f) == 0) {
        assert(m->type == MSG_CONTROL_LINK_LOST);
        wire_put_text(&out, name);
        assert(span_equal(m->payload, buf_span(&out)));
    } else {
        assert(name == NULL);
    }
    mem_free(&name);
    buf_free(&out);
}

static void read_control(uint8_t which, struct span s)
{
    struct ipc_message m = message_of((uint16_t)(0x0100 + which % 16), s);
    struct control_message c;
    struct fail f;
    if (which >= 128)
        add_fd(&m);
    if (control_read(&m, &c, &f) == 0)
        control_clear(&c);
    read_lost(&m);
    record_close_fds(&m);
}

static void read_master(uint8_t which, struct span s)
{
    struct ipc_message m = message_of((uint16_t)(0x0700 + which % 16), s);
    struct master_request r;
    struct fail f;
    (void)master_read(&m, &r, &f);
}

static void read_suppress(uint8_t which, struct span s)
{
    struct ipc_message m = message_of((uint16_t)(MSG_SUPPRESS_LIST + which % 4), s);
    struct suppress_request r;
    struct fail f;
    if (suppress_read(&m, &r, &f) == 0) {
        assert(r.limit >= 1 && r.limit <= SUPPRESS_PAGE_MAX && r.s.expires_ms >= 0);
        suppress_request_clear(&r);
    }
}

static void read_events(uint8_t which, struct span s)
{
    struct ipc_message m = message_of(MSG_EVENTS_READ, s);
    struct events_request r;
    struct fail f;
    if (events_request_read(&m, &r, &f) == 0) {
        assert(r.limit >= 1 && r.limit <= EVENTS_PAGE_MAX && r.wait_ms <= EVENTS_WAIT_MAX_MS);
        events_request_clear(&r);
    }
}

static void read_fetch(uint8_t which, struct span s)
{
    struct ipc_message m = message_of(MSG_FETCH_POLICY, s);
    struct fail f;
    char *domain;
    if (fetch_policy_read(&m, &domain, &f) == 0) {
        assert(mtasts_is_domain(span_text(domain)));
        mem_free(&domain);
    }
}

static void read_learned(uint8_t which, struct span s)
{
    struct ipc_message m = message_of(MSG_DELIVER_LEARNED, s);
    struct sts_known k;
    struct learned l;
    struct fail f;
    struct buf out = {0};
    if (learned_read(&m, &l, &f) == 0) {
        assert(l.policies_n <= LEARNED_MAX && l.results_n <= LEARNED_MAX);
        learned_clear(&l);
    }
    struct wire w = wire_open(s);
    sts_known_get(&w, &k);
    if (wire_end(&w) == 0) {
        sts_known_put(&out, &k);
        assert(span_equal(s, buf_span(&out)));
    }
    sts_known_clear(&k);
    buf_free(&out);
}

static void read_mail(uint8_t which, struct span s)
{
    struct ipc_message m = message_of((uint16_t)(0x0900 + which % 16), s);
    struct mail_request r;
    struct mail_message message;
    struct buf out = {0};
    struct fail f;
    if (mail_read(&m, &r, &f) == 0) {
        assert(r.seen_n <= MAIL_PAGE_MAX && (r.type != MSG_MAIL_NOTE || r.seen_n > 0));
        assert(r.add.n <= MAIL_WORDS_MAX && r.remove.n <= MAIL_WORDS_MAX);
        mail_request_clear(&r);
    }
    struct wire w = wire_open(s);
    mail_message_get(&w, &message);
    if (wire_end(&w) == 0) {
        assert(message.id != 0 && message.removed_ms >= 0);
        mail_message_put(&out, &message);
        assert(span_equal(s, buf_span(&out)));
    }
    mail_message_clear(&message);
    buf_free(&out);
}

static void read_mailbox(uint8_t which, struct span s)
{
    struct ipc_message m = message_of((uint16_t)(0x0b00 + which % 16), s);
    struct mailbox_request r;
    struct mailbox_file file;
    struct buf out = {0};
    struct fail f;
    if (which >= 128)
        add_fd(&m);
    if (mailbox_read(&m, &r, &f) == 0) {
        assert((r.fd >= 0) == (r.type == MSG_MAILBOX_STORE));
        assert(r.set <= MAILBOX_FLAGS && r.clear <= MAILBOX_FLAGS && r.limit <= MAILBOX_PAGE_MAX);
        mailbox_request_clear(&r);
    }
    struct wire w = wire_open(s);
    mailbox_file_get(&w, &file);
    if (wire_end(&w) == 0) {
        mailbox_file_put(&out, &file);
        assert(span_equal(s, buf_span(&out)));
    }
    mailbox_file_clear(&file);
    record_close_fds(&m);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(uint8_t which, struct span s) = {
        read_submit,   read_deliver, read_hook, read_secret,  read_admin, read_control, read_master,
        read_suppress, read_events,  read_mail, read_mailbox, read_fetch, read_learned,
    };
    if (size < 2)
        return 0;
    readers[data[0] % (sizeof readers / sizeof readers[0])](data[1], span_of(data + 2, size - 2));
    return 0;
}
