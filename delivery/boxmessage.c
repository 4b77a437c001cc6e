#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boxop.h"
#include "file.h"
#include "mem.h"

/* What is done to one message: it is looked for, and then handed over, renamed or removed. Another
 * program may rename it in between; then it is looked for again. */

#define TRIES 5

static boxop_step search;

static bool begin_search(struct boxop *op)
{
    if (op->searching)
        boxsearch_end(&op->search);
    boxsearch_begin(&op->search, op->account, &op->r.place, op->r.id);
    op->searching = true;
    op->step = search;
    return false;
}

/* It was there a moment ago. */
static bool search_again(struct boxop *op)
{
    if (++op->tries >= TRIES)
        return boxop_end(op, MAILBOX_UNAVAILABLE);
    return begin_search(op);
}

/* The words of the folder it was found in, and what the file says. Returns -1 when it is gone. */
static int read_file(struct boxop *op)
{
    struct mailbox_file *file = mem_zero(sizeof *file);
    boxwords_clear(&op->words);
    boxwords_read(&op->words, op->search.open.dir);
    if (boxfolder_file(boxsearch_folder(&op->search), boxsearch_sub(&op->search), op->search.name,
                       &op->words, file) != 0) {
        mem_free(&file);
        return -1;
    }
    mailbox_answer_clear(&op->a);
    op->a = mailbox_answer_new(MAILBOX_DONE);
    op->a.files = file;
    op->a.files_n = 1;
    return 0;
}

/* ---- find ---- */

static bool copy_out(struct boxop *op)
{
    struct fail f;
    switch (boxcopy_step(&op->copy)) {
    case BOXCOPY_MORE:
        return false;
    case BOXCOPY_TOO_LARGE:
        return boxop_end(op, MAILBOX_TOO_LARGE);
    case BOXCOPY_FAILED:
        return boxop_end_failed(op, "a message cannot be read");
    default:
        break;
    }
    return file_seal(op->a.fd, &f) == 0 || boxop_end_failed(op, "a memory file cannot be sealed");
}

