#include "mailindex.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "once.h"
#include "rows.h"
#include "tables.h"

#define MESSAGE_OCTETS 2048 /* of its rows, mostly less */

/* ---- rows ---- */

/* A message that was delivered begins with its id, and is found by that. Any other is found by its
 * folder and the name of its file, and by its inode, each by a row of the table mailfile. */
static struct key file_key(const struct ledger *l, uint64_t account, char kind, const char *text)
{
    char *name = mem_format("%c%s", kind, text);
    struct key k = key_mail(account, name_hash(l->secret, name));
    mem_free(&name);
    return k;
}

static struct key name_key(const struct ledger *l, uint64_t account, const struct mail_place *p)
{
    char *path = mem_format("%s/%s", p->folder, p->name);
    struct key k = file_key(l, account, 'n', path);
    mem_free(&path);
    return k;
}

static struct key inode_key(const struct ledger *l, uint64_t account, uint64_t inode)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, inode);
    return file_key(l, account, 'i', text);
}

/* Whether there is a row, of a message or of one that was removed: the caller's to clear. One that
 * does not decode is none. */
static bool read_row(struct store_txn *t, uint64_t account, uint64_t id, struct mail_message *m)
{
    struct key k = key_mail(account, id);
    struct span value;
    return store_get(t, TABLE_MAIL, key_span(&k), &value) && mail_row_read(value, m) == 0;
}

/* As read_row, of what was not removed. */
static bool read_live(struct store_txn *t, uint64_t account, uint64_t id, struct mail_message *m)
{
    if (!read_row(t, account, id, m))
        return false;
    if (m->removed_ms == 0)
        return true;
    mail_message_clear(m);
    return false;
}

/* The message that a row of mailfile leads to. */
static bool follow(struct store_txn *t, uint64_t account, const struct key *k,
                   struct mail_message *m)
{
    struct span value;
    uint64_t id;
    return store_get(t, TABLE_MAILFILE, key_span(k), &value) &&
           mailfile_row_read(value, &id) == 0 && read_live(t, account, id, m);
}

static void put_row(struct store_txn *t, uint64_t account, const struct mail_message *m)
{
    struct buf b = {0};
    struct key k = key_mail(account, m->id);
    mail_row_put(&b, m);
    store_put(t, TABLE_MAIL, key_span(&k), buf_span(&b));
    buf_free(&b);
}

/* Removes a row of mailfile if it leads to this message. */
static void unindex_one(struct store_txn *t, const struct key *k, uint64_t of)
{
    struct span value;
    uint64_t id;
    if (store_get(t, TABLE_MAILFILE, key_span(k), &value) && mailfile_row_read(value, &id) == 0 &&
        id == of)
        (void)store_delete(t, TABLE_MAILFILE, key_span(k));
}

static void unindex(const struct ledger *l, struct store_txn *t, uint64_t account,
                    const struct mail_message *m)
{
    if (m->place.mtime_ms == 0)
        return;
    struct key name = name_key(l, account, &m->place),
               inode = inode_key(l, account, m->place.inode);
    unindex_one(t, &name, m->id);
    unindex_one(t, &inode, m->id);
}

static void index_file(const struct ledger *l, struct store_txn *t, uint64_t account,
                       const struct mail_message *m)
{
    if (m->place.mtime_ms == 0)
        return;
    struct buf b = {0};
    struct key name = name_key(l, account, &m->place),
               inode = inode_key(l, account, m->place.inode);
    mailfile_row_put(&b, m->id);
    store_put(t, TABLE_MAILFILE, key_span(&name), buf_span(&b));
    store_put(t, TABLE_MAILFILE, key_span(&inode), buf_span(&b));
    buf_free(&b);
}

/* It is there now; what its mtime_ms says of it stays as it was. */
static void set_place(const struct ledger *l, struct store_txn *t, uint64_t account,
                      struct mail_message *m, const struct mail_place *place)
{
    int64_t mtime_ms = m->place.mtime_ms == 0 ? 0 : place->mtime_ms;
    unindex(l, t, account, m);
    mail_place_clear(&m->place);
    mail_place_copy(&m->place, place);
    m->place.mtime_ms = mtime_ms;
    index_file(l, t, account, m);
    put_row(t, account, m);
}

/* ---- what delivery tells ---- */

/* The address in "192.0.2.1 ESMTPS", or "" where it begins with none. mem_free. */
static char *client_address(const char *client)
{
    unsigned char octets[16];
    char *word = mem_textn(client, strcspn(client, " "));
    if (inet_pton(AF_INET, word, octets) != 1 && inet_pton(AF_INET6, word, octets) != 1)
        word[0] = '\0';
    return word;
}

