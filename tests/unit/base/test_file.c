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
#include <sys/wait.h>
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

static void test_two_parts_are_written_one_after_the_other(void **state)
{
    static const struct {
        const char *a, *b;
    } cases[] = {{"abc", "defg"}, {"", "x"}, {"y", ""}, {"", ""}};
    char text[16];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = openat(dirfd, "both", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_int_equal(file_write_both(fd, span_text(cases[i].a), span_text(cases[i].b)), 0);
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        assert_int_equal(n, strlen(cases[i].a) + strlen(cases[i].b));
        text[n] = '\0';
        assert_int_equal(strncmp(text, cases[i].a, strlen(cases[i].a)), 0);
        assert_string_equal(text + strlen(cases[i].a), cases[i].b);
        file_close(&fd);
    }
    int fd = openat(dirfd, "both", O_RDWR | O_CLOEXEC);
    assert_int_equal(file_write_both(fd, span_text("z"), span_of(NULL, 0)), 0);
    assert_int_equal(file_write_both(fd, span_of(NULL, 0), span_text("z")), 0);
    file_close(&fd);
    assert_int_equal(file_write_both(-1, span_text("a"), span_text("b")), -1);
}

/* Of more than a pipe takes at once, the reader has all in the end. */
static void test_what_is_taken_in_pieces_is_written_whole(void **state)
{
    static char a[100000], b[150000], got[sizeof a + sizeof b];
    int fds[2];
    size_t n = 0;
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(file_write_both(fds[1], span_of(a, sizeof a), span_of(b, sizeof b)) == 0 ? 0 : 1);
    (void)close(fds[1]);
    for (ssize_t r; (r = read(fds[0], got + n, sizeof got - n)) > 0; n += (size_t)r)
        ;
    (void)close(fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(n, sizeof got);
    assert_memory_equal(got, a, sizeof a);
    assert_memory_equal(got + sizeof a, b, sizeof b);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(test_each_folder_of_a_path_is_made_and_its_name_synced),
        EACH(test_a_folder_that_is_there_is_left_alone),
        EACH(test_an_absolute_path_is_made_likewise),
        EACH(test_a_name_that_cannot_be_synced_is_a_failure),
        EACH(test_two_parts_are_written_one_after_the_other),
        EACH(test_what_is_taken_in_pieces_is_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
