#ifndef QM_VAULT_HELP_H
#define QM_VAULT_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dkimkey.h"
#include "file.h"
#include "keyring.h"
#include "log.h"
#include "mem.h"
#include "peers.h"
#include "tlskey.h"

/* What the tests of vault share: a configuration with an account and a listener, its keys as master
 * hands them over, and the frame of a process to run in. */

#define PASSWORD "correct horse"

static inline struct conf *help_conf(void)
{
    static const char text[] =
        "hostname mail.example.org\n"
        "domain example.org { catchall-separator \"+\"  dkim 2026a { key-file \"x\" }\n"
        "  dkim 2026b { key-file \"y\" } }\n"
        "account box { address box@example.org  Second@example.org }\n"
        "account none { address none@example.org }\n"
        "account shut { address shut@example.org  login-disabled yes }\n"
        "listen public { address 127.0.0.1  smtp 2525  certificate-file \"c\"  key-file \"k\" }\n"
        "transport relay { submission { host smtp.test  auth { user me  password-file p\n"
        "  token-file t  mechanisms XOAUTH2 SCRAM-SHA-256 PLAIN } } }\n"
        "transport proxy { socks { address 127.0.0.1:1080  auth { user me  password-file p } } }\n"
        "transport known { submission { host smtp.test\n"
        "  auth { certificate-file c  key-file k } } }\n"
        "transport bare { submission { host smtp.test } }\n";
    struct conf_errors errors;
    struct buf share = {0}, said = {0};
    struct fail f;
    struct conf *conf = conf_parse("test.conf", span_text(text), &errors);
    conf_errors_print(&errors, &said);
    if (conf == NULL)
        fail_msg("%s", buf_text(&said));
    conf_encode(conf, CONF_VAULT, &share);
    struct conf *ours = conf_decode(buf_span(&share), CONF_VAULT, &f);
    assert_non_null(ours);
    conf_free(&conf);
    conf_errors_free(&errors);
    buf_free(&share);
    buf_free(&said);
    return ours;
}

static inline struct service_hand help_hand(const char *purpose, struct span content)
{
    struct fail f;
    int fd = file_sealed("hand", content, &f);
    assert_true(fd >= 0);
    return (struct service_hand){mem_text(purpose), fd};
}

/* credentials with the account box and its password. */
static inline struct service_hand help_credentials(void)
{
    struct scram_verifier v;
    struct buf text = {0};
    struct fail f;
    assert_int_equal(scram_make(&v, span_text(PASSWORD), SCRAM_ITERATIONS_MIN, &f), 0);
    buf_puts(&text, "box ");
    scram_text(&v, &text);
    buf_puts(&text, "\nshut ");
    scram_text(&v, &text);
    buf_putc(&text, '\n');
    struct service_hand h = help_hand("credentials", buf_span(&text));
    buf_free(&text);
    scram_wipe(&v);
    return h;
}

static inline struct service_hand help_dkim(const char *purpose, enum dkim_algorithm algorithm)
{
    struct buf pem = {0};
    struct fail f;
    EVP_PKEY *key = dkimkey_generate(algorithm, &f);
    dkimkey_write_pem(key, &pem);
    EVP_PKEY_free(key);
    struct service_hand h = help_hand(purpose, buf_span(&pem));
    buf_wipe(&pem);
    return h;
}

static inline void help_close(struct service_hand *hands, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        file_close(&hands[i].fd);
        mem_free(&hands[i].purpose);
    }
}

#define HANDS 10
#define RELAY_PASSWORD "open sesame"

/* Everything there is: credentials, two DKIM keys, a TLS key with its certificate, passwords and a
 * token of transports. */
static inline size_t help_hands(struct service_hand hands[HANDS])
{
    static const char *const names[] = {"mail.example.org"};
    struct tlskey *key = tlskey_generate();
    struct buf pem = {0}, chain = {0};
    struct fail f;
    tlskey_write(key, &pem);
    assert_int_equal(tlskey_self_sign(key, names, 1, 10, &chain, &f), 0);
    hands[0] = help_hand("certificate public", buf_span(&chain));
    hands[1] = help_credentials();
    hands[2] = help_dkim("dkim example.org 2026a", DKIM_RSA_SHA256);
    hands[3] = help_dkim("dkim example.org 2026b", DKIM_ED25519_SHA256);
    hands[4] = help_hand("key public", buf_span(&pem));
    hands[5] = help_hand("password relay", span_text(RELAY_PASSWORD "\r\nmore\n"));
    hands[6] = help_hand("token relay", span_text("tok\n"));
    hands[7] = help_hand("password proxy", span_text("pw"));
    hands[8] = help_hand("client-certificate known", buf_span(&chain));
    hands[9] = help_hand("client-key known", buf_span(&pem));
    tlskey_free(&key);
    buf_wipe(&pem);
    buf_free(&chain);
    return HANDS;
}

static inline struct keyring *help_keyring(void)
{
    struct service_hand hands[HANDS];
    size_t n = help_hands(hands);
    struct fail f = {{0}};
    struct keyring *k = keyring_new(help_conf(), hands, n, &f);
    if (k == NULL)
        fail_msg("%s", f.text);
    help_close(hands, n);
    return k;
}

/* ---- the frame ---- */

struct help_run {
    const struct CMUnitTest *tests;
    size_t n;
    int outcome;
    struct service *service;
};

static struct help_run help_run_;

static inline int help_start(struct service *s, struct fail *f)
{
    help_run_.service = s;
    help_run_.outcome = _cmocka_run_group_tests("vault", help_run_.tests, help_run_.n, NULL, NULL);
    return fail_set(f, "the tests are over");
}

/* What main returns. */
static inline int help_main(char **argv, const struct CMUnitTest *tests, size_t n)
{
    static const char *const counters[VAULT_COUNTERS + 1] = {"a", "b", "c", "d", "e",
                                                             "f", "g", "h", NULL};
    static const struct service_spec spec = {
        .name = "test", .reader = CONF_VAULT, .counters = counters, .start = help_start};
    char uid[32], gid[32];
    char *arguments[] = {argv[0], (char *)"--name=test", (char *)"--control=0", uid,
                         gid,     (char *)"--dumpable",  (char *)"--seccomp=2", NULL};
    (void)snprintf(uid, sizeof uid, "--uid=%d", (int)getuid());
    (void)snprintf(gid, sizeof gid, "--gid=%d", (int)getgid());
    help_run_ = (struct help_run){tests, n, 1, NULL};
    (void)service_main(&spec, 7, arguments, NULL);
    return help_run_.outcome;
}

static inline void help_be_quiet(void)
{
    log_open("test", (enum log_level)(LOG_ERROR_ + 1));
}

#endif
