#include "conf_help.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "confparse.h"
#include "file.h"
#include "mem.h"

#define HOST "hostname a.example\n"

static void test_the_example_of_the_manual_is_right(void **state)
{
    struct conf_errors errors;
    struct conf *conf = conf_parse("f", span_text(example), &errors);
    assert_non_null(conf);
    assert_int_equal(errors.failures, 0);
    char *got = sentences(&errors);
    assert_string_equal(
        got, "f:2:60: warning: submission needs certificate-file and key-file, or "
             "require-tls-for-auth no: without them no client can verify this server\n"
             "f:2:77: warning: submissions needs certificate-file and key-file: without them no "
             "client can verify this server\n");
    mem_free(&got);
    const struct conf_block *root = conf_root(conf);
    size_t n;
    const struct conf_value *values = conf_list(conf_find(root, "listen", "public"), "address", &n);
    assert_int_equal(n, 2);
    assert_string_equal(values[1].text, "2001:db8::1");
    assert_int_equal(conf_int(conf_find(root, "listen", "public"), "submissions"), 465);
    const struct conf_block *account = conf_find(root, "account", "billing");
    values = conf_list(conf_find(account, "webhook", "outgoing"), "events", &n);
    assert_int_equal(n, 3);
    assert_int_equal(values[2].number, CONF_EVENT_DELAYED);
    assert_string_equal(conf_text(conf_find(account, "webhook", "outgoing"), "authorization"),
                        "Bearer …");
    assert_true(conf_ms(account, "keep-retired-messages") == 168 * 3600000LL);
    const struct conf_block *fail = conf_child(conf_find(root, "transport", "block"), "fail");
    assert_string_equal(conf_text(fail, "text"), "not here");
    conf_free(&conf);
}

/* What may be written in more than one way. */
static const char *const same[] = {
    "hostname a.example\nlisten l { address ::1 ::2\n smtp 25\n }\n",
    "hostname a.example listen l { address ::1 ::2 smtp 25 }",
    "listen l{address ::1 ::2 smtp 25}hostname a.example",
    "hostname \"A.example\" # said in greetings\r\nlisten l { address ::1\r\naddress ::2 smtp 25 }",
    "\n\n# nothing\nlisten \"l\" { smtp 25 address \"::1\" 0::2 # two\n} hostname a.example",
};

static void test_layout_does_not_matter(void **state)
{
    struct buf first = {0};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        struct buf share = {0};
        struct conf *conf = parse_right(same[i]);
        conf_encode(conf, CONF_MASTER, &share);
        if (i == 0)
            buf_put_span(&first, buf_span(&share));
        assert_true(span_equal(buf_span(&share), buf_span(&first)));
        conf_free(&conf);
        buf_free(&share);
    }
    buf_free(&first);
}

static void test_a_quoted_name_does_not_end_a_list(void **state)
{
    struct conf *conf = parse_right(
        HOST
        "listen l { address ::1 http 80 metrics yes http-host a \"http-host\" \"address\" }\n");
    const struct conf_block *listen = conf_find(conf_root(conf), "listen", "l");
    size_t n;
    const struct conf_value *values = conf_list(listen, "http-host", &n);
    assert_int_equal(n, 3);
    assert_string_equal(values[2].text, "address");
    conf_free(&conf);
}

static void test_relative_paths_start_at_the_folder_of_the_file(void **state)
{
    struct conf *conf = parse_right(HOST "state-dir store run-dir /run/qm");
    assert_string_equal(conf_text(conf_root(conf), "state-dir"), "/etc/store");
    assert_string_equal(conf_text(conf_root(conf), "run-dir"), "/run/qm");
    conf_free(&conf);
}

