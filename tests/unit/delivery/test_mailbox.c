#include "lab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "mailbox.h"
#include "mem.h"
#include "proto_mailbox.h"
#include "qid.h"

/* What webapi asks of mailboxes: folders below the one the process is in. */

static char folder[] = "/tmp/mailbox-XXXXXX";
static int home = -1;
static struct ipc *webapi;
static struct mailbox_answer answer; /* the last one */
static bool answered;
static unsigned answers;

/* ---- calls that fail when a test wants it ---- */

static int fsync_error;
static unsigned syncs;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
    syncs++;
    errno = fsync_error;
    return fsync_error != 0 ? -1 : __real_fsync(fd);
}

static int readdir_error;
static unsigned names_read;

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);

struct dirent *__wrap_readdir(DIR *dir)
{
    names_read++;
    if (readdir_error == 0)
        return __real_readdir(dir);
    errno = readdir_error;
    return NULL;
}

static int setup(void **state)
{
    static const struct ipc_handler handler = {NULL, NULL};
    struct fail f;
    int fd[2];
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    if (mkdtemp(folder) == NULL)
        return -1;
    home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lab_open("local", "%s", "");
    if (chdir(folder) != 0 || ipc_pair(fd, &f) != 0)
        return -1;
    lab.agent.mailbox = mailbox_new(&lab.agent);
    webapi = ipc_new(lab.base, fd[0], "mailbox", &handler, NULL);
    mailbox_link(lab.agent.mailbox, "webapi/0", fd[1]);
    answer = mailbox_answer_new(MAILBOX_DONE);
    fsync_error = readdir_error = 0;
    return 0;
}

static int teardown(void **state)
{
    mailbox_answer_clear(&answer);
    mailbox_free(&lab.agent.mailbox);
    ipc_free(&webapi);
    lab_close();
    if (fchdir(home) != 0)
        return -1;
    (void)close(home);
    char *command = mem_format("rm -rf %s", folder);
    int rc = system(command);
    mem_free(&command);
    return rc;
}

/* Keeps all of it. */
static void on_answer(void *arg, struct mailbox_answer *a)
{
    mailbox_answer_clear(&answer);
    answer = *a;
    *a = mailbox_answer_new(a->result);
    answered = true;
    answers++;
}

static enum mailbox_result wait_for_answer(void)
{
    answered = false;
    RUN_UNTIL(answered);
    return answer.result;
}

/* A folder as delivery makes it. */
static void make_folder(const char *path)
{
    static const char *const parts[] = {"", "/tmp", "/new", "/cur"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *name = mem_format("%s%s", path, parts[i]);
        assert_int_equal(mkdir(name, 0700), 0);
        mem_free(&name);
    }
}

static void make_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A message that begins with this id; its place. */
static struct mail_place make_message(const char *path, uint64_t id)
{
    struct stat st;
    char text[QID_SIZE];
    char *octets = mem_format("Return-Path: <a@b.test>\nDelivered-To: anna@us.test\n"
                              "X-Quartermaster-ID: %s\nSubject: x\n\nhello\n",
                              qid_text(id, text));
    make_file(path, octets);
    assert_int_equal(stat(path, &st), 0);
    mem_free(&octets);
    const char *name = strrchr(path, '/') + 1;
    static char base[256];
    (void)snprintf(base, sizeof base, "%.*s", (int)strcspn(name, ":"), name);
    return (struct mail_place){(char *)"", base, st.st_ino, 0};
}

static bool there(const char *path)
{
    return access(path, F_OK) == 0;
}

static enum mailbox_result find(const struct mail_place *place, uint64_t id, uint64_t octets_max)
{
    const struct mailbox_which which = {"anna", id, place};
    (void)mailbox_find(webapi, &which, octets_max, on_answer, NULL);
    return wait_for_answer();
}

static enum mailbox_result set_flags(const struct mail_place *place, unsigned set,
                                     const struct mail_words *add)
{
    static const struct mail_words none;
    const struct mailbox_which which = {"anna", 7, place};
    (void)mailbox_flags(webapi, &which, set, 0, add == NULL ? &none : add, &none, on_answer, NULL);
    return wait_for_answer();
}

