#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boxop.h"
#include "mem.h"

/* Whether messages are still in the mailbox: all of it is read, and whatever has the name or the
 * inode of one speaks for it, wherever it is. Better a message too many than one too few: whoever
 * asks forgets those that are not there. */

#define ROUNDS 2 /* a name that changes while a folder is read may be missed there */

struct boxcheck {
    const struct mail_place *places; /* the request's */
    uint32_t n, missing;
    bool *seen;
    struct by_name {
        const char *name;
        uint32_t at;
    } * names; /* in order */
    struct by_inode {
        uint64_t inode;
        uint32_t at;
    } * inodes;
    char **folders; /* the inbox first */
    size_t folders_n, at;
    unsigned rounds;
};

void boxcheck_free(struct boxcheck **cp)
{
    struct boxcheck *c = *cp;
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->folders_n; i++)
        mem_free(&c->folders[i]);
    mem_free(&c->folders);
    mem_free(&c->names);
    mem_free(&c->inodes);
    mem_free(&c->seen);
    mem_free(cp);
}

static int order_of_names(const void *a, const void *b)
{
    return strcmp(((const struct by_name *)a)->name, ((const struct by_name *)b)->name);
}

static int order_of_inodes(const void *a, const void *b)
{
    uint64_t x = ((const struct by_inode *)a)->inode, y = ((const struct by_inode *)b)->inode;
    return x < y ? -1 : x > y;
}

static struct boxcheck *new_check(const struct mailbox_request *r)
{
    struct boxcheck *c = mem_zero(sizeof *c);
    c->places = r->places;
    c->n = c->missing = r->places_n;
    c->seen = mem_array(c->n, sizeof *c->seen);
    c->names = mem_array(c->n, sizeof *c->names);
    c->inodes = mem_array(c->n, sizeof *c->inodes);
    for (uint32_t i = 0; i < c->n; i++) {
        c->names[i] = (struct by_name){c->places[i].name, i};
        c->inodes[i] = (struct by_inode){c->places[i].inode, i};
    }
    qsort(c->names, c->n, sizeof *c->names, order_of_names);
    qsort(c->inodes, c->n, sizeof *c->inodes, order_of_inodes);
    return c;
}

static void set_seen(struct boxcheck *c, uint32_t i)
{
    c->missing -= !c->seen[i];
    c->seen[i] = true;
}

/* All of an equal name, and all of an equal inode. */
static bool look(struct boxop *op, const struct dirent *e)
{
    struct boxcheck *c = op->check;
    char base[MAILPLACE_NAME_MAX + 1];
    size_t n = boxname_base(e->d_name);
    if (n >= sizeof base)
        return false;
    memcpy(base, e->d_name, n);
    base[n] = '\0';
    struct by_name name = {base, 0};
    struct by_inode inode = {e->d_ino, 0};
    const struct by_name *names = bsearch(&name, c->names, c->n, sizeof name, order_of_names);
    for (; names != NULL && names > c->names && order_of_names(names - 1, &name) == 0; names--)
        ;
    for (; names != NULL && names < c->names + c->n && order_of_names(names, &name) == 0; names++)
        set_seen(c, names->at);
    const struct by_inode *inodes = bsearch(&inode, c->inodes, c->n, sizeof inode, order_of_inodes);
    for (; inodes != NULL && inodes > c->inodes && (inodes - 1)->inode == inode.inode; inodes--)
        ;
    for (; inodes != NULL && inodes < c->inodes + c->n && inodes->inode == inode.inode; inodes++)
        set_seen(c, inodes->at);
    return false;
}

static bool tell(struct boxop *op)
{
    const struct boxcheck *c = op->check;
    op->a.missing = mem_array(c->missing, sizeof *op->a.missing);
    for (uint32_t i = 0; i < c->n; i++) {
        if (!c->seen[i])
            op->a.missing[op->a.missing_n++] = i;
    }
    return true;
}

static bool go_on(struct boxop *op)
{
    struct boxcheck *c = op->check;
    boxfolder_close(&op->folder);
    if (c->missing == 0)
        return tell(op);
    if (++c->at < c->folders_n)
        return false;
    c->at = 0;
    return ++c->rounds == ROUNDS && tell(op);
}

static bool cannot_read(struct boxop *op, int error)
{
    errno = error;
    return boxop_end_failed(op, "a folder cannot be read");
}

/* A folder that is gone since has nothing in it; the inbox is always there. */
static bool read_names(struct boxop *op)
{
    const struct boxcheck *c = op->check;
    struct fail f;
    bool over;
    if (op->folder.dir < 0) {
        op->in_cur = false;
        if (boxfolder_open(&op->folder, op->account, c->folders[c->at], &f) != 0)
            return c->at > 0 && boxfolder_is_absent(errno) ? go_on(op) : cannot_read(op, errno);
    }
    return boxop_names(op, look, &over) || (over && go_on(op));
}

bool boxop_check(struct boxop *op)
{
    struct boxcheck *c = op->check = new_check(&op->r);
    char **others;
    size_t n;
    int rc = boxsearch_folders(op->account, &others, &n), error = errno;
    c->folders = mem_array(n + 1, sizeof *c->folders);
    c->folders[c->folders_n++] = mem_text("");
    for (size_t i = 0; i < n; i++)
        c->folders[c->folders_n++] = others[i];
    mem_free(&others);
    if (rc != 0)
        return cannot_read(op, error);
    if (n >= MAILBOX_FOLDERS_MAX) /* there may be more, with messages in them */
        return boxop_end(op, MAILBOX_UNAVAILABLE);
    op->step = read_names;
    return false;
}
