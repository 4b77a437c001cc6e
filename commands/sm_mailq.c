#include "sm_mailq.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "jsonwrite.h"
#include "mem.h"
#include "qid.h"

#define REASON_COLUMN 76 /* where a reason ends that is shorter */
#define RECIPIENT_COLUMN 47

/* A message is tried if any of its recipients is, and held if all of them are. */
enum state { INCOMING, DEFERRED, ACTIVE, HELD };

static const struct {
    const char *queue, *mark;
} states[] = {
    [INCOMING] = {"incoming", ""},
    [DEFERRED] = {"deferred", ""},
    [ACTIVE] = {"active", "*"},
    [HELD] = {"hold", "!"},
};

static enum state state_of(const struct sm_mailq *q)
{
    bool trying = false, held = true, tried = false;
    for (size_t i = 0; i < q->ahead_n; i++) {
        trying = trying || q->ahead[i].trying;
        held = held && q->ahead[i].held;
        tried = tried || q->ahead[i].attempts > 0;
    }
    return trying ? ACTIVE : held ? HELD : tried ? DEFERRED : INCOMING;
}

static const char *sender_of(const struct admin_row *r)
{
    return r->sender[0] != '\0' ? r->sender : "MAILER-DAEMON";
}

/* A stranger's text must not move the cursor, nor make a line of its own. */
static void put_safely(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        buf_putc(out, (unsigned char)*text < ' ' || *text == 0x7f ? '?' : (unsigned char)*text);
}

static void text_message(struct sm_mailq *q, const struct admin_row *r, enum state state)
{
    char id[QID_SIZE + 1], when[32];
    time_t t = (time_t)(r->received_ms / 1000);
    struct tm tm = {0};
    (void)qid_text(r->message, id);
    (void)snprintf(id + strlen(id), sizeof id - strlen(id), "%s", states[state].mark);
    (void)localtime_r(&t, &tm);
    (void)strftime(when, sizeof when, "%a %b %e %H:%M:%S", &tm);
    if (q->requests == 1)
        buf_puts(q->out,
                 "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n");
    else
        buf_putc(q->out, '\n');
    buf_putf(q->out, "%-17s %8" PRIu64 " %-19s ", id, r->size, when);
    put_safely(q->out, sender_of(r));
    buf_putc(q->out, '\n');
}

static void text_recipient(struct sm_mailq *q, const struct admin_row *r)
{
    const char *before = q->reason != NULL ? q->reason : "";
    if (strcmp(before, r->last) != 0) {
        const char *shown = r->last[0] != '\0' ? r->last : "reason unavailable";
        int padding = REASON_COLUMN - (int)strnlen(shown, REASON_COLUMN);
        buf_putf(q->out, "%*s(", padding, "");
        put_safely(q->out, shown);
        buf_puts(q->out, ")\n");
        mem_free(&q->reason);
        q->reason = mem_text(r->last);
    }
    buf_putf(q->out, "%*s", RECIPIENT_COLUMN, "");
    put_safely(q->out, r->recipient);
    buf_putc(q->out, '\n');
}

/* jsonwrite wants an object in one go; a message may have a million recipients. So each piece is
 * its own, and the brackets around them are written here. */
static void json_message(struct sm_mailq *q, const struct admin_row *r, enum state state)
{
    struct jsonwrite w;
    char id[QID_SIZE];
    jsonwrite_open(&w, q->out, 0);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "queue_name");
    jsonwrite_text(&w, states[state].queue);
    jsonwrite_key(&w, "queue_id");
    jsonwrite_text(&w, qid_text(r->message, id));
    jsonwrite_key(&w, "arrival_time");
    jsonwrite_int64(&w, r->received_ms / 1000);
    jsonwrite_key(&w, "message_size");
    jsonwrite_uint64(&w, r->size);
    jsonwrite_key(&w, "forced_expire");
    jsonwrite_bool(&w, false);
    jsonwrite_key(&w, "sender");
    jsonwrite_text(&w, sender_of(r));
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    buf_cut(q->out, q->out->n - 1);
    buf_puts(q->out, ",\"recipients\":[");
}

static void json_recipient(struct sm_mailq *q, const struct admin_row *r)
{
    struct jsonwrite w;
    if (q->written > 0)
        buf_putc(q->out, ',');
    jsonwrite_open(&w, q->out, 0);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "address");
    jsonwrite_text(&w, r->recipient);
    if (r->last[0] != '\0') {
        jsonwrite_key(&w, "delay_reason");
        jsonwrite_text(&w, r->last);
    }
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
}

static void write_recipient(struct sm_mailq *q, const struct admin_row *r)
{
    if (q->json)
        json_recipient(q, r);
    else
        text_recipient(q, r);
    q->written++;
}

/* Writes what is known of the present message. */
static void write_ahead(struct sm_mailq *q)
{
    if (q->ahead_n == 0)
        return;
    q->requests++;
    q->octets += q->ahead[0].size;
    if (q->json)
        json_message(q, &q->ahead[0], state_of(q));
    else
        text_message(q, &q->ahead[0], state_of(q));
    for (size_t i = 0; i < q->ahead_n; i++) {
        write_recipient(q, &q->ahead[i]);
        admin_row_clear(&q->ahead[i]);
    }
    q->ahead_n = 0;
}

static void end_message(struct sm_mailq *q)
{
    write_ahead(q);
    if (q->json && q->message != 0)
        buf_puts(q->out, "]}\n");
    mem_free(&q->reason);
    q->message = 0;
    q->written = 0;
}

void sm_mailq_row(struct sm_mailq *q, struct admin_row *row)
{
    if (q->message != row->message)
        end_message(q);
    q->message = row->message;
    if (q->ahead == NULL)
        q->ahead = mem_array(SM_MAILQ_AHEAD, sizeof *q->ahead);
    if (q->ahead_n == SM_MAILQ_AHEAD)
        write_ahead(q);
    if (q->written > 0) {
        write_recipient(q, row);
        admin_row_clear(row);
    } else {
        q->ahead[q->ahead_n++] = *row;
    }
    *row = (struct admin_row){0};
}

void sm_mailq_end(struct sm_mailq *q)
{
    end_message(q);
    mem_free(&q->ahead);
    if (q->json)
        return;
    if (q->requests == 0)
        buf_puts(q->out, "Mail queue is empty\n");
    else
        buf_putf(q->out, "\n-- %" PRIu64 " Kbytes in %" PRIu64 " Request%s.\n", q->octets / 1024,
                 q->requests, q->requests == 1 ? "" : "s");
}
