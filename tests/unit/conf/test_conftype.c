#include "conf_help.h"

#include <string.h>

#include "conftype.h"
#include "mem.h"

static const struct conf_setting boolean = {"x", CONF_BOOL},
                                 integer = {"x", CONF_INT, .min = "5", .max = "100"},
                                 size = {"x", CONF_SIZE, .min = "0", .max = "1024G"},
                                 small = {"x", CONF_SIZE, .min = "1K", .max = "2K"},
                                 duration = {"x", CONF_DURATION, .min = "0", .max = "3650d"},
                                 brief = {"x", CONF_DURATION, .min = "500ms", .max = "1h30m"},
                                 text = {"x", CONF_TEXT, .min = "1", .max = "6"},
                                 ascii = {"x", CONF_TEXT, CONF_ASCII},
                                 word = {"x", CONF_WORD, .words = "none opportunistic required"},
                                 path = {"x", CONF_PATH}, host = {"x", CONF_HOST},
                                 peer = {"x", CONF_PEER}, address = {"x", CONF_ADDRESS},
                                 endpoint = {"x", CONF_ENDPOINT}, url = {"x", CONF_URL},
                                 mailbox = {"x", CONF_MAILBOX},
                                 wild = {"x", CONF_MAILBOX, CONF_WILD}, user = {"x", CONF_USER},
                                 network = {"x", CONF_NETWORK}, pattern = {"x", CONF_PATTERN};

#define L63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define L61 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi"
#define HOST_253 L63 "." L63 "." L63 "." L61
#define D 86400000LL

static const struct {
    const struct conf_setting *setting;
    const char *written, *canonical;
    int64_t number;
} right[] = {
    {&boolean, "yes", "yes", 1},
    {&boolean, "no", "no", 0},
    {&integer, "5", "5", 5},
    {&integer, "100", "100", 100},
    {&integer, "007", "7", 7},
    {&size, "0", "0", 0},
    {&size, "1023", "1023", 1023},
    {&size, "100M", "100M", 104857600},
    {&size, "2048K", "2M", 2097152},
    {&size, "1536", "1536", 1536},
    {&size, "1024G", "1024G", 1099511627776},
    {&duration, "0", "0", 0},
    {&duration, "0s", "0", 0},
    {&duration, "450s", "7m30s", 450000},
    {&duration, "7m30s", "7m30s", 450000},
    {&duration, "168h", "7d", 7 * D},
    {&duration, "500ms", "500ms", 500},
    {&duration, "5d", "5d", 5 * D},
    {&duration, "1d1h1m1s1ms", "1d1h1m1s1ms", D + 3661001},
    {&duration, "90000ms", "1m30s", 90000},
    {&duration, "3650d", "3650d", 3650 * D},
    {&text, "a b{}#", "a b{}#", 0},
    {&text, "\u00e9\u00e9\u00e9", "\u00e9\u00e9\u00e9", 0},
    {&ascii, "", "", 0},
    {&word, "none", "none", 0},
    {&word, "required", "required", 2},
    {&path, "/a/b", "/a/b", 0},
    {&path, "a b", "/etc/qm/a b", 0},
    {&path, "../k.pem", "/etc/qm/../k.pem", 0},
    {&host, "Mail.Example.ORG", "mail.example.org", 0},
    {&host, "localhost", "localhost", 0},
    {&host, "xn--bcher-kva.example", "xn--bcher-kva.example", 0},
    {&host, "1and1.example", "1and1.example", 0},
    {&host, HOST_253, HOST_253, 0},
    {&peer, "Smtp.Example", "smtp.example", 0},
    {&peer, "192.0.2.1", "192.0.2.1", 0},
    {&peer, "::1", "::1", 0},
    {&address, "192.0.2.1", "192.0.2.1", 0},
    {&address, "2001:DB8:0:0::1", "2001:db8::1", 0},
    {&endpoint, "127.0.0.1:9050", "127.0.0.1:9050", 0},
    {&endpoint, "[::1]:053", "[::1]:53", 0},
    {&url, "https://app.example.org/hook", "https://app.example.org/hook", 0},
    {&url, "HTTP://a", "HTTP://a", 0},
    {&url, "http://my_app:3000/?x=y%20z", "http://my_app:3000/?x=y%20z", 0},
    {&url, "http://[2001:db8::1]:65535/", "http://[2001:db8::1]:65535/", 0},
    {&url, "http://[::1]/", "http://[::1]/", 0},
    {&url, "http://192.0.2.1?x", "http://192.0.2.1?x", 0},
    {&url, "http://a/b@c", "http://a/b@c", 0},
    {&mailbox, "Billing+Api@Example.ORG", "Billing+Api@example.org", 0},
    {&mailbox, "a.b!#$%&'*+-/=?^_`{|}~@x", "a.b!#$%&'*+-/=?^_`{|}~@x", 0},
    {&mailbox, "\u00e9@x", "\u00e9@x", 0},
    {&mailbox, "a" L63 "@x", "a" L63 "@x", 0},
    {&wild, "*@Example.org", "*@example.org", 0},
    {&wild, "a@example.org", "a@example.org", 0},
    {&user, "qm-smtpd", "qm-smtpd", -1},
    {&user, "_apt.2", "_apt.2", -1},
    {&user, "0", "0", 0},
    {&user, "4294967294", "4294967294", 4294967294},
    {&network, "192.0.2.0/24", "192.0.2.0/24", 0},
    {&network, "192.0.2.128/25", "192.0.2.128/25", 0},
    {&network, "192.0.2.1", "192.0.2.1/32", 0},
    {&network, "2001:DB8::/32", "2001:db8::/32", 0},
    {&network, "0.0.0.0/0", "0.0.0.0/0", 0},
    {&network, "::1", "::1/128", 0},
    {&pattern, "*", "*", 0},
    {&pattern, ".Gmail.com", ".gmail.com", 0},
    {&pattern, "Gmail.com", "gmail.com", 0},
};

