#include "vault_help.h"

#include "clock.h"
#include "proto_types.h"

static struct keyring *keyring;
static struct exchanges *exchanges;

static int setup_with(int64_t life_ms)
{
    help_be_quiet();
    keyring = help_keyring();
    exchanges = exchanges_new(service_base(help_run_.service), life_ms);
    return 0;
}

static int setup(void **state)
{
    return setup_with(EXCHANGE_LIFE_MS);
}

static int teardown(void **state)
{
    exchanges_free(&exchanges);
    keyring_drop(&keyring);
    return 0;
}

static struct secret_auth start(uint64_t peer, const char *mechanism, bool has_initial,
                                struct span initial)
{
    const struct secret_request r = {.type = MSG_SECRET_AUTH_START,
                                     .mechanism = (char *)mechanism,
                                     .client_address = (char *)"192.0.2.1",
                                     .has_initial = has_initial,
                                     .message = initial};
    struct secret_auth a;
    exchange_start(exchanges, keyring, peer, &r, &a);
    return a;
}

static struct secret_auth step(uint64_t peer, uint64_t handle, struct span message)
{
    const struct secret_request r = {
        .type = MSG_SECRET_AUTH_STEP, .handle = handle, .message = message};
    struct secret_auth a;
    exchange_step(exchanges, peer, &r, &a);
    return a;
}

#define RIGHT span_of("\0box@example.org\0" PASSWORD, 17 + sizeof PASSWORD - 1)
#define WRONG span_of("\0box@example.org\0wrong password", 31)

static void expect(struct secret_auth a, enum secret_auth_state state)
{
    assert_int_equal(a.state, state);
    if (state == SECRET_OK) {
        assert_string_equal(a.account, "box");
        assert_string_equal(a.login, "box@example.org");
    } else {
        assert_null(a.account);
    }
    exchange_clear(&a);
}

static void test_credentials_are_judged_in_one_step_or_two(void **state)
{
    expect(start(1, "PLAIN", true, RIGHT), SECRET_OK);
    expect(start(1, "plain", true, WRONG), SECRET_DENIED);
    expect(start(1, "PLAIN", true, span_text("nonsense")), SECRET_DENIED);
    expect(start(1, "NONSENSE", true, RIGHT), SECRET_MALFORMED);
    struct secret_auth a = start(1, "PLAIN", false, (struct span){0});
    assert_int_equal(a.state, SECRET_CONTINUE);
    expect(step(1, a.handle, RIGHT), SECRET_OK);
    expect(step(1, a.handle, RIGHT), SECRET_UNAVAILABLE); /* it is over */
}

static void test_who_has_the_right_password_is_told_that_logins_are_disabled(void **state)
{
    expect(
        start(1, "PLAIN", true, span_of("\0shut@example.org\0" PASSWORD, 18 + sizeof PASSWORD - 1)),
        SECRET_DISABLED);
    expect(start(1, "PLAIN", true, span_of("\0shut@example.org\0wrong password", 32)),
           SECRET_DENIED);
}

static void test_a_handle_is_its_peers_alone(void **state)
{
    struct secret_auth a = start(1, "PLAIN", false, (struct span){0});
    expect(step(2, a.handle, RIGHT), SECRET_UNAVAILABLE);
    exchange_cancel(exchanges, 2, a.handle);
    exchange_forget_peer(exchanges, 2);
    expect(step(1, a.handle + 1, RIGHT), SECRET_UNAVAILABLE);
    expect(step(1, 0, RIGHT), SECRET_UNAVAILABLE);
    expect(step(1, a.handle, RIGHT), SECRET_OK); /* unharmed by all that */
}

static void test_a_cancelled_exchange_is_over(void **state)
{
    struct secret_auth a = start(1, "PLAIN", false, (struct span){0}),
                       b = start(1, "PLAIN", false, (struct span){0});
    assert_true(a.handle != b.handle);
    exchange_cancel(exchanges, 1, a.handle);
    exchange_cancel(exchanges, 1, a.handle);
    expect(step(1, a.handle, RIGHT), SECRET_UNAVAILABLE);
    exchange_forget_peer(exchanges, 1);
    expect(step(1, b.handle, RIGHT), SECRET_UNAVAILABLE);
}

static void test_an_exchange_keeps_the_keys_it_began_with(void **state)
{
    struct secret_auth a = start(1, "PLAIN", false, (struct span){0});
    keyring_drop(&keyring);
    keyring = help_keyring();
    expect(step(1, a.handle, RIGHT), SECRET_OK);
}

static void test_an_exchange_that_takes_too_long_ends_by_itself(void **state)
{
    (void)setup_with(100);
    struct secret_auth a = start(1, "PLAIN", false, (struct span){0});
    int64_t begin = clock_mono_ms();
    while (clock_mono_ms() - begin < 5000) {
        struct secret_auth late = step(2, a.handle, RIGHT); /* of another: it tells nothing */
        exchange_clear(&late);
        (void)event_base_loop(service_base(help_run_.service), EVLOOP_ONCE);
        if (clock_mono_ms() - begin > 150)
            break;
    }
    expect(step(1, a.handle, RIGHT), SECRET_UNAVAILABLE);
    a = start(1, "PLAIN", false, (struct span){0});
    expect(step(1, a.handle, RIGHT), SECRET_OK); /* a new one has its own time */
}

static void test_there_are_only_so_many_at_once(void **state)
{
    unsigned n = 0;
    struct secret_auth a;
    while ((a = start(1, "PLAIN", false, (struct span){0})).state == SECRET_CONTINUE)
        n++;
    assert_int_equal(n, 10000);
    assert_int_equal(a.state, SECRET_UNAVAILABLE);
    exchange_forget_peer(exchanges, 1);
    expect(start(2, "PLAIN", true, RIGHT), SECRET_OK);
}

int main(int argc, char **argv)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(test_credentials_are_judged_in_one_step_or_two),
        EACH(test_who_has_the_right_password_is_told_that_logins_are_disabled),
        EACH(test_a_handle_is_its_peers_alone),
        EACH(test_a_cancelled_exchange_is_over),
        EACH(test_an_exchange_keeps_the_keys_it_began_with),
        cmocka_unit_test_teardown(test_an_exchange_that_takes_too_long_ends_by_itself, teardown),
        EACH(test_there_are_only_so_many_at_once),
    };
    return help_main(argv, tests, sizeof tests / sizeof tests[0]);
}
