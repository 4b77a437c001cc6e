#include "world.h"

#include <stdio.h>
#include <string.h>

#include "account.h"
#include "clock.h"
#include "mem.h"
#include "proto_mail.h"
#include "proto_suppress.h"
#include "tables.h"

/* The index of mailboxes, as webapi asks for it. */

#define SETTINGS                                                                                   \
    "domain us.example { }\n"                                                                      \
    "account ann { address ann@us.example }\n"                                                     \
    "account bob { address bob@us.example }\n"
#define HOUR 3600000ll

static struct account *account;
static struct ipc *webapi;
static struct mail_answer answer; /* the last one; its messages are taken over */
static bool answered;

static void open_index_of(const char *settings)
{
    static const struct ipc_handler handler = {NULL, NULL};
    struct fail f;
    int fd[2];
    world_open(settings);
    account = account_new(&world.queue);
    assert_int_equal(ipc_pair(fd, &f), 0);
    webapi = ipc_new(world.queue.base, fd[0], "account", &handler, NULL);
    account_link(account, "webapi/0", fd[1]);
}

static void open_index(void)
{
    open_index_of(SETTINGS);
}

static int teardown(void **state)
{
    mail_answer_clear(&answer);
    deliver_result_clear(&world.local.script);
    ipc_free(&webapi);
    account_free(&account);
    return world_teardown(state);
}

static void on_answer(void *arg, const struct mail_answer *a)
{
    mail_answer_clear(&answer);
    answer.result = a->result;
    answer.messages_n = a->messages_n;
    answer.messages = mem_array(a->messages_n, sizeof *answer.messages);
    for (uint32_t i = 0; i < a->messages_n; i++) {
        struct buf b = {0};
        mail_message_put(&b, &a->messages[i]);
        struct wire w = wire_open(buf_span(&b));
        mail_message_get(&w, &answer.messages[i]);
        assert_int_equal(wire_end(&w), 0);
        buf_free(&b);
    }
    answered = true;
}

static enum mail_result wait_for_answer(void)
{
    answered = false;
    WORLD_UNTIL(answered);
    return answer.result;
}

static enum mail_result get(const char *who, uint64_t id)
{
    (void)mail_get(webapi, who, id, on_answer, NULL);
    return wait_for_answer();
}

static enum mail_result deleted(uint64_t id)
{
    (void)mail_deleted(webapi, "ann", id, on_answer, NULL);
    return wait_for_answer();
}

static enum mail_result moved(uint64_t id, const char *folder, const char *name, uint64_t inode)
{
    static const struct mail_words none;
    const struct mail_place place = {(char *)folder, (char *)name, inode, 99};
    (void)mail_moved(webapi, "ann", id, &place, &none, on_answer, NULL);
    return wait_for_answer();
}

/* What is seen of a file; the id that it is given. */
struct seen {
    const char *folder, *name;
    uint64_t inode;
    int64_t mtime_ms;
    uint64_t line_id;
    uint32_t links;
};
static uint64_t note(struct seen s)
{
    const struct mail_seen seen = {
        .place = {(char *)s.folder, (char *)s.name, s.inode, s.mtime_ms},
        .line_id = s.line_id,
        .links = s.links,
        .mail_from = (char *)"seen@b.example",
        .rcpt_to = (char *)"",
    };
    (void)mail_note(webapi, "ann", &seen, 1, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAIL_DONE);
    return answer.messages[0].id;
}

/* As note, of the copy of what ann sent under the key k. */
static uint64_t note_copy(struct seen s)
{
    const struct mail_seen seen = {
        .place = {(char *)s.folder, (char *)s.name, s.inode, s.mtime_ms},
        .links = s.links,
        .mail_from = (char *)"",
        .rcpt_to = (char *)"",
    };
    (void)mail_note_copy(webapi, "ann", &seen, "k", on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAIL_DONE);
    return answer.messages[0].id;
}

/* What ann sends under the key k. Its id. */
static uint64_t send_once(void)
{
    struct submit_envelope *e = world_envelope("ann@us.example", "c@d.example");
    submit_set(&e->account, "ann");
    submit_set(&e->once_key, "k");
    return world_submit(e, "Subject: x\r\n\r\n");
}

