#include "conf_help.h"

#include <string.h>

#include "wire.h"

static const unsigned readers[] = {CONF_MASTER, CONF_SMTPD, CONF_QMGR, CONF_DELIVERY,
                                   CONF_WEBAPI, CONF_HOOKS, CONF_VAULT};
#define READERS (sizeof readers / sizeof readers[0])

static bool holds(const struct buf *share, const char *text)
{
    return memmem(buf_span(share).p, share->n, text, strlen(text)) != NULL;
}

static void test_each_process_gets_its_share_and_no_more(void **state)
{
    /* What a share must hold (+) or must not (-), in the order of readers above: master, smtpd,
     * qmgr, delivery, webapi, hooks, vault. */
    static const struct {
        const char *text, *seen;
    } rows[] = {
        {"mail.example.org", "+++++++"},
        {"key-file", "+-----+"},
        {"dkim/2026a.example.org.pem", "+-----+"},
        {"catchall-separator", "+++++-+"},
        {"relay.pw", "+-----+"},
        {"smtp.relay.example", "+-++---"},
        {"billing@example.org", "+++++-+"},
        {"Bearer", "+-+--+-"},
        {"app.example.org/in", "+-+--+-"},
        {"192.0.2.1", "++-++--"},
        {".gmail.com", "+-+----"},
        {"not here", "+-++---"},
        {"127.0.0.1:9050", "+--+---"},
        {"1080", "+---+--"},
        {"587", "++++---"},
    };
    struct conf *conf = parse_example();
    for (size_t r = 0; r < READERS; r++) {
        struct buf share = {0};
        conf_encode(conf, readers[r], &share);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            if (holds(&share, rows[i].text) != (rows[i].seen[r] == '+'))
                fail_msg("%s in the share of %u", rows[i].text, readers[r]);
        }
        buf_free(&share);
    }
    conf_free(&conf);
}

static void test_a_share_decodes_to_the_same_settings(void **state)
{
    struct conf *conf = parse_example();
    for (size_t r = 0; r < READERS; r++) {
        struct buf share = {0}, again = {0};
        struct fail f;
        conf_encode(conf, readers[r], &share);
        struct conf *decoded = conf_decode(buf_span(&share), readers[r], &f);
        if (decoded == NULL)
            fail_msg("%u: %s", readers[r], f.text);
        conf_encode(decoded, readers[r], &again);
        assert_true(span_equal(buf_span(&share), buf_span(&again)));
        assert_string_equal(conf_text(conf_root(decoded), "hostname"), "mail.example.org");
        conf_free(&decoded);
        buf_free(&share);
        buf_free(&again);
    }
    conf_free(&conf);
}

static struct conf *share_of(const char *text, unsigned reader)
{
    struct conf *conf = parse_right(text);
    struct buf share = {0};
    struct fail f;
    conf_encode(conf, reader, &share);
    struct conf *decoded = conf_decode(buf_span(&share), reader, &f);
    assert_non_null(decoded);
    buf_free(&share);
    conf_free(&conf);
    return decoded;
}

static void test_defaults_are_in_a_share_without_being_sent(void **state)
{
    struct conf *conf = share_of("hostname mx.example deliver { connect-timeout 3s }\n"
                                 "transport t { direct { data-timeout 4s } }",
                                 CONF_DELIVERY);
    const struct conf_block *root = conf_root(conf);
    const struct conf_block *direct = conf_child(conf_child(root, "transport"), "direct");
    assert_true(conf_ms(direct, "connect-timeout") == 3000);
    assert_true(conf_ms(direct, "data-timeout") == 4000);
    assert_true(conf_ms(direct, "quit-timeout") == 10000);
    assert_string_equal(conf_text(direct, "ehlo-name"), "mx.example");
    assert_true(conf_is_set(direct, "data-timeout"));
    assert_false(conf_is_set(direct, "quit-timeout"));
    struct buf where = {0};
    conf_where(direct, "data-timeout", &where);
    assert_string_equal(buf_text(&where), "share");
    buf_free(&where);
    conf_free(&conf);
}

static void ask_hidden_setting(void *conf)
{
    (void)conf_text(conf_find(conf_root(conf), "listen", "l"), "key-file");
}