static const char a_host[] = "must be a host name: letters, digits and inner hyphens, with dots "
                             "between";
static const char an_a_label[] =
    "must be ASCII: write an internationalised name in its A-label form (xn--...)";
static const char an_int[] = "must be a whole number from 5 to 100";
static const char a_size[] =
    "must be a size from 0 to 1024G, in octets or with K, M or G behind it";
static const char a_duration[] =
    "must be a duration from 0 to 3650d, with units: d, h, m, s, ms, as in 7m30s";
static const char an_address[] = "must be an IPv4 or IPv6 address";
static const char an_endpoint[] =
    "must be an IP address and a port, as 192.0.2.1:53 or [2001:db8::1]:53";
static const char a_url[] =
    "must be a URL of at most 2048 octets that begins with http:// or https://";
static const char a_url_host[] = "must be a URL with a host, and a port from 1 to 65535 if any";
static const char a_url_character[] =
    "must be a URL with every other character percent-encoded (RFC 3986)";
static const char a_local[] =
    "must have a local part of at most 64 octets without quotes: letters, digits, "
    "!#$%&'*+-/=?^_`{|}~ and inner dots";
static const char a_user[] =
    "must be a name of letters, digits and . _ - (at most 32), or a numeric id";
static const char a_network[] = "must be a network, as 192.0.2.0/24 or 2001:db8::/32";
static const char a_pattern[] = "must be a domain, .domain for it and all below it, or * for any "
                                "(ASCII; A-labels for internationalised names)";

