#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "boxop.h"
#include "file.h"
#include "mem.h"

/* A page of a folder: all names of new and cur are read and kept for the pages behind it
 * (boxnames.h), then each name of the page is looked at. Of a folder too large to be kept the least
 * names above a given one are gathered, so that memory is bounded by the page; each page has it
 * read again then. */

#define FILES_A_STEP 50

static boxop_step read_all, gather, describe;

/* Where in the page the name belongs; *there: one of the same base is at that place. */
static size_t place_of(const struct boxop *op, const char *file, bool *there)
{
    size_t low = 0, high = op->page_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (boxname_compare(op->page[middle].file, file) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < op->page_n && boxname_compare(op->page[low].file, file) == 0;
    return low;
}

/* The page has one name more than the limit, to tell whether there is another page. */
static bool add(struct boxop *op, const struct dirent *e)
{
    const char *file = e->d_name;
    bool there;
    if (boxname_compare(file, op->r.after) <= 0)
        return false;
    size_t i = place_of(op, file, &there);
    if (there) { /* it went from new to cur meanwhile */
        mem_free(&op->page[i].file);
        op->page[i] = (struct boxname_entry){mem_text(file), op->in_cur};
        return false;
    }
    if (i > op->r.limit)
        return false;
    if (op->page_n > op->r.limit)
        mem_free(&op->page[--op->page_n].file);
    memmove(&op->page[i + 1], &op->page[i], (op->page_n - i) * sizeof *op->page);
    op->page[i] = (struct boxname_entry){mem_text(file), op->in_cur};
    op->page_n++;
    return false;
}

static void begin_describing(struct boxop *op)
{
    if (op->page_n > op->r.limit) {
        const char *last = op->page[op->r.limit - 1].file;
        mem_free(&op->page[--op->page_n].file);
        mem_free(&op->a.next);
        op->a.next = mem_textn(last, boxname_base(last));
    }
    boxwords_read(&op->words, op->folder.dir);
    op->a.files = mem_array(op->page_n, sizeof *op->a.files);
    op->step = describe;
}

static bool gather(struct boxop *op)
{
    bool over;
    if (boxop_names(op, add, &over))
        return true;
    if (over)
        begin_describing(op);
    return false;
}

static bool read_anew(struct boxop *op)
{
    while (op->page_n > 0)
        mem_free(&op->page[--op->page_n].file);
    op->page_at = 0;
    while (op->a.files_n > 0)
        mailbox_file_clear(&op->a.files[--op->a.files_n]);
    mem_free(&op->a.files);
    mem_free(&op->a.next);
    op->a.next = mem_text("");
    boxwords_clear(&op->words);
    op->from_kept = false;
    op->names = boxnames_new(op->kept, &op->folder);
    op->step = read_all;
    return false;
}

/* One that was renamed since its name was read is left out: the next list has it. When that was
 * some time ago, others may be missing as well, and the folder is read again. */
static bool describe(struct boxop *op)
{
    for (int i = 0; i < FILES_A_STEP && op->page_at < op->page_n; i++, op->page_at++) {
        const struct boxname_entry *e = &op->page[op->page_at];
        if (boxfolder_file(op->r.folder, e->in_cur ? op->folder.cur : op->folder.new, e->file,
                           &op->words, &op->a.files[op->a.files_n]) == 0)
            op->a.files_n++;
        else if (op->from_kept)
            return read_anew(op);
    }
    return op->page_at == op->page_n;
}

static void take_page(struct boxop *op, struct boxnames *n)
{
    op->page_n = boxnames_page(n, op->r.after, (size_t)op->r.limit + 1, op->page);
}

static bool keep_name(struct boxop *op, const struct dirent *e)
{
    if (op->names != NULL && !boxnames_add(op->names, e->d_name, op->in_cur))
        boxnames_free(&op->names);
    return false;
}

static bool read_all(struct boxop *op)
{
    bool over;
    if (boxop_names(op, keep_name, &over))
        return true;
    if (op->names == NULL) { /* there is no room for all of them */
        boxop_rewind(op);
        op->step = gather;
    } else if (over) {
        struct boxnames *n = op->names;
        op->names = NULL;
        boxnames_keep(n, op->r.account, op->r.folder);
        take_page(op, n);
        begin_describing(op);
    }
    return false;
}

/* A later page of what was read a moment ago is right as long as its files are there under their
 * names: what came since is behind it. Not so the last one, which would have those, too. */
static bool take_from_kept(struct boxop *op)
{
    struct boxnames *n = boxnames_find(op->kept, op->r.account, op->r.folder);
    if (n == NULL)
        return false;
    bool exact = boxnames_are_exact(n, &op->folder);
    if (!exact && (op->r.after[0] == '\0' || !boxnames_are_young(n)))
        return false;
    take_page(op, n);
    op->from_kept = exact || op->page_n > op->r.limit;
    return op->from_kept;
}

bool boxop_list(struct boxop *op)
{
    struct fail f;
    if (boxfolder_open(&op->folder, op->account, op->r.folder, &f) != 0)
        return boxfolder_is_absent(errno) ? boxop_end(op, MAILBOX_NO_FOLDER)
                                          : boxop_end_failed(op, f.text);
    op->page = mem_array((size_t)op->r.limit + 2, sizeof *op->page);
    if (!take_from_kept(op))
        return read_anew(op);
    begin_describing(op);
    return false;
}

bool boxop_folders(struct boxop *op)
{
    size_t n;
    int rc = boxsearch_folders(op->account, &op->a.folders, &n);
    op->a.folders_n = (uint32_t)n;
    return rc == 0 || boxop_end_failed(op, "the folders cannot be read");
}