static bool hand_over(struct boxop *op)
{
    struct fail f;
    if (op->r.octets_max == 0)
        return true;
    if (op->a.files[0].size > op->r.octets_max)
        return boxop_end(op, MAILBOX_TOO_LARGE);
    op->file = openat(boxsearch_sub(&op->search), op->search.name,
                      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (op->file < 0)
        return search_again(op);
    op->a.fd = file_memory("message", &f);
    if (op->a.fd < 0)
        return boxop_end_failed(op, "a memory file cannot be made");
    op->copy = (struct boxcopy){
        .from = op->file, .to = op->a.fd, .most = op->r.octets_max, .to_crlf = true};
    op->step = copy_out;
    return false;
}

/* ---- flags, move, delete ---- */

/* Moves the file to another name, in sub, a folder new or cur; then both are synced. 1: it was not
 * there any more. */
static int rename_to(struct boxop *op, int sub, const char *name)
{
    int from = boxsearch_sub(&op->search);
    struct stat st;
    if (from == sub && strcmp(name, op->search.name) == 0)
        return 0;
    if (fstatat(sub, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST; /* another message of this very name: it is not overwritten */
        return -1;
    }
    if (renameat(from, op->search.name, sub, name) != 0)
        return errno == ENOENT ? 1 : -1;
    if (fsync(sub) != 0 || (from != sub && fsync(from) != 0))
        return -1;
    return 0;
}

/* The outcome of rename_to, in the answer. */
static bool renamed(struct boxop *op, int rc, const struct boxname_info *info, const char *folder,
                    const struct boxwords *words)
{
    struct mailbox_file *file = &op->a.files[0];
    if (rc > 0)
        return search_again(op);
    if (rc < 0)
        return boxop_end_failed(op, "a message cannot be renamed");
    file->flags = boxname_flags(info->capitals);
    mail_words_clear(&file->keywords);
    boxwords_names(words, info->keywords, &file->keywords);
    char *copy = mem_text(folder);
    mem_free(&file->place.folder);
    file->place.folder = copy;
    return true;
}

static bool set_flags(struct boxop *op)
{
    const char *was = op->search.name;
    char name[MAILPLACE_NAME_MAX + 1];
    struct boxname_info info = boxname_info(was), before = info;
    uint32_t set = boxname_capitals(op->r.set & ~op->r.clear),
             clear = boxname_capitals(op->r.clear & ~op->r.set);
    info.capitals = (info.capitals | set) & ~clear;
    info.keywords &= ~boxwords_letters(&op->words, &op->r.remove, NULL);
    info.keywords |= boxwords_letters(&op->words, &op->r.add, &op->a.unplaced);
    /* What is in new is new to every program that reads mail; without need it is left there. */
    if (info.capitals == before.capitals && info.keywords == before.keywords)
        return true;
    if (boxname_write(name, sizeof name, was, boxname_base(was), &info) != 0) {
        errno = ENAMETOOLONG;
        return boxop_end_failed(op, "a message cannot be renamed");
    }
    int rc = rename_to(op, op->search.open.cur, name);
    return renamed(op, rc, &info, boxsearch_folder(&op->search), &op->words);
}

/* The letters of keywords mean something else in another folder. */
static struct boxname_info translate(struct boxop *op, const struct boxwords *to)
{
    struct boxname_info info = boxname_info(op->search.name);
    info.keywords = boxwords_letters(to, &op->a.files[0].keywords, &op->a.unplaced);
    return info;
}

/* The base name stays; but where the file has another name a copy of the message may have this very
 * name in the other folder. */
static void choose_base(struct boxop *op, char *base, size_t size)
{
    const char *name = op->search.name;
    struct mail_place *place = &op->a.files[0].place;
    if (op->a.files[0].links == 1) {
        (void)snprintf(base, size, "%.*s", (int)boxname_base(name), name);
        return;
    }
    const char *size_of_it = strstr(place->name, ",S=");
    boxop_unique(op, base, size);
    (void)snprintf(base + strlen(base), size - strlen(base), "%s",
                   size_of_it == NULL ? "" : size_of_it);
    mem_free(&place->name);
    place->name = mem_text(base);
}

static bool move_into(struct boxop *op, const struct boxwords *words)
{
    char base[MAILPLACE_NAME_MAX + 1], name[MAILPLACE_NAME_MAX + 1];
    struct boxname_info info = translate(op, words);
    int sub = op->search.in_cur ? op->folder.cur : op->folder.new, rc;
    choose_base(op, base, sizeof base);
    rc = boxname_write(name, sizeof name, base, strlen(base), &info);
    if (!op->search.in_cur)
        (void)snprintf(name, sizeof name, "%s", base);
    if (rc != 0)
        errno = ENAMETOOLONG;
    else
        rc = rename_to(op, sub, name);
    return renamed(op, rc, &info, op->r.folder, words);
}

static bool move(struct boxop *op)
{
    struct boxwords words;
    if (strcmp(boxsearch_folder(&op->search), op->r.folder) == 0)
        return boxop_end(op, MAILBOX_SAME_FOLDER);
    boxwords_read(&words, op->folder.dir);
    bool ended = move_into(op, &words);
    boxwords_clear(&words);
    return ended;
}

static bool delete (struct boxop *op)
{
    int sub = boxsearch_sub(&op->search);
    if (unlinkat(sub, op->search.name, 0) != 0)
        return errno == ENOENT ? search_again(op)
                               : boxop_end_failed(op, "a message cannot be removed");
    return fsync(sub) == 0 || boxop_end_failed(op, "a folder cannot be synced");
}

/* ---- what they begin with ---- */

static bool search(struct boxop *op)
{
    enum boxsearch_result result = boxsearch_step(&op->search);
    if (result == BOXSEARCH_MORE)
        return false;
    if (result == BOXSEARCH_ABSENT)
        return boxop_end(op, MAILBOX_ABSENT);
    if (result == BOXSEARCH_FAILED)
        return boxop_end_failed(op, "a folder cannot be read");
    if (read_file(op) != 0)
        return search_again(op);
    if (!boxname_has_base(op->search.name, op->r.place.name) ||
        strcmp(boxsearch_folder(&op->search), op->r.place.folder) != 0) {
        op->a.result = MAILBOX_ELSEWHERE;
        return true;
    }
    switch (op->r.type) {
    case MSG_MAILBOX_FLAGS:
        return set_flags(op);
    case MSG_MAILBOX_MOVE:
        return move(op);
    case MSG_MAILBOX_DELETE:
        return delete (op);
    default:
        return hand_over(op);
    }
}

static bool begin(struct boxop *op)
{
    if (!boxname_is_file(op->r.place.name) || strchr(op->r.place.name, ':') != NULL)
        return boxop_end(op, MAILBOX_ABSENT);
    return begin_search(op);
}

bool boxop_find(struct boxop *op)
{
    return begin(op);
}

bool boxop_flags(struct boxop *op)
{
    return begin(op);
}

bool boxop_delete(struct boxop *op)
{
    return begin(op);
}

bool boxop_move(struct boxop *op)
{
    struct fail f;
    if (boxfolder_open(&op->folder, op->account, op->r.folder, &f) != 0)
        return boxfolder_is_absent(errno) ? boxop_end(op, MAILBOX_NO_FOLDER)
                                          : boxop_end_failed(op, "a folder cannot be opened");
    return begin(op);
}
