#include "conf_help.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

static char folder[] = "/tmp/confpeek-XXXXXX";

static void check(const char *text, const char *wanted)
{
    struct fail f;
    int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(file_replace(dirfd, "c.conf", 0600, span_text(text), &f), 0);
    file_close(&dirfd);
    char *path = mem_format("%s/c.conf", folder), *got = conf_peek(path, "run-dir");
    if (wanted == NULL)
        assert_null(got);
    else
        assert_string_equal(got, wanted);
    mem_free(&got);
    mem_free(&path);
}

static void test_a_setting_is_found_whatever_else_is_wrong(void **state)
{
    check("run-dir /run/qm\n", "/run/qm");
    check("run-dir \"/run/a \\\"b\"\n", "/run/a \"b");
    check("nonsense { { run-dir /no }\nrun-dir /no\n", NULL);
    check("nonsense { x }\nlisten { nonsense\n }\n} run-dir /yes hostname \x01 \"\n", "/yes");
    check("run-dir /first\nrun-dir /last\n", "/last");
    check("# run-dir /no\nhostname run-dir2\n", NULL);
    check("run-dir {\n", NULL);
    check("run-dir", NULL);
    check("", NULL);
}

static void test_without_a_file_there_is_nothing(void **state)
{
    assert_null(conf_peek("/nonexistent/c.conf", "run-dir"));
}

static int make_folder(void **state)
{
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    char *path = mem_format("%s/c.conf", folder);
    int rc = unlink(path) != 0 || rmdir(folder) != 0;
    mem_free(&path);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_setting_is_found_whatever_else_is_wrong),
        cmocka_unit_test(test_without_a_file_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