static void a_message_is_handed_over_with_the_line_ends_of_mail(void **state)
{
    struct buf octets = {0};
    struct fail f;
    make_folder("anna");
    struct mail_place place = make_message("anna/new/1.M2.us", 7);
    make_file("anna/new/1.M2.us", "a\nb\r\nc\rd\n\n.\n");
    place.inode = 0;
    assert_int_equal(find(&place, 7, 100), MAILBOX_DONE);
    assert_int_equal(answer.files_n, 1);
    assert_int_equal(answer.files[0].size, 12);
    assert_int_equal(file_read_fd(answer.fd, 100, &octets, &f), 0);
    assert_string_equal(buf_text(&octets), "a\r\nb\r\nc\rd\r\n\r\n.\r\n");
    assert_int_equal(find(&place, 7, 16), MAILBOX_DONE);
    assert_int_equal(find(&place, 7, 15), MAILBOX_TOO_LARGE);
    assert_int_equal(find(&place, 7, 11), MAILBOX_TOO_LARGE);
    assert_int_equal(answer.fd, -1);
    assert_int_equal(find(&place, 7, 0), MAILBOX_DONE);
    assert_int_equal(answer.fd, -1);
    buf_free(&octets);
}

static void a_flag_takes_a_message_out_of_new_and_both_folders_are_synced(void **state)
{
    char *names[] = {(char *)"blue", (char *)"red"};
    const struct mail_words words = {names, 2};
    make_folder("anna");
    make_file("anna/dovecot-keywords", "0 $Junk\n2 Blue\n");
    struct mail_place place = make_message("anna/new/1.M2.us", 7);
    syncs = 0;
    assert_int_equal(set_flags(&place, 0, NULL), MAILBOX_DONE);
    assert_true(there("anna/new/1.M2.us")); /* nothing to do: it stays new */
    assert_int_equal(syncs, 0);
    assert_int_equal(set_flags(&place, MAILBOX_SEEN, &words), MAILBOX_DONE);
    assert_true(there("anna/cur/1.M2.us:2,Sc"));
    assert_int_equal(syncs, 2);
    assert_int_equal(answer.files[0].flags, MAILBOX_SEEN);
    assert_int_equal(answer.files[0].keywords.n, 1);
    assert_string_equal(answer.files[0].keywords.list[0], "Blue");
    assert_int_equal(answer.unplaced.n, 1);
    assert_string_equal(answer.unplaced.list[0], "red");
    fsync_error = EIO;
    assert_int_equal(set_flags(&place, MAILBOX_FLAGGED, NULL), MAILBOX_UNAVAILABLE);
}

