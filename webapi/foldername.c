#include "foldername.h"

#include <string.h>

#include "mailplace.h"
#include "mem.h"
#include "mutf7.h"

static void replace(struct buf *b, char from, char to)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->p[b->head + i] == (unsigned char)from)
            b->p[b->head + i] = (unsigned char)to;
    }
}

char *foldername_shown(const char *stored)
{
    struct buf b = {0};
    if (stored[0] == '\0')
        return mem_text(FOLDERNAME_INBOX);
    buf_puts(&b, stored);
    replace(&b, '.', '/');
    struct buf shown = {0};
    if (mutf7_decode(&shown, buf_span(&b)) != 0)
        buf_put_span(&shown, buf_span(&b)); /* made by somebody who does not know the form */
    buf_free(&b);
    return buf_take_text(&shown);
}

char *foldername_stored(struct span shown)
{
    struct buf b = {0};
    if (span_is_nocase(shown, FOLDERNAME_INBOX))
        return mem_text("");
    if (shown.n == 0 || span_find(shown, '.') >= 0 || mutf7_encode(&b, shown) != 0 ||
        b.n >= MAILPLACE_NAME_MAX) {
        buf_free(&b);
        return NULL;
    }
    replace(&b, '/', '.');
    return buf_take_text(&b);
}
