#include "proto_deliver.h"

#include <string.h>

#include "mailplace.h"
#include "mem.h"
#include "proto_submit.h"
#include "proto_types.h"

void deliver_job_free(struct deliver_job **jp)
{
    struct deliver_job *j = *jp;
    if (j == NULL)
        return;
    for (uint32_t i = 0; i < j->recipients_n; i++) {
        mem_free(&j->recipients[i].address);
        mem_free(&j->recipients[i].orcpt);
    }
    mem_free(&j->recipients);
    sts_known_clear(&j->sts);
    mem_free(&j->transport);
    mem_free(&j->destination);
    mem_free(&j->sender);
    mem_free(&j->envid);
    mem_free(&j->ret);
    mem_free(jp);
}

#define RESULT_TEXTS 14
#define ROW_TEXTS 12 /* of these, in the octets of a row */

/* Of each text, in the order of texts_of. */
static const size_t text_max[ROW_TEXTS] = {
    PROTO_NAME_MAX, PROTO_TEXT_MAX, PROTO_TEXT_MAX, PROTO_NAME_MAX, PROTO_NAME_MAX, PROTO_NAME_MAX,
    PROTO_NAME_MAX, PROTO_TEXT_MAX, PROTO_NAME_MAX, PROTO_NAME_MAX, PROTO_NAME_MAX, PROTO_NAME_MAX};

static void texts_of(struct deliver_result *r, char **texts[RESULT_TEXTS])
{
    texts[0] = &r->enhanced;
    texts[1] = &r->reply;
    texts[2] = &r->error;
    texts[3] = &r->remote_host;
    texts[4] = &r->remote_address;
    texts[5] = &r->tls;
    texts[6] = &r->stage;
    texts[7] = &r->rcpt_reply;
    texts[8] = &r->transport;
    texts[9] = &r->tls_name;
    texts[10] = &r->tls_peer;
    texts[11] = &r->tls_record;
    texts[12] = &r->stored_folder;
    texts[13] = &r->stored_name;
}

void deliver_result_clear(struct deliver_result *r)
{
    char **texts[RESULT_TEXTS];
    texts_of(r, texts);
    for (int i = 0; i < RESULT_TEXTS; i++)
        mem_free(texts[i]);
}

struct deliver_result deliver_result_new(uint64_t id, enum deliver_status status)
{
    struct deliver_result r = {.id = id, .status = status};
    char **texts[RESULT_TEXTS];
    texts_of(&r, texts);
    for (int i = 0; i < RESULT_TEXTS; i++)
        *texts[i] = mem_text("");
    return r;
}

bool deliver_was_tried(const struct deliver_result *r)
{
    return strcmp(r->stage, DELIVER_STAGE_SUPPRESSED) != 0;
}

void deliver_result_copy(struct deliver_result *to, const struct deliver_result *from)
{
    char **texts[RESULT_TEXTS];
    *to = *from;
    texts_of(to, texts);
    for (int i = 0; i < RESULT_TEXTS; i++)
        *texts[i] = mem_text(*texts[i]);
}

/* Of what is done, the status on the wire and in rows says more: one of the first three, or
 * DONE_AND with these bits, not both of them clear. */
#define DONE_AND (DELIVER_STATUSES - 1)
#define DONE_REPORTS 1u
#define DONE_COMPLAINT 2u

static uint8_t status_put(const struct deliver_result *r)
{
    unsigned bits = (r->reports ? DONE_REPORTS : 0) | (r->complaint ? DONE_COMPLAINT : 0);
    return (uint8_t)(r->status == DELIVER_DONE && bits != 0 ? DONE_AND + bits : r->status);
}

static void status_get(struct wire *w, struct deliver_result *r)
{
    unsigned status = wire_enum(w, DONE_AND + (DONE_REPORTS | DONE_COMPLAINT) + 1);
    unsigned bits = status < DELIVER_STATUSES ? 0 : status - DONE_AND;
    r->status = bits != 0 ? DELIVER_DONE : (enum deliver_status)status;
    r->reports = (bits & DONE_REPORTS) != 0;
    r->complaint = (bits & DONE_COMPLAINT) != 0;
}

