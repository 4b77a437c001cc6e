#include "conftree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "confaddr.h"
#include "mem.h"

#define FROM_MAX 4 /* defaults taken from defaults */

static const char *name_at(const struct conftree_kind *kind, size_t i)
{
    size_t n = kind->type->n_settings;
    return i < n ? kind->type->settings[i].name : kind->blocks[i - n]->type->name;
}

/* Where in places the name is, or would be put. */
static size_t place(const struct conftree_kind *kind, struct span name)
{
    size_t h = name.n;
    if (name.n > 0)
        h += name.p[0] * 3u + name.p[name.n / 2] * 5u + name.p[name.n - 1] * 7u;
    for (;; h++) {
        uint8_t i = kind->places[h % CONFTREE_PLACES];
        if (i == 0 || span_is(name, name_at(kind, i - 1u)))
            return h % CONFTREE_PLACES;
    }
}

/* Gives the name its place, which no other has. */
static void add_name(struct conftree_kind *kind, size_t i)
{
    size_t at = place(kind, span_text(name_at(kind, i)));
    assert(kind->places[at] == 0 && i < CONFTREE_PLACES / 2);
    kind->places[at] = (uint8_t)(i + 1);
}

/* The index of what has the name, as name_at counts; SIZE_MAX for none. */
static size_t find_name(const struct conftree_kind *kind, struct span name)
{
    uint8_t i = kind->places[place(kind, name)];
    return i == 0 ? SIZE_MAX : i - 1u;
}

ssize_t conftree_setting(const struct conftree_kind *kind, struct span name)
{
    size_t i = find_name(kind, name);
    return i < kind->type->n_settings ? (ssize_t)i : -1;
}

const struct conftree_kind *conftree_block_kind(const struct conftree_kind *kind, struct span name)
{
    size_t i = find_name(kind, name);
    return i == SIZE_MAX || i < kind->type->n_settings ? NULL
                                                       : kind->blocks[i - kind->type->n_settings];
}

bool conftree_is_name(const struct conftree_kind *kind, struct span name)
{
    return conftree_setting(kind, name) >= 0 || conftree_block_kind(kind, name) != NULL ||
           span_is(name, "include");
}

bool conftree_visible(const struct conf *conf, unsigned readers)
{
    return conf->reader == CONF_MASTER || (readers & conf->reader) != 0;
}

/* Parses the default of a row: one value, or for a list words with blanks between. */
static void make_default(struct conftree_setting *setting)
{
    const struct conf_setting *def = setting->def;
    struct span rest = span_text(def->initial), word = rest;
    if (def->initial == NULL)
        return;
    bool list = (def->flags & CONF_LIST) != 0;
    setting->initial = mem_array(rest.n / 2 + 1, sizeof *setting->initial);
    while (list ? ascii_token(&rest, " ", &word) : setting->n_initial == 0) {
        char *text = span_dup(word);
        int rc = conftype_parse(&setting->rule, text, NULL, &setting->initial[setting->n_initial++],
                                NULL);
        assert(rc == 0);
        mem_free(&text);
    }
}

static void check_row(const struct conftree_kind *kind, size_t i)
{
    const struct conf_setting *def = &kind->type->settings[i];
    assert(strcmp(def->name, "include") != 0);
    assert(def->readers != 0 && def->doc != NULL);
    assert((def->readers & ~(kind->type->readers | CONF_MASTER)) == 0);
    /* A required setting has no default, and no setting has two. */
    assert(((def->flags & CONF_REQUIRED) != 0) + (def->initial != NULL) + (def->from != NULL) <= 1);
}

static void make_settings(struct conftree_kind *kind)
{
    kind->n_settings = kind->type->n_settings;
    kind->settings = mem_array(kind->n_settings + 1, sizeof *kind->settings);
    for (size_t i = 0; i < kind->n_settings; i++) {
        struct conftree_setting *setting = &kind->settings[i];
        check_row(kind, i);
        add_name(kind, i);
        setting->def = &kind->type->settings[i];
        setting->rule = conftype_rule(setting->def);
        make_default(setting);
    }
}

static const struct conftree_kind *make_kind(struct conf *conf, const struct conf_block_type *type,
                                             unsigned depth);

static void make_blocks(struct conf *conf, struct conftree_kind *kind, unsigned depth)
{
    size_t n = 0;
    while (kind->type->blocks != NULL && kind->type->blocks[n] != NULL)
        n++;
    kind->blocks = mem_array(n + 1, sizeof *kind->blocks);
    for (size_t i = 0; i < n; i++) {
        const struct conf_block_type *type = kind->type->blocks[i];
        assert(!conftree_is_name(kind, span_text(type->name)));
        assert((type->readers & ~(kind->type->readers | CONF_MASTER)) == 0);
        assert((type->flags & CONF_ALWAYS) == 0 || (depth == 0 && type->label == CONF_LABEL_NONE));
        assert((type->words != NULL) == (type->label == CONF_LABEL_SET));
        kind->blocks[i] = make_kind(conf, type, depth + 1);
        kind->n_blocks++;
        add_name(kind, kind->n_settings + i);
    }
}