static const struct {
    const char *text, *errors;
} wrong[] = {
    {"", "f: hostname is needed and not given\n"},
    {HOST "hostname b.example", "f:2:1: hostname is given twice, first in f:1\n"},
    {HOST "hostname",
     "f:2:1: hostname is given twice, first in f:1\nf:2:1: hostname needs a value\n"},
    {"hostname\na.example\n", "f:1:1: hostname needs a value\n"
                              "f:2:1: unknown setting \"a.example\" at the top level\n"},
    {"hostname {", "f:1:1: hostname needs a value\n"
                   "f:1:10: the name of a block is missing before this {\n"
                   "f:1:10: the block that begins here is never closed\n"},
    {HOST "smtp { errors recipients 5 }", "f:2:8: errors needs a value\n"},
    {HOST "smtp { errors }", "f:2:8: errors needs a value\n"},
    {HOST "smtp { errors x recipients y }",
     "f:2:15: errors must be a whole number from 1 to 1000\n"
     "f:2:28: recipients must be a whole number from 1 to 100000\n"},
    {HOST "dns { server\n tries 3 }", "f:2:7: server needs at least one value\n"},
    {HOST "dns { server tries 3 }", "f:2:7: server needs at least one value\n"},
    {HOST "dns { server 127.0.0.1:53 x [::1]:53 y tries 0 }",
     "f:2:27: server must be an IP address and a port, as 192.0.2.1:53 or [2001:db8::1]:53\n"
     "f:2:38: server must be an IP address and a port, as 192.0.2.1:53 or [2001:db8::1]:53\n"
     "f:2:46: tries must be a whole number from 1 to 10\n"},
    {HOST "dns { server ::1\n127.0.0.1:53 x\ntimeout 1m\nx }",
     "f:2:14: server must be an IP address and a port, as 192.0.2.1:53 or [2001:db8::1]:53\n"
     "f:3:1: unknown setting \"127.0.0.1:53\" in dns; the values of server end with the line, and "
     "another server adds more\n"
     "f:5:1: unknown setting \"x\" in dns\n"},
    /* Names that the table does not have. */
    {HOST "log-lvel debug", "f:2:1: unknown setting \"log-lvel\" at the top level; did you mean "
                            "\"log-level\"?\n"},
    {HOST "route { zz a }", "f:2:1: route needs transport\n"
                            "f:2:9: unknown setting \"zz\" in route\n"},
    {HOST "  \tfrobnicate 1 2", "f:2:4: unknown setting \"frobnicate\" at the top level\n"},
    {HOST "frobnicate { a { b } } log-level x",
     "f:2:1: unknown block \"frobnicate\" at the top level\n"
     "f:2:34: log-level must be one of: debug info warn error\n"},
    {HOST "frobnicate x { a\n{ b } } log-level x",
     "f:2:1: unknown setting \"frobnicate\" at the top level\n"
     "f:3:19: log-level must be one of: debug info warn error\n"},
    {HOST "frobnicate x log-level y", "f:2:1: unknown setting \"frobnicate\" at the top level\n"
                                      "f:2:24: log-level must be one of: debug info warn error\n"},
    {HOST "\u00e9\u4e2d x\n\"a\" b", "f:2:1: unknown setting \"\u00e9\u4e2d\" at the top level\n"
                                     "f:3:1: a statement begins with a name without quotes\n"},
    {HOST "account a { address a@b full-name John Smith Jr }",
     "f:2:21: there is no domain b in this configuration\n"
     "f:2:40: unknown setting \"Smith\" in account; full-name takes one value, quoted if it has "
     "blanks\n"},
    {HOST "smtp { errors 5\nhostname b }",
     "f:3:1: unknown setting \"hostname\" in smtp; it belongs to the top level, is a } missing?\n"},
    {HOST "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefg\u00e9\u00e9",
     "f:2:1: unknown setting \"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefg\" at "
     "the top level\n"},
    /* Blocks. */
    {HOST "smtp", "f:2:1: smtp needs its { on the same line, right after its name\n"},
    {HOST "smtp\n{ errors 5 }", "f:2:1: smtp needs its { on the same line, right after its name\n"
                                "f:3:1: the name of a block is missing before this {\n"},
    {HOST "listen l x { smtp 0 }",
     "f:2:10: listen needs its { on the same line, right after its name\n"},
    {HOST "listen { address ::1 smtp 0 }", "f:2:1: listen needs a name: listen NAME { ... }\n"
                                           "f:2:27: smtp must be a whole number from 1 to 65535\n"},
    {HOST "smtp x { errors 0 }", "f:2:6: smtp takes no name\n"
                                 "f:2:17: errors must be a whole number from 1 to 1000\n"},
    {HOST "smtp { } smtp { errors 0 }", "f:2:10: smtp is given twice, first in f:2\n"
                                        "f:2:24: errors must be a whole number from 1 to 1000\n"},
    {HOST "transport t { local { } local { } }", "f:2:25: local is given twice, first in f:2\n"},
    {HOST "listen Ab { address ::1 smtp 1 }",
     "f:2:8: the name of listen must be 1 to 64 of a to z, 0 to 9 and . _ -\n"},
    {HOST "domain 192.0.2.1 { }",
     "f:2:8: the name of domain must be a host name, and none ends in a number\n"},
    {HOST "domain b\u00fc.example { dkim -x { key-file k } }",
     "f:2:8: the name of domain must be ASCII: write an internationalised name in its A-label form "
     "(xn--...)\n"
     "f:2:26: the name of dkim must be letters, digits, underscores and inner hyphens, dots "
     "between\n"},
    {HOST "domain d { }\ndomain e { }\ndomain D { }", "f:4:8: domain d is there already, in f:2\n"},
    {HOST "listen l { smtp 5 }", "f:2:1: listen l needs address\n"},
    {HOST "route { }", "f:2:1: route needs transport\n"},
    {HOST "listen l { address x smtp 5 }", "f:2:20: address must be an IPv4 or IPv6 address\n"},
    {HOST "}\nlog-level x", "f:2:1: there is no block that this } could close\n"
                            "f:3:11: log-level must be one of: debug info warn error\n"},
    {HOST "smtp {\n errors 0\n", "f:2:1: the block that begins here is never closed\n"
                                 "f:3:9: errors must be a whole number from 1 to 1000\n"},
    {"domain d {\n route {\n ", "f:1:1: the block that begins here is never closed\n"
                                "f:2:2: the block that begins here is never closed\n"},
    {"nothing {\n { } ", "f:1:1: unknown block \"nothing\" at the top level\n"
                         "f:1:1: the block that begins here is never closed\n"},
    {HOST "x { { { { { { { { { } } } } } } } } } log-level x",
     "f:2:1: unknown block \"x\" at the top level\n"
     "f:2:19: blocks are nested more than 8 deep\n"
     "f:2:49: log-level must be one of: debug info warn error\n"},
    /* A wrong word has been reported: nothing else is said of it. */
    {"hostname \"a\n", "f:1:10: the quoted word that begins here does not end on its line\n"},
    {HOST "listen \"l { address ::1 smtp 1\n}",
     "f:2:1: listen needs its { on the same line, right after its name\n"
     "f:2:8: the quoted word that begins here does not end on its line\n"
     "f:3:1: there is no block that this } could close\n"},
    {HOST "dns { server \"\x01\" }", "f:2:15: a control character cannot stand here\n"},
    {HOST "a\"b\" c d\n", "f:2:2: a word with \" in it has to be quoted as a whole\n"},
    {HOST "include x", "f:2:9: include cannot be used here, where no file is read\n"},
    {HOST "include\n", "f:2:1: include needs a path\n"},
};