static void ask_hidden_block(void *conf)
{
    (void)conf_child(conf_root(conf), "webapi");
}

static void ask_own_setting(void *conf)
{
    (void)conf_text(conf_find(conf_root(conf), "listen", "l"), "certificate-file");
    (void)conf_child(conf_root(conf), "smtp");
}

static void test_asking_for_what_is_not_in_the_share_is_our_mistake(void **state)
{
    struct conf *conf = share_of("hostname mx.example\nlisten l { address ::1 submissions 465 "
                                 "certificate-file /c key-file /k }",
                                 CONF_SMTPD);
    assert_true(asserts(ask_hidden_setting, conf));
    assert_true(asserts(ask_hidden_block, conf));
    assert_false(asserts(ask_own_setting, conf));
    conf_free(&conf);
}

static void test_a_share_of_another_process_is_refused(void **state)
{
    struct conf *conf = parse_example();
    for (size_t r = 0; r < READERS; r++) {
        struct buf share = {0};
        conf_encode(conf, readers[r], &share);
        for (size_t o = 0; o < READERS; o++) {
            struct conf *decoded = conf_decode(buf_span(&share), readers[o], NULL);
            assert_int_equal(decoded != NULL, o == r);
            conf_free(&decoded);
        }
        buf_free(&share);
    }
    conf_free(&conf);
}

/* Shares for hooks by hand: the root sees hostname and a few more, its blocks are dns, webhooks,
 * mta-sts and accounts with their webhooks. */
static void begin(struct buf *b, uint32_t settings)
{
    buf_puts(b, "qmc1");
    wire_put_u32(b, CONF_HOOKS);
    wire_put_u32(b, settings);
}

static void put(struct buf *b, const char *name, const char *value)
{
    wire_put_text(b, name);
    wire_put_u32(b, 1);
    wire_put_text(b, value);
}

static void put_block(struct buf *b, const char *name, const char *label)
{
    wire_put_text(b, name);
    wire_put_text(b, label);
}

static void put_empty(struct buf *b, const char *name, const char *label)
{
    put_block(b, name, label);
    wire_put_u32(b, 0);
    wire_put_u32(b, 0);
}

static void end(struct buf *b)
{
    wire_put_u32(b, 3);
    put_empty(b, "dns", "");
    put_empty(b, "webhooks", "");
    put_empty(b, "mta-sts", "");
}

static void expect_refused(struct buf *b, const char *sentence)
{
    struct fail f;
    struct buf expected = {0};
    buf_putf(&expected, "the share of the configuration is wrong: %s", sentence);
    assert_null(conf_decode(buf_span(b), CONF_HOOKS, &f));
    assert_string_equal(f.text, buf_text(&expected));
    buf_free(&expected);
    buf_free(b);
}

static void test_what_the_tables_do_not_allow_is_refused(void **state)
{
    static const struct {
        const char *name, *value, *sentence;
    } settings[] = {
        {"nonsense", "x", "unknown setting in \"\""},
        {"run-dir", "/run", "run-dir is not for this process"},
        {"log-level", "loud", "log-level: must be one of: debug info warn error"},
        {"hostname", "MX.example", "hostname is not in its canonical spelling"},
        {"hostname", "a..b",
         "hostname: must be a host name: letters, digits and inner hyphens, with dots between"},
        {"log-level", "info", "hostname is missing"},
    };
    struct buf b = {0};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        begin(&b, 1);
        put(&b, settings[i].name, settings[i].value);
        end(&b);
        expect_refused(&b, settings[i].sentence);
    }
    begin(&b, 2);
    put(&b, "log-level", "info");
    put(&b, "hostname", "a.example");
    end(&b);
    expect_refused(&b, "hostname is out of its order");
    begin(&b, 2);
    put(&b, "hostname", "a.example");
    put(&b, "hostname", "a.example");
    end(&b);
    expect_refused(&b, "hostname is out of its order");
    begin(&b, 1);
    wire_put_text(&b, "hostname");
    wire_put_u32(&b, 2);
    wire_put_text(&b, "a.example");
    wire_put_text(&b, "b.example");
    end(&b);
    expect_refused(&b, "hostname has no value, or too many");
    begin(&b, 1);
    wire_put_text(&b, "hostname");
    wire_put_u32(&b, 0);
    end(&b);
    expect_refused(&b, "hostname has no value, or too many");
}

