#include "conf_help.h"

#include "confcheck.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST "hostname a.example\n"
#define DOMAIN "domain d.example { }\n"
#define DIGITS "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"
#define CERT " certificate-file c key-file k "

static const struct {
    const char *text, *errors;
} wrong[] = {
    /* Names that refer to nothing. */
    {HOST "route { transport x }", "f:2:19: there is no transport x\n"},
    {HOST "domain d { route { to a transport x } }", "f:2:35: there is no transport x\n"},
    {HOST DOMAIN "account a { address a@d.example route { transport \"X y\" } }",
     "f:3:51: there is no transport X y\n"},
    {HOST DOMAIN "account a { address a@d.example b@e.example\naddress *@f.example }",
     "f:3:33: there is no domain e.example in this configuration\n"
     "f:4:9: there is no domain f.example in this configuration\n"},
    /* Addresses of two accounts. */
    {HOST DOMAIN "account a { address x@d.example }\naccount b { address y@d.example X@D.example }",
     "f:4:33: x@d.example belongs to account a already, in f:3\n"},
    {HOST DOMAIN "account a { address *@d.example }\naccount b { address *@d.example }",
     "f:4:21: *@d.example belongs to account a already, in f:3\n"},
    {HOST DOMAIN "account a { address x@d.example x@d.example }",
     "f:3:33: x@d.example belongs to account a already, in f:3\n"},
    {HOST DOMAIN "account a { address x@d.example mailbox no\nwebhook incoming { url http://h } }",
     "f:3:33: webhook incoming needs mailbox yes: other mail does not arrive here\n"},
    /* Logins for envelope senders of their own. */
    {HOST DOMAIN "account a { address x@d.example from-id-login y@d.example }",
     "f:3:47: from-id-login must be an address of account a\n"},
    {HOST DOMAIN "account a { address x@d.example from-id-login x+y@e.example }",
     "f:3:47: there is no domain e.example in this configuration\n"},
    {HOST DOMAIN "account a { address x@d.example from-id-login y+z@d.example }\n"
                 "account b { address y@d.example }",
     "f:3:47: from-id-login must be an address of account a\n"},
    {HOST "domain d { catchall-separator \"\" }\naccount a { address x@d from-id-login x@d x+y@d }",
     "f:3:39: from-id-login needs a catchall-separator in domain d\n"
     "f:3:43: from-id-login needs a catchall-separator in domain d\n"
     "f:3:43: from-id-login must be an address of account a\n"},
    {HOST "domain d { catchall-separator @ }", "f:2:31: catchall-separator must be of characters "
                                               "that a local part can have without quotes\n"},
    /* Listeners. */
    {HOST "listen l { address ::1 }",
     "f:2:1: listen l serves nothing: it needs smtp, submission, submissions or http\n"},
    {HOST "listen l { smtp 25 }", "f:2:1: listen l needs address\n"},
    {HOST "listen l { address ::1 smtp 25 webapi yes metrics yes }",
     "f:2:32: webapi needs an http port\nf:2:43: metrics needs an http port\n"},
    {HOST "smtp { memory 64M }", "f:2:8: smtp memory must be at least message-size\n"},
    {HOST "smtp { message-size 300M }", "f:2:8: smtp memory must be at least message-size\n"},
    {HOST "smtp { message-size 2M memory 1M }",
     "f:2:24: smtp memory must be at least message-size\n"},
    {HOST "smtp { message-size 1 memory 1M }",
     "f:2:21: message-size must be a size from 64K to 2G\n"},
    {HOST "webapi { memory 100M }",
     "f:2:10: webapi memory must be at least request-size and upload-size together\n"},
    {HOST "webapi { upload-size 247M }",
     "f:2:10: webapi memory must be at least request-size and upload-size together\n"},
    {HOST "webapi { upload-size 1G request-size 1 }",
     "f:2:38: request-size must be a size from 64K to 1G\n"},
    {HOST "listen l { address ::1 smtp 25 certificate-file c }",
     "f:2:32: certificate-file needs key-file beside it\n"},
    {HOST "listen l { address ::1 submissions 465 key-file k }",
     "f:2:40: key-file needs certificate-file beside it\n"},
    {HOST "listen a { address 192.0.2.1 192.0.2.2 smtp 25 }\n"
          "listen b { address ::1 192.0.2.2 smtp 25 }",
     "f:3:24: port 25 of 192.0.2.2 is taken by smtp of listen a already, in f:2\n"},
    {HOST "listen a { address 192.0.2.1 smtp 25 submission 25" CERT "}",
     "f:2:20: port 25 of 192.0.2.1 is taken by smtp of listen a already, in f:2\n"},
    {HOST "listen a { address ::1 ::1 smtp 25 }",
     "f:2:24: port 25 of ::1 is taken by smtp of listen a already, in f:2\n"},
    {HOST "listen a { address 192.0.2.2 192.0.2.1 smtp 25 }\nlisten b { address 0.0.0.0 smtp 25 }",
     "f:3:20: port 25 of 0.0.0.0 is taken by smtp of listen a already, in f:2\n"
     "f:3:20: port 25 of 0.0.0.0 is taken by smtp of listen a already, in f:2\n"},
    {HOST "listen a { address :: smtp 25 }\nlisten b { address ::1 smtp 25 }",
     "f:3:20: port 25 of ::1 is taken by smtp of listen a already, in f:2\n"},
    /* Transports. */
    {HOST "transport t { }",
     "f:2:1: transport t needs one block inside: direct, smtp, submission, submissions, socks, "
     "lmtp, fail or local\n"},
    {HOST "transport t { direct { }\n local { }\n fail { } }",
     "f:3:2: transport t has a block direct already, and can have but one\n"
     "f:4:2: transport t has a block direct already, and can have but one\n"},
    {HOST "transport t { lmtp { } }", "f:2:15: lmtp needs host or socket\n"},
    {HOST "transport t { lmtp { host a socket b } }",
     "f:2:29: lmtp has a host already, and cannot have a socket too\n"},
    {HOST "transport t { smtp { port 25 } }", "f:2:15: smtp needs host\n"},
    {HOST "transport t { submission { host a.b auth { user x } } }",
     "f:2:37: auth needs password-file, token-file, certificate-file or mechanisms EXTERNAL\n"},
    {HOST "transport t { submission { host a.b auth { certificate-file x } } }",
     "f:2:44: certificate-file needs key-file beside it\n"},
    {HOST "transport t { submission { host a.b auth { key-file x mechanisms EXTERNAL } } }",
     "f:2:44: key-file needs certificate-file beside it\n"},
    {HOST "transport t { submission { host a.b auth { certificate-file x key-file y\n"
          "password-file z } } }",
     "f:2:37: auth needs user\n"},
    {HOST "transport t { submission { host a.b auth { password-file x } } }",
     "f:2:37: auth needs user\n"},
    {HOST "transport t { submissions { host a.b auth { user x password-file y\n"
          "mechanisms PLAIN XOAUTH2 } } }",
     "f:3:18: XOAUTH2 needs token-file\n"},
    {HOST "transport t { submission { host a.b auth { user x token-file y\n"
          "mechanisms SCRAM-SHA-256 } } }",
     "f:3:12: SCRAM-SHA-256 needs password-file\n"},
    {HOST "transport t { submission { host a.b auth { password-file y\n"
          "mechanisms EXTERNAL LOGIN } } }",
     "f:2:37: auth needs user\n"},
    {HOST "transport t { socks { address 192.0.2.1:1080 auth { user x } } }",
     "f:2:46: auth needs password-file\n"},
    {HOST "transport t { lmtp { socket a fallback-host b } }",
     "f:2:31: fallback-host needs a host\n"},
    /* What TLS has to be like. */
    {HOST "tls-policy { to a.b level fingerprint }",
     "f:2:21: level fingerprint needs fingerprint\n"},
    {HOST "tls-policy { to a.b level verify fingerprint " DIGITS " }",
     "f:2:34: fingerprint is for level fingerprint alone\n"},
    {HOST "tls-policy { to a.b level fingerprint fingerprint " DIGITS " x" DIGITS " }",
     "f:2:116: fingerprint must be 64 hexadecimal digits, or 32 pairs with colons between them\n"},
    {HOST "tls-policy { to a.b }", "f:2:1: tls-policy needs level\n"},
    {HOST "tls-policy { level may }", "f:2:1: tls-policy needs to\n"},
    /* Webhooks and signatures. */
    {HOST DOMAIN "account a { address a@d.example webhook sideways { url http://x } }",
     "f:3:41: the name of webhook must be one of: outgoing incoming\n"},
    {HOST DOMAIN "account a { address a@d.example webhook incoming { url http://x }\n"
                 "webhook incoming { url http://y } }",
     "f:4:9: webhook incoming is there already, in f:3\n"},
};

