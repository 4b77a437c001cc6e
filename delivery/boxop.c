#include "boxop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "log.h"
#include "mem.h"
#include "rand.h"

struct boxop *boxop_new(struct mailbox_request *r, int account, boxop_step *first)
{
    struct boxop *op = mem_zero(sizeof *op);
    op->r = *r;
    op->a = mailbox_answer_new(MAILBOX_DONE);
    op->account = account;
    op->step = first;
    op->file = -1;
    op->folder = (struct boxfolder){-1, -1, -1, -1};
    return op;
}

void boxop_free(struct boxop **opp)
{
    struct boxop *op = *opp;
    if (op == NULL)
        return;
    if (op->name[0] != '\0' && op->folder.tmp >= 0)
        (void)unlinkat(op->folder.tmp, op->name, 0);
    if (op->searching)
        boxsearch_end(&op->search);
    if (op->dir != NULL)
        (void)closedir(op->dir);
    for (size_t i = 0; i < op->page_n; i++)
        mem_free(&op->page[i].file);
    mem_free(&op->page);
    boxnames_free(&op->names);
    boxcheck_free(&op->check);
    boxwords_clear(&op->words);
    boxfolder_close(&op->folder);
    file_close(&op->file);
    file_close(&op->account);
    mem_free(&op->hostname);
    mailbox_answer_clear(&op->a);
    mailbox_request_clear(&op->r);
    mem_free(opp);
}

void boxop_unique(const struct boxop *op, char *name, size_t size)
{
    int64_t now = clock_wall_ms();
    char number[24] = "";
    if (op->r.number != 0)
        (void)snprintf(number, sizeof number, "C%llu", (unsigned long long)op->r.number);
    (void)snprintf(name, size, "%lld.M%03lldP%dR%016llx%s.%.128s", (long long)(now / 1000),
                   (long long)(now % 1000), (int)getpid(), (unsigned long long)rand_u64(), number,
                   op->hostname);
}

bool boxop_end(struct boxop *op, enum mailbox_result result)
{
    mailbox_answer_clear(&op->a);
    op->a = mailbox_answer_new(result);
    return true;
}

bool boxop_end_failed(struct boxop *op, const char *what)
{
    int error = errno;
    bool full = error == EDQUOT || error == ENOSPC;
    log_error(NULL, "a mailbox cannot be changed or read", LS("account", op->r.account),
              LS("what", what), LS("why", strerror(error)));
    return boxop_end(op, full && op->r.type == MSG_MAILBOX_STORE ? MAILBOX_OVER_QUOTA
                                                                 : MAILBOX_UNAVAILABLE);
}

bool boxop_names(struct boxop *op, boxop_take *take, bool *over)
{
    const struct dirent *e = NULL;
    int error = 0;
    *over = false;
    if (op->dir == NULL)
        op->dir = boxfolder_stream(op->in_cur ? op->folder.cur : op->folder.new);
    if (op->dir == NULL)
        return boxop_end_failed(op, "a folder cannot be read");
    for (int i = 0; i < BOXFOLDER_NAMES && (e = boxfolder_next(op->dir, &error)) != NULL; i++) {
        if (boxname_is_file(e->d_name) && take(op, e))
            return true;
    }
    if (e != NULL)
        return false;
    errno = error;
    if (error != 0)
        return boxop_end_failed(op, "a folder cannot be read");
    (void)closedir(op->dir);
    op->dir = NULL;
    *over = op->in_cur;
    op->in_cur = true;
    return false;
}

void boxop_rewind(struct boxop *op)
{
    if (op->dir != NULL)
        (void)closedir(op->dir);
    op->dir = NULL;
    op->in_cur = false;
}
