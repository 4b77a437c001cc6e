#include "consist.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "body.h"
#include "ledger.h"
#include "rows.h"
#include "tables.h"
#include "wire.h"

/* One check under way. */
struct walk {
    struct consist *c;
    struct store_txn *t;
    int dirfd;
    unsigned char secret[16];
    uint64_t next_id, next_event;
};

static void complain(struct walk *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void complain(struct walk *w, const char *fmt, ...)
{
    va_list ap;
    w->c->problems++;
    if (w->c->problems > 100)
        return;
    va_start(ap, fmt);
    buf_vputf(&w->c->report, fmt, ap);
    va_end(ap);
    buf_putc(&w->c->report, '\n');
}

typedef void each_row(struct walk *w, struct span key, struct span value);

static void each(struct walk *w, unsigned table, each_row *check)
{
    struct store_cursor c = store_cursor(w->t, table);
    for (bool at = store_seek(&c, (struct span){0}); at; at = store_next(&c))
        check(w, c.key, c.value);
    store_cursor_close(&c);
    if (store_failed(w->t))
        complain(w, "%s: cannot be read", table_names[table]);
}

static bool has(struct walk *w, unsigned table, struct key key)
{
    struct span value;
    return store_get(w->t, table, key_span(&key), &value);
}

static bool get_recipient(struct walk *w, uint64_t id, struct rcpt_row *r)
{
    struct key k = key_id(id);
    struct span value;
    return store_get(w->t, TABLE_RCPT, key_span(&k), &value) && rcpt_row_read(value, r) == 0;
}

static bool get_message(struct walk *w, uint64_t id, struct msg_row *m)
{
    struct key k = key_id(id);
    struct span value;
    return store_get(w->t, TABLE_MSG, key_span(&k), &value) && msg_row_read(value, m) == 0;
}

static void check_id(struct walk *w, const char *what, uint64_t id)
{
    if (id >= LEDGER_IDS)
        complain(w, "%s %" PRIu64 ": is more than a number of JavaScript can tell", what, id);
    if (id == 0 || id >= w->next_id)
        complain(w, "%s %" PRIu64 ": the next id is %" PRIu64, what, id, w->next_id);
}

/* ---- sys ---- */

static bool get_number(struct walk *w, const char *name, uint64_t *v)
{
    struct span value;
    struct wire wire;
    if (!store_get(w->t, TABLE_SYS, span_text(name), &value))
        return false;
    wire = wire_open(value);
    *v = wire_u64(&wire);
    return wire_end(&wire) == 0;
}

static void check_sys(struct walk *w, struct span key, struct span value)
{
    if (span_starts_nocase(key, "bad/"))
        w->c->bad_rows++;
    else if (!span_is(key, "schema") && !span_is(key, "next_id") && !span_is(key, "next_event") &&
             !span_is(key, "next_rule") && !span_is(key, "secret") && !span_is(key, "fromid-key"))
        complain(w, "sys: unknown row %.*s", (int)key.n, (const char *)key.p);
}

static void read_sys(struct walk *w)
{
    struct span secret;
    uint64_t schema;
    if (!get_number(w, "schema", &schema) || schema != LEDGER_SCHEMA ||
        !get_number(w, "next_id", &w->next_id) || !get_number(w, "next_event", &w->next_event))
        complain(w, "sys: schema, next_id or next_event is missing");
    if (store_get(w->t, TABLE_SYS, span_text("secret"), &secret) && secret.n == sizeof w->secret)
        memcpy(w->secret, secret.p, sizeof w->secret);
    else
        complain(w, "sys: secret is missing");
    each(w, TABLE_SYS, check_sys);
}

/* ---- msg and body ---- */

static uint32_t count_recipients(struct walk *w, uint64_t message, const struct msg_row *m)
{
    struct key from = key_id(message);
    struct store_cursor c = store_cursor(w->t, TABLE_RCPT);
    uint32_t n = 0;
    uint64_t id;
    for (bool at = store_seek(&c, key_span(&from)); at; at = store_next(&c)) {
        struct rcpt_row r;
        if (key_read_id(c.key, &id) != 0 || id - message >= m->recipients)
            break;
        if (rcpt_row_read(c.value, &r) != 0) {
            n++; /* not yet set aside */
            continue;
        }
        n += r.message == message;
        rcpt_row_clear(&r);
    }
    store_cursor_close(&c);
    return n;
}

static void check_chunks(struct walk *w, uint64_t message, uint64_t size)
{
    uint64_t left = size;
    for (uint32_t i = 0; left > 0; i++) {
        struct key k = key_body(message, i);
        struct span value;
        size_t expected = left < BODY_CHUNK ? (size_t)left : BODY_CHUNK;
        if (!store_get(w->t, TABLE_BODY, key_span(&k), &value) || value.n != expected) {
            complain(w, "msg %" PRIu64 ": chunk %u of its %" PRIu64 " octets is missing or of %zu",
                     message, i, size, value.n);
            return;
        }
        left -= expected;
    }
}

static void check_file(struct walk *w, uint64_t message, const struct msg_row *m)
{
    char path[64];
    struct stat st;
    (void)snprintf(path, sizeof path, "bodies/%02x/%016" PRIx64, (unsigned)(m->file % BODY_FOLDERS),
                   m->file);
    if (fstatat(w->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        complain(w, "msg %" PRIu64 ": its file %s is missing", message, path);
    else if ((uint64_t)st.st_size != m->size)
        complain(w, "msg %" PRIu64 ": its file %s has %lld octets of %" PRIu64, message, path,
                 (long long)st.st_size, m->size);
}

static void check_msg(struct walk *w, struct span key, struct span value)
{
    struct msg_row m;
    uint64_t id;
    if (key_read_id(key, &id) != 0 || msg_row_read(value, &m) != 0) {
        complain(w, "msg: a row does not decode");
        return;
    }
    w->c->messages++;
    check_id(w, "msg", id + m.recipients - 1);
    uint32_t there = count_recipients(w, id, &m);
    if (there == 0 || there != m.open)
        complain(w, "msg %" PRIu64 ": %u recipients are there, %u open of %u", id, there, m.open,
                 m.recipients);
    if (m.kind == BODY_FILE)
        check_file(w, id, &m);
    else
        check_chunks(w, id, m.size);
    msg_row_clear(&m);
}

static void check_body(struct walk *w, struct span key, struct span value)
{
    struct msg_row m;
    struct wire k = wire_open(key);
    uint64_t message = wire_u64(&k);
    uint32_t chunk = wire_u32(&k);
    w->c->chunks++;
    if (wire_end(&k) != 0) {
        complain(w, "body: a key does not decode");
    } else if (!get_message(w, message, &m)) {
        complain(w, "body %" PRIu64 "/%u: no such message", message, chunk);
    } else {
        if (m.kind != BODY_CHUNKS || (uint64_t)chunk * BODY_CHUNK >= m.size)
            complain(w, "body %" PRIu64 "/%u: behind the end of %" PRIu64 " octets", message, chunk,
                     m.size);
        msg_row_clear(&m);
    }
}

/* ---- rcpt, due, dest ---- */

static struct due place_of(uint64_t id, const struct rcpt_row *r)
{
    return (struct due){r->again ? DUE_AGAIN : DUE_FIRST, r->next_ms, id};
}

static struct stream_id stream_of(const struct walk *w, const struct rcpt_row *r)
{
    return (struct stream_id){name_hash(w->secret, address_domain(r->address)), r->account};
}

static void check_rcpt(struct walk *w, struct span key, struct span value)
{
    struct rcpt_row r;
    struct msg_row m;
    uint64_t id;
    if (key_read_id(key, &id) != 0 || rcpt_row_read(value, &r) != 0) {
        complain(w, "rcpt: a row does not decode");
        return;
    }
    w->c->recipients++;
    w->c->held += r.held;
    if (!get_message(w, r.message, &m)) {
        complain(w, "rcpt %" PRIu64 ": its message %" PRIu64 " is not there", id, r.message);
    } else {
        if (id < r.message || id - r.message >= m.recipients)
            complain(w, "rcpt %" PRIu64 ": message %" PRIu64 " has %u recipients", id, r.message,
                     m.recipients);
        if (r.account != name_hash(w->secret, m.envelope->account))
            complain(w, "rcpt %" PRIu64 ": has another hash of its account", id);
        msg_row_clear(&m);
    }
    struct due place = place_of(id, &r);
    bool due = has(w, TABLE_DUE, key_due(place)),
         dest = has(w, TABLE_DEST, key_dest(stream_of(w, &r), place));
    if (has(w, TABLE_HELD, key_id(id)) != r.held)
        complain(w, "rcpt %" PRIu64 ": %s, and held %s", id, r.held ? "held" : "queued",
                 r.held ? "lacks it" : "has it");
    if (due == r.held || dest == r.held)
        complain(w, "rcpt %" PRIu64 ": %s, %s in due, %s in dest", id, r.held ? "held" : "queued",
                 due ? "is" : "not", dest ? "is" : "not");
    rcpt_row_clear(&r);
}

static void check_held(struct walk *w, struct span key, struct span value)
{
    struct rcpt_row r;
    uint64_t id;
    if (key_read_id(key, &id) != 0 || value.n != 0) {
        complain(w, "held: a row does not decode");
    } else if (!get_recipient(w, id, &r)) {
        complain(w, "held %" PRIu64 ": no such recipient", id);
    } else {
        rcpt_row_clear(&r); /* check_rcpt has seen whether it is held */
    }
}

static void check_index(struct walk *w, const char *table, struct due due, struct stream_id stream)
{
    struct rcpt_row r;
    if (!get_recipient(w, due.id, &r)) {
        complain(w, "%s %" PRId64 "/%" PRIu64 ": no such recipient", table, due.next_ms, due.id);
        return;
    }
    struct due there = place_of(due.id, &r);
    if (r.held || there.next_ms != due.next_ms || there.class != due.class)
        complain(w, "%s %d/%" PRId64 "/%" PRIu64 ": it is %s, due at %d/%" PRId64, table, due.class,
                 due.next_ms, due.id, r.held ? "held" : "queued", there.class, there.next_ms);
    struct stream_id its = stream_of(w, &r);
    if (its.destination != stream.destination || its.account != stream.account)
        complain(w, "%s %" PRId64 "/%" PRIu64 ": %s has another hash, or its account", table,
                 due.next_ms, due.id, address_domain(r.address));
    rcpt_row_clear(&r);
}

static void check_due(struct walk *w, struct span key, struct span value)
{
    struct due due;
    struct stream_id stream;
    if (key_read_due(key, &due) != 0 || due_value_read(value, &stream) != 0)
        complain(w, "due: a row does not decode");
    else
        check_index(w, "due", due, stream);
}

static void check_dest(struct walk *w, struct span key, struct span value)
{
    struct due due;
    struct stream_id stream;
    if (key_read_dest(key, &stream, &due) != 0 || value.n != 0)
        complain(w, "dest: a row does not decode");
    else
        check_index(w, "dest", due, stream);
}

/* ---- history, events, webhooks ---- */

static void check_retired(struct walk *w, struct span key, struct span value)
{
    struct retired_row r;
    struct rcpt_row there;
    uint64_t id;
    if (key_read_id(key, &id) != 0 || retired_row_read(value, &r) != 0) {
        complain(w, "retired: a row does not decode");
        return;
    }
    w->c->retired++;
    check_id(w, "retired", id);
    if (r.item.row.id != id)
        complain(w, "retired %" PRIu64 ": calls itself %" PRIu64, id, r.item.row.id);
    if (!has(w, TABLE_ENDED, key_ended(r.item.row.next_ms, id)))
        complain(w, "retired %" PRIu64 ": is not in ended", id);
    if (get_recipient(w, id, &there)) {
        complain(w, "retired %" PRIu64 ": is in the queue, too", id);
        rcpt_row_clear(&there);
    }
    retired_row_clear(&r);
}

static void check_ended(struct walk *w, struct span key, struct span value)
{
    struct retired_row r;
    struct span row;
    int64_t ended_ms;
    uint64_t id;
    if (key_read_ended(key, &ended_ms, &id) != 0 || value.n != 0) {
        complain(w, "ended: a row does not decode");
        return;
    }
    struct key k = key_id(id);
    if (!store_get(w->t, TABLE_RETIRED, key_span(&k), &row) || retired_row_read(row, &r) != 0) {
        complain(w, "ended %" PRId64 "/%" PRIu64 ": no such row of the history", ended_ms, id);
        return;
    }
    if (r.item.row.next_ms != ended_ms)
        complain(w, "ended %" PRId64 "/%" PRIu64 ": it ended at %" PRId64, ended_ms, id,
                 r.item.row.next_ms);
    retired_row_clear(&r);
}

static void check_event(struct walk *w, struct span key, struct span value)
{
    struct event_item r;
    uint64_t account, id;
    if (key_read_event(key, &account, &id) != 0 || event_row_read(value, &r) != 0) {
        complain(w, "event: a row does not decode");
        return;
    }
    w->c->events++;
    if (id == 0 || id >= w->next_event)
        complain(w, "event %" PRIu64 ": the next one is %" PRIu64, id, w->next_event);
    if (account != name_hash(w->secret, r.account))
        complain(w, "event %" PRIu64 ": is with another account's", id);
    event_item_clear(&r);
}

static struct due hook_place(uint64_t id, const struct hook_row *r)
{
    return (struct due){r->attempts > 0 ? DUE_AGAIN : DUE_FIRST, r->next_ms, id};
}

static void check_hook(struct walk *w, struct span key, struct span value)
{
    struct hook_row r;
    uint64_t id;
    if (key_read_id(key, &id) != 0 || hook_row_read(value, &r) != 0) {
        complain(w, "hook: a row does not decode");
        return;
    }
    w->c->hooks++;
    check_id(w, "hook", id);
    if (!has(w, TABLE_HOOKDUE, key_due(hook_place(id, &r))))
        complain(w, "hook %" PRIu64 ": is not in hookdue", id);
    hook_row_clear(&r);
}

static void check_hookdue(struct walk *w, struct span key, struct span value)
{
    struct hook_row r;
    struct span row;
    struct due due;
    struct stream_id stream;
    if (key_read_due(key, &due) != 0 || due_value_read(value, &stream) != 0) {
        complain(w, "hookdue: a row does not decode");
        return;
    }
    struct key k = key_id(due.id);
    if (!store_get(w->t, TABLE_HOOK, key_span(&k), &row) || hook_row_read(row, &r) != 0) {
        complain(w, "hookdue %" PRId64 "/%" PRIu64 ": no such webhook", due.next_ms, due.id);
        return;
    }
    struct due there = hook_place(due.id, &r);
    if (there.next_ms != due.next_ms || there.class != due.class)
        complain(w, "hookdue %d/%" PRId64 "/%" PRIu64 ": is due at %d/%" PRId64, due.class,
                 due.next_ms, due.id, there.class, there.next_ms);
    hook_row_clear(&r);
}

static void check_hooklast(struct walk *w, struct span key, struct span value)
{
    struct hook_row r;
    struct span row;
    uint64_t recipient, id;
    if (key_read_id(key, &recipient) != 0 || key_read_id(value, &id) != 0) {
        complain(w, "hooklast: a row does not decode");
        return;
    }
    struct key k = key_id(id);
    if (!store_get(w->t, TABLE_HOOK, key_span(&k), &row) || hook_row_read(row, &r) != 0) {
        complain(w, "hooklast %" PRIu64 ": no such webhook", recipient);
        return;
    }
    if (r.recipient != recipient)
        complain(w, "hooklast %" PRIu64 ": it is of %" PRIu64, recipient, r.recipient);
    hook_row_clear(&r);
}

static void check_hookretired(struct walk *w, struct span key, struct span value)
{
    struct hook_row r;
    uint64_t id;
    if (key_read_id(key, &id) != 0 || hook_row_read(value, &r) != 0) {
        complain(w, "hookretired: a row does not decode");
        return;
    }
    w->c->hooks_retired++;
    check_id(w, "hookretired", id);
    if (!has(w, TABLE_HOOKENDED, key_ended(r.next_ms, id)))
        complain(w, "hookretired %" PRIu64 ": is not in hookended", id);
    if (has(w, TABLE_HOOK, key_id(id)))
        complain(w, "hookretired %" PRIu64 ": is in the queue, too", id);
    hook_row_clear(&r);
}

static void check_hookended(struct walk *w, struct span key, struct span value)
{
    struct hook_row r;
    struct span row;
    int64_t ended_ms;
    uint64_t id;
    if (key_read_ended(key, &ended_ms, &id) != 0 || value.n != 0) {
        complain(w, "hookended: a row does not decode");
        return;
    }
    struct key k = key_id(id);
    if (!store_get(w->t, TABLE_HOOKRETIRED, key_span(&k), &row) || hook_row_read(row, &r) != 0) {
        complain(w, "hookended %" PRId64 "/%" PRIu64 ": no such row of the history", ended_ms, id);
        return;
    }
    if (r.next_ms != ended_ms)
        complain(w, "hookended %" PRId64 "/%" PRIu64 ": it ended at %" PRId64, ended_ms, id,
                 r.next_ms);
    hook_row_clear(&r);
}

/* ---- mailboxes ---- */

static void check_mail(struct walk *w, struct span key, struct span value)
{
    struct mail_message m;
    uint64_t account, id;
    if (key_read_mail(key, &account, &id) != 0 || mail_row_read(value, &m) != 0) {
        complain(w, "mail: a row does not decode");
        return;
    }
    check_id(w, "mail", id);
    if (m.id != id)
        complain(w, "mail %" PRIu64 ": calls itself %" PRIu64, id, m.id);
    if (m.removed_ms != 0 && !has(w, TABLE_MAILGONE, key_mailgone(m.removed_ms, account, id)))
        complain(w, "mail %" PRIu64 ": was removed, and is not in mailgone", id);
    mail_message_clear(&m);
}

static void check_mailfile(struct walk *w, struct span key, struct span value)
{
    uint64_t account, file, id;
    if (key_read_mail(key, &account, &file) != 0 || mailfile_row_read(value, &id) != 0)
        complain(w, "mailfile: a row does not decode");
    else if (!has(w, TABLE_MAIL, key_mail(account, id)))
        complain(w, "mailfile: no such message %" PRIu64, id);
}

static void check_mailgone(struct walk *w, struct span key, struct span value)
{
    uint64_t account, id;
    int64_t removed_ms;
    if (key_read_mailgone(key, &removed_ms, &account, &id) != 0 || value.n != 0)
        complain(w, "mailgone: a row does not decode");
    else if (!has(w, TABLE_MAIL, key_mail(account, id)))
        complain(w, "mailgone: no such message %" PRIu64, id);
}

static void check_hold(struct walk *w, struct span key, struct span value)
{
    struct admin_hold_rule r;
    uint64_t id, next = 0;
    if (key_read_id(key, &id) != 0 || hold_row_read(value, &r) != 0) {
        complain(w, "hold: a row does not decode");
        return;
    }
    if (r.id != id || !get_number(w, "next_rule", &next) || id >= next)
        complain(w, "hold %" PRIu64 ": is named %" PRIu64 ", the next one is %" PRIu64, id, r.id,
                 next);
    admin_hold_rule_clear(&r);
}

/* ---- files ---- */

/* Tokens that message rows name. */
struct owned {
    uint64_t *tokens;
    size_t n;
};

static void collect_owned(struct walk *w, struct owned *o)
{
    struct store_cursor c = store_cursor(w->t, TABLE_MSG);
    for (bool at = store_seek(&c, (struct span){0}); at; at = store_next(&c)) {
        struct msg_row m;
        if (msg_row_read(c.value, &m) != 0)
            continue;
        if (m.kind == BODY_FILE) {
            o->tokens = realloc(o->tokens, (o->n + 1) * sizeof *o->tokens);
            o->tokens[o->n++] = m.file;
        }
        msg_row_clear(&m);
    }
    store_cursor_close(&c);
}

static bool is_owned(const struct owned *o, uint64_t token)
{
    for (size_t i = 0; i < o->n; i++) {
        if (o->tokens[i] == token)
            return true;
    }
    return false;
}

static void check_folder(struct walk *w, unsigned folder, const struct owned *o)
{
    char path[32];
    (void)snprintf(path, sizeof path, "bodies/%02x", folder);
    int fd = openat(w->dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;
    if (d == NULL) {
        complain(w, "%s: cannot be opened", path);
        return;
    }
    while ((e = readdir(d)) != NULL) {
        char *end;
        if (e->d_name[0] == '.')
            continue;
        w->c->files++;
        uint64_t token = strtoull(e->d_name, &end, 16);
        if (*end != '\0' || token % BODY_FOLDERS != folder || !is_owned(o, token))
            complain(w, "%s/%s: no message names it", path, e->d_name);
    }
    (void)closedir(d);
}

static const struct {
    unsigned table;
    each_row *check;
} tables[] = {
    {TABLE_MSG, check_msg},
    {TABLE_RCPT, check_rcpt},
    {TABLE_DUE, check_due},
    {TABLE_DEST, check_dest},
    {TABLE_BODY, check_body},
    {TABLE_RETIRED, check_retired},
    {TABLE_EVENT, check_event},
    {TABLE_HOOK, check_hook},
    {TABLE_HOOKDUE, check_hookdue},
    {TABLE_HOOKRETIRED, check_hookretired},
    {TABLE_HOOKENDED, check_hookended},
    {TABLE_HELD, check_held},
    {TABLE_ENDED, check_ended},
    {TABLE_MAIL, check_mail},
    {TABLE_MAILFILE, check_mailfile},
    {TABLE_MAILGONE, check_mailgone},
    {TABLE_HOLD, check_hold},
    {TABLE_HOOKLAST, check_hooklast},
};

void consist_check(struct store *store, int dirfd, struct consist *c)
{
    struct walk w = {.c = c, .dirfd = dirfd};
    struct owned owned = {0};
    *c = (struct consist){0};
    w.t = store_begin(store, false);
    read_sys(&w);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        each(&w, tables[i].table, tables[i].check);
    collect_owned(&w, &owned);
    for (unsigned i = 0; i < BODY_FOLDERS; i++)
        check_folder(&w, i, &owned);
    free(owned.tokens);
    if (store_failed(w.t))
        complain(&w, "the store cannot be read");
    store_abort(&w.t);
}

void consist_clear(struct consist *c)
{
    buf_free(&c->report);
}