void mailindex_stored(struct ledger *l, struct store_txn *t, const char *account,
                      const struct submit_envelope *e, const char *recipient,
                      const struct deliver_result *result, const struct mail_checks *checks)
{
    uint64_t hash = name_hash(l->secret, account);
    struct mail_message m, before;
    if (result->stored_name[0] == '\0')
        return;
    /* After a crash a message is delivered a second time, and the first may have been seen. */
    if (read_live(t, hash, result->id, &before)) {
        unindex(l, t, hash, &before);
        mail_message_clear(&before);
    }
    m = (struct mail_message){.id = result->id,
                              .mail_from = mem_text(e->sender),
                              .rcpt_to = mem_text(recipient),
                              .remote_ip = client_address(e->client),
                              .received_ms = e->received_ms,
                              .checks = {checks->spf, checks->dmarc, {0}}};
    mail_words_copy(&m.checks.dkim, &checks->dkim);
    mail_place_set(&m.place, result->stored_folder, result->stored_name, result->stored_inode, 0);
    put_row(t, hash, &m);
    mail_message_clear(&m);
}

/* ---- files that were seen ---- */

enum known { KNOWN, ELSEWHERE, NEW };

static bool is_at(const struct mail_message *m, const struct mail_place *place)
{
    return strcmp(m->place.name, place->name) == 0 && strcmp(m->place.folder, place->folder) == 0;
}

/* Which message the file is. ELSEWHERE: it was seen under another name, or in another folder. NEW:
 * *m has the id 0, or the one that the file itself names. Another program makes a second name of a
 * file for a copy, perhaps the same one in another folder, and for a while when it moves it: so
 * what has one name only, and is the file that was seen before, was moved. */
static enum known identify(const struct ledger *l, struct store_txn *t, uint64_t account,
                           const struct mail_seen *s, struct mail_message *m)
{
    const struct mail_place *place = &s->place;
    struct mail_message row;
    if (s->line_id != 0) {
        if (!read_row(t, account, s->line_id, &row)) {
            *m = mail_message_new(s->line_id);
            return NEW;
        }
        bool same = row.removed_ms == 0 && is_at(&row, place),
             moved = row.removed_ms == 0 && row.place.inode == place->inode && s->links == 1;
        if (same || moved) {
            *m = row;
            return mail_place_equal(&row.place, place) ? KNOWN : ELSEWHERE;
        }
        mail_message_clear(&row);
    }
    struct key k = name_key(l, account, place);
    if (follow(t, account, &k, m)) {
        if (is_at(m, place))
            return mail_place_equal(&m->place, place) ? KNOWN : ELSEWHERE;
        mail_message_clear(m);
    }
    k = inode_key(l, account, place->inode);
    if (follow(t, account, &k, m)) {
        if (m->place.inode == place->inode && m->place.mtime_ms == place->mtime_ms && s->links == 1)
            return ELSEWHERE;
        mail_message_clear(m);
    }
    *m = mail_message_new(0);
    return NEW;
}

/* Ids that this store never gave out are nobody's to claim. */
static void take_in(struct ledger *l, struct store_txn *t, uint64_t account,
                    const struct mail_seen *s, struct mail_message *m)
{
    bool own = m->id != 0 && m->id < l->next_id;
    if (!own)
        m->id = ledger_take_id(l, t);
    mail_place_clear(&m->place);
    mail_place_copy(&m->place, &s->place);
    if (own)
        m->place.mtime_ms = 0;
    submit_set(&m->mail_from, s->mail_from);
    submit_set(&m->rcpt_to, s->rcpt_to);
    m->received_ms = s->place.mtime_ms;
    mail_words_copy(&m->keywords, &s->keywords);
    index_file(l, t, account, m);
    put_row(t, account, m);
}

/* ---- requests ---- */

struct asked {
    struct change change;
    struct account_ask ask;
    struct mail_request request;
    struct mail_answer answer;
};

static void note(struct asked *a, struct ledger *l, struct store_txn *t, uint64_t account)
{
    const struct mail_request *r = &a->request;
    a->answer.messages = mem_array(r->seen_n, sizeof *a->answer.messages);
    a->answer.messages_n = r->seen_n;
    for (uint32_t i = 0; i < r->seen_n; i++) {
        struct mail_message *m = &a->answer.messages[i];
        enum known known = identify(l, t, account, &r->seen[i], m);
        if (known == ELSEWHERE)
            set_place(l, t, account, m, &r->seen[i].place);
        else if (known == NEW)
            take_in(l, t, account, &r->seen[i], m);
    }
    if (r->once_key[0] != '\0')
        once_copied(l, t, r->account, r->once_key);
}

