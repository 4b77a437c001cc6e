#include <unistd.h>

#include "mem.h"
#include "proto_deliver.h"
#include "proto_types.h"

struct asked {
    deliver_on_results *on_results;
    void *arg;
    uint32_t n;
    uint64_t ids[];
};

/* MSG_DELIVER_JOB: message u64, transport, destination, sender, envid, ret (texts), flags u32,
 * attempt u16, wants u8, size u64, count u32 of recipients {id u64, address, orcpt, notify u8},
 * what is known of the destination's MTA-STS policy. */
static void put_job(struct buf *b, const struct deliver_job *job)
{
    wire_put_u64(b, job->message);
    wire_put_text(b, job->transport);
    wire_put_text(b, job->destination);
    wire_put_text(b, job->sender);
    wire_put_text(b, job->envid);
    wire_put_text(b, job->ret);
    wire_put_u32(b, job->flags);
    wire_put_u16(b, job->attempt);
    wire_put_u8(b, job->wants);
    wire_put_u64(b, job->size);
    wire_put_u32(b, job->recipients_n);
    for (uint32_t i = 0; i < job->recipients_n; i++) {
        wire_put_u64(b, job->recipients[i].id);
        wire_put_text(b, job->recipients[i].address);
        wire_put_text(b, job->recipients[i].orcpt);
        wire_put_u8(b, job->recipients[i].notify);
    }
    sts_known_put(b, &job->sts);
}

static void get_report(struct wire *w, struct deliver_report *r)
{
    deliver_report_clear(r);
    deliver_report_get(w, r);
}

/* MSG_DELIVER_RESULT: count u32 of results, reported bool, a report if so, described bool, {members
 * (text), automated bool} if so. */
static int on_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *a = arg;
    struct deliver_result *results = mem_array(a->n, sizeof *results);
    struct deliver_report report = deliver_report_new();
    struct deliver_incoming incoming = {0};
    bool reported = false, described = false, good = m != NULL && m->type == MSG_DELIVER_RESULT;
    if (good) {
        struct wire w = wire_open(m->payload);
        good = wire_count(&w, a->n, 1) == a->n;
        for (uint32_t i = 0; i < a->n; i++) {
            deliver_result_get(&w, &results[i]);
            deliver_stored_get(&w, &results[i]);
            good = good && results[i].id == a->ids[i];
        }
        reported = wire_bool(&w);
        if (reported)
            get_report(&w, &report);
        described = wire_bool(&w);
        if (described) {
            incoming.members = wire_text(&w, DELIVER_MEMBERS_MAX);
            incoming.automated = wire_bool(&w);
        }
        good = good && wire_end(&w) == 0;
    }
    a->on_results(a->arg, good ? results : NULL, a->n, good && reported ? &report : NULL,
                  good && described ? &incoming : NULL);
    deliver_report_clear(&report);
    mem_free(&incoming.members);
    for (uint32_t i = 0; i < a->n; i++)
        deliver_result_clear(&results[i]);
    mem_free(&results);
    mem_free(&a);
    return m == NULL || good ? 0 : fail_set(f, "malformed delivery result");
}

void deliver_ask(struct ipc *ch, const struct deliver_job *job, int body,
                 deliver_on_results *on_results, void *arg)
{
    struct asked *a = mem_zero(sizeof *a + job->recipients_n * sizeof a->ids[0]);
    struct buf b = {0};
    a->on_results = on_results;
    a->arg = arg;
    a->n = job->recipients_n;
    for (uint32_t i = 0; i < job->recipients_n; i++)
        a->ids[i] = job->recipients[i].id;
    put_job(&b, job);
    (void)ipc_request(ch, MSG_DELIVER_JOB, buf_span(&b), &body, 1, on_answer, a);
    buf_free(&b);
}
