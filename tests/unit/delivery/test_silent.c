#include "lab.h"

#include "mem.h"

/* Recipients of whom the sender wants no notices (NOTIFY=NEVER), over SMTP; test_lmtp.c and
 * test_auth.c have the exceptions. */

/* One of three wants to be told of nothing. */
static void send_with_a_silent_one(const char *extensions, const char *commands)
{
    struct order o = {.n = 3,
                      .never = 1u << 1,
                      .destination = "[127.0.0.1]",
                      .recipients = {"r0@example.net", "r1@example.net", "r2@example.net"}};
    peer_reset(&lab.peer);
    lab.peer.extensions = extensions;
    order_run(&o);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    assert_commands(&lab.peer, commands);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(o.results[i].status, DELIVER_DONE);
    order_free(&o);
}

static void who_wants_no_notices_is_unknown_to_a_server_that_could_not_be_told_so(void **state)
{
    send_with_a_silent_one("PIPELINING",
                           "1 EHLO us.test\n1 MAIL FROM:<from@us.test>\n1 RCPT "
                           "TO:<r0@example.net>\n1 RCPT TO:<r2@example.net>\n1 DATA\n"
                           "1 MAIL FROM:<>\n1 RCPT TO:<r1@example.net>\n1 DATA\n1 QUIT\n");
    send_with_a_silent_one("PIPELINING\nDSN",
                           "1 EHLO us.test\n1 MAIL FROM:<from@us.test>\n1 RCPT "
                           "TO:<r0@example.net>\n1 RCPT TO:<r1@example.net> NOTIFY=NEVER\n1 RCPT "
                           "TO:<r2@example.net>\n1 DATA\n1 QUIT\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            who_wants_no_notices_is_unknown_to_a_server_that_could_not_be_told_so, lab_setup,
            lab_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