static void test_what_does_not_fit_together_is_said(void **state)
{
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_wrong(wrong[i].text, wrong[i].errors);
}

static void test_what_fits_together_is_taken(void **state)
{
    static const char *const texts[] = {
        HOST "transport t { local { } } route { transport t } route { to a transport t }",
        HOST "listen a { address 0.0.0.0 smtp 25 } listen b { address :: smtp 25 }",
        HOST
        "listen a { address ::1 smtp 25 http 80 metrics yes } listen b { address ::1 smtp 26 }",
        HOST "listen a { address ::1 submission 587 submissions 465" CERT "}",
        HOST "listen a { address ::1 submission 587 require-tls-for-auth no }",
        HOST DOMAIN "account a { address *@d.example from-id-login x+y@D.example }",
        HOST DOMAIN "account a { address a@d.example from-id-login A@d.example a+x+y@d.example }",
        HOST DOMAIN "account a { address a@d.example } account b { address a+x@d.example }",
        HOST DOMAIN "domain e.example { } account a { address a@d.example a@e.example }",
        HOST "domain d { dkim s { key-file k } dkim t { key-file k } }",
        HOST "transport t { lmtp { host a port 24 fallback-host b c } } transport u { lmtp { "
             "socket a } }",
        HOST "transport t { submission { host a auth { mechanisms EXTERNAL } } }",
        HOST "transport t { submission { host a auth { user u token-file t } } }",
        HOST "transport t { submissions { host a auth { user u password-file p } } }",
        HOST "transport t { socks { address 192.0.2.1:1080 auth { user u password-file p } } }",
        HOST "webapi { upload-size 246M }",
        HOST "smtp { memory 100M }",
        HOST "smtp { message-size 256M }",
        HOST "webapi { upload-size 90M memory 100M }",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct conf *conf = parse_right(texts[i]);
        conf_free(&conf);
    }
}