static void test_every_error_is_where_it_is(void **state)
{
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_wrong(wrong[i].text, wrong[i].errors);
}

static void test_all_errors_are_found_at_once(void **state)
{
    expect_wrong("hostname a_b\n"
                 "listn x { address ::1 }\n"
                 "listen y {\n"
                 "    address ::1 ::x\n"
                 "    smtp 99999 http 80 metrics maybe\n"
                 "}\n"
                 "route { transport nowhere }\n",
                 "f:1:10: hostname must be a host name: letters, digits and inner hyphens, with "
                 "dots between\n"
                 "f:2:1: unknown setting \"listn\" at the top level; did you mean \"listen\"?\n"
                 "f:4:17: address must be an IPv4 or IPv6 address\n"
                 "f:5:10: smtp must be a whole number from 1 to 65535\n"
                 "f:5:32: metrics must be yes or no\n"
                 "f:7:19: there is no transport nowhere\n");
}

static void test_statements_are_counted(void **state)
{
    struct buf text = {0};
    struct conf_errors errors;
    buf_puts(&text, "dns {\n");
    for (int i = 2; i < CONF_MAX_STATEMENTS; i++)
        buf_puts(&text, "server [::1]:53\n");
    size_t n = text.n;
    buf_puts(&text, "} " HOST);
    struct conf *conf = conf_parse("f", buf_span(&text), &errors);
    assert_non_null(conf);
    conf_free(&conf);
    conf_errors_free(&errors);
    buf_cut(&text, n);
    buf_puts(&text, "tries 3 }\n" HOST "nonsense\n"); /* of what is not read nothing is missed */
    assert_null(conf_parse("f", buf_span(&text), &errors));
    char *got = sentences(&errors);
    assert_string_equal(
        got, "f:100001:1: there are more than 100000 statements; nothing more is read\n");
    mem_free(&got);
    buf_free(&text);
}