static const struct {
    const struct conf_setting *setting;
    const char *written, *sentence;
} wrong[] = {
    {&boolean, "true", "must be yes or no"},
    {&boolean, "", "must be yes or no"},
    {&boolean, "Yes", "must be yes or no"},
    {&integer, "4", an_int},
    {&integer, "101", an_int},
    {&integer, "", an_int},
    {&integer, "-5", an_int},
    {&integer, "+5", an_int},
    {&integer, "5.0", an_int},
    {&integer, "0x10", an_int},
    {&integer, "18446744073709551621", an_int},
    {&integer, "4294967301", an_int},
    {&size, "", a_size},
    {&size, "M", a_size},
    {&size, "1T", a_size},
    {&size, "1k", a_size},
    {&size, "1 K", a_size},
    {&size, "1KB", a_size},
    {&size, "1K1", a_size},
    {&size, "-1", a_size},
    {&size, "99999999999G", a_size},
    {&size, "9223372036854775807G", a_size},
    {&size, "1025G", "must be a size from 0 to 1024G"},
    {&small, "1023", "must be a size from 1K to 2K"},
    {&small, "2049", "must be a size from 1K to 2K"},
    {&duration, "450", a_duration},
    {&duration, "", a_duration},
    {&duration, "s", a_duration},
    {&duration, "1s1m", a_duration},
    {&duration, "1m1m", a_duration},
    {&duration, "1.5h", a_duration},
    {&duration, "1w", a_duration},
    {&duration, "1h 30m", a_duration},
    {&duration, "9223372036854775807d", a_duration},
    {&duration, "99999d9223372036854775807ms", a_duration},
    {&duration, "3651d", "must be a duration from 0 to 3650d"},
    {&brief, "499ms", "must be a duration from 500ms to 1h30m"},
    {&brief, "91m", "must be a duration from 500ms to 1h30m"},
    {&text, "", "must be 1 to 6 octets long"},
    {&text, "1234567", "must be 1 to 6 octets long"},
    {&text, "\u00e9\u00e9\u00e9x", "must be 1 to 6 octets long"},
    {&ascii, "\u00e9", "must be ASCII"},
    {&word, "some", "must be one of: none opportunistic required (did you mean \"none\"?)"},
    {&word, "requierd", "must be one of: none opportunistic required (did you mean \"required\"?)"},
    {&word, "whatever", "must be one of: none opportunistic required"},
    {&word, "", "must be one of: none opportunistic required"},
    {&word, "none opportunistic", "must be one of: none opportunistic required"},
    {&path, "", "must be a path, not empty"},
    {&host, "", a_host},
    {&host, "a..b", a_host},
    {&host, ".a", a_host},
    {&host, "-a.b", a_host},
    {&host, "a-.b", a_host},
    {&host, "a_b.c", a_host},
    {&host, "a b", a_host},
    {&host, "a" L63 ".b", a_host},
    {&host, HOST_253 "j", a_host},
    {&host, "a.", "must be a host name without a dot at its end"},
    {&host, "192.0.2.1", "must be a host name, and none ends in a number"},
    {&host, "b\u00fccher.example", an_a_label},
    {&peer, "192.0.2.256", "must be a host name, and none ends in a number"},
    {&peer, "[::1]", a_host},
    {&address, "192.0.2", an_address},
    {&address, "192.0.2.01", an_address},
    {&address, "fe80::1%eth0", an_address},
    {&address, "localhost", an_address},
    {&address, "", an_address},
    {&endpoint, "127.0.0.1", an_endpoint},
    {&endpoint, "127.0.0.1:", an_endpoint},
    {&endpoint, "127.0.0.1:0", an_endpoint},
    {&endpoint, "127.0.0.1:65536", an_endpoint},
    {&endpoint, "::1:53", an_endpoint},
    {&endpoint, "[127.0.0.1]:53", an_endpoint},
    {&endpoint, "[::1]", an_endpoint},
    {&endpoint, "localhost:53", an_endpoint},
    {&endpoint, ":53", an_endpoint},
    {&url, "ftp://a/", a_url},
    {&url, "app.example.org/hook", a_url},
    {&url, "", a_url},
    {&url, "http://", a_url_host},
    {&url, "http:///x", a_url_host},
    {&url, "http://a:0/", a_url_host},
    {&url, "http://a:65536/", a_url_host},
    {&url, "http://a:/", a_url_host},
    {&url, "http://a:b:c/", a_url_host},
    {&url, "http://[::1/", a_url_host},
    {&url, "http://[192.0.2.1]/", a_url_host},
    {&url, "http://[::1]x/", a_url_host},
    {&url, "http://a..b/", a_url_host},
    {&url, "http://-/", a_url_host},
    {&url, "http://a/ b", a_url_character},
    {&url, "http://a/\u00e9", a_url_character},
    {&url, "http://a/\"", a_url_character},
    {&url, "http://a/#b", "must be a URL without a fragment (#...): it would never be sent"},
    {&url, "http://u:p@a/",
     "must be a URL without a user and password: use authorization for them"},
    {&mailbox, "billing", "must be a mail address, local@domain"},
    {&wild, "billing", "must be a mail address, local@domain or *@domain"},
    {&mailbox, "*@example.org", "must be one mail address, not all of a domain"},
    {&mailbox, "a@",
     "must be a mail address, and its domain must be a host name: letters, digits "
     "and inner hyphens, with dots between"},
    {&mailbox, "a@b\u00fccher.example",
     "must be a mail address, and its domain must be ASCII: write an internationalised name in its "
     "A-label form (xn--...)"},
    {&mailbox, "@example.org", a_local},
    {&mailbox, ".a@example.org", a_local},
    {&mailbox, "a.@example.org", a_local},
    {&mailbox, "a..b@example.org", a_local},
    {&mailbox, "a b@example.org", a_local},
    {&mailbox, "a@b@example.org", a_local},
    {&mailbox, "\"a\"@example.org", a_local},
    {&mailbox, "ab" L63 "@example.org", a_local},
    {&user, "", a_user},
    {&user, "-x", a_user},
    {&user, "a b", a_user},
    {&user, "4294967295", a_user},
    {&user, "99999999999999999999", a_user},
    {&user, "abcdefghijklmnopqrstuvwxyzabcdefg", a_user},
    {&network, "192.0.2.0/", "must have a prefix of 0 to 32 bits"},
    {&network, "192.0.2.0/33", "must have a prefix of 0 to 32 bits"},
    {&network, "::/129", "must have a prefix of 0 to 128 bits"},
    {&network, "192.0.2.1/24", "must be a network: the address has bits set behind its prefix"},
    {&network, "2001:db8::1/127", "must be a network: the address has bits set behind its prefix"},
    {&network, "192.0.2/24", a_network},
    {&network, "", a_network},
    {&pattern, "", a_pattern},
    {&pattern, ".", a_pattern},
    {&pattern, "*.com", a_pattern},
    {&pattern, "..com", a_pattern},
    {&pattern, "\u00e9.com", a_pattern},
};

