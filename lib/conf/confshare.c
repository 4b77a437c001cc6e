#include <assert.h>
#include <string.h>

#include "conf.h"
#include "confaddr.h"
#include "confname.h"
#include "conftree.h"
#include "mem.h"
#include "wire.h"

/* What master hands to a child: the settings and blocks that were given and that the child may see.
 *
 *     share = "qmc1" u32 reader body
 *     body  = u32 count, settings in the order of the table: text name, u32 count, texts
 *             u32 count, blocks in the order of the file:    text name, text label, body
 *
 * Values are in their canonical spelling and go through the same parser as those of a file. Blocks
 * that always exist come first, in the order of the table, whether given or not. For the vault, of
 *
 *     hostname a.example  domain a.example { dkim x { key-file /k } }
 *
 *     71 6d 63 31  00 00 00 40                          qmc1, vault
 *     00 00 00 01  .. "hostname"  00 00 00 01  .. "a.example"
 *     00 00 00 01  .. "domain"  .. "a.example"
 *         00 00 00 00  00 00 00 01  .. "dkim"  .. "x"
 *             00 00 00 01  .. "key-file"  00 00 00 01  .. "/k"  00 00 00 00
 *
 * where .. is the length of the text, u32. */

#define MAGIC 0x716d6331
#define NAME_MAX_ 64
#define LABEL_MAX 256
#define VALUE_MAX 4096
#define ALL_READERS                                                                                \
    (CONF_MASTER | CONF_SMTPD | CONF_QMGR | CONF_DELIVERY | CONF_WEBAPI | CONF_HOOKS | CONF_VAULT)

static bool is_one_reader(unsigned reader)
{
    return reader != 0 && (reader & (reader - 1)) == 0 && (reader & ~(unsigned)ALL_READERS) == 0;
}

static bool may_see(unsigned reader, unsigned readers)
{
    return reader == CONF_MASTER || (readers & reader) != 0;
}

static void put_slot(const struct conftree_slot *slot, const char *name, struct buf *out)
{
    wire_put_text(out, name);
    wire_put_u32(out, (uint32_t)slot->n);
    for (size_t i = 0; i < slot->n; i++)
        wire_put_text(out, slot->values[i].text);
}

/* Puts the rows, or the blocks, that the reader may see; with out NULL only counts them. */
static uint32_t put_settings(const struct conf_block *block, unsigned reader, struct buf *out)
{
    uint32_t n = 0;
    for (size_t i = 0; i < block->kind->n_settings; i++) {
        const struct conf_setting *def = block->kind->settings[i].def;
        if (block->slots[i].n == 0 || !may_see(reader, def->readers))
            continue;
        n++;
        if (out != NULL)
            put_slot(&block->slots[i], def->name, out);
    }
    return n;
}

static void put_body(const struct conf_block *block, unsigned reader, struct buf *out);

static uint32_t put_blocks(const struct conf_block *block, unsigned reader, struct buf *out)
{
    uint32_t n = 0;
    for (size_t i = 0; i < block->n_blocks; i++) {
        const struct conf_block *inner = block->blocks[i];
        if (!may_see(reader, inner->kind->type->readers))
            continue;
        n++;
        if (out == NULL)
            continue;
        wire_put_text(out, conf_name(inner));
        wire_put_text(out, conf_label(inner));
        put_body(inner, reader, out);
    }
    return n;
}

static void put_body(const struct conf_block *block, unsigned reader, struct buf *out)
{
    wire_put_u32(out, put_settings(block, reader, NULL));
    (void)put_settings(block, reader, out);
    wire_put_u32(out, put_blocks(block, reader, NULL));
    (void)put_blocks(block, reader, out);
}

void conf_encode(const struct conf *conf, unsigned reader, struct buf *out)
{
    assert(is_one_reader(reader) && (conf->reader == CONF_MASTER || conf->reader == reader));
    wire_put_u32(out, MAGIC);
    wire_put_u32(out, reader);
    put_body(conf->root, reader, out);
}

/* One value, which has to be in its canonical spelling. */
static int get_value(struct wire *w, struct conf_block *block, size_t setting, struct fail *f)
{
    struct conf_value value;
    const struct conftree_setting *row = &block->kind->settings[setting];
    char *text = wire_text(w, VALUE_MAX);
    int rc = w->bad ? fail_set(f, "%s: a value is cut short", row->def->name)
                    : conftype_parse(&row->rule, text, NULL, &value, f);
    if (rc == 0 && strcmp(value.text, text) != 0) {
        conftype_free(&row->rule, &value);
        rc = fail_set(f, "%s is not in its canonical spelling", row->def->name);
    } else if (rc == 0) {
        conftree_add_value(block, setting, &value, (struct confsource_pos){0});
    } else if (!w->bad) {
        (void)fail_prefix(f, "%s", row->def->name);
    }
    mem_wipe(text, strlen(text));
    mem_free(&text);
    return rc;
}

/* The row that the next setting is of, which has to come after the one before. */
static ssize_t get_row(struct wire *w, const struct conf_block *block, ssize_t before,
                       struct fail *f)
{
    struct span name = wire_span(w, NAME_MAX_);
    ssize_t row = conftree_setting(block->kind, name);
    if (row < 0)
        return fail_set(f, "unknown setting in \"%s\"", conf_name(block));
    if (row <= before)
        return fail_set(f, "%s is out of its order", block->kind->settings[row].def->name);
    if (!conftree_visible(block->conf, block->kind->settings[row].def->readers))
        return fail_set(f, "%s is not for this process", block->kind->settings[row].def->name);
    return row;
}

