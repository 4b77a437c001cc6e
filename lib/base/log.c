#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

/* A longer value is cut, with an ellipsis: a log line is not a place to store mail. */
#define VALUE_MAX 2048

static char process_name[80] = "quartermaster"; /* as long as the name of a process can be */
static enum log_level least_level = LOG_INFO_;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_open(const char *name, enum log_level least)
{
    (void)snprintf(process_name, sizeof process_name, "%s", name);
    least_level = least;
}

void log_set_level(enum log_level least)
{
    least_level = least;
}

int log_level_parse(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

static bool is_plain(struct span v)
{
    if (v.n == 0)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] <= ' ' || v.p[i] == '"' || v.p[i] == '=' || v.p[i] == '\\' || v.p[i] >= 0x7f)
            return false;
    }
    return true;
}

/* How many octets from here on stand in quotes as they are. */
static size_t plain_run(struct span v, size_t i)
{
    size_t from = i;
    while (i < v.n && v.p[i] >= ' ' && v.p[i] < 0x7f && v.p[i] != '"' && v.p[i] != '\\')
        i++;
    return i - from;
}

static void put_quoted(struct buf *out, struct span v)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < v.n;) {
        size_t plain = plain_run(v, i);
        if (plain > 0) {
            buf_put(out, v.p + i, plain);
            i += plain;
            continue;
        }
        unsigned char c = v.p[i];
        size_t len = utf8_sequence(v.p + i, v.n - i);
        if (c == '"' || c == '\\')
            buf_putf(out, "\\%c", c);
        else if (c == '\n')
            buf_puts(out, "\\n");
        else if (c == '\r')
            buf_puts(out, "\\r");
        else if (c == '\t')
            buf_puts(out, "\\t");
        else if (len == 0 || c < ' ' || c == 0x7f || (c == 0xc2 && v.p[i + 1] < 0xa0))
            buf_putf(out, "\\x%02x", c), len = 1;
        else
            buf_put(out, v.p + i, len);
        i += len;
    }
    buf_putc(out, '"');
}

static void put_value(struct buf *out, struct span v)
{
    bool cut = v.n > VALUE_MAX;
    if (cut)
        v.n = VALUE_MAX;
    if (is_plain(v))
        buf_put_span(out, v);
    else
        put_quoted(out, v);
    if (cut)
        buf_puts(out, "...");
}

/* Without printf: each line has several, and a busy process writes thousands a second. */
static void put_number(struct buf *out, uint64_t u, bool negative)
{
    char text[21];
    size_t at = sizeof text;
    do
        text[--at] = (char)('0' + u % 10);
    while ((u /= 10) > 0);
    if (negative)
        text[--at] = '-';
    buf_put(out, text + at, sizeof text - at);
}

static void put_kv(struct buf *out, const struct log_kv *kv)
{
    buf_putc(out, ' ');
    buf_puts(out, kv->key);
    buf_putc(out, '=');
    switch (kv->type) {
    case LOG_STR:
        put_value(out, span_text(kv->s));
        break;
    case LOG_SPAN:
        put_value(out, kv->span);
        break;
    case LOG_INT:
        put_number(out, kv->i < 0 ? 0 - (uint64_t)kv->i : (uint64_t)kv->i, kv->i < 0);
        break;
    case LOG_UINT:
        put_number(out, kv->u, false);
        break;
    }
}

void log_ctx_add(struct log_ctx *ctx, const char *key, const char *value)
{
    struct buf text = {0};
    put_kv(&text, &LS(key, value));
    size_t used = strlen(ctx->text);
    if (used + text.n < sizeof ctx->text)
        (void)snprintf(ctx->text + used, sizeof ctx->text - used, "%s", buf_text(&text));
    buf_free(&text);
}

void log_ctx_clear(struct log_ctx *ctx)
{
    ctx->text[0] = '\0';
}

void log_format(struct buf *out, enum log_level level, const struct log_ctx *ctx, const char *msg,
                const struct log_kv *kv)
{
    (void)buf_room(out, 512);
    buf_puts(out, "l=");
    buf_puts(out, level_names[level]);
    buf_puts(out, " p=");
    buf_puts(out, process_name);
    buf_puts(out, " m=");
    put_quoted(out, span_text(msg));
    if (ctx != NULL)
        buf_puts(out, ctx->text);
    for (; kv->key != NULL; kv++)
        put_kv(out, kv);
    buf_putc(out, '\n');
}

void log_write(enum log_level level, const struct log_ctx *ctx, const char *msg,
               const struct log_kv *kv)
{
    if (level < least_level)
        return;
    int saved = errno;
    struct buf line = {0};
    log_format(&line, level, ctx, msg, kv);
    /* Nothing sensible is left to do when standard error is gone. */
    ssize_t ignored = write(STDERR_FILENO, buf_span(&line).p, line.n);
    (void)ignored;
    buf_free(&line);
    errno = saved;
}