static enum mail_result change_keywords(const struct mail_request *r, struct store_txn *t,
                                        uint64_t account, struct mail_message *m)
{
    enum mail_result result = MAIL_DONE;
    for (uint32_t i = 0; i < r->remove.n; i++)
        (void)mail_words_remove(&m->keywords, r->remove.list[i]);
    for (uint32_t i = 0; i < r->add.n; i++) {
        if (!mail_words_add(&m->keywords, r->add.list[i]))
            result = MAIL_FULL;
    }
    if (result == MAIL_DONE)
        put_row(t, account, m);
    return result;
}

/* Whether another message is at this place. */
static bool is_taken(const struct ledger *l, struct store_txn *t, uint64_t account, uint64_t id,
                     const struct mail_place *place)
{
    struct key k = name_key(l, account, place);
    struct mail_message other;
    if (!follow(t, account, &k, &other))
        return false;
    bool taken = other.id != id && is_at(&other, place);
    mail_message_clear(&other);
    return taken;
}

static enum mail_result change_place(const struct mail_request *r, const struct ledger *l,
                                     struct store_txn *t, uint64_t account, struct mail_message *m)
{
    if (is_taken(l, t, account, m->id, &r->place))
        return MAIL_TAKEN;
    /* What does not fit beside so many others is no reason to lose a message. */
    for (uint32_t i = 0; i < r->add.n; i++)
        (void)mail_words_add(&m->keywords, r->add.list[i]);
    set_place(l, t, account, m, &r->place);
    return MAIL_DONE;
}

static enum mail_result remove_message(const struct ledger *l, struct store_txn *t,
                                       uint64_t account, const struct mail_message *m)
{
    struct mail_message gone = mail_message_new(m->id);
    gone.removed_ms = clock_wall_ms();
    unindex(l, t, account, m);
    put_row(t, account, &gone);
    struct key k = key_mailgone(gone.removed_ms, account, gone.id);
    store_put(t, TABLE_MAILGONE, key_span(&k), (struct span){0});
    mail_message_clear(&gone);
    return MAIL_DONE;
}

unsigned mailindex_gone(const struct ledger *l, struct store_txn *t, uint64_t account,
                        const uint64_t *ids, const struct mail_place *places, uint32_t n)
{
    struct mail_message m;
    unsigned removed = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!read_live(t, account, ids[i], &m))
            continue;
        if (mail_place_equal(&m.place, &places[i])) {
            (void)remove_message(l, t, account, &m);
            removed++;
        }
        mail_message_clear(&m);
    }
    return removed;
}

static enum mail_result change_one(const struct mail_request *r, const struct ledger *l,
                                   struct store_txn *t, uint64_t account)
{
    struct mail_message m;
    enum mail_result result = MAIL_REMOVED;
    if (!read_row(t, account, r->id, &m))
        return MAIL_ABSENT;
    if (m.removed_ms == 0 && r->type == MSG_MAIL_KEYWORDS)
        result = change_keywords(r, t, account, &m);
    else if (m.removed_ms == 0 && r->type == MSG_MAIL_MOVED)
        result = change_place(r, l, t, account, &m);
    else if (m.removed_ms == 0)
        result = remove_message(l, t, account, &m);
    mail_message_clear(&m);
    return result;
}

/* Of the rows that the request may write, about. */
static uint64_t octets_of(const struct mail_request *r)
{
    return (r->seen_n + 1) * (uint64_t)MESSAGE_OCTETS;
}

static void apply(struct change *change, struct store_txn *t)
{
    struct asked *a = (struct asked *)change;
    struct ledger *l = &a->ask.queue->ledger;
    uint64_t account = name_hash(l->secret, a->request.account);
    mail_answer_clear(&a->answer); /* of when it ran before */
    a->answer.result = MAIL_DONE;
    /* A message that was moved or removed already has to be written down; the rest can be refused,
     * so that what else is in the transaction does not fail. */
    bool must = a->request.type == MSG_MAIL_MOVED || a->request.type == MSG_MAIL_DELETED;
    if (!must && !store_has_room(t, octets_of(&a->request)))
        a->answer.result = MAIL_UNAVAILABLE;
    else if (a->request.type == MSG_MAIL_NOTE)
        note(a, l, t, account);
    else
        a->answer.result = change_one(&a->request, l, t, account);
}

