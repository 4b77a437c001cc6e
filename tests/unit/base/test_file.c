#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "file.h"

static char folder[] = "/tmp/qm-file-XXXXXX";
static int dirfd;
static struct buf synced; /* folders, below ours, in order */
static bool failing;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
    char link[64], path[PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    assert_true(n >= (ssize_t)strlen(folder));
    path[n] = '\0';
    buf_putf(&synced, "%s ", path[strlen(folder)] == '\0' ? "." : path + strlen(folder) + 1);
    errno = EIO;
    return failing ? -1 : __real_fsync(fd);
}

static int setup(void **state)
{
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    failing = false;
    buf_clear(&synced);
    if (mkdtemp(folder) == NULL)
        return -1;
    dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dirfd >= 0 ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static int teardown(void **state)
{
    file_close(&dirfd);
    buf_free(&synced);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_each_folder_of_a_path_is_made_and_its_name_synced(void **state)
{
    struct fail f;
    struct stat st;
    assert_int_equal(file_make_path(dirfd, "a/b/c", 0700, &f), 0);
    assert_int_equal(fstatat(dirfd, "a/b/c", &st, 0), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_string_equal(buf_text(&synced), ". a a/b ");
}

static void test_a_folder_that_is_there_is_left_alone(void **state)
{
    struct fail f;
    assert_int_equal(mkdirat(dirfd, "a", 0700), 0);
    assert_int_equal(file_make_path(dirfd, "a/b", 0700, &f), 0);
    assert_string_equal(buf_text(&synced), "a ");
    assert_int_equal(file_make_path(dirfd, "a/b", 0700, &f), 0);
    assert_string_equal(buf_text(&synced), "a ");
}

static void test_an_absolute_path_is_made_likewise(void **state)
{
    struct fail f;
    char path[64];
    (void)snprintf(path, sizeof path, "%s/a/b", folder);
    assert_int_equal(file_make_path(AT_FDCWD, path, 0700, &f), 0);
    assert_string_equal(buf_text(&synced), ". a ");
}

static void test_a_name_that_cannot_be_synced_is_a_failure(void **state)
{
    struct fail f;
    failing = true;
    assert_int_equal(file_make_path(dirfd, "a/b", 0700, &f), -1);
    assert_string_equal(f.text, "cannot sync the folder in which a was made: Input/output error");
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(test_each_folder_of_a_path_is_made_and_its_name_synced),
        EACH(test_a_folder_that_is_there_is_left_alone),
        EACH(test_an_absolute_path_is_made_likewise),
        EACH(test_a_name_that_cannot_be_synced_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
