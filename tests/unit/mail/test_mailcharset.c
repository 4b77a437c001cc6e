#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <iconv.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "mailcharset.h"

/* The same few characters as writers in each charset have them. */
static const struct {
    const char *charset, *octets;
    size_t n;
    const char *utf8;
} samples[] = {
#define SAMPLE(charset, octets, utf8)                                                              \
    {                                                                                              \
        charset, octets, sizeof(octets) - 1, utf8                                                  \
    }
    SAMPLE("utf-8", "\xc3\xa9\xe2\x82\xac", "é€"),
    SAMPLE("US-ASCII", "plain", "plain"),
    SAMPLE("iso-8859-1", "\xe9\xfc", "éü"),
    SAMPLE("iso-8859-1", "\x93q\x94", "“q”"),
    SAMPLE("ISO-8859-2", "\xb1\xb3", "ął"),
    SAMPLE("iso-8859-3", "\xb1", "ħ"),
    SAMPLE("iso-8859-4", "\xb6", "ļ"),
    SAMPLE("iso-8859-5", "\xd2", "в"),
    SAMPLE("iso-8859-6", "\xc7", "ا"),
    SAMPLE("iso-8859-7", "\xe1", "α"),
    SAMPLE("iso-8859-8-i", "\xe0", "א"),
    SAMPLE("iso-8859-9", "\xfd", "ı"),
    SAMPLE("iso-8859-10", "\xb3", "ģ"),
    SAMPLE("iso-8859-11", "\xa1", "ก"),
    SAMPLE("iso-8859-13", "\xe0", "ą"),
    SAMPLE("iso-8859-14", "\xa1", "Ḃ"),
    SAMPLE("iso-8859-15", "\xa4", "€"),
    SAMPLE("iso-8859-16", "\xa4", "€"),
    SAMPLE("windows-874", "\x80", "€"),
    SAMPLE("windows-1250", "\x9c", "ś"),
    SAMPLE("windows-1251", "\xcf\xf0\xe8", "При"),
    SAMPLE("Windows-1252", "\x80", "€"),
    SAMPLE("windows-1253", "\xe1", "α"),
    SAMPLE("windows-1254", "\xfd", "ı"),
    SAMPLE("windows-1255", "\xe0", "א"),
    SAMPLE("windows-1256", "\xc7", "ا"),
    SAMPLE("windows-1257", "\xe0", "ą"),
    SAMPLE("windows-1258", "\xd0", "Đ"),
    SAMPLE("KOI8-R", "\xf0\xd2\xc9", "При"),
    SAMPLE("koi8-u", "\xa4", "є"),
    SAMPLE("ibm850", "\x81", "ü"),
    SAMPLE("cp866", "\x8f", "П"),
    SAMPLE("x-mac-roman", "\x8e", "é"),
    SAMPLE("TIS-620", "\xa1", "ก"),
    SAMPLE("gb2312", "\xc4\xe3\xba\xc3", "你好"),
    SAMPLE("eucgb2312_cn", "\xc4\xe3", "你"), /* as Python names it */
    SAMPLE("gbk", "\x96\x7c", "東"),
    SAMPLE("GB18030", "\xc4\xe3\x81\x30\x84\x36", "你¥"),
    SAMPLE("big5", "\xa7\x41\xa6\x6e", "你好"),
    SAMPLE("EUC-JP", "\xa5\xc6\xa5\xb9\xa5\xc8", "テスト"),
    SAMPLE("Shift_JIS", "\x83\x65\x83\x58\x83\x67\\", "テスト\\"),
    SAMPLE("iso-2022-jp", "\x1b$B%F%9%H\x1b(B!", "テスト!"),
    SAMPLE("ks_c_5601-1987", "\xb0\xa1", "가"),
    SAMPLE("iso-2022-kr", "\x1b$)C\x0e\x30\x21\x0f!", "가!"),
    SAMPLE("utf-16", "\xfe\xff\x00\xe9", "é"),
    SAMPLE("utf-16", "\xff\xfe\xe9\x00", "é"),
    SAMPLE("utf-16be", "\xd8\x3d\xde\x00", "😀"),
    SAMPLE("utf-7", "+AOk-!", "é!"),
#undef SAMPLE
};

enum { SAMPLES = sizeof samples / sizeof samples[0] };

/* Returns whether text in that charset comes out so; which: found by name. */
static int comes_out(const struct mailcharset *set, const char *charset, struct span octets,
                     bool cut, const char *utf8)
{
    struct buf out = {0};
    int id = mailcharset_find(set, span_text(charset));
    mailcharset_decode(set, id, octets, cut, &out);
    int same = span_is(buf_span(&out), utf8);
    if (!same)
        print_error("%s: \"%s\" instead of \"%s\"\n", charset, buf_text(&out), utf8);
    buf_free(&out);
    return same;
}

static int all_samples_come_out(const struct mailcharset *set)
{
    int good = 1;
    for (size_t i = 0; i < SAMPLES; i++) {
        if (mailcharset_find(set, span_text(samples[i].charset)) == MAILCHARSET_UNKNOWN) {
            print_error("%s is unknown\n", samples[i].charset);
            good = 0;
        } else if (!comes_out(set, samples[i].charset, span_of(samples[i].octets, samples[i].n),
                              false, samples[i].utf8)) {
            good = 0;
        }
    }
    return good;
}

