#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "base64.h"
#include "file.h"
#include "mem.h"
#include "outgoing.h"
#include "proto_secret.h"

/* Both peers are real channels; this program sits at their other ends. */

static const char header_and_body[] = "From: a@example.org\r\nSubject: x\r\n\r\nhello\r\n";

struct fixture {
    struct event_base *base;
    struct peers *peers;
    struct ipc *qmgr, *vault; /* the ends that answer */
    bool has_key, signs;
    int file; /* what was taken of it */
    uint64_t front;
    unsigned signatures;
    enum { ANSWER_ACCEPT, ANSWER_REFUSE, ANSWER_NOT } answer;
    struct submit_envelope *envelope; /* as it arrived */
    struct buf body;
    unsigned arrived;
    uint64_t request; /* the last one's */
    struct outgoing *outgoing;
    unsigned settled;
    enum outgoing_result result;
    uint64_t id;
    uint16_t code;
    char why[200];
};

static int on_submit(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct fixture *fx = arg;
    int fd;
    uint64_t size;
    submit_envelope_free(&fx->envelope);
    buf_clear(&fx->body);
    fx->arrived++;
    fx->request = m->id;
    assert_int_equal(submit_read(m, 8 << 20, &fx->envelope, &fd, &size, f), 0);
    assert_int_equal(file_read_fd(fd, 8 << 20, &fx->body, f), 0);
    file_close(&fd);
    if (fx->answer == ANSWER_ACCEPT)
        submit_accept(ch, m->id, 77);
    else if (fx->answer == ANSWER_REFUSE)
        submit_refuse(ch, m->id, 452, "4.3.1", SUBMIT_WHY_OTHER, "no room");
    return 0;
}

static int on_secret(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct fixture *fx = arg;
    struct secret_request r;
    const struct secret_dkim_key key = {"example.org", "sel", DKIM_ED25519_SHA256};
    assert_int_equal(secret_read(m, &r, f), 0);
    if (r.type == MSG_SECRET_DKIM_LIST)
        secret_answer_dkim_keys(ch, m->id, &key, fx->has_key ? 1 : 0);
    else if (fx->signs)
        secret_answer_signature(ch, m->id, span_text("0123456789"));
    else
        secret_refuse(ch, m->id, "no");
    fx->signatures += r.type == MSG_SECRET_DKIM_SIGN;
    secret_request_clear(&r);
    return 0;
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct fixture *fx = arg;
    ipc_free(ch == fx->qmgr ? &fx->qmgr : &fx->vault);
}

static struct ipc *link_to(struct fixture *fx, const char *name, const struct ipc_handler *handler)
{
    int fd[2];
    struct fail f;
    assert_int_equal(ipc_pair(fd, &f), 0);
    peers_link(fx->peers, name, fd[0]);
    return ipc_new(fx->base, fd[1], name, handler, fx);
}

static void turn(struct fixture *fx, unsigned until_settled)
{
    for (int i = 0; i < 1000 && fx->settled < until_settled; i++)
        (void)event_base_loop(fx->base, EVLOOP_NONBLOCK);
}

static void some_turns(struct fixture *fx)
{
    for (int i = 0; i < 20; i++)
        (void)event_base_loop(fx->base, EVLOOP_NONBLOCK);
}

static int set_up(void **state)
{
    static const struct ipc_handler submit = {on_submit, on_closed},
                                    secret = {on_secret, on_closed};
    static struct fixture fx;
    fx = (struct fixture){.base = event_base_new(), .file = -1};
    fx.peers = peers_new(fx.base, NULL);
    fx.qmgr = link_to(&fx, "submit", &submit);
    fx.vault = link_to(&fx, "secret", &secret);
    some_turns(&fx);
    *state = &fx;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fx = *state;
    peers_close(fx->peers);
    some_turns(fx);
    peers_free(&fx->peers);
    ipc_free(&fx->qmgr);
    ipc_free(&fx->vault);
    submit_envelope_free(&fx->envelope);
    buf_free(&fx->body);
    file_close(&fx->file);
    event_base_free(fx->base);
    return 0;
}

static void on_settled(void *arg, enum outgoing_result result, const struct submit_reply *reply,
                       const char *why)
{
    struct fixture *fx = arg;
    fx->settled++;
    fx->result = result;
    file_close(&fx->file);
    fx->file = outgoing_take_file(fx->outgoing, &fx->front);
    fx->id = reply == NULL ? 0 : reply->id;
    fx->code = reply == NULL ? 0 : reply->code;
    (void)snprintf(fx->why, sizeof fx->why, "%s", why == NULL ? "" : why);
}

