/* store-check FOLDER: whether the queue in this folder of a suite that has stopped is consistent.
 * Prints what is not, and the numbers; exits 0 when all is well, 1 when not, 2 when it cannot tell.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "consist.h"
#include "tables.h"

int main(int argc, char **argv)
{
    struct consist c;
    struct fail f;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: store-check FOLDER\n");
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
    consist_clear(&c);
    store_close(&store);
    (void)close(dirfd);
    return code;
}
