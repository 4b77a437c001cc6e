#include "conf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "conftree.h"

/* What the daemons ask. */

const struct conf_block *conf_root(const struct conf *conf)
{
    return conf->root;
}

/* The kind of a child block, which the table has and this process may see. */
static const struct conftree_kind *kind_of(const struct conf_block *parent, const char *name)
{
    const struct conftree_kind *kind = conftree_block_kind(parent->kind, span_text(name));
    assert(kind != NULL && conftree_visible(parent->conf, kind->type->readers));
    return kind;
}

const struct conf_block *conf_next(const struct conf_block *parent, const char *name,
                                   const struct conf_block *prev)
{
    const struct conftree_kind *kind = kind_of(parent, name);
    assert(prev == NULL || (prev->parent == parent && prev->kind == kind));
    return prev == NULL ? conftree_chain(parent, kind)->first : prev->next;
}

const struct conf_block *conf_child(const struct conf_block *parent, const char *name)
{
    return conf_next(parent, name, NULL);
}

const struct conf_block *conf_find(const struct conf_block *parent, const char *name,
                                   const char *label)
{
    const struct conftree_kind *kind = kind_of(parent, name);
    size_t low = 0, high = parent->n_blocks;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct conf_block *block = parent->sorted[middle];
        int c = block->kind != kind ? (block->kind->index < kind->index ? -1 : 1)
                                    : strcmp(conf_label(block), label);
        if (c == 0)
            return block;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const char *conf_label(const struct conf_block *block)
{
    return block->label == NULL ? "" : block->label;
}

const char *conf_name(const struct conf_block *block)
{
    return block->kind->type->name;
}

/* The row of a setting, which the table has and this process may see. */
static size_t row_of(const struct conf_block *block, const char *name)
{
    ssize_t i = conftree_setting(block->kind, span_text(name));
    assert(i >= 0);
    assert(conftree_visible(block->conf, block->kind->settings[i].def->readers));
    return (size_t)i;
}

bool conf_is_set(const struct conf_block *block, const char *name)
{
    return block->slots[row_of(block, name)].given;
}

const struct conf_value *conf_value(const struct conf_block *block, const char *name)
{
    size_t n, i = row_of(block, name);
    assert((block->kind->settings[i].def->flags & CONF_LIST) == 0);
    const struct conf_value *values = conftree_values(block, i, &n);
    return n == 0 ? NULL : values;
}

const struct conf_value *conf_list(const struct conf_block *block, const char *name, size_t *count)
{
    size_t i = row_of(block, name);
    assert((block->kind->settings[i].def->flags & CONF_LIST) != 0);
    return conftree_values(block, i, count);
}

static int64_t number(const struct conf_block *block, const char *name, enum conf_type type)
{
    const struct conf_value *value = conf_value(block, name);
    assert(block->kind->settings[row_of(block, name)].def->type == type);
    return value == NULL ? 0 : value->number;
}

bool conf_bool(const struct conf_block *block, const char *name)
{
    return number(block, name, CONF_BOOL) != 0;
}

int conf_int(const struct conf_block *block, const char *name)
{
    return (int)number(block, name, CONF_INT);
}

int64_t conf_ms(const struct conf_block *block, const char *name)
{
    return number(block, name, CONF_DURATION);
}

uint64_t conf_size(const struct conf_block *block, const char *name)
{
    return (uint64_t)number(block, name, CONF_SIZE);
}

int conf_word(const struct conf_block *block, const char *name)
{
    return (int)number(block, name, CONF_WORD);
}

const char *conf_text(const struct conf_block *block, const char *name)
{
    const struct conf_value *value = conf_value(block, name);
    assert(conftype_is_text(block->kind->settings[row_of(block, name)].def->type));
    return value == NULL ? NULL : value->text;
}

void conf_where(const struct conf_block *block, const char *name, struct buf *out)
{
    struct confsource_pos at = block->at;
    if (name != NULL && conftree_slot(block, name)->given)
        at = conftree_slot(block, name)->at;
    const struct confsource_list *sources = &block->conf->sources;
    if (sources->n == 0)
        buf_puts(out, "share");
    else if (at.line == 0)
        buf_puts(out, sources->v[at.file]->name);
    else
        buf_putf(out, "%s:%u", sources->v[at.file]->name, at.line);
}

static void each_secret_file(const struct conf_block *block, conf_file_fn *each, void *arg)
{
    for (size_t i = 0; i < block->kind->n_settings; i++) {
        const struct conf_setting *def = block->kind->settings[i].def;
        size_t n = 0;
        if ((def->flags & CONF_SECRET_FILE) == 0 || !conftree_visible(block->conf, def->readers))
            continue;
        const struct conf_value *values = conftree_values(block, i, &n);
        for (size_t v = 0; v < n; v++)
            each(block, def->name, values[v].text, arg);
    }
    for (size_t i = 0; i < block->n_blocks; i++)
        each_secret_file(block->blocks[i], each, arg);
}

void conf_each_secret_file(const struct conf *conf, conf_file_fn *each, void *arg)
{
    each_secret_file(conf->root, each, arg);
}
