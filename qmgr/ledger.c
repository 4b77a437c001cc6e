#include "ledger.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "body.h"
#include "clock.h"
#include "fromid.h"
#include "holdrule.h"
#include "hookrow.h"
#include "log.h"
#include "mem.h"
#include "rand.h"
#include "tables.h"
#include "wire.h"

/* A new store begins its ids with the time, so that a store made anew after a loss does not repeat
 * those that correspondents have seen. 2^20 a second; below 2^53 for the next two centuries. */
#define IDS_A_SECOND_SHIFT 20

/* sys row: a name, and a number u64 ("next_id", "next_event", "next_rule", "schema":
 * "\x00\x00\x00\x00\x00\x00\x00\x01") or octets
 * ("secret": 16, "fromid-key": 32). */
static bool get_number(struct store_txn *t, const char *name, uint64_t *v)
{
    struct span value;
    if (!store_get(t, TABLE_SYS, span_text(name), &value))
        return false;
    struct wire w = wire_open(value);
    *v = wire_u64(&w);
    return wire_end(&w) == 0;
}

static void put_number(struct store_txn *t, const char *name, uint64_t v)
{
    struct buf b = {0};
    wire_put_u64(&b, v);
    store_put(t, TABLE_SYS, span_text(name), buf_span(&b));
    buf_free(&b);
}

static void begin_anew(struct ledger *l, struct store_txn *t)
{
    rand_bytes(l->secret, sizeof l->secret);
    l->next_id = (uint64_t)(clock_wall_ms() / 1000) << IDS_A_SECOND_SHIFT;
    l->next_event = 1;
    put_number(t, "schema", LEDGER_SCHEMA);
    put_number(t, "next_id", l->next_id);
    put_number(t, "next_event", l->next_event);
    store_put(t, TABLE_SYS, span_text("secret"), span_of(l->secret, sizeof l->secret));
}

/* Later than the rest: a store from before it existed gets one. */
static void get_fromid_key(struct ledger *l, struct store_txn *t)
{
    struct span key;
    if (store_get(t, TABLE_SYS, span_text("fromid-key"), &key)) {
        if (key.n == sizeof l->fromid_key)
            memcpy(l->fromid_key, key.p, sizeof l->fromid_key);
        else
            store_fail(t, "the store's key of from ids is damaged");
        return;
    }
    rand_bytes(l->fromid_key, sizeof l->fromid_key);
    store_put(t, TABLE_SYS, span_text("fromid-key"), span_of(l->fromid_key, sizeof l->fromid_key));
}

int ledger_open(struct ledger *l, struct store *store, int dirfd, struct fail *f)
{
    uint64_t schema;
    struct span secret;
    *l = (struct ledger){.store = store, .dirfd = dirfd};
    struct store_txn *t = store_begin(store, true);
    if (!get_number(t, "schema", &schema)) {
        begin_anew(l, t);
    } else if (schema != LEDGER_SCHEMA) {
        char why[80];
        (void)snprintf(why, sizeof why, "the store has schema %llu, this program knows %d",
                       (unsigned long long)schema, LEDGER_SCHEMA);
        store_fail(t, why);
    } else if (!get_number(t, "next_id", &l->next_id) ||
               !get_number(t, "next_event", &l->next_event) ||
               !store_get(t, TABLE_SYS, span_text("secret"), &secret) ||
               secret.n != sizeof l->secret) {
        store_fail(t, "the store's own numbers are damaged");
    } else {
        memcpy(l->secret, secret.p, sizeof l->secret);
    }
    if (l->next_id >= LEDGER_IDS)
        store_fail(t, "there are no ids left: the clock was far off when the store was made");
    get_fromid_key(l, t);
    l->any_suppressed = store_count(t, TABLE_SUPPRESS) > 0;
    l->any_failed = store_count(t, TABLE_FAILURE) > 0;
    return store_commit(&t, f);
}

uint64_t ledger_take_id(struct ledger *l, struct store_txn *t)
{
    uint64_t id = l->next_id++;
    put_number(t, "next_id", l->next_id);
    return id;
}

uint64_t ledger_take_rule_id(struct store_txn *t)
{
    uint64_t id;
    if (!get_number(t, "next_rule", &id))
        id = 1;
    put_number(t, "next_rule", id + 1);
    return id;
}

struct due ledger_due(uint64_t id, const struct rcpt_row *r)
{
    return (struct due){r->again ? DUE_AGAIN : DUE_FIRST, r->next_ms, id};
}

struct stream_id ledger_stream(const struct ledger *l, const struct rcpt_row *r)
{
    return (struct stream_id){name_hash(l->secret, address_domain(r->address)), r->account};
}

