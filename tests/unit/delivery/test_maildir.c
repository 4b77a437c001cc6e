#include "lab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "qid.h"

/* Delivery into mailboxes: folders below the one the process is in. */

#define DELIVERED "delivered 250 2.1.5 maildir"

static char folder[] = "/tmp/maildir-XXXXXX";
static int home = -1;

/* ---- what is asked of the disk, and what goes wrong there ---- */

static struct buf calls;
static const char *failing; /* the call that fails from now on */
static int failing_with = EIO;

int __real_fsync(int fd);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
ssize_t __real_write(int fd, const void *octets, size_t n);
int __wrap_fsync(int fd);
ssize_t __wrap_write(int fd, const void *octets, size_t n);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);

/* Below the mailboxes; a message is "MESSAGE". False, and nothing noted, when it is elsewhere. */
static bool note(const char *call, int fd)
{
    char link[64], path[400];
    struct stat st;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    size_t skip = strlen(folder);
    assert_true(n > 0 && fstat(fd, &st) == 0);
    path[n] = '\0';
    if (strncmp(path, folder, skip) != 0)
        return false;
    if (!S_ISDIR(st.st_mode))
        *(strrchr(path, '/') + 1) = '\0';
    buf_putf(&calls, "%s %s%s\n", call, strlen(path) > skip ? path + skip + 1 : ".",
             S_ISDIR(st.st_mode) ? "" : "MESSAGE");
    return true;
}

static bool fails_now(void)
{
    size_t n = failing == NULL ? 0 : strlen(failing);
    bool now = n > 0 && calls.n >= n && memcmp(buf_span(&calls).p + calls.n - n, failing, n) == 0;
    errno = failing_with;
    return now;
}

int __wrap_fsync(int fd)
{
    return note("sync", fd) && fails_now() ? -1 : __real_fsync(fd);
}

ssize_t __wrap_write(int fd, const void *octets, size_t n)
{
    return note("write", fd) && fails_now() ? -1 : __real_write(fd, octets, n);
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return note("rename into", to_dir) && fails_now() ? -1
                                                      : __real_renameat(from_dir, from, to_dir, to);
}

static int setup(void **state)
{
    failing = NULL;
    failing_with = EIO;
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    if (mkdtemp(folder) == NULL)
        return -1;
    home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lab_open("local", "%s", "");
    return chdir(folder);
}

static int teardown(void **state)
{
    buf_free(&calls);
    lab_close();
    if (fchdir(home) != 0)
        return -1;
    (void)close(home);
    char *command = mem_format("rm -rf %s", folder);
    int rc = system(command);
    mem_free(&command);
    return rc;
}

/* The names in a folder, hidden ones excepted; returns how many there are and the last one. */
static int list(const char *path, char last[300])
{
    int n = 0;
    struct dirent *e;
    DIR *d = opendir(path);
    if (d == NULL)
        return -1;
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        if (last != NULL)
            (void)snprintf(last, 300, "%s", e->d_name);
    }
    closedir(d);
    return n;
}

static char *only_message(const char *account)
{
    char name[300], *new = mem_format("%s/new", account);
    struct buf text = {0};
    struct fail f;
    assert_int_equal(list(new, name), 1);
    char *path = mem_format("%s/%s", new, name);
    assert_int_equal(file_read(AT_FDCWD, path, 1 << 24, &text, &f), 0);
    assert_int_equal(unlink(path), 0);
    mem_free(&new);
    mem_free(&path);
    return buf_take_text(&text);
}