static void done(struct change *change, const char *why)
{
    struct asked *a = (struct asked *)change;
    struct ipc *ch = account_channel(&a->ask);
    if (why != NULL) {
        log_error(NULL, "index of a mailbox not changed", LS("account", a->request.account),
                  LS("why", why));
        mail_answer_clear(&a->answer);
        a->answer.result = MAIL_UNAVAILABLE;
    }
    if (ch != NULL)
        mail_reply(ch, a->ask.request, &a->answer);
    mail_answer_clear(&a->answer);
    mail_request_clear(&a->request);
    mem_free(&a);
}

static void change(const struct account_ask *ask, struct mail_request *r)
{
    struct asked *a = mem_zero(sizeof *a);
    a->change.apply = apply;
    a->change.done = done;
    a->ask = *ask;
    a->request = *r;
    commit_add(ask->queue->commit, &a->change);
}

static void look_up(const struct ledger *l, struct store_txn *t, const struct mail_request *r,
                    struct mail_answer *answer)
{
    struct mail_message m;
    if (!read_row(t, name_hash(l->secret, r->account), r->id, &m)) {
        answer->result = MAIL_ABSENT;
        return;
    }
    if (m.removed_ms != 0) {
        answer->result = MAIL_REMOVED;
        mail_message_clear(&m);
        return;
    }
    answer->messages = mem_array(1, sizeof *answer->messages);
    answer->messages[answer->messages_n++] = m;
}

/* False when it takes a change. */
static bool recognize(const struct ledger *l, struct store_txn *t, const struct mail_request *r,
                      struct mail_answer *answer)
{
    uint64_t account = name_hash(l->secret, r->account);
    bool all = true;
    answer->messages = mem_array(r->seen_n, sizeof *answer->messages);
    while (all && answer->messages_n < r->seen_n) {
        struct mail_message *m = &answer->messages[answer->messages_n];
        all = identify(l, t, account, &r->seen[answer->messages_n], m) == KNOWN;
        answer->messages_n++;
    }
    return all;
}

/* Whether the request could be answered without a change. */
static bool look(const struct account_ask *ask, const struct mail_request *r)
{
    struct queue *q = ask->queue;
    struct mail_answer answer = {.result = MAIL_DONE};
    struct store_txn *t = store_begin(q->store, false);
    bool enough = true;
    if (r->type == MSG_MAIL_GET)
        look_up(&q->ledger, t, r, &answer);
    else
        enough = recognize(&q->ledger, t, r, &answer);
    if (store_failed(t)) {
        mail_answer_clear(&answer);
        answer.result = MAIL_UNAVAILABLE;
        enough = true;
    }
    store_abort(&t);
    if (enough)
        mail_reply(account_channel(ask), ask->request, &answer);
    mail_answer_clear(&answer);
    return enough;
}

int mailindex_on_request(const struct account_ask *ask, struct ipc_message *m, struct fail *f)
{
    struct mail_request r;
    if (mail_read(m, &r, f) != 0)
        return -1;
    bool looks = r.type == MSG_MAIL_GET || (r.type == MSG_MAIL_NOTE && r.once_key[0] == '\0');
    if (looks && look(ask, &r))
        mail_request_clear(&r);
    else
        change(ask, &r);
    return 0;
}

/* ---- the janitor's part ---- */

/* The first row, if its message was removed by then. */
static bool first_forgotten(struct store_cursor *c, int64_t until_ms, uint64_t *account,
                            uint64_t *id)
{
    int64_t removed_ms;
    return key_read_mailgone(c->key, &removed_ms, account, id) != 0 || removed_ms <= until_ms;
}

bool mailindex_has_forgotten(struct store_txn *t, int64_t until_ms)
{
    uint64_t account, id;
    struct store_cursor c = store_cursor(t, TABLE_MAILGONE);
    bool some = store_seek(&c, (struct span){0}) && first_forgotten(&c, until_ms, &account, &id);
    store_cursor_close(&c);
    return some;
}

unsigned mailindex_forget(struct store_txn *t, int64_t until_ms, unsigned limit)
{
    struct store_cursor c = store_cursor(t, TABLE_MAILGONE);
    struct mail_message m;
    unsigned n = 0;
    for (bool at = store_seek(&c, (struct span){0}); at && n < limit; n++) {
        uint64_t account = 0, id = 0;
        if (!first_forgotten(&c, until_ms, &account, &id))
            break;
        at = store_delete_here(&c);
        /* It may be there again: delivered a second time after a crash. */
        if (!read_row(t, account, id, &m))
            continue;
        struct key k = key_mail(account, id);
        if (m.removed_ms != 0 && m.removed_ms <= until_ms)
            (void)store_delete(t, TABLE_MAIL, key_span(&k));
        mail_message_clear(&m);
    }
    store_cursor_close(&c);
    return n;
}
