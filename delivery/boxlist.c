#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "boxop.h"
#include "file.h"
#include "mem.h"

/* A page of a folder: the least names above a given one are gathered from all of new and cur, so
 * that memory is bounded by the page, then each of them is looked at. */

#define FILES_A_STEP 50

static boxop_step gather, describe;

static int compare(const char *a, const char *b)
{
    size_t an = boxname_base(a), bn = boxname_base(b);
    int c = memcmp(a, b, an < bn ? an : bn);
    return c != 0 ? c : an < bn ? -1 : an > bn;
}

/* Where in the page the name belongs; *there: one of the same base is at that place. */
static size_t place_of(const struct boxop *op, const char *file, bool *there)
{
    size_t low = 0, high = op->page_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(op->page[middle].file, file) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < op->page_n && compare(op->page[low].file, file) == 0;
    return low;
}

/* The page has one name more than the limit, to tell whether there is another page. */
static bool add(struct boxop *op, const struct dirent *e)
{
    const char *file = e->d_name;
    bool there;
    if (compare(file, op->r.after) <= 0)
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

/* One that was renamed since its name was read is left out: the next list has it. */
static bool describe(struct boxop *op)
{
    for (int i = 0; i < FILES_A_STEP && op->page_at < op->page_n; i++, op->page_at++) {
        const struct boxname_entry *e = &op->page[op->page_at];
        if (boxfolder_file(op->r.folder, e->in_cur ? op->folder.cur : op->folder.new, e->file,
                           &op->words, &op->a.files[op->a.files_n]) == 0)
            op->a.files_n++;
    }
    return op->page_at == op->page_n;
}

bool boxop_list(struct boxop *op)
{
    struct fail f;
    if (boxfolder_open(&op->folder, op->account, op->r.folder, &f) != 0)
        return boxfolder_is_absent(errno) ? boxop_end(op, MAILBOX_NO_FOLDER)
                                          : boxop_end_failed(op, f.text);
    op->page = mem_array((size_t)op->r.limit + 2, sizeof *op->page);
    op->step = gather;
    return false;
}

bool boxop_folders(struct boxop *op)
{
    size_t n;
    int rc = boxsearch_folders(op->account, &op->a.folders, &n);
    op->a.folders_n = (uint32_t)n;
    return rc == 0 || boxop_end_failed(op, "the folders cannot be read");
}