void ledger_index(struct ledger *l, struct store_txn *t, uint64_t id, const struct rcpt_row *r)
{
    struct key k = key_id(id);
    if (r->held) {
        store_put(t, TABLE_HELD, key_span(&k), (struct span){0});
        return;
    }
    struct stream_id stream = ledger_stream(l, r);
    struct key due = key_due(ledger_due(id, r)), dest = key_dest(stream, ledger_due(id, r)),
               value = due_value(stream);
    store_put(t, TABLE_DUE, key_span(&due), key_span(&value));
    store_put(t, TABLE_DEST, key_span(&dest), (struct span){0});
}

void ledger_unindex(struct ledger *l, struct store_txn *t, uint64_t id, const struct rcpt_row *r)
{
    struct key k = key_id(id);
    if (r->held) {
        (void)store_delete(t, TABLE_HELD, key_span(&k));
        return;
    }
    struct key due = key_due(ledger_due(id, r)),
               dest = key_dest(ledger_stream(l, r), ledger_due(id, r));
    (void)store_delete(t, TABLE_DUE, key_span(&due));
    (void)store_delete(t, TABLE_DEST, key_span(&dest));
}

static void put_body(struct store_txn *t, uint64_t id, const struct body_source *body)
{
    if (body->type == SOURCE_MEMORY_FILE)
        body_put_chunks(t, id, body->fd, body->size);
    else if (body->type == SOURCE_OCTETS)
        body_put_octets(t, id, body->octets);
}

static void put_recipient(struct ledger *l, struct store_txn *t, uint64_t message, uint64_t id,
                          uint64_t account, const struct submit_envelope *e,
                          const struct submit_recipient *s, const char *from_id, bool held,
                          struct buf *b)
{
    int64_t next = e->not_before_ms > e->received_ms ? e->not_before_ms : e->received_ms;
    struct rcpt_row r = {.message = message,
                         .held = held,
                         .account = account,
                         .notify = s->notify,
                         .next_ms = next,
                         .address = s->address,
                         .orcpt = s->orcpt,
                         .from_id = (char *)from_id,
                         .transport = (char *)""};
    struct key k = key_id(id);
    buf_clear(b);
    rcpt_row_put(b, &r);
    store_append(t, TABLE_RCPT, key_span(&k), buf_span(b));
    ledger_index(l, t, id, &r);
}

/* Mail of no account has nobody who could read its events. */
static void put_event(struct ledger *l, struct store_txn *t, uint64_t account,
                      const struct event_item *e)
{
    struct buf b = {0};
    if (e->account[0] == '\0')
        return;
    struct key k = key_event(account, l->next_event++);
    event_row_put(&b, e);
    store_put(t, TABLE_EVENT, key_span(&k), buf_span(&b));
    buf_free(&b);
}

void ledger_ids_clear(struct ledger_ids *ids)
{
    for (uint32_t i = 0; i < ids->n; i++)
        mem_free(&ids->made[i]);
    mem_free(&ids->made);
    ids->n = 0;
}

/* The from id of a recipient: chosen by the client, made here, or "". It is put into made where
 * that is wanted. */
static const char *stage_id(const struct ledger *l, struct store_txn *t,
                            const struct submit_envelope *e, const struct submit_recipient *s,
                            uint64_t id, struct ledger_ids *ids)
{
    char made[FROMID_SIZE] = "";
    const char *from_id = s->from_id;
    bool chosen = from_id[0] != '\0';
    if (!chosen && ids == NULL)
        return "";
    if (!chosen && ids->plain)
        fromid_make_plain(made);
    else if (!chosen)
        fromid_make(l, id, e->account, s->address, made);
    if (!chosen)
        from_id = made;
    if (e->account[0] != '\0' && (chosen || ids->plain))
        fromid_put(l, t, e->account, from_id, id);
    if (ids == NULL)
        return from_id;
    return ids->made[ids->n++] = mem_text(from_id);
}

/* What every event of a message says of it. */
static struct event_item event_of(const struct submit_envelope *e, uint64_t message,
                                  uint64_t recipient, const char *address, const char *from_id)
{
    return (struct event_item){.recipient = recipient,
                               .message = message,
                               .account = e->account,
                               .address = (char *)address,
                               .message_id = e->message_id,
                               .subject = e->subject,
                               .from_id = (char *)from_id,
                               .enhanced = (char *)"",
                               .text = (char *)"",
                               .remote_host = (char *)"",
                               .remote_address = (char *)"",
                               .tls = (char *)"",
                               .tls_name = (char *)"",
                               .tls_peer = (char *)"",
                               .tls_record = (char *)"",
                               .extra = e->extra,
                               .extra_n = e->extra_n};
}

