#ifndef QM_CONF_HELP_H
#define QM_CONF_HELP_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "conf.h"
#include "mem.h"

/* What the tests of this folder share. */

/* Parses what must be right, without a warning. */
static inline struct conf *parse_right(const char *text)
{
    struct conf_errors errors;
    struct buf out = {0};
    struct conf *conf = conf_parse("/etc/qm.conf", span_text(text), &errors);
    conf_errors_print(&errors, &out);
    assert_string_equal(buf_text(&out), "");
    assert_non_null(conf);
    buf_free(&out);
    conf_errors_free(&errors);
    return conf;
}

/* "file:line:column: sentence" of every error and warning, a line each; also empties errors. The
 * caller frees it (mem_free). */
static inline char *sentences(struct conf_errors *errors)
{
    struct buf out = {0};
    for (size_t i = 0; i < errors->n; i++)
        buf_putf(&out, "%s: %s%s\n", errors->v[i].place, errors->v[i].warning ? "warning: " : "",
                 errors->v[i].sentence);
    conf_errors_free(errors);
    return buf_take_text(&out);
}

/* Parses what must be wrong, as a file `f`, and compares all that is said: "f:line:column:
 * sentence\n"... */
static inline void expect_wrong(const char *text, const char *expected)
{
    struct conf_errors errors;
    struct conf *conf = conf_parse("f", span_text(text), &errors);
    char *got = sentences(&errors);
    assert_string_equal(got, expected);
    assert_null(conf);
    mem_free(&got);
}

/* Whether run(arg) ends in an assertion. */
static inline bool asserts(void (*run)(void *), void *arg)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        (void)close(STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        run(arg);
        _exit(0);
    }
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* The example of the manual: all of it has to be right. */
static const char example[] =
    "hostname mail.example.org\n"
    "listen public  { address 192.0.2.1 2001:db8::1   smtp 25   submission 587   submissions 465 "
    "}\n"
    "listen private { address 127.0.0.1               http 1080  webapi yes  metrics yes }\n"
    "domain example.org {\n"
    "    catchall-separator \"+\"\n"
    "    dkim 2026a { key-file \"dkim/2026a.example.org.pem\" }\n"
    "    route { to .gmail.com  min-attempts 3  transport relay }\n"
    "}\n"
    "account billing {\n"
    "    address billing@example.org  *@example.org\n"
    "    from-id-login billing+api@example.org\n"
    "    keep-retired-messages 168h   keep-retired-webhooks 168h\n"
    "    webhook outgoing { url \"https://app.example.org/hook\"  authorization \"Bearer …\"  "
    "events delivered failed delayed }\n"
    "    webhook incoming { url \"https://app.example.org/in\" }\n"
    "}\n"
    "transport relay  { submission { host smtp.relay.example  port 587  auth { user us  "
    "password-file \"relay.pw\" } } }\n"
    "transport slow   { direct { ip-family 4   connections 2 } }\n"
    "transport fenced { socks  { address 127.0.0.1:9050  remote-ips 198.51.100.7  "
    "remote-hostname out.example.org } }\n"
    "transport block  { fail   { code 554  text \"not here\" } }\n";

/* The same, with its two warnings passed over. */
static inline struct conf *parse_example(void)
{
    struct conf_errors errors;
    struct conf *conf = conf_parse("/etc/qm.conf", span_text(example), &errors);
    assert_non_null(conf);
    assert_int_equal(errors.n, 2);
    conf_errors_free(&errors);
    return conf;
}

#endif
