#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boxop.h"
#include "file.h"
#include "mem.h"

/* A new message: written and synced in tmp, then renamed into cur with its flags, since whoever
 * stores it has seen it. One that may be there already is looked for by its number first. */

static int put_into_place(struct boxop *op, const struct boxname_info *info, char *base,
                          size_t base_size, char *name, size_t name_size)
{
    (void)snprintf(base, base_size, "%s,S=%llu", op->name, (unsigned long long)op->copy.written);
    if (boxname_write(name, name_size, base, strlen(base), info) != 0) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (fsync(op->file) != 0 || renameat(op->folder.tmp, op->name, op->folder.cur, name) != 0)
        return -1;
    op->name[0] = '\0';
    if (fsync(op->folder.cur) == 0)
        return 0;
    int error = errno;
    (void)unlinkat(op->folder.cur, name, 0);
    errno = error;
    return -1;
}

static bool finish(struct boxop *op)
{
    char base[MAILPLACE_NAME_MAX + 32], name[MAILPLACE_NAME_MAX + 1];
    struct boxname_info info = {boxname_capitals(op->r.set), 0};
    boxwords_read(&op->words, op->folder.dir);
    info.keywords = boxwords_letters(&op->words, &op->r.add, &op->a.unplaced);
    if (put_into_place(op, &info, base, sizeof base, name, sizeof name) != 0)
        return boxop_end_failed(op, "a message cannot be stored");
    struct mailbox_file *file = mem_zero(sizeof *file);
    if (boxfolder_file(op->r.folder, op->folder.cur, name, &op->words, file) != 0) {
        mem_free(&file);
        return true; /* stored, and taken away again at once */
    }
    op->a.files = file;
    op->a.files_n = 1;
    return true;
}

static bool copy_in(struct boxop *op)
{
    switch (boxcopy_step(&op->copy)) {
    case BOXCOPY_MORE:
        return false;
    case BOXCOPY_DONE:
        return finish(op);
    default:
        return boxop_end_failed(op, "a message cannot be written");
    }
}

static int open_folder(struct boxop *op, struct fail *f)
{
    if (op->r.make)
        return boxfolder_make(&op->folder, op->account, op->r.folder, f);
    return boxfolder_open(&op->folder, op->account, op->r.folder, f);
}

static bool begin_copy(struct boxop *op)
{
    boxop_unique(op, op->name, sizeof op->name);
    op->file = openat(op->folder.tmp, op->name,
                      O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (op->file < 0)
        return boxop_end_failed(op, "a message cannot be created in tmp");
    op->copy =
        (struct boxcopy){.from = op->r.fd, .to = op->file, .at = op->r.skip, .most = UINT64_MAX};
    if (boxcopy_put(&op->copy, buf_span(&op->r.head)) != BOXCOPY_MORE)
        return boxop_end_failed(op, "a message cannot be written");
    op->step = copy_in;
    return false;
}

/* The file that was stored before is the answer, unless it is gone again. */
static bool take_it(struct boxop *op, const struct dirent *e)
{
    const char *name = e->d_name;
    if (boxname_number(name) != op->r.number)
        return false;
    struct mailbox_file *file = mem_zero(sizeof *file);
    boxwords_read(&op->words, op->folder.dir);
    (void)boxwords_letters(&op->words, &op->r.add, &op->a.unplaced);
    if (boxfolder_file(op->r.folder, op->in_cur ? op->folder.cur : op->folder.new, name, &op->words,
                       file) != 0) {
        mem_free(&file);
        return boxop_end(op, MAILBOX_UNAVAILABLE);
    }
    op->a.files = file;
    op->a.files_n = 1;
    return true;
}

static bool look_for_it(struct boxop *op)
{
    bool over;
    if (boxop_names(op, take_it, &over))
        return true;
    if (over)
        op->step = begin_copy;
    return false;
}

bool boxop_store(struct boxop *op)
{
    struct fail f;
    if (open_folder(op, &f) != 0)
        return boxfolder_is_absent(errno) ? boxop_end(op, MAILBOX_NO_FOLDER)
                                          : boxop_end_failed(op, f.text);
    op->step = op->r.again ? look_for_it : begin_copy;
    return false;
}