static void test_blocks_that_the_tables_do_not_allow_are_refused(void **state)
{
    static const struct {
        const char *names[5][2];
        const char *sentence;
    } rows[] = {
        {{{"webhooks", ""}, {"dns", ""}}, "block dns is missing"},
        {{{"dns", ""}}, "blocks of \"\" are missing"},
        {{{"dns", "x"}, {"webhooks", ""}}, "block dns is missing"},
        {{{"dns", ""}, {"webhooks", ""}, {"mta-sts", ""}, {"queue", ""}},
         "a block in \"\" is unknown or not for this process"},
        {{{"dns", ""}, {"webhooks", ""}, {"mta-sts", ""}, {"nonsense", ""}},
         "a block in \"\" is unknown or not for this process"},
        {{{"dns", ""}, {"webhooks", ""}, {"mta-sts", ""}, {"dns", ""}},
         "a block dns has a name it cannot have, or comes twice"},
        {{{"dns", ""}, {"webhooks", ""}, {"mta-sts", ""}, {"account", ""}},
         "a block account has a name it cannot have, or comes twice"},
        {{{"dns", ""}, {"webhooks", ""}, {"mta-sts", ""}, {"account", "A"}},
         "a block account has a name it cannot have, or comes twice"},
        {{{"dns", ""}, {"webhooks", ""}, {"mta-sts", ""}, {"account", "a"}, {"account", "a"}},
         "block account a is there twice"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b = {0};
        uint32_t n = 0;
        while (n < 5 && rows[i].names[n][0] != NULL)
            n++;
        begin(&b, 1);
        put(&b, "hostname", "a.example");
        wire_put_u32(&b, n);
        for (uint32_t k = 0; k < n; k++)
            put_empty(&b, rows[i].names[k][0], rows[i].names[k][1]);
        expect_refused(&b, rows[i].sentence);
    }
    struct buf b = {0};
    begin(&b, 1);
    put(&b, "hostname", "a.example");
    end(&b);
    buf_putc(&b, 0);
    expect_refused(&b, "octets are left over");
}

/* Whatever is changed: it is refused, or means just what it says. */
static void check_mutated(struct span share, unsigned reader)
{
    struct fail f;
    struct buf again = {0};
    struct conf *conf = conf_decode(share, reader, &f);
    if (conf != NULL) {
        conf_encode(conf, reader, &again);
        assert_true(span_equal(share, buf_span(&again)));
    }
    buf_free(&again);
    conf_free(&conf);
}

static void test_a_changed_share_is_refused_or_means_what_it_says(void **state)
{
    static const unsigned char masks[] = {0x01, 0xa0};
    static const unsigned some[] = {CONF_SMTPD, CONF_QMGR, CONF_VAULT};
    struct conf *conf = parse_example();
    for (size_t r = 0; r < sizeof some / sizeof some[0]; r++) {
        struct buf share = {0};
        conf_encode(conf, some[r], &share);
        unsigned char *p = mem_copy(buf_span(&share).p, share.n);
        for (size_t i = 0; i < share.n; i++) {
            for (size_t m = 0; m < sizeof masks; m++) {
                p[i] ^= masks[m];
                check_mutated(span_of(p, share.n), some[r]);
                p[i] ^= masks[m];
            }
            assert_null(conf_decode(span_of(p, i), some[r], NULL));
        }
        mem_free(&p);
        buf_free(&share);
    }
    conf_free(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_process_gets_its_share_and_no_more),
        cmocka_unit_test(test_a_share_decodes_to_the_same_settings),
        cmocka_unit_test(test_defaults_are_in_a_share_without_being_sent),
        cmocka_unit_test(test_asking_for_what_is_not_in_the_share_is_our_mistake),
        cmocka_unit_test(test_a_share_of_another_process_is_refused),
        cmocka_unit_test(test_what_the_tables_do_not_allow_is_refused),
        cmocka_unit_test(test_blocks_that_the_tables_do_not_allow_are_refused),
        cmocka_unit_test(test_a_changed_share_is_refused_or_means_what_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
