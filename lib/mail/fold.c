#include "fold.h"

#include "encword.h"

void fold_begin(struct fold *fold, struct buf *out, const char *name, const char *cut)
{
    size_t before = out->n;
    buf_puts(out, name);
    buf_putc(out, ':');
    *fold = (struct fold){out, out->n - before, cut, true};
}

void fold_word(struct fold *fold, struct span word)
{
    if (word.n == 0)
        return;
    if (!fold->first && fold->column + 1 + word.n > FOLD_COLUMNS) {
        buf_puts(fold->out, "\r\n");
        buf_puts(fold->out, fold->cut);
        fold->column = 1;
    } else {
        buf_putc(fold->out, ' ');
        fold->column++;
    }
    buf_put_span(fold->out, word);
    fold->column += word.n;
    fold->first = false;
}

/* Cuts off the next run of octets that are neither space nor control character, of at most max. */
static struct span next_word(struct span *rest, size_t max)
{
    size_t start = 0, end;
    while (start < rest->n && (rest->p[start] <= ' ' || rest->p[start] == 0x7f))
        start++;
    for (end = start; end < rest->n && end - start < max; end++) {
        if (rest->p[end] <= ' ' || rest->p[end] == 0x7f)
            break;
    }
    /* Not within a UTF-8 sequence, when the limit cut it. */
    for (size_t back = 0; back < 3 && end < rest->n && (rest->p[end] & 0xc0) == 0x80; back++) {
        if (end - 1 > start)
            end--;
    }
    struct span word = span_of(rest->p + start, end - start);
    *rest = span_of(rest->p + end, rest->n - end);
    return word;
}

void fold_text(struct fold *fold, struct span text)
{
    while (text.n > 0)
        fold_word(fold, next_word(&text, FOLD_WORD_MAX));
}

void fold_words(struct fold *fold, const char *text)
{
    fold_text(fold, span_text(text));
}

void fold_mailbox(struct fold *fold, struct span name, const struct address *a, bool utf8,
                  bool last)
{
    struct buf word = {0};
    encword_phrase(fold, name, utf8);
    buf_putc(&word, '<');
    if (utf8)
        address_write_unicode(&word, a);
    else
        address_write(&word, a);
    buf_puts(&word, last ? ">" : ">,");
    fold_word(fold, buf_span(&word));
    buf_free(&word);
}

void fold_end(struct fold *fold)
{
    buf_puts(fold->out, "\r\n");
    fold->column = 0;
}