/* A message for ann, delivered as 1.mail with the inode 7. Its id. */
static uint64_t deliver(const char *name, uint64_t inode)
{
    deliver_result_clear(&world.local.script);
    world.local.script = deliver_result_new(0, DELIVER_DONE);
    submit_set(&world.local.script.stored_name, name);
    world.local.script.stored_inode = inode;
    world.local.on_job = agent_answers;
    struct submit_envelope *e = world_envelope("a@b.example", "ann@us.example");
    submit_set(&e->client, "2001:db8::5 ESMTPS");
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n"), rows = world_rows(TABLE_MAIL);
    assert_int_not_equal(id, 0);
    WORLD_UNTIL(world_rows(TABLE_MAIL) > rows);
    return id;
}

static void test_a_delivery_is_written_down_with_its_result(void **state)
{
    open_index();
    uint64_t id = deliver("1.mail", 7);
    assert_int_equal(get("ann", id), MAIL_DONE);
    const struct mail_message *m = &answer.messages[0];
    assert_int_equal(m->id, id);
    assert_string_equal(m->place.folder, "");
    assert_string_equal(m->place.name, "1.mail");
    assert_int_equal(m->place.inode, 7);
    assert_string_equal(m->mail_from, "a@b.example");
    assert_string_equal(m->rcpt_to, "ann@us.example");
    assert_string_equal(m->remote_ip, "2001:db8::5");
    assert_int_equal(m->checks.spf, MAIL_UNCHECKED);
    assert_int_equal(m->checks.dmarc, MAIL_UNCHECKED);
    assert_int_equal(get("bob", id), MAIL_ABSENT);
    assert_int_equal(get("ann", id + 1), MAIL_ABSENT);
    assert_int_equal(world_rows(TABLE_MAILFILE), 0);
}

static void test_what_goes_to_a_next_hop_is_in_no_mailbox(void **state)
{
    open_index();
    world.direct.on_job = agent_delivers;
    uint64_t id = world_send("c@d.example");
    struct retired_row r;
    WORLD_UNTIL(world_retired(id, &r));
    retired_row_clear(&r);
    assert_int_equal(world_rows(TABLE_MAIL), 0);
}

static void test_a_delivered_file_is_known_by_its_line_and_followed_by_its_inode(void **state)
{
    open_index();
    uint64_t id = deliver("1.mail", 7), other = deliver("2.mail", 8);
    assert_int_equal(note((struct seen){"", "1.mail", 7, 50, id, 1}), id);
    assert_string_equal(answer.messages[0].mail_from, "a@b.example");
    /* moved by another program, under another name */
    assert_int_equal(note((struct seen){"Archive", "5.other", 7, 50, id, 1}), id);
    assert_int_equal(get("ann", id), MAIL_DONE);
    assert_string_equal(answer.messages[0].place.folder, "Archive");
    assert_string_equal(answer.messages[0].place.name, "5.other");
    /* copied: a second name of the same file, even the same name elsewhere */
    uint64_t copy = note((struct seen){"Archive", "6.other", 7, 50, id, 2}),
             same = note((struct seen){"Trash", "5.other", 7, 50, id, 3});
    assert_true(copy != id && same != id && copy != same);
    assert_int_equal(note((struct seen){"Archive", "6.other", 7, 50, id, 3}), copy);
    assert_int_equal(note((struct seen){"Trash", "5.other", 7, 50, id, 3}), same);
    assert_int_equal(note((struct seen){"Archive", "5.other", 7, 50, id, 3}), id);
    /* a file that only says so */
    uint64_t liar = note((struct seen){"", "7.other", 70, 50, other, 1});
    assert_int_not_equal(liar, other);
    assert_int_equal(get("ann", other), MAIL_DONE);
    assert_string_equal(answer.messages[0].place.name, "2.mail");
}

static void test_a_file_without_an_id_gets_one_that_follows_it(void **state)
{
    open_index();
    uint64_t id = note((struct seen){"", "1.imap", 7, 50, 0, 1});
    assert_string_equal(answer.messages[0].mail_from, "seen@b.example");
    assert_int_equal(answer.messages[0].received_ms, 50);
    assert_int_equal(note((struct seen){"", "1.imap", 7, 50, 0, 1}), id);
    assert_int_equal(note((struct seen){"Archive", "2.imap", 7, 50, 0, 1}), id);
    assert_int_equal(note((struct seen){"Archive", "2.imap", 7, 50, 0, 1}), id);
    /* the inode is used again for another file */
    assert_int_not_equal(note((struct seen){"", "3.imap", 7, 60, 0, 1}), id);
    assert_int_not_equal(note((struct seen){"", "4.imap", 8, 50, 0, 1}), id);
    assert_int_equal(world_rows(TABLE_MAIL), 3);
}