/* The kind of this type, made when it is met first. */
static const struct conftree_kind *make_kind(struct conf *conf, const struct conf_block_type *type,
                                             unsigned depth)
{
    assert(depth <= CONF_MAX_NESTING && type->doc != NULL);
    for (size_t i = 0; i < conf->n_kinds; i++) {
        if (conf->kinds[i]->type == type)
            return conf->kinds[i];
    }
    struct conftree_kind *kind = mem_zero(sizeof *kind);
    kind->type = type;
    kind->index = conf->n_kinds;
    conf->kinds = mem_resize(conf->kinds, (conf->n_kinds + 1) * sizeof *conf->kinds);
    conf->kinds[conf->n_kinds++] = kind;
    make_settings(kind);
    make_blocks(conf, kind, depth);
    return kind;
}

/* Finds the row that "block/setting" or "setting" means, seen from the root. */
static void resolve_from(const struct conf *conf, struct conftree_setting *setting)
{
    const struct conftree_kind *kind = conf->kinds[0];
    struct span name = span_text(setting->def->from);
    ssize_t slash = span_find(name, '/');
    if (slash >= 0) {
        kind = conftree_block_kind(kind, span_of(name.p, (size_t)slash));
        assert(kind != NULL && (kind->type->flags & CONF_ALWAYS) != 0);
        name = span_of(name.p + slash + 1, name.n - (size_t)slash - 1);
    }
    ssize_t index = conftree_setting(kind, name);
    assert(index >= 0);
    const struct conf_setting *from = kind->settings[index].def;
    assert(from->type == setting->def->type);
    assert(from->words == NULL || strcmp(from->words, setting->def->words) == 0);
    assert(((from->flags ^ setting->def->flags) & CONF_LIST) == 0);
    assert((setting->def->readers & ~from->readers) == 0);
    setting->from_kind = kind;
    setting->from_index = (size_t)index;
}

/* Ends the walk over the tables: what points across them, and the names that are masked in errors.
 */
static void finish_kinds(struct conf *conf)
{
    size_t n = 0;
    for (size_t k = 0; k < conf->n_kinds; k++) {
        for (size_t i = 0; i < conf->kinds[k]->n_settings; i++) {
            struct conftree_setting *setting = &conf->kinds[k]->settings[i];
            if (setting->def->from != NULL)
                resolve_from(conf, setting);
            conf->secrets = mem_resize(conf->secrets, (n + 2) * sizeof *conf->secrets);
            if ((setting->def->flags & CONF_SECRET) != 0)
                conf->secrets[n++] = setting->def->name;
        }
    }
    if (conf->secrets != NULL)
        conf->secrets[n] = NULL;
}

struct conf_block *conftree_spare_block(struct conf_block *parent, const struct conftree_kind *kind,
                                        char *label)
{
    struct conf_block *block = mem_zero(sizeof *block);
    block->conf = parent->conf;
    block->kind = kind;
    block->parent = parent;
    block->label = label;
    block->slots = mem_array(kind->n_settings + 1, sizeof *block->slots);
    if (kind->n_blocks > 0)
        block->chains = mem_array(kind->n_blocks, sizeof *block->chains);
    return block;
}

struct conftree_chain *conftree_chain(const struct conf_block *parent,
                                      const struct conftree_kind *kind)
{
    size_t i = 0;
    while (i < parent->kind->n_blocks && parent->kind->blocks[i] != kind)
        i++;
    assert(i < parent->kind->n_blocks);
    return &parent->chains[i];
}

struct conf_block *conftree_add_block(struct conf_block *parent, const struct conftree_kind *kind,
                                      char *label)
{
    struct conf_block *block = conftree_spare_block(parent, kind, label);
    if ((parent->n_blocks & (parent->n_blocks - 1)) == 0) { /* full at each power of two */
        size_t room = parent->n_blocks == 0 ? 1 : parent->n_blocks * 2;
        parent->blocks = mem_resize(parent->blocks, room * sizeof *parent->blocks);
    }
    struct conftree_chain *chain = conftree_chain(parent, kind);
    if (chain->last == NULL)
        chain->first = block;
    else
        chain->last->next = block;
    chain->last = block;
    block->index = parent->n_blocks;
    parent->blocks[parent->n_blocks++] = block;
    return block;
}

static void free_slot(const struct conftree_setting *setting, struct conftree_slot *slot)
{
    for (size_t i = 0; i < slot->n; i++)
        conftype_free(&setting->rule, &slot->values[i]);
    mem_free(&slot->values);
    mem_free(&slot->places);
}