static void letters_of_keywords_are_those_of_the_folder(void **state)
{
    make_folder("anna");
    make_folder("anna/.Archive");
    make_file("anna/dovecot-keywords", "0 $Junk\n1 blue\n");
    make_file("anna/.Archive/dovecot-keywords", "0 blue\n1 other\n");
    struct mail_place place = make_message("anna/cur/1.M2.us:2,Sab", 7);
    const struct mailbox_which which = {"anna", 7, &place};
    (void)mailbox_move(webapi, &which, "Archive", on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
    assert_true(there("anna/.Archive/cur/1.M2.us:2,Sa"));
    assert_string_equal(answer.files[0].place.folder, "Archive");
    assert_int_equal(answer.unplaced.n, 1);
    assert_string_equal(answer.unplaced.list[0], "$Junk");
}

static void a_file_under_another_name_is_told_and_left_alone(void **state)
{
    make_folder("anna");
    make_folder("anna/.Archive");
    struct mail_place place = make_message("anna/cur/1.M2.us:2,", 7);
    assert_int_equal(rename("anna/cur/1.M2.us:2,", "anna/.Archive/cur/9.other:2,S"), 0);
    assert_int_equal(find(&place, 7, 1000), MAILBOX_ELSEWHERE);
    assert_string_equal(answer.files[0].place.folder, "Archive");
    assert_string_equal(answer.files[0].place.name, "9.other");
    assert_int_equal(answer.files[0].line_id, 7);
    assert_int_equal(set_flags(&place, MAILBOX_FLAGGED, NULL), MAILBOX_ELSEWHERE);
    assert_true(there("anna/.Archive/cur/9.other:2,S"));
    /* Another message: what its first lines say decides, or its time. */
    assert_int_equal(find(&place, 8, 1000), MAILBOX_ABSENT);
    place.mtime_ms = answer.files_n == 0 ? 12345 : 0;
    assert_int_equal(find(&place, 7, 1000), MAILBOX_ABSENT);
}

static void nothing_is_followed_that_leads_elsewhere(void **state)
{
    static const char *const names[] = {"../secret", "..", ".", "", "a/b", "1.M2.us:2,S"};
    struct mail_place place = {(char *)"", (char *)"1.M2.us", 0, 0};
    make_folder("anna");
    make_folder("bob");
    (void)make_message("bob/new/1.M2.us", 7);
    make_file("secret", "x\n");
    make_file("bob/dovecot-keywords", "0 blue\n");
    assert_int_equal(symlink("../bob", "anna/.Link"), 0);
    assert_int_equal(symlink("../../secret", "anna/new/1.M2.us"), 0);
    assert_int_equal(symlink("../bob/dovecot-keywords", "anna/dovecot-keywords"), 0);
    assert_int_equal(find(&place, 7, 1000), MAILBOX_UNAVAILABLE); /* again and again no message */
    assert_int_equal(unlink("anna/new/1.M2.us"), 0);
    (void)make_message("anna/cur/3.us:2,a", 3);
    (void)mailbox_list(webapi, "anna", "", "", 10, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
    assert_int_equal(answer.files_n, 1);
    assert_int_equal(answer.files[0].keywords.n, 0);
    (void)mailbox_list(webapi, "anna", "Link", "", 10, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_NO_FOLDER);
    (void)mailbox_list(webapi, "anna", "../bob", "", 10, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_NO_FOLDER);
    (void)mailbox_folders(webapi, "../anna", on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_UNAVAILABLE);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        place.name = (char *)names[i];
        assert_int_equal(find(&place, 7, 1000), MAILBOX_ABSENT);
    }
}

static void a_copy_is_stored_whole_or_not_at_all(void **state)
{
    struct fail f;
    struct buf text = {0};
    int fd = file_sealed("copy", span_text("left outSubject: x\r\n\r\nhi\r\n"), &f);
    const struct mailbox_copy copy = {fd, 8, span_text("Bcc: y\r\n"), MAILBOX_SEEN, {NULL, 0}};
    (void)mailbox_store(webapi, "anna", "Sent", false, &copy, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_NO_FOLDER);
    assert_false(there("anna"));
    (void)mailbox_store(webapi, "anna", "Sent", true, &copy, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
    assert_true(there("anna/.Sent/maildirfolder") && there("anna/cur"));
    char *path = mem_format("anna/.Sent/cur/%s:2,S", answer.files[0].place.name);
    assert_int_equal(file_read(AT_FDCWD, path, 100, &text, &f), 0);
    assert_string_equal(buf_text(&text), "Bcc: y\nSubject: x\n\nhi\n");
    assert_non_null(strstr(path, ",S=22:2,S"));
    assert_int_equal(unlink(path), 0);
    static const struct {
        int error;
        enum mailbox_result result;
    } failures[] = {
        {EDQUOT, MAILBOX_OVER_QUOTA}, {ENOSPC, MAILBOX_OVER_QUOTA}, {EIO, MAILBOX_UNAVAILABLE}};
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        fsync_error = failures[i].error;
        (void)mailbox_store(webapi, "anna", "Sent", true, &copy, on_answer, NULL);
        assert_int_equal(wait_for_answer(), failures[i].result);
        assert_int_equal(rmdir("anna/.Sent/tmp"), 0); /* it is empty */
        assert_int_equal(mkdir("anna/.Sent/tmp", 0700), 0);
    }
    assert_int_equal(rmdir("anna/.Sent/cur"), 0);
    (void)close(fd);
    buf_free(&text);
    mem_free(&path);
}

/* Files in the folder Sent of anna. */
static unsigned copies(void)
{
    (void)mailbox_list(webapi, "anna", "Sent", "", 100, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
    return answer.files_n;
}

static void a_copy_with_a_number_is_there_once(void **state)
{
    struct fail f;
    int fd = file_sealed("copy", span_text("Subject: x\r\n\r\nhi\r\n"), &f);
    struct mailbox_copy copy = {fd,   0, span_text(""), MAILBOX_SEEN, {NULL, 0}, 1883066134953998,
                                false};
    (void)mailbox_store(webapi, "anna", "Sent", true, &copy, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
    char *name = mem_text(answer.files[0].place.name);
    assert_non_null(strstr(name, "C1883066134953998."));
    copy.again = true;
    (void)mailbox_store(webapi, "anna", "Sent", true, &copy, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
    assert_int_equal(answer.files_n, 1);
    assert_string_equal(answer.files[0].place.name, name);
    assert_int_equal(answer.files[0].flags, MAILBOX_SEEN);
    assert_int_equal(copies(), 1);
    /* Another message's, and one that is not there yet. */
    copy.number = 188306613495399;
    (void)mailbox_store(webapi, "anna", "Sent", true, &copy, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
    assert_int_equal(copies(), 2);
    /* Asked for while it is being stored. */
    copy.number = 5;
    for (int i = 0; i < 4; i++) { /* the first one that was asked for is the third that comes */
        copy.again = i != 2;
        (void)mailbox_store(webapi, "anna", "Sent", true, &copy, on_answer, NULL);
    }
    unsigned until = answers + 4;
    RUN_UNTIL(answers == until);
    assert_int_equal(copies(), 3);
    mem_free(&name);
    (void)close(fd);
}

/* Asks for these places of anna; how many are missing. */
static uint32_t check(const struct mail_place *places, uint32_t n)
{
    (void)mailbox_check(webapi, "anna", places, n, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
    return answer.missing_n;
}

static void what_no_file_speaks_for_is_missing(void **state)
{
    struct stat st;
    make_folder("anna");
    make_folder("anna/.Archive.2026");
    assert_int_equal(mkdir("anna/.no-folder", 0700), 0);
    make_file("anna/new/1.M2.us,S=1", "x");
    make_file("anna/cur/3.M4.us:2,FSab", "x");
    make_file("anna/.Archive.2026/cur/other.name:2,S", "x");
    make_file("anna/tmp/9.M9.us", "x");
    assert_int_equal(stat("anna/.Archive.2026/cur/other.name:2,S", &st), 0);
    const struct mail_place places[] = {
        {(char *)"", (char *)"9.M9.us", 0, 0},         /* one in tmp is none */
        {(char *)"", (char *)"1.M2.us,S=1", 5, 0},     /* by its name */
        {(char *)"", (char *)"7.M8.us", 4, 0},         /* missing */
        {(char *)"gone", (char *)"3.M4.us", 5, 0},     /* in another folder */
        {(char *)"", (char *)"3.M4.us", 6, 0},         /* twice the same name */
        {(char *)"", (char *)"8.M8.us", st.st_ino, 7}, /* under another name */
    };
    assert_int_equal(check(places, 6), 2);
    assert_int_equal(answer.missing[0], 0);
    assert_int_equal(answer.missing[1], 2);
    assert_int_equal(check(&places[3], 3), 0);
    /* What cannot be read may hold any of them. */
    readdir_error = EIO;
    (void)mailbox_check(webapi, "anna", places, 6, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_UNAVAILABLE);
    readdir_error = 0;
    /* Likewise what is not there, such as a file system that is not mounted. */
    assert_int_equal(rename("anna/new", "anna/.new"), 0);
    (void)mailbox_check(webapi, "anna", places, 6, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_UNAVAILABLE);
    (void)mailbox_check(webapi, "bob", places, 6, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_ABSENT);
    assert_int_equal(answer.missing_n, 0);
}

/* What is told to be absent is forgotten by whoever asked. */
static void what_cannot_be_read_is_not_told_to_be_absent(void **state)
{
    struct mail_place place = {(char *)"", (char *)"nowhere", 0, 0};
    make_folder("anna");
    assert_int_equal(find(&place, 7, 0), MAILBOX_ABSENT);
    readdir_error = EIO;
    assert_int_equal(find(&place, 7, 0), MAILBOX_UNAVAILABLE);
    (void)mailbox_list(webapi, "anna", "", "", 5, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_UNAVAILABLE);
    (void)mailbox_folders(webapi, "anna", on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_UNAVAILABLE);
    readdir_error = 0;
    assert_int_equal(find(&place, 7, 0), MAILBOX_ABSENT);
}

static void what_is_old_in_tmp_of_a_folder_is_removed_when_one_is_stored(void **state)
{
    const struct timespec old[2] = {{time(NULL) - 37 * 3600, 0}, {time(NULL) - 37 * 3600, 0}};
    const char *const names[] = {"anna/.Sent/tmp/1.old", "anna/.Sent/tmp/2.young"};
    struct fail f;
    int fd = file_sealed("copy", span_text("Subject: x\r\n\r\nhi\r\n"), &f);
    const struct mailbox_copy copy = {fd, 0, span_text(""), MAILBOX_SEEN, {NULL, 0}};
    make_folder("anna");
    make_folder("anna/.Sent");
    for (size_t i = 0; i < 2; i++)
        make_file(names[i], "x");
    assert_int_equal(utimensat(AT_FDCWD, names[0], old, 0), 0);
    (void)mailbox_store(webapi, "anna", "Sent", false, &copy, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
    RUN_UNTIL(!there(names[0]));
    assert_true(there(names[1]));
    (void)close(fd);
}

static void a_large_folder_keeps_nobody_waiting(void **state)
{
    char path[64];
    struct order o = {.destination = "bob", .recipients = {"bob@us.test"}};
    struct mail_place place = {(char *)"", (char *)"nowhere", 0, 0};
    const struct mailbox_which which = {"anna", 7, &place};
    make_folder("anna");
    for (int i = 0; i < 12000; i++) {
        (void)snprintf(path, sizeof path, "anna/cur/%d.us:2,", 100000 + i);
        make_file(path, "");
    }
    answers = 0;
    for (int i = 0; i < 20; i++)
        (void)mailbox_find(webapi, &which, 0, on_answer, NULL);
    lab_turn();
    lab_turn();
    order_run(&o);
    assert_outcome(&o, 0, "delivered 250 2.1.5 maildir");
    assert_int_equal(answers, 0);
    RUN_UNTIL(answers == 20);
    assert_int_equal(answer.result, MAILBOX_ABSENT);
    (void)mailbox_list(webapi, "anna", "", "", 5, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
    assert_int_equal(answer.files_n, 5);
    assert_string_equal(answer.files[4].place.name, "100004.us");
    assert_string_equal(answer.next, "100004.us");
    (void)mailbox_list(webapi, "anna", "", "111996.us", 5, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
    assert_int_equal(answer.files_n, 3);
    assert_string_equal(answer.next, "");
    order_free(&o);
}

/* How many names were read for the page. */
static unsigned list(const char *after, uint32_t limit)
{
    names_read = 0;
    (void)mailbox_list(webapi, "anna", "", after, limit, on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
    return names_read;
}

/* As though nothing in it had changed for a while. */
static void let_folder_rest(void)
{
    const struct timespec old[2] = {{time(NULL) - 3600, 0}, {time(NULL) - 3600, 0}};
    assert_int_equal(utimensat(AT_FDCWD, "anna/new", old, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, "anna/cur", old, 0), 0);
}

#define LARGE 5000
static void make_large_folder(void)
{
    char path[64];
    make_folder("anna");
    for (int i = 0; i < LARGE; i++) {
        (void)snprintf(path, sizeof path, "anna/%s%d.us%s", i < 4500 ? "cur/" : "new/", 100000 + i,
                       i < 4500 ? ":2,S" : "");
        make_file(path, "");
    }
    let_folder_rest();
}

static void a_folder_is_read_once_for_all_its_pages(void **state)
{
    char after[64] = "";
    uint32_t seen = 0;
    make_large_folder();
    assert_in_range(list("", 999), LARGE, LARGE + 10);
    do {
        for (uint32_t i = 0; i < answer.files_n; i++)
            assert_int_equal(strtol(answer.files[i].place.name, NULL, 10), 100000 + seen++);
        (void)snprintf(after, sizeof after, "%s", answer.next);
    } while (after[0] != '\0' && list(after, 999) == 0);
    assert_int_equal(seen, LARGE);
    assert_int_equal(list("", 3), 0);
    make_file("anna/new/100000.a.us", "");
    assert_in_range(list("", 3), LARGE, LARGE + 10);
    assert_string_equal(answer.files[1].place.name, "100000.us");
    assert_string_equal(answer.files[0].place.name, "100000.a.us");
}

static void a_later_page_is_of_what_the_first_one_found_as_long_as_that_is_there(void **state)
{
    make_large_folder();
    (void)list("", 3);
    make_file("anna/new/200000.us", "");
    assert_int_equal(list("100002.us", 3), 0);
    assert_string_equal(answer.next, "100005.us");
    /* The last one is not, as what came since is on it. */
    assert_in_range(list("104997.us", 3), LARGE, LARGE + 10);
    assert_int_equal(answer.files_n, 3);
    assert_string_equal(answer.files[2].place.name, "200000.us");
    assert_string_equal(answer.next, "");
    /* Nor one whose files have other names now. */
    assert_int_equal(rename("anna/cur/100004.us:2,S", "anna/cur/100004.us:2,FS"), 0);
    assert_in_range(list("100002.us", 3), LARGE, LARGE + 10);
    assert_int_equal(answer.files_n, 3);
    assert_string_equal(answer.files[1].place.name, "100004.us");
    assert_int_equal(answer.files[1].flags, MAILBOX_SEEN | MAILBOX_FLAGGED);
    assert_int_equal(list("100002.us", 3), 0);
    /* Nor after a while. */
    lab.passed_ms += 61000;
    assert_in_range(list("100002.us", 3), LARGE, LARGE + 10);
}

static void what_is_asked_by_one_that_went_away_is_not_answered(void **state)
{
    static const struct ipc_handler handler = {NULL, NULL};
    struct fail f;
    int fd[2];
    make_folder("anna");
    (void)mailbox_folders(webapi, "anna", on_answer, NULL);
    lab_turn();
    ipc_free(&webapi);
    assert_int_equal(answer.result, MAILBOX_UNAVAILABLE);
    assert_int_equal(ipc_pair(fd, &f), 0);
    webapi = ipc_new(lab.base, fd[0], "mailbox", &handler, NULL);
    mailbox_link(lab.agent.mailbox, "webapi/0", fd[1]);
    (void)mailbox_folders(webapi, "anna", on_answer, NULL);
    assert_int_equal(wait_for_answer(), MAILBOX_DONE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_handed_over_with_the_line_ends_of_mail),
        TEST(a_flag_takes_a_message_out_of_new_and_both_folders_are_synced),
        TEST(letters_of_keywords_are_those_of_the_folder),
        TEST(a_file_under_another_name_is_told_and_left_alone),
        TEST(nothing_is_followed_that_leads_elsewhere),
        TEST(a_copy_is_stored_whole_or_not_at_all),
        TEST(a_copy_with_a_number_is_there_once),
        TEST(what_no_file_speaks_for_is_missing),
        TEST(what_cannot_be_read_is_not_told_to_be_absent),
        TEST(what_is_old_in_tmp_of_a_folder_is_removed_when_one_is_stored),
        TEST(a_large_folder_keeps_nobody_waiting),
        TEST(a_folder_is_read_once_for_all_its_pages),
        TEST(a_later_page_is_of_what_the_first_one_found_as_long_as_that_is_there),
        TEST(what_is_asked_by_one_that_went_away_is_not_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
