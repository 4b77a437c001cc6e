#include "confinclude.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"

/* Refuses a file that is already being read, and remembers this one. An included one must be a
 * regular file: the read of a pipe might never end. The first may be a pipe: the caller asked for
 * just that. */
static int enter(struct confparse *p, int fd, struct fail *f)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_errno(f, "cannot be read");
    if (p->n_open > 0 && !S_ISREG(st.st_mode))
        return fail_set(f, "is not a regular file");
    for (unsigned i = 0; i < p->n_open; i++) {
        if (p->open[i].device == st.st_dev && p->open[i].node == st.st_ino)
            return fail_set(f, "is being read already: it would include itself for ever");
    }
    p->open[p->n_open++] = (struct confparse_open){st.st_dev, st.st_ino};
    return 0;
}

/* Reads an open file as a new source. Returns its index, or -1. */
static int64_t read_source(struct confparse *p, int fd, const char *path, const char *folder,
                           struct fail *f)
{
    struct buf text = {0};
    size_t left = CONF_MAX_TOTAL - p->octets;
    if (file_read_fd(fd, left < CONF_MAX_FILE ? left : CONF_MAX_FILE, &text, f) != 0) {
        buf_wipe(&text);
        if (left < CONF_MAX_FILE)
            (void)fail_set(f, "does not fit: all files together may have %d octets",
                           CONF_MAX_TOTAL);
        return -1;
    }
    p->octets += text.n;
    struct buf exact = {0}; /* there may be 100000 small ones, and reading made room for more */
    buf_put_span(&exact, buf_span(&text));
    buf_wipe(&text);
    return confsource_add(&p->conf->sources, path, folder, &exact);
}

static int open_file(struct confparse *p, const char *path, struct fail *f)
{
    int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (p->n_open > 0 ? O_NONBLOCK : 0);
    int fd = open(path, flags);
    if (fd < 0)
        return fail_errno(f, "cannot be opened");
    if (enter(p, fd, f) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Reads one included file, whole, into the block. */
static void include_file(struct confparse *p, struct confsource_pos at, const char *path,
                         struct conf_block *block, unsigned nesting)
{
    struct fail f;
    if (!confparse_count(p, at))
        return;
    unsigned depth = p->n_open;
    int fd = open_file(p, path, &f);
    char *folder = confsource_folder(path);
    int64_t file = fd < 0 ? -1 : read_source(p, fd, path, folder, &f);
    file_close(&fd);
    mem_free(&folder);
    if (file >= 0) {
        confparse_file(p, (uint32_t)file, block, nesting);
    } else {
        conferror_add(&p->errors, at, "%s %s", path, f.text);
        p->incomplete = true;
    }
    p->n_open = depth;
}

/* What is not there matches nothing; what cannot be looked into is an error. */
static int glob_error(const char *path, int error)
{
    return error != ENOENT && error != ENOTDIR;
}

static int by_octets(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The folder with all that glob(3) would take for a pattern escaped, and the pattern. */
static char *full_pattern(const char *folder, const char *path)
{
    struct buf out = {0};
    char *whole = confsource_path(folder, path);
    size_t literal = strlen(whole) - strlen(path);
    for (size_t i = 0; whole[i] != '\0'; i++) {
        if (i < literal && strchr("*?[\\", whole[i]) != NULL)
            buf_putc(&out, '\\');
        buf_putc(&out, whole[i]);
    }
    mem_free(&whole);
    return buf_take_text(&out);
}

static void include_matches(struct confparse *p, struct confsource_pos at, const char *path,
                            struct conf_block *block, unsigned nesting)
{
    glob_t found = {0};
    char *pattern = full_pattern(p->conf->sources.v[at.file]->folder, path);
    int rc = glob(pattern, GLOB_NOSORT, glob_error, &found);
    if (rc != 0 && rc != GLOB_NOMATCH) {
        conferror_add(&p->errors, at, "the files that match %s cannot be listed", pattern);
        p->incomplete = true;
    } else if (rc == 0) {
        qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_octets);
        for (size_t i = 0; i < found.gl_pathc; i++)
            include_file(p, at, found.gl_pathv[i], block, nesting);
    }
    globfree(&found);
    mem_free(&pattern);
}

void confinclude_path(struct confparse *p, struct confsource_pos at, const char *path,
                      struct conf_block *block, unsigned nesting)
{
    if (!p->with_files || p->n_open > CONF_MAX_INCLUDES) {
        conferror_add(&p->errors, at,
                      p->with_files ? "included files include others more than %d deep"
                                    : "include cannot be used here, where no file is read",
                      CONF_MAX_INCLUDES);
        p->incomplete = true;
    } else if (path[0] == '\0') {
        conferror_add(&p->errors, at, "include needs a path, not an empty one");
    } else if (strpbrk(path, "*?[") != NULL) {
        include_matches(p, at, path, block, nesting);
    } else {
        char *whole = confsource_path(p->conf->sources.v[at.file]->folder, path);
        include_file(p, at, whole, block, nesting);
        mem_free(&whole);
    }
}

/* The folder of the file, absolute also when the path is not: settings outlive the working
 * directory. */
static char *main_folder(const char *path)
{
    char *folder = confsource_folder(path);
    char *here = folder[0] == '/' ? NULL : getcwd(NULL, 0);
    if (here != NULL) {
        char *whole = strcmp(folder, ".") == 0 ? mem_text(here) : confsource_path(here, folder);
        mem_free(&folder);
        folder = whole;
    }
    free(here);
    return folder;
}

void confinclude_main(struct confparse *p, const char *path)
{
    struct fail f;
    int fd = open_file(p, path, &f);
    char *folder = main_folder(path);
    int64_t file = fd < 0 ? -1 : read_source(p, fd, path, folder, &f);
    file_close(&fd);
    if (file >= 0) {
        confparse_file(p, (uint32_t)file, p->conf->root, 0);
    } else {
        struct buf none = {0};
        uint32_t nowhere = confsource_add(&p->conf->sources, path, folder, &none);
        conferror_add(&p->errors, (struct confsource_pos){nowhere, 0, 0}, "%s", f.text);
        p->incomplete = true;
    }
    mem_free(&folder);
}