static void test_what_works_but_is_hardly_meant_is_a_warning(void **state)
{
    struct conf_errors errors;
    struct conf *conf = conf_parse(
        "f", span_text(HOST "listen a { address ::1 submission 587 submissions 465 http 80 }"),
        &errors);
    assert_non_null(conf);
    assert_int_equal(errors.failures, 0);
    char *got = sentences(&errors);
    assert_string_equal(
        got, "f:2:24: warning: submission needs certificate-file and key-file, or "
             "require-tls-for-auth no: without them no client can verify this server\n"
             "f:2:39: warning: submissions needs certificate-file and key-file: without them no "
             "client can verify this server\n"
             "f:2:55: warning: http serves nothing without webapi yes or metrics yes\n");
    mem_free(&got);
    conf_free(&conf);
}

static void test_a_base_path_is_one_that_a_client_can_ask_for(void **state)
{
    static const struct {
        const char *path;
        bool good;
    } cases[] = {
        {"/", true},     {"/webapi", true}, {"/webapi/", true}, {"/a/b-c_d.e~1/", true},
        {"/...", true},  {"/.a/", true},    {"webapi/", false}, {"/a//b", false},
        {"//", false},   {"/./", false},    {"/a/..", false},   {"/a/../b", false},
        {"/a b", false}, {"/a?b", false},   {"/%61", false},    {"/\303\274", false},
        {"/a/.", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct conf_errors errors;
        char *text = mem_format(
            HOST "listen a { address ::1 http 80 webapi yes webapi-path \"%s\" }", cases[i].path);
        struct conf *conf = conf_parse("f", span_text(text), &errors);
        if ((conf != NULL) != cases[i].good)
            fail_msg("%s", cases[i].path);
        conf_free(&conf);
        conf_errors_free(&errors);
        mem_free(&text);
    }
    expect_wrong(HOST "listen a { address ::1 http 80 webapi yes webapi-path x }",
                 "f:2:43: webapi-path must be a path such as /webapi/, not x\n");
}

static void test_nothing_is_said_twice_of_what_was_wrong_before(void **state)
{
    expect_wrong(HOST "listen a { address ::1 smtp x }",
                 "f:2:29: smtp must be a whole number from 1 to 65535\n");
    expect_wrong(HOST "transport T { local { } } route { transport T }",
                 "f:2:11: the name of transport must be 1 to 64 of a to z, 0 to 9 and . _ -\n");
    expect_wrong(HOST "transport t { smtp { host \xff } }", "f:2:27: this is not UTF-8\n");
    expect_wrong(HOST "account a { address x from-id-login a@a }",
                 "f:2:21: address must be a mail address, local@domain or *@domain\n"
                 "f:2:37: there is no domain a in this configuration\n");
}

/* What is said of so many blocks, `before`, a number, `middle`, the number again, `after`, and of
 * one more. */
static void expect_limit(const char *before, const char *middle, const char *after, int most,
                         const char *expected)
{
    for (int more = 0; more <= 1; more++) {
        struct buf text = {0};
        struct conf_errors errors;
        buf_puts(&text, HOST);
        for (int i = 1; i <= most + more; i++)
            buf_putf(&text, "%s%d%s%d%s\n", before, i, middle, i, after);
        struct conf *conf = conf_parse("f", buf_span(&text), &errors);
        char *got = sentences(&errors);
        assert_string_equal(got, more == 0 ? "" : expected);
        mem_free(&got);
        conf_free(&conf);
        buf_free(&text);
    }
}

static void test_no_more_is_asked_for_than_a_process_takes(void **state)
{
    expect_limit("domain d", ".example { dkim s { key-file k", " } }", CONF_MAX_FILES,
                 "f:4002:33: there are more than 4000 files with keys, certificates and "
                 "passwords\n");
    expect_limit("listen l", " { address ::1 smtp ", " }", CONF_MAX_SOCKETS,
                 "f:1002:24: there are more than 1000 addresses and ports to listen on\n");
}

/* Written to a file of its own, since only a file is to be served. */
static void expect_refused(const char *text, const char *expected)
{
    char path[] = "/tmp/confcheck-XXXXXX";
    struct conf_errors errors;
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    (void)close(fd);
    struct conf *conf = conf_load(path, &errors);
    (void)unlink(path);
    char *got = sentences(&errors), *wanted = mem_format("%s%s", path, expected);
    assert_string_equal(got, *expected == '\0' ? "" : wanted);
    assert_int_equal(conf == NULL, *expected != '\0');
    mem_free(&got);
    mem_free(&wanted);
    conf_free(&conf);
}

static void test_mailboxes_are_served_under_the_name_local(void **state)
{
    expect_refused(HOST "transport t { smtp { host a.example } } transport u { direct { } }\n"
                        "transport v { fail { } } transport local { local { } }",
                   "");
    expect_refused(HOST "transport w { local { } }",
                   ":2:11: mail for mailboxes goes over the transport local by itself: this one "
                   "cannot have another name\n");
    expect_refused(HOST "transport local { fail { } }",
                   ":2:11: transport local is the one for mailboxes, and can hold no other block "
                   "than local\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_does_not_fit_together_is_said),
        cmocka_unit_test(test_what_fits_together_is_taken),
        cmocka_unit_test(test_what_works_but_is_hardly_meant_is_a_warning),
        cmocka_unit_test(test_a_base_path_is_one_that_a_client_can_ask_for),
        cmocka_unit_test(test_nothing_is_said_twice_of_what_was_wrong_before),
        cmocka_unit_test(test_no_more_is_asked_for_than_a_process_takes),
        cmocka_unit_test(test_mailboxes_are_served_under_the_name_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
