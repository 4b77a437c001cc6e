#include "answer.h"

#include <stdarg.h>

#include "reply.h"
#include "transaction.h"

static void write_reply(const struct session *s, struct buf *out, int code, const char *enhanced,
                        struct span text)
{
    if (s->transaction != NULL && s->transaction->mail.smtputf8)
        reply_write_utf8(out, code, enhanced, text);
    else
        reply_write(out, code, enhanced, text);
}

static void write_format(const struct session *s, struct buf *out, int code, const char *enhanced,
                         const char *fmt, va_list ap) __attribute__((format(printf, 5, 0)));

static void write_format(const struct session *s, struct buf *out, int code, const char *enhanced,
                         const char *fmt, va_list ap)
{
    struct buf text = {0};
    buf_vputf(&text, fmt, ap);
    /* A challenge is nobody else's business. */
    log_debug(&s->log, "reply", LI("code", code),
              LSPAN("text", code == 334 ? (struct span){0} : buf_span(&text)));
    write_reply(s, out, code, enhanced, buf_span(&text));
    buf_free(&text);
}

void answer(struct session *s, int code, const char *enhanced, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    write_format(s, conn_output(s->conn), code, enhanced, fmt, ap);
    va_end(ap);
}

void answer_after(struct session *s, int64_t ms, int code, const char *enhanced, const char *fmt,
                  ...)
{
    va_list ap;
    va_start(ap, fmt);
    write_format(s, ms > 0 ? &s->held : conn_output(s->conn), code, enhanced, fmt, ap);
    va_end(ap);
    if (ms > 0)
        session_pause(s, ms);
}

void answer_last(struct session *s, int code, const char *enhanced, const char *text)
{
    answer(s, code, enhanced, "%s", text);
    session_close(s);
}

bool answer_enough(struct session *s)
{
    server_count(s->server, COUNT_ERRORS, 1);
    if (++s->errors < s->settings->errors)
        return false;
    log_info(&s->log, "too many mistakes", LU("mistakes", s->errors));
    answer_last(s, 421, "4.7.0", "too many mistakes");
    return true;
}

void answer_mistake(struct session *s, int code, const char *enhanced, const char *fmt, ...)
{
    va_list ap;
    if (answer_enough(s))
        return;
    va_start(ap, fmt);
    write_format(s, &s->held, code, enhanced, fmt, ap);
    va_end(ap);
    session_penalize(s);
}

void answer_refusal(struct session *s, const struct path_refusal *why)
{
    answer_mistake(s, why->code, why->enhanced, "%s", why->text);
}
