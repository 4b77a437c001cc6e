#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto_help.h"
#include "proto_mailbox.h"

static struct scratch scratch;

static const struct mail_place place = {(char *)"Archive.2026", (char *)"1.M2P3.mail,S=4", 77,
                                        1234};
static char *words[] = {(char *)"$junk", (char *)"blue"};
static const struct mail_words keywords = {words, 2}, none;
static const struct mailbox_which which = {"billing", 9, &place};
static int sealed = -1;

static void on_nothing(void *arg, struct mailbox_answer *answer)
{
}

/* Sends again what was asked. */
static void ask_again(const struct mailbox_request *r)
{
    const struct mailbox_which w = {r->account, r->id, &r->place};
    switch (r->type) {
    case MSG_MAILBOX_FIND:
        (void)mailbox_find(scratch.ch, &w, r->octets_max, on_nothing, NULL);
        break;
    case MSG_MAILBOX_FLAGS:
        (void)mailbox_flags(scratch.ch, &w, r->set, r->clear, &r->add, &r->remove, on_nothing,
                            NULL);
        break;
    case MSG_MAILBOX_MOVE:
        (void)mailbox_move(scratch.ch, &w, r->folder, on_nothing, NULL);
        break;
    case MSG_MAILBOX_DELETE:
        (void)mailbox_delete(scratch.ch, &w, on_nothing, NULL);
        break;
    case MSG_MAILBOX_STORE:
        (void)mailbox_store(scratch.ch, r->account, r->folder, r->make,
                            &(struct mailbox_copy){r->fd, r->skip, buf_span(&r->head), r->set,
                                                   r->add, r->number, r->again},
                            on_nothing, NULL);
        break;
    case MSG_MAILBOX_LIST:
        (void)mailbox_list(scratch.ch, r->account, r->folder, r->after, r->limit, on_nothing, NULL);
        break;
    case MSG_MAILBOX_CHECK:
        (void)mailbox_check(scratch.ch, r->account, r->places, r->places_n, on_nothing, NULL);
        break;
    default:
        (void)mailbox_folders(scratch.ch, r->account, on_nothing, NULL);
    }
}

static int request_again(uint16_t type, struct span payload, struct buf *out)
{
    struct ipc_message m = message_of(type, payload);
    struct mailbox_request r;
    struct fail f;
    if (type == MSG_MAILBOX_STORE)
        m.fd[m.fds++] = fcntl(sealed, F_DUPFD_CLOEXEC, 0);
    int rc = mailbox_read(&m, &r, &f);
    record_close_fds(&m);
    if (rc != 0)
        return -1;
    ask_again(&r);
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, type);
    assert_int_equal(scratch.m.fds, type == MSG_MAILBOX_STORE ? 1 : 0);
    buf_put_span(out, scratch.m.payload);
    mailbox_request_clear(&r);
    return 0;
}

static void stand(const char *name, uint16_t type)
{
    struct buf sample = {0};
    scratch_take(&scratch);
    assert_int_equal(scratch.m.type, type);
    buf_put_span(&sample, scratch.m.payload);
    stand_battery(name, type, buf_span(&sample), request_again);
    buf_free(&sample);
}

