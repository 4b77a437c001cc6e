#include "fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void fail_write(struct fail *f, const char *fmt, ...)
{
    if (f != NULL) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(f->text, sizeof f->text, fmt, ap);
        va_end(ap);
        f->error = 0;
    }
}

void fail_write_errno(struct fail *f, const char *fmt, ...)
{
    int saved = errno;
    if (f != NULL) {
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(f->text, sizeof f->text, fmt, ap);
        va_end(ap);
        if (n >= 0 && (size_t)n < sizeof f->text)
            (void)snprintf(f->text + n, sizeof f->text - (size_t)n, ": %s", strerror(saved));
        f->error = saved;
    }
    errno = saved;
}

void fail_write_prefix(struct fail *f, const char *fmt, ...)
{
    if (f != NULL) {
        struct fail old = *f;
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(f->text, sizeof f->text, fmt, ap);
        va_end(ap);
        if (n >= 0 && (size_t)n < sizeof f->text)
            (void)snprintf(f->text + n, sizeof f->text - (size_t)n, ": %s", old.text);
    }
}

bool fail_is_of_disk(const struct fail *f)
{
    return f->error == ENOSPC || f->error == EDQUOT || f->error == EROFS || f->error == EIO;
}