static void test_a_file_of_more_than_4_mib_is_refused(void **state)
{
    struct buf text = {0};
    struct conf_errors errors;
    buf_puts(&text, HOST);
    while (text.n < CONF_MAX_FILE)
        buf_putc(&text, '\n');
    struct conf *conf = conf_parse("f", buf_span(&text), &errors);
    assert_non_null(conf);
    conf_free(&conf);
    buf_putc(&text, '\n');
    assert_null(conf_parse("f", buf_span(&text), &errors));
    char *got = sentences(&errors);
    assert_string_equal(got, "f: longer than 4194304 octets\n");
    mem_free(&got);
    buf_free(&text);
}

/* Files below a folder made for one test. */
static int make_folder(void **state)
{
    char *folder = mem_text("/tmp/qm-conf-XXXXXX");
    assert_non_null(mkdtemp(folder));
    *state = folder;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static int remove_folder(void **state)
{
    char *folder = *state;
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    mem_free(&folder);
    return 0;
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char *path = mem_format("%s/%s", folder, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(file_make_path(AT_FDCWD, path, 0755, NULL), 0);
    *slash = '/';
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
    mem_free(&path);
}

/* Loads folder/main; on failure *got is what was said, each "folder/" in it cut out. */
static struct conf *load(const char *folder, const char *name, char **got)
{
    struct conf_errors errors;
    char *path = mem_format("%s/%s", folder, name);
    struct conf *conf = conf_load(path, &errors);
    char *text = sentences(&errors), *at;
    size_t n = strlen(folder) + 1;
    while ((at = strstr(text, folder)) != NULL)
        memmove(at, at + n, strlen(at + n) + 1);
    *got = text;
    mem_free(&path);
    return conf;
}

static void expect_load(const char *folder, const char *name, const char *expected)
{
    char *got;
    struct conf *conf = load(folder, name, &got);
    assert_string_equal(got, expected);
    assert_true((conf == NULL) == (expected[0] != '\0'));
    mem_free(&got);
    conf_free(&conf);
}

static void test_files_are_included_where_it_says(void **state)
{
    const char *folder = *state;
    char *got;
    write_file(folder, "main",
               "include conf.d/*.conf include \"more/a file\" state-dir s\n"
               "domain d.example { include domains/d }\n");
    write_file(folder, "conf.d/b.conf", "listen b { address ::1 smtp 25 }\n");
    write_file(folder, "conf.d/a.conf", "listen a { address ::2 smtp 25 }\n");
    write_file(folder, "conf.d/B.conf", "listen c { address ::3 smtp 25 }\n");
    write_file(folder, "conf.d/c.off", "nonsense\n");
    write_file(folder, "conf.d/.d.conf", "nonsense\n");
    write_file(folder, "more/a file", HOST "include ../log\nrun-dir r\n");
    write_file(folder, "log", "log-level debug");
    write_file(folder, "domains/d", "catchall-separator -");
    struct conf *conf = load(folder, "main", &got);
    assert_string_equal(got, "");
    mem_free(&got);
    const struct conf_block *listen = conf_next(conf_root(conf), "listen", NULL);
    assert_string_equal(conf_label(listen), "c");
    listen = conf_next(conf_root(conf), "listen", listen);
    assert_string_equal(conf_label(listen), "a");
    listen = conf_next(conf_root(conf), "listen", listen);
    assert_string_equal(conf_label(listen), "b");
    assert_null(conf_next(conf_root(conf), "listen", listen));
    assert_int_equal(conf_word(conf_root(conf), "log-level"), 0);
    struct buf path = {0};
    buf_putf(&path, "%s/more/r", folder);
    assert_string_equal(conf_text(conf_root(conf), "run-dir"), buf_text(&path));
    buf_clear(&path);
    buf_putf(&path, "%s/s", folder);
    assert_string_equal(conf_text(conf_root(conf), "state-dir"), buf_text(&path));
    buf_clear(&path);
    conf_where(listen, "smtp", &path);
    assert_non_null(strstr(buf_text(&path), "/conf.d/b.conf:1"));
    buf_free(&path);
    const struct conf_block *domain = conf_child(conf_root(conf), "domain");
    assert_string_equal(conf_text(domain, "catchall-separator"), "-");
    conf_free(&conf);
}

static void test_relative_paths_outlive_the_working_directory(void **state)
{
    const char *folder = *state;
    char *here = getcwd(NULL, 0);
    struct conf_errors errors;
    write_file(folder, "main", HOST "state-dir s\ninclude sub/x");
    write_file(folder, "sub/x", "run-dir r");
    assert_int_equal(chdir(folder), 0);
    struct conf *conf = conf_load("main", &errors);
    assert_int_equal(chdir(here), 0);
    assert_non_null(conf);
    char *store = mem_format("%s/s", folder), *run = mem_format("%s/sub/r", folder);
    assert_string_equal(conf_text(conf_root(conf), "state-dir"), store);
    assert_string_equal(conf_text(conf_root(conf), "run-dir"), run);
    mem_free(&store);
    mem_free(&run);
    conf_errors_free(&errors);
    conf_free(&conf);
    free(here);
}

static void test_errors_in_included_files_name_them(void **state)
{
    const char *folder = *state;
    write_file(folder, "main", HOST "log-level x\ninclude sub/*\n}\n");
    write_file(folder, "sub/a", "seccomp y");
    write_file(folder, "sub/b", "smtp { errors 0\n");
    write_file(folder, "sub/c", "smtp { }\n}");
    expect_load(folder, "main",
                "main:2:11: log-level must be one of: debug info warn error\n"
                "main:4:1: there is no block that this } could close\n"
                "sub/a:1:9: seccomp must be one of: kill errno off\n"
                "sub/b:1:1: the block that begins here is never closed\n"
                "sub/b:1:15: errors must be a whole number from 1 to 1000\n"
                "sub/c:1:1: smtp is given twice, first in sub/b:1\n"
                "sub/c:2:1: there is no block that this } could close\n");
}

static void test_what_cannot_be_read_is_said(void **state)
{
    const char *folder = *state;
    char *fifo = mem_format("%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    mem_free(&fifo);
    /* No word that a domain is missing: it may be in the file that is. */
    write_file(folder, "main",
               "include none include fifo include . include none/*\n"
               "include \"\" account a { address a@b }\n");
    expect_load(folder, "main",
                "main:1:9: none cannot be opened: No such file or directory\n"
                "main:1:22: fifo is not a regular file\n"
                "main:1:35: . is not a regular file\n"
                "main:2:9: include needs a path, not an empty one\n");
    expect_load(folder, "nowhere", "nowhere: cannot be opened: No such file or directory\n");
    expect_load(folder, "", ": cannot read: Is a directory\n");
}

static void test_many_small_files_take_little_memory(void **state)
{
    const char *folder = *state;
    struct buf text = {0};
    struct rusage before, after;
    for (int i = 0; i < 49990; i++)
        buf_puts(&text, "include small\n");
    buf_puts(&text, HOST);
    write_file(folder, "main", buf_text(&text));
    write_file(folder, "small", "# nothing\n");
    (void)getrusage(RUSAGE_SELF, &before);
    expect_load(folder, "main", "");
    (void)getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < 500 * 1024);
    buf_free(&text);
}

static void test_a_file_cannot_include_itself(void **state)
{
    const char *folder = *state;
    write_file(folder, "main", HOST "include a");
    write_file(folder, "a", "include b");
    write_file(folder, "b",
               "include ../../../../../../../../../../proc/self/root/dev/null\n"
               "include a");
    expect_load(folder, "main",
                "b:1:9: ../../../../../../../../../../proc/self/root/dev/null is not a regular "
                "file\n"
                "b:2:9: a is being read already: it would include itself for ever\n");
    write_file(folder, "twice", HOST "domain a { include sep } domain b { include sep }");
    write_file(folder, "sep", "catchall-separator -");
    expect_load(folder, "twice", "");
}

static void test_included_files_are_nested_8_deep_at_most(void **state)
{
    const char *folder = *state;
    char name[8], text[64];
    for (int i = 0; i < 9; i++) {
        (void)snprintf(name, sizeof name, "%d", i);
        (void)snprintf(text, sizeof text, i == 8 ? HOST : "include %d", i + 1);
        write_file(folder, name, text);
    }
    expect_load(folder, "0", "");
    write_file(folder, "main", "include 0");
    expect_load(folder, "main", "7:1:9: included files include others more than 8 deep\n");
}

static void test_a_folder_that_looks_like_a_pattern_is_none(void **state)
{
    const char *folder = *state;
    write_file(folder, "[a]*/main", HOST "include *.conf");
    write_file(folder, "[a]*/x.conf", "log-level debug");
    write_file(folder, "a/x.conf", "nonsense");
    expect_load(folder, "[a]*/main", "");
}

static void test_included_files_are_bounded_too(void **state)
{
    const char *folder = *state;
    struct buf text = {0};
    buf_puts(&text, HOST "#");
    while (text.n <= CONF_MAX_FILE)
        buf_putc(&text, 'x');
    write_file(folder, "main", "include big");
    write_file(folder, "big", buf_text(&text));
    expect_load(folder, "main", "main:1:9: big longer than 4194304 octets\n");
    buf_cut(&text, CONF_MAX_FILE);
    buf_drop(&text, strlen(HOST));
    write_file(folder, "big", buf_text(&text));
    write_file(folder, "main",
               HOST "include big include big include big include big include big "
                    "include big include big include big include big include big "
                    "include big include big include big include big include big "
                    "include big include big");
    expect_load(folder, "main",
                "main:2:201: big does not fit: all files together may have 67108864 octets\n");
    buf_free(&text);
}

int main(void)
{
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_example_of_the_manual_is_right),
        cmocka_unit_test(test_layout_does_not_matter),
        cmocka_unit_test(test_a_quoted_name_does_not_end_a_list),
        cmocka_unit_test(test_relative_paths_start_at_the_folder_of_the_file),
        cmocka_unit_test(test_every_error_is_where_it_is),
        cmocka_unit_test(test_all_errors_are_found_at_once),
        cmocka_unit_test(test_statements_are_counted),
        cmocka_unit_test(test_a_file_of_more_than_4_mib_is_refused),
        WITH_FOLDER(test_files_are_included_where_it_says),
        WITH_FOLDER(test_relative_paths_outlive_the_working_directory),
        WITH_FOLDER(test_errors_in_included_files_name_them),
        WITH_FOLDER(test_what_cannot_be_read_is_said),
        WITH_FOLDER(test_many_small_files_take_little_memory),
        WITH_FOLDER(test_a_file_cannot_include_itself),
        WITH_FOLDER(test_included_files_are_nested_8_deep_at_most),
        WITH_FOLDER(test_a_folder_that_looks_like_a_pattern_is_none),
        WITH_FOLDER(test_included_files_are_bounded_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
