#include "mailplace.h"

#include <string.h>
#include <strings.h>

#include "mem.h"

void mail_place_set(struct mail_place *p, const char *folder, const char *name, uint64_t inode,
                    int64_t mtime_ms)
{
    *p = (struct mail_place){mem_text(folder), mem_text(name), inode, mtime_ms};
}

void mail_place_copy(struct mail_place *to, const struct mail_place *from)
{
    mail_place_set(to, from->folder, from->name, from->inode, from->mtime_ms);
}

void mail_place_clear(struct mail_place *p)
{
    mem_free(&p->folder);
    mem_free(&p->name);
}

bool mail_place_equal(const struct mail_place *a, const struct mail_place *b)
{
    return strcmp(a->folder, b->folder) == 0 && strcmp(a->name, b->name) == 0 &&
           a->inode == b->inode;
}

void mail_place_put(struct buf *b, const struct mail_place *p)
{
    wire_put_text(b, p->folder);
    wire_put_text(b, p->name);
    wire_put_u64(b, p->inode);
    wire_put_i64(b, p->mtime_ms);
}

void mail_place_get(struct wire *w, struct mail_place *p)
{
    p->folder = wire_text(w, MAILPLACE_NAME_MAX);
    p->name = wire_text(w, MAILPLACE_NAME_MAX);
    p->inode = wire_u64(w);
    p->mtime_ms = wire_i64(w);
    if (p->mtime_ms < 0)
        wire_fail(w);
}

/* Its index, or n. */
static uint32_t find(const struct mail_words *words, const char *word)
{
    uint32_t i = 0;
    while (i < words->n && strcasecmp(words->list[i], word) != 0)
        i++;
    return i;
}

bool mail_words_has(const struct mail_words *words, const char *word)
{
    return find(words, word) < words->n;
}

static void append(struct mail_words *words, char *word)
{
    words->list = mem_resize(words->list, (words->n + 1) * sizeof *words->list);
    words->list[words->n++] = word;
}

bool mail_words_add(struct mail_words *words, const char *word)
{
    if (mail_words_has(words, word))
        return true;
    if (words->n >= MAIL_WORDS_MAX || strlen(word) > MAIL_WORD_MAX)
        return false;
    append(words, mem_text(word));
    return true;
}

bool mail_words_remove(struct mail_words *words, const char *word)
{
    uint32_t i = find(words, word);
    if (i == words->n)
        return false;
    mem_free(&words->list[i]);
    words->n--;
    memmove(&words->list[i], &words->list[i + 1], (words->n - i) * sizeof *words->list);
    return true;
}

void mail_words_copy(struct mail_words *to, const struct mail_words *from)
{
    *to = (struct mail_words){0};
    for (uint32_t i = 0; i < from->n; i++)
        append(to, mem_text(from->list[i]));
}

void mail_words_clear(struct mail_words *words)
{
    for (uint32_t i = 0; i < words->n; i++)
        mem_free(&words->list[i]);
    mem_free(&words->list);
    words->n = 0;
}

void mail_words_put(struct buf *b, const struct mail_words *words)
{
    wire_put_u32(b, words->n);
    for (uint32_t i = 0; i < words->n; i++)
        wire_put_text(b, words->list[i]);
}

void mail_words_get(struct wire *w, struct mail_words *words)
{
    uint32_t n = wire_count(w, MAIL_WORDS_MAX, 4);
    *words = (struct mail_words){.list = mem_array(n, sizeof *words->list)};
    while (words->n < n)
        words->list[words->n++] = wire_text(w, MAIL_WORD_MAX);
}
