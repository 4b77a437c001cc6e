#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "fail.h"

static void test_a_failure_of_the_system_keeps_its_number(void **state)
{
    struct fail f = {{0}};
    errno = EROFS;
    assert_int_equal(fail_errno(&f, "cannot open %s", "x"), -1);
    assert_string_equal(f.text, "cannot open x: Read-only file system");
    assert_int_equal(errno, EROFS);
    assert_int_equal(fail_prefix(&f, "the store"), -1);
    assert_string_equal(f.text, "the store: cannot open x: Read-only file system");
    assert_int_equal(f.error, EROFS);
    assert_int_equal(fail_set(&f, "there is no x"), -1);
    assert_int_equal(f.error, 0);
}

static void test_some_are_of_the_disk(void **state)
{
    static const struct {
        int error;
        bool disk;
    } cases[] = {
        {ENOSPC, true}, {EDQUOT, true},  {EROFS, true},   {EIO, true},
        {0, false},     {EACCES, false}, {ENOENT, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fail f;
        errno = cases[i].error;
        if (errno == 0)
            (void)fail_set(&f, "x");
        else
            (void)fail_errno(&f, "x");
        assert_int_equal(fail_is_of_disk(&f), cases[i].disk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_of_the_system_keeps_its_number),
        cmocka_unit_test(test_some_are_of_the_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