static void test_a_row_that_was_lost_is_made_again_from_the_file(void **state)
{
    open_index();
    uint64_t id = deliver("1.mail", 7);
    struct store_txn *t = store_begin(world.queue.store, false);
    struct store_cursor c = store_cursor(t, TABLE_MAIL);
    assert_true(store_seek(&c, (struct span){0}));
    char *key = span_dup(c.key);
    size_t n = c.key.n;
    store_cursor_close(&c);
    store_abort(&t);
    world_damage(TABLE_MAIL, span_of(key, n), (struct span){0});
    mem_free(&key);
    assert_int_equal(get("ann", id), MAIL_ABSENT);
    assert_int_equal(note((struct seen){"", "1.mail", 7, 50, id, 1}), id);
    assert_int_equal(get("ann", id), MAIL_DONE);
    /* an id that nobody was ever given is not taken over */
    assert_int_not_equal(note((struct seen){"", "9.mail", 9, 50, INT64_MAX, 1}), INT64_MAX);
}

static void test_keywords_are_kept_up_to_a_bound(void **state)
{
    char *names[] = {(char *)"$junk", (char *)"blue"};
    struct mail_words words = {names, 2}, one = {names, 1}, many = {0}, none = {0};
    open_index();
    uint64_t id = deliver("1.mail", 7);
    (void)mail_keywords(webapi, "ann", id, &words, &none, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAIL_DONE);
    (void)mail_keywords(webapi, "ann", id, &none, &one, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAIL_DONE);
    assert_int_equal(get("ann", id), MAIL_DONE);
    assert_int_equal(answer.messages[0].keywords.n, 1);
    assert_string_equal(answer.messages[0].keywords.list[0], "blue");
    for (int i = 0; i < MAIL_WORDS_MAX; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "w%d", i);
        assert_true(mail_words_add(&many, text));
    }
    (void)mail_keywords(webapi, "ann", id, &many, &none, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAIL_FULL);
    assert_int_equal(get("ann", id), MAIL_DONE);
    assert_int_equal(answer.messages[0].keywords.n, 1);
    (void)mail_keywords(webapi, "ann", id + 1, &words, &none, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAIL_ABSENT);
    mail_words_clear(&many);
}

static void test_a_place_belongs_to_one_message(void **state)
{
    open_index();
    uint64_t id = deliver("1.mail", 7),
             copy = note((struct seen){"Archive", "1.mail", 7, 50, id, 2});
    assert_int_equal(moved(id, "Archive", "1.mail", 7), MAIL_TAKEN);
    assert_int_equal(moved(id, "Trash", "1.mail", 7), MAIL_DONE);
    assert_int_equal(deleted(copy), MAIL_DONE);
    assert_int_equal(moved(id, "Archive", "1.mail", 7), MAIL_DONE);
    assert_int_equal(moved(id + 100, "Archive", "1.mail", 7), MAIL_ABSENT);
}

static void test_what_was_removed_is_remembered_for_a_while(void **state)
{
    open_index();
    uint64_t id = deliver("1.mail", 7), imap = note((struct seen){"", "2.imap", 8, 50, 0, 1});
    assert_int_equal(deleted(id), MAIL_DONE);
    assert_int_equal(deleted(imap), MAIL_DONE);
    assert_int_equal(world_rows(TABLE_MAILFILE), 0);
    assert_int_equal(deleted(id), MAIL_REMOVED);
    assert_int_equal(get("ann", id), MAIL_REMOVED);
    assert_int_equal(moved(id, "Trash", "1.mail", 7), MAIL_REMOVED);
    /* a file that says so is another one */
    assert_int_not_equal(note((struct seen){"", "1.mail", 7, 50, id, 1}), id);
    world_check();
    clock_step(719 * HOUR);
    world_settle();
    assert_int_equal(get("ann", id), MAIL_REMOVED);
    clock_step(2 * HOUR);
    WORLD_UNTIL(world_rows(TABLE_MAILGONE) == 0);
    assert_int_equal(get("ann", id), MAIL_ABSENT);
    assert_int_equal(deleted(imap), MAIL_ABSENT);
    assert_int_equal(world_rows(TABLE_MAIL), 1);
}

