#include "credfile.h"

#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "mem.h"
#include "utf8.h"

/* An account's line. */
struct entry {
    char *name;
    size_t line;
    struct scram_verifier verifier;
};

struct credfile {
    /* Sorted by name. Pointers, so that neither growing nor sorting leaves copies of verifiers
     * behind. */
    struct entry **entries;
    size_t count, room;
};

bool credfile_is_name(struct span name)
{
    if (name.n == 0 || name.n > CREDFILE_NAME_MAX || name.p[0] == '#' || !utf8_valid(name))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] <= ' ' || name.p[i] == 0x7f)
            return false;
    }
    return true;
}

/* Cuts the next line off *rest, with its line feed, which only the last one may lack. */
static bool next_line(struct span *rest, struct span *line)
{
    ssize_t at = span_find(*rest, '\n');
    size_t n = at < 0 ? rest->n : (size_t)at + 1;
    *line = span_of(rest->p, n);
    *rest = span_of(rest->p + n, rest->n - n);
    return n > 0;
}

/* The two words of a line; name.n is 0 for a line that says nothing. */
static int read_line(struct span line, struct span *name, struct span *verifier, struct fail *f)
{
    struct span rest = ascii_trim(line);
    *name = *verifier = span_of(NULL, 0);
    if (line.n > CREDFILE_LINE_MAX + (line.p[line.n - 1] == '\n'))
        return fail_set(f, "longer than %d octets", CREDFILE_LINE_MAX);
    if (rest.n == 0 || rest.p[0] == '#')
        return 0;
    if (!ascii_token(&rest, " \t", name) || !credfile_is_name(*name))
        return fail_set(f, "this is no account name");
    if (!ascii_token(&rest, " \t", verifier))
        return fail_set(f, "an account name and its verifier are expected");
    if (rest.n > 0)
        return fail_set(f, "something follows the verifier");
    return 0;
}

static void add(struct credfile *c, struct span name, size_t line, const struct scram_verifier *v)
{
    struct entry *entry = mem_zero(sizeof *entry);
    entry->name = span_dup(name);
    entry->line = line;
    entry->verifier = *v;
    if (c->count == c->room) {
        c->room = c->room == 0 ? 16 : 2 * c->room;
        c->entries = mem_resize(c->entries, c->room * sizeof c->entries[0]);
    }
    c->entries[c->count++] = entry;
}

static int by_name(const void *a, const void *b)
{
    const struct entry *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int sort(struct credfile *c, struct fail *f)
{
    if (c->count == 0)
        return 0;
    qsort(c->entries, c->count, sizeof c->entries[0], by_name);
    for (size_t i = 1; i < c->count; i++) {
        const struct entry *a = c->entries[i - 1], *b = c->entries[i];
        if (strcmp(a->name, b->name) == 0)
            return fail_set(f, "line %zu: account %s already has line %zu",
                            a->line > b->line ? a->line : b->line, a->name,
                            a->line > b->line ? b->line : a->line);
    }
    return 0;
}

static int parse(struct credfile *c, struct span text, struct fail *f)
{
    struct span line, name, verifier;
    struct scram_verifier v;
    int result = 0;
    for (size_t n = 1; result == 0 && next_line(&text, &line); n++) {
        if (n > CREDFILE_LINES_MAX)
            return fail_set(f, "line %zu: more than %d lines", n, CREDFILE_LINES_MAX);
        if (read_line(line, &name, &verifier, f) != 0 ||
            (name.n > 0 && scram_parse(&v, verifier, f) != 0)) {
            result = fail_prefix(f, "line %zu", n);
        } else if (name.n > 0) {
            add(c, name, n, &v);
            scram_wipe(&v);
        }
    }
    return result == 0 ? sort(c, f) : result;
}

struct credfile *credfile_parse(struct span text, struct fail *f)
{
    struct credfile *c = mem_zero(sizeof *c);
    if (parse(c, text, f) != 0)
        credfile_free(&c);
    return c;
}

void credfile_free(struct credfile **c)
{
    if (*c == NULL)
        return;
    for (size_t i = 0; i < (*c)->count; i++) {
        mem_free(&(*c)->entries[i]->name);
        scram_wipe(&(*c)->entries[i]->verifier);
        mem_free(&(*c)->entries[i]);
    }
    mem_free(&(*c)->entries);
    mem_free(c);
}

size_t credfile_count(const struct credfile *c)
{
    return c->count;
}

const struct scram_verifier *credfile_find(const struct credfile *c, struct span account)
{
    char name[CREDFILE_NAME_MAX + 1];
    if (c->count == 0 || span_copy(account, name, sizeof name) != 0)
        return NULL;
    const struct entry key = {.name = name}, *wanted = &key;
    struct entry *const *found =
        bsearch(&wanted, c->entries, c->count, sizeof c->entries[0], by_name);
    return found == NULL ? NULL : &(*found)->verifier;
}

static void put_line(struct buf *out, struct span account, const struct scram_verifier *v)
{
    if (v == NULL)
        return;
    buf_put_span(out, account);
    buf_putc(out, ' ');
    scram_text(v, out);
    buf_putc(out, '\n');
}

int credfile_replace(struct span text, struct span account, const struct scram_verifier *v,
                     struct buf *out, struct fail *f)
{
    struct span line, name, verifier;
    size_t lines = 0;
    if (!credfile_is_name(account))
        return fail_set(f,
                        "this cannot be an account's name here: 1 to %d octets of UTF-8 without "
                        "white space, not beginning with '#'",
                        CREDFILE_NAME_MAX);
    struct credfile *c = credfile_parse(text, f);
    if (c == NULL)
        return -1;
    bool known = credfile_find(c, account) != NULL;
    credfile_free(&c);
    for (struct span rest = text; next_line(&rest, &line);)
        lines++;
    if (!known && v != NULL && lines >= CREDFILE_LINES_MAX)
        return fail_set(f, "the file has %d lines already", CREDFILE_LINES_MAX);
    /* Each growth of the buffer would leave a copy behind. */
    (void)buf_room(out, text.n + CREDFILE_LINE_MAX + 2);
    while (next_line(&text, &line)) {
        if (read_line(line, &name, &verifier, f) == 0 && span_equal(name, account)) {
            put_line(out, account, v);
            continue;
        }
        buf_put_span(out, line);
        if (line.p[line.n - 1] != '\n')
            buf_putc(out, '\n');
    }
    if (!known)
        put_line(out, account, v);
    return 0;
}
