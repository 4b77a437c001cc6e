/* store-check FOLDER [OUT]: whether the queue in this folder of a suite that has stopped is
 * consistent. Prints what is not, and the numbers; exits 0 when all is well, 1 when not, 2 when it
 * cannot tell. With OUT, a folder, each message of the queue is copied there under its id, and a
 * line "retired SUBJECT" printed for each recipient in the history. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "body.h"
#include "consist.h"
#include "tables.h"

static bool copy_message(struct store_txn *t, int dirfd, int to, uint64_t id,
                         const struct msg_row *row)
{
    struct fail f;
    char name[24];
    (void)snprintf(name, sizeof name, "%" PRIu64, id);
    int from = body_load(t, dirfd, id, row, &f);
    int file = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    off_t at = 0;
    bool good =
        from >= 0 && file >= 0 && sendfile(file, from, &at, row->size) == (ssize_t)row->size;
    if (!good)
        printf("message %" PRIu64 " cannot be copied\n", id);
    if (from >= 0)
        (void)close(from);
    if (file >= 0)
        (void)close(file);
    return good;
}

static bool copy_queue(struct store_txn *t, int dirfd, int to)
{
    struct store_cursor c = store_cursor(t, TABLE_MSG);
    bool good = true;
    for (bool at = store_seek(&c, (struct span){0}); at; at = store_next(&c)) {
        struct msg_row row;
        uint64_t id;
        if (key_read_id(c.key, &id) != 0 || msg_row_read(c.value, &row) != 0)
            continue; /* reported by the check */
        good = copy_message(t, dirfd, to, id, &row) && good;
        msg_row_clear(&row);
    }
    store_cursor_close(&c);
    return good;
}

static void print_history(struct store_txn *t)
{
    struct store_cursor c = store_cursor(t, TABLE_RETIRED);
    for (bool at = store_seek(&c, (struct span){0}); at; at = store_next(&c)) {
        struct retired_row row;
        if (retired_row_read(c.value, &row) != 0)
            continue;
        printf("retired %s\n", row.item.row.subject);
        retired_row_clear(&row);
    }
    store_cursor_close(&c);
}

static bool copy_out(struct store *store, int dirfd, const char *folder)
{
    int to = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct store_txn *t = store_begin(store, false);
    bool good = to >= 0 && copy_queue(t, dirfd, to);
    print_history(t);
    store_abort(&t);
    if (to >= 0)
        (void)close(to);
    return good;
}

int main(int argc, char **argv)
{
    struct consist c;
    struct fail f;
    if (argc != 2 && argc != 3) {
        (void)fprintf(stderr, "usage: store-check FOLDER [OUT]\n");
        return 2;
    }
    int dirfd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0 || fchdir(dirfd) != 0) {
        perror(argv[1]);
        return 2;
    }
    struct store *store = store_open("store", table_names, TABLES, 1ull << 40, &f);
    if (store == NULL) {
        (void)fprintf(stderr, "%s\n", f.text);
        return 2;
    }
    consist_check(store, dirfd, &c);
    (void)fputs(buf_text(&c.report), stdout);
    (void)printf("problems=%u bad_rows=%u messages=%" PRIu64 " recipients=%" PRIu64 " held=%" PRIu64
                 " hooks=%" PRIu64 " retired=%" PRIu64 " events=%" PRIu64 " chunks=%" PRIu64
                 " files=%" PRIu64 "\n",
                 c.problems, c.bad_rows, c.messages, c.recipients, c.held, c.hooks, c.retired,
                 c.events, c.chunks, c.files);
    int code = c.problems == 0 ? 0 : 1;
    if (argc == 3 && !copy_out(store, dirfd, argv[2]))
        code = 1;
    consist_clear(&c);
    store_close(&store);
    (void)close(dirfd);
    return code;
}
