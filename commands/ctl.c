#include "ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include <libsmartcols.h>

#include "ipc.h"
#include "mem.h"
#include "qid.h"
#include "utf8.h"

int ctl_fail(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fputs("qmctl: ", stderr);
    (void)vfprintf(stderr, fmt, ap);
    (void)fputc('\n', stderr);
    va_end(ap);
    return code;
}

int ctl_code(const char *why, int otherwise)
{
    static const struct {
        const char *why; /* its beginning */
        int code;
    } known[] = {
        {"permission denied", EX_NOPERM},
        {"no such ", EX_DATAERR},
        {"there are as many rules as there may be", EX_DATAERR},
        {"the account is in the configuration", EX_DATAERR},
        {"a reload is under way", EX_TEMPFAIL},
        {"the suite is still starting", EX_TEMPFAIL},
        {"stopping", EX_TEMPFAIL},
        {"no answer in time", EX_UNAVAILABLE},
        {"the other side closed the connection", EX_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strncmp(known[i].why, why, strlen(known[i].why)) == 0)
            return known[i].code;
    }
    return otherwise;
}

static int reach(struct ctl *c, const char *name)
{
    struct fail f;
    char *path = mem_format("%s/%s", c->run_dir, name);
    int fd = ipc_connect(path, &f);
    if (fd < 0) {
        bool absent = errno == ENOENT || errno == ECONNREFUSED;
        c->unreached = errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
        (void)ctl_fail(0, "%s%s", f.text,
                       absent ? " (is the suite running? -c names its configuration)" : "");
    }
    mem_free(&path);
    return fd;
}

int ctl_admin(struct ctl *c)
{
    return reach(c, "admin.sock");
}

int ctl_master(struct ctl *c)
{
    return reach(c, "master.sock");
}

struct ctl_table {
    struct libscols_table *table;
    struct libscols_line *line;
    size_t columns, column;
};

void ctl_put_safe(struct buf *out, const char *text)
{
    struct span s = span_text(text);
    for (size_t i = 0; i < s.n;) {
        size_t n = utf8_sequence(s.p + i, s.n - i);
        if (n == 0 || s.p[i] < ' ' || s.p[i] == 0x7f || (s.p[i] == 0xc2 && s.p[i + 1] < 0xa0))
            buf_putc(out, '?');
        else
            buf_put(out, s.p + i, n);
        i += n == 0 ? 1 : n;
    }
}

struct ctl_table *ctl_table_new(const char *const *headings)
{
    struct ctl_table *t = mem_zero(sizeof *t);
    scols_init_debug(0);
    t->table = scols_new_table();
    for (; headings[t->columns] != NULL; t->columns++)
        (void)scols_table_new_column(t->table, headings[t->columns], 0, 0);
    t->column = t->columns;
    return t;
}

void ctl_table_cell(struct ctl_table *t, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct buf shown = {0};
    ctl_put_safe(&shown, text);
    if (t->column >= t->columns) {
        t->line = scols_table_new_line(t->table, NULL);
        t->column = 0;
    }
    (void)scols_line_set_data(t->line, t->column++, buf_text(&shown));
    buf_free(&shown);
}

void ctl_table_flush(struct ctl_table *t)
{
    (void)scols_print_table(t->table);
    (void)fflush(stdout);
    for (size_t i = 0; i < t->columns; i++) {
        struct libscols_column *c = scols_table_get_column(t->table, i);
        (void)scols_column_set_whint(c, (double)scols_column_get_width(c));
    }
    scols_table_remove_lines(t->table);
    (void)scols_table_enable_noheadings(t->table, 1);
    t->line = NULL;
    t->column = t->columns;
}

void ctl_table_print(struct ctl_table **t)
{
    (void)scols_print_table((*t)->table);
    scols_unref_table((*t)->table);
    mem_free(t);
}

const char *ctl_span_text(int64_t ms, char *out, size_t size)
{
    int64_t s = ms / 1000;
    if (s < 60)
        (void)snprintf(out, size, "%llds", (long long)s);
    else if (s < 3600)
        (void)snprintf(out, size, "%lldm%02llds", (long long)(s / 60), (long long)(s % 60));
    else if (s < 86400)
        (void)snprintf(out, size, "%lldh%02lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
    else
        (void)snprintf(out, size, "%lldd%02lldh", (long long)(s / 86400),
                       (long long)(s / 3600 % 24));
    return out;
}

const char *ctl_time_text(int64_t wall_ms, char *out, size_t size)
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    if (localtime_r(&s, &tm) == NULL || strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        (void)snprintf(out, size, "?");
    return out;
}

int ctl_id(const char *text, uint64_t *id)
{
    if (qid_parse(span_text(text), id) == 0)
        return 0;
    return ctl_fail(EX_USAGE, "not a queue id: %s", text);
}

void ctl_print(struct buf *b)
{
    (void)fwrite(buf_span(b).p, 1, b->n, stdout);
    (void)fputc('\n', stdout);
    buf_free(b);
}
