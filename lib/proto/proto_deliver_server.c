#include "file.h"
#include "mem.h"
#include "proto_deliver.h"
#include "proto_submit.h"
#include "proto_types.h"

static struct deliver_job *get_job(struct wire *w)
{
    struct deliver_job *job = mem_zero(sizeof *job);
    job->message = wire_u64(w);
    job->transport = wire_text(w, PROTO_NAME_MAX);
    job->destination = wire_text(w, PROTO_NAME_MAX);
    job->sender = wire_text(w, PROTO_ADDRESS_MAX);
    job->envid = wire_text(w, PROTO_NAME_MAX);
    job->ret = wire_text(w, 4);
    job->flags = wire_u32(w);
    job->attempt = wire_u16(w);
    job->wants = wire_enum(w, DELIVER_WANTS + 1);
    job->size = wire_u64(w);
    uint32_t n = wire_count(w, PROTO_RECIPIENTS_MAX, 17);
    job->recipients = mem_array(n, sizeof *job->recipients);
    job->recipients_n = n;
    for (uint32_t i = 0; i < n; i++) {
        job->recipients[i].id = wire_u64(w);
        job->recipients[i].address = wire_text(w, PROTO_ADDRESS_MAX);
        job->recipients[i].orcpt = wire_text(w, PROTO_ADDRESS_MAX);
        job->recipients[i].notify = wire_enum(w, 16);
    }
    return job;
}

int deliver_read(struct ipc_message *m, struct deliver_job **job, int *body, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    uint64_t size;
    *job = get_job(&w);
    int rc = 0;
    if (wire_end(&w) != 0 || (*job)->recipients_n == 0 ||
        ((*job)->flags & ~(uint32_t)SUBMIT_FLAGS) != 0)
        rc = fail_set(f, "malformed delivery job");
    else if (m->fds != 1)
        rc = fail_set(f, "delivery job without its message");
    else if ((rc = file_check_sealed(m->fd[0], UINT64_MAX, &size, f)) == 0 && size != (*job)->size)
        rc = fail_set(f, "message of another length than the job says");
    if (rc != 0) {
        deliver_job_free(job);
        return -1;
    }
    *body = m->fd[0];
    m->fd[0] = -1;
    return 0;
}

void deliver_answer(struct ipc *ch, uint64_t request, const struct deliver_result *results,
                    uint32_t n)
{
    deliver_answer_report(ch, request, results, n, NULL);
}

void deliver_answer_report(struct ipc *ch, uint64_t request, const struct deliver_result *results,
                           uint32_t n, const struct deliver_report *report)
{
    struct buf b = {0};
    wire_put_u32(&b, n);
    for (uint32_t i = 0; i < n; i++) {
        deliver_result_put(&b, &results[i]);
        deliver_stored_put(&b, &results[i]);
    }
    wire_put_bool(&b, report != NULL);
    if (report != NULL)
        deliver_report_put(&b, report);
    ipc_reply(ch, MSG_DELIVER_RESULT, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}