static void start(struct fixture *fx)
{
    struct submit_envelope *e = submit_envelope_new(SUBMIT_WEBAPI);
    struct composed message = {0};
    unsigned before = fx->settled;
    submit_set(&e->sender, "a@example.org");
    (void)submit_add_recipient(e, "b@example.net");
    buf_puts(&message.frame, header_and_body);
    fx->outgoing = outgoing_start(fx->base, fx->peers, e, &message, "example.org",
                                  span_text("Received: here\r\n"), on_settled, fx);
    assert_int_equal(message.frame.n, 0);
    assert_int_equal(fx->settled, before); /* from the loop only */
}

/* Ends a message that qmgr has not answered for, and lets others go on. */
static void cancel(struct fixture *fx, struct outgoing **o)
{
    outgoing_cancel(o);
    some_turns(fx);
}

static void test_only_so_many_messages_are_with_the_queue_at_once(void **state)
{
    struct fixture *fx = *state;
    struct outgoing *o[5];
    fx->answer = ANSWER_NOT;
    peers_limit(fx->peers, 2);
    for (size_t i = 0; i < 5; i++) {
        start(fx);
        o[i] = fx->outgoing;
    }
    some_turns(fx);
    assert_int_equal(fx->arrived, 2);
    cancel(fx, &o[2]); /* which waits */
    assert_int_equal(fx->arrived, 2);
    fx->outgoing = o[1];
    submit_accept(fx->qmgr, fx->request, 78);
    turn(fx, 1);
    some_turns(fx);
    assert_int_equal(fx->id, 78);
    assert_int_equal(fx->arrived, 3);
    cancel(fx, &o[0]);
    assert_int_equal(fx->arrived, 4);
    cancel(fx, &o[3]);
    cancel(fx, &o[4]);
}

static void test_a_higher_limit_lets_those_go_on_that_wait(void **state)
{
    struct fixture *fx = *state;
    struct outgoing *o[3];
    fx->answer = ANSWER_NOT;
    peers_limit(fx->peers, 1);
    for (size_t i = 0; i < 3; i++) {
        start(fx);
        o[i] = fx->outgoing;
    }
    some_turns(fx);
    assert_int_equal(fx->arrived, 1);
    peers_limit(fx->peers, 3);
    some_turns(fx);
    assert_int_equal(fx->arrived, 3);
    for (size_t i = 0; i < 3; i++)
        cancel(fx, &o[i]);
}

static void know_the_key(struct fixture *fx)
{
    fx->has_key = true;
    peers_renew(fx->peers);
    some_turns(fx);
}

static void test_a_message_without_a_key_goes_as_it_is(void **state)
{
    struct fixture *fx = *state;
    start(fx);
    turn(fx, 1);
    assert_int_equal(fx->result, OUTGOING_ACCEPTED);
    assert_int_equal(fx->id, 77);
    assert_int_equal(fx->signatures, 0);
    assert_string_equal(fx->envelope->recipients[0].address, "b@example.net");
    char *whole = mem_format("Received: here\r\n%s", header_and_body);
    assert_string_equal(buf_text(&fx->body), whole);
    mem_free(&whole);
}

static void test_the_signature_stands_before_all(void **state)
{
    struct fixture *fx = *state;
    fx->signs = true;
    know_the_key(fx);
    start(fx);
    turn(fx, 1);
    assert_int_equal(fx->result, OUTGOING_ACCEPTED);
    assert_int_equal(fx->signatures, 1);
    const char *body = buf_text(&fx->body), *received = strstr(body, "\r\nReceived: here\r\n"),
               *from = strstr(body, "\r\nFrom: ");
    assert_int_equal(strncmp(body, "DKIM-Signature: ", 16), 0);
    assert_non_null(received);
    assert_ptr_equal(from, received + 16);
    assert_int_equal(fx->front, from + 2 - body);
    assert_string_equal(from + 2, header_and_body);
    /* SHA-256 of "hello\r\n" */
    assert_non_null(strstr(body, "bh=zS7KNTV0HyeorkDDGwxB1AV6enuRKzO5rthkhdHIRnY="));
}

