#include "ctl_rows.h"

#include <sysexits.h>

#include "ctl_filter.h"
#include "mem.h"

void ctl_rows_open(struct ctl_rows *r, const struct ctl *c, const char *const *headings)
{
    *r = (struct ctl_rows){.table = c->json ? NULL : ctl_table_new(headings)};
}

void ctl_rows_object(struct ctl_rows *r)
{
    buf_puts(&r->octets, r->n == 0 ? "[" : ",");
    jsonwrite_open(&r->json, &r->octets, 0);
    jsonwrite_object(&r->json);
}

void ctl_rows_object_end(struct ctl_rows *r)
{
    jsonwrite_object_end(&r->json);
    jsonwrite_close(&r->json);
}

void ctl_rows_flush(struct ctl_rows *r)
{
    if (r->table != NULL && r->n > 0)
        ctl_table_flush(r->table);
    if (r->octets.n > 0)
        (void)fwrite(buf_span(&r->octets).p, 1, r->octets.n, stdout);
    (void)fflush(stdout);
    buf_clear(&r->octets);
}

int ctl_rows_close(struct ctl_rows *r, int code, const char *none, struct admin_place next)
{
    if (code == EX_OK && r->table == NULL)
        (void)fputs(r->n == 0 ? "[]\n" : "]\n", stdout);
    if (code == EX_OK && r->table != NULL && r->n == 0)
        (void)puts(none);
    if (r->table != NULL)
        ctl_table_print(&r->table);
    if (code == EX_OK && next.id != 0) {
        char *place = ctl_place_text(next);
        (void)ctl_fail(0, "there may be more: --after %s", place);
        mem_free(&place);
    }
    buf_free(&r->octets);
    return code;
}

uint32_t ctl_rows_wanted(const struct ctl_rows *r, uint32_t page, uint32_t limit)
{
    if (limit == 0)
        return page;
    return r->n >= limit ? 0 : limit - r->n < page ? (uint32_t)(limit - r->n) : page;
}