uint64_t ledger_stage(struct ledger *l, struct store_txn *t, const struct submit_envelope *e,
                      const struct body_source *body, struct ledger_ids *ids, bool *held)
{
    uint64_t id = l->next_id;
    if (ids != NULL) {
        ledger_ids_clear(ids);
        ids->made = mem_array(e->recipients_n, sizeof *ids->made);
    }
    struct buf b = {0};
    struct msg_row row = {.envelope = (struct submit_envelope *)e,
                          .recipients = e->recipients_n,
                          .open = e->recipients_n,
                          .size = body->size,
                          .kind = body->type == SOURCE_FILE ? BODY_FILE : BODY_CHUNKS,
                          .file = body->type == SOURCE_FILE ? body->token : 0};
    uint64_t account = name_hash(l->secret, e->account);
    l->next_id += e->recipients_n;
    msg_row_put(&b, &row);
    struct key k = key_id(id);
    store_append(t, TABLE_MSG, key_span(&k), buf_span(&b));
    put_body(t, id, body);
    struct holdrule_set rules = holdrule_read(t, e);
    for (uint32_t i = 0; i < e->recipients_n; i++) {
        const struct submit_recipient *s = &e->recipients[i];
        const char *from_id = stage_id(l, t, e, s, id + i, ids);
        bool holds = holdrule_holds(&rules, s->address);
        if (held != NULL)
            held[i] = holds;
        put_recipient(l, t, id, id + i, account, e, s, from_id, holds, &b);
        struct event_item event = event_of(e, id, id + i, s->address, from_id);
        event.when_ms = e->received_ms;
        put_event(l, t, account, &event);
        event.type = EVENT_HELD;
        if (holds)
            put_event(l, t, account, &event);
    }
    holdrule_clear(&rules);
    put_number(t, "next_id", l->next_id);
    put_number(t, "next_event", l->next_event);
    buf_free(&b);
    return id;
}

void ledger_unindex_retired(struct store_txn *t, uint64_t id, struct span value)
{
    struct admin_peek r;
    if (retired_row_peek(value, &r) != 0)
        return;
    struct key k = key_ended(r.next_ms, id);
    (void)store_delete(t, TABLE_ENDED, key_span(&k));
}

static void put_aside(struct store_txn *t, unsigned table, struct span key, struct span value)
{
    struct buf name = {0}, copy = {0};
    buf_putf(&name, "bad/%s/", table_names[table]);
    hex_encode(&name, key);
    buf_put_span(&copy, value); /* which is valid until the next write only */
    log_error(NULL, "bad row set aside", LS("row", buf_text(&name)), LU("octets", value.n));
    store_put(t, TABLE_SYS, buf_span(&name), buf_span(&copy));
    buf_free(&name);
    buf_free(&copy);
}

void ledger_quarantine(struct store_txn *t, unsigned table, struct span key, struct span value)
{
    unsigned char octets[sizeof((struct key *)0)->p];
    assert(key.n <= sizeof octets);
    memcpy(octets, key.p, key.n);
    put_aside(t, table, key, value);
    (void)store_delete(t, table, span_of(octets, key.n));
}

bool ledger_quarantine_here(struct store_txn *t, unsigned table, struct store_cursor *c)
{
    put_aside(t, table, c->key, c->value);
    return store_delete_here(c);
}

int ledger_message_open(struct store_txn *t, uint64_t id, struct ledger_message *m)
{
    struct key k = key_id(id);
    struct span value;
    *m = (struct ledger_message){.id = id};
    if (!store_get(t, TABLE_MSG, key_span(&k), &value))
        return -1;
    if (msg_row_read(value, &m->row) == 0)
        return 0;
    ledger_quarantine(t, TABLE_MSG, key_span(&k), value);
    return -1;
}

void ledger_message_close(struct ledger *l, struct store_txn *t, struct ledger_message *m,
                          uint64_t *unlink_file)
{
    struct key k = key_id(m->id);
    *unlink_file = 0;
    if (m->gone >= m->row.open) {
        (void)store_delete(t, TABLE_MSG, key_span(&k));
        if (m->row.kind == BODY_FILE)
            *unlink_file = m->row.file;
        else
            body_delete_chunks(t, m->id, m->row.size);
    } else if (m->gone > 0) {
        struct buf b = {0};
        m->row.open -= m->gone;
        msg_row_put(&b, &m->row);
        store_put(t, TABLE_MSG, key_span(&k), buf_span(&b));
        buf_free(&b);
    }
    put_number(t, "next_event", l->next_event);
    msg_row_clear(&m->row);
}

int ledger_recipient(struct store_txn *t, uint64_t id, struct rcpt_row *r)
{
    struct key k = key_id(id);
    struct span value;
    return store_get(t, TABLE_RCPT, key_span(&k), &value) ? rcpt_row_read(value, r) : -1;
}

