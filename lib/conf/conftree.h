#ifndef QM_CONFTREE_H
#define QM_CONFTREE_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "confsource.h"
#include "conftables.h"
#include "conftype.h"

/* The tree behind struct conf, for the files of this folder: the tables made ready (kinds), the
 * blocks, and what is set in them. Built by confparse and confshare, then sealed and only read. */

struct conftree_kind;

/* A row of a table, made ready. */
struct conftree_setting {
    const struct conf_setting *def;
    struct conftype_rule rule;
    struct conf_value *initial; /* the default's values */
    size_t n_initial;
    const struct conftree_kind *from_kind; /* where the default is taken from, or NULL */
    size_t from_index;
};

#define CONFTREE_PLACES 256

/* A block's table, made ready. One for each struct conf_block_type of the tree. */
struct conftree_kind {
    const struct conf_block_type *type;
    size_t index; /* in conf->kinds; sorts blocks of different kinds */
    struct conftree_setting *settings;
    size_t n_settings;
    const struct conftree_kind **blocks;
    size_t n_blocks;
    /* Names by their hash: 0 for none, else one more than the index of a setting, or behind those
     * of a block. Daemons look settings up for each recipient. */
    uint8_t places[CONFTREE_PLACES];
};

/* What is set for one row in one block. */
struct conftree_slot {
    struct conf_value *values;
    struct confsource_pos *places; /* of each value */
    size_t n;
    struct confsource_pos at; /* of the name in the first statement */
    bool given;               /* also when its value was wrong */
};

/* The blocks of one kind in one parent, linked by next. */
struct conftree_chain {
    struct conf_block *first, *last;
};

struct conf_block {
    const struct conf *conf;
    const struct conftree_kind *kind;
    const struct conf_block *parent;
    char *label;
    struct confsource_pos at;       /* of its name */
    struct confsource_pos label_at; /* of its label */
    bool given;
    struct conftree_slot *slots;   /* kind->n_settings */
    struct conf_block **blocks;    /* in the order of the file */
    size_t n_blocks, index;        /* index: in the blocks of the parent */
    struct conftree_chain *chains; /* kind->n_blocks */
    const struct conf_block *next; /* of the same kind, in the same parent */
    struct conf_block **sorted;    /* blocks by kind, label and place; once sealed */
};

struct confaddr_entry;

struct conf {
    unsigned reader; /* the bit of the process whose tree this is */
    struct confsource_list sources;
    struct conftree_kind **kinds; /* the first is that of the root */
    size_t n_kinds;
    const char **secrets; /* names of secret settings; NULL ends */
    struct conf_block *root;
    struct confaddr_entry *addresses; /* sorted by address; made by confaddr_index */
    size_t n_addresses;
};

/* A tree of these tables that holds nothing but the blocks that always exist. Asserts that the
 * tables are right: names unique, defaults and bounds valid, a block visible to all who see
 * something in it. */
struct conf *conftree_new(const struct conf_block_type *root, unsigned reader);

/* Whether this process may see a setting or block with these readers. */
bool conftree_visible(const struct conf *conf, unsigned readers);

/* The index of the row with this name, or -1; the block type of this name, or NULL. */
ssize_t conftree_setting(const struct conftree_kind *kind, struct span name);
const struct conftree_kind *conftree_block_kind(const struct conftree_kind *kind, struct span name);
/* The chain in the parent that its blocks of this kind, one of parent->kind->blocks, are in. */
struct conftree_chain *conftree_chain(const struct conf_block *parent,
                                      const struct conftree_kind *kind);
/* Whether the name begins a statement in such a block, `include` among them. */
bool conftree_is_name(const struct conftree_kind *kind, struct span name);

/* Adds a block at the end of the parent's. Takes over label (mem_text; NULL: none). */
struct conf_block *conftree_add_block(struct conf_block *parent, const struct conftree_kind *kind,
                                      char *label);
/* A block that belongs to no parent's list, for statements that are read only to find what is wrong
 * in them. Free it with conftree_free_block. */
struct conf_block *conftree_spare_block(struct conf_block *parent, const struct conftree_kind *kind,
                                        char *label);
void conftree_free_block(struct conf_block **block);

/* Appends a value, taking over its text. */
void conftree_add_value(struct conf_block *block, size_t setting, struct conf_value *value,
                        struct confsource_pos at);

/* Sorts what conf_find needs. */
void conftree_seal(struct conf *conf);

/* The values in effect: set here, or where the default is taken from, or the default. */
const struct conf_value *conftree_values(const struct conf_block *block, size_t setting, size_t *n);
/* The slot of a setting that the table has (asserted). */
const struct conftree_slot *conftree_slot(const struct conf_block *block, const char *name);

#endif