static void test_text_in_many_charsets_becomes_utf_8(void **state)
{
    struct mailcharset *set = mailcharset_open();
    assert_int_equal(mailcharset_missing(set), 0);
    assert_true(all_samples_come_out(set));
    /* Once more: a converter keeps nothing from text to text. */
    assert_true(all_samples_come_out(set));
    mailcharset_close(&set);
    assert_null(set);
    mailcharset_close(&set);
}

/* An empty root directory where this user may have one, and no descriptor left to open a file with
 * in any case. */
static int confine(const char *folder)
{
    struct rlimit none = {0, 0};
    bool root = geteuid() == 0 || unshare(CLONE_NEWUSER) == 0;
    if (root && (chroot(folder) != 0 || chdir("/") != 0))
        return -1;
    return setrlimit(RLIMIT_NOFILE, &none);
}

static int confined(const char *folder)
{
    struct mailcharset *set = mailcharset_open();
    if (confine(folder) != 0)
        return 1;
    if (access("/usr/lib", F_OK) == 0 && geteuid() == 0)
        return 2;
    /* A charset that was not opened before cannot be opened any more: the confinement is real. */
    if (iconv_open("UTF-8", "IBM037") != (iconv_t)-1)
        return 3;
    if (!all_samples_come_out(set))
        return 4;
    mailcharset_close(&set);
    return 0;
}

static void test_charsets_that_were_opened_work_without_a_file_system(void **state)
{
    char folder[] = "/tmp/test-mailcharset-XXXXXX";
    int status;
    assert_non_null(mkdtemp(folder));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(confined(folder));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(rmdir(folder), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_what_is_wrong_in_a_charset_is_replaced(void **state)
{
    static const struct {
        const char *charset, *octets;
        size_t n;
        bool cut;
        const char *utf8;
    } cases[] = {
        {"utf-8", "a\xff\xe2\x82", 4, false, "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"utf-8", "a\xff\xe2\x82", 4, true, "a\xef\xbf\xbd"},
        {"us-ascii", "\xc3\xa9\xe9", 3, false, "é\xef\xbf\xbd"},
        {"x-nobody-knows", "\xc3\xa9\xe9", 3, false, "é\xef\xbf\xbd"},
        {"", "\xe9", 1, false, "\xef\xbf\xbd"},
        {"shift_jis", "a\x83", 2, false, "a\xef\xbf\xbd"},
        {"shift_jis", "a\x83", 2, true, "a"},
        {"euc-kr", "\xff\xb0\xa1", 3, false, "\xef\xbf\xbd가"},
        {"utf-16be", "\xd8\x3d\0a", 4, false,
         "\xef\xbf\xbd"
         "a"},
        {"utf-16be", "\0a\0", 3, false, "a\xef\xbf\xbd"},
        {"windows-1252", "\x81", 1, false, "\xef\xbf\xbd"},
        {"windows-1253", "\xd2", 1, false, "\xef\xbf\xbd"},
    };
    struct mailcharset *set = mailcharset_open();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(comes_out(set, cases[i].charset, span_of(cases[i].octets, cases[i].n),
                              cases[i].cut, cases[i].utf8));
    mailcharset_close(&set);
}

static void test_long_texts_pass_through_in_steps(void **state)
{
    struct mailcharset *set = mailcharset_open();
    struct buf in = {0}, out = {0};
    for (int i = 0; i < 10000; i++)
        buf_puts(&in, "\xb0\xa1");
    mailcharset_decode(set, mailcharset_find(set, span_text("euc-kr")), buf_span(&in), false, &out);
    assert_int_equal(out.n, 30000);
    for (size_t i = 0; i < out.n; i += 3)
        assert_memory_equal(buf_span(&out).p + i, "가", 3);
    buf_free(&in);
    buf_free(&out);
    mailcharset_close(&set);
}

static void test_names_come_in_any_case_and_in_quotes(void **state)
{
    assert_int_equal(mailcharset_find(NULL, span_text("UTF8")),
                     mailcharset_find(NULL, span_text("'utf-8'")));
    assert_int_equal(mailcharset_find(NULL, span_text(" \"LATIN1\" ")),
                     mailcharset_find(NULL, span_text("cp1252")));
    assert_int_not_equal(mailcharset_find(NULL, span_text("latin1")), MAILCHARSET_UNKNOWN);
    assert_int_equal(mailcharset_find(NULL, span_text("utf-")), MAILCHARSET_UNKNOWN);
    assert_int_equal(mailcharset_find(NULL, span_text("utf-8 ascii")), MAILCHARSET_UNKNOWN);
    assert_int_equal(mailcharset_find(NULL, span_text("ISO_8859_1")),
                     mailcharset_find(NULL, span_text("latin1")));
    assert_int_equal(mailcharset_find(NULL, span_text("koi8-r")), MAILCHARSET_UNKNOWN);
    assert_true(mailcharset_is_wide(span_text("\"UTF-16LE\"")));
    assert_false(mailcharset_is_wide(span_text("utf-8")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_in_many_charsets_becomes_utf_8),
        cmocka_unit_test(test_charsets_that_were_opened_work_without_a_file_system),
        cmocka_unit_test(test_what_is_wrong_in_a_charset_is_replaced),
        cmocka_unit_test(test_long_texts_pass_through_in_steps),
        cmocka_unit_test(test_names_come_in_any_case_and_in_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