static void start_large(struct fixture *fx, int fd, uint64_t n)
{
    struct submit_envelope *e = submit_envelope_new(SUBMIT_WEBAPI);
    struct composed message = {0};
    const struct mimepart_file file = {.form = MIMEPART_RANGE, .fd = fd, .n = n};
    submit_set(&e->sender, "a@example.org");
    (void)submit_add_recipient(e, "b@example.net");
    buf_puts(&message.frame, "From: a@example.org\r\n\r\n");
    composed_put_file(&message, &file);
    fx->outgoing = outgoing_start(fx->base, fx->peers, e, &message, "example.org", (struct span){0},
                                  on_settled, fx);
}

/* Somebody else in the same loop, who wants a turn again and again: how many it has before the
 * message is settled, or until it gives the message up. */
struct other {
    struct fixture *fx;
    struct event *event;
    int turns, give_up;
};

static void on_turn_of_other(evutil_socket_t fd, short what, void *arg)
{
    const struct timeval now = {0, 0};
    struct other *o = arg;
    if (o->fx->settled > 0)
        return;
    if (++o->turns == o->give_up) {
        outgoing_cancel(&o->fx->outgoing);
        return;
    }
    (void)evtimer_add(o->event, &now);
}

static int turns_of_other(struct fixture *fx, int fd, uint64_t n, int give_up)
{
    const struct timeval now = {0, 0};
    struct other o = {.fx = fx, .give_up = give_up};
    fx->settled = 0;
    start_large(fx, fd, n);
    o.event = evtimer_new(fx->base, on_turn_of_other, &o);
    (void)evtimer_add(o.event, &now);
    for (int i = 0; i < 1000 && fx->settled == 0 && (give_up == 0 || o.turns < give_up); i++)
        (void)event_base_loop(fx->base, EVLOOP_NONBLOCK);
    event_free(o.event);
    return o.turns;
}

enum { LARGE = 3 << 20 };

static void test_a_large_message_lets_others_have_their_turn(void **state)
{
    struct fixture *fx = *state;
    struct buf content = {0}, encoded = {0};
    struct fail f;
    memset(buf_room(&content, LARGE), 'x', LARGE);
    buf_grew(&content, LARGE);
    base64_encode_lines(&encoded, buf_span(&content));
    int fd = file_sealed("content", buf_span(&content), &f);
    fx->signs = true;
    know_the_key(fx);
    assert_true(turns_of_other(fx, fd, LARGE, 0) > 2 * LARGE / (512 << 10));
    assert_int_equal(fx->result, OUTGOING_ACCEPTED);
    const char *end = strstr(buf_text(&fx->body), "\r\n\r\n");
    assert_non_null(end);
    assert_int_equal(strncmp(buf_text(&fx->body), "DKIM-Signature: ", 16), 0);
    assert_string_equal(end + 4, buf_text(&encoded));
    /* Short of what it should be, it is not sent. */
    (void)turns_of_other(fx, fd, LARGE + 1, 0);
    assert_int_equal(fx->result, OUTGOING_FAILED);
    assert_string_equal(fx->why, "a file is shorter than it was");
    /* And it may be given up at any turn. */
    for (int i = 1; i < 16; i++) {
        assert_int_equal(turns_of_other(fx, fd, LARGE, i), i);
        assert_int_equal(fx->settled, 0);
    }
    file_close(&fd);
    buf_free(&content);
    buf_free(&encoded);
}

static void test_nothing_goes_out_unsigned(void **state)
{
    struct fixture *fx = *state;
    know_the_key(fx);
    start(fx);
    turn(fx, 1);
    assert_int_equal(fx->result, OUTGOING_UNSIGNED);
    assert_string_equal(fx->why, "cannot sign: no");
    assert_null(fx->envelope);
    int silent[2]; /* a vault that has not told its keys */
    assert_int_equal(ipc_pair(silent, NULL), 0);
    peers_link(fx->peers, "secret", silent[0]);
    start(fx);
    turn(fx, 2);
    assert_int_equal(fx->result, OUTGOING_UNSIGNED);
    assert_null(fx->envelope);
    (void)close(silent[1]);
}

static void test_the_queue_may_refuse(void **state)
{
    struct fixture *fx = *state;
    fx->answer = ANSWER_REFUSE;
    start(fx);
    turn(fx, 1);
    assert_int_equal(fx->result, OUTGOING_REFUSED);
    assert_int_equal(fx->code, 452);
    assert_string_equal(fx->why, "no room");
}