static void test_every_request_stands_the_battery(void **state)
{
    struct ipc *ch = scratch.ch;
    sealed = sealed_of(100);
    (void)mailbox_find(ch, &which, 1 << 20, on_nothing, NULL);
    stand("find", MSG_MAILBOX_FIND);
    (void)mailbox_flags(ch, &which, MAILBOX_SEEN, MAILBOX_DRAFT, &keywords, &none, on_nothing,
                        NULL);
    stand("flags", MSG_MAILBOX_FLAGS);
    (void)mailbox_move(ch, &which, "Archive", on_nothing, NULL);
    stand("move", MSG_MAILBOX_MOVE);
    (void)mailbox_delete(ch, &which, on_nothing, NULL);
    stand("delete", MSG_MAILBOX_DELETE);
    const struct mailbox_copy copy = {sealed, 5,   span_text("Bcc: x\r\n"), MAILBOX_SEEN, keywords,
                                      77,     true};
    (void)mailbox_store(ch, "billing", "Sent", true, &copy, on_nothing, NULL);
    stand("store", MSG_MAILBOX_STORE);
    (void)mailbox_list(ch, "billing", "Sent", "1.M2", 100, on_nothing, NULL);
    stand("list", MSG_MAILBOX_LIST);
    (void)mailbox_folders(ch, "billing", on_nothing, NULL);
    stand("folders", MSG_MAILBOX_FOLDERS);
    const struct mail_place places[] = {*which.place, {(char *)"", (char *)"2.M3", 4, 5}};
    (void)mailbox_check(ch, "billing", places, 2, on_nothing, NULL);
    stand("check", MSG_MAILBOX_CHECK);
    file_close(&sealed);
}

static void test_a_message_to_store_has_to_be_sealed_and_alone(void **state)
{
    struct fail f;
    struct mailbox_request r;
    unsigned before = open_fds();
    sealed = sealed_of(100);
    struct mailbox_copy copy = {sealed, 101, {NULL, 0}, 0, none, 0, false};
    (void)mailbox_store(scratch.ch, "billing", "Sent", true, &copy, on_nothing, NULL);
    scratch_take(&scratch);
    for (int i = 0; i < 4; i++) { /* without; open; two; more left out than there is */
        struct ipc_message m = message_of(MSG_MAILBOX_STORE, scratch.m.payload);
        if (i == 1)
            m.fd[m.fds++] = file_memory("open", &f);
        for (int k = 0; i >= 2 && k < 4 - i; k++)
            m.fd[m.fds++] = fcntl(sealed, F_DUPFD_CLOEXEC, 0);
        assert_int_equal(mailbox_read(&m, &r, &f), -1);
        record_close_fds(&m);
    }
    file_close(&sealed);
    assert_int_equal(open_fds(), before);
}

struct heard {
    struct buf *out;
    int rc;
};

static void on_answer(void *arg, struct mailbox_answer *answer)
{
    struct heard *h = arg;
    h->rc = answer->result == MAILBOX_UNAVAILABLE ? -1 : 0;
    mailbox_reply(scratch.ch, 1, answer);
    scratch_take(&scratch);
    buf_put_span(h->out, scratch.m.payload);
}

static void ask(struct ipc *ch, void *arg)
{
    (void)mailbox_folders(ch, "billing", on_answer, arg);
}

static int answer_again(uint16_t type, struct span payload, struct buf *out)
{
    struct heard h = {.out = out};
    answer_with(ask, &h, type, payload);
    return h.rc;
}

static void test_an_answer_stands_the_battery(void **state)
{
    struct mailbox_file file = {place,          9, 2, 812, MAILBOX_SEEN, keywords, (char *)"a@b.c",
                                (char *)"d@e.f"};
    char *folders[] = {(char *)"Archive", (char *)"Sent"};
    uint32_t missing[] = {0, 2, MAILBOX_CHECK_MAX - 1};
    struct mailbox_answer answer = {MAILBOX_DONE,   &file,   1, keywords, folders, 2,
                                    (char *)"1.M2", missing, 3, -1};
    struct buf b = {0}, out = {0};
    mailbox_reply(scratch.ch, 1, &answer);
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("answer", MSG_MAILBOX_ANSWER, buf_span(&b), answer_again);
    assert_int_equal(answer_again(MSG_MAILBOX_FIND, buf_span(&b), &out), -1);
    buf_free(&b);
    buf_free(&out);
}

static int open_group(void **state)
{
    scratch_open(&scratch);
    return log_nothing(state);
}

static int close_group(void **state)
{
    scratch_close(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_request_stands_the_battery),
        cmocka_unit_test(test_a_message_to_store_has_to_be_sealed_and_alone),
        cmocka_unit_test(test_an_answer_stands_the_battery),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