static void test_a_bad_row_is_no_message(void **state)
{
    open_index();
    uint64_t id = deliver("1.mail", 7);
    struct key k = key_mail(name_hash(world.queue.ledger.secret, "ann"), id);
    world_damage(TABLE_MAIL, key_span(&k), span_text("\xffgarbage"));
    assert_int_equal(get("ann", id), MAIL_ABSENT);
    assert_int_equal(note((struct seen){"", "1.mail", 7, 50, id, 1}), id);
    assert_int_equal(get("ann", id), MAIL_DONE);
}

static void on_suppressed(void *arg, const struct suppress_answer *a)
{
    *(enum suppress_result *)arg = a->result;
    answered = true;
}

/* Until not even a small message is taken. */
static void fill(void)
{
    char text[64 * 1024];
    unsigned n = 0;
    world.direct.on_job = agent_keeps;
    for (size_t size = sizeof text; size > 1; size = size > 1024 ? 1024 : 1) {
        memset(text, 'x', size - 1);
        text[size - 1] = '\0';
        while (world_submit(world_envelope("a@b.example", "c@d.example"), text) != 0)
            assert_true(++n < 1000);
    }
}

static void test_without_room_what_can_be_refused_is(void **state)
{
    const struct mail_seen seen = {.place = {(char *)"", (char *)"other.mail", 99, 50},
                                   .links = 1,
                                   .mail_from = (char *)"",
                                   .rcpt_to = (char *)""};
    const struct suppression s = {.account = (char *)"ann",
                                  .original = (char *)"x@y.example",
                                  .class = SUPPRESS_MANUAL,
                                  .reason = (char *)"x"};
    enum suppress_result result = SUPPRESS_DONE;
    open_index_of(SETTINGS "queue { map-size 16M  minimum-free 0 }\n");
    uint64_t id = deliver("1.mail", 7);
    fill();
    (void)mail_note(webapi, "ann", &seen, 1, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAIL_UNAVAILABLE);
    answered = false;
    (void)suppress_add(webapi, &s, on_suppressed, &result);
    WORLD_UNTIL(answered);
    assert_int_equal(result, SUPPRESS_UNAVAILABLE);
    /* What is known already is no change, and what was done to the file is written down. */
    assert_int_equal(note((struct seen){"", "1.mail", 7, 50, id, 1}), id);
    assert_int_equal(deleted(id), MAIL_DONE);
    world_check();
}

static void test_whoever_sends_again_learns_whether_there_is_a_copy(void **state)
{
    const struct seen copy = {"Sent", "1.C7.mail", 9, 100, 0, 1};
    open_index();
    world.direct.on_job = agent_keeps;
    uint64_t first = send_once();
    assert_int_equal(send_once(), first);
    assert_false(world_reply.copied);
    int64_t taken_ms = world_reply.taken_ms;
    assert_true(taken_ms > 0 && taken_ms <= clock_wall_ms());
    /* A file that is known already is the copy all the same. */
    uint64_t id = note(copy);
    assert_int_equal(send_once(), first);
    assert_false(world_reply.copied);
    assert_int_equal(note_copy(copy), id);
    assert_int_equal(send_once(), first);
    assert_true(world_reply.copied);
    assert_true(world_reply.taken_ms == taken_ms);
    /* It is so still when the copy was removed. */
    assert_int_equal(deleted(id), MAIL_DONE);
    assert_int_equal(send_once(), first);
    assert_true(world_reply.copied);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_delivery_is_written_down_with_its_result),
        TEST(test_what_goes_to_a_next_hop_is_in_no_mailbox),
        TEST(test_a_delivered_file_is_known_by_its_line_and_followed_by_its_inode),
        TEST(test_a_file_without_an_id_gets_one_that_follows_it),
        TEST(test_a_row_that_was_lost_is_made_again_from_the_file),
        TEST(test_keywords_are_kept_up_to_a_bound),
        TEST(test_a_place_belongs_to_one_message),
        TEST(test_what_was_removed_is_remembered_for_a_while),
        TEST(test_a_bad_row_is_no_message),
        TEST(test_whoever_sends_again_learns_whether_there_is_a_copy),
        TEST(test_without_room_what_can_be_refused_is),
    };
    return WORLD_MAIN(argc, argv, tests);
}