void ledger_reschedule(struct ledger *l, struct store_txn *t, uint64_t id,
                       const struct rcpt_row *was, const struct rcpt_row *r)
{
    struct buf b = {0};
    struct key k = key_id(id);
    rcpt_row_put(&b, r);
    store_put(t, TABLE_RCPT, key_span(&k), buf_span(&b));
    buf_free(&b);
    bool moved = was->next_ms != r->next_ms || was->again != r->again || was->held != r->held;
    if (moved) {
        ledger_unindex(l, t, id, was);
        ledger_index(l, t, id, r);
    }
}

static void put_retired(struct store_txn *t, const struct ledger_message *m, uint64_t id,
                        const struct rcpt_row *r, bool success, int64_t now_ms, int64_t keep_ms)
{
    const struct submit_envelope *e = m->row.envelope;
    char *last = rcpt_row_last_line(r);
    struct retired_row row = {
        .keep_until_ms = now_ms + keep_ms,
        .item = {.row = {.id = id,
                         .message = m->id,
                         .success = success,
                         .attempts = r->attempts,
                         .size = m->row.size,
                         .received_ms = e->received_ms,
                         .next_ms = now_ms,
                         .account = e->account,
                         .sender = e->sender,
                         .recipient = r->address,
                         .subject = e->subject,
                         .message_id = e->message_id,
                         .transport = r->transport,
                         .last = last},
                 .orcpt = r->orcpt,
                 .envid = e->envid,
                 .from_id = r->from_id,
                 .client = e->client,
                 .flags = rcpt_row_flags(r, e->flags),
                 .not_before_ms = e->not_before_ms,
                 .extra = e->extra,
                 .extra_n = e->extra_n,
                 .attempts = r->results,
                 .attempts_n = r->results_n},
    };
    struct buf b = {0};
    struct key k = key_id(id), ended = key_ended(now_ms, id);
    retired_row_put(&b, &row);
    store_put(t, TABLE_RETIRED, key_span(&k), buf_span(&b));
    store_put(t, TABLE_ENDED, key_span(&ended), (struct span){0});
    buf_free(&b);
    mem_free(&last);
}

void ledger_retire(struct ledger *l, struct store_txn *t, const struct settings *s,
                   struct ledger_message *m, uint64_t id, const struct rcpt_row *r, bool success,
                   int64_t now_ms)
{
    struct key k = key_id(id);
    int64_t keep_ms = settings_keep_messages_ms(s, m->row.envelope->account);
    (void)store_delete(t, TABLE_RCPT, key_span(&k));
    ledger_unindex(l, t, id, r);
    if (keep_ms > 0)
        put_retired(t, m, id, r, success, now_ms, keep_ms);
    else if (r->from_id[0] != '\0')
        fromid_remove(l, t, m->row.envelope->account, r->from_id, id);
    m->gone++;
}

void ledger_forget(struct ledger *l, struct store_txn *t, const struct retired_row *r)
{
    if (r->item.from_id[0] != '\0')
        fromid_remove(l, t, r->item.row.account, r->item.from_id, r->item.row.id);
}

void ledger_event(struct ledger *l, struct store_txn *t, const struct settings *s,
                  const struct ledger_message *m, uint64_t id, const struct rcpt_row *r,
                  enum event_type type, const struct deliver_result *last, int64_t now_ms)
{
    const struct news news = {.type = type,
                              .envelope = m->row.envelope,
                              .recipient = id,
                              .address = r->address,
                              .from_id = r->from_id,
                              .account = r->account,
                              .attempts = r->attempts,
                              .last = last};
    ledger_tell(l, t, s, m->id, &news, now_ms);
}

void ledger_tell(struct ledger *l, struct store_txn *t, const struct settings *s, uint64_t message,
                 const struct news *n, int64_t now_ms)
{
    const struct submit_envelope *e = n->envelope;
    const struct deliver_result *last = n->last;
    const char *text = last == NULL ? "" : last->reply[0] != '\0' ? last->reply : last->error;
    char *line = mem_textn(text, strcspn(text, "\n")), said[ENHANCED_SIZE];
    struct event_item event = event_of(e, message, n->recipient, n->address, n->from_id);
    event.type = n->type;
    event.when_ms = now_ms;
    event.text = line;
    event.dsn = n->dsn;
    event.suppressed = n->suppressing;
    if (last != NULL) {
        event.code = last->code;
        event.enhanced = (char *)result_said(last, said);
        event.remote_host = last->remote_host;
        event.remote_address = last->remote_address;
        event.tls = last->tls;
        event.tls_name = last->tls_name;
        event.tls_peer = last->tls_peer;
        event.tls_record = last->tls_record;
    }
    put_event(l, t, n->account, &event);
    mem_free(&line);
    struct hook_row hook;
    if (hookrow_make(s, n, now_ms, &hook)) {
        hookrow_add(t, s, ledger_take_id(l, t), &hook, now_ms);
        hook_row_clear(&hook);
    }
}