static void test_a_queue_that_goes_away_leaves_it_open(void **state)
{
    struct fixture *fx = *state;
    fx->answer = ANSWER_NOT;
    start(fx);
    for (int i = 0; i < 1000 && fx->envelope == NULL; i++)
        some_turns(fx);
    assert_int_equal(fx->settled, 0);
    ipc_free(&fx->qmgr);
    turn(fx, 1);
    assert_int_equal(fx->result, OUTGOING_LOST);
    assert_null(peers_qmgr(fx->peers));
    start(fx); /* without any */
    turn(fx, 2);
    assert_int_equal(fx->settled, 2);
    assert_int_equal(fx->result, OUTGOING_LOST);
    assert_string_equal(fx->why, "qmgr is not there");
}

static void test_a_new_channel_answers_for_the_old_one(void **state)
{
    static const struct ipc_handler submit = {on_submit, on_closed};
    struct fixture *fx = *state;
    fx->answer = ANSWER_NOT;
    start(fx);
    struct ipc *old = fx->qmgr;
    fx->qmgr = link_to(fx, "submit", &submit);
    assert_int_equal(fx->settled, 1);
    assert_int_equal(fx->result, OUTGOING_LOST);
    ipc_free(&old);
    fx->answer = ANSWER_ACCEPT;
    start(fx);
    assert_int_equal(fx->settled, 1);
    turn(fx, 2);
    assert_int_equal(fx->result, OUTGOING_ACCEPTED);
}

static void limit_descriptors(rlim_t n)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = n < limit.rlim_max ? n : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void test_without_a_descriptor_left_the_message_fails_and_the_channel_stays(void **state)
{
    struct fixture *fx = *state;
    int next = fcntl(0, F_DUPFD_CLOEXEC, 0);
    assert_true(next >= 0);
    (void)close(next);
    for (unsigned more = 0; more < 2; more++) { /* not for the file; not for handing it over */
        limit_descriptors((rlim_t)next + more);
        start(fx);
        limit_descriptors(RLIM_INFINITY);
        turn(fx, more + 1);
        assert_int_equal(fx->settled, more + 1);
        assert_int_equal(fx->result, OUTGOING_FAILED);
        assert_non_null(strstr(fx->why, "Too many open files"));
    }
    start(fx);
    turn(fx, 3);
    assert_int_equal(fx->result, OUTGOING_ACCEPTED);
}

static void test_what_is_cancelled_is_heard_of_no_more(void **state)
{
    struct fixture *fx = *state;
    start(fx); /* with qmgr */
    outgoing_cancel(&fx->outgoing);
    assert_null(fx->outgoing);
    outgoing_cancel(&fx->outgoing);
    some_turns(fx);
    fx->signs = true;
    know_the_key(fx);
    start(fx); /* with the vault */
    outgoing_cancel(&fx->outgoing);
    ipc_free(&fx->qmgr);
    some_turns(fx);
    start(fx); /* waiting for its vain end */
    outgoing_cancel(&fx->outgoing);
    some_turns(fx);
    assert_int_equal(fx->settled, 0);
}

static void
test_what_was_handed_over_can_be_had_with_the_length_of_what_stands_before_it(void **state)
{
    struct fixture *fx = *state;
    struct buf octets = {0};
    struct fail f;
    start(fx);
    turn(fx, 1);
    assert_int_equal(fx->result, OUTGOING_ACCEPTED);
    assert_true(fx->file >= 0);
    assert_int_equal(fx->front, strlen("Received: here\r\n"));
    assert_int_equal(file_read_fd(fx->file, 1 << 20, &octets, &f), 0);
    assert_string_equal(buf_text(&octets), buf_text(&fx->body));
    buf_free(&octets);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_only_so_many_messages_are_with_the_queue_at_once),
        TEST(test_a_higher_limit_lets_those_go_on_that_wait),
        TEST(test_a_message_without_a_key_goes_as_it_is),
        TEST(test_the_signature_stands_before_all),
        TEST(test_a_large_message_lets_others_have_their_turn),
        TEST(test_nothing_goes_out_unsigned),
        TEST(test_the_queue_may_refuse),
        TEST(test_a_queue_that_goes_away_leaves_it_open),
        TEST(test_a_new_channel_answers_for_the_old_one),
        TEST(test_without_a_descriptor_left_the_message_fails_and_the_channel_stays),
        TEST(test_what_is_cancelled_is_heard_of_no_more),
        TEST(test_what_was_handed_over_can_be_had_with_the_length_of_what_stands_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