static void test_right_values_have_one_canonical_spelling(void **state)
{
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        struct conftype_rule rule = conftype_rule(right[i].setting);
        struct conf_value value, again;
        struct fail f;
        if (conftype_parse(&rule, right[i].written, "/etc/qm", &value, &f) != 0)
            fail_msg("%s: %s", right[i].written, f.text);
        assert_string_equal(value.text, right[i].canonical);
        assert_int_equal(value.number, right[i].number);
        assert_int_equal(conftype_parse(&rule, value.text, NULL, &again, &f), 0);
        assert_string_equal(again.text, value.text);
        assert_int_equal(again.number, value.number);
        conftype_free(&rule, &value);
        conftype_free(&rule, &again);
    }
}

static void test_wrong_values_get_a_sentence(void **state)
{
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct conftype_rule rule = conftype_rule(wrong[i].setting);
        struct conf_value value;
        struct fail f;
        if (conftype_parse(&rule, wrong[i].written, "/etc/qm", &value, &f) == 0)
            fail_msg("%s is taken", wrong[i].written);
        assert_null(value.text);
        assert_string_equal(f.text, wrong[i].sentence);
    }
}

static void test_too_long_paths_and_urls_are_refused(void **state)
{
    struct conftype_rule rules[] = {conftype_rule(&path), conftype_rule(&url)};
    struct conf_value value;
    struct fail f;
    struct buf long_text = {0};
    buf_puts(&long_text, "http://a/");
    while (long_text.n < 2048)
        buf_putc(&long_text, 'x');
    assert_int_equal(conftype_parse(&rules[1], buf_text(&long_text), NULL, &value, &f), 0);
    conftype_free(&rules[1], &value);
    buf_putc(&long_text, 'x');
    assert_int_equal(conftype_parse(&rules[1], buf_text(&long_text), NULL, &value, &f), -1);
    assert_string_equal(f.text, a_url);
    while (long_text.n < 4095 - 5)
        buf_putc(&long_text, 'x');
    assert_int_equal(conftype_parse(&rules[0], buf_text(&long_text), "/etc", &value, &f), 0);
    conftype_free(&rules[0], &value);
    buf_putc(&long_text, 'x');
    assert_int_equal(conftype_parse(&rules[0], buf_text(&long_text), "/etc", &value, &f), -1);
    assert_string_equal(f.text, "must be a path of less than 4096 octets, its folder counted");
    buf_free(&long_text);
}

