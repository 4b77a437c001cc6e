#include "sm_say.h"

#include <stdio.h>

#include "ascii.h"
#include "reply.h"

void sm_say(const char *mark, struct span text)
{
    struct span line;
    struct buf out = {0};
    while (ascii_token(&text, "\n", &line)) {
        buf_putf(&out, "%s ", mark);
        reply_escape(&out, line);
        buf_putc(&out, '\n');
    }
    if (out.n > 0)
        (void)fwrite(buf_span(&out).p, 1, out.n, stderr);
    buf_free(&out);
}
