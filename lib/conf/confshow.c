#include "conf.h"
#include "conflex.h"
#include "conftree.h"

/* The settings in effect, as the language has them. */

struct shower {
    struct buf *out;
    bool secrets;
};

static void indent(const struct shower *s, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        buf_puts(s->out, "    ");
}

/* A word that is quoted wherever it could be taken for something else: a name in a list would end
 * it. */
static void put_word(const struct shower *s, const struct conftree_kind *kind, const char *word)
{
    struct span text = span_text(word);
    if (conflex_is_bare(text) && !conftree_is_name(kind, text))
        buf_put_span(s->out, text);
    else
        conflex_quote(text, s->out);
}

static void show_setting(const struct shower *s, const struct conf_block *block, size_t i,
                         unsigned depth)
{
    size_t n;
    const struct conf_setting *def = block->kind->settings[i].def;
    if (!conftree_visible(block->conf, def->readers))
        return;
    const struct conf_value *values = conftree_values(block, i, &n);
    if (n == 0)
        return;
    indent(s, depth);
    buf_puts(s->out, def->name);
    for (size_t v = 0; v < n; v++) {
        buf_putc(s->out, ' ');
        if ((def->flags & CONF_SECRET) != 0 && !s->secrets)
            buf_puts(s->out, "\"********\"");
        else
            put_word(s, block->kind, values[v].text);
    }
    buf_puts(s->out, block->slots[i].n > 0 ? "\n" : " # default\n");
}

static void show_body(const struct shower *s, const struct conf_block *block, unsigned depth);

static void show_block(const struct shower *s, const struct conf_block *block, unsigned depth)
{
    indent(s, depth);
    buf_puts(s->out, conf_name(block));
    if (block->label != NULL) {
        buf_putc(s->out, ' ');
        put_word(s, block->parent->kind, block->label);
    }
    buf_puts(s->out, block->given ? " {\n" : " { # default\n");
    show_body(s, block, depth + 1);
    indent(s, depth);
    buf_puts(s->out, "}\n");
}

static void show_body(const struct shower *s, const struct conf_block *block, unsigned depth)
{
    for (size_t i = 0; i < block->kind->n_settings; i++)
        show_setting(s, block, i, depth);
    for (size_t i = 0; i < block->n_blocks; i++)
        show_block(s, block->blocks[i], depth);
}

void conf_show(const struct conf *conf, bool secrets, struct buf *out)
{
    struct shower s = {out, secrets};
    show_body(&s, conf->root, 0);
}