static void a_message_is_in_new_with_where_it_came_from_and_whose_it_is(void **state)
{
    struct order o = {.destination = "anna", .recipients = {"anna+x@us.test"}};
    struct stat st;
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_string_equal(o.results[0].remote_host, "local");
    char name[300], id[QID_SIZE];
    assert_int_equal(list("anna/new", name), 1);
    assert_string_equal(o.results[0].stored_folder, "");
    assert_string_equal(o.results[0].stored_name, name);
    char *path = mem_format("anna/new/%s", name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(o.results[0].stored_inode, st.st_ino);
    mem_free(&path);
    char *text = only_message("anna");
    char *wanted = mem_format("Return-Path: <from@us.test>\nDelivered-To: anna+x@us.test\n"
                              "X-Quartermaster-ID: %s\nSubject: hi\n\nhello\n",
                              qid_text(o.results[0].id, id));
    assert_string_equal(text, wanted);
    mem_free(&wanted);
    assert_int_equal(list("anna/tmp", NULL), 0);
    assert_int_equal(list("anna/cur", NULL), 0);
    assert_int_equal(stat("anna/new", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    mem_free(&text);
    order_free(&o);
}

static const char bounce[] =
    "From: MAILER-DAEMON@mx.example\r\nContent-Type: multipart/report; boundary=b\r\n\r\n"
    "--b\r\n\r\nsorry\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    "Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; bob@d.example\r\n"
    "Action: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n";

static void what_a_message_reports_is_told_to_whoever_wants_it(void **state)
{
    struct order o = {.destination = "anna",
                      .recipients = {"anna+x@us.test"},
                      .body = bounce,
                      .wants = DELIVER_WANTS_REPORT};
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_true(o.reported);
    assert_int_equal(o.said, DELIVER_SAID_ACTION);
    char *text = only_message("anna");
    mem_free(&text);
    order_free(&o);
    struct order plain = {.destination = "anna", .recipients = {"anna+x@us.test"}, .body = bounce};
    order_run(&plain);
    assert_false(plain.reported);
    text = only_message("anna");
    mem_free(&text);
    order_free(&plain);
}

static void what_is_consumed_is_in_no_mailbox(void **state)
{
    struct order o = {.destination = "anna",
                      .recipients = {"anna+x@us.test"},
                      .body = bounce,
                      .wants = DELIVER_WANTS_REPORT | DELIVER_WANTS_CONSUMED};
    order_run(&o);
    assert_outcome(&o, 0, "delivered 250 2.1.5 consumed");
    assert_true(o.reported);
    assert_int_equal(o.said, DELIVER_SAID_ACTION);
    assert_int_equal(list("anna/new", NULL), -1);
    order_free(&o);
}

static void what_a_message_says_is_told_once_it_is_stored(void **state)
{
    struct order o = {.destination = "anna",
                      .sender = "",
                      .recipients = {"anna@us.test"},
                      .body = "From: Bob <bob@d.example>\r\nSubject: a <b>\r\n\r\nhello\r\n",
                      .wants = DELIVER_WANTS_INCOMING};
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_non_null(o.members);
    assert_memory_equal(o.members, "\"From\":[{\"Name\":\"Bob\",", 22);
    assert_non_null(strstr(o.members, "\"Subject\":\"a \\u003cb\\u003e\""));
    assert_non_null(strstr(o.members, "\"Text\":\"hello\\n\""));
    assert_true(o.automated); /* the null sender */
    char *text = only_message("anna");
    mem_free(&text);
    order_free(&o);
    struct order plain = {.destination = "anna", .recipients = {"anna@us.test"}};
    order_run(&plain);
    assert_null(plain.members);
    order_free(&plain);
}

static void the_null_sender_is_written_as_such(void **state)
{
    struct order o = {.destination = "anna", .sender = "", .recipients = {"anna@us.test"}};
    order_run(&o);
    char *text = only_message("anna");
    assert_memory_equal(text, "Return-Path: <>\n", 16);
    mem_free(&text);
    order_free(&o);
}

static void lines_end_as_they_do_on_this_system(void **state)
{
    static const struct {
        const char *body, *text;
    } cases[] = {
        {"a\r\nb\r\n", "a\nb\n"},     {"a\r\nb", "a\nb"},     {"\r\n\r\n", "\n\n"},
        {"a\rb\r\n", "a\rb\n"},       {"a\nb\r\n", "a\nb\n"}, {"a\r\r\nb", "a\r\nb"},
        {"end\r", "end\r"},           {"\r\r", "\r\r"},       {".\r\n..\r\n", ".\n..\n"},
        {"From me\r\n", "From me\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {
            .destination = "anna", .body = cases[i].body, .recipients = {"anna@us.test"}};
        order_run(&o);
        assert_outcome(&o, 0, DELIVERED);
        char *text = only_message("anna"),
             *body = strchr(strstr(text, "X-Quartermaster-ID: "), '\n') + 1;
        assert_string_equal(body, cases[i].text);
        mem_free(&text);
        order_free(&o);
    }
}

/* A CR LF that is cut in two by the size of the pieces it is copied in. */
static void a_line_end_between_two_pieces_is_one(void **state)
{
    struct buf body = {0};
    while (body.n < 65535)
        buf_putc(&body, 'x');
    buf_puts(&body, "\r\nend\r\n");
    struct order o = {.destination = "anna",
                      .body = buf_text(&body),
                      .body_n = body.n,
                      .recipients = {"anna@us.test"}};
    order_run(&o);
    char *text = only_message("anna");
    size_t n = strlen(text);
    assert_string_equal(text + n - 7, "xx\nend\n");
    assert_null(strchr(text, '\r'));
    mem_free(&text);
    order_free(&o);
    buf_free(&body);
}

static void each_recipient_gets_a_copy(void **state)
{
    struct order o = {
        .destination = "anna", .n = 3, .recipients = {"anna@us.test", "anne@us.test", "a@us.test"}};
    order_run(&o);
    for (uint32_t i = 0; i < 3; i++)
        assert_outcome(&o, i, DELIVERED);
    assert_int_equal(list("anna/new", NULL), 3);
    order_free(&o);
}

static void no_two_names_are_the_same(void **state)
{
    char name[300];
    struct order o = {.destination = "anna", .n = 300};
    order_run(&o);
    assert_int_equal(list("anna/new", name), 300);
    assert_non_null(strstr(name, ".us.test,S="));
    assert_null(strchr(name, ':'));
    order_free(&o);
}

static void the_longest_of_hostnames_makes_no_name_too_long(void **state)
{
    char hostname[254], name[300];
    struct order o = {.destination = "anna"};
    for (size_t i = 0; i < sizeof hostname - 1; i++)
        hostname[i] = i % 64 == 63 ? '.' : 'h';
    hostname[sizeof hostname - 1] = '\0';
    lab.agent.transport->hostname = hostname;
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_int_equal(list("anna/new", name), 1);
    assert_true(strlen(name) < 220); /* who reads it adds its flags */
    order_free(&o);
}

static void the_size_in_the_name_is_that_of_the_file(void **state)
{
    char name[300];
    struct stat st;
    struct order o = {.destination = "anna", .body = "x\r"};
    order_run(&o);
    assert_int_equal(list("anna/new", name), 1);
    char *path = mem_format("anna/new/%s", name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(strtol(strstr(name, ",S=") + 3, NULL, 10), st.st_size);
    assert_int_equal(st.st_mode & 07777, 0600);
    mem_free(&path);
    order_free(&o);
}

static void a_hostile_name_of_an_account_leads_nowhere(void **state)
{
    static const char *const names[] = {"",     ".",   "..",      "../outside",
                                        "/etc", "a/b", ".hidden", "anna/../../x"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct order o = {.destination = names[i], .recipients = {"anna@us.test"}};
        order_run(&o);
        assert_memory_equal(order_text(&o, 0),
                            "deferred 0 4.3.0 maildir (not the name of a mailbox: ", 53);
        order_free(&o);
    }
    assert_int_equal(list(".", NULL), 0);
}

static void a_link_in_the_place_of_a_folder_is_not_followed(void **state)
{
    struct order o = {.destination = "anna", .recipients = {"anna@us.test"}};
    assert_int_equal(mkdir("elsewhere", 0700), 0);
    assert_int_equal(symlink("elsewhere", "anna"), 0);
    order_run(&o);
    assert_outcome(&o, 0, "deferred 0 4.3.0 maildir (cannot open folder anna: Not a directory)");
    assert_int_equal(list("elsewhere", NULL), 0);
    assert_int_equal(unlink("anna"), 0);
    assert_int_equal(mkdir("anna", 0700), 0);
    assert_int_equal(symlink("../elsewhere", "anna/tmp"), 0);
    order_free(&o);
    order_run(&o);
    assert_outcome(&o, 0, "deferred 0 4.3.0 maildir (cannot open folder tmp: Not a directory)");
    assert_int_equal(list("elsewhere", NULL), 0);
    order_free(&o);
}

static void a_file_in_the_place_of_a_folder_is_a_deferral(void **state)
{
    struct order o = {.destination = "anna", .n = 2, .recipients = {"anna@us.test", "a@us.test"}};
    (void)close(open("anna", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    order_run(&o);
    for (uint32_t i = 0; i < 2; i++)
        assert_outcome(&o, i,
                       "deferred 0 4.3.0 maildir (cannot open folder anna: Not a directory)");
    order_free(&o);
}

#define SKIPPED 77

/* Runs what follows in a child, so that what it does to itself ends with it. */
static void in_a_child(void (*body)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)event_reinit(lab.base);
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            _exit(__LINE__ % 70 + 1);                                                              \
    } while (0)

static void deliver_without_permission(void)
{
    struct order o = {.destination = "anna", .recipients = {"anna@us.test"}};
    CHECK(mkdir("anna", 0700) == 0 && mkdir("anna/tmp", 0500) == 0 && mkdir("anna/new", 0700) == 0);
    CHECK(chown("anna", 65534, 65534) == 0 && chown("anna/tmp", 65534, 65534) == 0 &&
          chown("anna/new", 65534, 65534) == 0);
    CHECK(chmod(".", 0755) == 0 && setuid(65534) == 0);
    order_run(&o);
    CHECK(strcmp(order_text(&o, 0),
                 "deferred 0 4.3.0 maildir (cannot create a message in tmp: Permission denied)") ==
          0);
    CHECK(list("anna/new", NULL) == 0);
}

static void a_folder_that_cannot_be_written_is_a_deferral(void **state)
{
    if (geteuid() != 0)
        skip();
    in_a_child(deliver_without_permission);
}

static void deliver_onto_a_full_disk(void)
{
    struct buf body = {0};
    while (body.n < 300000)
        buf_puts(&body,
                 "0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
    struct order small = {.destination = "anna", .recipients = {"anna@us.test"}};
    struct order large = {.destination = "anna",
                          .body = buf_text(&body),
                          .body_n = body.n,
                          .recipients = {"anna@us.test"}};
    if (unshare(CLONE_NEWNS) != 0)
        _exit(SKIPPED);
    CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    CHECK(mkdir("disk", 0700) == 0 && mount("tmpfs", "disk", "tmpfs", 0, "size=200k") == 0 &&
          chdir("disk") == 0);
    order_run(&large);
    CHECK(strcmp(order_text(&large, 0),
                 "deferred 0 4.3.1 maildir (cannot write a message: No space left on device)") ==
          0);
    CHECK(list("anna/new", NULL) == 0);
    CHECK(list("anna/tmp", NULL) == 0);
    order_run(&small);
    CHECK(strcmp(order_text(&small, 0), DELIVERED) == 0);
}

static void a_full_disk_is_a_deferral_and_leaves_nothing_behind(void **state)
{
    if (geteuid() != 0)
        skip();
    in_a_child(deliver_onto_a_full_disk);
}

static void a_message_is_on_disk_before_it_is_delivered(void **state)
{
    struct order o = {.destination = "anna"}, again = {.destination = "anna"};
    order_run(&o);
    assert_string_equal(buf_text(&calls), "sync .\n"
                                          "sync anna\n"
                                          "sync anna\n"
                                          "sync anna\n"
                                          "write anna/tmp/MESSAGE\n"
                                          "write anna/tmp/MESSAGE\n"
                                          "sync anna/tmp/MESSAGE\n"
                                          "rename into anna/new\n"
                                          "sync anna/new\n");
    buf_clear(&calls);
    order_run(&again);
    assert_string_equal(buf_text(&calls), "write anna/tmp/MESSAGE\n"
                                          "write anna/tmp/MESSAGE\n"
                                          "sync anna/tmp/MESSAGE\n"
                                          "rename into anna/new\n"
                                          "sync anna/new\n");
    order_free(&o);
    order_free(&again);
}

/* Nothing of a delivery that failed is there, and the next one is whole and alone. */
static void fail_at(const char *moment, int error, const char *what)
{
    struct order o = {.destination = "anna"}, again = {.destination = "anna"};
    char *wanted = mem_format("deferred 0 %s maildir (%s: %s)", error == ENOSPC ? "4.3.1" : "4.3.0",
                              what, strerror(error));
    failing = moment;
    failing_with = error;
    order_run(&o);
    assert_outcome(&o, 0, wanted);
    assert_true(list("anna/new", NULL) <= 0);
    assert_true(list("anna/tmp", NULL) <= 0);
    failing = NULL;
    order_run(&again);
    assert_outcome(&again, 0, DELIVERED);
    char *text = only_message("anna");
    assert_non_null(strstr(text, "\n\nhello\n"));
    assert_int_equal(list("anna/tmp", NULL), 0);
    mem_free(&text);
    mem_free(&wanted);
    order_free(&o);
    order_free(&again);
}

static void a_disk_that_fails_leaves_nothing_behind(void **state)
{
    static const int errors[] = {EIO, EROFS, ENOSPC};
    static const char *const moments[] = {
        "write anna/tmp/MESSAGE\n",
        "write anna/tmp/MESSAGE\nwrite anna/tmp/MESSAGE\n", /* its head is there already */
        "sync anna/tmp/MESSAGE\n",
        "rename into anna/new\n",
        "sync anna/new\n",
    };
    for (size_t e = 0; e < 3; e++) {
        fail_at("sync .\n", errors[e], "cannot make folder anna");
        for (size_t i = 0; i < 5; i++)
            fail_at(moments[i], errors[e], "cannot write a message");
        assert_int_equal(system("rm -r anna"), 0);
    }
}

static void what_is_full_is_told_apart(void **state)
{
    static const struct {
        int error;
        const char *moment, *text;
    } cases[] = {
        {ENOSPC, "sync .\n",
         "deferred 0 4.3.1 maildir (cannot make folder anna: No space left on device)"},
        {EDQUOT, "sync .\n",
         "deferred 0 4.2.2 maildir (cannot make folder anna: Disk quota exceeded)"},
        {ENOSPC, "sync anna/tmp/MESSAGE\n",
         "deferred 0 4.3.1 maildir (cannot write a message: No space left on device)"},
        {EDQUOT, "rename into anna/new\n",
         "deferred 0 4.2.2 maildir (cannot write a message: Disk quota exceeded)"},
        {EDQUOT, "sync anna/new\n",
         "deferred 0 4.2.2 maildir (cannot write a message: Disk quota exceeded)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.destination = "anna"};
        failing = cases[i].moment;
        failing_with = cases[i].error;
        order_run(&o);
        assert_outcome(&o, 0, cases[i].text);
        order_free(&o);
        (void)rmdir("anna");
    }
}

static void make_file(const char *path, int64_t hours_ago)
{
    const time_t then = time(NULL) - hours_ago * 3600;
    const struct timespec times[] = {{.tv_sec = then}, {.tv_sec = then}};
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && futimens(fd, times) == 0);
    (void)close(fd);
}

static void deliver_to_anna(void)
{
    struct order o = {.destination = "anna", .recipients = {"anna@us.test"}};
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    order_free(&o);
}

static void what_a_crash_left_in_tmp_is_removed_after_36_hours(void **state)
{
    char last[300];
    assert_true(mkdir("anna", 0700) == 0 && mkdir("anna/tmp", 0700) == 0);
    assert_true(mkdir("anna/new", 0700) == 0 && mkdir("anna/tmp/folder", 0700) == 0);
    make_file("anna/tmp/old", 37);
    make_file("anna/tmp/young", 35);
    make_file("anna/new/old", 1000);
    assert_int_equal(symlink("young", "anna/tmp/link"), 0);
    deliver_to_anna();
    assert_int_equal(access("anna/tmp/old", F_OK), -1);
    assert_int_equal(list("anna/tmp", NULL), 3);
    assert_int_equal(list("anna/new", NULL), 2);
    /* Not each time: an hour later. */
    make_file("anna/tmp/old", 37);
    deliver_to_anna();
    assert_int_equal(access("anna/tmp/old", F_OK), 0);
    lab.passed_ms += 3600000;
    deliver_to_anna();
    assert_int_equal(access("anna/tmp/old", F_OK), -1);
    assert_int_equal(list("anna/tmp", last), 3);
}

static void other_recipients_do_not_suffer_from_one(void **state)
{
    struct order first = {.destination = "anna", .recipients = {"anna@us.test"}},
                 second = {.destination = "bert"};
    (void)close(open("anna", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    order_run(&first);
    order_run(&second);
    assert_outcome(&second, 0, DELIVERED);
    order_free(&first);
    order_free(&second);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_in_new_with_where_it_came_from_and_whose_it_is),
        TEST(what_a_message_reports_is_told_to_whoever_wants_it),
        TEST(what_is_consumed_is_in_no_mailbox),
        TEST(what_a_message_says_is_told_once_it_is_stored),
        TEST(the_null_sender_is_written_as_such),
        TEST(lines_end_as_they_do_on_this_system),
        TEST(a_line_end_between_two_pieces_is_one),
        TEST(each_recipient_gets_a_copy),
        TEST(no_two_names_are_the_same),
        TEST(the_longest_of_hostnames_makes_no_name_too_long),
        TEST(the_size_in_the_name_is_that_of_the_file),
        TEST(a_hostile_name_of_an_account_leads_nowhere),
        TEST(a_link_in_the_place_of_a_folder_is_not_followed),
        TEST(a_file_in_the_place_of_a_folder_is_a_deferral),
        TEST(a_folder_that_cannot_be_written_is_a_deferral),
        TEST(a_full_disk_is_a_deferral_and_leaves_nothing_behind),
        TEST(a_message_is_on_disk_before_it_is_delivered),
        TEST(a_disk_that_fails_leaves_nothing_behind),
        TEST(what_is_full_is_told_apart),
        TEST(what_a_crash_left_in_tmp_is_removed_after_36_hours),
        TEST(other_recipients_do_not_suffer_from_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