void conftree_free_block(struct conf_block **block)
{
    struct conf_block *b = *block;
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->n_blocks; i++)
        conftree_free_block(&b->blocks[i]);
    for (size_t i = 0; i < b->kind->n_settings; i++)
        free_slot(&b->kind->settings[i], &b->slots[i]);
    mem_free(&b->slots);
    mem_free(&b->blocks);
    mem_free(&b->sorted);
    mem_free(&b->chains);
    mem_free(&b->label);
    mem_free(block);
}

struct conf *conftree_new(const struct conf_block_type *root, unsigned reader)
{
    struct conf *conf = mem_zero(sizeof *conf);
    conf->reader = reader;
    (void)make_kind(conf, root, 0);
    finish_kinds(conf);
    struct conf_block origin = {.conf = conf};
    conf->root = conftree_spare_block(&origin, conf->kinds[0], NULL);
    conf->root->parent = NULL;
    for (size_t i = 0; i < conf->kinds[0]->n_blocks; i++) {
        const struct conftree_kind *kind = conf->kinds[0]->blocks[i];
        if ((kind->type->flags & CONF_ALWAYS) != 0 && conftree_visible(conf, kind->type->readers))
            (void)conftree_add_block(conf->root, kind, NULL);
    }
    return conf;
}

static void free_kind(struct conftree_kind **kind)
{
    for (size_t i = 0; i < (*kind)->n_settings; i++) {
        struct conftree_setting *setting = &(*kind)->settings[i];
        for (size_t v = 0; v < setting->n_initial; v++)
            conftype_free(&setting->rule, &setting->initial[v]);
        mem_free(&setting->initial);
    }
    mem_free(&(*kind)->settings);
    mem_free(&(*kind)->blocks);
    mem_free(kind);
}

void conf_free(struct conf **conf)
{
    struct conf *c = *conf;
    if (c == NULL)
        return;
    confaddr_forget(c);
    conftree_free_block(&c->root);
    for (size_t i = 0; i < c->n_kinds; i++)
        free_kind(&c->kinds[i]);
    mem_free(&c->kinds);
    mem_free(&c->secrets);
    confsource_free(&c->sources);
    mem_free(conf);
}

void conftree_add_value(struct conf_block *block, size_t setting, struct conf_value *value,
                        struct confsource_pos at)
{
    struct conftree_slot *slot = &block->slots[setting];
    assert(slot->n == 0 || (block->kind->settings[setting].def->flags & CONF_LIST) != 0);
    if ((slot->n & (slot->n - 1)) == 0) { /* full at each power of two */
        size_t room = slot->n == 0 ? 1 : slot->n * 2;
        slot->values = mem_resize(slot->values, room * sizeof *slot->values);
        slot->places = mem_resize(slot->places, room * sizeof *slot->places);
    }
    slot->values[slot->n] = *value;
    slot->places[slot->n++] = at;
    slot->given = true;
    *value = (struct conf_value){0};
}

static int by_label(const void *pa, const void *pb)
{
    const struct conf_block *a = *(struct conf_block *const *)pa;
    const struct conf_block *b = *(struct conf_block *const *)pb;
    if (a->kind != b->kind)
        return a->kind->index < b->kind->index ? -1 : 1;
    int c = strcmp(conf_label(a), conf_label(b));
    return c != 0 ? c : a->index < b->index ? -1 : 1;
}

static void seal_block(struct conf_block *block)
{
    if (block->n_blocks == 0)
        return;
    block->sorted = mem_copy(block->blocks, block->n_blocks * sizeof *block->blocks);
    qsort(block->sorted, block->n_blocks, sizeof *block->sorted, by_label);
    for (size_t i = 0; i < block->n_blocks; i++)
        seal_block(block->blocks[i]);
}

void conftree_seal(struct conf *conf)
{
    seal_block(conf->root);
}

const struct conf_value *conftree_values(const struct conf_block *block, size_t setting, size_t *n)
{
    for (unsigned steps = 0; steps < FROM_MAX; steps++) {
        const struct conftree_slot *slot = &block->slots[setting];
        const struct conftree_setting *row = &block->kind->settings[setting];
        if (slot->n > 0) {
            *n = slot->n;
            return slot->values;
        }
        if (row->from_kind == NULL) {
            *n = row->n_initial;
            return row->initial;
        }
        const struct conf_block *root = block->conf->root;
        setting = row->from_index;
        block = row->from_kind == root->kind ? root : conf_child(root, row->from_kind->type->name);
    }
    assert(!"a default is taken from itself");
    return NULL;
}

const struct conftree_slot *conftree_slot(const struct conf_block *block, const char *name)
{
    ssize_t i = conftree_setting(block->kind, span_text(name));
    assert(i >= 0);
    return &block->slots[i];
}