static int get_settings(struct wire *w, struct conf_block *block, struct fail *f)
{
    uint32_t n = wire_count(w, (uint32_t)block->kind->n_settings, 12);
    ssize_t row = -1;
    for (uint32_t i = 0; i < n; i++) {
        row = get_row(w, block, row, f);
        if (row < 0)
            return -1;
        const struct conf_setting *def = block->kind->settings[row].def;
        uint32_t max = (def->flags & CONF_LIST) != 0 ? UINT32_MAX : 1;
        uint32_t values = wire_count(w, max, 4);
        if (values == 0)
            return fail_set(f, "%s has no value, or too many", def->name);
        for (uint32_t v = 0; v < values; v++) {
            if (get_value(w, block, (size_t)row, f) != 0)
                return -1;
        }
    }
    for (size_t i = 0; i < block->kind->n_settings; i++) {
        const struct conf_setting *def = block->kind->settings[i].def;
        if ((def->flags & CONF_REQUIRED) != 0 && block->slots[i].n == 0 &&
            conftree_visible(block->conf, def->readers))
            return fail_set(f, "%s is missing", def->name);
    }
    return w->bad ? fail_set(f, "cut short") : 0;
}

/* A block that always exists: the i-th of the share has to be the i-th of the tree. */
static struct conf_block *existing_block(struct conf_block *parent, uint32_t i,
                                         const struct conftree_kind *kind, const char *label,
                                         struct fail *f)
{
    struct conf_block *block = parent->blocks[i];
    if (block->kind == kind && label[0] == '\0')
        return block;
    (void)fail_set(f, "block %s is missing", conf_name(block));
    return NULL;
}

static struct conf_block *new_block(struct conf_block *parent, const struct conftree_kind *kind,
                                    const char *label, struct fail *f)
{
    const struct conf_block_type *type = kind->type;
    if ((type->flags & CONF_ALWAYS) == 0 && type->label == CONF_LABEL_NONE && label[0] == '\0')
        return conftree_add_block(parent, kind, NULL);
    char *canonical = confname_label(type, label, f);
    if (canonical != NULL && strcmp(canonical, label) == 0)
        return conftree_add_block(parent, kind, canonical);
    mem_free(&canonical);
    (void)fail_set(f, "a block %s has a name it cannot have, or comes twice", type->name);
    return NULL;
}

static struct conf_block *get_block(struct wire *w, struct conf_block *parent, uint32_t i,
                                    struct fail *f)
{
    const struct conftree_kind *kind = conftree_block_kind(parent->kind, wire_span(w, NAME_MAX_));
    char *label = wire_text(w, LABEL_MAX);
    struct conf_block *block = NULL;
    if (w->bad || kind == NULL || !conftree_visible(parent->conf, kind->type->readers))
        (void)fail_set(f, "a block in \"%s\" is unknown or not for this process",
                       conf_name(parent));
    else if (i < parent->n_blocks)
        block = existing_block(parent, i, kind, label, f);
    else
        block = new_block(parent, kind, label, f);
    if (block != NULL)
        block->given = true;
    mem_free(&label);
    return block;
}

static int get_body(struct wire *w, struct conf_block *block, struct fail *f)
{
    if (get_settings(w, block, f) != 0)
        return -1;
    uint32_t n = wire_count(w, UINT32_MAX, 16);
    for (uint32_t i = 0; i < n; i++) {
        struct conf_block *inner = get_block(w, block, i, f);
        if (inner == NULL || get_body(w, inner, f) != 0)
            return -1;
    }
    if (w->bad || n < block->n_blocks)
        return fail_set(f, "blocks of \"%s\" are missing", conf_name(block));
    return 0;
}

/* Blocks that may stand there once, or once with the same label. */
static int check_once(const struct conf_block *block, struct fail *f)
{
    for (size_t i = 0; i < block->n_blocks; i++) {
        const struct conf_block *it = block->sorted[i];
        const struct conf_block *prev = i == 0 ? NULL : block->sorted[i - 1];
        if (prev != NULL && prev->kind == it->kind &&
            (it->kind->type->flags & CONF_REPEATABLE) == 0 &&
            strcmp(conf_label(prev), conf_label(it)) == 0)
            return fail_set(f, "block %s %s is there twice", conf_name(it), conf_label(it));
        if (check_once(it, f) != 0)
            return -1;
    }
    return 0;
}

static int get_share(struct span share, struct conf *conf, struct fail *f)
{
    struct wire w = wire_open(share);
    if (share.n > CONF_MAX_TOTAL)
        return fail_set(f, "%zu octets are too many", share.n);
    if (wire_u32(&w) != MAGIC || wire_u32(&w) != conf->reader)
        return fail_set(f, "it is not meant for this process");
    if (get_body(&w, conf->root, f) != 0)
        return -1;
    if (wire_end(&w) != 0)
        return fail_set(f, "octets are left over");
    conftree_seal(conf);
    return check_once(conf->root, f);
}

struct conf *conf_decode(struct span share, unsigned reader, struct fail *f)
{
    assert(is_one_reader(reader));
    struct conf *conf = conftree_new(&conftables_root, reader);
    if (get_share(share, conf, f) != 0) {
        (void)fail_prefix(f, "the share of the configuration is wrong");
        conf_free(&conf);
        return NULL;
    }
    confaddr_index(conf);
    return conf;
}
