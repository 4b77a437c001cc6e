#include "sm_queue.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ipc.h"
#include "mem.h"
#include "proto_admin.h"
#include "qid.h"
#include "sm_mailq.h"

#define PAGE 500

static int reach(const struct sm_site *site, struct buf *complaints)
{
    struct fail f;
    char *path = mem_format("%s/admin.sock", site->run_dir);
    int fd = ipc_connect(path, &f);
    if (fd < 0)
        buf_putf(complaints, "the mail system is not there: %s\n", f.text);
    mem_free(&path);
    return fd;
}

/* Moves what is in the buffer to standard output. Returns -1 when nobody takes it. */
static int print(struct buf *b)
{
    size_t n = b->n;
    size_t put = n > 0 ? fwrite(buf_span(b).p, 1, n, stdout) : 0;
    buf_clear(b);
    return put == n && fflush(stdout) == 0 ? 0 : -1;
}

static int walk(int fd, struct sm_mailq *q, struct buf *complaints)
{
    /* By id: a message's recipients one after the other. */
    struct admin_query everybody = {.sort = ADMIN_BY_ID, .limit = PAGE};
    struct admin_page page;
    struct fail f;
    do {
        if (admin_ask_list(fd, false, &everybody, &page, &f) != 0) {
            buf_putf(complaints, "%s\n", f.text);
            return EX_TEMPFAIL;
        }
        for (uint32_t i = 0; i < page.rows_n; i++)
            sm_mailq_row(q, &page.rows[i]);
        everybody.after = page.next;
        admin_page_clear(&page);
        if (print(q->out) != 0)
            return EX_IOERR;
    } while (everybody.after.id != 0);
    return EX_OK;
}

int sm_queue_list(const struct sm_options *o, const struct sm_site *site, struct buf *complaints)
{
    struct buf out = {0};
    struct sm_mailq q = {.out = &out, .json = o->json};
    int fd = reach(site, complaints);
    if (fd < 0)
        return EX_UNAVAILABLE;
    int code = walk(fd, &q, complaints);
    (void)close(fd);
    sm_mailq_end(&q);
    if (code == EX_OK && print(&out) != 0)
        code = EX_IOERR;
    buf_free(&out);
    return code;
}

/* What to flush may stand in the option's word or as the operand. */
static const char *flush_text(const struct sm_options *o)
{
    return o->flush_text[0] == '\0' && o->operands_n > 0 ? o->operands[0] : o->flush_text;
}

static int fill_filter(const struct sm_options *o, struct admin_filter *filter)
{
    const char *text = flush_text(o);
    switch (o->flush) {
    case SM_FLUSH_ID:
        filter->ids = mem_array(1, sizeof *filter->ids);
        filter->ids_n = 1;
        filter->messages = true;
        return qid_parse(span_text(text), filter->ids);
    case SM_FLUSH_RECIPIENT:
        filter->to = mem_text(text);
        return 0;
    case SM_FLUSH_SENDER:
        filter->from = mem_text(text);
        return 0;
    default:
        return 0;
    }
}

int sm_queue_flush(const struct sm_options *o, const struct sm_site *site, struct buf *complaints)
{
    struct admin_filter filter = {0};
    struct fail f;
    uint64_t count;
    int code = EX_OK, fd = -1;
    if (fill_filter(o, &filter) != 0) {
        buf_putf(complaints, "not a queue id: %s\n", flush_text(o));
        code = EX_USAGE;
    } else if ((fd = reach(site, complaints)) < 0) {
        code = EX_TEMPFAIL;
    } else if (admin_ask_act(fd, ADMIN_KICK, NULL, &filter, false, &count, &f) != 0 &&
               strcmp(f.text, "permission denied") != 0) {
        buf_putf(complaints, "%s\n", f.text);
        code = EX_TEMPFAIL;
    }
    if (fd >= 0)
        (void)close(fd);
    admin_filter_clear(&filter);
    return code;
}