static void test_addresses_are_given_in_octets(void **state)
{
    struct conf_value value;
    struct fail f;
    struct conftype_rule rule = conftype_rule(&endpoint);
    assert_int_equal(conftype_parse(&rule, "[2001:db8::1]:53", NULL, &value, &f), 0);
    assert_int_equal(value.family, 6);
    assert_int_equal(value.port, 53);
    assert_memory_equal(value.ip, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    conftype_free(&rule, &value);
    rule = conftype_rule(&network);
    assert_int_equal(conftype_parse(&rule, "192.0.2.128/25", NULL, &value, &f), 0);
    assert_int_equal(value.family, 4);
    assert_int_equal(value.prefix, 25);
    assert_memory_equal(value.ip, "\xc0\0\2\x80\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    conftype_free(&rule, &value);
    rule = conftype_rule(&peer);
    assert_int_equal(conftype_parse(&rule, "a.example", NULL, &value, &f), 0);
    assert_int_equal(value.family, 0);
    conftype_free(&rule, &value);
}

static void make_rule(void *setting)
{
    (void)conftype_rule(setting);
}

static void test_a_row_that_contradicts_itself_is_our_mistake(void **state)
{
    static struct conf_setting rows[] = {
        {"x", CONF_INT, .min = "9", .max = "8"},
        {"x", CONF_INT, .min = "1K"},
        {"x", CONF_SIZE, .min = "1s"},
        {"x", CONF_DURATION, .max = "60"},
        {"x", CONF_WORD},
        {"x", CONF_BOOL, .words = "yes no"},
        {"x", CONF_TEXT, .max = "5000"},
        {"x", CONF_HOST, .max = "5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_true(asserts(make_rule, &rows[i]));
    assert_false(asserts(make_rule, (void *)&integer));
}

static void test_words_of_a_set_have_an_index(void **state)
{
    assert_int_equal(conftype_word_index("a bb c", span_text("bb")), 1);
    assert_int_equal(conftype_word_index("a bb c", span_text("b")), -1);
    assert_true(span_is(conftype_word_at("a bb c", 2), "c"));
    assert_int_equal(conftype_word_at("a bb c", 3).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_values_have_one_canonical_spelling),
        cmocka_unit_test(test_wrong_values_get_a_sentence),
        cmocka_unit_test(test_too_long_paths_and_urls_are_refused),
        cmocka_unit_test(test_addresses_are_given_in_octets),
        cmocka_unit_test(test_a_row_that_contradicts_itself_is_our_mistake),
        cmocka_unit_test(test_words_of_a_set_have_an_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