/* id u64, status u8, code u16, the twelve texts, start i64, duration u32, octets u64. */
void deliver_result_put(struct buf *b, const struct deliver_result *r)
{
    struct deliver_result alias = *r;
    char **texts[RESULT_TEXTS];
    texts_of(&alias, texts);
    wire_put_u64(b, r->id);
    wire_put_u8(b, status_put(r));
    wire_put_u16(b, r->code);
    for (int i = 0; i < ROW_TEXTS; i++)
        wire_put_span(b, span_of(*texts[i], strnlen(*texts[i], text_max[i])));
    wire_put_i64(b, r->start_ms);
    wire_put_u32(b, r->duration_ms);
    wire_put_u64(b, r->octets);
}

void deliver_result_get(struct wire *w, struct deliver_result *r)
{
    char **texts[RESULT_TEXTS];
    *r = (struct deliver_result){.id = wire_u64(w)};
    texts_of(r, texts);
    status_get(w, r);
    r->code = wire_u16(w);
    for (int i = 0; i < ROW_TEXTS; i++)
        *texts[i] = wire_text(w, text_max[i]);
    r->start_ms = wire_i64(w);
    r->duration_ms = wire_u32(w);
    r->octets = wire_u64(w);
    r->stored_folder = mem_text("");
    r->stored_name = mem_text("");
}

/* stored_folder, stored_name (texts), stored_inode u64. */
void deliver_stored_put(struct buf *b, const struct deliver_result *r)
{
    wire_put_text(b, r->stored_folder);
    wire_put_text(b, r->stored_name);
    wire_put_u64(b, r->stored_inode);
}

void deliver_stored_get(struct wire *w, struct deliver_result *r)
{
    mem_free(&r->stored_folder);
    mem_free(&r->stored_name);
    r->stored_folder = wire_text(w, MAILPLACE_NAME_MAX);
    r->stored_name = wire_text(w, MAILPLACE_NAME_MAX);
    r->stored_inode = wire_u64(w);
}

#define REPORT_TEXTS 5

/* Of each text, in the order of report_texts. */
static const size_t report_max[REPORT_TEXTS] = {PROTO_NAME_MAX, PROTO_ADDRESS_MAX,
                                                PROTO_ADDRESS_MAX, PROTO_NAME_MAX, PROTO_TEXT_MAX};

static void report_texts(struct deliver_report *r, char **texts[REPORT_TEXTS])
{
    texts[0] = &r->enhanced;
    texts[1] = &r->final;
    texts[2] = &r->original;
    texts[3] = &r->reporter;
    texts[4] = &r->diagnostic;
}

struct deliver_report deliver_report_new(void)
{
    struct deliver_report r = {.said = DELIVER_SAID_NOTHING};
    char **texts[REPORT_TEXTS];
    report_texts(&r, texts);
    for (int i = 0; i < REPORT_TEXTS; i++)
        *texts[i] = mem_text("");
    return r;
}

void deliver_report_clear(struct deliver_report *r)
{
    char **texts[REPORT_TEXTS];
    report_texts(r, texts);
    for (int i = 0; i < REPORT_TEXTS; i++)
        mem_free(texts[i]);
}

void deliver_report_copy(struct deliver_report *to, const struct deliver_report *from)
{
    char **texts[REPORT_TEXTS];
    *to = *from;
    report_texts(to, texts);
    for (int i = 0; i < REPORT_TEXTS; i++)
        *texts[i] = mem_text(*texts[i]);
}

/* said u8, action u8, code u16, enhanced, final, original, reporter, diagnostic (texts). */
void deliver_report_put(struct buf *b, const struct deliver_report *r)
{
    struct deliver_report alias = *r;
    char **texts[REPORT_TEXTS];
    report_texts(&alias, texts);
    wire_put_u8(b, (uint8_t)r->said);
    wire_put_u8(b, (uint8_t)r->action);
    wire_put_u16(b, r->code);
    for (int i = 0; i < REPORT_TEXTS; i++)
        wire_put_span(b, span_of(*texts[i], strnlen(*texts[i], report_max[i])));
}

void deliver_report_get(struct wire *w, struct deliver_report *r)
{
    char **texts[REPORT_TEXTS];
    *r = (struct deliver_report){.said = (enum deliver_said)wire_enum(w, DELIVER_SAIDS)};
    report_texts(r, texts);
    r->action = (enum deliver_action)wire_enum(w, DELIVER_ACTIONS);
    r->code = wire_u16(w);
    for (int i = 0; i < REPORT_TEXTS; i++)
        *texts[i] = wire_text(w, report_max[i]);
}
