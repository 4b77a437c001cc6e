#ifndef QM_LOG_H
#define QM_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* One line of logfmt on standard error an event:
 *
 *     l=info p=smtpd/0 m="mail accepted" cid=5f3a qid=KX81 from=a@b.example size=812
 *
 * The line's own values come first, then what the object is known by (struct log_ctx), then the
 * rest. A value is quoted when it needs to be; control characters and octets that are not UTF-8 are
 * escaped, so a stranger can never start a line of their own. A line is one write(2). */

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_ };

/* What an object is known by in the log: "cid=5f3a qid=KX81". Filled by log_ctx_add; all-zero is
 * empty. */
struct log_ctx {
    char text[160];
};

struct log_kv {
    const char *key; /* NULL ends the list */
    enum { LOG_STR, LOG_SPAN, LOG_INT, LOG_UINT } type;
    union {
        const char *s;
        struct span span;
        int64_t i;
        uint64_t u;
    };
};

#define LS(k, v) ((struct log_kv){.key = (k), .type = LOG_STR, .s = (v)})
#define LSPAN(k, v) ((struct log_kv){.key = (k), .type = LOG_SPAN, .span = (v)})
#define LI(k, v) ((struct log_kv){.key = (k), .type = LOG_INT, .i = (v)})
#define LU(k, v) ((struct log_kv){.key = (k), .type = LOG_UINT, .u = (v)})

#define LOG_AT(level, ctx, msg, ...)                                                               \
    log_write((level), (ctx), (msg), (const struct log_kv[]){__VA_ARGS__ __VA_OPT__(, ){0}})
/* log_info(ctx or NULL, "event", LS("key", value), LU("n", 3), ...) */
#define log_debug(...) LOG_AT(LOG_DEBUG_, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_INFO_, __VA_ARGS__)
#define log_warn(...) LOG_AT(LOG_WARN_, __VA_ARGS__)
#define log_error(...) LOG_AT(LOG_ERROR_, __VA_ARGS__)

/* The process's name for p=, and the least level that is written. name is copied. */
void log_open(const char *name, enum log_level least);
void log_set_level(enum log_level least);
/* "debug", "info", "warn", "error" to a level. Returns 0, or -1 if unknown. */
int log_level_parse(const char *text, enum log_level *level);

/* Adds one more key and value to what the object is known by; left out when the line has no room
 * for it. */
void log_ctx_add(struct log_ctx *ctx, const char *key, const char *value);
void log_ctx_clear(struct log_ctx *ctx);

/* The line as it would be written, newline included. For tests. A NULL string is written as "". */
void log_format(struct buf *out, enum log_level level, const struct log_ctx *ctx, const char *msg,
                const struct log_kv *kv);
void log_write(enum log_level level, const struct log_ctx *ctx, const char *msg,
               const struct log_kv *kv);

#endif
