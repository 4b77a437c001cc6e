#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "mem.h"
#include "policy.h"

static const char basic[] =
    "hostname mx.example.org\n"
    "listen l { address 127.0.0.1  smtp 25 }\n"
    "domain example.org { catchall-separator \"+\" }\n"
    "domain all.example { catchall-separator \"\" }\n"
    "domain off.example { disabled yes }\n"
    "account ours { address qm@example.org  from-id-login qm+id@example.org }\n"
    "account all { address *@all.example  off@off.example }\n";

static struct settings *settings;
static struct path_refusal why;

static struct settings *settings_with(const char *more, const char *mailname)
{
    struct signing signing = {-1};
    struct conf_errors errors = {0};
    struct fail f = {{0}};
    struct buf share = {0};
    char *text = mem_format("%s%s", basic, more);
    struct conf *whole = conf_parse("test.conf", span_text(text), &errors);
    if (whole == NULL)
        fail_msg("%s: %s", errors.v[0].place, errors.v[0].sentence);
    conf_encode(whole, CONF_SMTPD, &share);
    struct conf *conf = conf_decode(buf_span(&share), CONF_SMTPD, &f);
    assert_non_null(conf);
    struct settings *s = settings_new(conf, mailname, NULL, 0, &signing, &f);
    assert_non_null(s);
    buf_free(&share);
    conf_free(&whole);
    conf_errors_free(&errors);
    mem_free(&text);
    return s;
}

static struct settings *settings_of(const char *more)
{
    return settings_with(more, "");
}

static int set_up(void **state)
{
    settings = settings_of("");
    return 0;
}

static int tear_down(void **state)
{
    settings_drop(&settings);
    return 0;
}

/* What the port makes of RCPT TO:<argument>: "ok", the address it became, or the code. */
static const char *recipient(enum port_kind port, const char *argument)
{
    static char outcome[200];
    struct path path;
    struct address a = {0};
    char *command = mem_format("TO:%s", argument);
    assert_int_equal(path_parse(PATH_RCPT, span_text(command), &path, &why), 0);
    if (!path.postmaster)
        assert_int_equal(address_parse(path.mailbox, &a, NULL), 0);
    char *before = a.local == NULL ? mem_text("") : address_text(&a);
    if (policy_recipient(settings, port, &path, &a, &why) != 0) {
        (void)snprintf(outcome, sizeof outcome, "%d %s", why.code, why.enhanced);
    } else {
        char *after = address_text(&a);
        (void)snprintf(outcome, sizeof outcome, "%s", strcmp(before, after) == 0 ? "ok" : after);
        mem_free(&after);
    }
    mem_free(&before);
    mem_free(&command);
    address_clear(&a);
    return outcome;
}

