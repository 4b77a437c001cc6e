#include "confsource.h"

#include <assert.h>
#include <string.h>

#include "mem.h"
#include "utf8.h"

uint32_t confsource_add(struct confsource_list *list, const char *name, const char *folder,
                        struct buf *text)
{
    struct confsource *source = mem_zero(sizeof *source);
    source->name = mem_text(name);
    source->folder = mem_text(folder);
    source->text = *text;
    *text = (struct buf){0};
    if ((list->n & (list->n - 1)) == 0) /* full at each power of two */
        list->v = mem_resize(list->v, (list->n == 0 ? 1 : list->n * 2) * sizeof *list->v);
    list->v[list->n] = source;
    return (uint32_t)list->n++;
}

void confsource_forget_texts(struct confsource_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        buf_wipe(&list->v[i]->text);
}

void confsource_free(struct confsource_list *list)
{
    confsource_forget_texts(list);
    for (size_t i = 0; i < list->n; i++) {
        mem_free(&list->v[i]->name);
        mem_free(&list->v[i]->folder);
        mem_free(&list->v[i]);
    }
    mem_free(&list->v);
    list->n = 0;
}

static struct span text_of(const struct confsource_list *list, struct confsource_pos at)
{
    assert(at.file < list->n);
    struct span text = buf_span(&list->v[at.file]->text);
    assert(at.offset <= text.n);
    return text;
}

size_t confsource_indent(const struct confsource_list *list, struct confsource_pos at)
{
    struct span text = text_of(list, at);
    const unsigned char *end = at.offset == 0 ? NULL : memrchr(text.p, '\n', at.offset);
    return end == NULL ? at.offset : (size_t)(text.p + at.offset - end - 1);
}

struct span confsource_line(const struct confsource_list *list, struct confsource_pos at)
{
    struct span text = text_of(list, at);
    size_t start = at.offset - confsource_indent(list, at);
    struct span line = {text.n == 0 ? text.p : text.p + start, text.n - start};
    ssize_t n = span_find(line, '\n');
    if (n >= 0)
        line.n = (size_t)n;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

size_t confsource_characters(struct span s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.n; count++) {
        size_t n = utf8_sequence(s.p + i, s.n - i);
        i += n == 0 ? 1 : n;
    }
    return count;
}

size_t confsource_column(const struct confsource_list *list, struct confsource_pos at)
{
    size_t indent = confsource_indent(list, at);
    struct span before = confsource_line(list, at);
    if (indent < before.n)
        before.n = indent;
    return confsource_characters(before) + 1;
}

char *confsource_path(const char *folder, const char *path)
{
    if (path[0] == '/' || folder == NULL || strcmp(folder, ".") == 0)
        return mem_text(path);
    return mem_format("%s%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/", path);
}

char *confsource_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return mem_text(".");
    return slash == path ? mem_text("/") : mem_textn(path, (size_t)(slash - path));
}