static void the_public_port_takes_mail_for_us_alone(void **state)
{
    static const char *const cases[][2] = {
        {"<qm@example.org>", "ok"},
        {"<QM@Example.ORG>", "ok"},
        {"<qm+tag@example.org>", "ok"},
        {"<\"qm\"@example.org>", "ok"},
        {"<nobody@example.org>", "550 5.1.1"},
        {"<nobody+qm@example.org>", "550 5.1.1"},
        {"<anyone@all.example>", "ok"},
        {"<a@elsewhere.example>", "550 5.7.1"},
        {"<qm@sub.example.org>", "550 5.7.1"},
        {"<a%elsewhere.example@example.org>", "550 5.1.1"},
        {"<elsewhere.example!a@example.org>", "550 5.1.1"},
        {"<\"a@elsewhere.example\"@example.org>", "550 5.1.1"},
        {"<@example.org:a@elsewhere.example>", "550 5.7.1"},
        {"<@elsewhere.example:qm@example.org>", "550 5.7.1"},
        {"<qm@[192.0.2.1]>", "550 5.7.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(recipient(PORT_SMTP, cases[i][0]), cases[i][1]);
}

static void an_account_sends_anywhere_but_to_addresses_we_do_not_have(void **state)
{
    assert_string_equal(recipient(PORT_SUBMISSION, "<a@elsewhere.example>"), "ok");
    assert_string_equal(recipient(PORT_SUBMISSIONS, "<qm@example.org>"), "ok");
    assert_string_equal(recipient(PORT_SUBMISSION, "<nobody@example.org>"), "550 5.1.1");
    assert_string_equal(recipient(PORT_LOCAL, "<nobody@example.org>"), "ok");
    assert_string_equal(recipient(PORT_LOCAL, "<a@elsewhere.example>"), "ok");
}

static void mail_for_postmaster_goes_where_it_is_read(void **state)
{
    /* Nobody said where: the name of this host is no domain of ours. */
    assert_string_equal(recipient(PORT_SMTP, "<postmaster>"), "550 5.1.1");
    assert_string_equal(recipient(PORT_SMTP, "<postmaster@example.org>"), "550 5.1.1");
    settings_drop(&settings);
    settings = settings_of("postmaster qm@example.org\n");
    assert_string_equal(recipient(PORT_SMTP, "<postmaster>"), "qm@example.org");
    assert_string_equal(recipient(PORT_SMTP, "<PostMaster@example.org>"), "qm@example.org");
    assert_string_equal(recipient(PORT_SMTP, "<postmaster@all.example>"), "ok");
    assert_string_equal(recipient(PORT_SMTP, "<postmaster@elsewhere.example>"), "550 5.7.1");
    assert_string_equal(recipient(PORT_LOCAL, "<postmaster>"), "qm@example.org");
    settings_drop(&settings);
    settings = settings_of("postmaster ops@elsewhere.example\n");
    assert_string_equal(recipient(PORT_SMTP, "<postmaster@example.org>"), "ops@elsewhere.example");
    settings_drop(&settings);
    settings = settings_of("postmaster nobody@example.org\n");
    assert_string_equal(recipient(PORT_SMTP, "<postmaster>"), "550 5.1.1");
}

static void a_suite_for_development_takes_everything(void **state)
{
    settings_drop(&settings);
    settings = settings_of("localserve yes\n");
    assert_string_equal(recipient(PORT_SMTP, "<a@elsewhere.example>"), "ok");
    assert_string_equal(recipient(PORT_SMTP, "<nobody@example.org>"), "ok");
    assert_string_equal(recipient(PORT_SUBMISSION, "<nobody@example.org>"), "ok");
    assert_string_equal(recipient(PORT_SMTP, "<postmaster>"), "postmaster@mx.example.org");
}

static void mail_for_a_disabled_domain_is_put_off(void **state)
{
    assert_string_equal(recipient(PORT_SMTP, "<off@off.example>"), "450 4.2.1");
    assert_string_equal(recipient(PORT_SMTP, "<nobody@off.example>"), "450 4.2.1");
    assert_string_equal(recipient(PORT_SUBMISSION, "<off@off.example>"), "450 4.2.1");
    assert_string_equal(recipient(PORT_LOCAL, "<off@off.example>"), "450 4.2.1");
    assert_string_equal(recipient(PORT_SMTP, "<off@sub.off.example>"), "550 5.7.1");
}

static void the_name_of_the_machine_for_mail_is_a_domain(void **state)
{
    static const char *const cases[][2] = {
        {"box.example.org", "box.example.org"},
        {"Box.Example.ORG.", "box.example.org"},
        {"", "mx.example.org"},
        {".", "mx.example.org"},
        {"not_a_name!", "mx.example.org"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        settings_drop(&settings);
        settings = settings_with("", cases[i][0]);
        assert_string_equal(settings->mailname, cases[i][1]);
    }
}

static int sender(enum port_kind port, const char *account, const char *text)
{
    struct address a = {0};
    if (text != NULL)
        assert_int_equal(address_parse(span_text(text), &a, NULL), 0);
    int rc = policy_sender(settings, port, account, text == NULL ? NULL : &a, &why);
    address_clear(&a);
    return rc == 0 ? 0 : why.code;
}

static void an_account_sends_as_itself(void **state)
{
    assert_int_equal(sender(PORT_SUBMISSION, "ours", "qm@example.org"), 0);
    assert_int_equal(sender(PORT_SUBMISSION, "ours", "qm+any@example.org"), 0);
    assert_int_equal(sender(PORT_SUBMISSION, "all", "whoever@all.example"), 0);
    assert_int_equal(sender(PORT_SUBMISSION, "ours", "whoever@all.example"), 550);
    assert_int_equal(sender(PORT_SUBMISSION, "ours", "nobody@example.org"), 550);
    assert_int_equal(sender(PORT_SUBMISSIONS, "ours", "a@elsewhere.example"), 550);
    assert_int_equal(sender(PORT_SUBMISSION, "ours", NULL), 550);
    assert_int_equal(sender(PORT_SUBMISSION, NULL, "qm@example.org"), 530);
    assert_int_equal(sender(PORT_SUBMISSION, "all", "off@off.example"), 451);
    assert_int_equal(sender(PORT_LOCAL, NULL, "off@off.example"), 451);
    assert_int_equal(sender(PORT_SMTP, NULL, "off@off.example"), 0);
    assert_int_equal(sender(PORT_SMTP, NULL, NULL), 0);
    assert_int_equal(sender(PORT_SMTP, NULL, "a@elsewhere.example"), 0);
    assert_int_equal(sender(PORT_LOCAL, NULL, NULL), 0);
}

static void every_address_in_from_is_its_own(void **state)
{
    static const struct {
        const char *from;
        int code;
    } cases[] = {
        {"qm@example.org", 0},
        {"Q <qm+x@example.org>, qm@example.org", 0},
        {"qm@example.org, a@elsewhere.example", 550},
        {"whoever@all.example", 550},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct addrlist list = {0};
        assert_int_equal(
            addrlist_parse(span_text(cases[i].from), NULL, ADDRLIST_STRICT, &list, NULL), 0);
        int rc = policy_from(settings, "ours", &list, &why);
        assert_int_equal(rc == 0 ? 0 : why.code, cases[i].code);
        addrlist_clear(&list);
    }
}

static void ids_for_bounces(void **state)
{
    struct address a;
    assert_true(policy_wants_from_id(settings, "ours", "qm+id@example.org"));
    assert_true(policy_wants_from_id(settings, "ours", "qm+id@Example.ORG"));
    assert_false(policy_wants_from_id(settings, "ours", "qm+ID@example.org"));
    assert_false(policy_wants_from_id(settings, "ours", "qm@example.org"));
    assert_false(policy_wants_from_id(settings, "all", "qm+id@example.org"));
    assert_false(policy_wants_from_id(settings, "none", "qm+id@example.org"));
    assert_int_equal(address_parse(span_text("qm+1234@example.org"), &a, NULL), 0);
    assert_true(span_is(policy_detail(settings, &a), "1234"));
    address_clear(&a);
    assert_int_equal(address_parse(span_text("qm@example.org"), &a, NULL), 0);
    assert_int_equal(policy_detail(settings, &a).n, 0);
    address_clear(&a);
    assert_int_equal(address_parse(span_text("a+b@all.example"), &a, NULL), 0);
    assert_int_equal(policy_detail(settings, &a).n, 0);
    address_clear(&a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_public_port_takes_mail_for_us_alone),
        TEST(an_account_sends_anywhere_but_to_addresses_we_do_not_have),
        TEST(mail_for_postmaster_goes_where_it_is_read),
        TEST(a_suite_for_development_takes_everything),
        TEST(mail_for_a_disabled_domain_is_put_off),
        TEST(the_name_of_the_machine_for_mail_is_a_domain),
        TEST(an_account_sends_as_itself),
        TEST(every_address_in_from_is_its_own),
        TEST(ids_for_bounces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
